/** What the machine itself can do: the rates that others are held against. */
import { noGrad } from "../../ffi/autograd.ts";
import { type Device, synchronize } from "../../ffi/device.ts";
import { matmul, randn, view } from "../../ffi/ops.ts";
import { scope, Tensor } from "../../ffi/tensor.ts";

/** Seconds of the fastest of some runs of a function; whatever else the machine does only makes it slower. */
export function fastest(runs: number, device: Device, run: () => void): number {
  let best = Infinity;
  for (let i = 0; i <= runs; i++) { // the first warms up
    const start = performance.now();
    run();
    synchronize(device);
    if (i > 0) best = Math.min(best, (performance.now() - start) / 1000);
  }
  return best;
}

/** Floating-point operations a second of a large square matrix product: what a network could reach at best. */
export function matrixProductPeak(dtype: "float32" | "bfloat16", device: Device): number {
  const rate = (size: number, runs: number) =>
    noGrad(() =>
      scope(() => {
        const matrix = randn([size, size], { dtype, device }); // of zeros a GPU makes more, since they take less power
        return 2 * size ** 3 / fastest(runs, device, () => scope(() => void matmul(matrix, matrix)));
      })
    );
  const size = device === "cpu" ? 2048 : 8192;
  // A CPU without instructions for bfloat16 would take minutes: there a small product says the same.
  const small = device === "cpu" ? rate(256, 1) : Infinity;
  return 2 * size ** 3 / small > 2 ? small : rate(size, 5);
}

/** Microseconds from TypeScript into libtorch and back: an operator that computes nothing. */
export function dispatcherOverhead(): number {
  const calls = 2000;
  return noGrad(() =>
    scope(() => {
      const one = Tensor.from([1]);
      const run = () =>
        scope(() => {
          for (let i = 0; i < calls; i++) view(one, [1, 1]);
        });
      return 1e6 * fastest(5, "cpu", run) / calls;
    })
  );
}
