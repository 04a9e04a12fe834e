/** FITS files that are cut, damaged or hostile: a sentence, never a hang or gigabytes. */
import { InputError } from "../../../src/common/errors.ts";
import { passedOver, readTables } from "../../../src/survey/formats/container.ts";
import { assertEquals, assertRejects } from "../../../src/common/std.ts";
import { sharedPath, sharedTest, testIn } from "../../shared.ts";
import { fitsTable } from "./fits_files.ts";

const read = (path: string) => Array.fromAsync(readTables(path, "fits"));

testIn("A FITS table is read, its text and numbers as they are", async (folder) => {
  const path = `${folder}/a.fits`;
  Deno.writeFileSync(path, fitsTable());
  const [piece] = await read(path);
  assertEquals(piece.columns.map(({ name, unit }) => [name, unit]), [["TIME", "d"], ["MAG", "mag"], [
    "STAR",
    undefined,
  ]]);
  assertEquals(Array.from<unknown>(piece.columns[0].values), [58000.25, 58001.25, 58002.25]);
  assertEquals(Array.from<unknown>(piece.columns[2].values), ["V1", "V1", "V2"]);
  assertEquals(piece.metadata.TIMESYS, "TDB");
});

testIn("Cut and hostile FITS files are refused with a sentence", async (folder) => {
  const path = `${folder}/a.fits`, whole = fitsTable();
  for (const length of [10, 2880, 5000, 2 * 2880 + 10]) {
    Deno.writeFileSync(path, whole.subarray(0, length));
    await assertRejects(() => read(path), InputError);
  }
  for (
    const card of [
      ["NAXIS2", "900000000000000"],
      ["NAXIS1", "900000000000000"],
      ["NAXIS2", "-1"],
      ["TFIELDS", "99999999"],
      ["TFORM1", "'999999999D'"],
      ["TFORM1", "'9Z'"],
      ["TFORM1", "'1PD(9)'"],
      ["BITPIX", "'x'"],
    ] as const
  ) {
    Deno.writeFileSync(path, fitsTable({ [card[0]]: card[1] }));
    await assertRejects(() => read(path), InputError);
  }
});

testIn("Any damage to a FITS file is read or refused", async (folder) => {
  const path = `${folder}/a.fits`, whole = fitsTable({ TFORM3: "'1PE(2)'", THEAP: "60", PCOUNT: "64" });
  let state = 7;
  const random = (below: number) => (state = (state * 1103515245 + 12345) % 2147483648) % below;
  for (let k = 0; k < 150; k++) {
    const bytes = whole.slice();
    for (let n = 0; n < 3; n++) {
      bytes[2880 + random(bytes.length - 2880)] = random(3) ? 48 + random(10) : random(256);
    }
    Deno.writeFileSync(path, bytes);
    try {
      await read(path);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  }
});

sharedTest("FITS files of surveys are read, and what is no light curve is passed over", async () => {
  const path = (name: string) => sharedPath(`cases/${name}`);
  const snana = await read(path("106-des-snana-fits-gz/DES-SN5YR_Foundation_PHOT.FITS.gz"));
  const ids = snana.flatMap(({ columns }) => columns.find(({ name }) => name === "SNID")!.values as string[]);
  assertEquals([ids.length, new Set(ids).size], [6010, 185]);
  assertEquals(
    await passedOver(path("106-des-snana-fits-gz/DES-SN5YR_Foundation_HEAD.FITS.gz"), "fits"),
    "the header of an SNANA file, read with its photometry",
  );
  assertEquals(
    await passedOver(path("26-hats-nested-parquet/input/skymap.fits"), "fits"),
    "a map of the sky (HEALPix)",
  );
  const [kepler] = await read(path("20-kepler-fits/input/kplr000757076-2009166043257_llc.fits"));
  assertEquals([kepler.rows, kepler.metadata.KEPLERID], [1639, "757076"]);
  assertEquals(kepler.columns[0].values[0], 54964.51195465223);
});
