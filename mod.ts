/**
 * Astromer 2 for Deno: a self-supervised transformer for astronomical light curves, on libtorch through FFI.
 *
 * @example Reconstruct the light curves of a dataset folder
 * ```ts ignore
 * import { loadModel, openDataset, reconstructionMetrics, sequentialWindows } from "./mod.ts";
 *
 * using dataset = await openDataset("data/asas");
 * const { model } = await loadModel("runs/asas/best");
 * const windows = sequentialWindows(0, dataset.lengths[0]);
 * ```
 * @module
 */
export * as ops from "./ffi/ops.ts";
export { op } from "./ffi/dispatch.ts";
export { backward, gradientOf, noGrad, requiresGrad, setGradient } from "./ffi/autograd.ts";
export { cudaDeviceCount, type Device, setThreads, synchronize, threads } from "./ffi/device.ts";
export { libtorch, LibtorchError } from "./ffi/library.ts";
export { TorchError } from "./ffi/native.ts";
export { manualSeed } from "./ffi/random.ts";
export { type Dtype, scope, Tensor, unscoped } from "./ffi/tensor.ts";

export { Failure, InputError } from "./src/errors.ts";
export * from "./src/data/batch.ts";
export * from "./src/data/dataset.ts";
export * from "./src/data/masking.ts";
export * from "./src/data/windows.ts";
export { preprocess } from "./src/survey/preprocess.ts";
export { simulate } from "./src/survey/simulate.ts";

export { type Architecture, architecture, type Preset, presets } from "./src/model/architecture.ts";
export { AstromerNetwork, type EncoderInput, type ModelOptions, type Watch } from "./src/model/network.ts";
export { reconstructionLoss } from "./src/model/loss.ts";
export { Parameters } from "./src/model/parameters.ts";
export { angularFrequencies, PositionalEncoding } from "./src/model/positional_encoding.ts";

export { ReconstructionMetrics } from "./src/evaluate/metrics.ts";
export { reconstructionMetrics, reconstructWindows } from "./src/evaluate/reconstruction.ts";
export { Adam, type AdamOptions } from "./src/train/adam.ts";
export { pretrain, type PretrainOptions } from "./src/train/pretrain.ts";
export { constant, cosine, type Schedule, transformer } from "./src/train/schedule.ts";
export { trainingStep } from "./src/train/step.ts";
export { loadModel, type ModelConfig, saveModel } from "./src/weights/model_folder.ts";
