/** A number of each light curve, with an interval: the amplitude, from 150 stars whose amplitude is known. */
import { Astromer, Regressor } from "../mod.ts";
import { simulate } from "./simulated.ts";

const stars = simulate(200).map((star) => {
  const sorted = star.magnitude.toSorted();
  return { ...star, value: sorted[75] - sorted[4] }; // mag, without the few points that stand out
});
const known = stars.slice(0, 150), others = stars.slice(150);

using model = await Astromer.load("astromer2-surveys");
using regressor = await Regressor.fit(model, known, {
  name: "amplitude",
  head: "linear",
  learningRate: 0.01,
});
const found = await regressor.predict(others, { coverage: 0.9 });

const error = (values: number[]) =>
  Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0) / values.length);
const mean = known.reduce((sum, { value }) => sum + value, 0) / known.length;
const within = found.filter(({ interval }, i) =>
  interval![0] <= others[i].value && others[i].value <= interval![1]
);
console.log(`RMSE ${error(found.map(({ value }, i) => value - others[i].value)).toFixed(3)} mag`);
console.log(`RMSE of the mean ${error(others.map(({ value }) => value - mean)).toFixed(3)} mag`);
console.log(`${within.length} of ${others.length} intervals hold the true value`);
