/** What `--data` or `--input` names, as a dataset: a folder as it is, survey files through a folder of passing life. */
import { type Given, setting, z } from "../common/setting.ts";
import { type Dataset, openDataset } from "../data/dataset.ts";
import { InputError } from "../common/errors.ts";
import { landingOf } from "../files/atomic.ts";
import { preprocess } from "./preprocess.ts";
import { consoleProgress, type Progress } from "./progress.ts";
import { columnsShape, filterShape, inputSetting, resourcesShape } from "./settings.ts";

/** Settings of commands that take a dataset folder or survey files. */
export const dataOrInputShape = {
  data: setting(z.string().optional(), "dataset folder, as preprocess writes it"),
  input: setting(
    inputSetting.optional(),
    `in place of --data, ${
      inputSetting.meta()!.help
    }; filtered like the model's training data, unless the settings below say otherwise`,
  ),
  ...columnsShape,
  ...filterShape,
  memory_limit: resourcesShape.memory_limit,
} as const;

type DataOrInput = z.output<z.ZodObject<typeof dataOrInputShape>> & { threads?: number };

/** A dataset, and what it leaves on disk while it is open. */
export interface OpenedData extends AsyncDisposable {
  dataset: Dataset;
}

/**
 * Opens the dataset folder, or preprocesses the survey files into a folder beside the output that is gone afterwards.
 * @param given names of the settings that were not left to their defaults
 * @param filters how the model's training data were filtered: holds for what was not given
 * @param output the command's own output
 * @param progress takes what there is to say of the reading
 * @throws {InputError} unless there is exactly one of --data and --input, or as `openDataset` and `preprocess`
 */
export async function openDataOrInput(
  { data, input, ...settings }: DataOrInput,
  given: Given,
  filters: Record<string, unknown>,
  output: string,
  progress: Progress = consoleProgress(),
): Promise<OpenedData> {
  if ((data === undefined) === (input === undefined)) {
    throw new InputError(
      "give the light curves by either --data (a dataset folder) or --input (survey files)",
    );
  }
  const readingOnly = [...Object.keys(columnsShape), ...Object.keys(filterShape)];
  if (data !== undefined) {
    const useless = readingOnly.find((name) => given.all.has(name));
    if (useless) {
      throw new InputError(
        `--${
          useless.replaceAll("_", "-")
        } says how to read --input; a dataset folder is as preprocess made it`,
      );
    }
    const dataset = await openDataset(data);
    return { dataset, [Symbol.asyncDispose]: () => Promise.resolve(dataset[Symbol.dispose]()) };
  }
  const folder = `${await landingOf(output)}.${Deno.pid}.dataset.tmp`;
  const remove = () => Deno.remove(folder, { recursive: true }).catch(() => {});
  const filterNames = Object.keys(filterShape) as (keyof typeof filterShape)[];
  const taken = (from: Record<string, unknown>, names: readonly string[]) =>
    Object.fromEntries(names.filter((name) => name in from).map((name) => [name, from[name]]));
  try {
    await preprocess({
      ...settings,
      trim: false,
      ...taken(filters, filterNames),
      // Of noise, too, an embedding is wanted.
      noise_filter: false,
      ...taken(settings, filterNames.filter((name) => given.all.has(name))),
      input: input!,
      output: folder,
      fractions: [0, 0, 1],
      validation_fraction: 0,
      seed: 0,
    }, progress);
    const dataset = await openDataset(folder);
    return {
      dataset,
      async [Symbol.asyncDispose]() {
        dataset[Symbol.dispose]();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}
