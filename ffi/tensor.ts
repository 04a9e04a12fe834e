/** Tensors and their lifetime: `using`, `dispose()`, `scope()`, and a finalizer for what was forgotten. */
import { type Device, deviceCode, deviceName } from "./device.ts";
import { check, outCode, outFlag, outWord } from "./native.ts";
import { libtorch } from "./library.ts";

/** The element types that are bound. */
export type Dtype = "float32" | "float64" | "bfloat16" | "float16" | "int64" | "int32" | "uint8" | "bool";

/** A typed array that holds the elements of some dtype; bfloat16 as raw 16-bit words. */
export type TypedArray =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Float16Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

const arrayOf = {
  float32: Float32Array,
  float64: Float64Array,
  bfloat16: Uint16Array,
  float16: Float16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/** Bytes of one element. */
export function elementSize(dtype: Dtype): number {
  return arrayOf[dtype].BYTES_PER_ELEMENT;
}

const dtypes = Object.keys(arrayOf) as Dtype[];
let codes: Map<Dtype, number> | undefined;
let names: Map<number, Dtype> | undefined;

function readCodes() {
  const { torch } = libtorch();
  codes = new Map(dtypes.map((dtype) => [dtype, torch[`aoti_torch_dtype_${dtype}`]()]));
  names = new Map([...codes].map(([dtype, code]) => [code, dtype]));
}

/**
 * The code of a dtype in the libtorch in use.
 * @throws {TypeError} when there is no such dtype
 */
export function dtypeCode(dtype: Dtype): number {
  if (!codes) readCodes();
  const code = codes!.get(dtype);
  if (code === undefined) {
    throw new TypeError(`no dtype is called "${dtype}": there are ${dtypes.join(", ")}`);
  }
  return code;
}

/** Dtype and device of a new tensor: float32 on the CPU by default. */
export interface TensorOptions<D extends Dtype = Dtype> {
  /** Default: float32. */
  dtype?: D;
  /** Default: the CPU. */
  device?: Device;
}

const forgotten = new FinalizationRegistry<Deno.PointerObject>((handle) =>
  libtorch().torch.aoti_torch_delete_tensor_object(handle)
);

let currentScope: Tensor[] | undefined;
let live = 0;

/** How many tensors are alive: made and not yet disposed. For tests of leaks. */
export function liveTensors(): number {
  return live;
}

/**
 * A tensor of libtorch. Owns one native handle; views own their handle and share the memory.
 *
 * @example
 * ```ts
 * import { Tensor } from "../mod.ts";
 *
 * using matrix = Tensor.from([1, 2, 3, 4, 5, 6], [2, 3]);
 * if (matrix.shape.join() !== "2,3" || matrix.dtype !== "float32") throw new Error("two rows of three");
 * if (matrix.toArray()[3] !== 4) throw new Error("row after row");
 * ```
 */
export class Tensor implements Disposable {
  #handle: Deno.PointerObject | null;
  #shape: readonly number[] | undefined;
  #dtype: Dtype | undefined;
  /** Whether the finalizer knows of it: its register is slow to ask. */
  #registered = false;

  /**
   * Wraps a native tensor.
   * @param handle a new handle, which this object owns from now on
   */
  constructor(handle: Deno.PointerObject) {
    this.#handle = handle;
    live++;
    if (currentScope) currentScope.push(this);
    else this.#register(handle);
  }

  #register(handle: Deno.PointerObject): void {
    this.#registered = true;
    forgotten.register(this, handle, this);
  }

  /**
   * A tensor filled from numbers or a typed array (copied).
   *
   * @example
   * ```ts
   * import { Tensor } from "../mod.ts";
   *
   * using times = Tensor.from(new Float64Array([59_000.25, 59_001.5]), [2, 1]); // the array's dtype: float64
   * using counts = Tensor.from([3, 4], [2], { dtype: "int64" });
   * if (times.dtype !== "float64" || counts.toArray()[1] !== 4n) throw new Error("nothing is rounded");
   * ```
   * @param data one number an element, row by row; raw words with dtype "bfloat16" are taken as they are
   * @param shape sizes, by default one dimension
   * @param options dtype (default: that of the typed array, float32 for plain numbers) and device (default: the CPU)
   * @throws {RangeError} when the sizes do not multiply to the number of elements, or there is no such device
   * @throws {TypeError} when there is no such dtype, or the typed array is of one that is not bound
   */
  static from(
    data: TypedArray | readonly number[],
    shape: readonly number[] = [data.length],
    { dtype = dtypeOf(data), device = "cpu" }: TensorOptions = {},
  ): Tensor {
    const count = product(shape);
    if (count !== data.length) {
      throw new RangeError(`shape [${shape}] holds ${count} elements, but there are ${data.length}`);
    }
    const source = sourceOf(data, dtype);
    const made = Tensor.empty(shape, { dtype: source });
    const memory = made.memory();
    if (memory instanceof BigInt64Array) memory.set(data as BigInt64Array);
    else memory.set(data as ArrayLike<number>);
    if (dtype === source && device === "cpu") return made;
    using _ = made;
    const target = Tensor.empty(shape, { dtype, device });
    target.copyFrom(made);
    return target;
  }

  /**
   * A tensor of shape [], to use in place of a Scalar, which the C ABI cannot take.
   *
   * @example
   * ```ts
   * import { ops, scope, Tensor } from "../mod.ts";
   *
   * const doubled = scope(() => ops.mul(Tensor.from([1, 2]), Tensor.scalar(2)).toArray());
   * if (doubled.join() !== "2,4") throw new Error("a number times a tensor is element by element");
   * ```
   * @throws {RangeError} when there is no such device
   * @throws {TypeError} when there is no such dtype
   */
  static scalar(value: number, options: TensorOptions = {}): Tensor {
    return Tensor.from([value], [], options);
  }

  /**
   * A tensor whose elements are not set.
   *
   * @example
   * ```ts
   * import { Tensor } from "../mod.ts";
   *
   * using batch = Tensor.empty([2, 3]);
   * batch.bytes().fill(0); // in place, without a copy
   * if (batch.toArray().join() !== "0,0,0,0,0,0") throw new Error("two rows of three zeros");
   * ```
   * @throws {RangeError} when a size is not a whole number from 0, or there is no such device
   * @throws {TypeError} when there is no such dtype
   * @throws {TorchError} when there is not enough memory
   */
  static empty(
    shape: readonly number[],
    { dtype = "float32", device = "cpu" }: TensorOptions = {},
  ): Tensor {
    const { type, index } = deviceCode(device);
    check(
      libtorch().torch.aoti_torch_empty_strided(
        BigInt(shape.length),
        ...sizesAndStrides(shape),
        dtypeCode(dtype),
        type,
        index,
        outWord,
      ),
      "empty",
    );
    return adopt(outWord[0]);
  }

  /**
   * As {@link empty}, on the CPU, but where there is a GPU in memory that the GPU reads and writes by itself.
   * @param device which GPU that is; for the CPU it is {@link empty}
   * @throws {TorchError} when there is not enough memory
   * @internal
   */
  static pinned(shape: readonly number[], device: Device, dtype: Dtype = "float32"): Tensor {
    const { torch } = libtorch(),
      { type, index } = deviceCode("cpu"),
      make = torch.aoti_torch_empty_strided_pinned;
    if (device === "cpu" || !make) return Tensor.empty(shape, { dtype });
    const [sizes, strides] = sizesAndStrides(shape);
    check(make(BigInt(shape.length), sizes, strides, dtypeCode(dtype), type, index, outWord), "empty");
    return adopt(outWord[0]);
  }

  /**
   * A tensor of zeros.
   *
   * @example
   * ```ts
   * import { Tensor } from "../mod.ts";
   *
   * using hidden = Tensor.zeros([1, 4, 1], { dtype: "bool" }); // (B, L, 1)
   * if (hidden.toArray().join() !== "0,0,0,0") throw new Error("nothing is hidden");
   * ```
   * @throws {RangeError} when a size is not a whole number from 0, or there is no such device
   * @throws {TypeError} when there is no such dtype
   * @throws {TorchError} when there is not enough memory
   */
  static zeros(shape: readonly number[], options: TensorOptions = {}): Tensor {
    const made = Tensor.empty(shape, options);
    if (made.device === "cpu") made.bytes().fill(0);
    else check(libtorch().torch.aoti_torch_zero_(made.handle), "zero_");
    return made;
  }

  /**
   * The native handle, still owned by this object.
   * @throws {TypeError} after dispose
   */
  get handle(): Deno.PointerObject {
    if (this.#handle === null) throw new TypeError("this tensor has been disposed");
    return this.#handle;
  }

  /** Whether the native handle has been freed. */
  get disposed(): boolean {
    return this.#handle === null;
  }

  /** Sizes, outermost first. */
  get shape(): readonly number[] {
    return this.#shape ??= this.#longs("aoti_torch_get_sizes");
  }

  /** Elements to skip for the next index, for each dimension. */
  get strides(): readonly number[] {
    return this.#longs("aoti_torch_get_strides");
  }

  /**
   * The element type.
   * @throws {TypeError} when it is one that is not bound
   */
  get dtype(): Dtype {
    if (this.#dtype) return this.#dtype;
    check(libtorch().torch.aoti_torch_get_dtype(this.handle, outCode), "dtype");
    if (!names) readCodes();
    const name = names!.get(outCode[0]);
    if (!name) throw new TypeError(`a tensor has dtype code ${outCode[0]}, which is not bound`);
    return this.#dtype = name;
  }

  /** The device of its elements. */
  get device(): Device {
    const { torch } = libtorch();
    check(torch.aoti_torch_get_device_type(this.handle, outCode), "device");
    const type = outCode[0];
    check(torch.aoti_torch_get_device_index(this.handle, outCode), "device");
    return deviceName({ type, index: outCode[0] });
  }

  /** Number of elements. */
  get elements(): number {
    return product(this.shape);
  }

  /** Whether the elements lie row by row without gaps. */
  get contiguous(): boolean {
    check(libtorch().torch.aoti_torch_is_contiguous(this.handle, outFlag), "contiguous");
    return outFlag[0] !== 0;
  }

  /** Whether there is a tensor at all: some operators return undefined ones for gradients that were not asked for. */
  get defined(): boolean {
    check(libtorch().torch.aoti_torch_is_defined(this.handle, outFlag), "defined");
    return outFlag[0] !== 0;
  }

  #longs(getter: "aoti_torch_get_sizes" | "aoti_torch_get_strides"): readonly number[] {
    const { torch } = libtorch();
    check(torch.aoti_torch_get_dim(this.handle, outWord), "shape");
    const dimensions = Number(outWord[0]);
    if (dimensions === 0) return [];
    check(torch[getter](this.handle, outWord), "shape");
    const longs = new Deno.UnsafePointerView(Deno.UnsafePointer.create(outWord[0])!);
    return Array.from({ length: dimensions }, (_, i) => Number(longs.getBigInt64(8 * i)));
  }

  /**
   * The tensor's own memory as a typed array, without a copy; bfloat16 as raw 16-bit words. Use it only while the
   * tensor
   * (or another that shares the memory) is alive.
   *
   * @example
   * ```ts
   * import { Tensor } from "../mod.ts";
   *
   * using magnitudes = Tensor.from([15.1, 15.3]);
   * magnitudes.memory()[0] = 14.5;
   * if (magnitudes.toArray()[0] !== 14.5) throw new Error("the memory is the tensor's");
   * ```
   * @throws {TypeError} unless the tensor is contiguous and on the CPU
   */
  memory(): TypedArray {
    if (this.device !== "cpu" || !this.contiguous) {
      throw new TypeError("only a contiguous tensor on the CPU can be read in place: use toArray()");
    }
    const count = this.elements, ArrayType = arrayOf[this.dtype];
    if (count === 0) return new ArrayType(0);
    check(libtorch().torch.aoti_torch_get_data_ptr(this.handle, outWord), "memory");
    const pointer = Deno.UnsafePointer.create(outWord[0])!;
    return new ArrayType(Deno.UnsafePointerView.getArrayBuffer(pointer, count * ArrayType.BYTES_PER_ELEMENT));
  }

  /**
   * {@link memory} as bytes.
   * @throws {TypeError} as {@link memory}
   */
  bytes(): Uint8Array<ArrayBuffer> {
    const { buffer, byteOffset, byteLength } = this.memory();
    return new Uint8Array(buffer, byteOffset, byteLength);
  }

  /**
   * A copy of the elements, row by row, from any device and any strides. bfloat16 and float16 come as float32, int64 as
   * bigints, bool as 0 and 1.
   *
   * @example
   * ```ts
   * import { ops, scope, Tensor } from "../mod.ts";
   *
   * const turned = scope(() => ops.transpose(Tensor.from([1, 2, 3, 4, 5, 6], [2, 3]), 0, 1).toArray());
   * if (turned.join() !== "1,4,2,5,3,6") throw new Error("the columns, one after another");
   * ```
   * @throws {TypeError} when the dtype is not bound, or after dispose
   */
  toArray(): Exclude<TypedArray, Uint16Array | Float16Array> {
    const dtype = this.dtype === "bfloat16" || this.dtype === "float16" ? "float32" : this.dtype;
    using copy = Tensor.empty(this.shape, { dtype });
    copy.copyFrom(this);
    return copy.memory().slice() as Exclude<TypedArray, Uint16Array | Float16Array>;
  }

  /**
   * The elements as {@link toArray} gives them, to be read before the tensor changes or is disposed of: {@link
   * memory} where possible, which saves a copy. What a scope returns has to be a copy.
   *
   * @example
   * ```ts
   * import { Tensor } from "../mod.ts";
   *
   * using magnitudes = Tensor.from([15.5, 15.25]);
   * if (Math.min(...magnitudes.toRead() as Float32Array) !== 15.25) throw new Error("the brightest is 15.25");
   * ```
   * @throws {TypeError} as {@link toArray}
   */
  toRead(): Exclude<TypedArray, Uint16Array | Float16Array> {
    const rounded = this.dtype === "bfloat16" || this.dtype === "float16";
    return rounded || this.device !== "cpu" || !this.contiguous
      ? this.toArray()
      : this.memory() as Exclude<TypedArray, Uint16Array | Float16Array>;
  }

  /**
   * The one element of a one-element tensor; an int64 beyond 2^53 is rounded.
   *
   * @example
   * ```ts
   * import { ops, scope, Tensor } from "../mod.ts";
   *
   * const mean = scope(() => ops.mean(Tensor.from([15, 16])).item());
   * if (mean !== 15.5) throw new Error("the mean of 15 and 16 is 15.5");
   * ```
   * @throws {RangeError} when there is not exactly one
   * @throws {TypeError} as {@link toArray}
   */
  item(): number {
    if (this.elements !== 1) throw new RangeError(`a tensor of shape [${this.shape}] has not one element`);
    return Number(this.toArray()[0]);
  }

  /**
   * Overwrites the elements with those of another tensor, of any dtype and device; no autograd.
   *
   * @example
   * ```ts
   * import { Tensor } from "../mod.ts";
   *
   * using double = Tensor.from(new Float64Array([1 / 3]));
   * using single = Tensor.zeros([1]);
   * single.copyFrom(double);
   * if (single.item() !== Math.fround(1 / 3)) throw new Error("rounded to float32");
   * ```
   * @param source of the same shape, or one that broadcasts to it
   * @param options `wait`: false for a copy between a GPU and {@link pinned} memory that goes on after the call
   * @throws {TorchError} when it does not
   */
  copyFrom(source: Tensor, { wait = true }: { wait?: boolean } = {}): void {
    const { torch } = libtorch();
    const tracking = torch.aoti_torch_grad_mode_is_enabled();
    torch.aoti_torch_grad_mode_set_enabled(false);
    try {
      check(torch.aoti_torch_copy_(this.handle, source.handle, wait ? 0 : 1), "copy_");
    } finally {
      torch.aoti_torch_grad_mode_set_enabled(tracking);
    }
  }

  /**
   * A contiguous tensor over a part of this one's memory; autograd does not see the connection.
   *
   * @example
   * ```ts
   * import { Tensor } from "../mod.ts";
   *
   * using buffer = Tensor.zeros([10]);
   * using weight = buffer.viewAt([2, 3], 4); // elements 4 to 9
   * weight.memory()[0] = 7;
   * if (buffer.toArray()[4] !== 7) throw new Error("one memory");
   * ```
   * @param shape its sizes
   * @param offset its first element, counted in this tensor's memory
   * @throws {RangeError} unless the part lies within this tensor, which must be contiguous
   */
  viewAt(shape: readonly number[], offset: number): Tensor {
    // libtorch checks neither: it would hand out memory that is not the tensor's.
    const end = offset + product(shape);
    if (!this.contiguous || !Number.isInteger(offset) || offset < 0 || end > this.elements) {
      throw new RangeError(
        `elements ${offset} to ${end} do not lie in a contiguous tensor of shape [${this.shape}]`,
      );
    }
    check(
      libtorch().torch.aoti_torch__reinterpret_tensor(
        this.handle,
        BigInt(shape.length),
        ...sizesAndStrides(shape),
        BigInt(offset),
        outWord,
      ),
      "view",
    );
    return adopt(outWord[0]);
  }

  /**
   * Frees the native handle; harmless the second time. `using` and {@link scope} do it for you.
   *
   * @example
   * ```ts
   * import { Tensor } from "../mod.ts";
   *
   * const tensor = Tensor.from([1]);
   * tensor.dispose();
   * if (!tensor.disposed) throw new Error("its memory is given back");
   * ```
   */
  dispose(): void {
    if (this.#handle === null) return;
    libtorch().torch.aoti_torch_delete_tensor_object(this.#handle);
    this.#handle = null;
    live--;
    if (this.#registered) forgotten.unregister(this);
  }

  /** As {@link dispose}. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /**
   * Moves the tensor out of the scope that just ended.
   * @internal
   */
  static moveOut(tensor: Tensor, outer: Tensor[] | undefined): void {
    if (tensor.#handle === null) return;
    if (outer) outer.push(tensor);
    else tensor.#register(tensor.#handle);
  }
}

/** Wraps a new handle that came back in an out-parameter or a stack slot. */
export function adopt(handle: bigint): Tensor {
  return new Tensor(Deno.UnsafePointer.create(handle)!);
}

/**
 * Runs a function and disposes of every tensor made in it, except those in its result (a tensor, or arrays and plain
 * objects of tensors), which then belong to the surrounding scope.
 *
 * @example
 * ```ts
 * import { ops, scope, Tensor } from "../mod.ts";
 *
 * const loss = scope(() => {
 *   const [prediction, target] = [Tensor.from([1, 2]), Tensor.from([1, 4])];
 *   return ops.mean(ops.square(ops.sub(prediction, target)));
 * });
 * if (loss.item() !== 2) throw new Error("the mean of 0 and 4 is 2");
 * loss.dispose();
 * ```
 * @throws {TypeError} when the function returns a promise: its tensors would be gone before it ends
 */
export function scope<R>(run: () => R): R {
  const outer = currentScope, mine: Tensor[] = currentScope = [];
  let result: R | undefined;
  try {
    result = run();
    if (result instanceof Promise) {
      result = undefined;
      throw new TypeError("scope() cannot wait for a promise");
    }
    return result;
  } finally {
    currentScope = outer;
    const kept = tensorsIn(result);
    for (const tensor of mine) {
      if (kept === tensor || (kept instanceof Set && kept.has(tensor))) Tensor.moveOut(tensor, outer);
      else tensor.dispose();
    }
  }
}

/**
 * Makes tensors that outlive the scope they are made in: the parameters of a model, a cache. Whoever makes them
 * disposes
 * of them.
 *
 * @example
 * ```ts
 * import { scope, Tensor, unscoped } from "../mod.ts";
 *
 * const kept = scope(() => {
 *   const cache = unscoped(() => Tensor.from([1, 2]));
 *   return () => cache;
 * })();
 * if (kept.disposed) throw new Error("it lives until someone disposes of it");
 * kept.dispose();
 * ```
 */
export function unscoped<R>(run: () => R): R {
  const outer = currentScope;
  currentScope = undefined;
  try {
    return run();
  } finally {
    currentScope = outer;
  }
}

/** The tensors of a scope's result. Mostly there is one, or none, and no set is worth its time. */
function tensorsIn(result: unknown): Tensor | Set<Tensor> | undefined {
  if (result instanceof Tensor) return result;
  if (typeof result !== "object" || result === null || ArrayBuffer.isView(result)) return undefined;
  const all = new Set<Tensor>();
  collect(result, all);
  return all;
}

function collect(value: unknown, into: Set<Tensor>): void {
  if (value instanceof Tensor) into.add(value);
  else if (Array.isArray(value)) { for (const item of value) collect(item, into); }
  else if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    for (const item of Object.values(value)) collect(item, into);
  }
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => a * b, 1);
}

/** As many dimensions as libtorch's kernels go through. */
const sizes = new BigInt64Array(64), strides = new BigInt64Array(64);

/**
 * Sizes and strides of a contiguous tensor, until the next call.
 * @throws {RangeError} when a size is not a whole number from 0, or there are more than 64
 */
function sizesAndStrides(shape: readonly number[]): [BigInt64Array<ArrayBuffer>, BigInt64Array<ArrayBuffer>] {
  if (shape.length > sizes.length) {
    throw new RangeError(`[${shape}] is not a shape: it has more than ${sizes.length} dimensions`);
  }
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (!Number.isInteger(shape[i]) || shape[i] < 0) throw new RangeError(`[${shape}] is not a shape`);
    sizes[i] = BigInt(shape[i]);
    strides[i] = BigInt(stride);
    stride *= shape[i];
  }
  return [sizes, strides];
}

/** The dtype that data is first written as: one that loses nothing, from which libtorch then rounds. */
function sourceOf(data: TypedArray | readonly number[], dtype: Dtype): Dtype {
  if (Array.isArray(data)) return dtype === "float32" ? dtype : "float64";
  return data instanceof Uint16Array && dtype === "bfloat16" ? dtype : dtypeOf(data);
}

function dtypeOf(data: TypedArray | readonly number[]): Dtype {
  if (Array.isArray(data)) return "float32";
  // Raw bfloat16 words cannot be told from other 16-bit words, and bool not from uint8: those need `dtype`.
  const found = dtypes.find((dtype) => dtype !== "bfloat16" && data instanceof arrayOf[dtype]);
  if (!found) throw new TypeError(`${data.constructor.name} holds no dtype that is bound`);
  return found;
}
