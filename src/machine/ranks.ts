/**
 * Several processes that work as one, started by `mpirun` or `srun`: data parallel over MPI, with NCCL between GPUs.
 * With
 * one rank nothing is opened and every method is its own trivial case, so that the code that calls them has one form.
 */
import { deserialize, serialize } from "node:v8";
import type { Device } from "../../ffi/device.ts";
import { type Launched, launched, Mpi } from "../../ffi/mpi.ts";
import { Nccl } from "../../ffi/nccl.ts";
import { Tensor } from "../../ffi/tensor.ts";

/** The ranks of a run. Methods that exchange something are collective: every rank calls them, in the same order. */
export class Ranks {
  /** This process among them, from 0. */
  readonly rank: number;
  readonly size: number;
  /** This process among those of its node, from 0. */
  readonly localRank: number;
  readonly #mpi: Mpi | undefined;
  #nccl: Nccl | undefined;

  constructor({ rank, size, localRank }: Omit<Launched, "variable">, mpi?: Mpi) {
    this.rank = rank;
    this.size = size;
    this.localRank = localRank;
    this.#mpi = mpi;
  }

  /** Whether this is the rank that writes and prints. */
  get first(): boolean {
    return this.rank === 0;
  }

  /** Connects the GPUs, if that is where the ranks compute. */
  connect(device: Device): void {
    const mpi = this.#mpi;
    if (!mpi || device === "cpu") return;
    const { rank, size } = this;
    this.#nccl = new Nccl(device, { rank, size, shareId: (bytes) => mpi.broadcast(bytes) });
  }

  /** This rank's part of items: every n-th of n ranks, so that parts are similar if neighbouring items are. */
  part<T>(items: readonly T[]): readonly T[] {
    return this.size === 1 ? items : items.filter((_, i) => i % this.size === this.rank);
  }

  /** Sums numbers over the ranks, name by name. */
  sum<T extends Record<keyof T, number>>(numbers: T): T {
    if (!this.#mpi) return numbers;
    const names = Object.keys(numbers) as (keyof T)[];
    const values = Float64Array.from(names, (name) => numbers[name]);
    this.#mpi.sum(values);
    return Object.fromEntries(names.map((name, i) => [name, values[i]])) as T;
  }

  /** The largest of the ranks' numbers. */
  max(value: number): number {
    if (!this.#mpi) return value;
    const values = Float64Array.of(value);
    this.#mpi.max(values);
    return values[0];
  }

  /** Whether it is true at any rank. */
  any(flag: boolean): boolean {
    return this.max(Number(flag)) > 0;
  }

  /** Sums a contiguous float32 tensor over the ranks, in place, in one call. */
  sumTensor(tensor: Tensor): void {
    if (this.#nccl) this.#nccl.sum(tensor);
    else this.#mpi?.sum(tensor.memory() as Float32Array<ArrayBuffer>);
  }

  /**
   * Sums a part of a contiguous float32 tensor, from an element to before another, in place. On GPUs that goes on
   * beside
   * what the GPU is given meanwhile, until {@link partsSummed}.
   */
  sumPart(tensor: Tensor, from: number, to: number): void {
    using part = tensor.viewAt([to - from], from);
    if (this.#nccl) this.#nccl.sumBeside(part);
    else this.#mpi?.sum(part.memory() as Float32Array<ArrayBuffer>);
  }

  /** Makes the GPU wait for all parts before its next work. */
  partsSummed(): void {
    this.#nccl?.joinBeside();
  }

  /** Hands every rank the plain data of rank 0; numbers need not be finite. */
  share<T>(value: T): T {
    if (!this.#mpi) return value;
    const text = new Uint8Array(serialize(value));
    const length = new Uint8Array(Float64Array.of(text.length).buffer);
    this.#mpi.broadcast(length);
    const bytes = this.first ? text : new Uint8Array(new Float64Array(length.buffer)[0]);
    this.#mpi.broadcast(bytes);
    return this.first ? value : deserialize(bytes) as T;
  }

  /** Overwrites a float32 tensor with rank 0's. */
  shareTensor(tensor: Tensor): void {
    if (!this.#mpi) return;
    const values = tensor.toArray() as Float32Array<ArrayBuffer>;
    this.#mpi.broadcast(new Uint8Array(values.buffer));
    if (this.first) return;
    using source = Tensor.from(values, tensor.shape);
    tensor.copyFrom(source);
  }

  /** Every rank's numbers, at rank 0; elsewhere an empty array. */
  gather(values: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer>[] {
    if (!this.#mpi) return [values];
    const { buffer, byteOffset, byteLength } = values;
    return this.#mpi.gather(new Uint8Array(buffer, byteOffset, byteLength))
      .map((bytes) => new Float32Array(bytes.buffer));
  }

  /** Waits until every rank is here. */
  barrier(): void {
    this.#mpi?.barrier();
  }

  /** Ends the ranks: together if all went well, otherwise every process at once. */
  leave(code: number, agreed: boolean): void {
    if (!this.#mpi) return;
    if (!agreed) this.#mpi.abort(code);
    this.#mpi.barrier();
    this.#nccl?.[Symbol.dispose]();
    this.#mpi.finalize();
  }
}

/** This process alone. */
export const oneRank = new Ranks({ rank: 0, size: 1, localRank: 0 });

let joined = oneRank;

/**
 * The ranks that this process was started with; itself alone without a launcher.
 * @throws {MpiError} when there are several and no MPI can be used
 */
export function joinRanks(): Ranks {
  const by = launched();
  if (joined === oneRank && by.size > 1) joined = new Ranks(by, Mpi.start(by));
  return joined;
}

/**
 * Leaves the ranks, before the process exits or works on alone; harmless the second time.
 * @param agreed whether every rank leaves now, with this code: otherwise nobody waits, and all processes are ended
 */
export function leaveRanks(code = 0, agreed = true): void {
  const ranks = joined;
  joined = oneRank;
  ranks.leave(code, agreed);
}
