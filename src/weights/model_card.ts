/** The `README.md` of a model folder: a model card as Hugging Face reads it. */
import { energySentences } from "../train/energy.ts";
import type { ModelConfig } from "./model_config.ts";

/** What to cite. */
export const citations = [
  "Donoso-Oliva, C., Becker, I., Protopapas, P., Cabrera-Vives, G., Cádiz-Leyton, M., Moreno-Cartagena, D. (2026), Astromer 2, A&A 707, A170",
  "Donoso-Oliva, C. et al. (2023), ASTROMER, A&A 670, A54",
];

/** A Markdown table of names and values. */
function table(head: readonly [string, string], rows: readonly (readonly [string, unknown])[]): string {
  const cell = (value: unknown) =>
    (typeof value === "string" ? value : JSON.stringify(value)).replaceAll("|", "\\|").replaceAll("\n", " ");
  return [
    `| ${head.join(" | ")} |`,
    "| --- | --- |",
    ...rows.map(([name, value]) => `| ${name} | ${cell(value)} |`),
  ].join("\n");
}

/** Rows of what was set; nothing for what was not. */
function rowsOf(values: Record<string, unknown>): [string, unknown][] {
  return Object.entries(values).filter(([, value]) => value !== undefined && value !== null);
}

function shown(value: unknown): unknown {
  if (Number.isNaN(value)) return "not defined";
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
}

/** What a card's metadata say beside what `config.json` does. */
export interface CardDetails {
  /** The model's name; with it its metrics are listed as the Hub's `model-index`. */
  name?: string;
  license?: string;
  /** Datasets of the Hub, ORG/NAME. */
  datasets?: readonly string[];
}

/** A card's metadata, in YAML, as the Hugging Face Hub reads them. */
export function frontMatter(config: ModelConfig, { name, license, datasets = [] }: CardDetails = {}): string {
  const { metrics = {}, dataset } = config;
  const measured = Object.entries({ validation_rmse: "rmse", validation_r2: "r_squared" })
    .filter(([key]) => Number.isFinite(metrics[key]))
    .flatMap(([key, type]) => [
      `    - type: ${type}`,
      `      value: ${metrics[key]}`,
      `      name: ${key === "validation_rmse" ? "RMSE of probed points, mag" : "R2 of probed points"}`,
    ]);
  const of = dataset?.folder.replace(/\/+$/, "").split("/").at(-1) || "unknown";
  return [
    "---",
    "library_name: astromer",
    "pipeline_tag: feature-extraction",
    "tags:",
    "- astronomy",
    "- light-curves",
    "- time-series",
    "- self-supervised",
    `license: ${license ?? config.license ?? "other"}`,
    ...datasets.length ? ["datasets:", ...datasets.map((id) => `- ${id}`)] : [],
    ...name !== undefined && measured.length
      ? [
        "model-index:",
        // A text in JSON is one in YAML.
        `- name: ${JSON.stringify(name)}`,
        "  results:",
        "  - task:",
        "      type: feature-extraction",
        "      name: prediction of hidden magnitudes",
        "    dataset:",
        `      type: ${JSON.stringify(of)}`,
        `      name: ${JSON.stringify(of)}`,
        "      split: validation",
        "    metrics:",
        ...measured,
      ]
      : [],
    "---",
    "",
  ].join("\n");
}

/** A card without its metadata. */
export function cardBody(card: string): string {
  return card.replace(/^---\n[\s\S]*?\n---\n+/, "");
}

/**
 * The card of a model: what it is, how to use it, data, metrics, settings, energy, licence, citation.
 * @param config the model's `config.json`
 */
export function modelCard(config: ModelConfig): string {
  const { architecture, parameters, dataset, preprocessing, training, metrics, energy, notes, origin } =
    config;
  const width = architecture.heads * architecture.head_size;
  const section = (title: string, body: string | undefined) => body ? [`## ${title}`, "", body, ""] : [];
  return [
    frontMatter(config),
    "# Astromer",
    "",
    `A self-supervised transformer encoder of astronomical light curves: ${architecture.blocks} blocks, ` +
    `${architecture.heads} heads of ${architecture.head_size}, ${
      parameters.toLocaleString("en")
    } parameters. It reads windows of ` +
    `${config.window_size} observations (MJD, magnitude) of one object in one band, and gives an embedding of width ` +
    `${width} for each.`,
    "",
    ...origin ? [origin, ""] : [],
    ...(notes ?? []).flatMap((note) => [`- ${note}`]),
    ...notes?.length ? [""] : [],
    ...section(
      "Use",
      [
        "```sh",
        "deno task embed --model THIS_FOLDER --data DATASET --output embeddings.parquet",
        "```",
        "",
        "Weights are in `model.safetensors` under PyTorch's conventions (a linear map's weight is (out, in)); sizes and switches " +
        "in `config.json`.",
      ].join("\n"),
    ),
    ...section(
      "Data",
      dataset &&
        table(["", ""], [
          ...rowsOf({
            dataset: dataset.folder,
            "SHA-256 fingerprint": dataset.fingerprint,
            "light curves": dataset.light_curves,
            observations: dataset.observations,
          }),
          ...rowsOf(preprocessing ?? {}),
        ]),
    ),
    ...section(
      "Metrics",
      metrics && Object.keys(metrics).length
        ? table(
          ["when it was saved", ""],
          rowsOf(metrics).map(([name, value]) => [name, shown(value)] as const),
        )
        : undefined,
    ),
    ...section("Settings of training", training && table(["setting", "value"], rowsOf(training))),
    ...section("Energy and carbon footprint", energy && energySentences(energy)),
    ...section(
      "Licence",
      config.license
        ? undefined
        : "None was named: whoever publishes these weights decides on one (`license` above), as the data allow.",
    ),
    ...section(
      "Citation",
      `${citations.join("; ")}. Made with Astromer for Deno ${config.astromer_version}.`,
    ),
  ].join("\n");
}
