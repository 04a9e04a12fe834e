/**
 * What the stages found against what is to be reached on one H100: `verdict.ts DIR` reads DIR/*.jsonl, writes DIR/report.json,
 * and prints a short table. Exit code 1 where a check failed; with --numbers also where a number was not reached.
 */
import { parseArgs } from "../../src/common/std.ts";
import { plainTable } from "../../src/common/table.ts";

type Line = Record<string, unknown>;
const { numbers, stages = "tests,bench,pretrain", _: [folder] } = parseArgs(Deno.args, {
  boolean: ["numbers"],
  string: ["stages"],
}) as { numbers?: boolean; stages?: string; _: string[] };
const linesOf = async (name: string): Promise<Line[]> => {
  const text = await Deno.readTextFile(`${folder}/${name}.jsonl`).catch(() => "");
  return text.split("\n").flatMap((line) => {
    try {
      return line.startsWith("{") ? [JSON.parse(line)] : [];
    } catch {
      return [];
    }
  });
};
const [tests, bench, pretrain] = await Promise.all(["tests", "bench", "pretrain"].map(linesOf));

const of = (program: string, batch: number, lengths: string) =>
  bench.filter((line) => line.program === program && line.batch === batch && line.lengths === lengths);
const best = (lines: readonly Line[], name: string) => {
  const values = lines.map((line) => line[name]).filter((value) => typeof value === "number");
  return values.length ? Math.max(...values) : undefined;
};
const peak = bench.find((line) => line.program === "peak")?.operations as number | undefined;
const batches = [...new Set(bench.map(({ batch }) => batch).filter((b) => b !== undefined))] as number[];
const lengths = [...new Set(bench.map((line) => line.lengths).filter((l) => l !== undefined))] as string[];
const training = "windows_per_second", inference = "inference_windows_per_second";
const full = "200", short = lengths.find((each) => each !== full) ?? "";
const [small = 32, middle = 256, large = 1024] = batches.toSorted((a, b) => a - b);

/** A number, what it is to be, and whether it is. */
interface Verdict {
  what: string;
  found: string;
  wanted: string;
  verdict: "yes" | "NO" | "not measured";
}
const verdicts: Verdict[] = [];
const judge = (
  what: string,
  value: number | undefined,
  wanted: string,
  ok: (value: number) => boolean,
  digits = 0,
) =>
  verdicts.push({
    what,
    found: value === undefined ? "-" : value.toFixed(digits),
    wanted,
    verdict: value === undefined ? "not measured" : ok(value) ? "yes" : "NO",
  });
const ratio = (a?: number, b?: number) => a === undefined || b === undefined ? undefined : a / b;

for (const { check, ok, ...rest } of tests) {
  const numbers = Object.entries(rest).filter(([name, value]) =>
    name !== "seconds" && typeof value === "number"
  );
  verdicts.push({
    what: `check ${check}`,
    found: numbers.slice(0, 4).map(([name, value]) => `${name} ${Number((value as number).toPrecision(2))}`)
      .join(", "),
    wanted: "",
    verdict: ok ? "yes" : "NO",
  });
}
const ours = best(of("astromer", middle, full), training),
  operations = of("astromer", middle, full)
    .map((line) => (line.operations as number[] | undefined)?.[0] ?? 0);
const share = peak && operations.length ? Math.max(...operations) / peak : undefined;
judge(
  `training, batch ${middle}, windows/s`,
  ours,
  ">= 36000, or 20 % of the peak",
  (v) => v >= 36_000 || (share ?? 0) >= 0.2,
);
judge("  share of the measured matrix product, %", share && 100 * share, ">= 20", (v) => v >= 20, 1);
judge(
  "  / PyTorch's best",
  ratio(ours, best(of("pytorch", middle, full), training)),
  ">= 1.3",
  (v) => v >= 1.3,
  2,
);
const eager = of("pytorch", small, full).filter(({ variant }) => variant === "eager");
judge(
  `training, batch ${small} / PyTorch eager`,
  ratio(best(of("astromer", small, full), training), best(eager, training)),
  ">= 2",
  (v) => v >= 2,
  2,
);
judge(
  `training, short light curves, batch ${middle} / PyTorch's best`,
  ratio(best(of("astromer", middle, short), training), best(of("pytorch", middle, short), training)),
  ">= 3",
  (v) => v >= 3,
  2,
);
const read = best(of("astromer", large, full), inference);
judge(`inference, batch ${large}, windows/s`, read, ">= 150000", (v) => v >= 150_000);
judge(
  "  / PyTorch's best",
  ratio(read, best(of("pytorch", large, full), inference)),
  ">= 1.3",
  (v) => v >= 1.3,
  2,
);
const least = (lines: readonly Line[]) => {
  const all = lines.map(({ memory_gb }) => memory_gb).filter((value) => typeof value === "number");
  return all.length ? Math.min(...all) : undefined;
};
judge(
  `memory, batch ${middle} / PyTorch's`,
  ratio(least(of("astromer", middle, full)), least(of("pytorch", middle, full))),
  "<= 1",
  (v) => v <= 1,
  2,
);
const search = tests.find(({ check }) => check === "periods"),
  searched = search?.windows as number | undefined;
judge(
  "period search / training step, %",
  search && searched && ours ? 100 * (search.ms as number) / searched * ours / 1000 : undefined,
  "< 10",
  (v) => v < 10,
  1,
);
judge(
  "start of pretrain to its first step, s",
  best(pretrain, "first_step_seconds"),
  "< 5",
  (v) => v < 5,
  1,
);
for (const { pretrain: name, ok, windows_per_second: rate, epochs, difference, steps } of pretrain) {
  const found = rate
    ? `${Number(rate).toFixed(0)} windows/s, ${epochs} epochs`
    : difference === undefined
    ? ""
    : `${steps} steps differ by ${difference} at most`;
  verdicts.push({ what: `pretrain ${name}`, found, wanted: "", verdict: ok ? "yes" : "NO" });
}

await Deno.writeTextFile(
  `${folder}/report.json`,
  JSON.stringify({ verdicts, tests, bench, pretrain }, null, 1),
);
console.log(plainTable([
  ["windows/s", "batch", "lengths", "training", "inference", "memory GB"],
  ...bench.filter(({ program }) => program !== "peak").map((line) => [
    `${line.program} ${line.variant} ${line.precision}`,
    String(line.batch),
    String(line.lengths),
    Number(line[training]).toFixed(0),
    Number(line[inference]).toFixed(0),
    line.memory_gb == null ? "" : Number(line.memory_gb).toFixed(1),
  ]),
]));
if (peak) console.log(`matrix product: ${(peak / 1e12).toFixed(2)} TFLOP/s`);
console.log(
  "\n" + plainTable([
    ["", "found", "wanted", "verdict"],
    ...verdicts.map(({ what, found, wanted, verdict }) => [what, found, wanted, verdict]),
  ]),
);
const missing = stages.split(",")
  .filter((stage) => ({ tests, bench, pretrain })[stage as "tests"].length === 0);
if (missing.length) console.log(`\nnothing was found by: ${missing.join(", ")}`);
const broken = verdicts.filter(({ what, verdict }) =>
  verdict === "NO" && (numbers || /^(check|pretrain) /.test(what))
);
Deno.exit(broken.length || missing.length ? 1 : 0);
