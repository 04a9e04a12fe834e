/** What the system is told of a mapped file: in what order it is read, and what of it soon. */
import { libtorch } from "./library.ts";
import type { Tensor } from "./tensor.ts";

const random = 1, soon = 3; // MADV_RANDOM and MADV_WILLNEED of sys/mman.h, on Linux and on macOS

/**
 * Advice on how a mapped file is read. It is advice alone: all is as well where it is not taken. Every method returns
 * whether it is.
 */
export class MappedFile {
  readonly #address: bigint;
  readonly #length: number;

  /** @param file a tensor over the whole file (`fromFile`), which must outlive this */
  constructor(file: Tensor) {
    const bytes = file.bytes();
    this.#address = Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
    this.#length = bytes.byteLength;
  }

  /** It is read here and there: without this word a touched page brings in all around it, up to megabytes. */
  readAtRandom(): boolean {
    return this.#advise(0, this.#length, random);
  }

  /** Some bytes will be read soon: the system begins with it, and does not wait for them. */
  willNeed(start: number, length: number): boolean {
    return this.#advise(start, length, soon);
  }

  #advise(start: number, length: number, advice: number): boolean {
    const { torch } = libtorch();
    if (!torch.madvise || !torch.getpagesize || start + length > this.#length) return false;
    const address = this.#address + BigInt(start), inPage = address % BigInt(torch.getpagesize());
    const page = Deno.UnsafePointer.create(address - inPage);
    return torch.madvise(page, BigInt(length) + inPage, advice) === 0;
  }
}
