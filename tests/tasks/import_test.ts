/** The real command: exit codes, sentences, and what is left behind. */
import { assertEquals, assertStringIncludes } from "../../src/common/std.ts";
import { namesIn } from "../survey/support.ts";
import { hasShared, sharedPath, testIn } from "../shared.ts";

const cli = new URL("../../cli.ts", import.meta.url).pathname;

/** Runs the command in a process of its own. */
async function run(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", cli, "import", ...args],
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

const astromer1 = sharedPath("weights/macho_a0.zip"), tiny = sharedPath("fixtures/astromer2_tiny/with_token");

testIn("the released Astromer 1 becomes a model folder, in place of an older one", async (folder) => {
  const output = `${folder}/models/astromer1-macho`;
  const older = await run(
    ...["--from", tiny, "--preset", "astromer2", "--heads", "2", "--window-size", "16", "--output", output],
  );
  assertEquals([older.code, older.stderr], [0, ""]);
  assertStringIncludes(
    older.stdout,
    "2 blocks of 2 heads x 4, feed-forward 12, skip linear, 1,394 parameters",
  );
  const { code, stdout, stderr } = await run("--from", astromer1, "--output", output);
  assertEquals([code, stderr], [0, ""]);
  assertStringIncludes(stdout, `${output}: 2 blocks of 4 heads x 64, feed-forward 128, skip none, 661,505`);
  assertStringIncludes(stdout, "windows of 200; hidden magnitudes: kept; attention mask: both, 1");
  assertStringIncludes(stdout, "\n- Padding is therefore part of its input");
  assertEquals(await namesIn(output), ["README.md", "config.json", "model.safetensors"]);
  assertEquals(await namesIn(`${folder}/models`), ["astromer1-macho"]);
  assertEquals(JSON.parse(await Deno.readTextFile(`${output}/config.json`)).parameters, 661_505);
}, !hasShared);

testIn("wrong use ends with code 2 and a sentence, and leaves nothing behind", async (folder) => {
  const output = `${folder}/model`, foreign = `${folder}/foreign`;
  await Deno.mkdir(foreign);
  await Deno.writeTextFile(`${foreign}/thesis.txt`, "years");
  const damaged = `${folder}/damaged.zip`, bytes = await Deno.readFile(astromer1);
  bytes[bytes.length >> 1] ^= 1;
  await Deno.writeFile(damaged, bytes);
  const before = await namesIn(folder);
  const rows: [string[], string][] = [
    [
      ["--from", tiny, "--output", output],
      "error: " + tiny + "/weights.index has no config.toml or conf.json",
    ],
    [["--from", `${folder}/no.zip`, "--output", output], `error: ${folder}/no.zip cannot be read`],
    [["--from", foreign, "--output", output], `error: ${foreign} holds no TensorFlow checkpoint`],
    [
      ["--from", damaged, "--output", output],
      `error: ${damaged}/macho/weights.data-00000-of-00001 cannot be read`,
    ],
    [
      ["--from", astromer1, "--output", foreign],
      `error: --output ${foreign} exists and is not a model folder`,
    ],
    [["--from", astromer1, "--preset", "astromer3", "--output", output], "error: --preset cannot be"],
  ];
  for (const [args, sentence] of rows) {
    const { code, stdout, stderr } = await run(...args);
    assertEquals([code, stdout], [2, ""], args.join(" "));
    assertStringIncludes(stderr, sentence);
    assertEquals(stderr.trim().split("\n").length, 1, stderr);
    assertEquals(await namesIn(folder), before);
  }
  assertEquals(await Deno.readTextFile(`${foreign}/thesis.txt`), "years");
}, !hasShared);
