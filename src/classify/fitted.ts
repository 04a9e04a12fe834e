/**
 * What fitted classifiers and regressors have in common: a head or neighbors, and the light curves that were trained
 * on.
 */
import type { Device } from "../../ffi/device.ts";
import type { Forest } from "./forest.ts";
import { Head, type HeadKind, headKinds, type Standardization } from "./head.ts";
import { distinctRows, type Reference } from "./points.ts";

/**
 * Heads of a classifier: see `HeadKind`; `knn`: the nearest training light curves vote, weighted by nearness;
 * `forest`: a
 * random forest of 500 trees on the means of all layers, over a light curve's windows. It needs no light curves to
 * stop at,
 * so those of the validation train it, too, and the trees that have not seen a light curve say how sure it may be.
 */
export type ClassifierKind = "gamma" | "mean" | "max" | "mean-max" | "all" | "linear" | "knn" | "forest";
export const classifierKinds = [...headKinds, "knn", "forest"] as const satisfies readonly ClassifierKind[];

/** Whether a head is trained by gradients. */
export function hasGradients(kind: ClassifierKind): kind is HeadKind {
  return kind !== "knn" && kind !== "forest";
}

/** Numbers of neighbors that a knn chooses among, by its validation. */
export const neighborChoices = [1, 3, 5, 10, 20, 40];

/** What every fit gives. */
export interface FittedParts<R extends Reference> {
  kind: ClassifierKind;
  /** Vectors of a window, and their length. */
  shape: { vectors: number; width: number };
  standardization: Standardization;
  reference: R;
  /** Null of knn. */
  head: Head | Forest | null;
  neighbors: number;
}

/** A classifier or regressor that was fitted. */
export abstract class Fitted<R extends Reference> implements Disposable {
  readonly kind: ClassifierKind;
  /** Null of knn. */
  readonly head: Head | Forest | null;
  readonly neighbors: number;
  protected readonly shape: { vectors: number; width: number };
  protected readonly standardization: Standardization;
  protected readonly reference: R;
  /** The reference's points, each once: an object that is taken repeatedly is no nearer for that. */
  protected readonly distinct: Float32Array<ArrayBuffer>;

  constructor({ kind, shape, standardization, reference, head, neighbors }: FittedParts<R>) {
    this.kind = kind;
    this.head = head;
    this.neighbors = neighbors;
    this.shape = shape;
    this.standardization = standardization;
    this.reference = reference;
    this.distinct = distinctRows(reference.points, shape.width);
  }

  /** Vectors of a window, and their length. */
  get vectorShape(): [vectors: number, width: number] {
    return [this.shape.vectors, this.shape.width];
  }

  /** Where vectors must be that its head reads. */
  get device(): Device {
    return this.head instanceof Head ? this.head.parameters.master.device : "cpu";
  }

  /** What is wrong with a model that makes so many vectors of such a length; undefined where they fit. */
  misfit([vectors, width]: readonly [vectors: number, width: number]): string | undefined {
    const { shape } = this;
    if (shape.vectors === vectors && shape.width === width) return undefined;
    return `reads ${shape.vectors} vectors of ${shape.width} a window, this model makes ${vectors} of ${width}`;
  }

  /** Frees the native memory. */
  [Symbol.dispose](): void {
    if (this.head instanceof Head) this.head[Symbol.dispose]();
  }
}
