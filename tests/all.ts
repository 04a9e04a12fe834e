/**
 * All tests, files side by side on the machine's cores: `deno task test`. Each process has a thread of its own and some of the
 * files, the longest first. With arguments, those of `deno test`, in one process: `deno task test tests/ffi`.
 */
const root = new URL("../", import.meta.url).pathname;

/** Whose processes wait for each other without sleeping: nothing else may run beside them. */
const alone = ["tests/machine/ranks_test.ts"];
/** Files that take longest, each in a process of its own, in this order. */
const longest = [
  "tests/tasks/resume_test.ts",
  "tests/tasks/benchmark_test.ts",
  "tests/docs_commands_test.ts",
  "tests/model/reference_test.ts",
  "tests/bugs_test.ts",
  "tests/hats/hats_test.ts",
  "tests/tasks/classify_test.ts",
  "tests/tasks/pretrain_test.ts",
  "tests/survey/cases_test.ts",
  "tests/faults_test.ts",
  "tests/instruction_sets_test.ts",
  "tests/examples_test.ts",
  "tests/onnx/export_test.ts",
];
/** Test files of a process, at most: so many that starting it costs little. */
const filesAtOnce = 8;
/** Where examples in documentation comments are. */
const documented = ["--doc", "mod.ts", "cli.ts", "ffi", "src", "tasks"];

if (Deno.args.length > 0) {
  const { code } = await new Deno.Command(Deno.execPath(), { args: ["test", "-A", ...Deno.args], cwd: root })
    .spawn()
    .status;
  Deno.exit(code);
}

async function* testFiles(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(`${root}${folder}`)) {
    if (isDirectory) yield* testFiles(`${folder}/${name}`);
    else if (name.endsWith("_test.ts")) yield `${folder}/${name}`;
  }
}

const files = (await Array.fromAsync(testFiles("tests"))).sort();
const others = files.filter((file) => !longest.includes(file) && !alone.includes(file));
const jobs = [
  ...longest.filter((file) => files.includes(file)).map((file) => [file]),
  documented,
  ...Array.from(
    { length: Math.ceil(others.length / filesAtOnce) },
    (_, i) => others.slice(i * filesAtOnce, (i + 1) * filesAtOnce),
  ),
];

const processes = Math.min(jobs.length, Math.max(1, Math.min(4, navigator.hardwareConcurrency)));
const total = { passed: 0, failed: 0, ignored: 0 }, failures: string[] = [], start = performance.now();

/** Runs some files, prints what they said when they have ended, and counts. */
async function run(job: readonly string[]): Promise<void> {
  const { stdout, stderr, code, signal } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", ...job === documented ? [] : ["--no-check"], ...job], // `deno check` reads no examples
    cwd: root,
    env: { NO_COLOR: "1", OMP_NUM_THREADS: "1" },
    stdout: "piped",
    stderr: "piped",
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  await Deno.stdout.write(stdout);
  await Deno.stderr.write(stderr);
  const counts =
    /^(?:ok|FAILED) \| (\d+) passed(?: \(\d+ steps?\))? \| (\d+) failed(?: \(\d+ steps?\))?(?: \| (\d+) ignored)?/m
      .exec(out);
  if (counts) {
    const [passed, failed, ignored = 0] = counts.slice(1).map((count) => Number(count ?? 0));
    total.passed += passed;
    total.failed += failed;
    total.ignored += ignored;
    failures.push(...out.matchAll(/^(.+) => (\S+_test\.ts:\d+:\d+|\S+\.ts\$\S+)$/gm).map(([line]) => line));
    if (code === 0 || failed > 0) return;
  }
  total.failed++; // it crashed, or what it loads cannot be loaded
  const last = out.trim().split("\n").at(-1);
  failures.push(
    `${job.join(" ")}: ended with ${signal ?? code} after "${last}" ${counts ? "" : err.trim().slice(-300)}`,
  );
}

for (const file of alone) if (files.includes(file)) await run([file]);
let next = 0;
await Promise.all(Array.from({ length: processes }, async () => {
  while (next < jobs.length) await run(jobs[next++]);
}));

if (failures.length) {
  console.log(`\nFailed:\n${[...new Set(failures)].map((line) => `  ${line}`).join("\n")}`);
}
const seconds = Math.round((performance.now() - start) / 1000);
console.log(
  `\n${
    total.failed ? "FAILED" : "ok"
  } | ${total.passed} passed | ${total.failed} failed | ${total.ignored} ignored ` +
    `(${Math.floor(seconds / 60)}m${seconds % 60}s)`,
);
Deno.exit(total.failed ? 1 : 0);
