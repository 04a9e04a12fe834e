/**
 * Packs what run.sh needs on a machine that has a GPU and Python with PyTorch's CUDA build, but no network and no Deno:
 *   deno run -A tests/gpu/pack.ts --data data/one,data/two [--fixtures]
 * The ignored folder .gpu then holds Deno, the npm packages that the stages import, and the dataset folders. It is to travel
 * with the working tree, 64 MiB together. Prints the command that runs everything there. --fixtures takes the reference's
 * recorded numbers along, 15 MB; without them a GPU is compared with the CPU, which CI compares with the reference.
 */
import { sharedPath } from "../shared.ts";
import { parseArgs } from "../../src/common/std.ts";

const most = 64 * 2 ** 20, target = ".gpu";
const { data = "", fixtures } = parseArgs(Deno.args, { string: ["data"], boolean: ["fixtures"] }) as {
  data?: string;
  fixtures?: boolean;
};
Deno.chdir(new URL("../../", import.meta.url));

async function run(program: string, args: string[], options: Deno.CommandOptions = {}): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args, stderr: "piped", ...options })
    .output();
  if (success) return new TextDecoder().decode(stdout);
  throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
const packed = (name: string, from: string, entries: string[]) =>
  run("tar", ["-cJf", `${target}/${name}.tar.xz`, "-C", from, ...entries], { env: { XZ_OPT: "-6 -T0" } });

await Deno.remove(target, { recursive: true }).catch(() => {});
await Deno.mkdir(target);
const work = await Deno.makeTempDir();
try {
  // Deno itself: the npm package of its program, which is packed anew since .xz is a quarter smaller than .tgz.
  const name = `@deno/linux-x64-glibc@${Deno.version.deno}`;
  const file = (await run("npm", ["pack", name, "--pack-destination", work])).trim().split("\n").at(-1)!;
  await run("tar", ["-xzf", `${work}/${file}`, "-C", work]);
  await run("xz", ["-6", "-T0", `${work}/package/deno`]);
  await Deno.copyFile(`${work}/package/deno.xz`, `${target}/deno.xz`);

  // What is imported, compiled by no one yet. DuckDB and usearch stay behind: datasets come ready.
  const env = { DENO_DIR: `${work}/deno_dir` };
  const stages = ["checks", "bench", "pretrain", "verdict"].map((stage) => `tests/gpu/${stage}.ts`);
  const tests = ["tests/ffi/device_test.ts", "tests/ffi/nccl_test.ts"];
  await run(Deno.execPath(), ["cache", ...stages, ...tests, "cli.ts"], { env });
  const npm = `${work}/deno_dir/npm`;
  for await (const registry of Deno.readDir(npm)) {
    for (const left of ["@duckdb", "usearch", "puppeteer-core", "chromium-bidi", "devtools-protocol"]) {
      const folder = `${npm}/${registry.name}/${left}`;
      for (const path of await packagesIn(folder)) await emptied(path);
    }
  }
  for (const cache of ["gen", "v8_code_cache_v2", "dep_analysis_cache_v2", "node_analysis_cache_v2"]) {
    await Deno.remove(`${work}/deno_dir/${cache}`, { recursive: true }).catch(() => {});
  }
  await packed("deno_dir", work, ["deno_dir"]);

  await Deno.copyFile(sharedPath("peers/lengths_short.txt"), `${target}/lengths_short.txt`);
  await Deno.mkdir(`${work}/data`);
  const folders = data.split(",").filter((folder) => folder).map((folder) => folder.replace(/\/+$/, ""));
  for (const folder of folders) await run("cp", ["-rL", folder, `${work}/data/`]);
  if (folders.length) await packed("data", work, ["data"]);
  if (fixtures) {
    const names = ["astromer2_io", "astromer2_random", "pos_encoding"].map((each) =>
      `fixtures/${each}.safetensors`
    );
    await packed("shared", sharedPath("../"), ["README.md", ...names].map((each) => `shared/${each}`));
  }

  let bytes = 0;
  for await (const { name } of Deno.readDir(target)) {
    const { size } = await Deno.stat(`${target}/${name}`);
    console.log(`${(size / 1e6).toFixed(1).padStart(6)} MB  ${target}/${name}`);
    bytes += size;
  }
  for (const tracked of (await run("git", ["ls-files", "-z"])).split("\0").filter((path) => path)) {
    bytes += (await Deno.stat(tracked)).size;
  }
  console.log(
    `${(bytes / 1e6).toFixed(1).padStart(6)} MB  with the working tree, of ${(most / 1e6).toFixed(1)}`,
  );
  const there = folders.map((folder) => `/tmp/gpu/data/${folder.split("/").at(-1)}`).join(",");
  const command = [
    `python3 tests/gpu/unpack.py ${target} /tmp/gpu`,
    ...fixtures ? ["[ -e ../shared ] || ln -s /tmp/gpu/shared ../shared"] : [],
    "export DENO_DIR=/tmp/gpu/deno_dir PATH=/tmp/gpu:$PATH",
    `bash tests/gpu/run.sh --device cuda --out "$OUT" --seconds 560 --short ${target}/lengths_short.txt --data ${there}`,
  ].join(" && ");
  console.log(`\n${command}`);
  if (command.length >= 2000) throw new Error(`the command has ${command.length} characters: fewer datasets`);
  if (bytes > most) {
    throw new Error("it is more than may travel: leave out --fixtures, or take smaller datasets");
  }
} finally {
  await Deno.remove(work, { recursive: true });
}

/** Folders of the versions of a package, or of the packages of a scope. */
async function packagesIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of walkable(folder)) {
    if (!isDirectory) continue;
    if (/^\d/.test(name)) found.push(`${folder}/${name}`);
    else found.push(...await packagesIn(`${folder}/${name}`));
  }
  return found;
}

async function* walkable(folder: string): AsyncGenerator<Deno.DirEntry> {
  try {
    yield* Deno.readDir(folder);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Takes everything but its description out of a package: Deno wants to find it, the stages import nothing of it. */
async function emptied(folder: string): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) {
    if (!/^(package\.json|\.initialized)$/.test(name)) {
      await Deno.remove(`${folder}/${name}`, { recursive: true });
    }
  }
}
