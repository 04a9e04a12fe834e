/** What is known of each survey's files: a row a survey, from which they are read, recognised and documented. */
import { type Columns, plainName } from "./columns.ts";
import type { Source } from "./source.ts";

/** Observations that go: by a number that compares so, by bits of a flag, or by a flag that is true. */
export interface Drop {
  column: string;
  reason: string;
  /** A comparison in SQL: "<= 0". */
  when?: string;
  /** Any of these bits; all bits, if neither this nor `when` is given, and true. */
  mask?: number;
}

/** Columns of one band, where bands have columns of their own; names as in {@link Preset}. */
export interface PresetChannel {
  band?: string;
  time?: string;
  magnitude?: string;
  error?: string;
  flux?: string;
  flux_error?: string;
  drops?: Drop[];
}

/** A survey. Columns are named without regard to case and signs; of names parted by a bar the first that is there is taken. */
export interface Preset {
  /** What it is, and which files of it. */
  about: string;
  /** What becomes of its columns, where that is worth a word. */
  notes?: string;
  /** Columns by which its tables are recognised: all of one of these lists. Without, only --preset chooses it. */
  known?: readonly string[][];
  id?: string;
  /** A regular expression for names of files, as in --file-name. */
  file_name?: string;
  time?: string;
  /** What its times are. */
  time_format?: string;
  /** The scale of its clock, where that is certain. */
  time_scale?: string;
  band?: string;
  /** The one band of all its light curves. */
  band_name?: string;
  magnitude?: string;
  error?: string;
  flux?: string;
  flux_error?: string;
  /** A number, a unit, or a column. */
  zero_point?: string;
  /** Zero points of single columns, by their plain names. */
  zero_points?: Record<string, string>;
  channels?: PresetChannel[];
  /** What is no measurement goes always; said as filtered. */
  drops?: Drop[];
  /** Doubtful measurements go where the preset was asked for, and are counted otherwise. */
  doubtful?: Drop[];
  /** Numbers that stand for no magnitude. */
  sentinels?: readonly number[];
  /** Whether single observations may lack an error. */
  errors_optional?: boolean;
}

const gaiaFlags: Drop[] = [
  { column: "rejectedbyphotometry", reason: "rejected by Gaia's photometry" },
  { column: "rejectedbyvariability", reason: "rejected by Gaia's variability processing" },
];

