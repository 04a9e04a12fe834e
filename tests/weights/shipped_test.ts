/** Models that ship: each is what the table says, found by name here, and by URL once. */
import { createHash } from "node:crypto";
import { Failure, InputError } from "../../src/common/errors.ts";
import { exists } from "../../src/files/atomic.ts";
import { assertEquals, assertRejects, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { loadModel } from "../../src/weights/model_folder.ts";
import { shippedModel, shippedNames } from "../../src/weights/shipped.ts";
import shipped from "../../weights/shipped.json" with { type: "json" };
import { testIn } from "../shared.ts";

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

for (const [name, files] of Object.entries(shipped)) {
  Deno.test(`${name} ships as it was made, in 16 MB at most, with a card`, async () => {
    const folder = (await shippedModel(name))!;
    let bytes = 0;
    for (const [file, hash] of Object.entries(files)) {
      const content = await Deno.readFile(`${folder}/${file}`);
      assertEquals(sha256(content), hash, file);
      bytes += content.length;
    }
    assertTrue(bytes <= 16e6, `${bytes} bytes`);
    assertTrue(await exists(`${folder}/README.md`));
    const { model, config } = await loadModel(name);
    using _ = model;
    assertEquals(config.parameters, model.parameters.size);
    const said = await Deno.readTextFile(`${folder}/config.json`);
    assertTrue(!/"\/|\.\.\//.test(said), "no folder of the machine it was trained on");
  });
}

Deno.test("what is neither a folder nor a name is told which names there are", async () => {
  const error = await assertRejects(() => loadModel("astromer9"), InputError);
  assertStringIncludes(error.message, `nor the name of a model that ships: ${shippedNames().join(", ")}`);
});

const files = { "config.json": "{}", "model.safetensors": "weights" };
const models = {
  tiny: Object.fromEntries(
    Object.entries(files).map(([file, text]) => [file, sha256(new TextEncoder().encode(text))]),
  ),
};

/** Serves files, and counts requests. */
function served(content: Record<string, string>) {
  const counted = { requests: 0 };
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    counted.requests++;
    const text = content[new URL(request.url).pathname.replace("/weights/tiny/", "")];
    return text === undefined ? new Response("", { status: 404 }) : new Response(text);
  });
  const from = new URL(`http://127.0.0.1:${server.addr.port}/weights/`);
  return { counted, from, [Symbol.asyncDispose]: () => server.shutdown() };
}

/** Runs with a cache folder of its own. */
async function withCache(folder: string, run: () => Promise<void>): Promise<void> {
  const before = Deno.env.get("ASTROMER_CACHE");
  Deno.env.set("ASTROMER_CACHE", folder);
  try {
    await run();
  } finally {
    if (before === undefined) Deno.env.delete("ASTROMER_CACHE");
    else Deno.env.set("ASTROMER_CACHE", before);
  }
}

testIn(
  "from a URL it is fetched once, and again only when it is damaged",
  (folder) =>
    withCache(folder, async () => {
      await using server = served(files);
      const find = async () => (await shippedModel("tiny", models, server.from))!;
      const found = await find();
      for (const [file, text] of Object.entries(files)) {
        assertEquals(await Deno.readTextFile(`${found}/${file}`), text);
      }
      assertEquals([await find(), server.counted.requests], [found, 2]);
      await Deno.writeTextFile(`${found}/config.json`, "{");
      assertEquals([await find(), server.counted.requests], [found, 4]);
      assertEquals(await Deno.readTextFile(`${found}/config.json`), "{}");
    }),
);

testIn(
  "from a URL, what is not what ships is refused, and nothing is kept",
  (folder) =>
    withCache(folder, async () => {
      for (
        const [content, said] of [
          [{ ...files, "model.safetensors": "other" }, "is not the file that ships: its SHA-256 is"],
          [{ "config.json": "{}" }, "cannot be fetched: the server answers 404"],
        ] as const
      ) {
        await using server = served(content);
        const error = await assertRejects(() => shippedModel("tiny", models, server.from), Failure);
        assertStringIncludes(error.message, `${server.from}tiny/model.safetensors ${said}`);
        assertEquals(await Array.fromAsync(Deno.readDir(`${folder}/models`)), []);
      }
    }),
);
