/**
 * State dicts that `torch.save` wrote (.pt, .pth, .bin): a zip with a pickle, which names tensors, and their bytes. A pickle is a
 * program; here only the few steps are taken that put a table of tensors together, and any other is refused.
 */
import { InputError } from "../common/errors.ts";
import type { FileSource } from "../files/folder_or_zip.ts";

/** A tensor's values, whatever its type in the file. */
export interface LoadedTensor {
  shape: readonly number[];
  data: Float32Array<ArrayBuffer>;
}

/** Bounds of what is read. */
const largest = { pickle: 1 << 26, tensor: 2 ** 31, elements: 2 ** 29 };

const storages = {
  FloatStorage: 4,
  HalfStorage: 2,
  BFloat16Storage: 2,
  DoubleStorage: 8,
} as const;

interface Storage {
  type: string;
  key: string;
}
class Global {
  constructor(readonly path: string) {}
}
class PickledTensor {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

/**
 * Reads every tensor of floating-point numbers, by its name; of tables within tables the names are joined by dots.
 * @throws {InputError} when the file was not written by torch.save, or its pickle would do more than name tensors
 */
export async function readTorchCheckpoint(source: FileSource): Promise<Map<string, LoadedTensor>> {
  const pickle = source.names.find((name) => /(^|\/)data\.pkl$/.test(name));
  if (!pickle) {
    throw new InputError(
      `${source.path} was not written by torch.save of PyTorch 1.6 or newer: it holds no data.pkl`,
    );
  }
  const folder = pickle.slice(0, -"data.pkl".length), tensors = new Map<string, LoadedTensor>();
  const root = unpickled(`${source.path}/${pickle}`, await source.read(pickle, largest.pickle));
  const byteorder = source.names.includes(`${folder}byteorder`)
    ? new TextDecoder().decode(await source.read(`${folder}byteorder`, 16))
    : "little";
  if (byteorder !== "little") throw new InputError(`${source.path} was written on a big-endian machine`);
  const collect = async (value: unknown, name: string) => {
    if (value instanceof Map) {
      for (const [key, inner] of value) await collect(inner, name ? `${name}.${key}` : String(key));
    } else if (value instanceof PickledTensor && value.storage.type in storages) {
      tensors.set(name, await valuesOf(source, `${folder}data/${value.storage.key}`, name, value));
    }
  };
  await collect(root, "");
  return tensors;
}

async function valuesOf(
  source: FileSource,
  file: string,
  name: string,
  { storage, offset, shape, strides }: PickledTensor,
): Promise<LoadedTensor> {
  const bytes = await source.read(file, largest.tensor), count = shape.reduce((a, b) => a * b, 1);
  const size = storages[storage.type as keyof typeof storages], held = Math.floor(bytes.length / size);
  const last = shape.reduce((at, length, i) => at + (length - 1) * strides[i], offset);
  const fits = shape.length === strides.length && count <= largest.elements && offset >= 0 &&
    shape.every((length) => length >= 0) && strides.every((stride) => stride >= 0);
  if (!fits || (count > 0 && last >= held)) {
    throw new InputError(`${source.path}: tensor "${name}" reaches beyond its ${held} values`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = {
    FloatStorage: (i: number) => view.getFloat32(4 * i, true),
    HalfStorage: (i: number) => view.getFloat16(2 * i, true),
    DoubleStorage: (i: number) => view.getFloat64(8 * i, true),
    BFloat16Storage(i: number) {
      const word = new DataView(new ArrayBuffer(4));
      word.setUint16(2, view.getUint16(2 * i, true), true);
      return word.getFloat32(0, true);
    },
  }[storage.type as keyof typeof storages];
  const data = new Float32Array(count), place = new Array<number>(shape.length).fill(0);
  for (let i = 0, at = offset; i < count; i++) {
    data[i] = read(at);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis];
      if (++place[axis] < shape[axis]) break;
      at -= shape[axis] * strides[axis];
      place[axis] = 0;
    }
  }
  return { shape, data };
}

/** What a pickle puts together of tables, lists, numbers, texts and tensors. */
function unpickled(path: string, bytes: Uint8Array): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stack: unknown[] = [], marks: number[] = [], memo = new Map<number, unknown>();
  const refuse = (what: string) => new InputError(`${path} is no plain table of tensors: ${what}`);
  let at = 0;
  const take = (length: number) => {
    if (at + length > bytes.length) throw refuse("it ends in the middle");
    return bytes.subarray(at, at += length);
  };
  const uint = (length: 1 | 2 | 4 | 8) => {
    const from = at;
    take(length);
    return length === 1
      ? view.getUint8(from)
      : length === 2
      ? view.getUint16(from, true)
      : length === 4
      ? view.getUint32(from, true)
      : Number(view.getBigUint64(from, true));
  };
  const text = (length: number) => new TextDecoder().decode(take(length));
  const line = () => {
    const end = bytes.indexOf(10, at);
    if (end < 0) throw refuse("it ends in the middle");
    const found = text(end - at);
    at++;
    return found;
  };
  const pop = () => {
    if (!stack.length) throw refuse("it takes what is not there");
    return stack.pop();
  };
  const top = () => stack.at(-1);
  const sinceMark = () => {
    const from = marks.pop();
    if (from === undefined) throw refuse("it takes what is not there");
    return stack.splice(from);
  };
  const setItems = (table: unknown, items: unknown[]) => {
    if (!(table instanceof Map)) throw refuse("it fills what is no table");
    for (let i = 0; i + 1 < items.length; i += 2) table.set(items[i], items[i + 1]);
  };
  const call = (of: unknown, args: unknown): unknown => {
    const name = of instanceof Global ? of.path : "something else", given = args as unknown[];
    if (name === "collections.OrderedDict") return new Map();
    if (name === "torch._utils._rebuild_tensor_v2") {
      const [storage, offset, shape, strides] = given;
      return new PickledTensor(storage as Storage, offset as number, shape as number[], strides as number[]);
    }
    if (name === "torch._utils._rebuild_parameter") return given[0];
    throw refuse(`it calls ${name}`);
  };
  for (;;) {
    const code = uint(1);
    switch (code) {
      case 0x80: // PROTO
        take(1);
        break;
      case 0x95: // FRAME
        take(8);
        break;
      case 0x2e: // STOP
        return pop();
      case 0x28: // MARK
        marks.push(stack.length);
        break;
      case 0x7d: // EMPTY_DICT
        stack.push(new Map());
        break;
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
        stack.push([]);
        break;
      case 0x4e: // NONE
        stack.push(null);
        break;
      case 0x88: // NEWTRUE
      case 0x89: // NEWFALSE
        stack.push(code === 0x88);
        break;
      case 0x4b: // BININT1
        stack.push(uint(1));
        break;
      case 0x4d: // BININT2
        stack.push(uint(2));
        break;
      case 0x4a: { // BININT
        stack.push(uint(4) | 0);
        break;
      }
      case 0x8a: { // LONG1
        let value = 0n;
        const digits = take(uint(1));
        for (const [i, byte] of digits.entries()) value |= BigInt(byte) << BigInt(8 * i);
        stack.push(Number(BigInt.asIntN(8 * digits.length, value)));
        break;
      }
      case 0x47: // BINFLOAT
        take(8);
        stack.push(view.getFloat64(at - 8));
        break;
      case 0x58: // BINUNICODE
        stack.push(text(uint(4)));
        break;
      case 0x8c: // SHORT_BINUNICODE
        stack.push(text(uint(1)));
        break;
      case 0x63: { // GLOBAL
        const module = line();
        stack.push(new Global(`${module}.${line()}`));
        break;
      }
      case 0x93: { // STACK_GLOBAL
        const name = pop();
        stack.push(new Global(`${pop()}.${name}`));
        break;
      }
      case 0x71: // BINPUT
        memo.set(uint(1), top());
        break;
      case 0x72: // LONG_BINPUT
        memo.set(uint(4), top());
        break;
      case 0x94: // MEMOIZE
        memo.set(memo.size, top());
        break;
      case 0x68: // BINGET
        stack.push(memo.get(uint(1)));
        break;
      case 0x6a: // LONG_BINGET
        stack.push(memo.get(uint(4)));
        break;
      case 0x74: // TUPLE
        stack.push(sinceMark());
        break;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: { // TUPLE3
        const items = Array.from({ length: code - 0x84 }, pop).reverse();
        stack.push(items);
        break;
      }
      case 0x61: { // APPEND
        const item = pop();
        (top() as unknown[]).push(item);
        break;
      }
      case 0x65: { // APPENDS
        const items = sinceMark();
        (top() as unknown[]).push(...items);
        break;
      }
      case 0x73: { // SETITEM
        const value = pop(), key = pop();
        setItems(top(), [key, value]);
        break;
      }
      case 0x75: { // SETITEMS
        const items = sinceMark();
        setItems(top(), items);
        break;
      }
      case 0x51: { // BINPERSID
        const [kind, type, key] = pop() as [unknown, unknown, unknown];
        if (kind !== "storage" || !(type instanceof Global) || !/^\d+$/.test(String(key))) {
          throw refuse("it refers to something outside of it");
        }
        stack.push({ type: type.path.replace(/^torch\./, ""), key: String(key) } satisfies Storage);
        break;
      }
      case 0x52: { // REDUCE
        const args = pop();
        stack.push(call(pop(), args));
        break;
      }
      case 0x62: { // BUILD: state dicts carry their version
        pop();
        if (!(top() instanceof Map)) throw refuse("it changes an object");
        break;
      }
      default:
        throw refuse(`it has the step 0x${code.toString(16)}`);
    }
  }
}
