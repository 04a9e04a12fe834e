/** Installs libtorch: PyTorch's wheel by pip, of which only the C++ libraries are kept. */
import {
  cachedLibtorch,
  cacheFolder,
  flawOf,
  type Libtorch,
  libtorch,
  LibtorchError,
  noCacheFolder,
  pinnedVersion,
} from "../../ffi/library.ts";
import { Failure, messageOf } from "../common/errors.ts";
import { exists, writeFolderAtomically } from "../files/atomic.ts";

/** How to set up. */
export interface SetupSettings {
  /** Print nothing if there is nothing to do. */
  quiet: boolean;
  /** Install into the cache, whatever is found. */
  force: boolean;
  /** Another package index than pip's own. */
  index_url?: string;
}

/**
 * Installs the pinned libtorch into the project's cache, unless a usable one is found. A killed set-up leaves nothing
 * that
 * looks installed, and of two at once one waits for the other.
 * @throws {Failure} when it cannot be installed: with what to do, and with pip's last lines
 */
export async function setUp({ quiet, force, index_url }: SetupSettings): Promise<void> {
  if (!force) {
    // Before every test run: what is in the cache was tried out when it was installed, and opening it takes a while.
    const cached = cachedLibtorch();
    if (quiet && !Deno.env.get("LIBTORCH") && cached && flawOf(`${cached}/torch/lib`) === undefined) return;
    const found = usable();
    if (found) {
      if (!quiet) {
        console.log(`libtorch ${found.version} from ${found.source}, ${found.folder}: nothing to do`);
      }
      return;
    }
  }
  const cache = cacheFolder(), installed = cachedLibtorch();
  if (!cache || !installed) throw new Failure(noCacheFolder);
  using lock = await takeLock(cache);
  if (lock.waited && !force && "version" in await tryOut(installed)) {
    console.log(`libtorch ${pinnedVersion} in ${installed}/torch/lib: the other set-up installed it`);
    return;
  }
  if (lock.held) await removeLeftovers(cache);

  console.error(
    `installing libtorch ${pinnedVersion} into ${installed}: 200 MB to download, with CUDA 3 GB`,
  );
  await writeFolderAtomically(installed, async (folder) => {
    const work = `${folder}/pip`;
    await installTorch(work, index_url ? ["--index-url", index_url] : []);
    await keepLibraries(`${work}/site`, folder);
    await Deno.remove(work, { recursive: true });
    const opened = await tryOut(folder);
    if ("cause" in opened) {
      throw new Failure(
        `pip installed torch ${pinnedVersion}, but its libtorch cannot be used: ${opened.cause}`,
      );
    }
  });
  if (lock.held) await removeLeftovers(cache);
  const megabytes = Math.round(await sizeOf(installed) / 1e6);
  console.log(`libtorch ${pinnedVersion} (${megabytes} MB) is installed in ${installed}/torch/lib`);
  if (Deno.env.get("LIBTORCH")) console.error("LIBTORCH is set, and what it names is used before this");
}

function usable(): Libtorch | undefined {
  try {
    return libtorch();
  } catch (error) {
    if (!(error instanceof LibtorchError)) throw error;
    const named = Deno.env.get("LIBTORCH");
    if (!named) return undefined;
    const tried = error.tried.map(({ path, cause }) => `\n  ${path}: ${cause}`).join("");
    throw new Failure(
      `LIBTORCH names ${named}, but there is no usable libtorch, and while it is set nothing else is tried: ` +
        `correct it, or unset it and set up again${tried}`,
    );
  }
}

/**
 * Opens the libtorch of an installed folder in a process of its own: there no other libtorch is loaded already, and
 * if it
 * crashes the set-up can say so.
 */
async function tryOut(folder: string): Promise<{ version: string } | { cause: string }> {
  const code = `
    import { libtorch } from ${JSON.stringify(new URL("../../ffi/library.ts", import.meta.url).href)};
    try {
      console.log(JSON.stringify({ version: libtorch().version }));
    } catch (error) {
      console.log(JSON.stringify({ cause: error.tried?.[0]?.cause ?? String(error) }));
    }`;
  const { stdout, signal } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", "--no-lock", code],
    env: { LIBTORCH: `${folder}/torch` },
    stderr: "null",
  }).output();
  try {
    return JSON.parse(new TextDecoder().decode(stdout));
  } catch {
    return { cause: `loading it ends the process${signal ? ` (${signal})` : ""}` };
  }
}

