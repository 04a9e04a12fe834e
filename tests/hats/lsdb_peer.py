"""LSDB on both sides of a catalogue of embeddings.

    python lsdb_peer.py make SURVEY_FOLDER CATALOGUE    a HATS catalogue of real light curves at invented positions
    python lsdb_peer.py open CATALOGUE EMBEDDINGS       opens, checks and cross-matches the embeddings; prints JSON
"""

import json
import sys
import warnings

import numpy as np
import pandas as pd

warnings.simplefilter("ignore")


def make(survey, catalogue):
    import lsdb
    from nested_pandas import NestedFrame

    observations = pd.read_csv(f"{survey}/observations.csv")
    ids = observations.newID.unique()[:36]
    observations = observations[observations.newID.isin(ids)].groupby("newID").head(40)
    # The last one has too few observations, and a pixel of its own.
    observations = observations[(observations.newID != ids[-1]) | (observations.groupby("newID").cumcount() < 3)]
    random = np.random.default_rng(0)
    objects = pd.DataFrame({"objectid": ids, "ra": random.uniform(10, 80, len(ids)), "dec": random.uniform(-40, 40, len(ids))})
    objects.loc[len(ids) - 1, ["ra", "dec"]] = [250.0, -80.0]
    objects["color"] = random.normal(size=len(ids)).astype(np.float32)
    frame = NestedFrame(objects.set_index("objectid"))
    points = observations.rename(columns={"newID": "objectid", "errmag": "magerr"}).set_index("objectid")
    frame = frame.join_nested(points[["mjd", "mag", "magerr"]], "lightcurve").reset_index()
    made = lsdb.from_dataframe(frame, catalog_name="stars", partition_rows=10, lowest_order=0, highest_order=3)
    made.write_catalog(catalogue, catalog_name="stars", as_collection=False)
    print(json.dumps({"partitions": len(made.get_healpix_pixels()), "objects": len(ids)}))


def opened(catalogue, embeddings):
    import hats
    import lsdb
    import pyarrow.parquet
    from hats.io.validation import is_valid_catalog

    left, right = lsdb.open_catalog(catalogue), lsdb.open_catalog(embeddings)
    table = right.compute()
    matched = left.crossmatch(right, radius_arcsec=1, suffixes=("", "_embedded")).compute()
    vectors = np.array(matched["embedding_embedded" if "embedding_embedded" in matched else "embedding"].tolist())
    metadata = pyarrow.parquet.read_metadata(f"{embeddings}/dataset/_metadata")
    same = (matched["objectid"] == matched["objectid_embedded"]).all()
    cone = right.cone_search(ra=45, dec=0, radius_arcsec=20 * 3600).compute()
    statistics = right.hc_structure.aggregate_column_statistics(include_columns=["ra"])
    print(json.dumps({
        "valid": is_valid_catalog(embeddings, strict=True),
        "rows": len(table),
        "columns": list(table.columns),
        "matched": len(matched),
        "same": bool(same),
        "shape": list(vectors.shape),
        "finite": bool(np.isfinite(vectors).all()),
        "partitions": len(right.get_healpix_pixels()),
        "metadata": [metadata.num_rows, metadata.num_row_groups],
        "cone": [len(cone), bool(len(cone) == (
            left.cone_search(ra=45, dec=0, radius_arcsec=20 * 3600).compute().objectid.isin(table.objectid).sum()))],
        "smallest": float(statistics.loc["ra", "min_value"]),
        "first": [str(table.iloc[0].objectid), [float(v) for v in table.iloc[0].embedding]],
        "total_rows": right.hc_structure.catalog_info.total_rows,
    }))


if __name__ == "__main__":
    {"make": make, "open": opened}[sys.argv[1]](*sys.argv[2:])
