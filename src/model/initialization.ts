/** How a model's linear maps start. */
import { setting, z } from "../common/setting.ts";
import type { Initialise } from "./parameters.ts";

export const initializationSetting = setting(
  z.enum(["reference", "interpolation"]).default("interpolation"),
  "initial values: Glorot, as in the reference; or queries, keys and skips near the identity, so that attention begins by interpolating in time",
);

/** Where training starts: as in the reference, or where the first attention interpolates in time. */
export type Initialization = "reference" | "interpolation";

/** Uniform in [-limit, limit]. */
export function uniform(limit: number): Initialise {
  return (values, random) => {
    for (let i = 0; i < values.length; i++) values[i] = (2 * random.next() - 1) * limit;
  };
}

/** Uniform in +-sqrt(6 / (in + out)) (Glorot and Bengio 2010), the default of Keras, hence of the reference. */
export function glorot(input: number, output: number): Initialise {
  return uniform(Math.sqrt(6 / (input + output)));
}

/** The identity matrix plus noise: scale times uniform in +-1/sqrt(size). */
export function nearIdentity(size: number, scale: number): Initialise {
  return (values, random) => {
    uniform(scale / Math.sqrt(size))(values, random);
    for (let i = 0; i < size; i++) values[i * size + i] += 1;
  };
}
