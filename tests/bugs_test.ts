/**
 * Situations from other tools' bug reports, by their number in ../shared/cases/bugs: what must not go wrong here. Those
 * about survey files are in survey/bugs_test.ts.
 */
import { cachedLibtorch, libtorch, pinnedVersion } from "../ffi/library.ts";
import { readParquet } from "./survey/support.ts";
import { assertEquals, assertMatch, assertStringIncludes, assertTrue } from "../src/common/std.ts";
import { namesIn } from "./survey/support.ts";
import { hasShared, sharedPath, testIn } from "./shared.ts";
import { cli, type Output, run, succeed } from "./tasks/support.ts";
import { permissionsOf } from "./tasks/permissions.ts";

interface Situation {
  /** The folder in ../shared/cases/bugs. */
  folder: string;
  what: string;
  /** What it cannot be tried without. */
  needs?: "unshare" | "linux";
  run: (folder: string, inputs: string) => Promise<void>;
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** A command with the permissions of its task, in another environment. */
async function withEnv(env: Record<string, string>, ...args: string[]): Promise<Output> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...permissionsOf(args[0]), cli, ...args],
    env: { NO_COLOR: "1", OMP_NUM_THREADS: "1", ...env },
  }).output();
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** What a module's export gives in a process with the permissions of a task. */
async function evaluated(task: string, env: Record<string, string>, code: string): Promise<string> {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, code);
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "--no-check", ...permissionsOf(task), file],
    env: { NO_COLOR: "1", ...env },
  }).output();
  await Deno.remove(file);
  return text(stdout) + text(stderr);
}

const module = (path: string) => JSON.stringify(import.meta.resolve(path));
const openLibtorch = `import { libtorch } from ${module("../ffi/library.ts")};
  try { console.log(libtorch().source); } catch (error) { console.log(error.message); }`;