/** The lock of the cache: only one set-up at a time. The system gives it back when its holder ends, however it ends. */
async function takeLock(cache: string): Promise<Disposable & { held: boolean; waited: boolean }> {
  let file: Deno.FsFile;
  try {
    await Deno.mkdir(cache, { recursive: true });
    file = await Deno.open(`${cache}/setup.lock`, { create: true, write: true });
  } catch (error) {
    throw new Failure(
      `the cache folder ${cache} cannot be written: ${
        messageOf(error)
      }; set ASTROMER_CACHE to another folder`,
    );
  }
  const lock = { held: false, waited: false, [Symbol.dispose]: () => file.close() };
  try {
    if (!await file.tryLock(true)) {
      console.error("another set-up is at work in this cache: waiting for it");
      lock.waited = true;
      await file.lock(true);
    }
    lock.held = true;
  } catch {
    // A file system without locks: the set-ups then only overwrite each other's result with the same.
  }
  return lock;
}

/** Removes what killed set-ups left; who holds the lock knows that none of it is in use. */
async function removeLeftovers(cache: string) {
  for await (const { name } of Deno.readDir(cache)) {
    if (!/^libtorch-.*\.tmp$/.test(name)) continue;
    // A pip that outlives its set-up may still write there: another look follows after the installation.
    await Deno.remove(`${cache}/${name}`, { recursive: true }).catch(() => {});
  }
}

/** Installs the wheel into `<work>/site`, and with a CUDA build the libraries that it needs. */
async function installTorch(work: string, index: string[]) {
  const torch = ["--no-deps", `torch==${pinnedVersion}`];
  let target: string[] = [];
  let result = await pip(work, [...index, ...torch]);
  if (result.missing) {
    // The libraries are the same for every Python, so the wheel for another one does: this one may be too old or too
    // new.
    target = ["--python-version", "3.12", "--ignore-requires-python"];
    result = await pip(work, [...index, ...target, ...torch]);
  }
  if (!result.success) throw explained(result);

  const needed = await cudaPackages(`${work}/site`);
  if (needed.length === 0) return;
  console.error(
    "this wheel is the CUDA build: CUDA's libraries follow (--index-url with CPU wheels does without)",
  );
  // With their own dependencies: one of them is a list of others. What a marker rules out, pip leaves out.
  const cuda = await pip(work, [...index, ...target, ...needed]);
  if (!cuda.success) throw explained(cuda);
}

/** The CUDA libraries among the wheel's requirements, as they stand in its metadata. */
async function cudaPackages(site: string): Promise<string[]> {
  if (Deno.build.os !== "linux" || !await exists(site)) return [];
  const found: string[] = [];
  for await (const { name } of Deno.readDir(site)) {
    if (!/^torch-.*\.dist-info$/.test(name)) continue;
    const metadata = await Deno.readTextFile(`${site}/${name}/METADATA`);
    for (const [, requirement] of metadata.matchAll(/^Requires-Dist: *((?:nvidia-|cuda-toolkit).*)$/gm)) {
      found.push(requirement);
    }
  }
  return found;
}

interface PipResult {
  success: boolean;
  /** Whether pip knows no wheel that fits. */
  missing: boolean;
  lines: string[];
}

/** Runs `pip install` into `<work>/site`, with its temporary files beside it, and shows its lines. */
async function pip(work: string, args: string[]): Promise<PipResult> {
  const temporary = `${work}/tmp`;
  await Deno.mkdir(temporary, { recursive: true });
  const process = spawnPython([
    ...["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"],
    ...["--no-compile", "--only-binary", ":all:", "--target", `${work}/site`, ...args],
    // A system's pip may be configured to install for the user, or in a virtual environment only: not this time.
  ], { TMPDIR: temporary, PIP_USER: "0", PIP_REQUIRE_VIRTUALENV: "0", PIP_ROOT_USER_ACTION: "ignore" });
  const lines: string[] = [];
  const show = (line: string) => {
    const shown = line.trim().slice(0, 200);
    if (!shown) return;
    lines.push(shown);
    console.error(`  pip: ${shown}`);
  };
  await Promise.all([process.stdout, process.stderr].map(async (stream) => {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + text).split("\n");
      rest = parts.pop()!;
      parts.forEach(show);
    }
    show(rest);
  }));
  const { success } = await process.status;
  const missing = !success && !unreachable.test(lines.join("\n")) && noWheel.test(lines.join("\n"));
  return { success, missing, lines };
}

