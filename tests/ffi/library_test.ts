/** Each case in a process of its own: a process opens one libtorch, once. */
import { libtorch, pinnedVersion, tooOld } from "../../ffi/library.ts";
import { assertEquals, assertMatch, assertStringIncludes } from "../../src/common/std.ts";
import { testIn } from "../shared.ts";

const extension = Deno.build.os === "darwin" ? "dylib" : "so";
const c10 = `libc10.${extension}`, torchCpu = `libtorch_cpu.${extension}`;

interface Answer {
  source?: string;
  folder?: string;
  version?: string;
  /** What the process has mapped into its memory, if asked for by LIST_LOADED. */
  loaded?: string;
  error?: string;
  message?: string;
  tried?: { path: string; cause: string }[];
}

const program = `
  import { libtorch } from ${JSON.stringify(import.meta.resolve("../../ffi/library.ts"))};
  let answer;
  try {
    const { source, folder, version } = libtorch();
    answer = { source, folder, version };
    if (Deno.env.has("LIST_LOADED")) answer.loaded = Deno.readTextFileSync("/proc/self/maps");
  } catch ({ name, message, tried }) {
    answer = { error: name, message, tried };
  }
  console.log(JSON.stringify(answer));
`;

/** What libtorch() does in a process with these variables; unless given, no LIBTORCH, no cache and no Python. */
async function opened(env: Record<string, string>): Promise<Answer> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", "--no-lock", program],
    env: { LIBTORCH: "", ASTROMER_CACHE: "/nowhere", PATH: "/nowhere", NO_COLOR: "1", ...env },
  }).output();
  const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (!out) throw new Error(errors);
  return JSON.parse(out);
}

/** The cause given for one folder. */
const causeAt = (answer: Answer, path: string) =>
  answer.tried?.find((one) => one.path.startsWith(`${path} `))?.cause;

/** A command named python3 that says where torch is. */
async function fakePython(folder: string, torch: string): Promise<void> {
  await Deno.mkdir(folder);
  await Deno.writeTextFile(`${folder}/python3`, `#!/bin/sh\necho ${torch}\n`, { mode: 0o755 });
}

/** Links the libtorch of this process to a path, whose folders are made. */
async function linkLibtorch(path: string): Promise<void> {
  await Deno.mkdir(path.replace(/\/[^/]*$/, ""), { recursive: true });
  await Deno.symlink(libtorch().folder, path);
}

Deno.test("library: versions before the floor are too old", () => {
  for (const version of ["1.13.1", "2.0.0", "2.9.1"]) assertEquals(tooOld(version), true, version);
  for (const version of ["2.10.0", "2.13.0", "3.0.0"]) assertEquals(tooOld(version), false, version);
});

Deno.test("library: the one in use says its version and its folder", () => {
  const { version, versionCode, folder } = libtorch();
  const [major, minor] = version.split(".").map(BigInt);
  assertMatch(version, /^\d+\.\d+\.\d+$/);
  assertEquals(versionCode, (major << 56n) | (minor << 48n));
  assertEquals(Deno.statSync(`${folder}/${torchCpu}`).isFile, true);
});

testIn(
  "library: LIBTORCH may be the root, the folder with the libraries, or Python's packages",
  async (folder) => {
    const { version } = libtorch();
    for (const [name, path] of [["root", "root/lib"], ["itself", "itself"], ["site", "site/torch/lib"]]) {
      await linkLibtorch(`${folder}/${path}`);
      const answer = await opened({ LIBTORCH: `${folder}/${name}` });
      assertEquals(answer, { source: "LIBTORCH", folder: `${folder}/${path}`, version });
    }
  },
);

testIn("library: an empty LIBTORCH folder is an error that lists each path and its cause", async (folder) => {
  const { error, message, tried } = await opened({ LIBTORCH: folder });
  const paths = [`${folder}/lib`, folder, `${folder}/torch/lib`].map((path) => `${path} (LIBTORCH)`);
  assertEquals([error, tried], [
    "LibtorchError",
    paths.map((path) => ({ path, cause: `there is no ${torchCpu}` })),
  ]);
  assertEquals(message!.split("\n"), [
    "no usable libtorch was found; tried",
    ...paths.map((path) => `  ${path}: there is no ${torchCpu}`),
    `Run \`deno task setup\` to install libtorch ${pinnedVersion}, or set LIBTORCH to a folder with libtorch 2.10 or newer`,
  ]);
});

