/** Avro alerts: the detection and the earlier ones, with ids beyond 2^53. */
import { Buffer } from "node:buffer";
import avro from "npm:avsc@5.7.9";
import { InputError } from "../../../src/common/errors.ts";
import { readTables } from "../../../src/survey/formats/container.ts";
import { assertEquals, assertRejects } from "../../../src/common/std.ts";
import { testIn } from "../../shared.ts";

const detection = [
  { name: "jd", type: "double" },
  { name: "candid", type: ["null", "long"] },
  { name: "magpsf", type: ["null", "float"] },
  { name: "fid", type: "int" },
];
const schema = {
  type: "record",
  name: "alert",
  fields: [
    { name: "objectId", type: "string" },
    { name: "candid", type: "long" },
    {
      name: "candidate",
      type: { type: "record", name: "candidate", fields: [...detection, { name: "rb", type: "float" }] },
    },
    {
      name: "prv_candidates",
      type: ["null", { type: "array", items: { type: "record", name: "prv_candidate", fields: detection } }],
    },
    {
      name: "fp_hists",
      type: ["null", {
        type: "array",
        items: {
          type: "record",
          name: "fp_hist",
          fields: ["jd", "forcediffimflux", "a", "b"].map((name) => ({ name, type: "float" })),
        },
      }],
    },
    { name: "cutout", type: ["null", "bytes"] },
  ],
};
const id = 1234567890123456789n;

/** The bytes of a file of two alerts; the second has no history. */
async function alerts(codec: string): Promise<Uint8Array> {
  const long = avro.types.LongType.__with(
    {
      fromBuffer: (bytes: { readBigInt64LE(): bigint }) => bytes.readBigInt64LE(),
      toBuffer: (value: bigint) => Buffer.from(new BigInt64Array([value]).buffer),
      fromJSON: BigInt,
      toJSON: Number,
      isValid: (value: unknown) => typeof value === "bigint",
      compare: () => 0,
    } as unknown as Parameters<typeof avro.types.LongType.__with>[0],
  );
  const type = avro.Type.forSchema(
    schema as Parameters<typeof avro.Type.forSchema>[0],
    {
      typeHook: (part: unknown) => part === "long" ? long : undefined,
    } as Parameters<typeof avro.Type.forSchema>[1],
  );
  const { deflateRaw } = await import("node:zlib");
  const encoder = new avro.streams.BlockEncoder(
    type,
    {
      codec,
      codecs: {
        deflate: deflateRaw,
        snappy: deflateRaw,
        null: (data: Uint8Array, done: (e: null, d: Uint8Array) => void) => done(null, data),
      },
    } as unknown as ConstructorParameters<
      typeof avro.streams.BlockEncoder
    >[1],
  );
  const parts: Uint8Array[] = [];
  encoder.on("data", (part: Uint8Array) => parts.push(part));
  const end = new Promise((done) => encoder.on("end", done));
  const one = { jd: 2458000.5, candid: id, magpsf: 18.5, fid: 1, rb: 0.5 };
  encoder.write({
    objectId: "ZTF18a",
    candid: id,
    candidate: one,
    prv_candidates: [{ ...one, jd: 2457999.5, candid: id - 1n }, {
      jd: 2457998.5,
      candid: null,
      magpsf: null,
      fid: 2,
    }],
    fp_hists: null,
    cutout: Buffer.alloc(3),
  });
  encoder.end({
    objectId: "ZTF18b",
    candid: 5n,
    candidate: { ...one, candid: 5n },
    prv_candidates: null,
    fp_hists: null,
    cutout: null,
  });
  await end;
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}

testIn("Alerts give their detection and the earlier ones", async (folder) => {
  const path = `${folder}/a.avro`;
  for (const codec of ["null", "deflate"]) {
    await Deno.writeFile(path, await alerts(codec));
    const [{ columns, rows }] = await Array.fromAsync(readTables(path, "avro"));
    assertEquals(rows, 4);
    const found = Object.fromEntries(
      columns.map((
        { name, values, missing },
      ) => [name, Array.from<unknown>(values).map((v, i) => missing?.[i] ? null : v)]),
    );
    assertEquals(found, {
      objectId: ["ZTF18a", "ZTF18a", "ZTF18a", "ZTF18b"],
      jd: [2458000.5, 2457999.5, 2457998.5, 2458000.5],
      candid: [id, id - 1n, null, 5n],
      magpsf: [18.5, 18.5, NaN, 18.5],
      fid: [1, 1, 2, 1],
      rb: [0.5, NaN, NaN, 0.5],
    });
  }
});

testIn("Cut, damaged and oddly compressed Avro is refused with a sentence", async (folder) => {
  const path = `${folder}/a.avro`, whole = await alerts("null");
  for (const length of [4, 100, whole.length - 30]) {
    await Deno.writeFile(path, whole.subarray(0, length));
    await assertRejects(() => Array.fromAsync(readTables(path, "avro")), InputError);
  }
  await Deno.writeFile(path, await alerts("snappy"));
  await assertRejects(() => Array.fromAsync(readTables(path, "avro")), InputError, "snappy");
  let state = 5;
  const random = (below: number) => (state = (state * 1103515245 + 12345) % 2147483648) % below;
  for (let k = 0; k < 150; k++) {
    const bytes = whole.slice();
    for (let n = 0; n < 3; n++) bytes[4 + random(bytes.length - 4)] = random(256);
    await Deno.writeFile(path, bytes);
    try {
      await Array.fromAsync(readTables(path, "avro"));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  }
});
