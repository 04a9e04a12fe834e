/**
 * The shell blocks of the documentation: each is run, or says why not in a comment before it, and every command line in
 * them is one that its command understands.
 */
import { commands } from "../cli.ts";
import { simulate } from "../examples/simulated.ts";
import { libtorch } from "../ffi/library.ts";
import type { Command } from "../src/command/command.ts";
import { readSettings } from "../src/command/read_settings.ts";
import { assertEquals, assertTrue } from "../src/common/std.ts";
import { pages, root } from "./docs.ts";
import { testIn } from "./shared.ts";
import { permissionsOf } from "./tasks/permissions.ts";
import { cli } from "./tasks/support.ts";

interface Block {
  page: string;
  script: string;
  /** Why it is not run. */
  reason?: string;
}

async function blocksOf(page: string): Promise<Block[]> {
  const text = await Deno.readTextFile(new URL(page, root));
  const found = text.matchAll(/(?:^<!-- not run: (.+) -->\n+)?^```(?:sh|bash|shell)\n([\s\S]*?)^```$/gm);
  return [...found].map(([, reason, script]) => ({ page, script, reason }));
}

/** What takes long, or waits for a user, and what is run in its place. */
const shortened: [written: string, run: string][] = [
  ["--max-minutes 30", "--max-minutes 0.05"],
  [
    "--samples-per-class 20,100 --folds 3 --test-per-class 100",
    "--samples-per-class 20 --folds 1 --test-per-class 10",
  ],
  ["--heads mean-max,forest", "--heads mean-max,forest --epochs 10"],
  ["deno task explore", "deno task explore --export map.html"],
];

/** Pages whose blocks are run, each in a folder of its own, and files that must be there afterwards. */
const run: Record<string, string[]> = {
  "README.md": [
    "data/mine/dataset.json",
    "runs/mine/best/model.safetensors",
    "embeddings.parquet",
    "runs/classify/results.csv",
    "runs/mine/report.html",
    "map.html",
    "alike.svg",
    "odd.csv",
  ],
};

/** A survey of 150 stars in two CSV files, and a table of their classes. */
async function writeSurvey(folder: string): Promise<void> {
  await Deno.mkdir(`${folder}/survey`);
  const stars = simulate(150).map((star, i) => ({ id: 150_100 + i, ...star }));
  for (const [k, some] of [stars.slice(0, 60), stars.slice(60)].entries()) {
    const rows = some.flatMap(({ id, mjd, magnitude, error }) =>
      mjd.map((time, i) => `${id},${time.toFixed(5)},${magnitude[i].toFixed(3)},${error[i]}`)
    );
    await Deno.writeTextFile(`${folder}/survey/field${k}.csv`, ["id,mjd,mag,err", ...rows, ""].join("\n"));
  }
  const classes = stars.map((star) => `${star.id},${star.class}`);
  await Deno.writeTextFile(`${folder}/classes.csv`, ["id,class", ...classes, ""].join("\n"));
}

/** A program `deno` whose `deno task NAME` works in any folder, with the permissions of the task. */
async function writeDeno(folder: string): Promise<void> {
  const cases = Object.keys(commands).map((name) => {
    const words = [Deno.execPath(), "run", "--no-check", ...permissionsOf(name), cli, name];
    return `${name}) exec ${words.map((word) => `'${word}'`).join(" ")} "$@";;`;
  });
  const program = [
    "#!/bin/bash",
    '[ "$1" = task ] || exit 9',
    "name=$2",
    "shift 2",
    'case "$name" in',
    ...cases,
    "*) exit 9;;",
    "esac",
  ];
  await Deno.mkdir(folder);
  await Deno.writeTextFile(`${folder}/deno`, program.join("\n"), { mode: 0o755 });
}

const written = (await Promise.all([...pages, "tasks/README.md"].map(blocksOf))).flat();

Deno.test("every shell block of the documentation is run, or says why not", () => {
  assertTrue(written.length > 30);
  const silent = written.filter(({ page, reason }) => reason === undefined && !(page in run));
  assertEquals(silent.map(({ page, script }) => `${page}: ${script.split("\n")[0]}`), []);
});

for (const [page, outputs] of Object.entries(run)) {
  testIn(`the shell blocks of ${page}, in order, on a small survey`, async (folder) => {
    await writeSurvey(folder);
    await writeDeno(`${folder}/bin`);
    let script = written.filter((block) => block.page === page && !block.reason).map((block) => block.script)
      .join("");
    for (const [long, short] of shortened) {
      assertTrue(script.includes(long), `${page} no longer has ${long}`);
      script = script.replaceAll(long, short);
    }
    const { code, stderr } = await new Deno.Command("bash", {
      args: ["-euo", "pipefail", "-c", script],
      cwd: folder,
      env: {
        NO_COLOR: "1",
        OMP_NUM_THREADS: "1",
        LIBTORCH: libtorch().folder,
        PATH: `${folder}/bin:${Deno.env.get("PATH")}`,
      },
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    for (const output of outputs) assertTrue((await Deno.stat(`${folder}/${output}`)).size > 0, output);
  });
}

/** The words of each `deno task` line of a script: quotes are taken off, redirections and comments left out. */
function taskLines(script: string): string[][] {
  return script.replaceAll("\\\n", " ").split("\n").flatMap((line) => {
    const [, text] =
      /deno(?:@[\d.]+)? task (.+)$/.exec(line.replace(/\s#.*$/, "").replaceAll(/\s[<>]\s*\S+/g, "")) ?? [];
    return text ? [[...text.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain)] : [];
  });
}

Deno.test("every command line of the documentation is one that its command understands", async () => {
  const other = ["ok", "readme", "test"]; // tasks that are no commands
  let read = 0;
  for (const { page, script } of written) {
    for (const [name, ...args] of taskLines(script)) {
      if (other.includes(name)) continue;
      const command = (await commands[name].load()).default as Command;
      if (args.includes("--config")) continue; // the file, which has what is missing here, is not there
      await readSettings(command, args).catch((error) => {
        throw new Error(`${page}: deno task ${name} ${args.join(" ")}: ${error.message}`);
      });
      read++;
    }
  }
  assertTrue(read > 100, `${read} command lines`);
});
