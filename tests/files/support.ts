/** What the tests of files share: a tensor of every dtype, safetensors files by hand, ways to damage them. */
import type { TensorData } from "../../src/files/safetensors.ts";
import { type Random, seeded } from "../../src/common/random.ts";

export type Bytes = Uint8Array<ArrayBuffer>;

/** One tensor of every dtype, the narrow ones first, with odd lengths. */
export const everyDtype: Record<string, TensorData> = {
  flags: { dtype: "BOOL", shape: [3], data: Uint8Array.of(1, 0, 1) },
  bytes: { dtype: "U8", shape: [5], data: Uint8Array.of(0, 1, 127, 128, 255) },
  signed: { dtype: "I8", shape: [1], data: Int8Array.of(-128) },
  short: { dtype: "I16", shape: [3], data: Int16Array.of(-1, 2, 32767) },
  half: { dtype: "F16", shape: [1], data: Uint16Array.of(0x3c00) },
  brain: { dtype: "BF16", shape: [3, 1], data: Uint16Array.of(0x3f80, 1, 0xffff) },
  whole: { dtype: "I32", shape: [1, 1, 1], data: Int32Array.of(-(2 ** 31)) },
  single: { dtype: "F32", shape: [2, 3], data: Float32Array.of(0, -0, 1.5, Infinity, NaN, 1e-45) },
  long: { dtype: "I64", shape: [2], data: BigInt64Array.of(-1n, 2n ** 62n) },
  double: { dtype: "F64", shape: [], data: Float64Array.of(Math.PI) },
  nothing: { dtype: "F32", shape: [0, 4], data: new Float32Array() },
};

/** A file of a header (as JSON, or as it is given) and of data (as many zeros, or as it is given). */
export function fileOf(header: unknown, data: number | Bytes = 8, claimed?: number | bigint): Bytes {
  const json = header instanceof Uint8Array
    ? header
    : new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + (typeof data === "number" ? data : data.length));
  new DataView(bytes.buffer).setBigUint64(0, BigInt(claimed ?? json.length), true);
  bytes.set(json, 8);
  if (typeof data !== "number") bytes.set(data, 8 + json.length);
  return bytes;
}

/** Where a file's data starts. */
export const dataStart = ({ buffer }: Bytes) => 8 + Number(new DataView(buffer).getBigUint64(0, true));

/** A file's header as text. */
export const headerOf = (file: Bytes) => new TextDecoder().decode(file.subarray(8, dataStart(file)));

export const pick = <A>(random: Random, from: ArrayLike<A>): A => from[random.integer(from.length)];

/** Replaces one of the matches of a pattern. */
export function replaceOne(
  random: Random,
  text: string,
  pattern: RegExp,
  by: (match: string) => string,
): string {
  const matches = [...text.matchAll(pattern)];
  if (matches.length === 0) return text;
  const { 0: found, index } = pick(random, matches);
  return text.slice(0, index) + by(found) + text.slice(index + found.length);
}

/** JSON where a small whole number is due. */
export const oddValues = [
  ...[
    "0",
    "-0",
    "-1",
    "0.5",
    "01",
    "1e308",
    "1e999",
    "2147483648",
    "9007199254740993",
    "18446744073709551616",
  ],
  ...["null", "true", '""', '"1"', "[]", "{}", "[[1]]", '{"toString":1,"valueOf":1}'],
];

const nested = (random: Random) => {
  const depth = 1 + random.integer(20_000);
  return "[".repeat(depth) + "]".repeat(depth);
};

type Damage = (file: Bytes, random: Random) => Bytes;

/** Changes bytes of a copy in place. */
const overwrite = (change: (bytes: Bytes, random: Random) => void): Damage => (file, random) => {
  const bytes = file.slice();
  change(bytes, random);
  return bytes;
};

/** Changes the header's text. Its length is made right, so that what stands in it is reached. */
const rewrite = (change: (json: string, random: Random) => string): Damage => (file, random) =>
  fileOf(change(headerOf(file), random), file.subarray(dataStart(file)));

type Entry = [name: string, value: { dtype: string; shape: number[]; data_offsets: number[] }];

/** Changes the header's tensors, which come in a random order, at least two of them. */
const reenter = (change: (tensors: Entry[], random: Random) => Entry[]): Damage =>
  rewrite((json, random) => {
    const { __metadata__, ...tensors } = JSON.parse(json);
    const entries = change(random.shuffle(Object.entries(tensors) as Entry[]), random);
    return `{${
      [...(__metadata__ ? [["__metadata__", __metadata__]] : []), ...entries]
        .map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join()
    }}`;
  });

/** What leaves a file as it was, to its reader. */
export const harmless: Record<string, Damage> = {
  "the tensors' entries in another order": reenter((tensors) => tensors),
  "spaces after the header": rewrite((json, random) => json + " ".repeat(random.integer(20))),
};