/** All surveys, by name. */
export const presets = {
  reference: {
    about: "the Astromer reference code's tables (newID, mjd, mag, errmag; labels newID, Class, Band)",
    id: "newID",
    time: "mjd",
    magnitude: "mag",
    error: "errmag",
  },
  ztf: {
    about: "ZTF light curves from IRSA (CSV, IPAC, VOTable)",
    notes: "an oid is one star in one field, CCD and filter: a star has several",
    known: [["oid", "mjd", "mag", "magerr", "catflags"]],
    id: "oid",
    time: "mjd",
    time_format: "mjd",
    time_scale: "UTC",
    magnitude: "mag",
    error: "magerr",
    band: "filtercode",
    doubtful: [{ column: "catflags", mask: 32768, reason: "catflags has bit 32768" }],
  },
  "ztf-hats": {
    about: "ZTF data releases as nested Parquet (HATS, IRSA's bulk files)",
    known: [["objectid", "filterid", "hmjd", "mag", "magerr"], ["hmjd", "mag", "magerr", "catflags"]],
    id: "objectid|oid|ps1objid|id",
    time: "hmjd",
    time_format: "mjd",
    time_scale: "UTC",
    magnitude: "mag",
    error: "magerr",
    band: "filterid|band|filter",
    doubtful: [{ column: "catflags", mask: 32768, reason: "catflags has bit 32768" }],
  },
  "ztf-forced": {
    about: "ZTF forced-photometry service (forcedphotometry_req….txt)",
    notes: "difference fluxes with the zero point zpdiff: the light of the reference image is not in them",
    known: [["forcediffimflux", "forcediffimfluxunc", "zpdiff", "jd", "filter"]],
    file_name: "(?<id>req\\d+)",
    time: "jd",
    time_format: "jd",
    time_scale: "UTC",
    flux: "forcediffimflux",
    flux_error: "forcediffimfluxunc",
    zero_point: "zpdiff",
    band: "filter",
    doubtful: [{ column: "infobitssci", when: "> 0", reason: "infobitssci is not 0" }],
  },
  gaia: {
    about: "Gaia epoch photometry from DataLink, one table of bands (DR2, DR3) or array cells (DR3, DR4)",
    notes: "errors from fluxes, 1.0857 flux_error / flux; rejected observations go",
    known: [
      ["sourceid", "band", "time", "mag", "flux", "fluxerror"],
      ["gtransittime", "gtransitmag", "gtransitflux", "gtransitfluxerror"],
    ],
    id: "sourceid",
    time: "time",
    time_format: "gaia",
    time_scale: "TCB",
    band: "band",
    magnitude: "mag",
    flux: "flux",
    flux_error: "fluxerror",
    drops: gaiaFlags,
    channels: [
      {
        band: "G",
        time: "gtransittime",
        magnitude: "gtransitmag",
        flux: "gtransitflux",
        flux_error: "gtransitfluxerror",
        drops: [
          { column: "photometryflagnoisydata", reason: "rejected by Gaia's photometry" },
          { column: "variabilityflaggreject", reason: "rejected by Gaia's variability processing" },
        ],
      },
      {
        band: "BP",
        time: "bpobstime",
        magnitude: "bpmag",
        flux: "bpflux",
        flux_error: "bpfluxerror",
        drops: [
          { column: "photometryflagbpreject", reason: "rejected by Gaia's photometry" },
          { column: "variabilityflagbpreject", reason: "rejected by Gaia's variability processing" },
        ],
      },
      {
        band: "RP",
        time: "rpobstime",
        magnitude: "rpmag",
        flux: "rpflux",
        flux_error: "rpfluxerror",
        drops: [
          { column: "photometryflagrpreject", reason: "rejected by Gaia's photometry" },
          { column: "variabilityflagrpreject", reason: "rejected by Gaia's variability processing" },
        ],
      },
    ],
  },
  asassn: {
    about: "ASAS-SN Sky Patrol (v1 and v2)",
    known: [["asassnid", "jd", "mag", "magerr"], ["hjd", "camera", "mag", "magerr", "fluxmjy"]],
    id: "asassnid|asassnname",
    time: "jd|hjd",
    time_format: "jd",
    time_scale: "UTC",
    magnitude: "mag",
    error: "magerr",
    band: "filter|photfilter",
    drops: [{ column: "magerr", when: "> 90", reason: "an upper limit (mag_err 99.99)" }],
    doubtful: [{ column: "quality", when: "= 'B'", reason: "quality B" }],
  },
  atlas: {
    about: "ATLAS forced photometry (###MJD m dm uJy duJy F err …)",
    notes: "a negative m stands for a negative flux and is no magnitude; err is a flag, not the error",
    known: [["mjd", "m", "dm", "ujy", "dujy", "f"]],
    time: "mjd",
    time_format: "mjd",
    time_scale: "UTC",
    magnitude: "m",
    error: "dm",
    band: "f",
    drops: [
      { column: "m", when: "<= 0", reason: "m is negative: a flux below 0, not detected" },
      { column: "ujy", when: "<= 0", reason: "the flux is not above 0, not detected" },
    ],
    doubtful: [{ column: "err", when: "<> 0", reason: "err is not 0" }],
  },
  ogle: {
    about:
      "OGLE photometry, a table a star (OGLE-LMC-CEP-0001.I.dat, or I/ and V/ folders): HJD, I or V, error",
    time: "1",
    time_format: "hjd",
    magnitude: "2",
    error: "3",
  },
  macho: {
    about:
      "MACHO photometry, a table a star and band (lc_1.3444.614.B.mjd): MJD, instrumental magnitude, error",
    id: "filename",
    file_name: "^(?:lc_)?(?<id>\\d+\\.\\d+\\.\\d+)\\.(?<band>[A-Za-z])\\.",
    time: "1",
    time_format: "mjd",
    magnitude: "2",
    error: "3",
  },
  crts: {
    about: "Catalina surveys (CSDR2, CRTS)",
    notes: "MasterID is the star; ID is the detection",
    known: [["masterid", "mag", "magerr", "mjd"]],
    id: "masterid",
    time: "mjd",
    time_format: "mjd",
    magnitude: "mag",
    error: "magerr",
    doubtful: [{ column: "blend", when: "<> 0", reason: "Blend is not 0" }],
  },
  eros: {
    about: "EROS-2 .time files (date MagR ErMagR MagB ErMagB)",
    known: [["magr", "ermagr", "magb", "ermagb"]],
    time: "date|time|1",
    time_format: "hjd - 2450000",
    channels: [
      { band: "R", magnitude: "magr", error: "ermagr" },
      { band: "B", magnitude: "magb", error: "ermagb" },
    ],
    sentinels: [99.999],
  },
  tess: {
    about: "TESS light curves (SPOC, QLP; FITS), and CDIPS magnitudes",
    notes: "flux to TESS magnitudes with the zero point 20.44; gaps are not observations",
    known: [
      ["time", "pdcsapflux", "pdcsapfluxerr", "ticid"],
      ["time", "sapflux", "kspsapflux", "ticid"],
      ["tmidbjd", "irm1", "ire1"],
    ],
    id: "ticid|objectname",
    time: "time|tmidbjd",
    time_format: "btjd",
    time_scale: "TDB",
    band_name: "TESS",
    magnitude: "irm1",
    error: "ire1",
    flux: "pdcsapflux|sapflux",
    flux_error: "pdcsapfluxerr|sapfluxerr",
    zero_point: "20.44",
    doubtful: [{ column: "quality", reason: "QUALITY is not 0" }],
  },
  kepler: {
    about: "Kepler and K2 light curves (FITS), also of the first release",
    notes:
      "flux to Kepler magnitudes with the zero point 25.1 for electrons a second (33.2 a cadence, 2009); gaps are not observations",
    known: [
      ["time", "pdcsapflux", "pdcsapfluxerr", "keplerid"],
      ["barytime", "apcorrflux", "apcorrerr"],
    ],
    id: "keplerid|epicid",
    time: "time|barytime",
    time_format: "bkjd",
    band_name: "Kepler",
    flux: "pdcsapflux|apcorrflux",
    flux_error: "pdcsapfluxerr|apcorrerr",
    zero_point: "25.1",
    zero_points: { apcorrflux: "33.2" },
    doubtful: [{ column: "sapquality", reason: "SAP_QUALITY is not 0" }],
  },
  lsst: {
    about: "Rubin: DiaSource, ForcedSource (midpointMjdTai, psfFlux in nJy), also nested",
    known: [["midpointmjdtai", "psfflux", "psffluxerr"]],
    id: "diaobjectid|objectid|ssobjectid",
    time: "midpointmjdtai",
    time_format: "mjd",
    time_scale: "TAI",
    band: "band|filtername",
    flux: "psfflux",
    flux_error: "psffluxerr",
    zero_point: "nJy",
    doubtful: [{ column: "psffluxflag", reason: "psfFlux_flag is set" }],
  },
  aavso: {
    about: "AAVSO: download, extended report, VStar's simple format",
    notes: "'<13.4' is a limit, not an observation; single observations may lack an error",
    known: [["name", "date", "mag", "merr", "filt"], [
      "jd",
      "magnitude",
      "uncertainty",
      "hquncertainty",
      "band",
    ]],
    id: "name|starname",
    time: "date|jd|1",
    time_format: "jd",
    time_scale: "UTC",
    magnitude: "mag|magnitude|2",
    error: "merr|uncertainty|3",
    band: "filt|band",
    errors_optional: true,
  },
  alerce: {
    about: "ALeRCE detections",
    known: [["oid", "mjd", "fid", "magpsf", "sigmapsf"]],
    id: "oid",
    time: "mjd",
    time_format: "mjd",
    time_scale: "UTC",
    magnitude: "magpsf",
    error: "sigmapsf",
    band: "fid",
  },
  fink: {
    about: "Fink detections (i:objectId, i:jd, …)",
    known: [["iobjectid", "ijd", "ifid", "imagpsf", "isigmapsf"]],
    id: "iobjectid",
    time: "ijd",
    time_format: "jd",
    time_scale: "UTC",
    magnitude: "imagpsf",
    error: "isigmapsf",
    band: "ifid",
  },
  panstarrs: {
    about: "Pan-STARRS detections (obsTime, psfFlux in Jy)",
    known: [["objid", "obstime", "filterid", "psfflux", "psffluxerr"]],
    id: "objid",
    time: "obstime",
    time_format: "mjd",
    band: "filterid",
    flux: "psfflux",
    flux_error: "psffluxerr",
    zero_point: "Jy",
  },
  "sdss-s82": {
    about:
      "SDSS Stripe 82 variables (Sesar, Ivezic): a table a star of RA, Dec, then MJD, magnitude, error in u g r i z",
    time: "3",
    time_format: "mjd",
    channels: [..."ugriz"].map((band, i) => ({
      band,
      time: String(3 + 3 * i),
      magnitude: String(4 + 3 * i),
      error: String(5 + 3 * i),
    })),
    sentinels: [-99.99, -99],
  },
  snana: {
    about: "SNANA: FLUXCAL of text, FITS and Parquet (DES, Pantheon+, ELAsTiCC)",
    notes: "zero point 27.5",
    known: [["mjd", "fluxcal", "fluxcalerr"]],
    id: "snid|iauc",
    time: "mjd",
    time_format: "mjd",
    band: "band|flt|filter",
    flux: "fluxcal",
    flux_error: "fluxcalerr",
    zero_point: "SNANA",
    drops: [{ column: "mjd", when: "< -700", reason: "a line between objects (MJD -777)" }],
  },
  plasticc: {
    about: "PLAsTiCC (object_id, mjd, passband, flux, flux_err)",
    notes: "zero point 27.5; fluxes are differences, of which many are not above 0",
    known: [["objectid", "mjd", "passband", "flux", "fluxerr"]],
    id: "objectid",
    time: "mjd",
    time_format: "mjd",
    band: "passband",
    flux: "flux",
    flux_error: "fluxerr",
    zero_point: "SNANA",
    doubtful: [
      { column: "detected", when: "= 0", reason: "not detected" },
      { column: "detectedbool", when: "= 0", reason: "not detected" },
    ],
  },
} satisfies Record<string, Preset>;

