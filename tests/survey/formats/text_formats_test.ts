/** VOTable, ECSV, IPAC, CDS, SNANA and AAVSO: what they hold, and damage to them. */
import { InputError } from "../../../src/common/errors.ts";
import { readTables, recognise } from "../../../src/survey/formats/container.ts";
import { withFacts } from "../../../src/survey/formats/table.ts";
import { assertEquals, assertRejects } from "../../../src/common/std.ts";
import { sharedPath, sharedTest, testIn } from "../../shared.ts";

/** The columns of a text that is written to a file. */
async function columnsOf(folder: string, text: string): Promise<Record<string, unknown[]>> {
  const path = `${folder}/table`;
  await Deno.writeTextFile(path, text);
  const columns: Record<string, unknown[]> = {};
  for await (const piece of readTables(path, (await recognise(path))!)) {
    for (const { name, values, missing } of withFacts(piece).columns) {
      (columns[name] ??= []).push(
        ...Array.from<unknown>(values).map((value, i) => missing?.[i] ? null : value),
      );
    }
  }
  return columns;
}

const votable = (body: string, head = "") =>
  `<?xml version="1.0"?><VOTABLE version="1.4"><RESOURCE>${head}<TABLE name="lc">
  <FIELD name="time" datatype="double" unit="d"/><FIELD name="mag" datatype="float"/>
  <FIELD name="n" datatype="short"><VALUES null="-9"/></FIELD>${body}</TABLE></RESOURCE></VOTABLE>`;
const rows = (text: string) => `<DATA><TABLEDATA>${text}</TABLEDATA></DATA>`;

testIn("A VOTable's cells, nulls and facts are read", async (folder) => {
  const found = await columnsOf(
    folder,
    votable(
      '<PARAM name="filter" value="G" datatype="char"/>' +
        rows("<TR><TD>1.5</TD><TD/><TD>-9</TD></TR>\n<TR><TD> 2.5 </TD><TD>1e1</TD><TD>0x10</TD></TR>"),
    ),
  );
  assertEquals(found, { time: [1.5, 2.5], mag: [NaN, 10], n: [null, 16], FILTER: ["G", "G"] });
  assertEquals(await columnsOf(folder, votable("")), { time: [], mag: [], n: [] });
});

testIn("Errors of servers, cut and damaged VOTables are said", async (folder) => {
  const whole = votable(rows("<TR><TD>1</TD><TD>2</TD><TD>3</TD></TR>"));
  for (
    const [text, said] of [
      [votable("", '<INFO name="QUERY_STATUS" value="ERROR">no such column</INFO>'), "no such column"],
      [whole.slice(0, -60), "is cut"],
      [whole.replace("</TR>", "</TD>"), "is damaged: line"],
      [whole.replace("<TD>2</TD>", "<TD>bright</TD>"), 'row 1, column mag: "bright" is not a number'],
      [whole.replace('"short"', '"shorts"'), "unknown type"],
      [votable('<DATA><BINARY2><STREAM href="http://x/y.bin"/></BINARY2></DATA>'), "http://x/y.bin"],
      [votable('<DATA><BINARY2><STREAM encoding="base64">AAAA</STREAM></BINARY2></DATA>'), "cut or damaged"],
    ]
  ) await assertRejects(() => columnsOf(folder, text), InputError, said);
});

