import { Failure, InputError } from "../../src/common/errors.ts";
import {
  exists,
  parentOf,
  writeAtomically,
  writeFolderAtomically,
  writeJson,
  writeText,
} from "../../src/files/atomic.ts";
import { assertEquals, assertRejects } from "../../src/common/std.ts";
import { namesIn } from "../survey/support.ts";
import { testIn } from "../shared.ts";

const read = (path: string) => Deno.readTextFile(path);

Deno.test("parentOf is the folder of a path", () => {
  const rows = [["a", "."], ["a/b", "a"], ["a/b/", "a"], ["/a", "/"], ["/a/b//", "/a"], ["./a", "."]];
  for (const [path, parent] of rows) assertEquals(parentOf(path), parent, path);
});

testIn("text and JSON are written whole, into folders that are made", async (folder) => {
  await writeText(`${folder}/a/b/text`, "one");
  await writeText(`${folder}/a/b/text`, "two");
  await writeJson(`${folder}/a/value.json`, { x: [1, null] });
  assertEquals(await read(`${folder}/a/b/text`), "two");
  assertEquals(JSON.parse(await read(`${folder}/a/value.json`)), { x: [1, null] });
  assertEquals(await namesIn(`${folder}/a`), ["b", "value.json"]);
  assertEquals(await namesIn(`${folder}/a/b`), ["text"]);
});

testIn("a failure while writing leaves the old file and no temporary one", async (folder) => {
  const path = `${folder}/file`;
  await writeText(path, "old");
  const broken = async (temporary: string) => {
    await Deno.writeTextFile(temporary, "half of the n");
    assertEquals(await read(path), "old", "until the last moment");
    throw new RangeError("broken");
  };
  await assertRejects(() => writeAtomically(path, broken), RangeError, "broken");
  assertEquals(await namesIn(folder), ["file"]);
  assertEquals(await read(path), "old");
  await assertRejects(() => writeAtomically(`${folder}/new`, broken), RangeError);
  assertEquals(await namesIn(folder), ["file"]);
});

testIn("a folder is replaced whole: nothing of the old one stays", async (folder) => {
  const path = `${folder}/model`;
  for (const names of [["a", "b"], ["b", "c"]]) {
    await writeFolderAtomically(path + "/", async (temporary) => {
      for (const name of names) await Deno.writeTextFile(`${temporary}/${name}`, names.join());
    });
  }
  assertEquals(await namesIn(path), ["b", "c"]);
  assertEquals(await read(`${path}/b`), "b,c");
  assertEquals(await namesIn(folder), ["model"]);
});

testIn("a failure while filling a folder leaves the old one and no temporary one", async (folder) => {
  const path = `${folder}/model`;
  await writeFolderAtomically(path, (temporary) => Deno.writeTextFile(`${temporary}/a`, "old"));
  const broken = async (temporary: string) => {
    await Deno.writeTextFile(`${temporary}/a`, "new");
    throw new InputError("broken");
  };
  await assertRejects(() => writeFolderAtomically(path, broken), InputError, "broken");
  assertEquals(await namesIn(folder), ["model"]);
  assertEquals(await read(`${path}/a`), "old");
});

testIn("what a killed process of the same number left behind is no obstacle", async (folder) => {
  // In a container the process has the same number every time.
  const path = `${folder}/model`;
  for (const left of [`${path}.${Deno.pid}.tmp`, `${path}.${Deno.pid}.old.tmp`]) {
    await Deno.mkdir(left);
    await Deno.writeTextFile(`${left}/stale`, "");
  }
  await Deno.mkdir(path);
  await writeFolderAtomically(path, (temporary) => Deno.writeTextFile(`${temporary}/a`, "new"));
  assertEquals(await namesIn(folder), ["model"]);
  assertEquals(await namesIn(path), ["a"]);
});

testIn("a path that cannot be written is named", async (folder) => {
  await Deno.writeTextFile(`${folder}/file`, "");
  for (const path of [`${folder}/file/a`, `${folder}/file/a/b`]) {
    await assertRejects(() => writeText(path, "x"), Failure, `${path} cannot be written: `);
    await assertRejects(
      () => writeFolderAtomically(path, () => Promise.resolve()),
      Failure,
      `${path} cannot be written: `,
    );
  }
  await Deno.mkdir(`${folder}/taken/a`, { recursive: true });
  await assertRejects(() => writeText(`${folder}/taken`, "x"), Failure, `${folder}/taken cannot be written`);
  assertEquals(await namesIn(folder), ["file", "taken"]);
});

testIn("exists: files, folders, nothing, and nothing below a file", async (folder) => {
  await Deno.writeTextFile(`${folder}/file`, "");
  const found = await Promise.all(["", "/file", "/none", "/file/below"].map((path) => exists(folder + path)));
  assertEquals(found, [true, true, false, false]);
});
