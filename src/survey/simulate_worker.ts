/** A worker that simulates light curves, one order after the other. */
import { simulateLightCurves } from "./simulated_light_curves.ts";
import { answerWith } from "./workers.ts";

answerWith(
  simulateLightCurves,
  ({ labels, periods, lengths, ids, mjd, mag, err }) =>
    [labels, periods, lengths, ids, mjd, mag, err].map(({ buffer }) => buffer as ArrayBuffer),
);
