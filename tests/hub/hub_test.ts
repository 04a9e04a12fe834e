/** Models of the Hub: a loopback server, Python's huggingface_hub as reference, and the real commands. */
import { Astromer } from "../../mod.ts";
import { Failure, InputError } from "../../src/common/errors.ts";
import { cachedModel, fetchModel, hubModel, hubReference } from "../../src/hub/hub.ts";
import {
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
  assertTrue,
} from "../../src/common/std.ts";
import { missingInPython } from "../python.ts";
import { sharedPath, sharedTest, testIn } from "../shared.ts";
import { permissionsOf } from "../tasks/permissions.ts";
import { cli } from "../tasks/support.ts";
import { gitHash, Hub, type Repository, sha256 } from "./server.ts";

const missing = missingInPython("huggingface_hub");
const commits = ["a", "b"].map((letter) => letter.repeat(40));

/** A repository of two commits: main is at the second, v1 at the first. */
async function repositoryOf(folder: string): Promise<Repository> {
  const all: Repository["commits"] = {};
  for (const [seed, commit] of commits.entries()) {
    using model = Astromer.untrained({ blocks: 1, heads: 2, head_size: 8, feed_forward_size: 8, seed });
    await model.save(`${folder}/source`);
    all[commit] = {};
    for (const name of ["config.json", "model.safetensors"]) {
      all[commit][name] = await Deno.readFile(`${folder}/source/${name}`);
    }
  }
  return { refs: { main: commits[1], v1: commits[0] }, commits: all };
}

/** Runs with variables of the environment set. */
async function withEnvironment<T>(values: Record<string, string>, run: () => Promise<T>): Promise<T> {
  const before = Object.keys(values).map((name) => [name, Deno.env.get(name)] as const);
  for (const [name, value] of Object.entries(values)) Deno.env.set(name, value);
  try {
    return await run();
  } finally {
    for (const [name, value] of before) {
      value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
    }
  }
}

/** Every file and link of a folder: its content's hash, or where it leads. */
async function treeOf(folder: string, path = ""): Promise<Record<string, string>> {
  const tree: Record<string, string> = {};
  for await (const { name, isDirectory, isSymlink } of Deno.readDir(`${folder}/${path}`)) {
    const at = `${path}${name}`;
    if (isSymlink) tree[at] = `-> ${await Deno.readLink(`${folder}/${at}`)}`;
    else if (isDirectory) Object.assign(tree, await treeOf(folder, `${at}/`));
    else tree[at] = sha256(await Deno.readFile(`${folder}/${at}`));
  }
  return tree;
}

const python = `
import sys
from huggingface_hub import hf_hub_download
repository, revision = sys.argv[1:]
for name in ("config.json", "model.safetensors"):
    print(hf_hub_download(repository, name, revision=revision))
`;

