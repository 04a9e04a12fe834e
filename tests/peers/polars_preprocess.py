"""The filters and the sort of `deno task preprocess --trim --noise-filter`, in Polars: a peer to measure beside.

    python polars_preprocess.py 'survey/observations/*.parquet' observations.safetensors

Prints one line of JSON: what stayed, the seconds it took, and the peak of the process's memory.
"""

import json
import resource
import sys
import time

import numpy as np
import polars as pl

pattern, output = sys.argv[1:]
start = time.perf_counter()

columns = ["newID", "mjd", "mag", "errmag"]
observations = (
    pl.scan_parquet(pattern)
    .select(columns)
    .filter(
        pl.col("mjd").is_finite(),
        pl.col("mag").is_finite(),
        pl.col("errmag").is_between(0, 1),
    )
    .sort(columns)
    # Sorted, an exact repeat stands behind its like: cheaper than unique().
    .filter(pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in columns))
    .collect(engine="streaming")
)
magnitude = pl.col("mag").cast(pl.Float64)
bounds = (
    observations.lazy()
    .group_by("newID")
    .agg(
        magnitude.quantile(0.01, interpolation="linear").alias("low"),
        magnitude.quantile(0.99, interpolation="linear").alias("high"),
    )
)
trimmed = (
    observations.lazy()
    .join(bounds, on="newID", maintain_order="left")
    .filter(magnitude.is_between(pl.col("low"), pl.col("high")))
    .select(columns)
    .collect(engine="streaming")
)
del observations
signals = (
    trimmed.lazy()
    .group_by("newID")
    .agg(
        pl.len().alias("length"),
        magnitude.std(ddof=0).alias("std"),
        magnitude.skew().alias("skewness"),
        magnitude.kurtosis().alias("kurtosis"),
    )
    .filter(
        (pl.col("kurtosis").abs() > 10) | (pl.col("skewness").abs() > 1) | (pl.col("std") > 0.1),
        pl.col("length") >= 5,
    )
)
kept = (
    trimmed.lazy()
    .join(signals.select("newID"), on="newID", how="semi", maintain_order="left")
    .collect(engine="streaming")
)
del trimmed

header, at = {}, 0
arrays = {"mjd": kept["mjd"], "mag": kept["mag"].cast(pl.Float32), "err": kept["errmag"].cast(pl.Float32)}
for name, values in arrays.items():
    size = values.dtype.to_python and values.to_numpy().nbytes
    header[name] = {
        "dtype": "F64" if name == "mjd" else "F32",
        "shape": [kept.height],
        "data_offsets": [at, at + size],
    }
    at += size
head = json.dumps(header).encode()
head += b" " * (-len(head) % 8)
with open(output, "wb") as file:
    file.write(len(head).to_bytes(8, "little") + head)
    for values in arrays.values():
        np.ascontiguousarray(values.to_numpy()).tofile(file)

print(
    json.dumps(
        {
            "light_curves": kept["newID"].n_unique(),
            "observations": kept.height,
            "seconds": round(time.perf_counter() - start, 2),
            "peak_gigabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        }
    )
)
