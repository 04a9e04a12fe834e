/** What a file is, by what it begins with. */
import { type Format, readTables, recognise } from "../../../src/survey/formats/container.ts";
import { InputError } from "../../../src/common/errors.ts";
import { assertEquals, assertRejects } from "../../../src/common/std.ts";
import { sharedPath, sharedTest, testIn } from "../../shared.ts";

const beginnings: [string, Format | undefined][] = [
  ["id,mjd,mag,err\n1,2,3,4\n", undefined],
  ["# a comment\n1 2 3\n", undefined],
  ["| id | mjd | mag |\n| 1 | 2 | 3 |\n", undefined],
  ["SIMPLE  =                    T", "fits"],
  ["PAR1\x15\x04", "parquet"],
  ["Obj\x01\x04", "avro"],
  ['<?xml version="1.0"?>\n<!-- made by hand -->\n<VOTABLE version="1.4">', "votable"],
  ['<v:VOTABLE xmlns:v="x">', "votable"],
  ["<?xml version='1.0'?><gpx>", "xml"],
  ["<!DOCTYPE html><html>", "html"],
  ["# %ECSV 1.0\n# ---\n", "ecsv"],
  ['\\STAR = "x"\n|  JD|  mag|\n|real| real|\n 1.0 2.0\n', "ipac"],
  ["#TYPE=Extended\n#OBSCODE=X\n", "aavso"],
  ["SURVEY: X\nSNID: 1\nVARLIST: MJD FLT\nOBS: 1 g\n", "snana"],
  ["Title: X\n====\nByte-by-byte Description of file: t.txt\n----\n", "cds"],
  ["version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "lfs-pointer"],
  ["From a@b.c Thu Jan 1 00:00:00 1970\nSubject: x\n", "mail"],
  ["BZh91AY", "bzip2"],
  ["\x93NUMPY\x01", "npy"],
  ["PK\x03\x04" + "\0".repeat(22) + "\x07\0\0\0mjd.npy", "npz"],
  ["PK\x03\x04" + "\0".repeat(22) + "\x05\0\0\0a.csv", "zip"],
  ["\x80\x04\x95", "pickle"],
];

testIn("A file is told by what it begins with", async (folder) => {
  for (const [k, [start, format]] of beginnings.entries()) {
    const path = `${folder}/file-${k}`;
    await Deno.writeFile(path, Uint8Array.from(start, (sign) => sign.charCodeAt(0)));
    assertEquals(await recognise(path), format, start);
  }
});

testIn("What is refused says what to do", async (folder) => {
  const path = `${folder}/curve.fits`;
  await Deno.writeTextFile(path, "version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
  const read = async () => await Array.fromAsync(readTables(path, (await recognise(path))!));
  await assertRejects(read, InputError, "git lfs pull");
});

sharedTest("Files of surveys are told apart", async () => {
  const cases: [string, Format | undefined][] = [
    ["01-macho-mjd/input/lc_1.3444.614.B.mjd", undefined],
    ["05-ipac-tbl-exoplanet-archive/input/OB03235_OGLE.tbl.txt", "ipac"],
    ["06-ztf-irsa-csv/input/1005.csv", undefined],
    ["07-ztf-irsa-votable/input/TimeSeriesZTF.xml", "votable"],
    ["08-gaia-epoch-votable/input/gaia_multiband.xml", "votable"],
    ["10-atlas-forced-photometry/input/job01088.txt", undefined],
    ["106-des-snana-fits-gz/DES-SN5YR_Foundation_PHOT.FITS.gz", "fits"],
    ["116-ztf-forced-photometry-service/forcedphotometry_req00010458_lc.txt", undefined],
    ["136-pantheon-snana-text/foundAT2017cfb.txt", "snana"],
    ["145-ztf-dr-list-struct-parquet/list_struct.parquet", "parquet"],
    ["15-aavso-extended-report/input/AAVSOreport-20170504.txt", "aavso"],
    ["157-stellarphot-ecsv/test_photometry_data.ecsv", "ecsv"],
    ["17-eros-lists-in-csv-cells/input/test_varlength_features.csv.gz", undefined],
    ["20-kepler-fits/input/2.fits", "fits"],
  ];
  for (const [path, format] of cases) {
    assertEquals(await recognise(sharedPath(`cases/${path}`)), format, path);
  }
});
