"""Writes tables with astropy into a folder, and what they hold, as astropy reads them, into expected.json."""
import json
import sys
import warnings

import numpy as np
from astropy.io import fits
from astropy.table import Table

warnings.simplefilter("ignore")
folder = sys.argv[1]
rng = np.random.default_rng(1)
expected = {}


def plain(value):
    if value is np.ma.masked or value is None:
        return None
    if isinstance(value, (bytes, np.bytes_)):
        value = value.decode()
    if isinstance(value, (str, np.str_)):
        return str(value).rstrip() or None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value) if abs(int(value)) < 2**53 else str(int(value))
    return float(value) if np.isfinite(value) else None


def holds(name, columns):
    expected[name] = {key: [plain(v) for v in values] for key, values in columns.items()}


def repeat(values, counts):
    return [v for v, n in zip(values, counts) for _ in range(n)]


n = 50
time = 58000 + np.sort(rng.uniform(0, 1000, n))

# Every format of a binary table that is a number or a text, big-endian, with nulls, scales and unsigned integers.
i16 = rng.integers(-30000, 30000, n).astype("i2")
i16[3] = -32768
columns = [
    fits.Column("MJD", "D", array=time, unit="d"),
    fits.Column("MAG", "E", array=rng.normal(15, 1, n).astype("f4")),
    fits.Column("ID", "K", array=rng.integers(-(2**62), 2**62, n)),
    fits.Column("NULLED", "I", array=i16, null=-32768),
    fits.Column("J", "J", array=rng.integers(-(2**31) + 1, 2**31 - 1, n)),
    fits.Column("B", "B", array=rng.integers(0, 256, n).astype("u1")),
    fits.Column("U16", "I", bzero=2**15, array=rng.integers(0, 2**16, n).astype("u2")),
    fits.Column("U32", "J", bzero=2**31, array=rng.integers(0, 2**32, n).astype("u4")),
    fits.Column("U64", "K", bzero=2**63, array=rng.integers(0, 2**64 - 1, n, dtype="u8")),
    fits.Column("S8", "B", bzero=-128, array=rng.integers(-128, 128, n).astype("i1")),
    fits.Column("OK", "L", array=rng.random(n) > 0.5),
    fits.Column("FILTER", "5A", array=np.array(["g", "r  ", "i", "zband", ""])[rng.integers(0, 5, n)]),
    fits.Column("FIVE", "5E", array=rng.normal(size=(n, 5)).astype("f4")),
]
table = fits.BinTableHDU.from_columns(columns, name="LIGHTCURVE")
primary = fits.PrimaryHDU()
primary.header["OBJECT"] = "it's V1 / a star"
primary.header["LONG"] = "x" * 150
image = fits.ImageHDU(rng.normal(size=(30, 31)).astype("f4"))
fits.HDUList([primary, image, table, image]).writeto(f"{folder}/all.fits")
fits.HDUList([primary, table]).writeto(f"{folder}/all.fits.gz")
with fits.open(f"{folder}/all.fits") as hdus:
    data = hdus[2].data
    read = {c.name: data[c.name] for c in columns if c.name not in ("FIVE", "NULLED")}
    read["NULLED"] = [None if v == -32768 else int(v) for v in i16]
    for k in range(5):
        read[f"FIVE_{k + 1}"] = data["FIVE"][:, k]
    read["OBJECT"] = [primary.header["OBJECT"]] * n
    for name in ("all.fits", "all.fits.gz"):
        holds(name, read)

# Scaled integers, as they lie in the file.
raw = rng.integers(-1000, 1000, n).astype("i2")
scaled = fits.BinTableHDU.from_columns([fits.Column("TIME", "D", array=time), fits.Column("MAG", "I", array=raw)])
scaled.header["TSCAL2"] = 0.001
scaled.header["TZERO2"] = 15.0
scaled.header["TNULL2"] = int(raw[7])
scaled.writeto(f"{folder}/scaled.fits")
holds("scaled.fits", {"TIME": time, "MAG": [None if v == raw[7] else int(v) * 0.001 + 15.0 for v in raw]})

# A row a star, arrays of one length in its cells.
stars, epochs = 6, 20
times, mags = rng.uniform(0, 1000, (stars, epochs)), rng.normal(15, 1, (stars, epochs)).astype("f4")
bands = np.array(["g", "rr"])[rng.integers(0, 2, (stars, epochs))]
ids = np.arange(stars) + 2**60
fits.BinTableHDU.from_columns([
    fits.Column("STAR", "K", array=ids),
    fits.Column("NAME", "8A", array=[f"star {k}" for k in range(stars)]),
    fits.Column("TIME", f"{epochs}D", array=times),
    fits.Column("MAG", f"{epochs}E", array=mags),
    fits.Column("BAND", f"{2 * epochs}A", dim=f"(2,{epochs})", array=bands),
    fits.Column("MODEL", "40E", array=rng.normal(size=(stars, 40))),
]).writeto(f"{folder}/arrays.fits")
each = [epochs] * stars
holds("arrays.fits", {
    "STAR": repeat(ids, each), "NAME": repeat([f"star {k}" for k in range(stars)], each),
    "TIME": times.ravel(), "MAG": mags.ravel(), "BAND": bands.ravel(),
})

