/** What the head of a Linux library tells before it is opened: the dynamic linker ends the process where a file is cut short. */

const machines: Record<number, string> = {
  0x03: "x86",
  0x3e: "x86_64",
  0x28: "arm",
  0xb7: "aarch64",
  0x15: "ppc64",
};

/**
 * Why a library cannot be loaded here: another processor's, or cut short (a full disk, a broken download).
 * @returns undefined where its head shows nothing wrong, or it is no ELF file
 */
export function elfFlaw(path: string): string | undefined {
  using file = Deno.openSync(path);
  const { size } = file.statSync();
  const read = (at: number, length: number) => {
    const bytes = new Uint8Array(length);
    file.seekSync(at, Deno.SeekMode.Start);
    let done = 0;
    for (let n; done < length && (n = file.readSync(bytes.subarray(done))) !== null;) done += n;
    return new DataView(bytes.buffer, 0, done);
  };
  const cutShort = `it is cut short, at ${size} bytes: install it again`;
  const head = read(0, 64);
  // 64 bits, little end first: all processors that PyTorch has wheels for.
  if (head.byteLength < 20 || head.getUint32(0) !== 0x7f454c46 || head.getUint16(4) !== 0x0201) {
    return undefined;
  }
  const machine = head.getUint16(18, true), name = machines[machine] ?? `machine ${machine}`;
  if (name !== Deno.build.arch) return `it is for ${name}, this is ${Deno.build.arch}`;
  if (head.byteLength < 64) return cutShort;
  const at = Number(head.getBigUint64(32, true)),
    entry = head.getUint16(54, true),
    count = head.getUint16(56, true);
  const table = read(at, entry * count);
  if (table.byteLength < entry * count) return cutShort;
  for (let i = 0; i < count; i++) {
    const load = 1, from = i * entry;
    if (table.getUint32(from, true) !== load) continue;
    const [offset, length] = [8, 32].map((field) => Number(table.getBigUint64(from + field, true)));
    if (offset + length > size) return cutShort;
  }
  return undefined;
}
