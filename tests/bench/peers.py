"""How people read these stores today: the owning library, every record with its vector, once.

usage: peers.py langchain|flat|chroma FOLDER     prints the number of records
"""

import os
import sys


def langchain(folder):
    from langchain_community.vectorstores import FAISS

    store = FAISS.load_local(folder, lambda _: None, allow_dangerous_deserialization=True)
    vectors = store.index.reconstruct_n(0, store.index.ntotal)
    total = 0
    for position, key in store.index_to_docstore_id.items():
        document = store.docstore.search(key)
        total += bool(document.page_content) and document.metadata is not None and vectors[position] is not None
    return total


def flat(folder):
    import faiss

    index = faiss.read_index(os.path.join(folder, "vectors.index"))
    return len(index.reconstruct_n(0, index.ntotal))


def chroma(folder):
    import chromadb
    from chromadb.config import Settings

    client = chromadb.PersistentClient(folder, settings=Settings(anonymized_telemetry=False))
    collection = client.get_collection("documents", embedding_function=None)
    total = 0
    while True:
        page = collection.get(limit=1000, offset=total, include=["embeddings", "documents", "metadatas"])
        if not page["ids"]:
            return total
        total += len(page["ids"])


print({"langchain": langchain, "flat": flat, "chroma": chroma}[sys.argv[1]](sys.argv[2]))
