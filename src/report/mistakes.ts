/** A confusion matrix whose cells lead to the light curves that they count: plain HTML, which needs no script. */
import type { Result } from "../classify/results.ts";
import { predictionsPath, readTestPredictions } from "../classify/test_predictions.ts";
import { lightCurveFinder } from "../discover/light_curves_of.ts";
import type { Dataset } from "../data/dataset.ts";
import { lombScargle } from "../evaluate/lomb_scargle.ts";
import { exists } from "../files/atomic.ts";
import { createHash } from "node:crypto";
import type { Candidate } from "./classification_figures.ts";
import { float32Digits, magnitudeAxisOf, phaseOf } from "./column.ts";
import { Html, html } from "./html.ts";
import { palette } from "./style.ts";

/** Light curves of a cell that are drawn, and in all; the others are named. */
const drawnOfCell = 12, drawnInAll = 240;
/** Observations that are drawn of a light curve; of more, some are left out evenly. */
const mostPoints = 250;

/** A light curve that was taken for another class. */
interface Mistake {
  id: string;
  band: string | null;
  truth: string;
  predicted: string;
  /** In so many folds. */
  folds: number;
  /** Mean probability, over these folds, of the class that it was taken for. */
  probability: number;
}

/** What was said of the test set in the folds of one scenario. */
interface Judgement {
  /** Light curves by true and predicted class, over all folds. */
  counts: Map<string, number>;
  mistakes: Mistake[];
  folds: number;
}

const keyOf = (...parts: (string | null)[]) => JSON.stringify(parts);

async function judgementOf(folder: string, results: readonly Result[]): Promise<Judgement | null> {
  const counts = new Map<string, number>(), mistakes = new Map<string, Mistake>();
  let folds = 0;
  for (const result of results) {
    const path = predictionsPath(folder, result);
    if (!await exists(path)) continue;
    folds++;
    for (const row of await readTestPredictions(path)) {
      const { id, class: truth, predicted } = row as Record<string, string>, band = row.band as string | null;
      const cell = keyOf(truth, predicted), probability = row[`probability_${predicted}`] as number;
      counts.set(cell, (counts.get(cell) ?? 0) + 1);
      if (truth === predicted) continue;
      const key = keyOf(id, band, truth, predicted), known = mistakes.get(key);
      if (known) {
        known.probability += (probability - known.probability) / ++known.folds;
      } else mistakes.set(key, { id, band, truth, predicted, folds: 1, probability });
    }
  }
  return folds === 0 ? null : { counts, mistakes: [...mistakes.values()], folds };
}

/**
 * The confusion matrix of the largest scenario, its cells leading to the light curves that were taken for another class,
 * each folded on its best period.
 * @param dataset undefined where it is gone: light curves are then named and not drawn
 * @returns null where the run keeps no predictions
 */
export async function mistakesHtml(
  folder: string,
  results: readonly Result[],
  { model, head }: Candidate,
  dataset: Dataset | undefined,
): Promise<Html | null> {
  const most = Math.max(...results.map((result) => result.samples_per_class));
  const chosen = results.filter((one) =>
    one.samples_per_class === most && one.model === model && one.head === head
  );
  const judged = await judgementOf(folder, chosen);
  if (!judged) return null;
  const [{ classes }] = chosen, { counts, mistakes, folds } = judged;
  const cells = Map.groupBy(mistakes, ({ truth, predicted }) => keyOf(truth, predicted));
  // Surest mistakes first: those are labels to look at again.
  for (const some of cells.values()) some.sort((a, b) => b.folds - a.folds || b.probability - a.probability);
  const pictures = dataset ? await picturesOf(dataset, [...cells.values()]) : new Map<Mistake, Html>();
  const name = "m" + createHash("sha256").update(keyOf(folder, model, head)).digest("hex").slice(0, 8);
  const place = (truth: number, predicted: number) => `${name}-${truth}-${predicted}`;
  const count = (truth: string, predicted: string) => counts.get(keyOf(truth, predicted)) ?? 0;
  return html`
    <h3 id="${name}">Misclassified light curves: ${model}, ${head}</h3>
    <p>Test light curves by true class (row) and predicted class, ${most} samples per class, ${folds === 1
      ? "one fold"
      : `${folds} folds together`}. A number leads to the light curves that it counts, which stand below the table, the surest mistakes first.</p>
    <div class="table" tabindex="0">
      <table>
        <thead>
          <tr><th scope="col">true class</th>${classes.map((predicted) =>
            html`<th scope="col" class="number">${predicted}</th>`
          )}</tr>
        </thead>
        <tbody>${classes.map((truth, row) =>
          html`<tr><th scope="row">${truth}</th>${
            classes.map((predicted, column) => {
              const n = count(truth, predicted);
              return row === column || n === 0 ? html`<td class="number">${n || "·"}</td>` : html`
                <td
                  class="number"><a href="#${place(
                    row,
                    column,
                  )}" aria-label="${n} of ${truth} taken for ${predicted}">${n}</a></td>
              `;
            })
          }</tr>\n`
        )}</tbody>
      </table>
    </div>
    ${classes.flatMap((truth, row) =>
      classes.map((predicted, column) => {
        const some = cells.get(keyOf(truth, predicted)) ?? [];
        if (some.length === 0) return null;
        return html`<section class="mistakes" id="${place(row, column)}">
          <h4>${truth} taken for ${predicted}: ${some.length} light curves <a href="#${name}">back</a></h4>
          <div class="panels">${some.flatMap((mistake) => pictures.get(mistake) ?? [])}</div>${
          some.some((mistake) => !pictures.has(mistake))
            ? html`<p>${pictures.size ? "Further ones: " : ""}${
              some.filter((mistake) => !pictures.has(mistake)).map(labelOf).join(", ")
            }</p>`
            : null
        }</section>\n`;
      })
    )}
  `;
}

