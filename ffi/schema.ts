/**
 * An operator's schema, as PyTorch spells it in `native_functions.yaml`, read twice: by the type system, which makes the
 * TypeScript type of its function, and at declaration, which makes the packers of its arguments.
 *
 *     const softmax = op("aten::softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor");
 *     //    (self: Tensor, dim: number, dtype?: Dtype | null) => Tensor
 *
 * Arguments after `*` are named: they go into one object at the end. An in-place or out result (`Tensor(a!)`) is the
 * very argument it aliases.
 */
import type { Device } from "./device.ts";
import type { Dtype, Tensor } from "./tensor.ts";

// ---- the type of an operator -----------------------------------------------------------------------------------

interface TypeByName {
  Tensor: Tensor;
  int: number;
  SymInt: number;
  float: number;
  bool: boolean;
  str: string;
  ScalarType: Dtype;
  Device: Device;
  // These take only None here: no operator in use wants another value.
  Scalar: never; // and stands only in Scalar?[]
  Layout: never;
  MemoryFormat: never;
  Generator: never;
}

type Trim<S extends string> = S extends ` ${infer R}` ? Trim<R> : S extends `${infer R} ` ? Trim<R> : S;
type Split<S extends string, D extends string> = S extends `${infer A}${D}${infer B}`
  ? [Trim<A>, ...Split<B, D>]
  : [Trim<S>];

/** "Tensor(a!)[]" → readonly Tensor[], "int?" → number | null */
type TypeOf<T extends string> = T extends `${infer B}?` ? TypeOf<B> | null
  : T extends `${infer B}[${string}]` ? readonly TypeOf<B>[]
  : T extends `${infer B}(${string})` ? TypeOf<B>
  : T extends keyof TypeByName ? TypeByName[T]
  : never;

type Argument<S extends string> = S extends `Tensor(${string} -> *) ${infer N}`
  ? { n: N; t: Tensor; optional: false } // an argument that a list of results aliases
  : S extends `${infer T} ${infer N}=${string}` ? { n: N; t: TypeOf<T>; optional: true }
  : S extends `${infer T} ${infer N}` ? { n: N; t: TypeOf<T>; optional: false }
  : never;

type Positional<L extends readonly string[]> = L extends
  readonly [infer H extends string, ...infer R extends string[]] ? H extends "*" | "" ? []
  : H extends `${string} ${string}`
    ? Argument<H>["optional"] extends true ? [Argument<H>["t"]?, ...Positional<R>]
    : [Argument<H>["t"], ...Positional<R>]
  : Positional<R> // the rest of a default such as [0, 1], which the comma has split
  : [];

type AfterStar<L extends readonly string[]> = L extends
  readonly [infer H extends string, ...infer R extends string[]] ? H extends "*" ? R : AfterStar<R>
  : [];

type NamedOptional<L extends readonly string[]> = {
  [K in L[number] as Argument<K>["optional"] extends true ? Argument<K>["n"] : never]?: Argument<K>["t"];
};
type NamedRequired<L extends readonly string[]> = {
  [K in L[number] as Argument<K>["optional"] extends true ? never : Argument<K>["n"]]: Argument<K>["t"];
};

type AllOptional<L extends readonly string[]> = L extends
  readonly [infer H extends string, ...infer R extends string[]]
  ? Argument<H>["optional"] extends true ? AllOptional<R> : false
  : true;

type NamedTail<L extends readonly string[]> = L extends [] ? []
  : AllOptional<L> extends true ? [NamedOptional<L>?]
  : [NamedOptional<L> & NamedRequired<L>];

type Result<S extends string> = S extends "()" ? void
  : S extends `(${infer I})` ? Results<Split<I, ",">>
  : OneResult<S>;
type OneResult<S extends string> = Mutable<S extends `${infer T} ${string}` ? TypeOf<T> : TypeOf<S>>;
type Mutable<T> = T extends readonly (infer E)[] ? E[] : T;
type Results<L extends readonly string[]> = L extends
  readonly [infer H extends string, ...infer R extends string[]] ? [OneResult<H>, ...Results<R>]
  : [];

