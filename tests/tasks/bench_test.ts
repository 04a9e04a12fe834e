import { assertAlmostEquals, assertEquals, assertTrue } from "../../src/common/std.ts";
import { missingInPython } from "../python.ts";
import { testIn } from "../shared.ts";
import { run, succeed } from "./support.ts";

const quick = ["--preset", "small", "--batch-size", "2", "--steps", "2", "--threads", "1"];
const trains = `import sys, json
assert sys.argv[1:5] == ["--batch", "2", "--steps", "2"], sys.argv
variant = sys.argv[sys.argv.index("--variants") + 1]
print(json.dumps({"variant": variant, "windows_per_second": 1, "inference_windows_per_second": 2}))
`;
const infers = `import json
print(json.dumps({"variant": "infers-fp32", "inference_windows_per_second": 4}))
`;
const filters = `import glob, json, sys
pattern, output = sys.argv[1:]
assert glob.glob(pattern), pattern
open(output, "w").close()
print(json.dumps({"observations": 7}))
`;

const noPython = missingInPython();
testIn(
  `bench: rates, memory, shares of the peak, operators, growth and peers, as JSON and as a table${
    noPython && " (skipped: there is no python3)"
  }`,
  async (folder) => {
    for (const [name, text] of Object.entries({ trains, infers, filters })) {
      await Deno.writeTextFile(`${folder}/${name}.py`, text);
    }
    await Deno.writeTextFile(`${folder}/lengths.txt`, "20\n7\n30\n");
    const { stdout: json } = await succeed(
      ...["bench", ...quick, "--rounds", "2", "--lengths", `${folder}/lengths.txt`, "--json"],
      ...["--peers", `${folder}/trains.py:a-fp32:b-bf16,${folder}/infers.py`, "--profile", "--scaling"],
    );
    const found = JSON.parse(json);
    assertEquals(found.medians.map(({ variant }: { variant: string }) => variant), [
      "astromer-float32",
      "astromer-bfloat16",
      "a-fp32",
      "b-bf16",
      "infers-fp32",
    ]);
    const [ours, , trained, , inferred] = found.medians;
    assertTrue(ours.windows_per_second > 0 && ours.inference_windows_per_second > 0);
    assertTrue(
      ours.operations.training < found.matrix_product_peak.float32,
      "no network is faster than its products",
    );
    assertTrue(!("windows_per_second" in inferred), "a peer need not train");
    if (Deno.build.os === "linux") {
      assertTrue(ours.peak_memory_gb > 0.1 && ours.peak_memory_gb < 2, `${ours.peak_memory_gb} GB`);
      assertTrue(trained.peak_memory_gb < 0.1, "a script that loads nothing, not the largest process so far");
    }
    const { training, inference } = found.ratios[0];
    for (const [{ lowest, median, highest }, rate] of [[training, 1], [inference, 2]] as const) {
      const ourRate = rate === 1 ? ours.windows_per_second : ours.inference_windows_per_second / 2;
      assertAlmostEquals(median, ourRate, 1e-9 * ourRate); // the peer's are 1 and 2 in both rounds
      assertTrue(lowest <= median && median <= highest);
    }
    assertEquals(found.ratios.length, 2 * 3);
    assertTrue(
      found.profile.float32.some(({ operator }: { operator: string }) => operator === "aten::mm"),
    );
    assertEquals(found.scaling.map(({ quantity }: { quantity: string }) => quantity), [
      "batch",
      "length",
      "blocks",
      "threads",
    ]);
    assertTrue(found.dispatcher_overhead_us > 0.1 && found.operator_calls_a_step > 50);

    const { stdout } = await succeed(
      ...["bench", ...quick, "--rounds", "1", "--precision", "float32", "--profile"],
      ...["--peers", `${folder}/trains.py:a-fp32,${folder}/infers.py`],
      ...["--preprocess", "2e4", "--preprocess-peers", `${folder}/filters.py`],
    );
    const line = (start: string) => stdout.split("\n").find((each) => each.startsWith(start)) ?? stdout;
    assertTrue(/^astromer-float32 +[\d.]+ +\d+ % +[\d.]+ +\d+ %/.test(line("astromer-float32")), stdout);
    assertTrue(/^infers-fp32 +4\.0( |$)/.test(line("infers-fp32")), stdout);
    assertTrue(/^astromer-float32 \/ infers-fp32 +[\d.]+$/.test(line("astromer-float32 / infers")), stdout);
    assertTrue(/^astromer +[\d,]+ +1[\d],\d{3} /.test(line("astromer ")), stdout);
    assertTrue(/^filters +[\d,]+ +7 /.test(line("filters")), stdout);
    for (const part of ["of peak", "GFLOP/s", "operators of a training step, float32"]) {
      assertTrue(stdout.includes(part), part);
    }
  },
  noPython !== "",
);

testIn("bench: embed from its start to its file, with an older processor's instructions", async (folder) => {
  const data = `${folder}/dataset`, survey = `${folder}/survey`;
  await succeed("simulate", "--light-curves", "20", "--mean-length", "60", "--output", survey);
  await succeed("preprocess", "--preset", "reference", "--input", survey, "--output", data);
  const { stdout } = await succeed(
    ...[
      "bench",
      ...quick,
      "--rounds",
      "1",
      "--inference-only",
      "--isa",
      "avx2",
      "--precision",
      "float32",
      "--json",
    ],
    ...["--model", "astromer2-asas", "--data", data],
  );
  const { isa, medians: [own], embeddings: [embedded] } = JSON.parse(stdout);
  assertEquals([isa, "windows_per_second" in own, own.operations.training], ["avx2", false, undefined]);
  assertTrue(own.inference_windows_per_second > 0);
  const windows = embedded.windows_per_second * embedded.seconds;
  assertTrue(Math.abs(windows - Math.round(windows)) < 1e-6 && windows >= 20 && windows < 60, `${windows}`);
});

Deno.test("bench: lengths and peers that are none are refused", async () => {
  for (
    const [args, code, message] of [
      [["--lengths", "no-such-file"], 2, "--lengths no-such-file cannot be read"],
      [["--peers", "sdpa-fp32"], 2, "--peers sdpa-fp32: a Python script is needed"],
      [["--preprocess-peers", "peer.py"], 2, "--preprocess-peers needs --preprocess"],
      [["--model", "astromer2-asas"], 2, "--model and --data are given together"],
      [["--model", "nope", "--data", "no-data"], 2, "nope is not a model folder"],
      [["--model", "astromer2-asas", "--data", "no-data"], 2, "no-data is not a dataset folder"],
      [["--peers", "no-such-peer.py"], 1, "the peer no-such-peer.py (run by --python python3) failed"],
      [["--python", "no-such-python", "--peers", "peer.py"], 1, "no-such-python cannot be run"],
    ] as const
  ) {
    const result = await run("bench", ...quick, "--rounds", "1", "--precision", "float32", ...args);
    assertEquals(result.code, code, result.stderr);
    assertTrue(result.stderr.includes(message), result.stderr);
  }
});