function labelOf({ id, band }: Pick<Mistake, "id" | "band">): string {
  return band === null ? id : `${id} (${band})`;
}

/** Pictures of as many mistakes as are drawn. */
async function picturesOf(
  dataset: Dataset,
  cells: readonly (readonly Mistake[])[],
): Promise<Map<Mistake, Html>> {
  const finder = lightCurveFinder(dataset), { mjd, mag, err, offsets, lengths } = dataset;
  // From each cell the first, then from each the second, as far as there is room.
  const chosen = Array.from({ length: drawnOfCell }, (_, rank) => cells.flatMap((some) => some[rank] ?? []))
    .flat()
    .slice(0, drawnInAll);
  const found = chosen.flatMap((mistake) => {
    const i = finder(mistake);
    if (i === undefined) return [];
    const [from, to] = [offsets[i], offsets[i] + lengths[i]];
    const curve = { mjd: mjd.slice(from, to), magnitude: mag.slice(from, to), error: err.slice(from, to) };
    return [{ mistake, curve }];
  });
  if (found.length === 0) return new Map();
  const peaks = await lombScargle(found.map(({ curve }) => curve), { oversampling: 3 });
  return new Map(found.map(({ mistake, curve }, i) => [mistake, picture(mistake, curve, peaks[i]?.period)]));
}

const width = 190, height = 96;

/** A light curve folded on a period, two cycles, or in time where there is none. */
function picture(
  mistake: Mistake,
  { mjd, magnitude }: { mjd: Float64Array; magnitude: Float32Array },
  period: number | undefined,
): Html {
  const step = Math.max(1, mjd.length / mostPoints), folds = period !== undefined && Number.isFinite(period);
  const places = Array.from({ length: Math.floor(mjd.length / step) }, (_, i) => Math.floor(i * step));
  const { axis } = magnitudeAxisOf(places.map((place) => magnitude[place]));
  const { domain } = axis.scale as { domain?: readonly number[] };
  const values = places.map((place) => magnitude[place]);
  const [bright, faint] = domain ??
    [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  const last = mjd[mjd.length - 1] - mjd[0] || 1,
    y = (m: number) => 4 + (height - 8) * (m - bright) / (faint - bright || 1);
  const dots = places.flatMap((place) => {
    const m = magnitude[place], at = y(m);
    if (at < 0 || at > height) return [];
    const t = mjd[place] - mjd[0], phase = folds ? phaseOf(t, period, 0) : t / last;
    const xs = folds ? [phase / 2, (phase + 1) / 2] : [phase];
    return xs.map((x) => `M${(4 + (width - 8) * x).toFixed(1)} ${at.toFixed(1)}h0`);
  }).join("");
  const what = folds ? `${Number(period.toPrecision(5))} d` : `${Math.round(last)} days`;
  const { folds: often, probability } = mistake;
  return html`
    <figure class="panel">
      <svg viewBox="0 0 ${width} ${height}" role="img"
        aria-label="light curve of ${labelOf(mistake)}">${new Html(
          `<rect width="${width}" height="${height}" fill="#fff"/>`,
        )}<path d="${dots}" fill="none" stroke="${palette[
          0
        ]}" stroke-width="2.2" stroke-linecap="round"/></svg>
      <figcaption><b>${labelOf(mistake)}</b> ${probability.toFixed(2)}${often > 1
        ? `, ${often} folds`
        : ""}<br>${what}, ${float32Digits(bright).toFixed(2)} to ${faint.toFixed(2)} mag</figcaption>
    </figure>
  `;
}
