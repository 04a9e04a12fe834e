/** Points of classes that probes are tested on. */
import type { LabelledPoints } from "../../src/classify/forest.ts";
import { seeded } from "../../src/common/random.ts";

/** Classes side by side that overlap, in 20 features of which 5 say something, one of them by its square alone. */
export function overlapping(n: number, seed: number): LabelledPoints {
  const random = seeded(seed, 0x0f0), width = 20, classes = 4;
  const labels = Int32Array.from({ length: n }, (_, i) => i % classes);
  const points = new Float32Array(n * width);
  for (let i = 0; i < n; i++) {
    for (let f = 0; f < width; f++) points[i * width + f] = random.normal();
    for (let f = 0; f < 3; f++) points[i * width + f] += 0.7 * (labels[i] >> (f % 2) & 1);
    points[i * width + 3] *= 1 + labels[i];
    points[i * width + 4] += 0.5 * labels[i];
  }
  return { points, labels, classes };
}
