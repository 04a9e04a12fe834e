/** The search for each window's best period as ONNX operators, step by step as in `src/model/period_search.ts`. */
import type { Architecture } from "../model/architecture.ts";
import { searchGrid } from "../model/period_search.ts";
import type { ElementType, Graph, Value } from "./graph.ts";

/** What a period is looked for in, (B, L, 1) float32 each. */
export interface SeenPoints {
  magnitudes: Value;
  times: Value;
  /** 1 where a point is seen, 0 elsewhere. */
  visible: Value;
}

/**
 * Adds the search.
 * @returns frequency (B, 1, 1) float64, 1/day, and significance (B, 1, 1) float32
 */
export function periodSearch(
  graph: Graph,
  architecture: Architecture,
  seen: SeenPoints,
): { frequency: Value; significance: Value } {
  const grid = searchGrid(architecture), count = grid.coarse.length, groups = grid.groups.length / count;
  const inDays = (steps: readonly number[]) => steps.map((number) => number * grid.step); // 1/day
  const float = (value: number) => graph.scalar(value),
    exact = (value: number) => graph.scalar(value, "float64");
  const exactly = (values: readonly number[], ...shape: number[]) =>
    graph.constant(Float64Array.from(values), shape);
  const square = (value: Value) => graph.mul(value, value);
  const atLeast = (value: Value, least: Value) => graph.op("Max", [value, least]);
  const atMost = (value: Value, most: Value) => graph.op("Min", [value, most]);

  const row = (value: Value) => graph.transpose(value, 0, 2, 1); // (B, 1, L)
  const visible = row(seen.visible), t = graph.mul(row(seen.times), visible);
  const n = graph.sum(visible, 2), w = graph.div(visible, atLeast(n, float(1)));
  const centred = (values: Value) =>
    graph.mul(graph.sub(values, graph.sum(graph.mul(w, values), 2)), visible);
  const y = centred(centred(graph.mul(row(seen.magnitudes), visible)));
  const deviation = graph.op("Sqrt", [
    graph.add(graph.sum(graph.mul(w, square(y)), 2), float(grid.smallestVariance)),
  ]);
  const wy = graph.mul(w, graph.div(y, deviation));

  /** Sine and cosine of cycles, of which only the fraction counts. ONNX Runtime has no cosine of float64. */
  const sinAndCos = (cycles: Value, type: "float32" | "float64"): [Value, Value] => {
    const fraction = graph.sub(cycles, graph.op("Floor", [cycles]));
    const scalar = type === "float32" ? float : exact;
    const angle = graph.mul(graph.cast(fraction, type), scalar(2 * Math.PI));
    const cosine = type === "float32"
      ? graph.op("Cos", [angle])
      : graph.op("Sin", [graph.add(angle, exact(Math.PI / 2))]);
    return [graph.op("Sin", [angle]), cosine];
  };
  const within = (frequencies: Value) =>
    atMost(atLeast(frequencies, exact(grid.lowest)), exact(grid.highest));

  /** Where the grid's plain periodogram is highest: (B, candidates) float64. */
  const candidates = () => {
    const eachSide = grid.fine.length;
    const [sineA, cosineA] = sinAndCos(graph.mul(graph.constant(grid.coarse, [count, 1]), t), "float32"); // (B, A, L)
    const [sineB, cosineB] = sinAndCos(graph.mul(graph.constant(grid.fine, [eachSide, 1]), t), "float32");
    const product = (a: Value, b: Value) => graph.matmul(graph.mul(a, wy), row(b)); // (B, A, eachSide)
    const cc = product(cosineA, cosineB), cs = product(cosineA, sineB);
    const sc = product(sineA, cosineB), ss = product(sineA, sineB);
    const power = (C: Value, S: Value) =>
      graph.largest(
        graph.reshape(graph.add(square(C), square(S)), 0, count, grid.neighbours, eachSide / grid.neighbours),
        2,
      );
    const all = graph.concat(
      2,
      power(graph.sub(cc, ss), graph.add(sc, cs)),
      power(graph.add(cc, ss), graph.sub(sc, cs)),
    ); // (B, A, groups)
    const [, rows] = graph.topK(graph.largest(all, 2), Math.min(grid.candidates, count));
    const wide = graph.op("Tile", [
      graph.reshape(rows, 0, -1, 1),
      graph.integers(1, 1, groups),
    ]);
    const powers = graph.reshape(graph.op("GatherElements", [all, wide], { axis: { int: 1 } }), 0, -1);
    const middles = graph.op("Gather", [exactly(grid.groups, count, groups), rows], { axis: { int: 0 } });
    const [, places] = graph.topK(powers, grid.candidates);
    return graph.op("GatherElements", [graph.reshape(middles, 0, -1), places], { axis: { int: 1 } });
  };

  /** The generalised periodogram at frequencies (B, F) float64, computed in a type: (B, F). */
  const power = (frequencies: Value, type: "float32" | "float64", [t, w, wy]: readonly Value[]) => {
    const cycles = graph.mul(graph.reshape(frequencies, 0, -1, 1), graph.cast(t, "float64"));
    const [sine, cosine] = sinAndCos(cycles, type); // (B, F, L)
    const weights = graph.concat(2, row(w), row(wy)); // (B, L, 2)
    const split = (values: Value) =>
      graph.ops("Split", [graph.matmul(values, weights)], 2, { axis: { int: 2 } });
    const total = (values: Value) => graph.matmul(values, row(w)); // (B, F, 1)
    const [C, YC] = split(cosine), [S, YS] = split(sine);
    const ofCosines = total(square(cosine)), CC = graph.sub(ofCosines, square(C));
    const CS = graph.sub(total(graph.mul(sine, cosine)), graph.mul(C, S));
    const SS = graph.sub(graph.sub(graph.scalar(1, type), ofCosines), square(S));
    const D = atLeast(
      graph.sub(graph.mul(CC, SS), square(CS)),
      graph.scalar(grid.smallestDeterminant, type),
    );
    const crossed = graph.mul(graph.mul(CS, YC), YS);
    const sum = graph.add(graph.mul(SS, square(YC)), graph.mul(CC, square(YS)));
    const result = graph.div(graph.sub(sum, graph.mul(graph.scalar(2, type), crossed)), D);
    return graph.reshape(result, 0, -1);
  };

  const about = (frequencies: Value, offsets: Value) =>
    within(graph.reshape(graph.add(graph.reshape(frequencies, 0, -1, 1), offsets), 0, -1));
  const near = about(candidates(), exactly(inDays(grid.offsets), grid.offsets.length));
  const [, place] = graph.topK(power(near, "float32", [t, w, wy]), 1);
  let frequency = graph.op("GatherElements", [near, place], { axis: { int: 1 } }); // (B, 1)
  let best = "";
  const points = [t, w, wy].map((values) => graph.cast(values, "float64" satisfies ElementType));
  for (const offsets of grid.parabolas.map(inDays)) {
    const powers = power(about(frequency, exactly(offsets, 3)), "float64", points);
    const [below, on, above] = graph.ops("Split", [powers], 3, { axis: { int: 1 } });
    const slope = graph.mul(graph.sub(below, above), exact(0.5));
    const bend = graph.sub(graph.add(below, above), graph.mul(exact(2), on));
    const step = graph.div(slope, atMost(bend, exact(grid.leastBend)));
    const shift = atMost(atLeast(step, exact(-1)), exact(1));
    frequency = within(graph.add(frequency, graph.mul(shift, exact(offsets[2]))));
    best = on;
  }
  const share = graph.reshape(graph.cast(best, "float32"), 0, 1, 1);
  const ofNoise = graph.op("Exp", [
    graph.div(float(grid.noise), atLeast(graph.sub(n, float(3)), float(0.5))),
  ]);
  const rest = graph.mul(atLeast(graph.sub(float(1), share), float(grid.leastRest)), ofNoise);
  return {
    frequency: graph.reshape(frequency, 0, 1, 1),
    significance: graph.sub(float(1), atMost(rest, float(1))),
  };
}
