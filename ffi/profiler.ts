/**
 * Time by operator, backward pass included: libtorch tells an observer when each operator starts and ends, as it tells
 * PyTorch's own profiler.
 */
import { type Device, synchronize } from "./device.ts";
import { libtorch } from "./library.ts";

/** What one operator cost. */
export interface OperatorCost {
  /** As PyTorch names it, for instance "aten::addmm". */
  operator: string;
  /** Within the backward pass. */
  backward: boolean;
  calls: number;
  /** Time in the operator itself, without the operators that it called. */
  seconds: number;
}

/** Told, while operators are observed, of one that begins; what it returns is called when that ends. */
let observer: ((operator: string) => () => void) | undefined;

/** Runs a function of libtorch of which it tells no observer, as an operator of this name. */
export function observed<R>(operator: string, run: () => R): R {
  if (!observer) return run();
  const ended = observer(operator);
  try {
    return run();
  } finally {
    ended();
  }
}

/** Whether operators can be observed here: the observer's calling convention is that of Linux and macOS on x86-64. */
export function canProfile(): boolean {
  const { torch } = libtorch();
  return Deno.build.arch === "x86_64" && Deno.build.os !== "windows" &&
    torch._ZN2at17addGlobalCallbackENS_22RecordFunctionCallbackE !== null;
}

/**
 * Runs a function and measures every operator in it. Observing costs some microseconds an operator; on a GPU each is
 * waited for.
 * @returns the costs, the largest first
 * @throws {TypeError} where {@link canProfile} is false
 */
export function profile(run: () => void, device: Device = "cpu"): OperatorCost[] {
  const { torch } = libtorch();
  const { _ZN2at17addGlobalCallbackENS_22RecordFunctionCallbackE: add, _ZN2at14removeCallbackEm: remove } =
    torch;
  const nameOf = torch._ZNK2at14RecordFunction4nameEv;
  if (!canProfile() || !add || !remove || !nameOf) throw new TypeError("operators cannot be observed here");

  const costs = new Map<string, OperatorCost>();
  const running: { start: number; inner: number; backward: boolean }[] = [];
  const now = () => {
    synchronize(device);
    return performance.now() / 1000;
  };
  const begin = (operator: string) => {
    const backward = running.at(-1)?.backward || operator.startsWith("autograd::engine");
    running.push({ start: now(), inner: 0, backward });
  };
  const finish = (operator: string) => {
    const { start, inner, backward } = running.pop()!;
    const seconds = now() - start;
    const outer = running.at(-1);
    if (outer) outer.inner += seconds;
    const key = `${operator} ${backward}`;
    const cost = costs.get(key) ?? { operator, backward, calls: 0, seconds: 0 };
    costs.set(key, { ...cost, calls: cost.calls + 1, seconds: cost.seconds + seconds - inner });
  };
  const named = (observed: Deno.PointerValue) => Deno.UnsafePointerView.getCString(nameOf(observed)!);
  // std::unique_ptr<ObserverContext> start(const RecordFunction&): the result's place is the first argument.
  const start = new Deno.UnsafeCallback(
    { parameters: ["pointer", "pointer"], result: "pointer" },
    (result, observed) => {
      new BigUint64Array(Deno.UnsafePointerView.getArrayBuffer(result!, 8))[0] = 0n;
      begin(named(observed));
      return result;
    },
  );
  // void end(const RecordFunction&, ObserverContext*)
  const end = new Deno.UnsafeCallback({ parameters: ["pointer", "pointer"], result: "void" }, (observed) => {
    finish(named(observed));
  });

  const callback = new ArrayBuffer(40), words = new BigUint64Array(callback);
  words[0] = Deno.UnsafePointer.value(start.pointer) as bigint;
  words[1] = Deno.UnsafePointer.value(end.pointer) as bigint;
  new Float64Array(callback)[2] = 1; // every operator
  new Uint8Array(callback).set([1, 1], 24); // operators and nodes of the backward pass
  const handle = add(new Uint8Array(callback));
  observer = (operator) => {
    begin(operator);
    return () => finish(operator);
  };
  try {
    run();
  } finally {
    observer = undefined;
    remove(handle);
    start.close();
    end.close();
  }
  return [...costs.values()].sort((a, b) => b.seconds - a.seconds);
}
