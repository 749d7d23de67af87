"""Makes the stores that the read benchmark reads, with the libraries that own them. Skips what is there.

usage: stores.py FOLDER
pinned: langchain-community 0.4.2, faiss-cpu 1.15.1, chromadb 1.5.9, numpy (see host/xtask/src/bench.rs)
"""

import os
import shutil
import sys

import faiss
import numpy as np

DIMENSION = 384
LANGCHAIN_ROWS = 100_000
CHROMA_ROWS = 50_000
TEXT = "the quick brown fox jumps over the lazy dog and finds the section on component {} in the manual "


def vectors(rows):
    return np.random.default_rng(7).standard_normal((rows, DIMENSION), dtype=np.float32)


def text(i):
    return TEXT.format(i) * 5


def metadata(i):
    return {"source": f"docs/manual_{i % 100}.pdf", "page": i % 40, "chunk": i}


def langchain(folder):
    from langchain_community.docstore.in_memory import InMemoryDocstore
    from langchain_community.vectorstores import FAISS
    from langchain_core.documents import Document

    index = faiss.IndexFlatL2(DIMENSION)
    index.add(vectors(LANGCHAIN_ROWS))
    documents = {f"id-{i}": Document(page_content=text(i), metadata=metadata(i)) for i in range(LANGCHAIN_ROWS)}
    ids = {i: f"id-{i}" for i in range(LANGCHAIN_ROWS)}
    store = FAISS(lambda _: None, index, InMemoryDocstore(documents), ids)
    store.save_local(folder)


def flat(folder):
    index = faiss.IndexFlatL2(DIMENSION)
    index.add(vectors(LANGCHAIN_ROWS))
    os.makedirs(folder)
    faiss.write_index(index, os.path.join(folder, "vectors.index"))


def chroma(folder):
    import chromadb
    from chromadb.config import Settings

    client = chromadb.PersistentClient(folder, settings=Settings(anonymized_telemetry=False))
    collection = client.create_collection("documents", embedding_function=None, metadata={"hnsw:space": "l2"})
    rows = vectors(CHROMA_ROWS)
    for start in range(0, CHROMA_ROWS, 1000):
        some = range(start, start + 1000)
        collection.add(
            ids=[f"id-{i}" for i in some],
            embeddings=rows[start : start + 1000],
            documents=[text(i) for i in some],
            metadatas=[metadata(i) for i in some],
        )


def main():
    for make in (langchain, flat, chroma):
        folder = os.path.join(sys.argv[1], make.__name__)
        if os.path.isdir(folder):
            continue
        print(f"making {folder}", file=sys.stderr)
        partial = folder + ".partial"
        shutil.rmtree(partial, ignore_errors=True)
        make(partial)
        os.rename(partial, folder)


main()
