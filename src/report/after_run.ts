/** The report at the end of a run: convenient, and never a reason for the run to fail. */
import { messageOf } from "../common/errors.ts";

/** Writes the report of a run folder and says where it is, or why there is none. */
export async function reportAfterRun(folder: string): Promise<void> {
  try {
    // Loaded here: Vega and a renderer of PNG should not be waited for before a run.
    const { writeReport } = await import("./run_report.ts");
    const [report] = await writeReport([folder]);
    console.log(`report: ${report}`);
  } catch (error) {
    console.error(
      `no report was written (${messageOf(error)}); deno task report --run ${folder} tries again`,
    );
  }
}
