"""How people write to these stores today: the owner's own client, in the way that its documentation recommends.

usage: write_peers.py pinecone|pgvector FOLDER INDEX     reads text.pkl, metadata.pkl, embeddings.pkl; prints the number
of records
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


def pgvector(folder, table):
    """One COPY, straight into the new table: what a script does that need not be run again."""
    import psycopg
    from psycopg.types.json import Jsonb

    texts, metadata, vectors = read(folder)
    with psycopg.connect(os.environ["BENCH_POSTGRES"]) as connection:
        connection.execute(
            f"CREATE TABLE {table} (id text PRIMARY KEY, document text, metadata jsonb, "
            f"embedding vector({vectors.shape[1]}))"
        )
        into = f"COPY {table} (id, document, metadata, embedding) FROM STDIN"
        with connection.cursor() as cursor, cursor.copy(into) as copy:
            for i, (text, fields, values) in enumerate(zip(texts, metadata, vectors.tolist(), strict=True)):
                copy.write_row((f"text_{i}", text, Jsonb(fields), str(values)))
    return len(texts)


print({"pinecone": pinecone, "pgvector": pgvector}[sys.argv[1]](*sys.argv[2:]))
