"""Reads a destination back with the library that owns it: one JSON object a record, {id, document, metadata, vector}.

read_back.py KIND PLACE NAMESPACE
"""

import glob
import json
import sqlite3
import struct
import sys


def jsonl(place, namespace):
    for line in open(place, encoding="utf-8"):
        row = json.loads(line)
        yield row["id"], row["document"], row["metadata"], row["vector"]


def sqlite(place, namespace):
    database = sqlite3.connect(place)
    rows = database.execute(
        "SELECT id, document, metadata, vector FROM records_1 JOIN vectors_1 USING (record)"
    )
    for id, document, metadata, vector in rows:
        yield id, document, json.loads(metadata), list(struct.unpack(f"<{len(vector) // 4}f", vector))


def parquet(place, namespace):
    import pyarrow.parquet

    for part in sorted(glob.glob(f"{place}/{namespace}/*.parquet")):
        for row in pyarrow.parquet.read_table(part).to_pylist():
            yield row["id"], row["document"], json.loads(row["metadata"]), row["vector"]


def pinecone(place, namespace):
    from pinecone import Pinecone

    url, key = place.split(" ")
    client = Pinecone(api_key=key, host=url)
    index = client.Index(host=client.describe_index("docs").host)
    for page in index.list(namespace=namespace):
        ids = [item if isinstance(item, str) else item.id for item in page]
        for id, vector in index.fetch(ids=ids, namespace=namespace).vectors.items():
            metadata = dict(vector.metadata)
            document = metadata.pop("page_content")
            metadata.pop("chunk_id")
            yield id, document, metadata, list(vector.values)


def pgvector(place, namespace):
    import psycopg

    with psycopg.connect(place) as connection, connection.cursor(binary=True) as cursor:
        cursor.execute(f'SELECT id, document, metadata, embedding::real[] FROM "{namespace}"')
        yield from cursor


def chroma(place, namespace):
    from urllib.parse import urlparse

    import chromadb
    from chromadb.config import Settings

    url = urlparse(place)
    client = chromadb.HttpClient(url.hostname, url.port, settings=Settings(anonymized_telemetry=False))
    found = client.get_collection(namespace).get(include=["documents", "metadatas", "embeddings"])
    for id, document, metadata, vector in zip(
        found["ids"], found["documents"], found["metadatas"], found["embeddings"]
    ):
        yield id, document, dict(metadata), [float(value) for value in vector]


kind, place, namespace = sys.argv[1:]
for id, document, metadata, vector in globals()[kind](place, namespace):
    print(json.dumps({"id": id, "document": document, "metadata": metadata, "vector": list(vector)}))
