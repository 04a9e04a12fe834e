/** Files that are not read, and what to do about each. */

const withAstropy = "Table.read(…).write('x.parquet') of astropy";

/** Kinds of files that are refused, each with its sentence. */
export const refusals = {
  "tar": (path: string) => unpack(path, "a tar archive", `tar -xf ${path}`),
  "tar.gz": (path: string) => unpack(path, "a tar archive", `tar -xzf ${path}`),
  "zip": (path: string) => unpack(path, "a zip archive", `unzip ${path}`),
  "7z": (path: string) => unpack(path, "a 7z archive", `7z x ${path}`),
  "rar": (path: string) => unpack(path, "a rar archive", `unrar x ${path}`),
  "bzip2": (path: string) =>
    /\.(tar\.bz2|tbz2?)$/i.test(path)
      ? unpack(path, "a tar archive", `tar -xjf ${path}`)
      : `${path} is compressed by bzip2, which is not read (gzip is): run bunzip2 ${path}`,
  "xz": (path: string) =>
    /\.(tar\.xz|txz)$/i.test(path)
      ? unpack(path, "a tar archive", `tar -xJf ${path}`)
      : `${path} is compressed by xz, which is not read (gzip is): run unxz ${path}`,
  "zstd": (path: string) => `${path} is compressed by zstd, which is not read (gzip is): run unzstd ${path}`,
  "npz": (path: string) =>
    `${path} holds NumPy arrays (npz), which do not say what they are: write a Parquet or CSV with a row an observation and the ` +
    `columns id, time, mag, err (pandas: DataFrame(dict(np.load(…))).to_parquet(…))`,
  "npy": (path: string) =>
    `${path} is a NumPy array (npy), which does not say what its columns are: write a Parquet or CSV with the columns id, time, mag, err`,
  "pickle": (path: string) =>
    `${path} is a Python pickle, which is not read, for opening one may run any code: write it as Parquet ` +
    `(pandas.read_pickle(…).to_parquet(…)) where you trust it`,
  "hdf5": (path: string) =>
    `${path} is HDF5, which is not read: write its table as Parquet (pandas.read_hdf(…).to_parquet(…), or ${withAstropy})`,
  "netcdf": (path: string) =>
    `${path} is NetCDF, which is not read: write its table as Parquet (xarray.open_dataset(…).to_dataframe().to_parquet(…))`,
  "feather": (path: string) =>
    `${path} is Arrow or Feather, which is not read: write it as Parquet (pandas.read_feather(…).to_parquet(…))`,
  "orc": (path: string) =>
    `${path} is ORC, which is not read: write it as Parquet (pandas.read_orc(…).to_parquet(…))`,
  "sqlite": (path: string) =>
    `${path} is an SQLite database, which is not read: export the table of observations (sqlite3 -csv -header …)`,
  "xlsx": (path: string) => `${path} is an Excel workbook, which is not read: save the sheet as CSV`,
  "xls": (path: string) => `${path} is an Excel workbook, which is not read: save the sheet as CSV`,
  "ods": (path: string) => `${path} is an OpenDocument file, which is not read: save the sheet as CSV`,
  "rdata": (path: string) => `${path} is an R data file, which is not read: write.csv(…) in R`,
  "pdf": (path: string) => `${path} is a PDF document, not a table`,
  "image": (path: string) => `${path} is a picture, not a table`,
  "html": (path: string) =>
    `${path} is a web page, not a table: a download that needed a login or met an error page looks so; get the file again`,
  "xml": (path: string) => `${path} is XML, but no VOTable, and is not read`,
  "lfs-pointer": (path: string) =>
    `${path} is a Git LFS pointer, not the data: fetch the file with "git lfs pull" in its repository`,
  "mail": (path: string) =>
    `${path} is a mail message, not a table: save the table that it holds or is attached to it, and give that`,
} satisfies Record<string, (path: string) => string>;

/** A kind of file that is refused. */
export type Refused = keyof typeof refusals;

function unpack(path: string, what: string, command: string): string {
  return `${path} is ${what}: unpack it (${command}) and give the folder`;
}
