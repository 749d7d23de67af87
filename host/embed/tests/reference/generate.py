"""Writes vectors.json: what all-MiniLM-L6-v2 gives for some texts, computed in float64.

    pip install numpy
    python generate.py path/to/model.safetensors path/to/tokenizer.json

Shares nothing with what it checks: no ONNX, no tokenizer library, no float32. The tokenizer (BERT's: clean, lower
case, strip accents, split, longest piece first) and the forward pass are written out below, from the model's
config.json and the BERT paper; sentence-transformers' settings for this model are: at most 256 tokens, mean over
all of them, length 1.
"""

import json
import math
import pathlib
import struct
import sys
import unicodedata

import numpy as np

LAYERS, HEADS, EPSILON, MAX_TOKENS = 6, 12, 1e-12, 256

TEXTS = {
    "sentence": "How do I configure a component?",
    "german": "Die Straße führt über die Brücke nach Köln; dort gibt es Äpfel, Öl und süße Übungen.",
    "japanese": "東京は日本の首都です。カタカナとひらがなも読めます。",
    "emoji": "Deploy on Friday? 🚀🔥 Never again 👩‍👩‍👧‍👦 ¯\\_(ツ)_/¯",
    "letter": "x",
    "empty": "",
    "blank": " \t\r\n\u00a0\u200b ",
    "code": 'fn main() { println!("{:?}", std::env::args().collect::<Vec<_>>()); } // 0xDEADBEEF',
    "accents": "Crème brûlée, naïve façade, Ångström, Việt Nam, İstanbul, ﬁne, Ⅷ, ½",
    "unknown": "a\u0000b\ufffdc \u202eright to left\u202c שלום مرحبا Привет ᚠᚢᚦ",
    "long word": "donaudampfschifffahrtsgesellschaftskapitaen" * 3,
    "paragraph": (
        "A vector store keeps documents together with the vectors that stand for their meaning. Moving one to another "
        "product means more than copying floats: ids have to survive, metadata has to fit the rules of the new home, "
        "and at the end somebody wants to know whether everything arrived. This paragraph is long enough to fill a "
        "good part of the model's window, with some numbers such as 1,024, 3.14159 and 2026-11-22 in between, and a "
        "web address like https://example.com/docs?page=2#top which falls into many pieces."
    ),
    "over 256 tokens": " ".join(f"Item {n}: the quick brown fox jumps over the lazy dog number {n * n}." for n in range(60)),
}


def is_control(char):
    return char not in "\t\n\r" and unicodedata.category(char) in ("Cc", "Cf", "Cn", "Co")


def is_punctuation(char):
    ascii_symbol = char.isascii() and char.isprintable() and not char.isalnum() and char != " "
    return ascii_symbol or unicodedata.category(char).startswith("P")


def is_chinese(char):
    blocks = [
        (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
        (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
    ]  # fmt: skip
    return any(first <= ord(char) <= last for first, last in blocks)


def words_of(text):
    """BERT's basic tokenizer, uncased."""
    clean = []
    for char in text:
        if char in "\0\ufffd" or is_control(char):
            continue
        clean.append(" " if char.isspace() else f" {char} " if is_chinese(char) else char)
    text = unicodedata.normalize("NFD", "".join(clean).lower())
    text = "".join(char for char in text if unicodedata.category(char) != "Mn")
    spaced = "".join(f" {char} " if is_punctuation(char) else char for char in text)
    return spaced.split()


def pieces_of(word, vocabulary):
    """WordPiece: the longest known piece first; a word with an unknown rest is unknown as a whole."""
    if len(word) > 100:
        return ["[UNK]"]
    pieces, start = [], 0
    while start < len(word):
        prefix = "##" if start else ""
        ends = range(len(word), start, -1)
        end = next((end for end in ends if prefix + word[start:end] in vocabulary), None)
        if end is None:
            return ["[UNK]"]
        pieces.append(prefix + word[start:end])
        start = end
    return pieces


def token_ids(text, vocabulary):
    pieces = [piece for word in words_of(text) for piece in pieces_of(word, vocabulary)]
    return [vocabulary[piece] for piece in ["[CLS]", *pieces[: MAX_TOKENS - 2], "[SEP]"]]


def read_weights(path):
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    weights = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            weights[name] = np.frombuffer(data[begin:end], "<f4").astype(np.float64).reshape(entry["shape"])
    return weights


def embed(ids, w):
    def linear(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def layer_norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON)
        return centred / spread * w[f"{name}.weight"] + w[f"{name}.bias"]

    def by_head(x):
        return x.reshape(len(ids), HEADS, -1).swapaxes(0, 1)

    gelu = np.vectorize(lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2))))

    x = w["embeddings.word_embeddings.weight"][ids]
    x = x + w["embeddings.position_embeddings.weight"][: len(ids)] + w["embeddings.token_type_embeddings.weight"][0]
    x = layer_norm(x, "embeddings.LayerNorm")
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        query, key, value = (by_head(linear(x, f"{name}.attention.self.{part}")) for part in ("query", "key", "value"))
        scores = query @ key.swapaxes(-1, -2) / math.sqrt(query.shape[-1])
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        mixed = (shares @ value).swapaxes(0, 1).reshape(len(ids), -1)
        x = layer_norm(x + linear(mixed, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm")
        inner = gelu(linear(x, f"{name}.intermediate.dense"))
        x = layer_norm(x + linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def main():
    weights = read_weights(sys.argv[1])
    vocabulary = json.loads(pathlib.Path(sys.argv[2]).read_text(encoding="utf-8"))["model"]["vocab"]
    lines = []
    for name, text in TEXTS.items():
        ids = token_ids(text, vocabulary)
        vector = [round(float(value), 8) for value in embed(ids, weights)]
        lines.append(json.dumps({"name": name, "tokens": len(ids), "text": text, "vector": vector}))
        print(f"{name}: {len(ids)} tokens")
    target = pathlib.Path(__file__).with_name("vectors.json")
    target.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
