"""Asks the test server through OpenAI's official client, and prints what that understood as one JSON object."""

import json
import sys

import openai
from openai.types import CreateEmbeddingResponse

base, model = sys.argv[1:]
client = openai.OpenAI(base_url=base, api_key="sk-0123456789", max_retries=0)
texts = ["one", "größe 世界"]


def vectors(response):
    return [item.embedding for item in response.data]


raw = client.embeddings.with_raw_response.create(model=model, input=texts, encoding_format="float")
# Every field that the published interface requires, of its very type.
strict = CreateEmbeddingResponse.model_validate(raw.http_response.json(), strict=True)
usual = client.embeddings.create(model=model, input=texts)  # The client asks for base64 and decodes it.
shorter = client.embeddings.create(model=model, input="one", dimensions=3)

errors = {}
for name, key, changes in [
    ("wrong key", "sk-9876543210", {}),
    ("no such model", "sk-0123456789", {"model": "gpt-9"}),
    ("empty text", "sk-0123456789", {"input": [""]}),
    ("too long", "sk-0123456789", {"input": "word " * 11}),
]:
    other = openai.OpenAI(base_url=base, api_key=key, max_retries=0)
    try:
        other.embeddings.create(**{"model": model, "input": texts, **changes})
    except openai.APIStatusError as error:
        errors[name] = [type(error).__name__, error.status_code, error.code]

print(
    json.dumps(
        {
            "float": vectors(strict),
            "base64": [[float(value) for value in vector] for vector in vectors(usual)],
            "dimensions": len(shorter.data[0].embedding),
            "usage": strict.usage.model_dump(),
            "errors": errors,
        }
    )
)
