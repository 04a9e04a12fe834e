/**
 * NCCL, NVIDIA's collectives between GPUs, from the packages that a CUDA build of libtorch is installed with. Calls go to
 * the device's current stream, in order with libtorch's own. After NCCL's `nccl.h` (2.x).
 */
import { currentStream, onGpu, SideStream } from "./cuda.ts";
import type { Device } from "./device.ts";
import { libtorch } from "./library.ts";
import { check, outWord } from "./native.ts";
import type { Tensor } from "./tensor.ts";

const idBytes = 128; // NCCL_UNIQUE_ID_BYTES
const Data = "pointer";

const symbols = {
  ncclGetUniqueId: { parameters: ["buffer"], result: "i32" },
  // communicator (new), ranks, ncclUniqueId by value, rank
  ncclCommInitRank: {
    parameters: ["buffer", "i32", { struct: Array<"u8">(idBytes).fill("u8") }, "i32"],
    result: "i32",
  },
  // from, to, elements, type, operation, communicator, stream
  ncclAllReduce: { parameters: [Data, Data, "usize", "i32", "i32", Data, Data], result: "i32" },
  ncclCommDestroy: { parameters: [Data], result: "i32" },
  ncclGetErrorString: { parameters: ["i32"], result: Data }, // borrowed
  ncclGetLastError: { parameters: [Data], result: Data, optional: true }, // borrowed; 2.13
} as const satisfies Deno.ForeignLibraryInterface;

/** A call that NCCL refused, or no NCCL. */
export class NcclError extends Error {
  /** The error's kind. */
  override name = "NcclError";
}

/** Where it is looked for: beside libtorch, in the package that its wheel depends on, on the linker's path. */
function openNccl() {
  const { folder } = libtorch(), tried: string[] = [];
  for (
    const path of [`${folder}/libnccl.so.2`, `${folder}/../../nvidia/nccl/lib/libnccl.so.2`, "libnccl.so.2"]
  ) {
    try {
      return Deno.dlopen(path, symbols).symbols;
    } catch {
      tried.push(path);
    }
  }
  throw new NcclError(`no NCCL can be opened for several GPUs; tried ${tried.join(", ")}`);
}

/** A communicator of one rank a GPU. Its calls are collective: every rank makes them, in the same order. */
export class Nccl implements Disposable {
  readonly #calls = openNccl();
  readonly #device: Device;
  readonly #gpu: Disposable;
  #beside: SideStream | undefined;
  readonly #communicator: Deno.PointerValue;

  /**
   * Connects the ranks; each makes one at the same time.
   * @param device this rank's own GPU; it stays the thread's current one
   * @param shareId broadcasts from rank 0: NCCL's name for this communicator, by which ranks find each other
   * @throws {NcclError} when there is no NCCL, or it cannot connect
   */
  constructor(
    device: Device,
    { rank, size, shareId }: {
      rank: number;
      size: number;
      shareId: (bytes: Uint8Array<ArrayBuffer>) => void;
    },
  ) {
    this.#device = device;
    this.#gpu = onGpu(device);
    const id = new Uint8Array(idBytes);
    if (rank === 0) this.#check(this.#calls.ncclGetUniqueId(id), "ncclGetUniqueId");
    shareId(id);
    const communicator = new BigUint64Array(1);
    this.#check(this.#calls.ncclCommInitRank(communicator, size, id, rank), "ncclCommInitRank");
    this.#communicator = Deno.UnsafePointer.create(communicator[0]);
  }

  /** Sums a contiguous float32 tensor on the GPU over all ranks, in place and on the current stream. */
  sum(tensor: Tensor): void {
    this.#sumOn(tensor, currentStream(this.#device));
  }

  #sumOn(tensor: Tensor, stream: Deno.PointerValue): void {
    if (tensor.dtype !== "float32" || !tensor.contiguous) {
      throw new TypeError(`a sum over GPUs takes a contiguous float32 tensor, not ${tensor.dtype}`);
    }
    const float32 = 7, sum = 0; // ncclFloat32, ncclSum
    check(libtorch().torch.aoti_torch_get_data_ptr(tensor.handle, outWord), "data");
    const data = Deno.UnsafePointer.create(outWord[0]);
    const count = BigInt(tensor.elements);
    this.#check(
      this.#calls.ncclAllReduce(data, data, count, float32, sum, this.#communicator, stream),
      "ncclAllReduce",
    );
  }

  /**
   * As {@link sum}, but on a stream of its own, behind what the current stream was given so far and beside what it is given
   * next. The tensor's memory has to last until {@link joinBeside}.
   */
  sumBeside(tensor: Tensor): void {
    const beside = this.#beside ??= new SideStream(this.#device);
    beside.follow();
    this.#sumOn(tensor, beside.stream);
  }

  /** Has the current stream wait for all sums beside it. */
  joinBeside(): void {
    this.#beside?.join();
  }

  /** Ends the communicator, when the stream has done all it was given. */
  [Symbol.dispose](): void {
    this.#calls.ncclCommDestroy(this.#communicator);
    this.#beside?.[Symbol.dispose]();
    this.#gpu[Symbol.dispose]();
  }

  #check(status: number, call: string): void {
    if (status === 0) return;
    const texts = [this.#calls.ncclGetErrorString(status), this.#calls.ncclGetLastError?.(null) ?? null]
      .map((text) => text && Deno.UnsafePointerView.getCString(text).trim());
    throw new NcclError(`${call}: ${texts.filter(Boolean).join("; ")}`);
  }
}
