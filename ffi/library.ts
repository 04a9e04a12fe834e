/**
 * Finds, opens and checks libtorch. Looked for, in this order: the folder that `LIBTORCH` names; the project's own cache,
 * which `deno task setup` fills; the installed Python's `torch/lib`. Nothing is downloaded here.
 */
import { elfFlaw } from "./elf.ts";
import { withShortSpins } from "./openmp.ts";
import { runProgram } from "./program.ts";
import { c10Symbols, torchSymbols } from "./symbols.ts";

/** The oldest libtorch whose C ABI has all that is needed. */
export const oldestVersion = "2.10";
/** The version that `deno task setup` installs and that the tests run with. */
export const pinnedVersion = "2.13.0";

/**
 * No usable libtorch: the message lists each path tried, with its cause, and how to get one.
 *
 * @example
 * ```ts
 * import { LibtorchError, Tensor } from "../mod.ts";
 *
 * const before = Deno.env.get("LIBTORCH") ?? "";
 * Deno.env.set("LIBTORCH", "/no/such/folder");
 * try {
 *   Tensor.from([1]); // libtorch opens at the first use
 *   throw new Error("unreachable");
 * } catch (error) {
 *   if (!(error instanceof LibtorchError)) throw error;
 *   if (!error.tried[0].path.startsWith("/no/such/folder")) throw error; // each path, with what was wrong there
 * } finally {
 *   Deno.env.set("LIBTORCH", before);
 * }
 * ```
 */
export class LibtorchError extends Error {
  /** The error's kind. */
  override name = "LibtorchError";
  /**
   * An error that lists where libtorch was looked for.
   * @param message what to show
   * @param tried each path that was looked at, with what was wrong there
   */
  constructor(message: string, readonly tried: readonly { path: string; cause: string }[] = []) {
    super(message);
  }
}

type Torch = Deno.DynamicLibrary<typeof torchSymbols>["symbols"];
type C10 = Deno.DynamicLibrary<typeof c10Symbols>["symbols"];

/** An opened libtorch. */
export interface Libtorch {
  torch: Torch;
  c10: C10;
  /** The folder the libraries were loaded from. */
  folder: string;
  /** How that folder was found. */
  source: Source;
  /** For instance "2.13.0". */
  version: string;
  /** The version as `torch_call_dispatcher` wants it. */
  versionCode: bigint;
  /** Whether the CUDA kernels were loaded too. */
  cuda: boolean;
  /** Why they were not, where it is a CUDA build. */
  cudaFlaw?: string;
}

/** Where a libtorch came from. */
export type Source = "LIBTORCH" | "the project's cache" | "the installed Python";

const extension = Deno.build.os === "darwin" ? "dylib" : "so";
const fileOf = (name: string) => `lib${name}.${extension}`;

/**
 * The folder that `deno task setup` installs into: `$ASTROMER_CACHE`, else `astromer` in the user's cache folder.
 * @returns undefined where nothing names one
 */
export function cacheFolder(): string | undefined {
  const own = Deno.env.get("ASTROMER_CACHE");
  if (own) return own;
  // Set but empty is as if not set, as the XDG specification has it.
  const caches = Deno.env.get("XDG_CACHE_HOME");
  if (caches) return `${caches}/astromer`;
  const home = Deno.env.get("HOME");
  return home ? `${home}/.cache/astromer` : undefined;
}

/** Why there is no cache folder, and what to do. */
export const noCacheFolder =
  "there is no cache folder, since none of ASTROMER_CACHE, XDG_CACHE_HOME and HOME is set: set ASTROMER_CACHE to a folder";

/** Where `deno task setup` puts the pinned version: a home may be shared by machines of several kinds. */
export function cachedLibtorch(): string | undefined {
  const cache = cacheFolder();
  return cache && `${cache}/libtorch-${pinnedVersion}-${Deno.build.arch}`;
}

let opened: Libtorch | undefined;

/**
 * The opened libtorch; opens it at the first call.
 * @throws {LibtorchError} when none is found, or none that is found can be used
 */
export function libtorch(): Libtorch {
  return opened ??= openFirst(candidates());
}

/** A place where libtorch may be; where there is no folder to look at, the cause. */
interface Place {
  source: Source;
  folders: string[];
  cause?: string;
}

function* candidates(): Generator<Place> {
  const named = Deno.env.get("LIBTORCH");
  if (named) {
    // By custom the root that holds lib/, but the folder with the libraries is taken too. Whoever sets it means it:
    // nothing else is tried.
    yield { source: "LIBTORCH", folders: [`${named}/lib`, named, `${named}/torch/lib`] };
    return;
  }
  const cached = cachedLibtorch();
  yield {
    source: "the project's cache",
    ...cached ? { folders: [`${cached}/torch/lib`] } : { folders: [], cause: noCacheFolder },
  };
  yield { source: "the installed Python", ...installedPython() };
}

/** Where the installed Python keeps `torch/lib`, without importing torch. */
function installedPython(): Pick<Place, "folders" | "cause"> {
  const code =
    "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')";
  let cause: string | undefined;
  for (const python of ["python3", "python"]) {
    try {
      const { success, stdout, stderr } = runProgram(python, ["-c", code]);
      if (success && stdout) return { folders: [`${stdout}/lib`] };
      cause ??= success ? "it has no torch" : `${python} fails: ${stderr.split("\n").at(-1)}`;
    } catch (error) {
      // Tasks may run python3 alone; whether there is another does not matter where that one answered.
      if (error instanceof Deno.errors.NotFound || cause) continue;
      cause = error instanceof Deno.errors.NotCapable
        ? `this process may not ask it: --allow-run=${python} is not given`
        : `${python} cannot be run: ${causeOf(error)}`;
    }
  }
  return { folders: [], cause: cause ?? "there is none" };
}