function spawnPython(args: string[], env: Record<string, string>): Deno.ChildProcess {
  for (const python of ["python3", "python"]) {
    try {
      return new Deno.Command(python, { args, env, stdout: "piped", stderr: "piped" }).spawn();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        throw new Failure(`${python} cannot be run: ${messageOf(error)}`);
      }
    }
  }
  throw new Failure(
    "Python is not installed, and its pip is what fetches libtorch: install python3 with pip and run setup again, " +
      "or set LIBTORCH to a folder with libtorch",
  );
}

const noWheel = /No matching distribution found|Could not find a version/;
// pip gives up with "no matching distribution" where it reaches no index, too: these words come before.
const unreachable =
  /ConnectionError|ConnectTimeout|ReadTimeout|timed out|ProxyError|SSLError|name resolution|unreachable|refused|Max retries/i;

function explained({ lines }: PipResult): Failure {
  const text = lines.join("\n");
  const torch = `torch ${pinnedVersion}`;
  const sentence = /No module named '?pip\b/.test(text)
    ? "this Python has no pip, which fetches libtorch: install it (python3-pip in most systems, or python3 -m ensurepip)"
    : /No space left on device/.test(text)
    ? `the disk of ${cacheFolder()} is full: make room, or set ASTROMER_CACHE to a folder on another`
    : unreachable.test(text)
    ? "pip cannot reach its package index: see to network and proxy, or name an index that can be reached with --index-url"
    : noWheel.test(text)
    ? `pip finds no ${torch} for ${Deno.build.os} on ${Deno.build.arch}: use Python 3.10 or newer and a recent pip, name another index with ` +
      "--index-url, or set LIBTORCH to a folder with libtorch"
    : `pip could not install ${torch}: see to what it says and set up again, or set LIBTORCH to a folder with libtorch`;
  const last = lines.slice(-8).map((line) => `\n  pip: ${line}`).join("");
  return new Failure(sentence + last);
}

/** Python's side of the library, tests, and what only Python's multiprocessing uses. */
const unneeded =
  /^lib(torch_python|torch_global_deps|torchbind_test|jitbackend_test|backend_with_compiler|aoti_custom_ops|shm)\./;
const licence = /^(licen[cs]es?|notice|copying)\b/i;

/** Moves what is needed from where pip put it: libraries, version and licences. */
async function keepLibraries(site: string, folder: string) {
  if (!await exists(`${site}/torch/lib`)) {
    throw new Failure(
      `what pip installed as torch ${pinnedVersion} has no folder torch/lib, so it is not PyTorch's wheel`,
    );
  }
  await Deno.mkdir(`${folder}/torch`);
  for (const path of ["torch/lib", "torch/version.py", "nvidia"]) {
    if (await exists(`${site}/${path}`)) await Deno.rename(`${site}/${path}`, `${folder}/${path}`);
  }
  for await (const { name, isDirectory } of Deno.readDir(`${folder}/torch/lib`)) {
    if (isDirectory || unneeded.test(name)) {
      await Deno.remove(`${folder}/torch/lib/${name}`, { recursive: true });
    }
  }
  for await (const { name: info } of Deno.readDir(site)) {
    if (!info.endsWith(".dist-info")) continue;
    for await (const { name } of Deno.readDir(`${site}/${info}`)) {
      if (!licence.test(name)) continue;
      await Deno.mkdir(`${folder}/${info}`, { recursive: true });
      await Deno.rename(`${site}/${info}/${name}`, `${folder}/${info}/${name}`);
    }
  }
}

async function sizeOf(folder: string): Promise<number> {
  let total = 0;
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    total += isDirectory ? await sizeOf(path) : (await Deno.lstat(path)).size;
  }
  return total;
}
