"""Makes text.pkl and metadata.pkl with 200,000 records (some 120 MB), unless they are there.

usage: pickles.py FOLDER     needs nothing but Python
"""

import os
import pickle
import shutil
import sys

ROWS = 200_000
TEXT = "the quick brown fox jumps over the lazy dog " * 11


def main():
    folder = sys.argv[1]
    if os.path.isdir(folder):
        return
    print(f"making {folder}", file=sys.stderr)
    partial = folder + ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    os.makedirs(partial)
    texts = [f"Chunk {i}: {TEXT}" for i in range(ROWS)]
    metadata = [{"source": f"docs/manual_{i % 100}.pdf", "page": i % 40, "score": i / 7, "tags": ["a", str(i)]} for i in range(ROWS)]
    for name, value in (("text", texts), ("metadata", metadata)):
        with open(os.path.join(partial, name + ".pkl"), "wb") as file:
            pickle.dump(value, file)
    os.rename(partial, folder)


main()
