import { backward } from "../../ffi/autograd.ts";
import { linear, mul, sum } from "../../ffi/ops.ts";
import { liveTensors, scope, Tensor } from "../../ffi/tensor.ts";
import { uniform } from "../../src/model/initialization.ts";
import { linearGroup, normSpec, ones, Parameters, zeros } from "../../src/model/parameters.ts";
import { assertEquals, assertNotEquals, assertThrows, assertTrue } from "../../src/common/std.ts";
import { largestDifference } from "../shared.ts";
import { numbers } from "../ffi/support.ts";

const layer = (name: string, input: number, output: number) => ({
  name,
  input,
  output,
  weight: uniform(1),
  bias: uniform(1),
});

/** Two layers in a group, a norm, and a third layer apart. */
const specs = () => [
  ...linearGroup(layer("query", 3, 2), layer("key", 3, 4)),
  ...normSpec("norm", 3),
  ...linearGroup(layer("value", 3, 1)),
];

Deno.test("a group's weights lie end to end as one matrix, its biases too", () => {
  using parameters = new Parameters(specs(), { seed: 1 });
  assertEquals(parameters.size, 6 + 12 + 2 + 4 + 3 + 3 + 3 + 1);
  assertEquals(parameters.layout.map(({ name }) => name), [
    ...["query.weight", "key.weight", "query.bias", "key.bias"],
    ...["norm.weight", "norm.bias", "value.weight", "value.bias"],
  ]);
  const both = parameters.linear("query", "key"), query = parameters.linear("query");
  assertEquals([both.weight.shape, both.bias.shape], [[6, 3], [6]]);
  assertEquals([query.weight.shape, query.bias.shape], [[2, 3], [2]]);
  const state = parameters.stateDict();
  assertEquals(
    numbers(both.weight),
    [...state.get("query.weight")!.data, ...state.get("key.weight")!.data],
  );
  scope(() => {
    const x = Tensor.from([1, -2, 3], [1, 3]);
    const stacked = numbers(linear(x, both.weight, both.bias));
    // Of other shapes, products may add up in another order.
    assertTrue(largestDifference(stacked.slice(0, 2), numbers(linear(x, query.weight, query.bias))) < 1e-5);
  });
});

Deno.test("layers that do not lie next to each other are refused", () => {
  using parameters = new Parameters(specs());
  assertThrows(() => parameters.linear("query", "value"), RangeError, "value.weight does not lie next to");
  assertThrows(() => parameters.linear("key", "query"), RangeError, "query.weight does not lie next to");
  assertThrows(() => parameters.linear("quary"), RangeError, 'there is no parameter "quary.weight"');
  assertThrows(() => parameters.leaf("norm"), RangeError, 'there is no parameter "norm"');
  const twice = [...specs(), ...normSpec("norm", 3)];
  assertThrows(() => new Parameters(twice), RangeError, "two parameters have the same name");
});

Deno.test("gradients of stacked and of single leaves gather in one flat buffer", () => {
  for (const dtype of ["float32", "bfloat16"] as const) {
    using parameters = new Parameters(specs(), { dtype });
    const both = parameters.linear("query", "key"), norm = parameters.leaf("norm.weight");
    for (let pass = 0; pass < 2; pass++) {
      parameters.zeroGradient();
      scope(() => {
        const x = Tensor.from([1, -2, 3], [1, 3], { dtype });
        backward(sum(linear(mul(x, norm), both.weight, both.bias), null));
      });
      parameters.gatherGradient();
    }
    const gradient = numbers(parameters.gradient);
    assertEquals(parameters.gradient.dtype, "float32");
    assertEquals(gradient.slice(0, 18), Array.from({ length: 6 }, () => [1, -2, 3]).flat());
    assertEquals(gradient.slice(18, 24), [1, 1, 1, 1, 1, 1]);
    assertEquals(gradient.slice(24, 27).every((g) => g !== 0), true);
    assertEquals(gradient.slice(27), Array(7).fill(0));
  }
});

Deno.test("values come from the seed and the initialiser", () => {
  const values = (seed: number) => {
    using parameters = new Parameters(specs(), { seed });
    return numbers(parameters.master);
  };
  assertEquals(values(2), values(2));
  assertNotEquals(values(2), values(3));
  using parameters = new Parameters([
    { name: "a", shape: [2, 2], initialise: ones },
    { name: "b", shape: [3], initialise: zeros },
  ]);
  assertEquals(numbers(parameters.master), [1, 1, 1, 1, 0, 0, 0]);
});

Deno.test("stateDict and loadStateDict are inverse, and the working copy follows", () => {
  for (const dtype of ["float32", "bfloat16"] as const) {
    using from = new Parameters(specs(), { seed: 1, dtype });
    using to = new Parameters(specs(), { seed: 2, dtype });
    const leaf = to.leaf("key.bias");
    assertNotEquals(to.stateDict(), from.stateDict());
    to.loadStateDict(from.stateDict());
    assertEquals(to.stateDict(), from.stateDict());
    assertEquals(leaf.toArray(), from.leaf("key.bias").toArray(), "what layers compute with");
    // A copy, not a view: what is read does not change the model.
    to.stateDict().get("key.bias")!.data.fill(9);
    assertEquals(to.stateDict(), from.stateDict());
    const { data } = to.stateDict({ copied: false }).get("key.bias")!;
    data.fill(9);
    assertEquals(to.stateDict().get("key.bias")!.data, data, "on the CPU the parameters' own memory");
  }
});

Deno.test("loadStateDict names what does not fit, and then changes nothing", () => {
  using parameters = new Parameters(specs(), { seed: 1 });
  const before = parameters.stateDict();
  const other = (change: (state: ReturnType<Parameters["stateDict"]>) => void) => () => {
    const state = parameters.stateDict();
    for (const { data } of state.values()) data.fill(7);
    change(state);
    parameters.loadStateDict(state);
  };
  assertThrows(
    other((state) => {
      state.delete("key.bias");
      state.delete("norm.weight");
    }),
    RangeError,
    "missing: key.bias, norm.weight",
  );
  assertThrows(
    other((state) => state.set("value2.bias", { shape: [1], data: new Float32Array(1) })),
    RangeError,
    "not a parameter of this model: value2.bias",
  );
  assertThrows(
    other((state) => state.set("key.weight", { shape: [3, 4], data: new Float32Array(12) })),
    RangeError,
    "key.weight has shape [3,4], this model wants [4,3]",
  );
  assertEquals(parameters.stateDict(), before);
});

Deno.test("dispose frees every buffer and view, twice does no harm", () => {
  for (const dtype of ["float32", "bfloat16"] as const) {
    const before = liveTensors();
    const parameters = new Parameters(specs(), { dtype });
    parameters.linear("query", "key");
    parameters.leaf("norm.bias");
    assertEquals(liveTensors() - before, (dtype === "float32" ? 2 : 4) + 6);
    // Parameters outlive the scope they are made in.
    scope(() => parameters.leaf("norm.weight"));
    assertEquals(parameters.leaf("norm.weight").disposed, false);
    parameters[Symbol.dispose]();
    parameters[Symbol.dispose]();
    assertEquals(liveTensors(), before);
  }
});
