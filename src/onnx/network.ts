/** Astromer as ONNX operators, step by step as in `src/model`. */
import type { Architecture } from "../model/architecture.ts";
import { widthOf } from "../model/architecture.ts";
import { normEpsilon } from "../model/block.ts";
import type { StateDict } from "../model/parameters.ts";
import { angularFrequencies, foldedConstants } from "../model/positional_encoding.ts";
import type { Graph, Port, Value } from "./graph.ts";
import { periodSearch, type SeenPoints } from "./period_search.ts";

/**
 * The inputs of every exported model, named as the Python package light-curve names those of its Astromer models:
 *
 * - `input`: magnitudes, mag, less their mean over the window; 0 for padding.
 * - `times`: days, less their mean over the window; 0 for padding.
 * - `mask_in`: 1 for what the model sees, 0 for padding and hidden points.
 */
export const inputs: readonly Port[] = ["input", "times", "mask_in"].map((name) => ({
  name,
  type: "float32",
  shape: ["batch", "length", 1],
}));

/** Parameters and what layers compute with. */
export type OnnxDtype = "float32" | "float16";

/** A model's layers, from its state dict. */
export class Layers {
  readonly #known = new Map<string, Value>();

  /** @param prefix stands before the names in the file, where another state dict has the same ones */
  constructor(
    readonly graph: Graph,
    private readonly state: StateDict,
    readonly dtype: OnnxDtype,
    private readonly prefix = "",
  ) {}

