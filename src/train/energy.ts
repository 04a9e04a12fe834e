/** Energy and carbon footprint of a run, after Lannelongue, Grealey and Inouye (2021, Advanced Science 8, 2100707). */
import { setting, z } from "../common/setting.ts";

/** What the estimate assumes; none of this is measured. */
export const energyShape = {
  core_power: setting(
    z.number().min(0).default(12),
    "power of a CPU core in use, for the estimate of energy",
    "W",
  ),
  gpu_power: setting(
    z.number().min(0).default(300),
    "power of a GPU in use, for the estimate of energy",
    "W",
  ),
  power_usage_effectiveness: setting(
    z.number().min(1).default(1.67),
    "power that the data centre draws per watt of computing (default: the world's average)",
  ),
  carbon_intensity: setting(
    z.number().min(0).default(475),
    "CO2 equivalent per kilowatt hour where it runs (default: the world's average)",
    "g/kWh",
  ),
} as const;

/** The assumptions, as {@link energyShape} explains them. */
export interface EnergyAssumptions {
  /** W a core. */
  core_power: number;
  /** W a GPU. */
  gpu_power: number;
  /** Power drawn by the data centre per watt of computing. */
  power_usage_effectiveness: number;
  /** g of CO2 equivalent a kWh. */
  carbon_intensity: number;
}

/** Power of memory, W/GB, in the same source. */
export const memoryPower = 0.3725;

/** What a run used, counted as fully busy. */
export interface Usage {
  /** Hours it took. */
  hours: number;
  /** CPU cores. */
  cores: number;
  /** GPUs. */
  gpus: number;
  /** GB, 1e9 bytes. */
  memory: number;
}

/** An estimate with all that it rests on. */
export interface Energy extends Usage, EnergyAssumptions {
  /** kWh */
  energy: number;
  /** kg of CO2 equivalent. */
  co2: number;
}

const quantity = z.number().min(0);

export const energySchema = z.object({
  ...energyShape,
  hours: quantity,
  cores: quantity,
  gpus: quantity,
  memory: quantity,
  energy: quantity,
  co2: quantity,
});

/** E = t (cores P_core + GPUs P_GPU + memory P_memory) PUE; CO2 = E x carbon intensity. */
export function energyOf(usage: Usage, assumptions: EnergyAssumptions): Energy {
  const { hours, cores, gpus, memory } = usage;
  const { core_power, gpu_power, power_usage_effectiveness, carbon_intensity } = assumptions;
  const watts = cores * core_power + gpus * gpu_power + memory * memoryPower;
  const energy = hours * watts * power_usage_effectiveness / 1000;
  const assumed = { core_power, gpu_power, power_usage_effectiveness, carbon_intensity };
  return { ...usage, ...assumed, energy, co2: energy * carbon_intensity / 1000 };
}

/** The estimate and its assumptions in sentences. */
export function energySentences(estimate: Energy): string {
  const { hours, cores, gpus, memory, energy, co2 } = estimate;
  const { core_power, gpu_power, power_usage_effectiveness, carbon_intensity } = estimate;
  const short = (value: number) => Number(value.toPrecision(3));
  return `About ${short(energy)} kWh and ${
    short(co2)
  } kg of CO2 equivalent. Estimated, not measured, after Lannelongue et al. ` +
    `(2021): ${short(hours)} h of ${cores} CPU cores at ${core_power} W` +
    (gpus ? `, ${gpus} GPU at ${gpu_power} W` : "") +
    ` and ${
      short(memory)
    } GB of memory at ${memoryPower} W/GB, all taken to be busy; power usage effectiveness ` +
    `${power_usage_effectiveness}; ${carbon_intensity} g/kWh.`;
}
