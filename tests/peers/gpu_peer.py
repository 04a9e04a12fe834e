"""Astromer 2 in PyTorch on a GPU, as fast as its user can make it without kernels of his own: the peer of tests/gpu.

Prints one JSON line: {"variant", "batch", "lengths", "windows_per_second", "inference_windows_per_second", "memory_gb", "loss"}.
The work is that of `../shared/peers/pytorch_peer.py`: forward, error-weighted RMSE on the probed points, backward, Adam, on
windows padded to 200 points. Variants: eager, sdpa (fused attention and Adam), compile (max-autotune), graph (the whole step
captured by hand, with a capturable fused Adam). Layers compute in bfloat16 under autocast, or in float32.

  python3 gpu_peer.py --variant graph --precision bfloat16 --batch 256 --lengths 200 --device cuda
"""
import argparse
import json
import math
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

LENGTH = 200


class Block(nn.Module):
    def __init__(self, width, heads, hidden):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.merge = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.skip1, self.skip2 = nn.Linear(width, width), nn.Linear(width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)

    def forward(self, x, mask, fused):
        batch, length, width = x.shape
        heads = lambda y: y.view(batch, length, self.heads, -1).transpose(1, 2)
        q, k, v = heads(self.query(x)), heads(self.key(x)), heads(self.value(x))
        if fused:
            z = F.scaled_dot_product_attention(q, k, v, attn_mask=mask.to(q.dtype))
        else:
            z = ((q @ k.transpose(-1, -2)) / math.sqrt(width // self.heads) + mask).softmax(-1) @ v
        x = self.norm1(self.skip1(x) + self.merge(z.transpose(1, 2).reshape(batch, length, width)))
        return self.norm2(self.skip2(x) + self.down(torch.tanh(self.up(x))))


class Astromer2(nn.Module):
    def __init__(self, blocks, width, heads, hidden):
        super().__init__()
        self.mask_token = nn.Parameter(torch.zeros(1))
        self.project = nn.Linear(1, width)
        self.blocks = nn.ModuleList(Block(width, heads, hidden) for _ in range(blocks))
        self.norm, self.reconstruct = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, 1)
        j = torch.arange(width, dtype=torch.float32)
        self.register_buffer("frequency", 10000 ** (-2 * j / width))
        self.register_buffer("even", j % 2 == 0)

    def forward(self, magnitude, time, hidden, fused):
        angle = time * self.frequency
        x = self.project(magnitude * (1 - hidden) + hidden * self.mask_token)
        x = x + torch.where(self.even, angle.sin(), angle.cos())
        mask = hidden.transpose(1, 2).unsqueeze(1) * -1e9
        for block in self.blocks:
            x = block(x, mask, fused)
        return self.reconstruct(self.norm(x))


def windows(size, lengths):
    """Magnitudes, times, hidden (1: no key), probed, loss weights: (size, 200, 1) each."""
    magnitude, time_, weight = torch.randn(size, LENGTH, 1), torch.rand(size, LENGTH, 1) * 1000 - 500, torch.rand(size, LENGTH, 1)
    hidden, probed = torch.ones(size, LENGTH, 1), torch.zeros(size, LENGTH, 1)
    for i in range(size):
        n = lengths[torch.randint(len(lengths), (1,)).item()]
        order = torch.randperm(n)
        hidden[i, :n] = 0
        probed[i, order[: n // 2]] = 1
        hidden[i, order[: int(0.3 * n)]] = 1
    return magnitude, time_, hidden, probed, weight


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--variant", choices=["eager", "sdpa", "compile", "graph"], default="sdpa")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="bfloat16")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--lengths", default="200")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rehearse", action="store_true", help="a small model, and no compiler")
    options = parser.parse_args()
    torch.manual_seed(0)
    device, gpu = options.device, options.device.startswith("cuda")
    lengths = [int(options.lengths)] if options.lengths.isdigit() else [min(LENGTH, int(x)) for x in open(options.lengths)]
    inputs = [t.to(device) for t in windows(options.batch, lengths)]
    magnitude, time_, hidden, probed, weight = inputs
    model = Astromer2(*((2, 64, 4, 128) if options.rehearse else (6, 256, 4, 512))).to(device)
    fused = options.variant != "eager"
    run = model
    if options.variant == "compile":
        run = torch.compile(model, backend="eager") if options.rehearse else torch.compile(model, mode="max-autotune")
    capturable = gpu and options.variant == "graph"
    adam = torch.optim.Adam(model.parameters(), 1e-5, betas=(0.9, 0.98), eps=1e-9, fused=fused, capturable=capturable)
    autocast = lambda: torch.autocast("cuda" if gpu else "cpu", torch.bfloat16, enabled=options.precision == "bfloat16", cache_enabled=not capturable)

    def train():
        with autocast():
            prediction = run(magnitude, time_, hidden, fused)
        squared = weight * (magnitude - prediction.float()) ** 2 * probed
        loss = torch.sqrt((squared.sum(1) / probed.sum(1)).mean())
        adam.zero_grad(set_to_none=not capturable)
        loss.backward()
        adam.step()
        return loss

    visible = torch.zeros_like(hidden)

    def infer():
        with torch.no_grad(), autocast():
            return run(magnitude, time_, visible, fused)

    def captured(work):
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                work()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = work()

        def replay():
            graph.replay()
            return result
        return replay

    def rate(work):
        if capturable:
            work = captured(work)
        wait = torch.cuda.synchronize if gpu else lambda: None
        for _ in range(3):
            result = work()
        wait()
        start = time.perf_counter()
        for _ in range(options.steps):
            # As if the next batch came: it is put where a captured step reads it.
            for t in inputs:
                t.copy_(t)
            result = work()
        wait()
        return options.batch * options.steps / (time.perf_counter() - start), result

    training, loss = rate(train)
    memory = (lambda free, total: (total - free) / 1e9)(*torch.cuda.mem_get_info()) if gpu else None
    inference, _ = rate(infer)
    print(json.dumps({
        "program": "pytorch", "variant": options.variant, "precision": options.precision, "batch": options.batch,
        "lengths": options.lengths.split("/")[-1], "windows_per_second": training,
        "inference_windows_per_second": inference, "memory_gb": memory, "loss": loss.item(),
    }), flush=True)


if __name__ == "__main__":
    main()
