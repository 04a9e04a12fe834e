/** Nothing that a training step makes is left behind, neither here nor in libtorch. */
import { backward, noGrad, requiresGrad, setGradient } from "../../ffi/autograd.ts";
import { setThreads, threads } from "../../ffi/device.ts";
import * as ops from "../../ffi/ops.ts";
import { liveTensors, scope, Tensor } from "../../ffi/tensor.ts";
import { assertEquals, assertTrue } from "../../src/common/std.ts";

/**
 * Bytes that libtorch has allocated and not freed, as glibc counts them. The process's resident memory would tell it
 * less surely: it moves by megabytes with the JavaScript heap.
 */
function allocated(): number {
  const fields = Array<"usize">(10).fill("usize"); // struct mallinfo2 of malloc.h
  const library = Deno.dlopen("libc.so.6", { mallinfo2: { parameters: [], result: { struct: fields } } });
  const counts = new BigUint64Array(library.symbols.mallinfo2().buffer);
  library.close();
  const [mapped, inUse] = [counts[4], counts[7]]; // hblkhd, uordblks
  return Number(mapped + inUse);
}

const batch = 128, width = 64, classes = 8;
const adam = {
  lr: 1e-3,
  beta1: 0.9,
  beta2: 0.999,
  weight_decay: 0,
  eps: 1e-8,
  amsgrad: false,
  maximize: false,
};

/** A small network, its loss and its optimizer, as the models of this project are trained. */
function trainer() {
  const shapes = [[width, width], [width], [width], [width], [classes, width]];
  const sizes = shapes.map((shape) => shape.reduce((a, b) => a * b, 1));
  const length = sizes.reduce((a, b) => a + b, 0);
  const parameters = Tensor.from(Float32Array.from({ length }, (_, i) => Math.sin(i) / 8));
  const gradients = Tensor.zeros([length]);
  let offset = 0;
  const leaves = shapes.map((shape, i) => {
    const leaf = requiresGrad(parameters.viewAt(shape, offset));
    setGradient(leaf, gradients.viewAt(shape, offset));
    offset += sizes[i];
    return leaf;
  });
  const [weight, bias, gain, shift, head] = leaves;
  const moments = Tensor.zeros([length]), squares = Tensor.zeros([length]);
  const data = Float32Array.from({ length: batch * width }, (_, i) => Math.cos(i));
  const target = Tensor.from(Float32Array.from({ length: batch * classes }, (_, i) => i % classes ? 0 : 1), [
    batch,
    classes,
  ]);
  let steps = 0;
  return () =>
    scope(() => {
      const x = Tensor.from(data, [batch, width]);
      const hidden = ops.tanh(ops.layerNorm(ops.linear(x, weight, bias), [width], gain, shift));
      const loss = ops.mean(ops.square(ops.sub(ops.softmax(ops.linear(hidden, head), -1), target)));
      backward(loss);
      noGrad(() => {
        ops.fusedAdam_([parameters], [gradients], [moments], [squares], [], [Tensor.scalar(++steps)], adam);
        ops.zero_(gradients);
      });
      return loss.item();
    });
}

Deno.test("memory: 1,000 training steps leave it where it was", { ignore: Deno.build.os !== "linux" }, () => {
  const before = threads();
  setThreads(1); // so small a step is quicker so
  try {
    scope(() => {
      const step = trainer();
      const run = (steps: number) => {
        let loss = NaN;
        for (let i = 0; i < steps; i++) loss = step();
        return { loss, live: liveTensors(), bytes: allocated() };
      };
      const early = run(200), late = run(800);
      assertTrue(late.loss < early.loss, `it does not learn: ${early.loss}, then ${late.loss}`);
      assertEquals(late.live, early.live);
      // Leaking its smallest activation, 4 kB, at each step would be 3 MB.
      const grown = late.bytes - early.bytes;
      assertTrue(grown < 2 ** 20, `${grown} bytes more are allocated`);
    });
  } finally {
    setThreads(before);
  }
});
