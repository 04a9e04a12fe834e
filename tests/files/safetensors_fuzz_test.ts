/** Damaged files by the ten thousand: a sentence, or exactly what was written; never a crash, a hang, other numbers. */
import { InputError } from "../../src/errors.ts";
import {
  parseSafetensors,
  readSafetensors,
  type Safetensors,
  writeSafetensors,
} from "../../src/files/safetensors.ts";
import { AstromerNetwork } from "../../src/model/network.ts";
import { type Random, seeded } from "../../src/random.ts";
import {
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
  assertTrue,
} from "../../src/std.ts";
import { loadModel, saveModel, toSafetensors } from "../../src/weights/model_folder.ts";
import { scramble, tiny } from "../model/support.ts";
import { testIn } from "../shared.ts";

const names = Object.keys;
const same = (a: Safetensors, b: Safetensors) => {
  if (a.tensors.size !== b.tensors.size) return false;
  return [...a.tensors].every(([name, { dtype, shape, data }]) => {
    const other = b.tensors.get(name);
    if (!other || other.dtype !== dtype || other.shape.join() !== shape.join()) return false;
    const [left, right] = [data, other.data].map((d) => new Uint8Array(d.buffer, d.byteOffset, d.byteLength));
    return left.length === right.length && left.every((byte, i) => byte === right[i]);
  });
};

type Bytes = Uint8Array<ArrayBuffer>;
const textOf = (bytes: Bytes) => new TextDecoder("latin1").decode(bytes);
const bytesOf = (text: string): Bytes => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const headerOf = (file: Bytes) => Number(new DataView(file.buffer).getBigUint64(0, true));

/** The file with another header, its length made right, so that what stands in it is reached. */
function withHeader(file: Bytes, change: (json: string) => string): Bytes {
  const size = headerOf(file);
  const json = bytesOf(change(textOf(file.subarray(8, 8 + size))));
  const changed = new Uint8Array(8 + json.length + file.length - 8 - size);
  new DataView(changed.buffer).setBigUint64(0, BigInt(json.length), true);
  changed.set(json, 8);
  changed.set(file.subarray(8 + size), 8 + json.length);
  return changed;
}

const numbers = [
  "0",
  "-1",
  "1e308",
  "18446744073709551616",
  "9007199254740993",
  "0.5",
  "null",
  "[]",
  "2147483648",
  "01",
];
const dtypes = ["F64", "F32", "F16", "BF16", "I64", "I8", "BOOL", "F8_E4M3", "", "__proto__"];

/** Replaces one of the matches of a pattern. */
function replaceOne(text: string, pattern: RegExp, random: Random, by: (match: string) => string): string {
  const matches = [...text.matchAll(pattern)];
  if (matches.length === 0) return text;
  const { 0: found, index } = matches[random.integer(matches.length)];
  return text.slice(0, index) + by(found) + text.slice(index + found.length);
}

const pick = <T>(random: Random, from: readonly T[]) => from[random.integer(from.length)];

/** Ways to damage a file. */
const damages: ((file: Bytes, random: Random) => Bytes)[] = [
  (file, random) => { // one bit anywhere
    const bytes = file.slice();
    bytes[random.integer(bytes.length)] ^= 1 << random.integer(8);
    return bytes;
  },
  (file, random) => { // some bytes of the header
    const bytes = file.slice();
    for (let i = 0; i <= random.integer(4); i++) {
      bytes[8 + random.integer(headerOf(file))] = random.integer(256);
    }
    return bytes;
  },
  (file, random) => file.slice(0, random.integer(file.length)),
  (file, random) =>
    Uint8Array.from([...file, ...Array.from({ length: 1 + random.integer(40) }, () => random.integer(256))]),
  (file, random) => { // the header's length
    const bytes = file.slice();
    const size = pick(random, [
      0n,
      1n,
      2n ** 63n,
      2n ** 32n,
      BigInt(file.length),
      BigInt(random.integer(file.length)),
    ]);
    new DataView(bytes.buffer).setBigUint64(0, size, true);
    return bytes;
  },
  (file, random) => { // a piece moved elsewhere
    const bytes = file.slice(), length = 1 + random.integer(64);
    const from = random.integer(file.length - length), to = random.integer(file.length - length);
    bytes.set(file.subarray(from, from + length), to);
    return bytes;
  },
  (file, random) => withHeader(file, (json) => replaceOne(json, /\d+/g, random, () => pick(random, numbers))),
  (file, random) =>
    withHeader(
      file,
      (json) => replaceOne(json, /\d+/g, random, (n) => String(Number(n) + 4 * random.integer(9) - 16)),
    ),
  (file, random) =>
    withHeader(file, (json) => replaceOne(json, /"F32"/g, random, () => `"${pick(random, dtypes)}"`)),
  (file, random) =>
    withHeader(
      file,
      (json) =>
        replaceOne(json, /"shape":\[[^\]]*\]/g, random, (shape) => shape.replace(/\[(.*)\]/, "[$1,1]")),
    ),
  (file, random) =>
    withHeader(
      file,
      (json) =>
        replaceOne(json, /"[a-z_.0-9]+":\{/g, random, () =>
          pick(random, ['"__proto__":{', '"\\ud800":{', '"":{', '"head.norm.bias":{'])),
    ),
  (file, random) =>
    withHeader(file, (json) => replaceOne(json, /[{}\[\],:]/g, random, () => pick(random, [..."{}[],: "]))),
  (file, random) => withHeader(file, (json) => "[".repeat(1 + random.integer(50_000)) + json),
  (file, random) =>
    withHeader(file, (json) => replaceOne(json, /,/g, random, () => "," + '"a":'.repeat(3) + "1,")),
];

