"""What Pinecone's own Python SDK makes of a server: it creates, writes, reads, queries and deletes, and prints what it
saw as one JSON object.

usage: sdk.py CONTROLLER_URL API_KEY
"""

import json
import sys
import warnings

from pinecone import Pinecone, SparseValues, Vector
from pinecone.errors import exceptions

# The older names of an index's properties are read on purpose: applications use them.
warnings.simplefilter("ignore", DeprecationWarning)

DIMENSION = 8
RECORDS = 250
PLACE = {"deployment_type": "managed", "cloud": "aws", "region": "us-east-1"}


def values(i):
    return [((i * 7 + d * 3) % 11 + 1) / 10 for d in range(DIMENSION)]


def refusal(call):
    """The class and message of the error that a call ends with."""
    try:
        call()
    except exceptions.PineconeError as error:
        return [type(error).__name__, getattr(error, "status_code", None), str(error)]
    return None


def dense(pc):
    created = pc.indexes.create(
        name="docs",
        schema={"fields": {"_values": {"type": "dense_vector", "dimension": DIMENSION, "metric": "cosine"}}},
        deployment=PLACE,
        tags={"team": "moving"},
    )
    described = pc.indexes.describe("docs")
    index = pc.index(name="docs")
    records = [
        Vector(id=f"doc-{i:03}", values=values(i), metadata={"page_content": f"text {i} ü", "n": i, "tags": ["a", "b"]})
        for i in range(RECORDS)
    ]
    upserted = index.upsert(vectors=records, namespace="alpha", batch_size=100, show_progress=False)
    single = index.upsert(vectors=[("one", values(1)), ("two", values(2), {"k": True})])
    listed = [item.id for page in index.list(namespace="alpha") for item in page.vectors]
    prefixed = [item.id for page in index.list(namespace="alpha", prefix="doc-24") for item in page.vectors]
    fetched = index.fetch(ids=["doc-007", "missing"], namespace="alpha").vectors
    asked = index.query(
        vector=values(5), top_k=3, namespace="alpha", include_metadata=True, filter={"n": {"$gte": 5, "$lt": 100}}
    )
    by_id = index.query(id="doc-005", top_k=1, namespace="alpha", include_values=True)
    index.update(id="doc-005", set_metadata={"n": -1}, namespace="alpha")
    by_metadata = index.fetch_by_metadata(filter={"n": {"$eq": -1}}, namespace="alpha").vectors
    stats = index.describe_index_stats()
    names = [namespace.name for page in index.list_namespaces() for namespace in page.namespaces]
    index.delete(ids=["doc-000", "doc-001"], namespace="alpha")
    left = index.describe_namespace(name="alpha").record_count
    index.delete_namespace(name="alpha")
    after = index.describe_index_stats().total_vector_count
    return {
        "created": [created.name, created.status.ready, created.dimension, created.metric],
        "described": [described.host, described.status.state, described.deployment.region, dict(described.tags)],
        "indexes": [index.name for index in pc.indexes.list()],
        "upserted": [upserted.upserted_count, upserted.has_errors, upserted.response_info.lsn_committed],
        "single": single.upserted_count,
        "listed": [len(listed), listed[0], listed[-1], listed == sorted(listed)],
        "prefixed": len(prefixed),
        "fetched": {id: [list(vector.values), vector.metadata] for id, vector in fetched.items()},
        "asked": [[match.id, match.metadata["n"]] for match in asked.matches],
        "seen": asked.response_info.is_reconciled(upserted.response_info.lsn_committed),
        "by_id": [[match.id, round(match.score, 5), len(match.values)] for match in by_id.matches],
        "by_metadata": list(by_metadata),
        "stats": [stats.total_vector_count, {name: s.vector_count for name, s in stats.namespaces.items()}],
        "namespaces": names,
        "left": left,
        "after": after,
        "refused": {
            "dimension": refusal(lambda: index.upsert(vectors=[("x", [1.0])])),
            "zeros": refusal(lambda: index.upsert(vectors=[("x", [0.0] * DIMENSION)])),
            "nested": refusal(lambda: index.upsert(vectors=[("x", values(0), {"k": {"a": 1}})])),
            "large": refusal(lambda: index.upsert(vectors=[(str(i), values(i), {"t": "x" * 3000}) for i in range(900)])),
            "missing": refusal(lambda: pc.indexes.describe("nowhere")),
            "twice": refusal(lambda: pc.indexes.create(
                name="docs",
                schema={"fields": {"_values": {"type": "dense_vector", "dimension": 2, "metric": "cosine"}}},
                deployment=PLACE,
            )),
            "key": refusal(lambda: Pinecone(api_key="wrong", host=sys.argv[1]).indexes.describe("docs")),
        },
    }


def hybrid(pc):
    fields = {
        "_values": {"type": "dense_vector", "dimension": 2, "metric": "dotproduct"},
        "_sparse_values": {"type": "sparse_vector"},
    }
    pc.indexes.create(name="hybrid", schema={"fields": fields}, deployment=PLACE)
    index = pc.index(name="hybrid")
    index.upsert(
        vectors=[
            Vector(id="a", values=[1.0, 0.0], sparse_values=SparseValues(indices=[3, 9], values=[1.0, 2.0])),
            Vector(id="b", values=[0.0, 1.0], sparse_values=SparseValues(indices=[3], values=[5.0])),
        ]
    )
    found = index.query(vector=[1.0, 0.5], sparse_vector=SparseValues(indices=[3], values=[1.0]), top_k=2)
    fetched = index.fetch(ids=["a"]).vectors["a"].sparse_values
    return {
        "found": [[match.id, match.score] for match in found.matches],
        "fetched": [list(fetched.indices), list(fetched.values)],
    }


def sparse(pc):
    pc.indexes.create(name="words", schema={"fields": {"_sparse_values": {"type": "sparse_vector"}}}, deployment=PLACE)
    index = pc.index(name="words")
    index.upsert(vectors=[Vector(id="w", sparse_values=SparseValues(indices=[1, 2], values=[0.5, 0.25]))])
    found = index.query(sparse_vector=SparseValues(indices=[2], values=[2.0]), top_k=1)
    return [[match.id, match.score] for match in found.matches]


def end(pc):
    for name in ("docs", "hybrid", "words"):
        pc.indexes.delete(name)
    return [index.name for index in pc.indexes.list()]


def main():
    pc = Pinecone(host=sys.argv[1], api_key=sys.argv[2])
    print(json.dumps({"dense": dense(pc), "hybrid": hybrid(pc), "sparse": sparse(pc), "end": end(pc)}))


main()
