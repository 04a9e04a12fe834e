/** A survey for commands that look at one light curve. */
import { Astromer } from "../../src/library/astromer.ts";
import { succeed } from "./support.ts";

/**
 * A survey as a dataset folder, and an untrained model: "long" has 250 observations and a period of 7.3 days, "two bands"
 * has 20 in each of g and r, "constant" does not vary.
 */
export async function periodicDataset(folder: string): Promise<{ data: string; model: string }> {
  const lines = ["id,band,mjd,mag,err"];
  const add = (id: string, band: string, observations: number, amplitude: number) => {
    for (let i = 0; i < observations; i++) {
      const mjd = 51_000 + 1.7 * i + 0.6 * Math.sin(i * i);
      const magnitude = 14 + amplitude * Math.sin(2 * Math.PI * mjd / 7.3);
      lines.push([id, band, mjd, magnitude, 0.02].join());
    }
  };
  add("long", "V", 250, 0.4);
  add("two bands", "g", 20, 0.4);
  add("two bands", "r", 20, 0.3);
  add("constant", "V", 30, 0);
  await Deno.writeTextFile(`${folder}/survey.csv`, lines.join("\n"));
  const data = `${folder}/data`, model = `${folder}/model`;
  await succeed(
    "preprocess",
    "--input",
    `${folder}/survey.csv`,
    "--no-noise-filter",
    "--no-trim",
    "--output",
    data,
  );
  using untrained = Astromer.untrained({ preset: "small" });
  await untrained.save(model);
  return { data, model };
}