testIn("library: files that are no libraries are named", async (folder) => {
  for (const [broken, whole] of [[torchCpu, c10], [c10, torchCpu]]) {
    await Deno.writeTextFile(`${folder}/${broken}`, "not a library");
    await Deno.symlink(`${libtorch().folder}/${whole}`, `${folder}/${whole}`);
    assertMatch(causeAt(await opened({ LIBTORCH: folder }), folder)!, new RegExp(`^\\S*${folder}/${broken}`));
    for (const name of [broken, whole]) await Deno.remove(`${folder}/${name}`);
  }
});

testIn("library: a library without its neighbour says which is absent", async (folder) => {
  await Deno.symlink(`${libtorch().folder}/${torchCpu}`, `${folder}/${torchCpu}`);
  assertEquals(causeAt(await opened({ LIBTORCH: folder }), folder), `there is no ${c10}`);
});

testIn("library: a missing library that another one needs is named", async (folder) => {
  // libc10 itself, but asking for a C++ library that is not there.
  const bytes = await Deno.readFile(`${libtorch().folder}/${c10}`);
  const text = new TextDecoder("latin1").decode(bytes);
  const [needed, absent] = ["libstdc++.so.6", "libabsent.so.6"];
  for (let at = text.indexOf(needed); at >= 0; at = text.indexOf(needed, at + 1)) {
    bytes.set(new TextEncoder().encode(absent), at);
  }
  for (const name of [c10, torchCpu]) await Deno.writeFile(`${folder}/${name}`, bytes);
  const cause = causeAt(await opened({ LIBTORCH: folder }), folder);
  assertEquals(cause, `it needs ${absent}, which is not installed`);
}, Deno.build.os !== "linux");

testIn("library: one without the C ABI is too old", async (folder) => {
  for (const name of [c10, torchCpu]) await Deno.symlink(`${libtorch().folder}/${c10}`, `${folder}/${name}`);
  assertEquals(
    causeAt(await opened({ LIBTORCH: folder }), folder),
    "it is older than 2.10, the oldest that can be used",
  );
});

testIn("library: the cache comes before the installed Python", async (folder) => {
  const cached = `${folder}/libtorch-${pinnedVersion}-${Deno.build.arch}/torch/lib`;
  await linkLibtorch(cached);
  await linkLibtorch(`${folder}/torch/lib`);
  await fakePython(`${folder}/bin`, `${folder}/torch`);
  const env = { ASTROMER_CACHE: folder, PATH: `${folder}/bin` }, { version } = libtorch();
  assertEquals(await opened(env), { source: "the project's cache", folder: cached, version });
  await Deno.remove(cached);
  const python = { source: "the installed Python", folder: `${folder}/torch/lib`, version };
  assertEquals(await opened(env), python);
});

testIn("library: one that is refused is not mixed with the one that is taken", async (folder) => {
  const refused = `${folder}/libtorch-${pinnedVersion}-${Deno.build.arch}/torch/lib`;
  await Deno.mkdir(refused, { recursive: true });
  await Deno.copyFile(`${libtorch().folder}/${c10}`, `${refused}/${c10}`);
  await Deno.writeTextFile(`${refused}/${torchCpu}`, "not a library");
  await linkLibtorch(`${folder}/torch/lib`);
  await fakePython(`${folder}/bin`, `${folder}/torch`);
  const { source, loaded } = await opened({
    ASTROMER_CACHE: folder,
    PATH: `${folder}/bin`,
    LIST_LOADED: "yes",
  });
  assertEquals(source, "the installed Python");
  assertStringIncludes(loaded!, `/${c10}\n`);
  assertEquals(loaded!.split("\n").filter((line) => line.includes(refused)), []);
}, Deno.build.os !== "linux");

testIn("library: LIBTORCH alone counts where it is set", async (folder) => {
  await linkLibtorch(`${folder}/libtorch-${pinnedVersion}-${Deno.build.arch}/torch/lib`);
  const { error, tried } = await opened({ LIBTORCH: `${folder}/absent`, ASTROMER_CACHE: folder });
  assertEquals([error, tried!.length], ["LibtorchError", 3]);
});

testIn("library: with none anywhere, the error says so of each place", async (folder) => {
  const { error, message } = await opened({ ASTROMER_CACHE: folder });
  assertEquals(error, "LibtorchError");
  assertStringIncludes(
    message!,
    `${folder}/libtorch-${pinnedVersion}-${Deno.build.arch}/torch/lib (the project's cache): there is no ${torchCpu}`,
  );
  assertStringIncludes(message!, "the installed Python: there is none");
});

testIn("library: a command prints that error without a stack trace, and exits with 1", async (folder) => {
  const cli = new URL("../../cli.ts", import.meta.url).pathname;
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", cli, "bench"],
    env: { LIBTORCH: folder, NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stderr);
  assertEquals(code, 1);
  assertMatch(text, /^error: no usable libtorch was found; tried\n( {2}.*\n){3}Run `deno task setup` .*\n$/);
});
