"""What Chroma's own client does beside ours.

client.py URL make NAME    makes a collection with an embedding function, a configuration and metadata
client.py URL show NAME    one JSON object: configuration, metadata, and records, vectors as the bytes of their floats
client.py URL tenants      makes the tenant and the database 'acme'
"""

import json
import sys
from urllib.parse import urlparse

import chromadb
import numpy
from chromadb.config import Settings

url, action, *names = sys.argv[1:]
place = urlparse(url)
settings = Settings(anonymized_telemetry=False)
if action == "tenants":
    admin = chromadb.AdminClient(
        Settings(
            chroma_api_impl="chromadb.api.fastapi.FastAPI",
            chroma_server_host=place.hostname,
            chroma_server_http_port=place.port,
            anonymized_telemetry=False,
        )
    )
    admin.create_tenant("acme")
    admin.create_database("acme", "acme")
    sys.exit()
client = chromadb.HttpClient(host=place.hostname, port=place.port, settings=settings)
if action == "make":
    client.create_collection(
        names[0],
        metadata={"owner": "somebody"},
        configuration={
            "hnsw": {"space": "ip", "ef_construction": 200, "max_neighbors": 32},
            "embedding_function": chromadb.utils.embedding_functions.DefaultEmbeddingFunction(),
        },
    )
collection = client.get_collection(names[0])
got = collection.get(include=["embeddings", "documents", "metadatas"])
vectors = [numpy.asarray(vector, dtype=">f4").tobytes().hex() for vector in got["embeddings"]]
configuration = collection.configuration_json
print(
    json.dumps(
        {
            "hnsw": configuration["hnsw"],
            "embedding_function": configuration["embedding_function"],
            "metadata": collection.metadata,
            "records": {
                id: [document, metadata, vector]
                for id, document, metadata, vector in zip(got["ids"], got["documents"], got["metadatas"], vectors)
            },
        }
    )
)
