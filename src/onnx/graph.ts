/** An ONNX graph, made operator by operator, and the file that holds it (https://onnx.ai/onnx/repo-docs/IR.html). */
import { type Field, message } from "./protobuf.ts";

/** The version of the operators: the first with LayerNormalization. */
export const opset = 17;
/** The version of the operators of classical machine learning, such as trees. */
const learningOpset = 3;
const learningDomain = "ai.onnx.ml";
/** The version of the file format that came with them. */
const irVersion = 8;

/** Element types, by their numbers in TensorProto.DataType. */
const elementTypes = { float32: 1, int64: 7, bool: 9, float16: 10, float64: 11 } as const;
export type ElementType = keyof typeof elementTypes;

/** The name of a tensor in a graph. */
export type Value = string;

/** An attribute of an operator: ONNX tells whole numbers from others. */
export type Attribute =
  | { int: number }
  | { ints: readonly number[] }
  | { float: number }
  | { floats: readonly number[] }
  | { texts: readonly string[] };

/** An input or output: a size is a number, or the name of one that may change from run to run. */
export interface Port {
  name: string;
  type: ElementType;
  shape: readonly (number | string)[];
}

type Values = Float32Array | Float64Array | Float16Array | BigInt64Array;

/** Operators that are added one by one; each gives the name of its result. */
export class Graph {
  readonly #nodes: Uint8Array[] = [];
  readonly #initializers: Uint8Array[] = [];
  readonly #known = new Map<string, Value>();
  #made = 0;
  #learns = false;

