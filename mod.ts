/**
 * Astromer 2 for Deno: a self-supervised transformer for astronomical light curves, on libtorch through FFI.
 *
 * {@link Astromer} is the door: it loads, trains, embeds, reconstructs, shows its attention, and takes light curves as
 * arrays or as dataset folders, which `preprocess` on the command line makes of survey files. Below it lie the network and the tensors
 * of libtorch, for those who want them. Nothing happens at import: libtorch is opened at the first use.
 *
 * @example Embed light curves with a model
 * ```ts
 * import { Astromer } from "./mod.ts";
 *
 * const mjd = Array.from({ length: 60 }, (_, i) => 59_000 + 1.7 * i);
 * const lightCurve = { mjd, magnitude: mjd.map((t) => 15 + 0.3 * Math.sin(t / 4)), error: mjd.map(() => 0.02) };
 * using model = Astromer.untrained(); // or await Astromer.load("models/astromer1-macho")
 * const embeddings = model.embed([lightCurve]);
 * if (embeddings[0].length !== 256) throw new Error("a Float32Array of 256 for each");
 * ```
 * @module
 */
export * from "./src/library/astromer.ts";
export * from "./src/library/classifier.ts";
export * from "./src/library/regressor.ts";
export {
  anomalies,
  type Anomaly,
  type AnomalyMethod,
  type AnomalyOptions,
} from "./src/discover/anomalies.ts";
export { search, type SearchMatch, type SearchOptions } from "./src/discover/search.ts";
export { project, type ProjectOptions } from "./src/discover/project.ts";
export type { Metric } from "./src/discover/vectors.ts";
export { Failure, InputError } from "./src/common/errors.ts";

export type { LightCurve } from "./src/data/light_curves.ts";
export type { Subset } from "./src/data/dataset.ts";
export { type Masking, paperMasking } from "./src/data/masking.ts";

export type { Random } from "./src/common/random.ts";
export type { Energy, EnergyAssumptions, Usage } from "./src/train/energy.ts";
export type { Target } from "./src/classify/fitted_regressor.ts";
export type { ClassifierKind } from "./src/classify/fitted.ts";
export type { Balance } from "./src/classify/train_head.ts";
export type { Pooling } from "./src/embed/pooling.ts";
export { ReconstructionMetrics, type ReconstructionSums } from "./src/evaluate/metrics.ts";
export type { MetricsLine } from "./src/train/pretrain_types.ts";
export type { LoadOptions } from "./src/weights/model_folder.ts";
export type { ModelConfig } from "./src/weights/model_config.ts";

export { type Architecture, architecture, type Preset } from "./src/model/architecture.ts";
export type { Initialization } from "./src/model/initialization.ts";
export {
  AstromerNetwork,
  type EncoderInput,
  type ModelOptions,
  type TrainingPass,
  type Watch,
} from "./src/model/network.ts";
export type {
  Initialise,
  LinearParameters,
  Parameters,
  ParameterSpec,
  StateDict,
} from "./src/model/parameters.ts";

import * as dispatch from "./ffi/dispatch.ts";
import * as everyOp from "./ffi/ops.ts";
/**
 * The operators of libtorch that are bound, each a function with the arguments of its schema in PyTorch's
 * `native_functions.yaml`; {@link op} binds others.
 *
 * @example
 * ```ts
 * import { ops, scope, Tensor } from "./mod.ts";
 *
 * const sum = scope(() => ops.add(Tensor.from([1, 2]), Tensor.from([3, 4])).toArray());
 * if (sum[1] !== 6) throw new Error("2 + 4 is 6");
 * ```
 */
export const ops: typeof everyOp = everyOp;
/**
 * Binds another operator by its schema in PyTorch's `native_functions.yaml`, which types its arguments.
 *
 * @example
 * ```ts
 * import { op, scope, Tensor } from "./mod.ts";
 *
 * const relu6 = op("aten::relu6(Tensor self) -> Tensor");
 * const found = scope(() => relu6(Tensor.from([-1, 3, 9])).toArray());
 * if (found.join() !== "0,3,6") throw new Error(`${found}`);
 * ```
 * @throws {TypeError} when an argument of the schema cannot be packed, a Scalar above all
 */
export const op: typeof import("./ffi/dispatch.ts")["op"] = dispatch.op;
export { backward, gradientOf, noGrad, requiresGrad, setGradient } from "./ffi/autograd.ts";
export { cudaDeviceCount, type Device, setThreads, synchronize, threads } from "./ffi/device.ts";
export { LibtorchError } from "./ffi/library.ts";
export { TorchError } from "./ffi/native.ts";
export { manualSeed } from "./ffi/random.ts";
export { type Dtype, scope, Tensor, type TensorOptions, type TypedArray, unscoped } from "./ffi/tensor.ts";