/** The function type of an operator's schema string. */
export type Operator<S extends string> = S extends `${string}(${infer A}) -> ${infer R}`
  ? (...args: [...Positional<Split<A, ",">>, ...NamedTail<AfterStar<Split<A, ",">>>]) => Result<R>
  : never;

/** A schema string, or, where an argument is a Scalar, the sentence that the compiler then shows. */
export type Declarable<S extends string> = S extends
  `${string}Scalar ${string}` | `${string}Scalar? ${string}`
  ? "Scalar arguments cannot be packed through the C ABI: use a 0-dimensional tensor with the .Tensor overload"
  : S;

// ---- the schema as data ----------------------------------------------------------------------------------------

/** A parsed type: "Tensor(a!)[]?" is optional(list(Tensor)). */
export interface SchemaType {
  base: string;
  list: boolean;
  /** None is allowed. */
  optional: boolean;
  /** In a list: None is allowed as an element. */
  optionalElement: boolean;
  /** The alias set of an argument that is written to, "a" in Tensor(a!). */
  alias?: string;
}

/** One argument of a schema. */
export interface SchemaArgument {
  name: string;
  type: SchemaType;
  named: boolean;
  /** The default's text, if there is one. */
  fallback?: string;
}

/** A parsed schema. */
export interface Schema {
  /** With its namespace: "aten::softmax". */
  name: string;
  /** "int", or an empty text. */
  overload: string;
  arguments: SchemaArgument[];
  results: SchemaType[];
  /** Whether the results stand in parentheses, that is come as a tuple. */
  tuple: boolean;
}

const bases = "Tensor int SymInt float bool str Scalar ScalarType Device Layout MemoryFormat Generator".split(
  " ",
);

/**
 * Parses a schema string.
 * @throws {SyntaxError} when it is not a schema
 * @throws {TypeError} when an argument has a type that cannot be packed, a Scalar above all
 */
export function parseSchema(schema: string): Schema {
  const match = /^(\w+::\w+)(?:\.(\w+))?\((.*)\) -> (.+)$/s.exec(schema);
  if (!match) throw new SyntaxError(`not an operator schema: "${schema}"`);
  const [, name, overload = "", argumentText, resultText] = match;
  let named = false;
  const args: SchemaArgument[] = [];
  for (const part of splitList(argumentText)) {
    if (part === "*") {
      named = true;
      continue;
    }
    const [, type, argument, fallback] = /^(\S+(?:\([^)]*\)\S*)?) (\w+)(?:=(.*))?$/.exec(part) ?? [];
    if (!type) throw new SyntaxError(`not an argument: "${part}" in "${schema}"`);
    args.push({ name: argument, type: parseType(type, schema), named, fallback });
  }
  const tuple = resultText.startsWith("(");
  const results = (tuple ? splitList(resultText.slice(1, -1)) : [resultText])
    .map((part) => parseType(part.split(" ")[0], schema));
  return { name, overload, arguments: args, results, tuple };
}

function splitList(text: string): string[] {
  const parts = text.match(/(?:\[[^\]]*\]|\([^)]*\)|[^,[(])+/g) ?? [];
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}

function parseType(text: string, schema: string): SchemaType {
  const [, base, aliasText, elementMark, size, mark] =
    /^(\w+)(?:\(([^)]*)\))?(\?)?(\[\d*\])?(\?)?$/.exec(text) ?? [];
  if (base === "Scalar" && !(elementMark && size)) { // a list of optional ones can be empty
    throw new TypeError(
      `${schema.split("(")[0]} has a Scalar argument, which the C ABI cannot pack: ` +
        "use a 0-dimensional tensor with the .Tensor overload",
    );
  }
  if (!base || !bases.includes(base)) throw new TypeError(`type "${text}" in "${schema}" cannot be packed`);
  const alias = aliasText?.includes("!") ? aliasText.replace(/!.*/, "") : undefined;
  const list = size !== undefined;
  return {
    base,
    list,
    optional: list ? mark === "?" : elementMark === "?" || mark === "?",
    optionalElement: list && elementMark === "?",
    alias,
  };
}