function openFirst(places: Iterable<Place>): Libtorch {
  const tried: { path: string; cause: string }[] = [];
  for (const { source, folders, cause } of places) {
    if (cause !== undefined) tried.push({ path: source, cause });
    for (const folder of folders) {
      const result = open(folder, source);
      if ("torch" in result) return result;
      tried.push({ path: `${folder} (${source})`, cause: result.cause });
    }
  }
  throw new LibtorchError(
    [
      "no usable libtorch was found; tried",
      ...tried.map(({ path, cause }) => `  ${path}: ${cause}`),
      `Run \`deno task setup\` to install libtorch ${pinnedVersion}, or set LIBTORCH to a folder with libtorch ${oldestVersion} or newer`,
    ].join("\n"),
    tried,
  );
}

/** A version code as people write it. */
function versionOf(code: bigint): string {
  return [56n, 48n, 40n].map((shift) => (code >> shift) & 0xffn).join(".");
}

/** Whether a version, such as "2.9.1", is older than {@link oldestVersion}. */
export function tooOld(version: string): boolean {
  const [major, minor] = version.split(".").map(Number);
  const [oldestMajor, oldestMinor] = oldestVersion.split(".").map(Number);
  return major < oldestMajor || (major === oldestMajor && minor < oldestMinor);
}

/** Whether a folder has a library. */
function present(folder: string, name: string): boolean {
  try {
    return Deno.statSync(`${folder}/${fileOf(name)}`).isFile;
  } catch {
    return false;
  }
}

/**
 * What is wrong with a folder's libraries, as far as is seen without opening them: one is absent, cut short, or another
 * processor's.
 * @returns undefined where nothing is
 */
export function flawOf(folder: string): string | undefined {
  const absent = ["torch_cpu", "c10"].find((name) => !present(folder, name));
  if (absent) return `there is no ${fileOf(absent)}`;
  return Deno.build.os === "linux" ? brokenIn(folder, (name) => !/cuda|nccl|nv/.test(name)) : undefined;
}

/** What is wrong with the first of some libraries that is not whole. */
function brokenIn(folder: string, which: (name: string) => boolean): string | undefined {
  for (const { name } of Deno.readDirSync(folder)) {
    if (!/\.so(\.\d+)*$/.test(name) || !which(name)) continue;
    const flaw = elfFlaw(`${folder}/${name}`);
    if (flaw) return `${name}: ${flaw}`;
  }
  return undefined;
}

/** Opens the libtorch in one folder, or says why it cannot be used. */
function open(folder: string, source: Source): Libtorch | { cause: string } {
  const path = (name: string) => `${folder}/${fileOf(name)}`;
  const flaw = flawOf(folder);
  if (flaw) return { cause: flaw };
  const opened: { close(): void }[] = [];
  const load = <S extends Deno.ForeignLibraryInterface>(name: string, symbols: S) => {
    const library = Deno.dlopen(path(name), symbols);
    opened.push(library);
    return library.symbols;
  };
  const refused = (cause: string) => {
    for (const library of opened.reverse()) library.close();
    return { cause };
  };
  try {
    // libtorch_cpu first: it brings the c10 beside it, and where it cannot be loaded nothing is. A c10 loaded before it
    // would stay, whatever is closed (C++ libraries do), and be taken for the c10 of the next folder that is tried.
    const { aoti_torch_abi_version } = torchSymbols;
    let code: bigint;
    try {
      code = withShortSpins(() => load("torch_cpu", { aoti_torch_abi_version })).aoti_torch_abi_version();
    } catch (error) {
      if (!/symbol/.test(String(error))) throw error;
      return refused(`it is older than ${oldestVersion}, the oldest that can be used`);
    }
    const version = versionOf(code);
    if (tooOld(version)) {
      return refused(`it is version ${version}; ${oldestVersion} is the oldest that can be used`);
    }
    const torch = load("torch_cpu", torchSymbols);
    const c10 = load("c10", c10Symbols);
    // Its kernels register themselves when the library is loaded. The CPU's are whole without them.
    let cuda = present(folder, "torch_cuda"), cudaFlaw: string | undefined;
    try {
      cudaFlaw = cuda ? brokenIn(folder, () => true) : undefined;
      if (cuda && !cudaFlaw) { for (const name of ["c10_cuda", "torch_cuda"]) load(name, {}); }
    } catch (error) {
      cudaFlaw = causeOf(error);
    }
    cuda &&= cudaFlaw === undefined;
    if (present(folder, "torch") && cudaFlaw === undefined) load("torch", {});
    return { torch, c10, folder, source, version, versionCode: code & ~0xff_ffff_ffffn, cuda, cudaFlaw };
  } catch (error) {
    return refused(causeOf(error));
  }
}

/** What the dynamic linker says, in one line; a missing library that it names is named. */
function causeOf(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error))
    .replace(/^(Could not open library: )+/, "").trim();
  const missing = /(\S+\.(?:so[.\d]*|dylib)): cannot open shared object file/.exec(text)?.[1];
  return missing ? `it needs ${missing}, which is not installed` : text.split("\n")[0];
}
