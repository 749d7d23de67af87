"""Writes all-MiniLM-L6-v2.onnx: the model's computation, without its weights.

    pip install onnx==1.23.2
    python generate_graph.py path/to/model.safetensors

The published weights (model.safetensors, 91 MB) come without an ONNX graph. This writes one of some 40 KB whose
tensors are references into that file: name, offset, length. It is BERT, layer by layer, as described by the
model's config.json; inputs and output are named as in the usual exports:

    input_ids, attention_mask, token_type_ids: int64 [batch, sequence]  ->  last_hidden_state: float [batch, sequence, 384]

Pooling (mean over the attention mask) and normalisation come after it, in fastembed.
Only the header of the weights' file is read. The output is the same, byte for byte, in every run.
"""

import json
import math
import pathlib
import struct
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper

# The model's config.json.
LAYERS, HIDDEN, HEADS, EPSILON = 6, 384, 12, 1e-12
HEAD = HIDDEN // HEADS
OPSET = 20  # the first with Gelu; LayerNormalization came with 17

WEIGHTS_NAME = "model.safetensors"
ONNX_TYPES = {"F32": TensorProto.FLOAT, "I64": TensorProto.INT64}


def read_header(path):
    """Name -> {dtype, shape, data_offsets}, and where the data starts. safetensors: u64 length, JSON, data."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return header, 8 + length


class Graph:
    """Collects nodes. Every method returns the name of the tensor it computes."""

    def __init__(self, header, data_start):
        self.header, self.data_start = header, data_start
        self.nodes, self.tensors = [], {}

    def op(self, kind, *inputs, name, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def weight(self, name):
        """A tensor in the weights' file."""
        entry = self.header[name]
        begin, end = entry["data_offsets"]
        tensor = TensorProto(name=name, data_type=ONNX_TYPES[entry["dtype"]], dims=entry["shape"])
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in [("location", WEIGHTS_NAME), ("offset", self.data_start + begin), ("length", end - begin)]:
            tensor.external_data.add(key=key, value=str(value))
        self.tensors[name] = tensor
        return name

    def constant(self, name, value, dtype):
        self.tensors[name] = numpy_helper.from_array(np.asarray(value, dtype), name)
        return name

    def linear(self, x, weights, name):
        """x · Wᵀ + b; the file holds W as [out, in]."""
        transposed = self.op("Transpose", self.weight(f"{weights}.weight"), name=f"{name}.weights", perm=[1, 0])
        product = self.op("MatMul", x, transposed, name=f"{name}.product")
        return self.op("Add", product, self.weight(f"{weights}.bias"), name=name)

    def layer_norm(self, x, weights, name):
        scale, bias = self.weight(f"{weights}.weight"), self.weight(f"{weights}.bias")
        return self.op("LayerNormalization", x, scale, bias, name=name, axis=-1, epsilon=EPSILON)


def embeddings(g):
    """Word + position + token type, normalised."""
    words = g.op("Gather", g.weight("embeddings.word_embeddings.weight"), "input_ids", name="words")
    types = g.op("Gather", g.weight("embeddings.token_type_embeddings.weight"), "token_type_ids", name="types")
    length = g.op("Shape", "input_ids", name="length", start=1, end=2)
    zero, first_axis = g.constant("zero", [0], np.int64), g.constant("first_axis", [0], np.int64)
    table = g.weight("embeddings.position_embeddings.weight")
    positions = g.op("Slice", table, zero, length, first_axis, name="positions")
    summed = g.op("Add", g.op("Add", words, types, name="words_and_types"), positions, name="embedded")
    return g.layer_norm(summed, "embeddings.LayerNorm", "embeddings")


def mask(g):
    """0 where a token counts, the lowest float where it is padding; [batch, 1, 1, sequence]."""
    axes = g.constant("mask_axes", [1, 2], np.int64)
    wide = g.op("Unsqueeze", "attention_mask", axes, name="mask_4d")
    as_float = g.op("Cast", wide, name="mask_float", to=TensorProto.FLOAT)
    padding = g.op("Sub", g.constant("one", 1.0, np.float32), as_float, name="padding")
    return g.op("Mul", padding, g.constant("lowest", np.finfo(np.float32).min, np.float32), name="mask")


def attention(g, x, mask_name, weights, name):
    heads = g.constant("heads_shape", [0, 0, HEADS, HEAD], np.int64)  # 0: as it was

    def split(part, perm):
        """[batch, sequence, 384] to [batch, head, sequence, 32], or with the last two swapped."""
        flat = g.linear(x, f"{weights}.self.{part}", f"{name}.{part}")
        by_head = g.op("Reshape", flat, heads, name=f"{name}.{part}.heads")
        return g.op("Transpose", by_head, name=f"{name}.{part}.swapped", perm=perm)

    query, key, value = split("query", [0, 2, 1, 3]), split("key", [0, 2, 3, 1]), split("value", [0, 2, 1, 3])
    scale = g.constant("scale", math.sqrt(HEAD), np.float32)
    scores = g.op("Div", g.op("MatMul", query, key, name=f"{name}.dots"), scale, name=f"{name}.scores")
    masked = g.op("Add", scores, mask_name, name=f"{name}.masked")
    shares = g.op("Softmax", masked, name=f"{name}.shares", axis=-1)
    mixed = g.op("MatMul", shares, value, name=f"{name}.mixed")
    swapped = g.op("Transpose", mixed, name=f"{name}.mixed.swapped", perm=[0, 2, 1, 3])
    joined = g.op("Reshape", swapped, g.constant("joined_shape", [0, 0, HIDDEN], np.int64), name=f"{name}.joined")
    projected = g.linear(joined, f"{weights}.output.dense", f"{name}.projected")
    residual = g.op("Add", projected, x, name=f"{name}.residual")
    return g.layer_norm(residual, f"{weights}.output.LayerNorm", name)


def feed_forward(g, x, weights, name):
    wide = g.linear(x, f"{weights}.intermediate.dense", f"{name}.wide")
    narrow = g.linear(g.op("Gelu", wide, name=f"{name}.gelu"), f"{weights}.output.dense", f"{name}.narrow")
    residual = g.op("Add", narrow, x, name=f"{name}.residual")
    return g.layer_norm(residual, f"{weights}.output.LayerNorm", name)


def build(weights_path):
    g = Graph(*read_header(weights_path))
    x, mask_name = embeddings(g), mask(g)
    for layer in range(LAYERS):
        weights = f"encoder.layer.{layer}"
        x = attention(g, x, mask_name, f"{weights}.attention", f"layer{layer}.attention")
        x = feed_forward(g, x, weights, f"layer{layer}")
    g.op("Identity", x, name="last_hidden_state")

    sides = ["batch", "sequence"]
    inputs = ["input_ids", "attention_mask", "token_type_ids"]
    graph = helper.make_graph(
        g.nodes,
        "all-MiniLM-L6-v2",
        [helper.make_tensor_value_info(name, TensorProto.INT64, sides) for name in inputs],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*sides, HIDDEN])],
        list(g.tensors.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    model.producer_name = "vecferry generate_graph.py"
    return model


def main():
    weights = pathlib.Path(sys.argv[1])
    model = build(weights)
    target = pathlib.Path(__file__).with_name("all-MiniLM-L6-v2.onnx")
    target.write_bytes(model.SerializeToString(deterministic=True))
    print(f"{target}: {target.stat().st_size} bytes, {len(model.graph.node)} nodes")


if __name__ == "__main__":
    main()
