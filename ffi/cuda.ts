/**
 * What a GPU offers beside operators: streams, events, pinned memory, and graphs, which launch the
 * hundreds of kernels of a step in one call. All of it is optional: {@link missingForGraphs} says what a libtorch
 * lacks.
 */
import { type Device, deviceCode } from "./device.ts";
import { libtorch } from "./library.ts";
import { check, outCode, outWord, TorchError } from "./native.ts";
import { cudaSymbols } from "./symbols.ts";

type Entries = Deno.DynamicLibrary<typeof cudaSymbols>["symbols"];
type Name = keyof typeof cudaSymbols;

let opened: Entries | undefined;

function entries(): Entries {
  const { folder, cuda } = libtorch();
  if (!cuda) throw new TorchError("CUDA", "this libtorch is built without it");
  return opened ??= Deno.dlopen(`${folder}/libtorch_cuda.so`, cudaSymbols).symbols;
}

/** A function of a CUDA build, which an older or a future one may lack. */
function entry<N extends Name>(name: N): NonNullable<Entries[N]> {
  const found = entries()[name];
  if (!found) throw new TorchError(name, "this libtorch has no such function");
  return found as NonNullable<Entries[N]>;
}

/** @throws {TorchError} unless a call of the CUDA runtime went well */
function checkCuda(status: number, call: string): void {
  if (status === 0) return;
  const text = entry("cudaGetErrorString")(status);
  throw new TorchError(call, text ? Deno.UnsafePointerView.getCString(text) : `CUDA error ${status}`);
}

/** Names without which nothing is captured in a graph. */
const neededForGraphs: readonly Name[] = [
  "torch_get_cuda_stream_from_pool",
  "torch_set_current_cuda_stream",
  "aoti_torch_get_current_cuda_stream",
  "_ZN2at4cuda17graph_pool_handleEv",
  "_ZN2at4cuda9CUDAGraphC1Eb",
  "_ZN2at4cuda9CUDAGraphD1Ev",
  "_ZN2at4cuda9CUDAGraph13capture_beginESt4pairIyyE21cudaStreamCaptureMode",
  "_ZN2at4cuda9CUDAGraph11capture_endEv",
  "_ZN2at4cuda9CUDAGraph6replayEv",
  "cudaStreamIsCapturing",
  "cudaStreamEndCapture",
];

/** Functions that this libtorch lacks of those that graphs need; with a CPU build: all. */
export function missingForGraphs(): readonly string[] {
  if (!libtorch().cuda) return neededForGraphs;
  const all = entries();
  return neededForGraphs.filter((name) => !all[name]);
}

/** The current stream of a GPU; null is the default one. */
export function currentStream(device: Device): Deno.PointerValue {
  check(entry("aoti_torch_get_current_cuda_stream")(deviceCode(device).index, outWord), "stream");
  return Deno.UnsafePointer.create(outWord[0]);
}

/** Makes a GPU current, until the result is disposed of. */
export function onGpu(device: Device): Disposable {
  check(entry("aoti_torch_create_cuda_guard")(deviceCode(device).index, outWord), "CUDAGuard");
  const guard = Deno.UnsafePointer.create(outWord[0]);
  return { [Symbol.dispose]: () => void entry("aoti_torch_delete_cuda_guard")(guard) };
}

/** Of each GPU how many have made its own stream current, and what ends that. */
const onStreams = new Map<number, { users: number; end: () => void }>();

/**
 * Makes a stream other than the default one current, until the result is disposed of. A graph is captured on no
 * other; and
 * what runs before, in, and after it on one and the same stream needs no waiting between the three. Whoever asks for it
 * meanwhile shares it, in whatever order they end.
 */
export function onOwnStream(device: Device): Disposable {
  const { index } = deviceCode(device);
  let on = onStreams.get(index);
  if (!on) {
    const gpu = onGpu(device), before = currentStream(device);
    check(entry("torch_get_cuda_stream_from_pool")(false, index, outWord), "stream");
    const set = entry("torch_set_current_cuda_stream");
    check(set(Deno.UnsafePointer.create(outWord[0]), index), "stream");
    const end = () => {
      check(set(before, index), "stream");
      gpu[Symbol.dispose]();
    };
    onStreams.set(index, on = { users: 0, end });
  }
  on.users++;
  let ended = false;
  return {
    [Symbol.dispose]() {
      if (ended) return;
      ended = true;
      if (--on.users > 0) return;
      onStreams.delete(index);
      on.end();
    },
  };
}

/** A place in a stream: whether all before it is done. */
export class CudaEvent implements Disposable {
  #event: Deno.PointerValue;

  constructor() {
    const withoutTime = 2; // cudaEventDisableTiming
    checkCuda(entry("cudaEventCreateWithFlags")(outWord, withoutTime), "cudaEventCreate");
    this.#event = Deno.UnsafePointer.create(outWord[0]);
  }

