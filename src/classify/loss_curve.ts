/** The losses of a fit by epoch, as its result keeps them. */
import type { OnEpoch } from "./train_head.ts";

/** Losses by epoch, as a report draws them. */
export interface LossCurve {
  epoch: number[];
  train: number[];
  validation: number[];
}

/** Epochs of a curve that are kept, at most. */
const keptEpochs = 60;

/** Collects losses; of many epochs some are kept, evenly, and the last. */
export function lossCurve(): { curve: () => LossCurve; onEpoch: OnEpoch } {
  const all: [epoch: number, train: number, validation: number][] = [];
  const digits = (value: number) => Number(value.toPrecision(5));
  return {
    onEpoch: (...losses) => void all.push(losses),
    curve: () => {
      const step = Math.ceil(all.length / keptEpochs);
      const kept = all.filter((_, i) => (all.length - 1 - i) % step === 0);
      return {
        epoch: kept.map(([epoch]) => epoch),
        train: kept.map(([, train]) => digits(train)),
        validation: kept.map(([, , validation]) => digits(validation)),
      };
    },
  };
}