  /** A tensor that is a part of the file, under a name of its own. */
  parameter(name: string, values: Values, shape: readonly number[]): Value {
    const type = values instanceof Float32Array
      ? "float32"
      : values instanceof Float64Array
      ? "float64"
      : values instanceof BigInt64Array
      ? "int64"
      : "float16";
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.#initializers.push(message(
      ...shape.map((size) => [1, size] as const),
      [2, elementTypes[type]],
      [8, name],
      [9, bytes],
    ));
    return name;
  }

  /** Numbers that are no parameter; the same ones are written once. */
  constant(values: readonly number[] | Values, shape?: readonly number[]): Value {
    const typed = values instanceof Array ? Float32Array.from(values) : values;
    const size = shape ?? [typed.length], key = `${typed.constructor.name} [${size}] ${typed.join()}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const name = this.parameter(`constant.${this.#known.size}`, typed, size);
    this.#known.set(key, name);
    return name;
  }

  /** A single number. */
  scalar(value: number, type: "float32" | "float64" | "float16" = "float32"): Value {
    const array = { float32: Float32Array, float64: Float64Array, float16: Float16Array }[type];
    return this.constant(array.of(value), []);
  }

  /** Whole numbers, such as a shape. */
  integers(...values: number[]): Value {
    return this.constant(BigInt64Array.from(values, BigInt));
  }

  /**
   * Adds an operator with one result.
   * @param type its name in ONNX, such as "MatMul"
   */
  op(type: string, inputs: readonly Value[], attributes: Record<string, Attribute> = {}): Value {
    return this.ops(type, inputs, 1, attributes)[0];
  }

  /** Adds an operator with several results. */
  ops(
    type: string,
    inputs: readonly Value[],
    outputs: number,
    attributes: Record<string, Attribute> = {},
  ): Value[] {
    const names = Array.from({ length: outputs }, () => `${type}.${this.#made++}`);
    this.#add(type, inputs, names, attributes);
    return names;
  }

  /** Adds an operator of classical machine learning with one result. */
  learned(type: string, inputs: readonly Value[], attributes: Record<string, Attribute>): Value {
    const name = `${type}.${this.#made++}`;
    this.#learns = true;
    this.#add(type, inputs, [name], attributes, learningDomain);
    return name;
  }

  /** Gives a tensor the name of an output. */
  output(value: Value, name: string): void {
    this.#add("Identity", [value], [name], {});
  }

  #add(
    type: string,
    inputs: readonly Value[],
    outputs: readonly Value[],
    attributes: Record<string, Attribute>,
    domain = "",
  ): void {
    const fields: Field[] = [
      ...inputs.map((name) => [1, name] as const),
      ...outputs.map((name) => [2, name] as const),
      [3, `node.${this.#nodes.length}`],
      [4, type],
      ...Object.entries(attributes).map(([name, value]) => [5, attributeOf(name, value)] as const),
      ...domain ? [[7, domain] as const] : [],
    ];
    this.#nodes.push(message(...fields));
  }

  /** Changes the element type. */
  cast(value: Value, to: ElementType): Value {
    return this.op("Cast", [value], { to: { int: elementTypes[to] } });
  }

  /** Changes the shape; 0 keeps a size, -1 is what is left. */
  reshape(value: Value, ...shape: number[]): Value {
    return this.op("Reshape", [value, this.integers(...shape)]);
  }

  transpose(value: Value, ...order: number[]): Value {
    return this.op("Transpose", [value], { perm: { ints: order } });
  }

  concat(axis: number, ...values: Value[]): Value {
    return this.op("Concat", values, { axis: { int: axis } });
  }

  add(a: Value, b: Value): Value {
    return this.op("Add", [a, b]);
  }

  sub(a: Value, b: Value): Value {
    return this.op("Sub", [a, b]);
  }

  mul(a: Value, b: Value): Value {
    return this.op("Mul", [a, b]);
  }

  div(a: Value, b: Value): Value {
    return this.op("Div", [a, b]);
  }

  matmul(a: Value, b: Value): Value {
    return this.op("MatMul", [a, b]);
  }

  /** Sums over an axis, which stays with size 1 unless said otherwise. */
  sum(value: Value, axis: number, keep = true): Value {
    return this.op("ReduceSum", [value, this.integers(axis)], { keepdims: { int: Number(keep) } });
  }

  /** The largest along an axis, which goes. */
  largest(value: Value, axis: number): Value {
    return this.op("ReduceMax", [value], { axes: { ints: [axis] }, keepdims: { int: 0 } });
  }

  /** The k largest (or smallest) along the last axis, in order, and where they stand. */
  topK(value: Value, k: number, largest = true): [values: Value, places: Value] {
    const attributes = { axis: { int: -1 }, largest: { int: Number(largest) }, sorted: { int: 1 } };
    return this.ops("TopK", [value, this.integers(k)], 2, attributes) as [Value, Value];
  }

  /**
   * The file's bytes.
   * @param metadata texts about the model, which ONNX Runtime shows as `get_modelmeta().custom_metadata_map`
   */
  file(
    { name, version, inputs, outputs, metadata, description }: {
      name: string;
      version: string;
      description: string;
      inputs: readonly Port[];
      outputs: readonly Port[];
      metadata: Record<string, string>;
    },
  ): Uint8Array<ArrayBuffer> {
    const graph = message(
      ...this.#nodes.map((node) => [1, node] as const),
      [2, name],
      ...this.#initializers.map((tensor) => [5, tensor] as const),
      ...inputs.map((port) => [11, portOf(port)] as const),
      ...outputs.map((port) => [12, portOf(port)] as const),
    );
    return message(
      [1, irVersion],
      [2, "astromer"],
      [3, version],
      [6, description],
      [7, graph],
      [8, message([1, ""], [2, opset])],
      ...this.#learns ? [[8, message([1, learningDomain], [2, learningOpset])] as const] : [],
      ...Object.entries(metadata).map(([key, value]) => [14, message([1, key], [2, value])] as const),
    );
  }
}

function attributeOf(name: string, value: Attribute): Uint8Array {
  if ("float" in value) return message([1, name], [2, { float32: value.float }], [20, 1]);
  if ("int" in value) return message([1, name], [3, value.int], [20, 2]);
  if ("floats" in value) {
    return message([1, name], ...value.floats.map((float32) => [7, { float32 }] as const), [20, 6]);
  }
  if ("texts" in value) return message([1, name], ...value.texts.map((text) => [9, text] as const), [20, 8]);
  return message([1, name], ...value.ints.map((int) => [8, int] as const), [20, 7]);
}

function portOf({ name, type, shape }: Port): Uint8Array {
  const sizes = shape.map((size) => [1, message(typeof size === "number" ? [1, size] : [2, size])] as const);
  const tensor = message([1, elementTypes[type]], [2, message(...sizes)]);
  return message([1, name], [2, message([1, tensor])]);
}
