"""Makes the sample store beside it: twelve notes about ferries. Needs numpy.

The vectors are made up. A real script would have saved those of its model.
"""

import json
import pathlib

import numpy

NOTES = [
    ("draught", "The draught of a ship is the depth of its keel below the water line.", "ships", 1),
    ("ro-ro", "A ro-ro ferry takes cars and lorries that drive on at one end and off at the other.", "ships", 2),
    ("cable", "A cable ferry is guided, and often pulled, by cables between both shores.", "ships", 3),
    ("reaction", "A reaction ferry has no engine: the current of the river pushes it across.", "ships", 4),
    ("hydrofoil", "A hydrofoil lifts its hull out of the water once it is fast enough.", "ships", 5),
    ("ballast", "Ballast water keeps a ship upright when its car deck is empty.", "loading", 6),
    ("lashing", "Lorries are lashed to the deck with chains when rough weather is expected.", "loading", 7),
    ("tickets", "Foot passengers pay at the pier; cars pay before they reach the ramp.", "tickets", 8),
    ("dogs", "Dogs travel free of charge but stay on the lead, except on the sun deck.", "tickets", 9),
    ("fog", "In fog the ferry sounds one long blast every two minutes.", "safety", 10),
    ("jackets", "Life jackets for children lie in the yellow boxes on both sides.", "safety", 11),
    ("night", "The last crossing leaves at 23:40; on Saturdays there is one at 01:15. Gute Fahrt! ⛴", "timetable", 12),
]

folder = pathlib.Path(__file__).parent
random = numpy.random.default_rng(7)
vectors = random.normal(size=(len(NOTES), 8))
vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)
numpy.save(folder / "notes.npy", vectors.astype("<f4"))
with open(folder / "notes.jsonl", "w", encoding="utf-8") as lines:
    for name, text, topic, page in NOTES:
        note = {"id": name, "text": text, "topic": topic, "page": page}
        lines.write(json.dumps(note, ensure_ascii=False) + "\n")
