"""Inference of Astromer 2 in ONNX Runtime, float32: a peer of `deno task bench`.

    pip install onnx onnxruntime
    python onnx_peer.py --batch 32 --steps 6
    ONNX_MODEL=m.onnx python onnx_peer.py --variants exported   (what `deno task export --format onnx` wrote)

Prints one line of JSON: {"variant", "inference_windows_per_second"}. As the TensorFlow reference does, it pads every
window to 200 points, whatever --lengths says.
"""

import argparse
import json
import math
import os
import time

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

blocks, heads, width, feed_forward, length = 6, 4, 256, 512, 200


def random_state(random):
    """Random parameters by their PyTorch names: a linear map's weight is (output, input), as in a state dict."""
    state = {"mask_token": np.zeros(1)}

    def linear(name, inputs, outputs):
        bound = 1 / math.sqrt(inputs)
        state[f"{name}.weight"] = random.uniform(-bound, bound, (outputs, inputs))
        state[f"{name}.bias"] = random.uniform(-bound, bound, outputs)

    def norm(name):
        state[f"{name}.weight"], state[f"{name}.bias"] = np.ones(width), np.zeros(width)

    linear("project", 1, width)
    for i in range(blocks):
        for part in ("attention.query", "attention.key", "attention.value", "attention.merge", "leak1", "leak2"):
            linear(f"blocks.{i}.{part}", width, width)
        linear(f"blocks.{i}.up", width, feed_forward)
        linear(f"blocks.{i}.down", feed_forward, width)
        norm(f"blocks.{i}.norm1")
        norm(f"blocks.{i}.norm2")
    norm("norm")
    linear("reconstruct", width, 1)
    return state


class Graph:
    """Operators that are added one by one; each gives the name of its result."""

    def __init__(self, state):
        self.state, self.nodes, self.constants = state, [], []

    def constant(self, values, dtype=np.float32):
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype), name))
        return name

    def __getattr__(self, operator):
        def add(*inputs, **attributes):
            name = f"{operator}{len(self.nodes)}"
            self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
            return name

        return add

    def linear(self, name, x):
        weight, bias = self.constant(self.state[f"{name}.weight"].T), self.constant(self.state[f"{name}.bias"])
        return self.Add(self.MatMul(x, weight), bias)

    def norm(self, name, x):
        weight, bias = self.constant(self.state[f"{name}.weight"]), self.constant(self.state[f"{name}.bias"])
        return self.LayerNormalization(x, weight, bias, axis=-1, epsilon=1e-6)

    def attention(self, name, x, bias):
        batch_split = self.constant([0, 0, heads, width // heads], np.int64)
        merged = self.constant([0, 0, width], np.int64)

        def split(part, order):
            return self.Transpose(self.Reshape(self.linear(f"{name}.{part}", x), batch_split), perm=order)

        query = split("query", [0, 2, 1, 3])  # (B, H, L, D)
        key = split("key", [0, 2, 3, 1])  # (B, H, D, L)
        value = split("value", [0, 2, 1, 3])
        scale = self.constant(1 / math.sqrt(width // heads))
        weights = self.Softmax(self.Add(self.Mul(self.MatMul(query, key), scale), bias), axis=-1)
        z = self.Reshape(self.Transpose(self.MatMul(weights, value), perm=[0, 2, 1, 3]), merged)
        return self.linear(f"{name}.merge", z)


def session_of(state, batch, threads, device="cpu"):
    """An ONNX Runtime session of the network: magnitude, time, hidden (B, L, 1) to reconstruction (B, L, 1)."""
    graph = Graph(state)
    j = np.arange(width)
    angle = graph.Mul("time", graph.constant(10000.0 ** (-2 * j / width)))
    even = graph.constant(j % 2 == 0, bool)
    encoding = graph.Where(even, graph.Sin(angle), graph.Cos(angle))
    visible = graph.Sub(graph.constant(1), "hidden")
    token = graph.Mul("hidden", graph.constant(state["mask_token"]))
    x = graph.Add(graph.linear("project", graph.Add(graph.Mul("magnitude", visible), token)), encoding)
    bias = graph.Unsqueeze(  # (B, 1, 1, L)
        graph.Mul(graph.Transpose("hidden", perm=[0, 2, 1]), graph.constant(-1e9)),
        graph.constant([1], np.int64),
    )
    for i in range(blocks):
        name = f"blocks.{i}"
        attended = graph.attention(f"{name}.attention", x, bias)
        x = graph.norm(f"{name}.norm1", graph.Add(graph.linear(f"{name}.leak1", x), attended))
        fed = graph.linear(f"{name}.down", graph.Tanh(graph.linear(f"{name}.up", x)))
        x = graph.norm(f"{name}.norm2", graph.Add(graph.linear(f"{name}.leak2", x), fed))
    result = graph.linear("reconstruct", graph.norm("norm", x))

    def value(name):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, length, 1])

    inputs = [value(name) for name in ("magnitude", "time", "hidden")]
    network = helper.make_graph(graph.nodes, "astromer2", inputs, [value(result)], graph.constants)
    model = helper.make_model(network, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    provider = "CPUExecutionProvider" if device == "cpu" else "CUDAExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise SystemExit(f"this onnxruntime has no {provider}: pip install onnxruntime-gpu")
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=[provider])


def exported(path, batch, threads, random):
    """A session of a file that `deno task export --format onnx` wrote, its inputs for full windows, and one output."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    times = np.sort(random.random((batch, length), np.float32) * 1000, axis=1)
    inputs = {"input": random.standard_normal((batch, length), np.float32), "times": times}
    inputs["mask_in"] = np.ones((batch, length), np.float32)
    kinds = {"tensor(float)": np.float32, "tensor(bool)": bool, "tensor(double)": np.float64}
    shaped = {
        value.name: inputs[value.name].reshape((batch, length, 1)[: len(value.shape)]).astype(kinds[value.type])
        for value in session.get_inputs()
    }
    return session, shaped, [session.get_outputs()[0].name]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--lengths")
    parser.add_argument("--variants", default="onnxruntime-fp32", choices=["onnxruntime-fp32", "exported"])
    options = parser.parse_args()

    random = np.random.default_rng(0)
    outputs = None
    if options.variants == "exported":
        path = os.environ["ONNX_MODEL"]
        session, inputs, outputs = exported(path, options.batch, options.threads, random)
    else:
        session = session_of(random_state(random), options.batch, options.threads, options.device)
        shape = (options.batch, length, 1)
        inputs = {
            "magnitude": random.standard_normal(shape, np.float32),
            "time": random.random(shape, np.float32) * 1000 - 500,
            "hidden": np.zeros(shape, np.float32),
        }
    for _ in range(3):
        session.run(outputs, inputs)
    start = time.perf_counter()
    for _ in range(options.steps):
        session.run(outputs, inputs)
    seconds = (time.perf_counter() - start) / options.steps
    result = {"variant": options.variants, "inference_windows_per_second": round(options.batch / seconds, 2)}
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
