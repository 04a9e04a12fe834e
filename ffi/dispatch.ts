/**
 * Calls any ATen operator through `torch_call_dispatcher`. An operator is declared by its schema; its arguments are
 * packed one an 8-byte slot ("StableIValue") as `libtorch-c-abi` describes, and the call consumes them.
 */
import { type Device, deviceCode } from "./device.ts";
import { libtorch } from "./library.ts";
import { check, outWord } from "./native.ts";
import { type Declarable, type Operator, parseSchema, type SchemaType } from "./schema.ts";
import { adopt, type Dtype, dtypeCode, Tensor } from "./tensor.ts";

/** How values of one type go into a slot. */
interface Packer {
  /**
   * Says what is wrong with a value, or nothing; an unknown name throws its own error. Runs for all arguments before any
   * is packed, so none can leak.
   */
  fault(value: unknown): string | undefined;
  pack(value: never): bigint;
}

// Buffers are kept, here and for each operator: a typed array that native code has seen is a block of the C library's heap
// until it is collected, and thousands of them between a training step's blocks leave holes that fit nothing.
const float = new Float64Array(1), floatBits = new BigUint64Array(float.buffer);
const boxed = new BigUint64Array(1);
const encoder = new TextEncoder();

const integer: Packer = {
  fault: (value) => Number.isSafeInteger(value) ? undefined : "a whole number",
  pack: (value: number) => BigInt.asUintN(64, BigInt(value)),
};

const packers: Record<string, Packer> = {
  Tensor: {
    fault: (value) =>
      !(value instanceof Tensor) ? "a tensor" : value.disposed ? "a tensor that is not disposed" : undefined,
    pack(value: Tensor) {
      // The call consumes a handle: it gets a second one to the same tensor.
      check(libtorch().torch.aoti_torch_new_tensor_handle(value.handle, outWord), "new_tensor_handle");
      return outWord[0];
    },
  },
  int: integer,
  SymInt: integer,
  float: {
    fault: (value) => typeof value === "number" ? undefined : "a number",
    pack(value: number) {
      float[0] = value;
      return floatBits[0];
    },
  },
  bool: {
    fault: (value) => typeof value === "boolean" ? undefined : "true or false",
    pack: (value: boolean) => value ? 1n : 0n,
  },
  // libtorch (2.10 to 2.13) copies the text once more and never frees that: 32 bytes and more a call.
  str: {
    fault: (value) => typeof value === "string" ? undefined : "a text",
    pack(value: string) {
      const bytes = encoder.encode(value);
      check(
        libtorch().torch.torch_new_string_handle(bytes, BigInt(bytes.length), outWord),
        "new_string_handle",
      );
      return outWord[0];
    },
  },
  ScalarType: {
    fault: (value) => typeof value === "string" ? void dtypeCode(value as Dtype) : "a dtype",
    pack: (value: Dtype) => BigInt(dtypeCode(value)),
  },
  Device: {
    fault: (value) => typeof value === "string" ? void deviceCode(value as Device) : "a device",
    pack(value: Device) {
      const { type, index } = deviceCode(value);
      return (BigInt(type) << 32n) | BigInt.asUintN(32, BigInt(index));
    },
  },
};

const onlyNone: Packer = { fault: () => "null: no other value is bound", pack: () => 0n };

function packerOf(type: SchemaType): Packer {
  let packer = packers[type.base] ?? onlyNone;
  if (type.optionalElement) packer = optional(packer);
  if (type.list) packer = list(packer);
  return type.optional ? optional(packer) : packer;
}

function list(element: Packer): Packer {
  return {
    fault(value) {
      if (!Array.isArray(value)) return "a list";
      for (const item of value) {
        const fault = element.fault(item);
        if (fault) return `a list, each element ${fault}`;
      }
    },
    pack(value: readonly never[]) {
      const { torch } = libtorch();
      check(torch.torch_new_list_reserve_size(BigInt(value.length), outWord), "new_list");
      const address = outWord[0], handle = Deno.UnsafePointer.create(address);
      for (const item of value) {
        check(torch.torch_list_push_back(handle, element.pack(item)), "list_push_back");
      }
      return address;
    },
  };
}

/** None is 0; anything else a heap box with the packed value, which the call frees. */
function optional(inner: Packer): Packer {
  return {
    fault: (value) => value === null ? undefined : inner.fault(value),
    pack(value: never) {
      if (value === null) return 0n;
      const packed = inner.pack(value);
      const box = newBox();
      boxed[0] = packed;
      libtorch().torch.memcpy(box, boxed, 8n);
      return Deno.UnsafePointer.value(box) as bigint;
    },
  };
}

/** Eight bytes that libtorch frees with C++ `delete`: from its own function, or before 2.13 from `operator new`. */
function newBox(): Deno.PointerObject {
  const { torch } = libtorch();
  if (!torch.torch_new_stable_ivalue) return torch._Znwm(8n)!;
  check(torch.torch_new_stable_ivalue(outWord), "new_stable_ivalue");
  return Deno.UnsafePointer.create(outWord[0])!;
}

