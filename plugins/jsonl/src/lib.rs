/*!
Sink: JSON Lines. `--to jsonl:out.jsonl` writes every record as one line:

```text
{"id":"a","collection":"docs","document":"…","metadata":{…},"vector":[0.25,…]}
```

Keys come in this order. `document` and `vector` are `null` where a record has none. `metadata` is the source's
JSON text, so that no number loses digits; `vector` holds the shortest text that reads back as the same
32-bit floats. What a line has no place for (further named vectors, sparse vectors, values that are not
finite) is left out and counted as a change.

All collections of a run go into one file, which appears whole at the end of the run and replaces what stood
under its name. A later record with the id of an earlier one takes its place.

What it is not: a store to come back to. A finished file can be read, to verify a run, and not added to.
*/

mod index;
mod line;
mod lines;
mod sink;

/// The sink `jsonl`.
pub struct Jsonl;

vecferry_sdk::export!(sink: Jsonl);