async function downloadInPython(env: Record<string, string>, revision: string): Promise<string[]> {
  const { success, stdout, stderr } = await new Deno.Command("python3", {
    args: ["-c", python, "someone/stars", revision],
    env: { HF_HUB_DISABLE_PROGRESS_BARS: "1", HF_HUB_DISABLE_TELEMETRY: "1", HF_TOKEN: "", ...env },
  }).output();
  assertTrue(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim().split("\n");
}

/** Runs a command with the permissions of its task; only fetch has the network. */
async function command(env: Record<string, string>, name: string, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...permissionsOf(name), cli, name, ...args],
    env: { NO_COLOR: "1", OMP_NUM_THREADS: "1", ...env },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("hf:ORG/NAME[@REVISION] is understood, and nothing that leads out of the cache", () => {
  assertEquals(hubReference("runs/asas/best"), undefined);
  assertEquals(hubReference("hf:a/b"), { repository: "a/b", revision: "main" });
  assertEquals(hubReference("hf:a-1/b.c@refs/pr/1"), { repository: "a-1/b.c", revision: "refs/pr/1" });
  for (
    const wrong of [
      "hf:",
      "hf:b",
      "hf:a/b/c",
      "hf:../b",
      "hf:a/..",
      "hf:a/b@../../x",
      "hf:a/b@",
      "hf:a/b@x//y",
    ]
  ) {
    assertThrows(() => hubReference(wrong), InputError, `${wrong} is not a model of the Hub`);
  }
});

testIn(
  `the cache is the one that huggingface_hub makes, and each reads the other's${
    missing && ` (skipped: Python has no ${missing})`
  }`,
  async (folder) => {
    await using hub = new Hub({ "someone/stars": await repositoryOf(folder) });
    const homes = ["ours", "theirs"].map((name) => `${folder}/${name}`);
    const variables = (i: number) => ({ HF_ENDPOINT: hub.endpoint, HF_HOME: homes[i] });
    for (const revision of ["main", "v1", commits[0]]) {
      await withEnvironment(variables(0), () => fetchModel({ repository: "someone/stars", revision }));
      await downloadInPython(variables(1), revision);
      const [ours, theirs] = await Promise.all(
        homes.map((home) => treeOf(`${home}/hub/models--someone--stars`)),
      );
      assertEquals(ours, theirs, revision);
    }
    // Without the network, each from the other's cache.
    const offline = { HF_ENDPOINT: "http://127.0.0.1:1", HF_HUB_OFFLINE: "1" };
    const paths = await downloadInPython({ ...offline, HF_HOME: homes[0] }, "v1");
    assertEquals(paths[0], `${homes[0]}/hub/models--someone--stars/snapshots/${commits[0]}/config.json`);
    await withEnvironment({ ...offline, HF_HOME: homes[1] }, async () => {
      using model = await Astromer.load("hf:someone/stars@v1");
      using first = Astromer.untrained({ blocks: 1, heads: 2, head_size: 8, feed_forward_size: 8, seed: 0 });
      assertEquals(
        model.network.parameters.stateDict().get("encoder.input.weight"),
        first.network.parameters.stateDict().get("encoder.input.weight"),
      );
    });
  },
  missing !== "",
);

testIn(
  "a download that breaks off goes on; what is damaged on the way or on disk is refused",
  async (folder) => {
    const repository = await repositoryOf(folder),
      reference = { repository: "someone/stars", revision: "main" };
    await using hub = new Hub({ "someone/stars": { ...repository, token: "secret" } });
    const env = { HF_ENDPOINT: hub.endpoint, HF_HOME: `${folder}/home` };
    await withEnvironment({ ...env, HF_TOKEN: "" }, () =>
      assertRejects(
        () => fetchModel(reference),
        InputError,
        "then HF_TOKEN must hold a token with access",
      ));
    await withEnvironment({ ...env, HF_TOKEN: "secret" }, async () => {
      const { length } = repository.commits[commits[1]]["model.safetensors"];
      hub.breakAfter = 1000;
      hub.answered.length = 0;
      const progress: number[] = [];
      const path = await fetchModel(reference, (_, done) => void progress.push(done));
      const large = hub.answered.filter(({ path }) => path.startsWith("/storage/"));
      assertEquals(large.map(({ range, status }) => [range, status]), [[null, 200], ["bytes=1000-", 206]]);
      assertEquals([progress.includes(1000), progress.at(-1)], [true, length]);
      // The token is for the Hub, not for where large files lie.
      assertEquals(large.map(({ authorization }) => authorization), [null, null]);
      assertTrue(hub.answered.some(({ authorization }) => authorization === "Bearer secret"));

      // All is there: nothing is fetched again, and a branch that moves on is seen.
      hub.answered.length = 0;
      assertEquals(await fetchModel(reference), path);
      assertTrue(hub.answered.every(({ method }) => method === "HEAD"));
      repository.refs.main = commits[0];
      assertEquals(await cachedModel(reference), path);
      assertEquals(await fetchModel(reference), path.replace(commits[1], commits[0]));

      const blobs = `${folder}/home/hub/models--someone--stars/blobs`;
      const hash = sha256(repository.commits[commits[0]]["model.safetensors"]);
      await Deno.remove(`${blobs}/${hash}`);
      await Deno.remove(`${path.replace(commits[1], commits[0])}/model.safetensors`);
      hub.spoil = true;
      await assertRejects(
        () => fetchModel(reference),
        Failure,
        "is not the file that the Hub names: its SHA-256 is",
      );
      await fetchModel(reference);
      for (const blob of [hash, gitHash(repository.commits[commits[0]]["config.json"])]) {
        const bytes = await Deno.readFile(`${blobs}/${blob}`);
        const spoilt = bytes.slice();
        spoilt[3] ^= 1;
        await Deno.writeFile(`${blobs}/${blob}`, spoilt);
        await assertRejects(() => hubModel(reference), Failure, `${blobs}/${blob} has been damaged`);
        await Deno.writeFile(`${blobs}/${blob}`, bytes);
      }
    });
  },
);

testIn("what is wrong with a repository is said", async (folder) => {
  const repository = await repositoryOf(folder);
  await using hub = new Hub({
    "someone/stars": repository,
    "someone/text": { refs: { main: commits[0] }, commits: { [commits[0]]: {} } },
  });
  await withEnvironment({ HF_ENDPOINT: hub.endpoint, HF_HOME: `${folder}/home`, HF_TOKEN: "" }, async () => {
    const rows: [string, string][] = [
      ["hf:someone/stars@v9", "hf:someone/stars@v9: there is no such revision"],
      ["hf:someone/text", "is no model that this software reads: it has no config.json"],
      ["hf:nobody/stars", "has no such repository, or it is private"],
    ];
    for (const [location, sentence] of rows) {
      await assertRejects(() => Astromer.load(location), InputError, sentence);
    }
  });
});

sharedTest("deno task fetch, then embed and classify without the network", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await using hub = new Hub({ "someone/stars": await repositoryOf(folder) });
    const env = { HF_ENDPOINT: hub.endpoint, HF_HOME: `${folder}/home` },
      model = ["--model", "hf:someone/stars"];
    const input = [
      "--input",
      sharedPath("data/asas-tiny/observations.csv"),
      "--output",
      `${folder}/e.parquet`,
    ];
    const before = await command(env, "embed", ...model, ...input);
    assertEquals(before.code, 2);
    assertStringIncludes(
      before.stderr,
      "first run, where there is a network, deno task fetch --model hf:someone/stars",
    );
    const fetched = await command(env, "fetch", ...model);
    assertEquals([fetched.code, fetched.stderr], [0, ""]);
    assertStringIncludes(fetched.stdout, "use it with --model hf:someone/stars");
    const after = await command(env, "embed", ...model, ...input);
    assertEquals(after.code, 0, after.stderr);
    assertStringIncludes(after.stdout, `${folder}/e.parquet: 240 rows of 240 light curves`);
    const wrong = await command(env, "fetch", "--model", "runs/asas/best");
    assertEquals(wrong.code, 2);
    assertStringIncludes(wrong.stderr, "hf:ORG/NAME or hf:ORG/NAME@REVISION is needed");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