/** What harms a file, as a rule. */
export const damages: Record<string, Damage> = {
  "a bit": overwrite((bytes, random) => bytes[random.integer(bytes.length)] ^= 1 << random.integer(8)),
  "bytes of the header": overwrite((bytes, random) => {
    for (let left = 1 + random.integer(4); left > 0; left--) {
      bytes[8 + random.integer(dataStart(bytes) - 8)] = random.integer(256);
    }
  }),
  "bytes of the data": overwrite((bytes, random) => {
    const start = dataStart(bytes);
    for (let left = 1 + random.integer(4); left > 0; left--) {
      bytes[start + random.integer(bytes.length - start)] ^= 1 + random.integer(255);
    }
  }),
  "the header's length": overwrite((bytes, random) => {
    const length = BigInt(bytes.length), any = BigInt(random.integer(bytes.length));
    const size = pick(random, [
      0n,
      1n,
      2n,
      any,
      any,
      length,
      length - 8n,
      2n ** 32n,
      2n ** 63n,
      2n ** 64n - 1n,
    ]);
    new DataView(bytes.buffer).setBigUint64(0, size, true);
  }),
  "a block copied elsewhere": overwrite((bytes, random) => {
    const size = 1 + random.integer(64);
    const from = random.integer(bytes.length - size), to = random.integer(bytes.length - size);
    bytes.copyWithin(to, from, from + size);
  }),
  "the end cut off": (file, random) => file.slice(0, random.integer(file.length)),
  "a block taken out": (file, random) => {
    const from = random.integer(file.length), to = from + 1 + random.integer(64);
    return Uint8Array.from([...file.subarray(0, from), ...file.subarray(to)]);
  },
  "a block put in": (file, random) => {
    const at = random.next() < 0.5 ? file.length : random.integer(file.length);
    const block = Array.from({ length: 1 + random.integer(64) }, () => random.integer(256));
    return Uint8Array.from([...file.subarray(0, at), ...block, ...file.subarray(at)]);
  },
  "a letter of the header": rewrite((json, random) =>
    replaceOne(random, json, /\S/g, () => pick(random, json))
  ),
  "a number replaced": rewrite((json, random) =>
    replaceOne(random, json, /\b\d+\b/g, () => pick(random, oddValues))
  ),
  "a number moved": rewrite((json, random) =>
    replaceOne(random, json, /\b\d+\b/g, (found) => String(Number(found) + 4 * random.integer(9) - 18))
  ),
  "another dtype": rewrite((json, random) =>
    replaceOne(random, json, /(?<="dtype":)"\w+"/g, () =>
      JSON.stringify(
        pick(random, [...["F64", "F32", "F16", "BF16", "I64", "I32", "U8"], ...["F8_E4M3", "", "toString"]]),
      ))
  ),
  "another shape": rewrite((json, random) =>
    replaceOne(random, json, /(?<="shape":)\[.*?\]/g, (found) => {
      const shape = JSON.parse(found);
      return JSON.stringify(
        pick(random, [[...shape, 1], [1, ...shape], shape.toReversed(), shape.slice(1), [...shape, 0], [[
          shape,
        ]]]),
      );
    })
  ),
  "names exchanged": reenter(([[a, first], [b, second], ...rest]) => [[b, first], [a, second], ...rest]),
  "shapes exchanged": reenter(([[a, first], [b, second], ...rest]) => [
    [a, { ...first, shape: second.shape }],
    [b, { ...second, shape: first.shape }],
    ...rest,
  ]),
  "offsets exchanged": reenter(([[a, first], [b, second], ...rest]) => [
    [a, { ...first, data_offsets: second.data_offsets }],
    [b, { ...second, data_offsets: first.data_offsets }],
    ...rest,
  ]),
  "another name": reenter(([[name, value], ...rest], random) => [[
    pick(random, [
      "__proto__",
      "toString",
      "",
      "\ud800",
      "\0",
      "\u001b[31m",
      "größe",
      "重み",
      "e\u0301",
      "\u202e",
      rest[0][0],
      name + " ",
    ]),
    value,
  ], ...rest]),
  "an entry left out": reenter(([_, ...rest]) => rest),
  "an entry twice": reenter(([first, ...rest], random) => random.shuffle([first, first, ...rest])),
  "a key twice": rewrite((json, random) =>
    replaceOne(
      random,
      json,
      /"(dtype|shape|data_offsets|__metadata__)":/g,
      (key) => `${key}${pick(random, oddValues)},${key}`,
    )
  ),
  "deep nesting": rewrite((json, random) =>
    replaceOne(random, json, /(?<=[:,[{])/g, () => pick(random, ["", '"a":']) + nested(random) + ",")
  ),
  "the checksums": rewrite((json, random) =>
    replaceOne(
      random,
      json,
      /\\"[0-9a-f]{8}\\"/g,
      (found) =>
        pick(random, [...oddValues, nested(random), found.toUpperCase(), found.replace(/[0-9a-f]/, "z")])
          .replaceAll('"', '\\"'),
    )
  ),
  "the metadata": rewrite((json, random) =>
    replaceOne(
      random,
      json,
      /(?<="__metadata__":)\{.*?\}(?=,"|\})/g,
      () =>
        pick(random, [
          ...oddValues,
          '{"crc32":"{}"}',
          '{"crc32":"[]"}',
          '{"crc32":"null"}',
          '{"crc32":"{"}',
          '["a"]',
        ]),
    )
  ),
};

/** So many damaged files, the same ones each time, with what was done to them. */
export function* damaged(
  file: (index: number) => Bytes,
  count: number,
  kinds: Record<string, Damage> = { ...damages, ...harmless },
): Generator<{ index: number; kind: string; bytes: Bytes }> {
  const names = Object.keys(kinds);
  for (let index = 0; index < count; index++) {
    const kind = names[index % names.length];
    yield { index, kind, bytes: kinds[kind](file(index), seeded(0xf022, index)) };
  }
}
