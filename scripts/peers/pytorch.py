#!/usr/bin/env python3
"""A step of training as `marquee bench gpu` times it, in PyTorch: a peer to compare with, as strong as we could make it.

The same model, loss and batch: dense momentum for the layers; for the rows of users and movies sparse momentum on the rows of the
batch alone, which is less work than our dense momentum (and so favours PyTorch). The ratings stay on the GPU and are shuffled there. A
step is a CUDA graph: nothing is launched kernel by kernel. Tried with and without torch.compile; the faster counts.

Argument: sizes as JSON. Last line of stdout: figures, or {"skipped": reason}, as JSON.
"""

import json
import sys
import time

RATINGS = 16_000_210
WARM_UP, STEPS, REPEATS = 20, 500, 5


def say(answer):
    print(json.dumps(answer))
    sys.exit(0)


try:
    import torch
except ImportError:
    say({"skipped": "python3 has no torch"})
if not torch.cuda.is_available():
    say({"skipped": f"torch {torch.__version__} finds no CUDA device"})


def main(work):
    torch.manual_seed(1)
    torch.backends.cuda.matmul.allow_tf32 = False  # float32, as ours
    model = Model(work)
    ways = [("cuda graph", model.step)]
    compiled = torch.compile(model.step, mode="max-autotune-no-cudagraphs")
    ways.append(("compiled cuda graph", compiled))
    found = []
    for way, step in ways:
        try:
            found.append((time_graph(step), way))
        except Exception as error:  # A way that this torch or GPU lacks is left out.
            print(f"{way}: {error}", file=sys.stderr)
    if not found:
        say({"skipped": "no way of running the step worked"})
    seconds, way = min(found)
    device = torch.cuda.get_device_name()
    say({"secondsPerStep": seconds, "way": way, "device": device, "version": torch.__version__})


class Model:
    def __init__(self, work):
        self.work = work
        gpu = {"device": "cuda"}
        N, M, K, B = work["users"], work["movies"], work["embeddingWidth"], work["batchSize"]
        self.K = K
        W = K + int(work["biases"])
        self.tables = [torch.empty(rows, W, **gpu).uniform_(-0.05, 0.05) for rows in (N, M)]
        self.velocities = [torch.zeros_like(table) for table in self.tables]
        self.users = torch.randint(N, (RATINGS,), **gpu)
        self.movies = (torch.rand(RATINGS, **gpu) ** 2 * M).long()
        self.targets = torch.rand(RATINGS, **gpu) * 4 - 2
        self.order = torch.randperm(RATINGS, **gpu)
        self.at = torch.zeros((), dtype=torch.long, **gpu)
        self.ones = torch.arange(B, **gpu)
        self.layers = [torch.zeros(1, **gpu)]
        if work["hiddenLayers"]:
            H = work["hiddenLayers"][0]
            glorot = lambda i, o: torch.empty(i, o, **gpu).uniform_(-1, 1) * (6 / (i + o)) ** 0.5
            self.layers += [glorot(2 * K, H), torch.zeros(H, **gpu), glorot(H, 1)]
        self.layer_velocities = [torch.zeros_like(layer) for layer in self.layers]

    def outputs(self, user, movie, bias, *hidden):
        K = self.K
        out = bias.expand(len(user))
        if hidden:
            weights, biases, last = hidden
            inputs = torch.cat([user[:, :K], movie[:, :K]], 1)
            out = out + (torch.relu(torch.addmm(biases, inputs, weights)) @ last).squeeze(1)
        if self.work["dotProduct"]:
            out = out + (user[:, :K] * movie[:, :K]).sum(1)
        if self.work["biases"]:
            out = out + user[:, K] + movie[:, K]
        return out

    def step(self):
        rate, momentum = self.work["learningRate"], self.work["momentum"]
        chosen = self.order[(self.at + self.ones) % RATINGS]
        self.at += len(self.ones)
        ids = [self.users[chosen], self.movies[chosen]]
        rows = [table[i].detach().requires_grad_() for table, i in zip(self.tables, ids)]
        layers = [layer.detach().requires_grad_() for layer in self.layers]
        loss = (self.outputs(*rows, *layers) - self.targets[chosen]).square().mean()
        gradients = torch.autograd.grad(loss, rows + layers)
        with torch.no_grad():
            for layer, velocity, gradient in zip(self.layers, self.layer_velocities, gradients[2:]):
                velocity.mul_(momentum).sub_(gradient, alpha=rate)
                layer.add_(velocity)
            for table, velocity, i, gradient in zip(self.tables, self.velocities, ids, gradients):
                # Rows that occur twice get the sum of their gradients.
                old = velocity[i]
                velocity.index_copy_(0, i, old * momentum)
                velocity.index_add_(0, i, gradient, alpha=-rate)
                table.index_copy_(0, i, table[i].detach() + velocity[i])
        return loss


def time_graph(step):
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    for _ in range(WARM_UP):
        graph.replay()
    raw = []
    for _ in range(REPEATS):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        for _ in range(STEPS):
            graph.replay()
        torch.cuda.synchronize()
        raw.append((time.perf_counter() - begin) / STEPS)
    return sorted(raw)[len(raw) // 2]


main(json.loads(sys.argv[1]))