  /** Moves it behind all that a stream, or the device's current one, was given so far. */
  record(of: Device | { stream: Deno.PointerValue }): void {
    const stream = typeof of === "string" ? currentStream(of) : of.stream;
    checkCuda(entry("cudaEventRecord")(this.#event, stream), "cudaEventRecord");
  }

  /** Has a stream wait for that, and not the program. */
  holdBack(stream: Deno.PointerValue): void {
    checkCuda(entry("cudaStreamWaitEvent")(stream, this.#event, 0), "cudaStreamWaitEvent");
  }

  /** Whether that is done; true where nothing was recorded. */
  get done(): boolean {
    const notReady = 600, status = entry("cudaEventQuery")(this.#event);
    if (status !== notReady) checkCuda(status, "cudaEventQuery");
    return status !== notReady;
  }

  /** Waits until it is. */
  wait(): void {
    checkCuda(entry("cudaEventSynchronize")(this.#event), "cudaEventSynchronize");
  }

  [Symbol.dispose](): void {
    if (this.#event) entry("cudaEventDestroy")(this.#event);
    this.#event = null;
  }
}

/** A stream beside the current one. */
export class SideStream implements Disposable {
  readonly stream: Deno.PointerValue;
  readonly #device: Device;
  readonly #before = new CudaEvent();
  readonly #after = new CudaEvent();

  constructor(device: Device) {
    this.#device = device;
    check(entry("torch_get_cuda_stream_from_pool")(true, deviceCode(device).index, outWord), "stream");
    this.stream = Deno.UnsafePointer.create(outWord[0]);
  }

  /** What it is given next waits for all that the current stream was given so far. */
  follow(): void {
    this.#before.record(this.#device);
    this.#before.holdBack(this.stream);
  }

  /** What the current stream is given next waits for all that this one was given so far. */
  join(): void {
    this.#after.record(this);
    this.#after.holdBack(currentStream(this.#device));
  }

  [Symbol.dispose](): void {
    this.#before[Symbol.dispose]();
    this.#after[Symbol.dispose]();
  }
}

/** Bytes of a GPU's memory that are taken, by whomever, and all that it has. */
export function gpuMemory(device: Device): { used: number; total: number } {
  using _ = onGpu(device);
  const free = new BigUint64Array(1), total = new BigUint64Array(1);
  checkCuda(entry("cudaMemGetInfo")(free, total), "cudaMemGetInfo");
  return { used: Number(total[0] - free[0]), total: Number(total[0]) };
}

/** Bytes for an `at::cuda::CUDAGraph`: those of 2.10 to 2.13 have some 400, by the members in the header. */
const graphBytes = 4096n;

/** By this number graphs share the memory that they use one after another. */
let pool: BigUint64Array | undefined;

/**
 * A piece of work that was recorded once and is launched in one call as often as wished, on the same tensors. After
 * PyTorch's `torch.cuda.CUDAGraph`.
 */
export class CudaGraph implements Disposable {
  #graph: Deno.PointerValue;

  private constructor(graph: Deno.PointerValue) {
    this.#graph = graph;
  }

  /**
   * Records what a function gives the GPU; it is not done yet. The current stream is {@link onOwnStream}'s, and the
   * function
   * has run there before, so that libraries have what they need. It may not read anything back, nor upload what is not
   * pinned. Tensors that it makes and keeps belong to the graph.
   * @throws {TorchError} when something in it cannot be recorded; all can go on without a graph then
   */
  static capture(device: Device, run: () => void): CudaGraph {
    const { torch } = libtorch(), stream = currentStream(device);
    const lacking = missingForGraphs();
    if (lacking.length) throw new TorchError(lacking[0], "this libtorch has no such function");
    if (!stream) throw new TorchError("CUDAGraph", "the default stream cannot be captured");
    pool ??= new BigUint64Array(entry("_ZN2at4cuda17graph_pool_handleEv")().slice().buffer);
    const graph = Deno.UnsafePointer.create(torch.malloc(graphBytes));
    entry("_ZN2at4cuda9CUDAGraphC1Eb")(graph, false);
    const global = 0; // cudaStreamCaptureModeGlobal
    entry("_ZN2at4cuda9CUDAGraph13capture_beginESt4pairIyyE21cudaStreamCaptureMode")(
      graph,
      pool[0],
      pool[1],
      global,
    );
    let failure: unknown;
    try {
      run();
    } catch (error) {
      failure = error;
    }
    const active = 1; // cudaStreamCaptureStatusActive
    checkCuda(entry("cudaStreamIsCapturing")(stream, outCode), "cudaStreamIsCapturing");
    if (outCode[0] !== active) {
      // capture_end() would throw. The object stays, and what it holds: its destructor could throw, too.
      entry("cudaStreamEndCapture")(stream, outWord);
      entry("cudaGetLastError")();
      throw failure ?? new TorchError("CUDAGraph", "something in it cannot be captured");
    }
    entry("_ZN2at4cuda9CUDAGraph11capture_endEv")(graph);
    const captured = new CudaGraph(graph);
    if (failure === undefined) return captured;
    captured[Symbol.dispose]();
    throw failure;
  }

  /** Launches it on the current stream, with random numbers of the generator's present seed. */
  replay(): void {
    if (!this.#graph) throw new TypeError("this graph has been disposed");
    entry("_ZN2at4cuda9CUDAGraph6replayEv")(this.#graph);
  }

  [Symbol.dispose](): void {
    if (!this.#graph) return;
    entry("_ZN2at4cuda9CUDAGraphD1Ev")(this.#graph);
    libtorch().torch.free(Deno.UnsafePointer.value(this.#graph) as bigint);
    this.#graph = null;
  }
}
