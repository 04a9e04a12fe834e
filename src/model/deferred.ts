/**
 * Work that a GPU does while the program goes on. Each piece is one upload of numbers, one launch, and one copy back of
 * what was found, which is read later; nothing waits. From the second piece of a kind on, its hundreds of kernels are
 * launched as one graph, where that can be. On the CPU the same code does each piece at once.
 */
import { CudaEvent, CudaGraph, missingForGraphs, onOwnStream } from "../../ffi/cuda.ts";
import { type Device, synchronize } from "../../ffi/device.ts";
import { TorchError } from "../../ffi/native.ts";
import { copy_, viewAs } from "../../ffi/ops.ts";
import { noGrad } from "../../ffi/autograd.ts";
import { scope, Tensor, unscoped } from "../../ffi/tensor.ts";
import { messageOf } from "../common/errors.ts";

/** Work that can be launched again and again. */
export interface Launchable extends Disposable {
  replay(): void;
}

/** Records work without doing it. */
export type Recorder = (device: Device, work: () => void) => Launchable;

/** How work is given to a device. */
export interface DeferredOptions {
  /** Records work as a graph; null: it is launched kernel by kernel. Default: {@link graphRecorder}. */
  record?: Recorder | null;
  /** Takes a line when something cannot be done. Default: standard error. */
  say?: (line: string) => void;
}

/** The recorder of CUDA graphs, where device and libtorch have them. */
export function graphRecorder(device: Device): Recorder | null {
  return device === "cpu" || missingForGraphs().length ? null : CudaGraph.capture;
}

/** Graphs are kept of so many kinds of work; others are launched kernel by kernel. */
const mostGraphs = 64;

/** Of so many kinds without a graph the memory is kept, those that came last: a survey's remainders have a hundred sizes. */
const mostPlain = 32;

/** What was begun, in order, of which all but the last few are to be read now. */
export class UnderWay<Read> {
  readonly #begun: Read[] = [];

  /** @param ahead how many are left under way */
  constructor(readonly ahead: number) {}

  /** Adds what was begun last. */
  add(read: Read): void {
    this.#begun.push(read);
  }

  /** Takes out those to be read now, the oldest first. */
  *due(left = this.ahead): Generator<Read> {
    while (this.#begun.length > left) yield this.#begun.shift()!;
  }
}

/** Parts of an upload begin at multiples of so many numbers. */
const alignment = 16;

/** A part of an upload. */
export interface Part {
  /** Of the tensor that the work sees: float64 if the values are, else float32. */
  shape: readonly number[];
  values: ArrayLike<number>;
}

/** Numbers as they are uploaded: float64 as two words each. */
function wordsOf({ values }: Part): ArrayLike<number> {
  if (!(values instanceof Float64Array)) return values;
  return new Float32Array(values.buffer, values.byteOffset, 2 * values.length);
}

/** Parts as tensors, for work that is done at once: in the scope of the caller. */
export function uploaded<Name extends string>(
  parts: Record<Name, Part>,
  device: Device,
): Record<Name, Tensor> {
  const upload = ({ shape, values }: Part) => {
    if (values instanceof Float64Array) {
      return Tensor.from(values as Float64Array<ArrayBuffer>, shape, { device });
    }
    const floats = values instanceof Float32Array ? values : Float32Array.from(values);
    return Tensor.from(floats as Float32Array<ArrayBuffer>, shape, { device });
  };
  const entries = Object.entries(parts) as [Name, Part][];
  return Object.fromEntries(entries.map(([name, part]) => [name, upload(part)])) as Record<Name, Tensor>;
}

/** All pieces of work of one kind: where they are uploaded to, what is done, what was found. */
interface Kind {
  offsets: readonly number[];
  total: number;
  /** On the device. */
  input: Tensor;
  views: readonly Tensor[];
  run: () => void;
  results?: Tensor;
  runs: number;
  graph?: Launchable;
}

/** Memory that one piece of work uses on its way to the device and back, pinned, and as long as was needed so far. */
interface Slot {
  upload?: Tensor;
  uploaded: Float32Array<ArrayBuffer>;
  results?: Tensor;
  done?: CudaEvent;
}

/** Gives work to a device. On a GPU all of it, and whatever else is done meanwhile, goes to one stream of its own. */
export class Deferred implements Disposable {
  readonly #device: Device;
  readonly #kinds = new Map<string, Kind>();
  readonly #free: Slot[] = [];
  readonly #slots: Slot[] = [];
  readonly #stream: Disposable | undefined;
  readonly #say: (line: string) => void;
  #record: Recorder | null;

  constructor(device: Device, { record = graphRecorder(device), say = console.error }: DeferredOptions = {}) {
    this.#device = device;
    this.#record = record;
    this.#say = say;
    // What was given to the default stream until now is waited for once: the new stream does not.
    synchronize(device);
    this.#stream = device === "cpu" ? undefined : onOwnStream(device);
  }