# The same with arrays of varying length, in both kinds of pointers; one is empty.
for kind in "PQ":
    counts = [3, 0, 7, 1, 12, 5]
    ragged = lambda dtype: np.array([rng.normal(15, 1, k).astype(dtype) for k in counts] + [None], dtype=object)[:-1]
    t, m, f = ragged("f8"), ragged("f4"), ragged("i4")
    fits.BinTableHDU.from_columns([
        fits.Column("STAR", "K", array=ids), fits.Column("HJD", f"{kind}D()", array=t),
        fits.Column("MAG", f"{kind}E()", array=m), fits.Column("FLAG", f"{kind}J()", array=f),
    ]).writeto(f"{folder}/varying_{kind}.fits")
    holds(f"varying_{kind}.fits", {
        "STAR": repeat(ids, counts), "HJD": np.concatenate(t), "MAG": np.concatenate(m), "FLAG": np.concatenate(f),
    })

# An ASCII table.
ascii_table = fits.TableHDU.from_columns([
    fits.Column("JD", "F18.8", array=time + 2400000.5), fits.Column("MAG", "E12.5", array=mags.ravel()[:n]),
    fits.Column("N", "I8", array=np.arange(n)), fits.Column("WHO", "A6", array=[f"o{k}" for k in range(n)]),
])
ascii_table.writeto(f"{folder}/ascii.fits")
with fits.open(f"{folder}/ascii.fits") as hdus:
    holds("ascii.fits", {c.name: hdus[1].data[c.name] for c in hdus[1].columns})

# Two light curves in two tables, and one that is none.
parts = []
for k in range(2):
    part = fits.BinTableHDU.from_columns(
        [fits.Column("TIME", "D", array=time + k), fits.Column("FLUX", "E", array=mags.ravel()[:n], unit="e-/s")],
        name=f"STAR{k}")
    parts.append(part)
log = fits.BinTableHDU.from_columns([fits.Column("MESSAGE", "9A", array=["a", "b"])], name="LOG")
fits.HDUList([fits.PrimaryHDU(), log, *parts]).writeto(f"{folder}/two.fits")
holds("two.fits", {
    "TIME": np.concatenate([time, time + 1]), "FLUX": np.tile(mags.ravel()[:n], 2),
    "EXTNAME": ["STAR0"] * n + ["STAR1"] * n,
})

# VOTable in its three kinds, ECSV, IPAC and the journals' fixed columns.
flat = Table({
    "id": rng.integers(-(2**62), 2**62, n), "mjd": time, "mag": rng.normal(15, 1, n).astype("f4"),
    "flag": rng.integers(-9, 9, n).astype("i4"), "small": rng.integers(0, 99, n).astype("i2"), "ok": rng.random(n) > 0.5,
    "band": np.array(["g", "r", "i & <z>", "e"])[rng.integers(0, 4, n)],
})
flat["mjd"].unit = "d"
gaps = Table(flat, masked=True, copy=True)
for name in ("mag", "flag", "small"):
    gaps[name].mask = rng.random(n) < 0.2
for form in ("tabledata", "binary2"):
    gaps.write(f"{folder}/{form}.vot", format="votable", tabledata_format=form)
    holds(f"{form}.vot", {c: gaps[c] for c in gaps.colnames})
flat.write(f"{folder}/binary.vot", format="votable", tabledata_format="binary")
holds("binary.vot", {c: flat[c] for c in flat.colnames})
for delimiter, name in ((" ", "a.ecsv"), (",", "b.ecsv")):
    own = Table(gaps, copy=True)
    own["band"][3] = "with, blank \" q"
    own.write(f"{folder}/{name}", format="ascii.ecsv", delimiter=delimiter)
    holds(name, {c: own[c] for c in own.colnames})
arrays = Table({"source": ids, "time": times, "mag": mags.astype("f8"), "five": rng.normal(size=(stars, 5))})
for form in ("tabledata", "binary", "binary2"):
    arrays.write(f"{folder}/arrays_{form}.vot", format="votable", tabledata_format=form)
arrays.write(f"{folder}/arrays.ecsv", format="ascii.ecsv")
for name in ("arrays_tabledata.vot", "arrays_binary.vot", "arrays_binary2.vot", "arrays.ecsv"):
    holds(name, {
        "source": repeat(ids, each), "time": times.ravel(), "mag": mags.astype("f8").ravel(),
        **{f"five_{k + 1}": repeat(arrays["five"][:, k], each) for k in range(5)},
    })
ascii_flat = Table(flat["id", "mjd", "flag", "band"], copy=True)
ascii_flat["band"] = np.array(["g", "rr"])[rng.integers(0, 2, n)]
masked = Table(ascii_flat, masked=True, copy=True)
masked["flag"].mask = rng.random(n) < 0.2
masked.write(f"{folder}/a.tbl", format="ascii.ipac")
holds("a.tbl", {c: masked[c] for c in masked.colnames})
ascii_flat["id"] = np.arange(n)
ascii_flat.write(f"{folder}/a.mrt", format="ascii.mrt")
mrt = Table.read(f"{folder}/a.mrt", format="ascii.mrt")
holds("a.mrt", {c: mrt[c] for c in mrt.colnames})

json.dump(expected, open(f"{folder}/expected.json", "w"))
