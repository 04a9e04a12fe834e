/** A worker that simulates light curves, one order after the other. */
import { type Order, simulateLightCurves } from "./simulated_light_curves.ts";

// A worker's own scope is not among the types that the project is checked with.
const scope = self as unknown as {
  onmessage: (event: MessageEvent<Order>) => void;
  postMessage(result: unknown, transferred: Transferable[]): void;
};

scope.onmessage = ({ data }) => {
  const result = simulateLightCurves(data);
  const { labels, periods, lengths, ids, mjd, mag, err } = result;
  scope.postMessage(
    result,
    [labels, periods, lengths, ids, mjd, mag, err].map(({ buffer }) => buffer as ArrayBuffer),
  );
};
