/** Tables that astropy wrote, against what astropy reads of them. */
import { readTables, recognise } from "../../../src/survey/formats/container.ts";
import { withFacts } from "../../../src/survey/formats/table.ts";
import { assertEquals } from "../../../src/common/std.ts";
import { missingInPython } from "../../python.ts";
import { testIn } from "../../shared.ts";

const missing = missingInPython("astropy", "numpy");
const script = new URL("astropy_files.py", import.meta.url).pathname;

testIn(
  missing
    ? `Tables of astropy are read as astropy reads them (skipped: no ${missing})`
    : "Tables of astropy are read as astropy reads them",
  async (folder) => {
    const made = await new Deno.Command("python3", { args: [script, folder], stderr: "inherit" }).output();
    assertEquals(made.success, true);
    const expected = JSON.parse(await Deno.readTextFile(`${folder}/expected.json`));
    for (const [file, columns] of Object.entries<Record<string, unknown[]>>(expected)) {
      const found = await columnsOf(`${folder}/${file}`);
      assertEquals(Object.keys(found).sort(), Object.keys(columns).sort(), file);
      for (const [name, cells] of Object.entries(columns)) {
        assertEquals(found[name], cells, `${file}: ${name}`);
      }
    }
  },
  missing !== "",
);

/** All cells of a file, integers beyond 2^53 as text, no value and what is not finite as null. */
async function columnsOf(path: string): Promise<Record<string, unknown[]>> {
  const columns: Record<string, unknown[]> = {};
  for await (const piece of readTables(path, (await recognise(path))!)) {
    for (const { name, type, values, missing } of withFacts(piece).columns) {
      const cells = columns[name] ??= [];
      for (let i = 0; i < piece.rows; i++) {
        const value = values[i];
        cells.push(
          missing?.[i]
            ? null
            : type === "BOOLEAN"
            ? value === 1
            : typeof value === "bigint"
            ? Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
            : typeof value === "number"
            ? Number.isFinite(value) ? value : null
            : type === "VARCHAR" && /^\d{1,15}$/.test(value ?? "") && name === "U64"
            ? Number(value)
            : value,
        );
      }
    }
  }
  return columns;
}