function unpackerOf(type: SchemaType): (slot: bigint) => unknown {
  if (type.optional || type.optionalElement) throw new TypeError("an optional result cannot be read");
  const one = ((): (slot: bigint) => unknown => {
    switch (type.base) {
      case "Tensor":
        return adopt;
      case "int":
      case "SymInt":
        return (slot) => Number(BigInt.asIntN(64, slot));
      case "float":
        return (slot) => {
          floatBits[0] = slot;
          return float[0];
        };
      case "bool":
        return (slot) => (slot & 0xffn) !== 0n;
      default:
        throw new TypeError(`a result of type ${type.base} cannot be read`);
    }
  })();
  if (!type.list) return one;
  return (slot) => {
    const { torch } = libtorch();
    const handle = Deno.UnsafePointer.create(slot);
    check(torch.torch_list_size(handle, outWord), "list_size");
    const length = Number(outWord[0]);
    const items = Array.from({ length }, (_, i) => {
      check(torch.torch_list_get_item(handle, BigInt(i), outWord), "list_get_item");
      return one(outWord[0]); // a new reference, which the caller owns
    });
    check(torch.torch_delete_list(handle), "delete_list");
    return items;
  };
}

/** A default's text as a value: None, True, 1e-05, [0, 1], contiguous_format, … */
function defaultOf(text: string, type: SchemaType, schema: string): unknown {
  if (text === "None") return null;
  if (text === "True" || text === "False") return text === "True";
  if (text.startsWith("[")) return text.slice(1, -1).split(",").filter((part) => part.trim()).map(Number);
  if (/^["'].*["']$/.test(text)) return text.slice(1, -1);
  if (type.base === "ScalarType" && text === "long") return "int64";
  const number = Number(text);
  if (Number.isNaN(number)) throw new TypeError(`the default "${text}" in "${schema}" is not understood`);
  return type.list ? [number] : number;
}

let calls = 0;
/** How many operators have been called, for profiles. */
export function operatorCalls(): number {
  return calls;
}

/**
 * Declares an operator by its schema, as `native_functions.yaml` spells it.
 *
 * @example
 * ```ts
 * import { op, scope, Tensor } from "../mod.ts";
 *
 * const relu6 = op("aten::relu6(Tensor self) -> Tensor");
 * const found = scope(() => relu6(Tensor.from([-1, 3, 9])).toArray());
 * if (found.join() !== "0,3,6") throw new Error(`${found}`);
 * ```
 * @returns its function, typed by the schema; the function throws {@link TorchError} with libtorch's own words, and
 * TypeError on a wrong argument
 * @throws {TypeError} at once when an argument cannot be packed, a Scalar above all
 */
export function op<const S extends string>(schema: Declarable<S>): Operator<S> {
  const parsed = parseSchema(schema);
  const args = parsed.arguments.map((argument) => ({
    ...argument,
    packer: packerOf(argument.type),
    value: argument.fallback === undefined ? undefined : defaultOf(argument.fallback, argument.type, schema),
  }));
  const positional = args.filter((argument) => !argument.named).length;
  const results = parsed.results.map((type) => ({
    unpack: unpackerOf(type),
    // An in-place or out result is the argument that it aliases.
    aliases: type.alias === undefined ? -1 : args.findIndex((argument) => argument.type.alias === type.alias),
  }));
  const stack = new BigUint64Array(Math.max(args.length, results.length, 1));
  const name = encoder.encode(parsed.name + "\0"), overload = encoder.encode(parsed.overload + "\0");
  // Taken at the first call: a module that declares operators is imported without any permission.
  let namePointer: Deno.PointerValue = null, overloadPointer: Deno.PointerValue = null;
  const label = parsed.name.replace(/^aten::/, "");

  const run = (...given: unknown[]): unknown => {
    const named = args.length > positional ? (given[positional] ?? {}) as Record<string, unknown> : undefined;
    const values = new Array<never>(args.length);
    for (let i = 0; i < args.length; i++) {
      const argument = args[i], passed = argument.named ? named![argument.name] : given[i];
      const value = passed === undefined ? argument.value : passed;
      const wanted = value === undefined ? "given: it has no default" : argument.packer.fault(value);
      if (wanted) throw new TypeError(`${label}: ${argument.name} must be ${wanted}`);
      values[i] = value as never;
    }
    const { torch, versionCode } = libtorch();
    namePointer ??= Deno.UnsafePointer.of(name);
    overloadPointer ??= Deno.UnsafePointer.of(overload);
    for (let i = 0; i < args.length; i++) stack[i] = args[i].packer.pack(values[i]);
    calls++;
    check(torch.torch_call_dispatcher(namePointer, overloadPointer, stack, versionCode), label);
    if (!parsed.tuple && results.length === 1 && results[0].aliases < 0) return results[0].unpack(stack[0]);
    const unpacked = results.map(({ unpack, aliases }, i) => {
      if (aliases < 0) return unpack(stack[i]);
      const duplicate = unpack(stack[i]);
      for (const tensor of Array.isArray(duplicate) ? duplicate : [duplicate]) (tensor as Tensor).dispose();
      return values[aliases];
    });
    return parsed.tuple ? (unpacked.length ? unpacked : undefined) : unpacked[0];
  };
  // The buffers behind the name pointers live as long as the function does.
  return Object.assign(run, { schema, texts: [name, overload] }) as unknown as Operator<S>;
}
