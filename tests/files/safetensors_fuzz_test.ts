/** Ten thousand damaged files: a sentence, or exactly what was written; never a crash, a hang, other numbers. */
import { InputError } from "../../src/common/errors.ts";
import {
  parseSafetensors,
  readSafetensors,
  type Safetensors,
  writeSafetensors,
} from "../../src/files/safetensors.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { assertEquals, assertStringIncludes, assertTrue } from "../../src/common/std.ts";
import { toSafetensors } from "../../src/weights/model_folder.ts";
import { scramble, tiny } from "../model/support.ts";
import {
  type Bytes,
  damaged,
  damages,
  dataStart,
  everyDtype,
  fileOf,
  harmless,
  headerOf,
} from "./support.ts";
import { testIn } from "../shared.ts";

const equal = (a: Bytes, b: Bytes) => a.length === b.length && a.every((byte, i) => byte === b[i]);
const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView<ArrayBuffer>) =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Whether files hold the same tensors: names, dtypes, shapes, bits. */
const same = (a: Safetensors, b: Safetensors) =>
  a.tensors.size === b.tensors.size && [...a.tensors].every(([name, { dtype, shape, data }]) => {
    const other = b.tensors.get(name);
    return other?.dtype === dtype && other.shape.join() === shape.join() &&
      equal(bytesOf(data), bytesOf(other.data));
  });

/** What a reader gives: tensors, or the sentence that says why not. Any other error is the test's. */
async function outcome(read: () => Safetensors | Promise<Safetensors>): Promise<Safetensors | string> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
}

/** A small model's file, and one with every dtype. */
async function originals(folder: string): Promise<{ file: Bytes; content: Safetensors }[]> {
  using network = scramble(new AstromerNetwork(tiny({ blocks: 1 })));
  const found = [];
  for (const tensors of [toSafetensors(network.parameters), everyDtype]) {
    await writeSafetensors(`${folder}/original`, tensors, { format: "pt" });
    found.push({
      file: await Deno.readFile(`${folder}/original`),
      content: await readSafetensors(`${folder}/original`),
    });
  }
  return found;
}

testIn("ten thousand damaged files: refused by name, or read exactly as written", async (folder) => {
  const path = `${folder}/damaged.safetensors`, of = await originals(folder);
  const refused: Record<string, number> = {}, count = 10_000;
  for (const { index, kind, bytes } of damaged((index) => of[index % 2].file, count)) {
    const { file, content } = of[index % 2], what = `${kind}, number ${index}`;
    const found = await outcome(() => parseSafetensors(path, bytes));
    if (typeof found !== "string") assertTrue(same(found, content), `${what}: other numbers were read`);
    else {
      refused[kind] = (refused[kind] ?? 0) + 1;
      assertTrue(found.startsWith(path) && found.length < path.length + 1300, `${what}: ${found}`);
      assertTrue(!/\p{Cc}/u.test(found), `${what}: ${JSON.stringify(found)}`);
      // When the header is as it was, the tensor that the sentence names is one that is not.
      if (
        bytes.length <= file.length && equal(bytes.slice(0, dataStart(file)), file.slice(0, dataStart(file)))
      ) {
        const [, name] = /tensor "(.*?)" (?:has been altered|ends beyond)/.exec(found)!;
        const [from, to] = JSON.parse(headerOf(file))[name].data_offsets.map((at: number) =>
          at + dataStart(file)
        );
        assertTrue(!equal(bytes.slice(from, to), file.slice(from, to)), `${what}: ${found}`);
      }
    }
    if (index % 25 === 0) { // through a real file, too
      await Deno.writeFile(path, bytes);
      const again = await outcome(() => readSafetensors(path));
      if (typeof found === "string") assertEquals(again, found);
      else assertTrue(typeof again !== "string" && same(again, found), what);
    }
  }
  const rounds = count / Object.keys({ ...damages, ...harmless }).length;
  for (const kind of Object.keys(damages)) {
    assertTrue(refused[kind] > 0.5 * rounds, `${kind}: ${refused[kind]}`);
  }
  for (const kind of Object.keys(harmless)) assertEquals(refused[kind] ?? 0, 0, kind);
});

testIn("two thousand damaged files of others: refused, or read as their headers say", async (folder) => {
  const path = `${folder}/foreign.safetensors`;
  const foreign = (await originals(folder)).map(({ file }) => {
    const { __metadata__: _, ...tensors } = JSON.parse(headerOf(file));
    return fileOf(tensors, file.slice(dataStart(file)));
  });
  let read = 0;
  for (const { index, kind, bytes } of damaged((index) => foreign[index % 2], 2000)) {
    const found = await outcome(() => parseSafetensors(path, bytes));
    if (typeof found === "string") {
      assertStringIncludes(found, path);
      continue;
    }
    read++;
    const { __metadata__: _, ...said } = JSON.parse(headerOf(bytes)), what = `${kind}, number ${index}`;
    assertEquals([...found.tensors.keys()].sort(), Object.keys(said).sort(), what);
    let total = 0;
    for (const [name, { dtype, shape, data }] of found.tensors) {
      const { data_offsets: [from, to], ...rest } = said[name], start = dataStart(bytes);
      assertEquals({ dtype, shape }, { dtype: rest.dtype, shape: rest.shape }, what);
      assertTrue(equal(bytesOf(data), bytes.slice(start + from, start + to)), what);
      assertEquals((data as Float32Array).length, shape.reduce((product, size) => product * size, 1), what);
      total += to - from;
    }
    assertEquals(total, bytes.length - dataStart(bytes), `${what}: every byte is one tensor's`);
  }
  // Without checksums, what changes no more than the data goes unseen.
  assertTrue(read > 400, `${read} were read`);
});

testIn("every bit of the data that changes is seen, and its tensor named", async (folder) => {
  const path = `${folder}/a.safetensors`;
  await writeSafetensors(path, {
    first: { dtype: "F32", shape: [3], data: Float32Array.of(1, 2, 3) },
    second: { dtype: "F32", shape: [2], data: Float32Array.of(-1, 0) },
  });
  const file = await Deno.readFile(path), start = dataStart(file);
  for (let bit = 0; bit < 8 * (file.length - start); bit++) {
    const changed = file.slice();
    changed[start + (bit >> 3)] ^= 1 << (bit & 7);
    const sentence = await outcome(() => parseSafetensors(path, changed));
    assertStringIncludes(String(sentence), `tensor "${bit < 96 ? "first" : "second"}" has been altered`);
  }
});
