"""What Pinecone's own Python SDK reads out of an index, as one JSON object.

usage: read_back.py CONTROLLER_URL API_KEY INDEX NAMESPACE [ID]

ID: a record that must be nearest to itself, and alone in having its page_content.
"""

import json
import sys
import warnings

from pinecone import Pinecone

# The older names of an index's properties are read on purpose: applications use them.
warnings.simplefilter("ignore", DeprecationWarning)

url, key, name, namespace, *probe = sys.argv[1:]
pc = Pinecone(api_key=key, host=url)
described = pc.indexes.describe(name)
index = pc.index(name=name)
ids = [item.id for page in index.list(namespace=namespace) for item in page.vectors]
records = {}
for start in range(0, len(ids), 50):
    fetched = index.fetch(ids=ids[start : start + 50], namespace=namespace).vectors
    records.update({id: {"values": list(v.values), "metadata": dict(v.metadata)} for id, v in fetched.items()})
found = {}
for id in probe:
    ask = {"namespace": namespace, "vector": records[id]["values"]}
    text = records[id]["metadata"]["page_content"]
    found["nearest"] = [match.id for match in index.query(top_k=1, **ask).matches]
    found["filtered"] = [match.id for match in index.query(top_k=5, filter={"page_content": {"$eq": text}}, **ask).matches]
place = described.deployment
json.dump(
    {
        "index": [described.dimension, described.metric, described.vector_type, place.cloud, place.region],
        "count": index.describe_index_stats().namespaces[namespace].vector_count,
        "records": records,
        **found,
    },
    sys.stdout,
)
