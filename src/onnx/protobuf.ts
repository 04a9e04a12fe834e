/** Just as much of the Protocol Buffers encoding as an ONNX file needs: fields of numbers, texts, bytes and messages. */

/** A value of a field: a whole number, bytes (a text, a message), or a float32. */
export type Field =
  | readonly [number: number, value: bigint | number]
  | readonly [number: number, value: Uint8Array | string]
  | readonly [number: number, value: { float32: number }];

const encoder = new TextEncoder();

/** A whole number in groups of seven bits, the lowest first; a negative one as its two's complement in 64 bits. */
function varint(value: bigint | number): number[] {
  const bytes: number[] = [];
  for (let rest = BigInt.asUintN(64, BigInt(value));;) {
    const low = Number(rest & 127n);
    rest >>= 7n;
    if (rest === 0n) return [...bytes, low];
    bytes.push(low | 128);
  }
}

/** A message: its fields in the order given; one that repeats stands there several times. */
export function message(...fields: readonly Field[]): Uint8Array<ArrayBuffer> {
  const parts = fields.flatMap(([number, value]): Uint8Array[] => {
    if (typeof value === "number" || typeof value === "bigint") {
      return [Uint8Array.from([...varint(number << 3), ...varint(value)])];
    }
    if (typeof value === "object" && "float32" in value) {
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setFloat32(0, value.float32, true);
      return [Uint8Array.from([...varint(number << 3 | 5), ...bytes])];
    }
    const bytes = typeof value === "string" ? encoder.encode(value) : value;
    return [Uint8Array.from([...varint(number << 3 | 2), ...varint(bytes.length)]), bytes];
  });
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
