"""Reads a table with psycopg: one JSON object a row, its vector as the bytes of its 32-bit floats."""

import json
import struct
import sys

import psycopg

url, table = sys.argv[1:]
with psycopg.connect(url) as connection, connection.cursor(binary=True) as cursor:
    cursor.execute(f"SELECT id, document, metadata, embedding::real[] FROM {table} ORDER BY id")
    for id, document, metadata, embedding in cursor:
        vector = None if embedding is None else struct.pack(f">{len(embedding)}f", *embedding).hex()
        print(json.dumps({"id": id, "document": document, "metadata": metadata, "vector": vector}))
