import { assertEquals, assertTrue } from "../../src/std.ts";
import { run, succeed } from "./support.ts";

const quick = ["--preset", "small", "--batch-size", "2", "--steps", "2", "--rounds", "2", "--threads", "1"];
const peer = `import sys, json
assert sys.argv[1:5] == ["--batch", "2", "--steps", "2"], sys.argv
for variant in sys.argv[sys.argv.index("--variants") + 1].split(","):
    print(json.dumps({"variant": variant, "windows_per_second": 1, "inference_windows_per_second": 2}))
`;

Deno.test("bench: rates, shares of the peak, operators, growth and a peer, as JSON and as a table", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/peer.py`, peer);
  await Deno.writeTextFile(`${folder}/lengths.txt`, "20\n7\n30\n");
  const all = [...quick, "--peer", `${folder}/peer.py`, "--peer-variants", "a-fp32,b-bf16", "--profile"];
  const found = JSON.parse(
    (await succeed("bench", ...all, "--scaling", "--lengths", `${folder}/lengths.txt`, "--json")).stdout,
  );
  assertEquals(found.medians.map(({ variant }: { variant: string }) => variant), [
    "astromer-float32",
    "astromer-bfloat16",
    "a-fp32",
    "b-bf16",
  ]);
  const [ours] = found.medians;
  assertTrue(ours.windows_per_second > 0 && ours.inference_windows_per_second > ours.windows_per_second);
  assertTrue(
    ours.operations[0] < found.matrix_product_peak.float32,
    "no network is faster than its products",
  );
  assertEquals(found.ratios[0], {
    variant: "astromer-float32",
    peer: "a-fp32",
    training: ours.windows_per_second,
    inference: ours.inference_windows_per_second / 2,
  });
  assertTrue(found.profile.float32.some(({ operator }: { operator: string }) => operator === "aten::mm"));
  assertEquals(found.scaling.map(({ quantity }: { quantity: string }) => quantity), [
    "batch",
    "length",
    "blocks",
    "threads",
  ]);
  assertTrue(found.dispatcher_overhead_us > 0.1 && found.operator_calls_a_step > 50);

  const { stdout } = await succeed("bench", ...quick, "--precision", "float32", "--profile");
  for (const part of ["astromer-float32", "of peak", "GFLOP/s", "operators of a training step, float32"]) {
    assertTrue(stdout.includes(part), part);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("bench: lengths and peers that are none are refused", async () => {
  for (
    const [args, code, message] of [
      [["--lengths", "no-such-file"], 2, "--lengths no-such-file cannot be read"],
      [["--peer", "no-such-peer.py"], 1, "the peer no-such-peer.py failed"],
      [["--python", "no-such-python", "--peer", "peer.py"], 1, "no-such-python cannot be run"],
    ] as const
  ) {
    const result = await run("bench", ...quick, ...args);
    assertEquals(result.code, code);
    assertTrue(result.stderr.includes(message), result.stderr);
  }
});
