/** The section about what the trainings cost. */
import { memoryPower } from "../train/energy.ts";
import { html } from "./html.ts";
import { type RunFolder, trainingsOf } from "./run_folder.ts";
import { type Section, sum } from "./section.ts";
import type { Cell } from "../files/csv.ts";

/** Estimates that the runs' last models carry; nothing where there are none. */
export function energySections(runs: readonly RunFolder[]): Section[] {
  const found = runs.flatMap(trainingsOf).flatMap(({ folder, last }) =>
    last?.energy ? [{ folder, ...last.energy }] : []
  );
  if (found.length === 0) return [];
  const total = (name: "hours" | "energy" | "co2") => sum(found.map((one) => one[name]));
  return [{
    title: "Energy and carbon footprint",
    folder: runs[0].folder,
    parts: [
      html`<p>Estimated, not measured, after Lannelongue et al. (2021): E = t (cores × P<sub>core</sub> + GPUs ×
P<sub>GPU</sub> + memory × ${memoryPower} W/GB) × PUE, all taken to be busy all the time, until the last model was saved; CO<sub>2</sub>
equivalent = E × carbon intensity. Powers, power usage effectiveness (PUE) and carbon intensity are settings of the run, the
last two by default the world’s averages; a computing centre can tell its own. Classifiers, which take seconds, are not
counted.</p>`,
      {
        caption: "Energy and carbon footprint of the trainings",
        columns: [
          ...[
            "run",
            "hours",
            "CPU cores",
            "W per core",
            "GPUs",
            "W per GPU",
            "memory (GB)",
            "PUE",
            "g CO₂e per kWh",
          ],
          ...["energy (kWh)", "CO₂e (kg)"],
        ],
        rows: [
          ...found.map((one): Cell[] => [
            one.folder,
            one.hours,
            one.cores,
            one.core_power,
            one.gpus,
            one.gpu_power,
            one.memory,
            one.power_usage_effectiveness,
            one.carbon_intensity,
            one.energy,
            one.co2,
          ]),
          ...found.length > 1
            ? [[
              "all",
              total("hours"),
              null,
              null,
              null,
              null,
              null,
              null,
              null,
              total("energy"),
              total("co2"),
            ]]
            : [],
        ],
      },
    ],
  }];
}