  /** A parameter in the model's type, under its name in the state dict; written once. */
  #parameter(name: string): Value {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const { data, shape } = this.state.get(name)!;
    const values = this.dtype === "float32" ? data : Float16Array.from(data);
    const value = this.graph.parameter(this.prefix + name, values as Float32Array, shape);
    this.#known.set(name, value);
    return value;
  }

  /** A parameter in float32, whatever the model's type. */
  exact(name: string): Value {
    return this.dtype === "float32"
      ? this.#parameter(name)
      : this.graph.cast(this.#parameter(name), "float32");
  }

  /** x W^T + b on the last axis. The weight stands in the file as in a state dict, (out, in). */
  linear(name: string, x: Value, parameter = (name: string) => this.#parameter(name)): Value {
    const weight = this.graph.transpose(parameter(`${name}.weight`), 1, 0);
    return this.graph.add(this.graph.matmul(x, weight), parameter(`${name}.bias`));
  }

  /** Layer normalisation over the last axis. */
  norm(name: string, x: Value, epsilon: number): Value {
    return this.graph.op(
      "LayerNormalization",
      [x, this.#parameter(`${name}.weight`), this.#parameter(`${name}.bias`)],
      { axis: { int: -1 }, epsilon: { float: epsilon } },
    );
  }
}

/** What an encoder gives, each (B, L, d): the input embedding, then the output of every block, in the type of the layers. */
export interface Encoded {
  layers: Value[];
  /** (B, L, 1) float32: 1 for what the model sees. */
  visible: Value;
}

/** Adds the encoder: sections 2.2, 2.4, 3.1 and 3.2 of the paper. */
export function encode(layers: Layers, architecture: Architecture): Encoded {
  const { graph, dtype } = layers;
  const visible = graph.cast(graph.op("Greater", ["mask_in", graph.scalar(0.5)]), "float32");
  const hidden = graph.sub(graph.scalar(1), visible);
  const seen: SeenPoints = { magnitudes: "input", times: "times", visible };

  let shown = "input";
  if (architecture.masked_magnitudes === "zero") shown = graph.mul("input", visible);
  if (architecture.masked_magnitudes === "token") {
    shown = graph.add(graph.mul("input", visible), graph.mul(hidden, layers.exact("encoder.mask_token")));
  }
  // In float32 also for a float16 model: a magnitude has more than the digits of that.
  const projected = layers.linear("encoder.input", shown, (name) => layers.exact(name));
  const embedded = graph.add(projected, encoding(graph, architecture, seen));
  let x = dtype === "float32" ? embedded : graph.cast(embedded, dtype);

  const mask = attentionMask(graph, architecture, hidden);
  const bias = dtype === "float32" ? mask : graph.cast(mask, dtype);
  const all = [x];
  for (let i = 0; i < architecture.blocks; i++) all.push(x = block(layers, architecture, i, x, bias));
  return { layers: all, visible };
}

/** What is added to the attention logits, broadcast to (B, H, L, L). */
function attentionMask(graph: Graph, architecture: Architecture, hidden: Value): Value {
  const { attention_mask: where, attention_mask_value: value } = architecture;
  const keys = graph.reshape(graph.transpose(hidden, 0, 2, 1), 0, 1, 1, -1); // (B, 1, 1, L)
  const queries = graph.reshape(hidden, 0, 1, -1, 1); // (B, 1, L, 1)
  const masked = where === "keys" ? keys : where === "queries" ? queries : graph.op("Max", [queries, keys]);
  // The largest number of float16 is 65504, and exp(-65504) is 0, too.
  return graph.mul(masked, graph.scalar(Math.max(value, -65504)));
}

/** One attention block, Fig. 2 and 3 of the paper. */
function block(layers: Layers, architecture: Architecture, i: number, x: Value, mask: Value): Value {
  const { graph, dtype } = layers, { heads, head_size: size, skip } = architecture;
  const width = widthOf(architecture), name = (layer: string) => `encoder.blocks.${i}.${layer}`;
  const split = (layer: string, ...order: number[]) =>
    graph.transpose(graph.reshape(layers.linear(name(layer), x), 0, 0, heads, size), ...order);
  const beside = (layer: string, x: Value, y: Value) =>
    skip === "linear" ? graph.add(layers.linear(name(layer), x), y) : y;

  const query = graph.mul(split("attention.query", 0, 2, 1, 3), graph.scalar(1 / Math.sqrt(size), dtype));
  const logits = graph.add(graph.matmul(query, split("attention.key", 0, 2, 3, 1)), mask);
  const weights = graph.op("Softmax", [logits], { axis: { int: -1 } }); // (B, H, L, L)
  const values = graph.matmul(weights, split("attention.value", 0, 2, 1, 3));
  const merged = graph.reshape(graph.transpose(values, 0, 2, 1, 3), 0, 0, width);
  const attended = layers.linear(name("attention.output"), merged);
  const x1 = layers.norm(name("attention_norm"), beside("attention_skip", x, attended), normEpsilon);
  const up = graph.op("Tanh", [layers.linear(name("feed_forward.up"), x1)]);
  const fed = layers.linear(name("feed_forward.down"), up);
  return layers.norm(name("feed_forward_norm"), beside("feed_forward_skip", x1, fed), normEpsilon);
}

/** The positional encoding (B, L, d) float32: see `src/model/positional_encoding.ts`. */
function encoding(graph: Graph, architecture: Architecture, seen: SeenPoints): Value {
  const sine = (angles: Value) => graph.op("Sin", [angles]),
    cosine = (angles: Value) => graph.op("Cos", [angles]);
  if (architecture.encoding !== "folded") {
    const frequencies = angularFrequencies(architecture);
    const [even, odd] = [0, 1].map((parity) =>
      graph.mul(seen.times, graph.constant(frequencies.filter((_, j) => j % 2 === parity)))
    );
    return pairs(graph, architecture, sine(even), cosine(odd));
  }
  const { frequency, significance } = periodSearch(graph, architecture, seen);
  const constants = foldedConstants(architecture);
  const fraction = (value: Value) => graph.sub(value, graph.op("Floor", [value]));
  const cycles = graph.mul(
    graph.mul(graph.cast(seen.times, "float64"), frequency),
    graph.scalar(0.5, "float64"),
  );
  const turns = graph.cast(fraction(cycles), "float32"); // (B, L, 1), of twice the period
  const phases = (multiples: readonly number[]) =>
    graph.mul(fraction(graph.mul(turns, graph.constant(multiples))), graph.scalar(2 * Math.PI));
  const exact = (value: number) => graph.scalar(Math.fround(value), "float64");
  const logarithm = graph.add(graph.op("Log", [frequency]), exact(constants.shift));
  const place = graph.cast(graph.mul(logarithm, exact(constants.scale)), "float32"); // (B, 1, 1), 0 … 1
  const everywhere = graph.add(graph.mul(turns, graph.scalar(0)), place); // (B, L, 1)
  const angles = graph.concat(
    2,
    phases(constants.phaseTwice),
    // Narrow models have no pair that tells the period.
    ...constants.place.length ? [graph.mul(everywhere, graph.constant(constants.place))] : [],
    phases(constants.phaseOnce),
  );
  const amplitude = graph.op("Sqrt", [significance]);
  const time = graph.mul(seen.times, graph.constant(constants.time));
  return pairs(
    graph,
    architecture,
    graph.concat(2, sine(time), graph.mul(amplitude, sine(angles))),
    graph.concat(2, cosine(time), graph.mul(amplitude, cosine(angles))),
  );
}

/** Sines (B, L, d / 2) and cosines in turn: (B, L, d). */
function pairs(graph: Graph, architecture: Architecture, sines: Value, cosines: Value): Value {
  const half = widthOf(architecture) / 2;
  const [s, c] = [sines, cosines].map((value) => graph.reshape(value, 0, 0, half, 1));
  return graph.reshape(graph.concat(3, s, c), 0, 0, 2 * half);
}

/** The mean (B, d) float32 over what the model sees of (B, L, d). */
export function meanOf(graph: Graph, x: Value, visible: Value): Value {
  const n = graph.op("Max", [graph.sum(visible, 1), graph.scalar(1)]);
  const weights = graph.transpose(graph.div(visible, n), 0, 2, 1); // (B, 1, L)
  return graph.op("Squeeze", [graph.matmul(weights, graph.cast(x, "float32")), graph.integers(1)]);
}

/** The largest values (B, d) float32 of what the model sees of (B, L, d). */
export function maximumOf(graph: Graph, x: Value, visible: Value): Value {
  const seen = graph.cast(visible, "bool");
  const lowest = graph.scalar(-3.4e38);
  return graph.largest(graph.op("Where", [seen, graph.cast(x, "float32"), lowest]), 1);
}

/** The magnitude (B, L, 1) float32 of every point, relative to the window's mean: section 2.5 of the paper. */
export function reconstructionOf(layers: Layers, z: Value): Value {
  const y = layers.linear("head.linear", layers.norm("head.norm", z, normEpsilon));
  return layers.graph.cast(y, "float32");
}