/** A survey's name. */
export type PresetName = keyof typeof presets;
export const presetNames = Object.keys(presets) as [PresetName, ...PresetName[]];

/** The survey whose columns a table has, if it is certain. */
export function recognised(
  { columns, named, sample }: Columns & Pick<Source, "sample">,
): PresetName | undefined {
  if (!named) return isSimpleFormat(columns, sample) ? "aavso" : undefined;
  const there = new Set(columns.map(plainName));
  return presetNames.find((name) =>
    (presets[name] as Preset).known?.some((list) => list.every((column) => there.has(column)))
  );
}

/** VStar's simple format: full Julian dates, magnitudes, then an error or nothing, then an observer or nothing. */
function isSimpleFormat(columns: readonly string[], sample: Source["sample"]): boolean {
  if (columns.length < 2 || columns.length > 4 || sample.length === 0) return false;
  const isNumber = (cell: string | undefined) =>
    cell !== undefined && cell !== "" && Number.isFinite(Number(cell));
  return sample.every(([time, magnitude, error = "", observer = ""]) =>
    isNumber(time) && (columns.length === 2 || Number(time) > 2_300_000) &&
    isNumber(magnitude?.replace(/^[<>]/, "")) &&
    (error === "" || columns.length === 4 && isNumber(error)) && !isNumber(observer)
  );
}

/** The place of the first of some columns (parted by bars; by name or position) that is there. */
export function presetColumn({ columns, named }: Columns, names: string | undefined): number | undefined {
  const plain = columns.map(plainName);
  for (const name of names?.split("|") ?? []) {
    const at = plain.indexOf(plainName(name));
    if (at >= 0 && named) return at;
    if (/^\d+$/.test(name) && Number(name) <= columns.length) return Number(name) - 1;
  }
  return undefined;
}