/** A folder with programs that answer as told, to be found before all others. */
async function programs(folder: string, scripts: Record<string, string>): Promise<string> {
  await Deno.mkdir(`${folder}/bin`, { recursive: true });
  for (const [name, script] of Object.entries(scripts)) {
    await Deno.writeTextFile(`${folder}/bin/${name}`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  return `${folder}/bin:${Deno.env.get("PATH")}`;
}

/** The inputs as a dataset folder. */
async function dataset(folder: string, inputs: string, ...more: string[]): Promise<string> {
  const survey = ["--input", `${inputs}/survey.csv`, "--no-noise-filter", "--no-trim", ...more];
  await succeed("preprocess", ...survey, "--output", `${folder}/data`);
  return `${folder}/data`;
}

const small = ["--preset", "small"];

const situations: Situation[] = [
  {
    folder: "01-ld-library-path",
    what: "the installed Python's torch is found with LD_LIBRARY_PATH set, by doctor as by embed",
    async run(folder) {
      const PATH = await programs(folder, { python3: `echo ${libtorch().folder.replace(/\/lib$/, "")}` });
      const env = {
        PATH,
        LIBTORCH: "",
        ASTROMER_CACHE: `${folder}/none`,
        LD_LIBRARY_PATH: folder,
        LD_RUN_PATH: "/",
      };
      for (const task of ["embed", "doctor", "pretrain"]) {
        assertEquals(await evaluated(task, env, openLibtorch), "the installed Python\n", task);
      }
      // One that cannot even start is not said to have no torch.
      await programs(folder, {
        python3: "echo 'python3: error while loading shared libraries' >&2; exit 127",
      });
      assertStringIncludes(
        await evaluated("embed", env, openLibtorch),
        "the installed Python: python3 fails: python3: error while loading shared libraries",
      );
    },
  },
  {
    folder: "02-slurm-array-requeue",
    what: "one task of a job array is queued again, not the array; with LD_LIBRARY_PATH set, too (01)",
    async run(folder) {
      const asked = `${folder}/asked`, PATH = await programs(folder, { scontrol: `echo "$@" >> ${asked}` });
      const requeue = `import { interrupted } from ${module("../src/machine/signals.ts")};
        const stop = { requested: () => true, signal: () => "SIGUSR1", [Symbol.dispose]() {} };
        console.log(interrupted(stop, "kept", true).message);`;
      const unset = Object.fromEntries(
        ["JOB_ID", "ARRAY_JOB_ID", "ARRAY_TASK_ID", "HET_JOB_ID"].map((name) => [`SLURM_${name}`, ""]),
      );
      const rows: [string, Record<string, string>][] = [
        ["77", { SLURM_JOB_ID: "77", LD_LIBRARY_PATH: "/usr/lib" }],
        ["1000_2", { SLURM_JOB_ID: "1000", SLURM_ARRAY_JOB_ID: "1000", SLURM_ARRAY_TASK_ID: "2" }],
        ["1000_0", { SLURM_JOB_ID: "1003", SLURM_ARRAY_JOB_ID: "1000", SLURM_ARRAY_TASK_ID: "0" }],
        ["500", { SLURM_JOB_ID: "501", SLURM_HET_JOB_ID: "500" }],
      ];
      for (const [job, env] of rows) {
        const said = await evaluated("pretrain", { ...unset, PATH, ...env }, requeue);
        assertEquals(said, `stopped by SIGUSR1: kept; job ${job} is queued again\n`);
      }
      assertEquals(await Deno.readTextFile(asked), rows.map(([job]) => `requeue ${job}\n`).join(""));
    },
  },
  {
    folder: "16-output-is-a-link",
    what: "a link stays a link, and what it points to is replaced; nothing is left beside it",
    async run(folder, inputs) {
      const [home, scratch] = [`${folder}/home`, `${folder}/scratch`];
      await Deno.mkdir(home);
      await Deno.mkdir(`${scratch}/data`, { recursive: true });
      for (const name of ["data", "e.parquet", "run"]) {
        await Deno.symlink(`${scratch}/${name}`, `${home}/${name}`);
      }
      await Deno.writeTextFile(`${scratch}/e.parquet`, "old");
      const input = ["--input", `${inputs}/survey.csv`];
      await succeed("preprocess", ...input, "--fractions", "0.4,0.3,0.3", "--output", `${home}/data/`);
      await succeed("embed", "--model", "astromer2-asas", ...input, "--output", `${home}/e.parquet`);
      // It points to nothing yet.
      await succeed(
        "pretrain",
        ...small,
        "--data",
        `${home}/data`,
        "--output",
        `${home}/run`,
        "--epochs",
        "1",
      );
      for (const name of ["data", "e.parquet", "run"]) {
        assertEquals(await Deno.readLink(`${home}/${name}`), `${scratch}/${name}`, name);
      }
      assertEquals([await namesIn(home), await namesIn(scratch)], [
        ["data", "e.parquet", "run"],
        ["data", "e.parquet", "run"],
      ]);
      assertTrue((await namesIn(`${scratch}/data`)).includes("dataset.json"));
      assertTrue((await readParquet(`${scratch}/e.parquet`)).length > 0);
      assertTrue((await namesIn(`${scratch}/run`)).includes("best"));
    },
  },
  {
    folder: "17-output-is-a-mount-point",
    what: "an output that cannot be replaced or written is refused before the work, in a sentence",
    needs: "unshare",
    async run(folder, inputs) {
      const mounted = async (options: string, ...args: string[]) => {
        await Deno.mkdir(`${folder}/disk`, { recursive: true });
        await Deno.mkdir(`${folder}/c/out`, { recursive: true });
        const command = [Deno.execPath(), "run", ...permissionsOf(args[0]), cli, ...args];
        const { code, stderr } = await new Deno.Command("unshare", {
          args: ["-rm", "sh", "-c", `${options} && exec "$@"`, "sh", ...command],
          env: { NO_COLOR: "1", OMP_NUM_THREADS: "1" },
        }).output();
        assertEquals(await namesIn(`${folder}/c`), ["out"]);
        assertEquals(await namesIn(`${folder}/disk`), []);
        return { code, stderr: text(stderr).replace(/^Info Failed to resolve 'scontrol'.*\n/, "") };
      };
      const bind = `mount --bind ${folder}/disk ${folder}/c/out`, input = ["--input", `${inputs}/survey.csv`];
      for (const output of [`${folder}/c/out`, `${folder}/c/out/`]) {
        const replaced = await mounted(bind, "preprocess", ...input, "--output", output);
        assertEquals(replaced.code, 2);
        assertMatch(
          replaced.stderr,
          /^error: --output \S+\/c\/out\/? is a mount point, .*: give a folder inside it, such as /,
        );
      }
      const readOnly = `mount --bind ${folder}/c ${folder}/c && mount -o remount,ro,bind ${folder}/c`;
      for (
        const [task, ...settings] of [
          ["preprocess", ...input, "--output", `${folder}/c/data`],
          ["embed", "--model", "astromer2-asas", ...input, "--output", `${folder}/c/e.parquet`],
          ["pretrain", "--data", folder, "--output", `${folder}/c/deep/run`],
          ["evaluate", "--model", "astromer2-asas", "--data", folder, "--figure", `${folder}/c/figure.svg`],
        ]
      ) {
        const { code, stderr } = await mounted(readOnly, task, ...settings);
        assertEquals([code, stderr], [
          1,
          `error: ${settings.at(-1)} cannot be written: the file system is read-only\n`,
        ]);
      }
    },
  },
  {
    folder: "19-xdg-empty-home-unset",
    what: "an empty XDG_CACHE_HOME is as if unset; without a home nothing is put into the working folder",
    async run(folder) {
      const where = `import { cachedLibtorch } from ${
        module("../ffi/library.ts")
      }; console.log(cachedLibtorch());`;
      const none = {
        ASTROMER_CACHE: "",
        XDG_CACHE_HOME: "",
        DENO_DIR: `${Deno.env.get("HOME")}/.cache/deno`,
      };
      const name = `libtorch-${pinnedVersion}-${Deno.build.arch}`;
      assertEquals(await evaluated("embed", { ...none, HOME: "/h" }, where), `/h/.cache/astromer/${name}\n`);
      assertEquals(
        await evaluated("embed", { ...none, HOME: "/h", XDG_CACHE_HOME: "/x" }, where),
        `/x/astromer/${name}\n`,
      );
      assertEquals(await evaluated("embed", { ...none, HOME: "" }, where), "undefined\n");
      const homeless = { ...none, HOME: "", LIBTORCH: "", PATH: folder };
      assertStringIncludes(
        await evaluated("embed", homeless, openLibtorch),
        "the project's cache: there is no cache folder",
      );
      const setup = await withEnv(homeless, "setup");
      assertEquals([setup.code, setup.stdout], [1, ""]);
      assertMatch(setup.stderr, /^error: there is no cache folder, .*: set ASTROMER_CACHE to a folder\n$/);
    },
  },
  {
    folder: "20-other-architecture-in-the-cache",
    what: "another processor's libtorch, and one that is cut short, are named; neither counts as installed",
    needs: "linux",
    async run(folder, inputs) {
      const cached = cachedLibtorch()!.split("/").at(-1)!;
      const [lib] = [`${folder}/${cached}/torch/lib`];
      await Deno.mkdir(lib, { recursive: true });
      for await (const { name } of Deno.readDir(`${inputs}/cache/libtorch-2.13.0/torch/lib`)) {
        await Deno.copyFile(`${inputs}/cache/libtorch-2.13.0/torch/lib/${name}`, `${lib}/${name}`);
      }
      const env = { ASTROMER_CACHE: folder, LIBTORCH: "", PATH: folder };
      assertMatch(await evaluated("embed", env, openLibtorch), /\.so: it is for aarch64, this is x86_64\n/);
      const setup = await withEnv(env, "setup", "--quiet");
      assertEquals(setup.code, 1);
      assertStringIncludes(setup.stderr, "Python is not installed");

      await Deno.remove(lib, { recursive: true });
      await Deno.mkdir(lib);
      for await (const { name } of Deno.readDir(libtorch().folder)) {
        if (name !== "libtorch_cpu.so") await Deno.symlink(`${libtorch().folder}/${name}`, `${lib}/${name}`);
      }
      using whole = await Deno.open(`${libtorch().folder}/libtorch_cpu.so`);
      const part = new Uint8Array(2 ** 20);
      await whole.read(part);
      await Deno.writeFile(`${lib}/libtorch_cpu.so`, part);
      assertMatch(
        await evaluated("embed", env, openLibtorch),
        /libtorch_cpu\.so: it is cut short, at \d+ bytes: install it again\n/,
      );
      assertEquals((await withEnv(env, "setup", "--quiet")).code, 1);
    },
  },
  {
    folder: "21-cuda-build-without-cuda-libraries",
    what: "a CUDA part that cannot be loaded leaves the CPU's, with a warning; --device cuda says why",
    needs: "linux",
    async run(folder, inputs) {
      const made = await new Deno.Command("sh", {
        args: [`${inputs}/make.sh`, libtorch().folder, `${folder}/lib`],
        stderr: "piped",
      }).output();
      // A CUDA build has those files already.
      if (!made.success && !/File exists/.test(text(made.stderr))) throw new Error(text(made.stderr));
      const prepared = (device: string) =>
        evaluated(
          "embed",
          { LIBTORCH: `${folder}/lib` },
          `import { prepareRun } from ${module("../src/machine/runtime.ts")};
          for (let i = 0; i < 2; i++) {
            try { console.log(prepareRun({ device: "${device}", precision: "auto" }).device); }
            catch (error) { console.log(error.message); }
          }`,
        );
      const flaw = "libtorch's CUDA part cannot be loaded: ";
      assertEquals(await prepared("cpu"), "cpu\ncpu\n");
      const automatic = await prepared("auto");
      assertMatch(automatic, /^cpu\ncpu\ncomputing on the CPU: libtorch's CUDA part cannot be loaded: .*\n$/);
      assertStringIncludes(await prepared("cuda"), `--device cuda: there is no cuda: ${flaw}`);
      const doctor = await withEnv({ LIBTORCH: `${folder}/lib` }, "doctor", "--json");
      assertEquals(doctor.code, 0, doctor.stderr);
      assertTrue(JSON.parse(doctor.stdout).libtorch.cuda_flaw.length > 0);
    },
  },
  {
    folder: "22-config-with-a-byte-order-mark",
    what: "settings files of Windows' editors are read: byte order marks, CRLF, UTF-16",
    async run(folder, inputs) {
      const data = await dataset(folder, inputs);
      const wide = `${folder}/wide.toml`, units = [...'\ufeffepochs = 1\r\npreset = "small"\r\n'];
      await Deno.writeFile(wide, new Uint8Array(Uint16Array.from(units, (c) => c.charCodeAt(0)).buffer));
      for (const [i, path] of [`${inputs}/settings.json`, `${inputs}/settings.toml`, wide].entries()) {
        const output = `${folder}/run${i}`;
        const { stdout } = await succeed("pretrain", "--config", path, "--data", data, "--output", output);
        assertMatch(stdout, /^small: [^]*all epochs done: 1 epochs/);
      }
      const { rows } = await Deno.stat(data).then(async () => ({
        rows: await readParquet(`${data}/metadata.parquet`),
      }));
      const [a, b] = rows.map(({ id }) => String(id));
      await Deno.writeTextFile(
        `${folder}/pairs.toml`,
        `\ufeff[duplicates]\r\npairs = [["${a}", "${b}"]]\r\n`,
      );
      await succeed(
        ...[
          "preprocess",
          "--input",
          `${inputs}/survey.csv`,
          "--no-noise-filter",
          "--output",
          `${folder}/again`,
        ],
        ...["--duplicates", `${folder}/pairs.toml`],
      );
    },
  },
  {
    folder: "29-resume-after-a-move",
    what: "runs go on where data and model have moved, and with no other model at the same path",
    async run(folder, inputs) {
      await Deno.mkdir(`${folder}/a`);
      const data = await dataset(`${folder}/a`, inputs);
      await succeed("pretrain", ...small, "--data", data, "--output", `${folder}/a/run`, "--epochs", "1");
      const finetune = (at: string, epochs: number, ...more: string[]) => [
        ...["finetune", "--data", `${at}/data`, "--output", `${at}/tuned`, "--epochs", String(epochs)],
        ...["--model", `${at}/run/best`, ...more],
      ];
      await succeed(...finetune(`${folder}/a`, 1));
      await Deno.rename(`${folder}/a`, `${folder}/b`);
      await Deno.symlink(`${folder}/b`, `${folder}/link`);
      const on = ["--resume", "--override", "epochs"];
      const pretrained = ["--data", `${folder}/link/data/`, "--output", `${folder}/b/run`, "--epochs", "2"];
      const { stdout } = await succeed("pretrain", ...pretrained, ...on);
      assertStringIncludes(stdout, "continues from step ");
      // Its best model is another one now.
      const changed = await run(...finetune(`${folder}/b`, 2, ...on));
      assertEquals(changed.code, 2, changed.stdout);
      assertStringIncludes(
        changed.stderr,
        `was started with another model than --model ${folder}/b/run/best: with `,
      );
      const again = ["--data", `${folder}/b/data`, "--output", `${folder}/c/run`, "--epochs", "1"];
      await succeed("pretrain", ...small, ...again);
      const moved = [
        "finetune",
        "--data",
        `${folder}/b/data`,
        "--output",
        `${folder}/b/tuned`,
        "--epochs",
        "2",
      ];
      const tuned = await succeed(...moved, "--model", `${folder}/c/run/best/`, ...on);
      assertStringIncludes(tuned.stdout, "continues from step ");
      await succeed("report", "--run", `${folder}/b/run,${folder}/b/tuned`);
    },
  },
  {
    folder: "30-nothing-varies",
    what:
      "validation light curves that do not vary cost no model and no checkpoint: R2 is not defined, and said so",
    async run(folder, inputs) {
      // One flat star validates, and one class does not vary.
      const stars = [
        "one-instant",
        "two-instants",
        "zero-error",
        "century",
        ...Array.from({ length: 12 }, (_, i) => `star${i}`),
      ];
      const split = [["flat", "validation"], ...stars.map((id) => [id, id === "star0" ? "test" : "train"])];
      await Deno.writeTextFile(
        `${folder}/split.csv`,
        ["id,subset", ...split.map((row) => row.join())].join("\n"),
      );
      const classes = split.map(([id]) => `${id},${id === "flat" ? "constant" : "other"}`);
      await Deno.writeTextFile(`${folder}/classes.csv`, ["id,class", ...classes].join("\n"));
      const labels = ["--labels", `${folder}/classes.csv`, "--split-file", `${folder}/split.csv`];
      const data = await dataset(folder, inputs, ...labels), output = `${folder}/run`;
      const pretrain = ["pretrain", ...small, "--data", data, "--output", output];
      const first = await succeed(...pretrain, "--epochs", "2");
      assertStringIncludes(first.stdout, "R2 not defined");
      const lines = (await Deno.readTextFile(`${output}/metrics.jsonl`)).trim().split("\n").map((line) =>
        JSON.parse(line)
      );
      assertEquals(lines.map(({ validation_r2 }) => validation_r2), [null, null]);

      const on = await succeed(...pretrain, "--epochs", "3", "--resume", "--override", "epochs");
      assertMatch(on.stdout, /continues from step [1-9]\d* \(2 epochs done\)/);
      assertEquals(on.stderr.includes("damaged"), false, on.stderr);
      await succeed("report", "--run", output);
      const card = await Deno.readTextFile(`${output}/best/README.md`);
      assertStringIncludes(card, "| validation_r2 | not defined |");

      const model = ["--model", `${output}/best`, "--data", data];
      await succeed("embed", ...model, "--output", `${folder}/e.parquet`);
      const rows = await readParquet(`${folder}/e.parquet`);
      assertEquals(rows.length, 17);
      assertTrue(
        rows.every((row) =>
          Object.values(row).flat().every((value) => typeof value !== "number" || Number.isFinite(value))
        ),
      );

      const evaluate = ["evaluate", ...model, "--subset", "all", "--baselines"];
      const plain = await succeed(...evaluate);
      assertMatch(plain.stdout, /^constant .* not defined$/m);
      assertEquals(/NaN|Infinity/.test(plain.stdout), false, plain.stdout);
      const { probed } = JSON.parse((await succeed(...evaluate, "--json")).stdout);
      assertEquals([probed.constant.r2, Number.isFinite(probed.all.r2)], [null, true]);
      await succeed(
        "finetune",
        "--model",
        `${output}/best`,
        "--data",
        data,
        "--epochs",
        "1",
        "--output",
        `${folder}/tuned`,
      );

      for (
        const [id, why] of [
          ["flat", "flat does not vary, so it has no period"],
          ["two-instants", "two-instants was observed at 2 different times, which determine no period"],
        ]
      ) {
        const drawn = await run("attention", ...model, "--id", id, "--output", `${folder}/a.svg`);
        assertEquals([drawn.code, drawn.stderr], [2, `error: ${why}: give one with --period\n`]);
      }
      await succeed("attention", ...model, "--id", "flat", "--period", "1", "--output", `${folder}/a.svg`);
    },
  },
];

/** Whether a file system can be mounted in a name space of one's own. */
const canMount = await new Deno.Command("unshare", {
  args: ["-rm", "mount", "-t", "tmpfs", "none", "/mnt"],
  stderr: "null",
})
  .output().then(({ success }) => success, () => false);

for (const { folder: name, what, needs, run } of situations) {
  const lacking = !hasShared
    ? "../shared is absent"
    : needs === "unshare" && !canMount
    ? "nothing can be mounted here"
    : needs === "linux" && Deno.build.os !== "linux"
    ? "libraries of Linux"
    : undefined;
  testIn(
    `bugs ${name.slice(0, 2)}: ${what}${lacking ? ` (skipped: ${lacking})` : ""}`,
    (folder) => run(folder, sharedPath(`cases/bugs/${name}`)),
    lacking !== undefined,
  );
}
