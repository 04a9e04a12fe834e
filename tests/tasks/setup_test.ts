/** The real command with Pythons that are shell scripts: nothing is downloaded. */
import { libtorch, pinnedVersion } from "../../ffi/library.ts";
import { exists } from "../../src/files/atomic.ts";
import { assertEquals, assertMatch, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { namesIn } from "../survey/support.ts";
import { testIn } from "../shared.ts";

const cli = new URL("../../cli.ts", import.meta.url).pathname;

function setupCommand(env: Record<string, string>, args: string[] = []): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", cli, "setup", ...args],
    env: { NO_COLOR: "1", ...env },
    stdout: "piped",
    stderr: "piped",
  });
}

async function setup(env: Record<string, string>, ...args: string[]) {
  const { code, stdout, stderr } = await setupCommand(env, args).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/**
 * A machine without libtorch, in a folder: an empty cache, and a search path with nothing on it or with a python3.
 * @param pip what `python3 -m pip install … --target $target …` does, in shell; its arguments go to the file `calls`
 */
async function machine(folder: string, pip?: string): Promise<Record<string, string>> {
  await Deno.mkdir(`${folder}/bin`);
  if (pip !== undefined) {
    const script = `#!/bin/sh
PATH=/usr/bin:/bin
[ "$1 $2" = "-m pip" ] || exit 1
echo "$@" >> ${folder}/calls
while [ "$1" != --target ]; do shift; done
target=$2
${pip}
`;
    await Deno.writeTextFile(`${folder}/bin/python3`, script, { mode: 0o755 });
  }
  return { PATH: `${folder}/bin`, ASTROMER_CACHE: `${folder}/cache`, LIBTORCH: "" };
}

async function callsIn(folder: string): Promise<string[]> {
  return (await Deno.readTextFile(`${folder}/calls`)).trim().split("\n");
}

Deno.test("where a libtorch is found there is nothing to do, and --quiet says nothing", async () => {
  const loud = await setup({});
  assertEquals(loud.code, 0, loud.stderr);
  assertMatch(loud.stdout, /^libtorch \d+\.\d+\.\d+ from .*: nothing to do\n$/);
  assertEquals(await setup({}, "--quiet"), { code: 0, stdout: "", stderr: "" });
});

testIn("a LIBTORCH without libraries is not papered over", async (folder) => {
  const env = await machine(folder, "exit 1");
  const { code, stderr } = await setup({ ...env, LIBTORCH: folder });
  assertEquals(code, 1);
  assertMatch(stderr, /^error: LIBTORCH names .*: correct it, or unset it and set up again\n/);
  assertEquals(await exists(`${folder}/calls`), false);
});

const failures = {
  "no Python": { pip: undefined, says: "Python is not installed" },
  "no pip": { pip: "echo /usr/bin/python3: No module named pip >&2; exit 1", says: "this Python has no pip" },
  "no network": {
    pip:
      `echo "WARNING: Retrying after connection broken by 'NewConnectionError'" >&2; echo "ERROR: No matching distribution found" >&2; exit 1`,
    says: "pip cannot reach its package index",
  },
  "a full disk": {
    pip: `echo "ERROR: [Errno 28] No space left on device" >&2; exit 1`,
    says: "is full: make room",
  },
  "anything else": {
    pip: "echo one; echo ERROR: two >&2; exit 1",
    says: `pip could not install torch ${pinnedVersion}`,
  },
};
for (const [name, { pip, says }] of Object.entries(failures)) {
  testIn(`failure: ${name}`, async (folder) => {
    const { code, stdout, stderr } = await setup(await machine(folder, pip));
    assertEquals({ code, stdout }, { code: 1, stdout: "" });
    assertStringIncludes(stderr, `error: `);
    assertStringIncludes(stderr, says);
    assertTrue(!/^\s+at /m.test(stderr), `there is a stack trace: ${stderr}`);
    assertEquals(await namesIn(`${folder}/cache`), ["setup.lock"]);
    if (pip) assertEquals((await callsIn(folder)).length, 1);
  });
}

testIn("a Python without a wheel of its own gets another one's, once", async (folder) => {
  const env = await machine(folder, `echo "ERROR: No matching distribution found for torch" >&2; exit 1`);
  const { code, stderr } = await setup(env, "--index-url", "https://example.org/simple");
  assertEquals(code, 1);
  assertStringIncludes(
    stderr,
    `error: pip finds no torch ${pinnedVersion} for ${Deno.build.os} on ${Deno.build.arch}`,
  );
  assertMatch(stderr, /pip: ERROR: No matching distribution found for torch\n$/);
  const calls = await callsIn(folder);
  assertEquals(calls.map((call) => call.includes("--python-version")), [false, true]);
  for (const call of calls) {
    assertMatch(call, /^-m pip install .*--index-url https:\/\/example\.org\/simple .*--no-deps torch==\S+$/);
  }
});

testIn("what pip installs without usable libraries is refused, and nothing of it stays", async (folder) => {
  const env = await machine(folder, "mkdir -p $target/torch");
  const none = await setup(env);
  assertEquals(none.code, 1);
  assertStringIncludes(none.stderr, "has no folder torch/lib");
  assertEquals(await namesIn(`${folder}/cache`), ["setup.lock"]);

  await Deno.writeTextFile(`${folder}/bin/python3`, "mkdir $target/torch/lib\n", { append: true });
  const empty = await setup(env);
  assertEquals(empty.code, 1);
  assertMatch(
    empty.stderr,
    /error: pip installed torch .*, but its libtorch cannot be used: there is no libtorch_cpu/,
  );
  assertEquals(await namesIn(`${folder}/cache`), ["setup.lock"]);
});

testIn("with a CUDA build its libraries are installed too", async (folder) => {
  const info = `$target/torch-${pinnedVersion}.dist-info`;
  const env = await machine(
    folder,
    `mkdir -p ${info}
echo 'Requires-Dist: filelock' > ${info}/METADATA
echo 'Requires-Dist: cuda-toolkit[cublas]==13.0.3; platform_system == "Linux"' >> ${info}/METADATA
echo 'Requires-Dist: nvidia-nccl-cu13==2.29.7' >> ${info}/METADATA`,
  );
  assertEquals((await setup(env)).code, 1);
  const [torch, cuda, ...more] = await callsIn(folder);
  assertEquals(more, []);
  assertMatch(torch, /--no-deps torch==\S+$/);
  assertMatch(
    cuda,
    /site cuda-toolkit\[cublas\]==13\.0\.3; platform_system == "Linux" nvidia-nccl-cu13==2\.29\.7$/,
  );
});

testIn("an installation holds the libraries and the licences, and is found afterwards", async (folder) => {
  // The libtorch of this test run, by links.
  const env = await machine(
    folder,
    `mkdir -p $target/torch/lib/libshm $target/torch/nn $target/torch-1.dist-info/licenses
ln -s ${libtorch().folder}/*.* $target/torch/lib
touch $target/torch/version.py $target/torch-1.dist-info/licenses/LICENSE $target/torch-1.dist-info/METADATA
if [ -d ${libtorch().folder}/../../nvidia ]; then ln -s ${libtorch().folder}/../../nvidia $target; fi
echo done`,
  );
  const { code, stdout, stderr } = await setup(env);
  assertEquals(code, 0, stderr);
  const installed = `${folder}/cache/libtorch-${pinnedVersion}-${Deno.build.arch}`;
  assertMatch(stdout, /^libtorch \S+ \(\d+ MB\) is installed in /);
  assertStringIncludes(stdout, `${installed}/torch/lib\n`);
  assertStringIncludes(stderr, "  pip: done\n");
  assertEquals((await namesIn(installed)).filter((name) => name !== "nvidia"), [
    "torch",
    "torch-1.dist-info",
  ]);
  assertEquals(await namesIn(`${installed}/torch`), ["lib", "version.py"]);
  assertEquals(await namesIn(`${installed}/torch-1.dist-info`), ["licenses"]);
  assertEquals(
    (await namesIn(`${installed}/torch/lib`)).filter((name) => /torch_python|_test|libshm/.test(name)),
    [],
  );

  const again = await setup(env);
  assertStringIncludes(again.stdout, `from the project's cache, ${installed}/torch/lib: nothing to do`);
  assertEquals((await callsIn(folder)).length, 1);
  assertEquals((await setup(env, "--force")).code, 0);
  assertEquals((await callsIn(folder)).length, 2);
  assertEquals(await namesIn(`${folder}/cache`), [
    `libtorch-${pinnedVersion}-${Deno.build.arch}`,
    "setup.lock",
  ]);
});

testIn("one set-up waits for another, and what a killed one left goes", async (folder) => {
  const env = await machine(folder, "exit 1");
  const leftover = `${folder}/cache/libtorch-${pinnedVersion}-${Deno.build.arch}.1.tmp`;
  await Deno.mkdir(`${leftover}/pip/site`, { recursive: true });
  const lock = await Deno.open(`${folder}/cache/setup.lock`, { create: true, write: true });
  await lock.lock(true);

  const process = setupCommand(env).spawn();
  const stdout = process.stdout.cancel();
  let stderr = "";
  for await (const text of process.stderr.pipeThrough(new TextDecoderStream())) {
    // Until the lock is given back nothing else can come.
    if (stderr === "" && text) {
      assertEquals(text, "another set-up is at work in this cache: waiting for it\n");
      await setup(env, "--help"); // long enough for one that does not wait to show
      assertEquals(await exists(leftover), true);
      assertEquals(await exists(`${folder}/calls`), false);
      lock.close();
    }
    stderr += text;
  }
  await stdout;
  assertEquals((await process.status).code, 1);
  assertStringIncludes(stderr, "error: pip could not install");
  assertEquals(await namesIn(`${folder}/cache`), ["setup.lock"]);
});
