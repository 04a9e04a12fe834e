import { InputError } from "../../src/common/errors.ts";
import { readRun } from "../../src/report/run_folder.ts";
import { writeReport } from "../../src/report/run_report.ts";
import {
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertTrue,
  parseCsv,
} from "../../src/common/std.ts";
import { testIn } from "../shared.ts";
import { selfContained } from "./page.ts";
import { resultOf } from "./results.ts";

const write = (path: string, value: unknown) => Deno.writeTextFile(path, JSON.stringify(value));

/** A line of `metrics.jsonl`. */
const epochLine = (epoch: number, rmse: number) =>
  JSON.stringify({
    kind: "epoch",
    epoch,
    step: 4 * epoch,
    seconds: 60 * epoch,
    train_loss: rmse,
    train_rmse: rmse,
    train_r2: 0.1,
    validation_loss: rmse,
    validation_rmse: rmse,
    validation_r2: 0.2,
    best: 1,
  }) + "\n";

/** A run of training as its files: settings, environment, metrics. */
async function trainingIn(folder: string, settings: Record<string, unknown>) {
  await Deno.mkdir(folder, { recursive: true });
  await write(`${folder}/config.json`, settings);
  await write(`${folder}/environment.json`, { device: "cpu", dataset: { folder: "data", fingerprint: "0" } });
  await Deno.writeTextFile(`${folder}/metrics.jsonl`, epochLine(1, 0.5) + epochLine(2, 0.4));
}

