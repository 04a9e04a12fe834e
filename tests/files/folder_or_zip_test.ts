import { Uint8ArrayReader, Uint8ArrayWriter, ZipWriter } from "npm:@zip.js/zip.js@2.24.0";
import { InputError } from "../../src/common/errors.ts";
import { openFolderOrZip } from "../../src/files/folder_or_zip.ts";
import { seeded } from "../../src/common/random.ts";
import { assertEquals, assertRejects, assertTrue } from "../../src/common/std.ts";
import { testIn } from "../shared.ts";

const text = new TextEncoder();
const contents = {
  "run/notes.txt": text.encode("a note\n".repeat(30)),
  "run/data": Uint8Array.from({ length: 3000 }, (_, i) => i * i % 251),
  "run/empty": new Uint8Array(),
};

async function zipped(
  files: Record<string, Uint8Array>,
  options: { level?: number; password?: string } = {},
) {
  const zip = new ZipWriter(new Uint8ArrayWriter(), { useWebWorkers: false, ...options });
  await zip.add("run/", undefined, { directory: true });
  for (const [name, bytes] of Object.entries(files)) await zip.add(name, new Uint8ArrayReader(bytes));
  return await zip.close();
}

testIn("a folder's files, and no more than they may have", async (folder) => {
  await Deno.mkdir(`${folder}/run/deeper`, { recursive: true });
  for (const [name, bytes] of Object.entries(contents)) await Deno.writeFile(`${folder}/${name}`, bytes);
  const source = await openFolderOrZip(`${folder}/run`);
  assertEquals(source.names, ["data", "empty", "notes.txt"]);
  assertEquals(await source.read("data", 3000), contents["run/data"]);
  await assertRejects(() => source.read("data", 2999), InputError, "run/data is larger than 2999 bytes");
  await assertRejects(() => source.read("deeper", 10), InputError, "run/deeper is not a file");
  await assertRejects(() => source.read("nothing", 10), InputError, "run/nothing cannot be read");
});

testIn("a zip's files, compressed or not", async (folder) => {
  for (const level of [0, 6]) {
    const path = `${folder}/run${level}.zip`;
    await Deno.writeFile(path, await zipped(contents, { level }));
    const source = await openFolderOrZip(path);
    assertEquals(source.names, ["run/notes.txt", "run/data", "run/empty"]);
    for (const [name, bytes] of Object.entries(contents)) {
      assertEquals(await source.read(name, 3000), bytes);
    }
    await assertRejects(
      () => source.read("run/data", 2999),
      InputError,
      `${path}/run/data is larger than 2999 bytes`,
    );
    await assertRejects(() => source.read("data", 10), InputError, `${path} has no data`);
  }
});

testIn("what is neither a folder nor a zip", async (folder) => {
  await assertRejects(
    () => openFolderOrZip(`${folder}/no.zip`),
    InputError,
    `${folder}/no.zip cannot be read`,
  );
  await Deno.writeTextFile(`${folder}/text.zip`, "hello");
  await assertRejects(
    () => openFolderOrZip(`${folder}/text.zip`),
    InputError,
    `${folder}/text.zip is neither a folder nor a zip`,
  );
  await assertRejects(() => openFolderOrZip("/dev/null"), InputError, "/dev/null is not a file");
});

testIn("an encrypted zip, and one of two files of a name", async (folder) => {
  const path = `${folder}/run.zip`;
  await Deno.writeFile(path, await zipped(contents, { password: "secret" }));
  const source = await openFolderOrZip(path);
  await assertRejects(() => source.read("run/data", 3000), InputError, `${path}/run/data cannot be read: `);
  const plain = await zipped({ "run/a": text.encode("1"), "run/b": text.encode("2") });
  const renamed = plain.map((byte, i) =>
    byte === "b".charCodeAt(0) && plain[i - 1] === "/".charCodeAt(0) ? "a".charCodeAt(0) : byte
  );
  await Deno.writeFile(path, renamed);
  await assertRejects(() => openFolderOrZip(path), InputError, `${path} holds two files of the same name`);
});

testIn("a damaged zip is refused, or read as if it were whole", async (folder) => {
  const path = `${folder}/run.zip`, whole = await zipped(contents);
  const outcomes = { refused: 0, whole: 0 };
  for (let seed = 0; seed < 600; seed++) {
    const random = seeded(seed, 0x21b);
    let bytes = whole.slice();
    const start = random.integer(bytes.length);
    if (seed % 4 === 0) bytes = bytes.slice(0, start);
    else if (seed % 4 === 1) bytes.fill(0xff, start, start + 1 + random.integer(6));
    else bytes[start] ^= 1 << random.integer(8);
    await Deno.writeFile(path, bytes);
    try {
      const source = await openFolderOrZip(path);
      for (const name of source.names) {
        const read = await source.read(name, 4000);
        if (name in contents) assertEquals(read, contents[name as keyof typeof contents], `seed ${seed}`);
      }
      outcomes.whole++;
    } catch (error) {
      if (!(error instanceof InputError)) throw new Error(`seed ${seed}: ${error}`, { cause: error });
      outcomes.refused++;
    }
  }
  assertTrue(outcomes.refused > 400 && outcomes.whole > 20, JSON.stringify(outcomes));
});

testIn("a zip that unpacks to more than it says", async (folder) => {
  const zeros = new Uint8Array(2 ** 24), path = `${folder}/bomb.zip`;
  const bomb = await zipped({ "run/zeros": zeros });
  assertTrue(bomb.length < 2 ** 16);
  // The sizes in the headers: 16 MiB become 5 bytes.
  const lying = bomb.slice(), view = new DataView(lying.buffer);
  for (let i = 0; i + 4 <= lying.length; i++) {
    if (view.getUint32(i, true) === 2 ** 24) view.setUint32(i, 5, true);
  }
  for (
    const [bytes, sentence] of [[bomb, "is larger than 1000 bytes"], [lying, "cannot be read: "]] as const
  ) {
    await Deno.writeFile(path, bytes);
    const source = await openFolderOrZip(path);
    await assertRejects(() => source.read("run/zeros", 1000), InputError, sentence);
  }
});
