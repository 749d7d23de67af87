"""Prints what pyarrow and DuckDB read from a folder of Parquet files, as one JSON object."""
import json
import pathlib
import sys

import duckdb
import numpy as np
import pyarrow.parquet as pq

folder = sys.argv[1]


def plain(value):
    """Lists of numbers as the bits of 32-bit floats, so that nothing is rounded on the way."""
    if isinstance(value, (list, tuple, np.ndarray)) and all(isinstance(item, (float, np.floating)) for item in value):
        return np.asarray(value, dtype=np.float32).view(np.uint32).tolist()
    if isinstance(value, (list, tuple, np.ndarray)):
        return [int(item) for item in value]
    return value


def rows(names, values):
    return [{name: plain(value) for name, value in zip(names, row)} for row in values]


table = pq.read_table(folder, partitioning=None)
arrow = rows(table.column_names, ([row[name] for name in table.column_names] for row in table.to_pylist()))
notes = pq.read_metadata(sorted(pathlib.Path(folder).glob("*.parquet"))[0]).metadata
notes = {key.decode(): value.decode() for key, value in notes.items() if key.startswith(b"vecferry")}
relation = duckdb.connect().execute("SELECT * FROM read_parquet('%s/*.parquet')" % folder)
names = [column[0] for column in relation.description]
print(json.dumps({
    "types": {field.name: str(field.type) for field in table.schema},
    "notes": notes,
    "arrow": arrow,
    "duckdb": rows(names, relation.fetchall()),
}))
