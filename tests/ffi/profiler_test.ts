import { backward, requiresGrad } from "../../ffi/autograd.ts";
import { matmul, mean, tanh } from "../../ffi/ops.ts";
import { canProfile, type OperatorCost, profile } from "../../ffi/profiler.ts";
import { Tensor } from "../../ffi/tensor.ts";
import { assertEquals, assertTrue } from "../../src/common/std.ts";
import { scopedTest } from "./support.ts";

const of = (costs: OperatorCost[], operator: string, backward = false) =>
  costs.find((cost) => cost.operator === operator && cost.backward === backward);

scopedTest("profile: every operator, the backward pass's too, and nothing before or after", () => {
  if (!canProfile()) return console.log("operators cannot be observed here: not tested");
  const weight = requiresGrad(Tensor.from([1, 2, 3, 4], [2, 2])), x = Tensor.from([1, 2, 3, 4], [2, 2]);
  matmul(x, x);
  const start = performance.now();
  const costs = profile(() => {
    for (let i = 0; i < 3; i++) backward(mean(matmul(x, weight)));
  });
  const all = (performance.now() - start) / 1000;
  matmul(x, x);
  assertEquals(of(costs, "aten::mm")?.calls, 3);
  assertEquals(of(costs, "aten::mm", true)?.calls, 3, "the weight's gradient");
  assertTrue(costs.every(({ seconds }) => seconds >= -1e-6), "no operator takes back time");
  assertTrue(costs.reduce((sum, { seconds }) => sum + seconds, 0) <= all, "time is counted once");
  assertEquals(profile(() => {}), []);
});

scopedTest("profile: an error ends the observation", () => {
  if (!canProfile()) return console.log("operators cannot be observed here: not tested");
  const x = Tensor.from([1, 2], [1, 2]);
  try {
    profile(() => void matmul(x, x));
    throw new Error("unreachable");
  } catch (error) {
    assertTrue(String(error).includes("matmul"), String(error));
  }
  assertEquals(of(profile(() => void tanh(x)), "aten::tanh")?.calls, 1);
});
