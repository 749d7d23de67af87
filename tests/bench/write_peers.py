"""How people write to these stores today: the owner's own client, in the way that its documentation recommends.

usage: write_peers.py pinecone FOLDER INDEX     reads text.pkl, metadata.pkl, embeddings.pkl; prints the number of records
"""

import os
import pickle
import sys


def read(folder):
    def column(name):
        with open(os.path.join(folder, name + ".pkl"), "rb") as file:
            return pickle.load(file)

    return column("text"), column("metadata"), column("embeddings")


def pinecone(folder, index):
    """Batches of 200, which 2 MB hold, eight in flight: https://sdk.pinecone.io/python/guides/bulk-ingest.html."""
    from pinecone import Pinecone

    texts, metadata, vectors = read(folder)
    client = Pinecone()  # PINECONE_API_KEY, PINECONE_CONTROLLER_HOST
    client.indexes.create(
        name=index,
        schema={"fields": {"_values": {"type": "dense_vector", "dimension": vectors.shape[1], "metric": "cosine"}}},
        deployment={"deployment_type": "managed", "cloud": "aws", "region": "us-east-1"},
    )
    records = [
        {"id": f"text_{i}", "values": values, "metadata": {"page_content": text, **fields}}
        for i, (text, fields, values) in enumerate(zip(texts, metadata, vectors.tolist(), strict=True))
    ]
    done = client.index(name=index).upsert(
        vectors=records,
        namespace="bench",
        batch_size=200,
        max_concurrency=8,
        show_progress=False,
    )
    if done.has_errors:
        sys.exit(str(done))
    return done.upserted_count


print({"pinecone": pinecone}[sys.argv[1]](*sys.argv[2:]))