testIn("ten thousand damaged files: refused by name, or read exactly as written", async (folder) => {
  const path = `${folder}/model.safetensors`;
  {
    using network = scramble(new AstromerNetwork(tiny({ blocks: 1 })));
    await writeSafetensors(path, toSafetensors(network.parameters), { format: "pt" });
  }
  const file = await Deno.readFile(path), original = await readSafetensors(path);
  let refused = 0, equal = 0;
  const kinds = damages.map(() => 0);
  for (let i = 0; i < 10_000; i++) {
    const random = seeded(0xf022, i), kind = i % damages.length;
    const damaged = damages[kind](file, random);
    try {
      const found = parseSafetensors(path, damaged);
      assertTrue(same(found, original), `damage ${kind}, number ${i}: other numbers were read`);
      equal++;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      assertStringIncludes(error.message, path);
      refused++;
      kinds[kind]++;
      if (i % 50 === 0) { // through a real file, too
        await Deno.writeFile(path, damaged);
        const fromFile = await assertRejects(() => readSafetensors(path), InputError);
        assertEquals(fromFile.message, error.message);
      }
    }
  }
  assertTrue(refused > 9000 && equal > 10, `${refused} refused, ${equal} equal`);
  assertTrue(kinds.every((count) => count > 300), "each way of damage is refused as a rule");
});

testIn("every bit of the data that changes is seen, and its tensor named", async (folder) => {
  const path = `${folder}/a.safetensors`;
  await writeSafetensors(path, {
    first: { dtype: "F32", shape: [3], data: Float32Array.of(1, 2, 3) },
    second: { dtype: "F32", shape: [2], data: Float32Array.of(-1, 0) },
  });
  const file = await Deno.readFile(path), start = 8 + headerOf(file);
  for (let bit = 0; bit < 8 * (file.length - start); bit++) {
    const damaged = file.slice();
    damaged[start + (bit >> 3)] ^= 1 << (bit & 7);
    const { message } = assertThrows(() => parseSafetensors(path, damaged), InputError);
    assertStringIncludes(message, `tensor "${bit < 96 ? "first" : "second"}" has been altered`);
  }
});

Deno.test("a file without checksums is read; one whose checksums lack a tensor is not", () => {
  const header = (metadata: string) => `{${metadata}"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`;
  const fileOf = (metadata: string) => {
    const json = bytesOf(header(metadata)), file = new Uint8Array(12 + json.length);
    new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
    file.set(json, 8);
    return file;
  };
  assertEquals(names(Object.fromEntries(parseSafetensors("f", fileOf("")).tensors)), ["x"]);
  const refused = (crc: string) =>
    assertThrows(
      () => parseSafetensors("f", fileOf(`"__metadata__":{"crc32":${JSON.stringify(crc)}},`)),
      InputError,
    ).message;
  assertStringIncludes(
    refused("{}"),
    'tensor "x" has been altered: its checksum is 0178b346, its file says nothing',
  );
  assertStringIncludes(refused('{"y":"00000000"}'), 'tensor "y" has a checksum but is not there');
  assertStringIncludes(refused("null"), 'tensor "x" has been altered');
  assertStringIncludes(refused("{"), "the checksums in its metadata are not JSON");
  parseSafetensors("f", fileOf(`"__metadata__":{"crc32":${JSON.stringify('{"x":"0178b346"}')}},`));
});

testIn("damaged model folders: a sentence, or the very same model", async (folder) => {
  const path = `${folder}/model`;
  using network = scramble(new AstromerNetwork(tiny({ blocks: 1 })));
  await saveModel(path, network, { window_size: 20, notes: ["a"], metrics: { rmse: 0.2 } });
  const files = ["config.json", "model.safetensors"].map((name) => `${path}/${name}`);
  const originals = await Promise.all(files.map((file) => Deno.readFile(file)));
  const values = network.parameters.master.toArray();
  let refused = 0;
  for (let i = 0; i < 600; i++) {
    const random = seeded(0xf01d, i), which = i % 2;
    const damaged = which === 0
      ? bytesOf(damageJson(textOf(originals[0]), random))
      : damages[i % damages.length](originals[1], random);
    await Deno.writeFile(files[which], damaged);
    try {
      using found = (await loadModel(path)).model;
      assertEquals(found.parameters.master.toArray(), values);
      if (which === 1) continue;
      // A setting that no tensor depends on may be another one and still be right: its value is what the file says.
      assertEquals(found.architecture, {
        ...network.architecture,
        ...JSON.parse(textOf(damaged)).architecture,
      });
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      assertStringIncludes(error.message, path);
      refused++;
    } finally {
      await Deno.writeFile(files[which], originals[which]);
    }
  }
  assertTrue(refused > 350, `${refused} of 600`);
  (await loadModel(path)).model[Symbol.dispose]();
});

/** Damages JSON text: a number, a word, a bracket, or its end. */
function damageJson(text: string, random: Random): string {
  const kind = random.integer(5);
  if (kind === 0) {
    return replaceOne(text, /-?\d+(\.\d+)?/g, random, () => pick(random, [...numbers, "1e9", "4294967296"]));
  }
  if (kind === 1) {
    return replaceOne(text, /"[a-z_]+"/g, random, () => pick(random, ['"blocks"', '"kept"', "null", '""']));
  }
  if (kind === 2) return replaceOne(text, /[{}\[\],:]/g, random, () => pick(random, [..."{}[],: "]));
  if (kind === 3) return text.slice(0, random.integer(text.length));
  const at = random.integer(text.length);
  return text.slice(0, at) + String.fromCharCode(random.integer(256)) + text.slice(at + 1);
}
