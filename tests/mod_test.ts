/** The library as users import it: by URL, without this project's configuration, with the permissions that README names. */
import { libtorch } from "../ffi/library.ts";
import { largestDifference } from "./shared.ts";
import { assertEquals, assertStringIncludes, assertTrue } from "../src/common/std.ts";
import { Astromer } from "../mod.ts";
import { shippedNames } from "../src/weights/shipped.ts";
import { sinusoids } from "./data/support.ts";
import { testIn } from "./shared.ts";

const root = new URL("../", import.meta.url);

/** Serves the repository, and a folder under /models/. */
function serve(models: string) {
  return Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const path = new URL(request.url).pathname;
    const file = path.startsWith("/models/") ? `${models}/${path.slice(8)}` : new URL(`.${path}`, root);
    const type = path.endsWith(".json") ? "application/json" : "text/typescript";
    return await Deno.readFile(file).then(
      (body) => new Response(body, { headers: { "content-type": type } }),
      () => new Response("", { status: 404 }),
    );
  });
}

/** The permissions as README gives them, for a host. */
async function permissions(host: string): Promise<string[]> {
  const readme = await Deno.readTextFile(new URL("README.md", root));
  const line = /^deno run (--allow-.*) script\.ts$/m.exec(readme);
  if (!line) throw new Error("README names no permissions");
  return line[1].replaceAll("example.org", host).split(" ");
}

/** Runs a script; a cache folder for models may be written to. */
async function runScript(folder: string, host: string, script: string, { cache = "" } = {}) {
  await Deno.writeTextFile(`${folder}/script.ts`, script);
  const writes = cache ? [`--allow-write=${cache}`] : [];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...await permissions(host), ...writes, "--no-prompt", "--no-lock", "--check", "script.ts"],
    cwd: folder,
    env: { NO_COLOR: "1", LIBTORCH: libtorch().folder, ...cache ? { ASTROMER_CACHE: cache } : {} },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

const lightCurves = sinusoids([30, 250, 7]).map(({ mjd, mag, err }) => ({ mjd, magnitude: mag, error: err }));

testIn(
  "a script elsewhere imports mod.ts by URL, loads weights by URL, and works in a worker too",
  async (folder) => {
    using model = Astromer.untrained({ preset: "small", precision: "float32" });
    await model.save(`${folder}/served/tiny`);
    const expected = model.embed(lightCurves);

    await using server = serve(`${folder}/served`);
    const host = `127.0.0.1:${server.addr.port}`;
    const embedding = `
    import { Astromer } from "http://${host}/mod.ts";
    export async function embed() {
      using model = await Astromer.load("http://${host}/models/tiny");
      return model.embed(${JSON.stringify(lightCurves)}).map((row) => [...row]);
    }`;
    await Deno.mkdir(`${folder}/user`);
    await Deno.writeTextFile(`${folder}/user/embed.ts`, embedding);
    await Deno.writeTextFile(
      `${folder}/user/worker.ts`,
      `/// <reference lib="deno.worker" />
    import { embed } from "./embed.ts";
    self.postMessage(await embed());`,
    );
    const { code, stdout, stderr } = await runScript(
      `${folder}/user`,
      host,
      `import { embed } from "./embed.ts";
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    const there = await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = (event) => reject(event.error);
    });
    worker.terminate();
    console.log(JSON.stringify({ here: await embed(), there }));`,
    );
    assertEquals(code, 0, stderr);
    const { here, there } = JSON.parse(stdout);
    for (const [i, row] of expected.entries()) {
      assertTrue(largestDifference(row, here[i]) < 1e-6);
      assertTrue(largestDifference(row, there[i]) < 1e-6);
    }
  },
);

testIn(
  "a model that ships is found by name through mod.ts's URL, later without the network",
  async (folder) => {
    const [name] = shippedNames();
    using model = await Astromer.load(name);
    const [expected] = model.embed(lightCurves.slice(0, 1));
    const server = serve(folder), host = `127.0.0.1:${server.addr.port}`;
    const script = `import { Astromer } from "http://${host}/mod.ts";
    using model = await Astromer.load(${JSON.stringify(name)});
    console.log(JSON.stringify(model.embed(${
      JSON.stringify(lightCurves.slice(0, 1))
    }).map((row) => [...row])));`;
    await Deno.mkdir(`${folder}/user`);
    const load = () => runScript(`${folder}/user`, host, script, { cache: `${folder}/cache` });
    const first = await load();
    await server.shutdown();
    for (const { code, stdout, stderr } of [first, await load()]) {
      assertEquals(code, 0, stderr);
      assertTrue(largestDifference(expected, JSON.parse(stdout)[0]) < 1e-6);
    }
  },
);

testIn("what is wrong with a URL of weights is said", async (folder) => {
  await using server = serve(folder);
  const host = `127.0.0.1:${server.addr.port}`;
  await Deno.mkdir(`${folder}/user`);
  const { code, stderr } = await runScript(
    `${folder}/user`,
    host,
    `import { Astromer } from "http://${host}/mod.ts";
    await Astromer.load("http://${host}/models/none");`,
  );
  assertEquals(code, 1);
  assertStringIncludes(
    stderr,
    `http://${host}/models/none is not a model folder: config.json cannot be read: the server answers 404`,
  );
});

Deno.test("importing mod.ts opens nothing", async () => {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-lock", "--allow-import", new URL("mod.ts", root).href],
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
});
