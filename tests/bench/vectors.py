"""Makes text.pkl, metadata.pkl and embeddings.pkl with 20,000 records of 384 dimensions (some 45 MB), unless they are
there. What both sides of the write benchmark read: nothing is faster to read for a script in Python.

usage: vectors.py FOLDER     needs numpy
"""

import os
import pickle
import shutil
import sys

import numpy as np

ROWS, DIMENSION = 20_000, 384
TEXT = "the quick brown fox jumps over the lazy dog and finds the section on component {} in the manual "


def main():
    folder = sys.argv[1]
    if os.path.isdir(folder):
        return
    print(f"making {folder}", file=sys.stderr)
    partial = folder + ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    os.makedirs(partial)
    columns = {
        "text": [TEXT.format(i) * 5 for i in range(ROWS)],
        "metadata": [{"source": f"docs/manual_{i % 100}.pdf", "page": i % 40, "chunk_id": i} for i in range(ROWS)],
        "embeddings": np.random.default_rng(7).standard_normal((ROWS, DIMENSION), dtype=np.float32),
    }
    for name, column in columns.items():
        with open(os.path.join(partial, name + ".pkl"), "wb") as file:
            pickle.dump(column, file)
    os.rename(partial, folder)


main()
