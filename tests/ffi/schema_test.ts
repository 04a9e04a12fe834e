import type { Device } from "../../ffi/device.ts";
import { op } from "../../ffi/dispatch.ts";
import { parseSchema, type SchemaType } from "../../ffi/schema.ts";
import type { Dtype, Tensor } from "../../ffi/tensor.ts";
import { assertEquals, assertThrows } from "../../src/common/std.ts";

const plain = { list: false, optional: false, optionalElement: false, alias: undefined };

/** The type of the one argument of a schema. */
function parsed(type: string): SchemaType {
  return parseSchema(`aten::f(${type} x) -> ()`).arguments[0].type;
}

const types: Record<string, Partial<SchemaType>> = {
  "Tensor": { base: "Tensor" },
  "Tensor?": { base: "Tensor", optional: true },
  "Tensor[]": { base: "Tensor", list: true },
  "Tensor?[]": { base: "Tensor", list: true, optionalElement: true },
  "Tensor(a)": { base: "Tensor" },
  "Tensor(a!)": { base: "Tensor", alias: "a" },
  "Tensor(a!)[]": { base: "Tensor", list: true, alias: "a" },
  "Tensor(a!)?": { base: "Tensor", optional: true, alias: "a" },
  "Tensor(a -> *)": { base: "Tensor" },
  "int": { base: "int" },
  "int?": { base: "int", optional: true },
  "int[]": { base: "int", list: true },
  "int[1]?": { base: "int", list: true, optional: true },
  "SymInt": { base: "SymInt" },
  "SymInt[]?": { base: "SymInt", list: true, optional: true },
  "float": { base: "float" },
  "float?": { base: "float", optional: true },
  "bool": { base: "bool" },
  "bool[3]": { base: "bool", list: true },
  "str": { base: "str" },
  "str?": { base: "str", optional: true },
  "ScalarType?": { base: "ScalarType", optional: true },
  "Device?": { base: "Device", optional: true },
  "Layout?": { base: "Layout", optional: true },
  "MemoryFormat?": { base: "MemoryFormat", optional: true },
  "Generator?": { base: "Generator", optional: true },
};

Deno.test("schema: every kind of type", () => {
  for (const [text, expected] of Object.entries(types)) {
    assertEquals(parsed(text), { ...plain, ...expected }, text);
  }
});

Deno.test("schema: name, overload, arguments, defaults and what stands after the star", () => {
  const schema = parseSchema(
    "aten::f.over(Tensor self, int[2] by=[0, 1], *, float? scale=None, str mode) -> Tensor",
  );
  assertEquals([schema.name, schema.overload, schema.tuple], ["aten::f", "over", false]);
  assertEquals(
    schema.arguments.map(({ name, named, fallback }) => [name, named, fallback]),
    [["self", false, undefined], ["by", false, "[0, 1]"], ["scale", true, "None"], ["mode", true, undefined]],
  );
  assertEquals(parseSchema("aten::f() -> Tensor"), {
    name: "aten::f",
    overload: "",
    arguments: [],
    results: [{ ...plain, base: "Tensor" }],
    tuple: false,
  });
});

Deno.test("schema: none, several and listed results, with and without names", () => {
  const results = (text: string) => {
    const { results, tuple } = parseSchema(`aten::f(Tensor self) -> ${text}`);
    return [tuple, results.map(({ base, list }) => base + (list ? "[]" : ""))];
  };
  assertEquals(results("()"), [true, []]);
  assertEquals(results("bool"), [false, ["bool"]]);
  assertEquals(results("Tensor(a)[]"), [false, ["Tensor[]"]]);
  assertEquals(results("(Tensor values, int index)"), [true, ["Tensor", "int"]]);
  assertEquals(results("(Tensor, Tensor[], float)"), [true, ["Tensor", "Tensor[]", "float"]]);
});

Deno.test("schema: in-place and out results carry the alias of their argument", () => {
  const inPlace = parseSchema("aten::copy_(Tensor(a!) self, Tensor src) -> Tensor(a!)");
  assertEquals([inPlace.arguments[0].type.alias, inPlace.results[0].alias], ["a", "a"]);
  const out = parseSchema("aten::mul.out(Tensor self, Tensor other, *, Tensor(a!) out) -> Tensor(a!)");
  assertEquals(out.arguments.map(({ type }) => type.alias), [undefined, undefined, "a"]);
  assertEquals([out.arguments[2].named, out.results[0].alias], [true, "a"]);
  const view = parseSchema("aten::view(Tensor(a) self, SymInt[] size) -> Tensor(a)");
  assertEquals([view.arguments[0].type.alias, view.results[0].alias], [undefined, undefined]); // a new tensor
});

Deno.test("schema: a Scalar is refused at declaration, with the way around it", () => {
  for (const type of ["Scalar", "Scalar?", "Scalar[]"]) {
    const error = assertThrows(() => op(`aten::f(Tensor self, ${type} x=1) -> Tensor` as string), TypeError);
    assertEquals(
      error.message,
      "aten::f has a Scalar argument, which the C ABI cannot pack: " +
        "use a 0-dimensional tensor with the .Tensor overload",
    );
  }
});