  /** Kinds of work that are launched as graphs. */
  get graphs(): number {
    return [...this.#kinds.values()].filter(({ graph }) => graph).length;
  }

  /**
   * Gives the device a piece of work.
   * @param key names its kind: whatever is not in the parts is the same for all of one kind
   * @param parts what is uploaded
   * @param work what is done, on tensors of those shapes; nothing in it is read back. Returns float32 of any shape
   * @returns what waits for the work and gives the numbers that it found, row by row: to be called once, and in the
   * order in which work was begun. They are to be read before more work is begun
   * @throws {TorchError} when the device's memory is not enough
   */
  begin<Name extends string>(
    key: string,
    parts: Record<Name, Part>,
    work: (parts: Record<Name, Tensor>) => Tensor,
  ): () => Float32Array<ArrayBuffer> {
    const kind = this.#kindOf(key, parts, work), slot = this.#free.pop() ?? this.#newSlot();
    if (slot.uploaded.length < kind.total) {
      slot.upload?.dispose();
      slot.upload = unscoped(() => Tensor.pinned([kind.total], this.#device));
      slot.uploaded = slot.upload.memory() as Float32Array<ArrayBuffer>;
    }
    for (const [i, part] of (Object.values(parts) as Part[]).entries()) {
      slot.uploaded.set(wordsOf(part), kind.offsets[i]);
    }
    scope(() => kind.input.copyFrom(slot.upload!.viewAt([kind.total], 0), { wait: false }));
    this.#launch(kind);
    const results = kind.results!, count = results.elements;
    if (!slot.results || slot.results.elements < count) {
      slot.results?.dispose();
      slot.results = unscoped(() => Tensor.pinned([count], this.#device));
    }
    scope(() => slot.results!.viewAt(results.shape, 0).copyFrom(results, { wait: false }));
    slot.done?.record(this.#device);
    return () => {
      slot.done?.wait();
      this.#free.push(slot);
      return (slot.results!.memory() as Float32Array<ArrayBuffer>).subarray(0, count);
    };
  }

  #newSlot(): Slot {
    const slot = {
      uploaded: new Float32Array(),
      done: this.#device === "cpu" ? undefined : new CudaEvent(),
    };
    this.#slots.push(slot);
    return slot;
  }

  #kindOf<Name extends string>(
    key: string,
    parts: Record<Name, Part>,
    work: (parts: Record<Name, Tensor>) => Tensor,
  ): Kind {
    const known = this.#kinds.get(key);
    if (known) {
      // The last is the one that was used last.
      this.#kinds.delete(key);
      this.#kinds.set(key, known);
      return known;
    }
    this.#forgetOne();
    let total = 0;
    const entries = Object.entries(parts) as [Name, Part][];
    const offsets = entries.map(([, part]) => {
      const offset = total;
      total += alignment * Math.ceil(wordsOf(part).length / alignment);
      return offset;
    });
    const device = this.#device, input = unscoped(() => Tensor.zeros([total], { device }));
    const views = entries.map(([, { shape, values }], i) => {
      if (!(values instanceof Float64Array)) return unscoped(() => input.viewAt(shape, offsets[i]));
      using words = unscoped(() => input.viewAt([2 * values.length], offsets[i]));
      using numbers = unscoped(() => viewAs(words, "float64"));
      return unscoped(() => numbers.viewAt(shape, 0));
    });
    const named = Object.fromEntries(entries.map(([name], i) => [name, views[i]])) as Record<Name, Tensor>;
    const run = () =>
      scope(() => {
        const found = work(named);
        kind.results ??= unscoped(() => Tensor.empty(found.shape, { device }));
        noGrad(() => copy_(kind.results!, found));
      });
    const kind: Kind = { offsets, total, input, views, run, runs: 0 };
    this.#kinds.set(key, kind);
    return kind;
  }

  /** Makes room for a kind. What it is still used for comes before whatever its memory is used for next. */
  #forgetOne(): void {
    const plain = [...this.#kinds].filter(([, { graph }]) => !graph);
    if (plain.length < mostPlain) return;
    const [key, { input, views, results }] = plain[0];
    for (const tensor of [...views, input, results]) tensor?.dispose();
    this.#kinds.delete(key);
  }

  #launch(kind: Kind): void {
    if (kind.graph) return kind.graph.replay();
    kind.runs++;
    // The first run of a kind lets libraries lay out what they need, which is not to be recorded.
    if (kind.runs > 1 && this.#record && this.graphs < mostGraphs) {
      try {
        kind.graph = this.#record(this.#device, kind.run);
        return kind.graph.replay();
      } catch (error) {
        if (!(error instanceof TorchError)) throw error;
        this.#record = null;
        this.#say(
          `work is launched kernel by kernel, since it cannot be recorded as a graph: ${messageOf(error)}`,
        );
      }
    }
    kind.run();
  }

  /** Waits for the device, and frees what work was given in. */
  [Symbol.dispose](): void {
    synchronize(this.#device);
    for (const { graph, input, results, views } of this.#kinds.values()) {
      graph?.[Symbol.dispose]();
      for (const tensor of [...views, input, results]) tensor?.dispose();
    }
    for (const { upload, results, done } of this.#slots) {
      done?.[Symbol.dispose]();
      upload?.dispose();
      results?.dispose();
    }
    this.#stream?.[Symbol.dispose]();
  }
}
