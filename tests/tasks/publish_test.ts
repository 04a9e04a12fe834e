/** A published folder: its card as huggingface_hub reads it, its Python as it stands, its weights as they were. */
import { Astromer } from "../../mod.ts";
import { assertEquals, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { Hub } from "../hub/server.ts";
import { missingInPython } from "../python.ts";
import { testIn } from "../shared.ts";
import { namesIn } from "../survey/support.ts";
import { run, succeed } from "./support.ts";

const missing = missingInPython("huggingface_hub", "yaml", "onnxruntime", "light_curve");

const reader = `
import json, sys
from huggingface_hub import ModelCard
data = ModelCard.load(sys.argv[1]).data
results = [[r.metric_type, round(r.metric_value, 4), r.dataset_name, r.task_type] for r in data.eval_results]
print(json.dumps([data.license, data.datasets, data.library_name, data.pipeline_tag, data.model_name, results]))
`;

async function python(env: Record<string, string>, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("python3", {
    args,
    env: { HF_HUB_DISABLE_PROGRESS_BARS: "1", HF_HUB_DISABLE_TELEMETRY: "1", ...env },
  }).output();
  assertTrue(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

testIn(
  `the model that ships, published: card, ONNX, snippet${missing && ` (skipped: Python has no ${missing})`}`,
  async (folder) => {
    const output = `${folder}/astromer2-asas`, commit = "c".repeat(40);
    const { stdout } = await succeed(
      ...["publish", "--model", "astromer2-asas", "--output", output, "--license", "cc-by-4.0"],
      ...["--datasets", "someone/asas,other/asas", "--repository", "someone/stars"],
    );
    assertStringIncludes(stdout, "hf upload someone/stars");
    assertEquals(await namesIn(output), [
      ...["README.md", "config.json", "learning-curves.svg", "model.onnx", "model.safetensors"],
    ]);
    assertEquals(JSON.parse(await python({}, "-c", reader, `${output}/README.md`)), [
      ...["cc-by-4.0", ["someone/asas", "other/asas"], "astromer", "feature-extraction", "astromer2-asas"],
      [["rmse", 0.1491, "asas", "feature-extraction"], ["r_squared", 0.8723, "asas", "feature-extraction"]],
    ]);
    using published = await Astromer.load(output);
    using original = await Astromer.load("astromer2-asas");
    const weights = (model: Astromer) => model.network.parameters.stateDict().get("head.linear.weight");
    assertEquals(weights(published), weights(original));
    assertEquals(published.config.license, "cc-by-4.0");

    // From the Hub into Python, with the card's own lines.
    const files = Object.fromEntries(
      await Promise.all(
        (await namesIn(output)).map(async (name) => [name, await Deno.readFile(`${output}/${name}`)]),
      ),
    );
    await using hub = new Hub({ "someone/stars": { refs: { main: commit }, commits: { [commit]: files } } });
    const card = await Deno.readTextFile(`${output}/README.md`);
    const [, snippet] = /^```python\n([\s\S]*?)^```$/m.exec(card)!;
    const env = { HF_ENDPOINT: hub.endpoint, HF_HOME: `${folder}/home`, HF_TOKEN: "" };
    const printed = await python(
      env,
      "-c",
      `${snippet}\nprint(embedding.shape, abs(embedding - embedding.mean()).max())`,
    );
    assertStringIncludes(printed, "(256,)");
    const mjd = Array.from({ length: 150 }, (_, i) => 59_000 + 2 * i + 0.3 * Math.sin(i ** 2));
    const [ours] = original.embed([{ mjd, magnitude: mjd.map((t) => 15 + 0.3 * Math.sin(t / 5)) }]);
    const mean = ours.reduce((a, b) => a + b, 0) / ours.length;
    const spread = ours.reduce((most, value) => Math.max(most, Math.abs(value - mean)), 0);
    assertTrue(Math.abs(Number(printed.split(") ")[1]) - spread) < 1e-3, printed);
  },
  missing !== "",
);

testIn("wrong use of publish ends with a sentence", async (folder) => {
  await Deno.mkdir(`${folder}/thesis`);
  await Deno.writeTextFile(`${folder}/thesis/a.txt`, "years");
  const rows: [string[], string][] = [
    [["--output", `${folder}/thesis`], "exists and is not a model folder"],
    [["--output", `${folder}/a`, "--license", "All rights reserved"], "--license cannot be"],
    [
      ["--output", `${folder}/a`, "--repository", "stars"],
      `--repository cannot be "stars": ORG/NAME is needed`,
    ],
  ];
  for (const [args, sentence] of rows) {
    const { code, stderr } = await run("publish", "--model", "astromer2-asas", ...args);
    assertEquals(code, 2, stderr);
    assertStringIncludes(stderr, sentence);
  }
  assertEquals(await namesIn(folder), ["thesis"]);
});