Deno.test("schema: what is not a schema is refused", () => {
  for (
    const text of [
      "",
      "aten::relu",
      "relu(Tensor self) -> Tensor",
      "aten::relu(Tensor self)",
      "aten::f(Tensor) -> ()",
    ]
  ) {
    assertThrows(() => parseSchema(text), SyntaxError, `"${text}"`);
  }
  assertThrows(
    () => parsed("Storage"),
    TypeError,
    `type "Storage" in "aten::f(Storage x) -> ()" cannot be packed`,
  );
  assertThrows(() => op("aten::f(Tensor self) -> str"), TypeError, "a result of type str cannot be read");
  assertThrows(() => op("aten::f(Tensor self) -> Tensor?"), TypeError, "an optional result cannot be read");
  assertThrows(() => op("aten::f(int x=many) -> Tensor"), TypeError, `the default "many"`);
});

/**
 * Never called: the compiler is what checks these lines. Where it accepts one that stands under an "expect-error", that
 * is itself an error of `deno check`.
 */
export function checkedByTheCompiler(x: Tensor): void {
  const linear = op("aten::linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor");
  const normalise = op(
    "aten::native_layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight, Tensor? bias, float eps) -> (Tensor, Tensor, Tensor)",
  );
  const attend = op(
    "aten::scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0.0, bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor",
  );
  const multiplyInto = op("aten::mul.out(Tensor self, Tensor other, *, Tensor(a!) out) -> Tensor(a!)");
  const split = op(
    "aten::split_with_sizes(Tensor(a -> *) self, SymInt[] split_sizes, int dim=0) -> Tensor(a)[]",
  );
  const index = op("aten::index.Tensor(Tensor self, Tensor?[] indices) -> Tensor");
  const every = op(
    "aten::f(str s, bool b, ScalarType? d=None, int[2] list=[0, 1], float[]? f=None, *, Device? at=None, MemoryFormat? m=None) -> (bool, int, float, SymInt[])",
  );
  const nothing = op("aten::f() -> ()");

  // Results
  const one: Tensor = linear(x, x);
  const three: [Tensor, Tensor, Tensor] = normalise(x, [256], x, null, 1e-6);
  const several: Tensor[] = split(x, [1, 2]);
  const into: Tensor = multiplyInto(x, x, { out: x });
  const mixed: [boolean, number, number, number[]] = every("a", true);
  const none: void = nothing();
  // @ts-expect-error one result is not several
  const wrongCount: [Tensor, Tensor] = linear(x, x);
  // @ts-expect-error three results are not two
  const wrongLength: [Tensor, Tensor] = normalise(x, [256], x, null, 1e-6);
  // @ts-expect-error a bool is not a number
  const wrongResult: [number, number, number, number[]] = every("a", true);

  // Arguments that are right
  linear(x, x, null);
  attend(x, x, x, null, 0, false, { scale: 0.125 });
  attend(x, x, x, x, 0, false, { scale: null, enable_gqa: true });
  index(x, [null, x]);
  const dtype: Dtype = "bfloat16", device: Device = "cuda:1";
  every("a", true, dtype, [1, 2], [0.5], { at: device, m: null });

  // Arguments that are wrong
  // @ts-expect-error a number is not a tensor
  linear(x, 3);
  // @ts-expect-error a tensor that must be given is missing
  linear(x);
  // @ts-expect-error one argument too many
  linear(x, x, x, x);
  // @ts-expect-error None is not allowed for a plain tensor
  linear(x, null);
  // @ts-expect-error an element of the list is not a number
  normalise(x, ["a"], x, x, 1e-6);
  // @ts-expect-error an element of the list is neither a tensor nor None
  index(x, [1]);
  // @ts-expect-error no such named argument
  attend(x, x, x, null, 0, false, { scales: 0.125 });
  // @ts-expect-error a named argument of the wrong type
  attend(x, x, x, null, 0, false, { scale: "0.125" });
  // @ts-expect-error a named argument does not go by position
  attend(x, x, x, null, 0, false, 0.125);
  // @ts-expect-error a named argument that must be given is missing
  multiplyInto(x, x);
  // @ts-expect-error a str is not a bool
  every("a", "b");
  // @ts-expect-error no such dtype
  every("a", true, "float99");
  // @ts-expect-error the default list [0, 1] is one argument, not two
  every("a", true, null, [0, 1], true);
  // @ts-expect-error no such device
  every("a", true, null, [0, 1], null, { at: "tpu" });
  // @ts-expect-error only None is bound for a MemoryFormat
  every("a", true, null, [0, 1], null, { m: 1 });

  // Schemas with a Scalar
  // @ts-expect-error a Scalar cannot be packed
  op("aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor");
  // @ts-expect-error nor can an optional one
  op("aten::clamp(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor");

  void [one, three, several, into, mixed, none, wrongCount, wrongLength, wrongResult];
}
