/** libtorch alone: a line through points by gradient descent. */
import { backward, gradientOf, noGrad, ops, requiresGrad, scope, Tensor } from "../mod.ts";

const x = Tensor.from([0, 1, 2, 3, 4, 5], [6, 1]);
const y = Tensor.from([1, 3, 5, 7, 9, 11], [6, 1]); // 2 x + 1
const weight = requiresGrad(Tensor.from([0], [1, 1])), bias = requiresGrad(Tensor.from([0], [1]));

for (let step = 0; step < 500; step++) {
  scope(() => { // every tensor made in here is freed at its end
    const loss = ops.mean(ops.square(ops.sub(ops.linear(x, weight, bias), y)));
    backward(loss);
    noGrad(() => {
      for (const parameter of [weight, bias]) {
        const gradient = gradientOf(parameter)!;
        parameter.copyFrom(ops.sub(parameter, gradient, 0.05));
        ops.zero_(gradient); // the next backward pass adds to it
      }
    });
  });
}
console.log(`y = ${weight.item().toFixed(2)} x + ${bias.item().toFixed(2)}`);