testIn("Hostile sizes in a binary VOTable cost nothing", async (folder) => {
  const table = votable("").replace('"double" unit="d"/>', '"double" arraysize="*"/>');
  let state = 3;
  const random = (below: number) => (state = (state * 1103515245 + 12345) % 2147483648) % below;
  for (let k = 0; k < 200; k++) {
    const bytes = Uint8Array.from({ length: 60 }, () => random(4) ? random(4) : random(256));
    const stream = `<DATA><BINARY2><STREAM encoding="base64">${
      btoa(String.fromCharCode(...bytes))
    }</STREAM></BINARY2></DATA>`;
    try {
      await columnsOf(folder, table.replace("</TABLE>", `${stream}</TABLE>`));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  }
});

testIn("ECSV with quotes, gaps and arrays is read", async (folder) => {
  const head = "# %ECSV 1.0\n# ---\n# datatype:\n";
  assertEquals(
    await columnsOf(
      folder,
      `${head}# - {name: t, datatype: float64, unit: !astropy.units.Unit {unit: d}}\n# - {name: n, datatype: int64}\n` +
        `# - {name: who, datatype: string}\n# meta: !!omap\n# - {OBJECT: V1}\nt n who\n1.5 9007199254740993 "a ""b"" c"\nnan "" ""\n`,
    ),
    { t: [1.5, NaN], n: [9007199254740993n, null], who: ['a "b" c', null], OBJECT: ["V1", "V1"] },
  );
  assertEquals(
    await columnsOf(
      folder,
      `${head}# - {name: id, datatype: int32}\n# - {name: mjd, datatype: string, subtype: 'float64[null]'}\n` +
        `# - {name: mag, datatype: string, subtype: 'float64[null]'}\nid mjd mag\n1 [1.5,2.5] [10,NaN]\n2 [3.5] [12]\n`,
    ),
    { id: [1, 1, 2], mjd: [1.5, 2.5, 3.5], mag: [10, NaN, 12] },
  );
  await assertRejects(() => columnsOf(folder, `${head}# - {name: [\nt\n1\n`), InputError, "no YAML");
  await assertRejects(
    () => columnsOf(folder, `${head}# - {name: t, datatype: float64}\nt\n1 2\n`),
    InputError,
    "line 6",
  );
});

testIn("IPAC tables and those of journals are read by their columns", async (folder) => {
  assertEquals(
    await columnsOf(
      folder,
      '\\OBJECT = "V 1"\n\\ a comment\n|    JD|  mag|band  |id        |\n|double| real|char  |long      |\n| days | mag |      |          |\n' +
        "|      | -99 |null  |          |\n 1.5    14.25 g r    900719925474099312\n 2.5     -99   null\n",
    ),
    {
      JD: [1.5, 2.5],
      mag: [14.25, NaN],
      band: ["g r", null],
      id: [900719925474099312n, null],
      OBJECT: ["V 1", "V 1"],
    },
  );
  const rule = "-".repeat(80);
  assertEquals(
    await columnsOf(
      folder,
      `Title: A table\n${
        "=".repeat(80)
      }\nByte-by-byte Description of file: a.txt\n${rule}\n   Bytes Format Units Label  Explanations\n${rule}\n` +
        `   1-  4 A4     ---   Name   The star\n   6- 13 F8.3   d     HJD    Time (1)\n                             of mid-exposure\n` +
        `  15- 20 F6.3   mag   Vmag   ?=99.999 Magnitude\n${rule}\nNote (1): 5 is nothing\n${rule}\nV1   1234.500 14.250\nV2   1235.500 99.9990\n`,
    ),
    { Name: ["V1", "V2"], HJD: [1234.5, 1235.5], Vmag: [14.25, NaN] },
  );
});

testIn("Tables of VizieR are read by the ReadMe beside them", async (folder) => {
  const rule = "-".repeat(80), head = `${rule}\n   Bytes Format Units Label  Explanations\n${rule}\n`;
  await Deno.writeTextFile(
    `${folder}/ReadMe`,
    `J/A+A/1/1  Stars\n\nByte-by-byte Description of file: stars.dat\n${head}   1-  4 I4 --- ID The star\n${rule}\n\n` +
      `Byte-by-byte Description of file: table2.dat lc/*.dat\n${head}   1-  4 I4    ---  ID The star\n   6- 12 F7.3  d    HJD    ? Time\n` +
      `  14- 19 F6.3  mag  Vmag   [10/20]? Magnitude\n${rule}\n`,
  );
  await Deno.mkdir(`${folder}/lc`);
  for (const name of ["table2.dat", "lc/a.dat"]) {
    const path = `${folder}/${name}`;
    await Deno.writeTextFile(path, "   1 234.500 14.250\n   2 235.500       \n");
    assertEquals(await recognise(path), "cds");
    const [{ columns }] = await Array.fromAsync(readTables(path, "cds"));
    assertEquals(columns.map(({ name, unit }) => [name, unit]), [["ID", undefined], ["HJD", "d"], [
      "Vmag",
      "mag",
    ]]);
    assertEquals(columns.map(({ values }) => Array.from<unknown>(values)), [[1, 2], [234.5, 235.5], [
      14.25,
      NaN,
    ]]);
  }
  await Deno.writeTextFile(`${folder}/other.dat`, "1 2 3\n");
  assertEquals(await recognise(`${folder}/other.dat`), undefined);
});

testIn("SNANA and AAVSO keep what is written in a cell", async (folder) => {
  assertEquals(
    await columnsOf(
      folder,
      "SURVEY: X\nSNID:  SN1 # a comment\nNVAR: 3\nVARLIST: MJD FLT FLUXCAL\nOBS: 5.5 g -1e2\nOBS: 6.5 r 3\nEND:\n",
    ),
    { MJD: ["5.5", "6.5"], FLT: ["g", "r"], FLUXCAL: ["-1e2", "3"], SNID: ["SN1", "SN1"] },
  );
  await assertRejects(
    () => columnsOf(folder, "SURVEY: X\nSNID: 1\nVARLIST: MJD FLT\nOBS: 5.5\n"),
    InputError,
    "line 4 has 1 values",
  );
  const found = await columnsOf(
    folder,
    "#TYPE=Extended\n#DELIM=;\n#DATE=HJD\n#NAME;DATE;MAG;MERR;FILT;TRANS\nSS CYG;2450000.5;<13.4;na;V;NO\n",
  );
  assertEquals(found, {
    NAME: ["SS CYG"],
    DATE: ["2450000.5"],
    MAG: ["<13.4"],
    MERR: [null],
    FILT: ["V"],
    TRANS: ["NO"],
  });
});

sharedTest("Text tables of surveys have the rows that their notes count", async () => {
  const counts: [string, number][] = [
    ["05-ipac-tbl-exoplanet-archive/input/Auck_0300089_PLC_001.tbl", 76],
    ["05-ipac-tbl-exoplanet-archive/input/MOA_0300089_PLC_007.tbl", 2862],
    ["05-ipac-tbl-exoplanet-archive/input/OB03235_MOA.tbl.txt", 1250],
    ["07-ztf-irsa-votable/input/TimeSeriesZTF.xml", 297],
    ["08-gaia-epoch-votable/input/gaia_multiband.xml", 251],
    ["136-pantheon-snana-text/foundAT2017cfb.txt", 30],
    ["15-aavso-extended-report/input/AAVSOreport-20170504.txt", 226],
    ["157-stellarphot-ecsv/test_photometry_data.ecsv", 16],
  ];
  for (const [name, rows] of counts) {
    const path = sharedPath(`cases/${name}`);
    let found = 0;
    for await (const piece of readTables(path, (await recognise(path))!)) found += piece.rows;
    assertEquals(found, rows, name);
  }
});