testIn("ids, class names, paths and settings are text in the page, whatever they hold", async (folder) => {
  const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>`,
    closing = "</script></style></title>";
  const run = `${folder}/<u>run`;
  await Deno.mkdir(run);
  const names = [hostile, closing, "=HYPERLINK(1)"];
  await write(`${run}/results.json`, [
    resultOf({ model: hostile, head: closing, names, gammas: [0.5, 0.5] }),
    resultOf({ model: "-1+1", head: closing, names, samples_per_class: 100 }),
  ]);
  await write(`${run}/config.json`, { data: `/nowhere/${hostile}`, [hostile]: closing, list: [hostile] });
  const [report, ...files] = await writeReport([run]);
  assertEquals(report, `${run}/report.html`);
  const page = await Deno.readTextFile(report);
  selfContained(page);
  assertTrue(!/<(img|u>|title><)/.test(page), "no element came in from outside");
  assertEquals(page.match(/<\/(script|style|title)>/g)!.length, 3);
  assertStringIncludes(page, "&lt;script&gt;alert(1)&lt;/script&gt;");
  const csv = [...page.matchAll(/data-csv="([^"]*)"/g)].map(([, text]) => text).join("\n");
  assertTrue(csv.includes("&quot;&#39;-1+1&quot;") && !/(^|,)[=+@-]/m.test(csv), "no formula is copied");
  for (const path of files) {
    assertTrue(/^[A-Za-z0-9._+-]+$/.test(path.slice(`${run}/figures/`.length)), path);
    if (path.endsWith(".svg")) assertTrue(!/<(script|img)/.test(await Deno.readTextFile(path)), path);
  }
});

testIn("a run of classify: figures, numbers, tables to copy", async (folder) => {
  const results = [20, 100].flatMap((samples_per_class) =>
    [6, 8].map((right, fold) => resultOf({ samples_per_class, fold, right, gammas: [0.25, 0.75] }))
  );
  await write(`${folder}/results.json`, [
    ...results,
    resultOf({ model: "classical", head: "mlp", samples_per_class: 100 }),
  ]);
  const files = await writeReport([folder], `${folder}/here.html`);
  const names = files.map((path) => path.slice(folder.length + 1));
  assertEquals(names, [
    "here.html",
    ...["f1", "f1-classes", "gammas", "confusion-classical-mlp", "confusion-astromer2-gamma"].flatMap((
      name,
    ) => [
      `figures/${name}.svg`,
      `figures/${name}.png`,
    ]),
  ]);
  for (const path of files) assertTrue((await Deno.stat(path)).size > 0, path);
  assertStringIncludes(await Deno.readTextFile(`${folder}/figures/f1.svg`), ' width="17.6cm"');
  const page = await Deno.readTextFile(files[0]);
  selfContained(page);
  assertEquals([...page.matchAll(/<b>Figure (\d+)\.<\/b>/g)].map(([, number]) => number), [
    "1",
    "2",
    "3",
    "4",
    "5",
  ]);
  assertStringIncludes(page, "Best of the largest: classical with the head mlp, macro F1 0.800 (one fold).");
  const [scores] = [...page.matchAll(/data-csv="([^"]*)"/g)].map(([, text]) => text);
  const [row] = parseCsv(scores, { skipFirstRow: true });
  assertEquals([row["samples per class"], row.model, row.folds], ["20", "astromer2", "2"]);
  assertTrue(Math.abs(Number(row["macro F1"]) - 0.7) < 1e-12, "the copy has all digits");
});

testIn("finetuned scenarios: bars, and learning curves of the first fold of each", async (folder) => {
  for (const name of ["20-0", "20-1", "100-0"]) {
    await trainingIn(`${folder}/${name}`, { model: "runs/a/best", data: "/nowhere/data" });
    await write(`${folder}/${name}/finetuned.json`, {
      name,
      light_curves: 60,
      before: 0.2,
      after: 0.1,
      minutes: 2,
      epochs: 2,
    });
  }
  const files = await writeReport([folder]);
  assertEquals(files.filter((path) => path.endsWith(".svg")).map((path) => path.slice(folder.length + 9)), [
    "finetuning.svg",
    "learning-curves-20-0.svg",
    "learning-curves-100-0.svg",
  ]);
  const page = await Deno.readTextFile(files[0]);
  selfContained(page);
  assertStringIncludes(
    page,
    "3 runs; RMSE of all observations without masking from 0.2000 to 0.1000 mag on average, 2 min 00 s at most.",
  );
  assertStringIncludes(
    page,
    "The dataset’s figures are left out: the folder /nowhere/data is not there any more.",
  );
});

testIn("several runs make one report, each with its own figures", async (folder) => {
  for (const name of ["a", "b"]) await trainingIn(`${folder}/${name}`, { preset: "small", data: "/nowhere" });
  const files = await writeReport([`${folder}/a/`, `${folder}/b`]);
  assertEquals(files.map((path) => path.slice(folder.length + 1)), [
    "a/report.html",
    ...["a", "b"].flatMap((
      run,
    ) => [`${run}/figures/learning-curves.svg`, `${run}/figures/learning-curves.png`]),
  ]);
  const page = await Deno.readTextFile(files[0]);
  const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
  assertEquals(ids.length, new Set(ids).size, "no id stands twice in a page");
});

testIn(
  "a run in progress: the last line may be cut short, and there may be no metrics yet",
  async (folder) => {
    await trainingIn(folder, { preset: "small", data: "/nowhere" });
    await Deno.writeTextFile(`${folder}/metrics.jsonl`, '{"kind":"epoch","ep', { append: true });
    const run = await readRun(folder);
    assertEquals(run.kind === "pretrain" && run.training.metrics.length, 2);
    await Deno.writeTextFile(`${folder}/metrics.jsonl`, "");
    const [report] = await writeReport([folder]);
    assertStringIncludes(await Deno.readTextFile(report), "There are no metrics yet.");
  },
);

testIn("what is no run, or a broken one, is refused by file and place", async (folder) => {
  await assertRejects(() => writeReport([`${folder}/none`]), InputError, "the run");
  await assertRejects(() => writeReport([folder]), InputError, "is not a run: it has no metrics.jsonl");
  await trainingIn(folder, { preset: "small" });
  await Deno.writeTextFile(`${folder}/metrics.jsonl`, epochLine(1, 0.5) + "{}\n");
  await assertRejects(() => readRun(folder), InputError, "metrics.jsonl, line 2: kind");
  await Deno.writeTextFile(`${folder}/results.json`, "[1");
  await assertRejects(() => readRun(folder), InputError, "results.json is not valid JSON");
  await write(`${folder}/results.json`, [{ ...resultOf(), confusion: [1] }]);
  await assertRejects(() => readRun(folder), InputError, "the confusion matrix does not fit the classes");
});
