"""Cost of the networks: megapixels per CPU second of a map, and CPU seconds of a training step.

python benchmarks/networks.py [--rounds 5]

All networks are timed in turn in one process with one thread, and the best of all rounds counts.
"""

import argparse
import time

import torch

from geoseg.classification import ClassifySettings
from geoseg.model import UNetSpec, choose_batch, make_network, torch_dtype, tune_malloc
from geoseg.model.networks.conv_norm import fold_batch_norm

SPECS = {
    "lab, 128 px": UNetSpec(classes=5),
    "lab, 256 px": UNetSpec(classes=5, window=256),
    "efficientnet-lite0, 128 px": UNetSpec(
        classes=5, depth=5, window=128, encoder="efficientnet-lite0"
    ),
    "efficientnet-lite0, 256 px": UNetSpec(
        classes=5, depth=5, window=256, encoder="efficientnet-lite0"
    ),
}
STEP_PIXELS = 8 * 256**2
"""Pixels of a training step."""


def inference(spec, precision):
    """Return a function that computes a batch of windows, and the mapped pixels of the batch."""
    network = fold_batch_norm(make_network(spec).eval()).to(torch_dtype(precision))
    network.rescale.float()
    network = network.to(memory_format=torch.channels_last)
    batch = choose_batch(None, torch.device("cpu"), spec.window)
    x = 255 * torch.rand(batch, spec.bands, spec.window, spec.window)
    x = x.to(memory_format=torch.channels_last)
    stride = spec.window - ClassifySettings().overlap
    return torch.inference_mode()(lambda: network(x)), batch * stride**2


def training(spec, precision):
    """Return a function that computes the gradients of a step."""
    network = make_network(spec).to(memory_format=torch.channels_last).train()
    number = STEP_PIXELS // spec.window**2
    x = 255 * torch.rand(number, spec.bands, spec.window, spec.window)
    x = x.to(memory_format=torch.channels_last)
    labels = torch.randint(spec.classes, (number, spec.window, spec.window))
    dtype = torch_dtype(precision)

    def step():
        with torch.autocast("cpu", dtype, dtype != torch.float32):
            logits = network(x)
        torch.nn.functional.cross_entropy(logits.float(), labels).backward()

    return step


def cpu_seconds(function):
    start = time.process_time()
    function()
    return time.process_time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    tune_malloc()
    torch.set_num_threads(1)
    print("| network | parameters | precision | mapped Mpx per CPU s | CPU s per training step |")
    print("|---|---|---|---|---|")
    for precision in ("fp32", "bf16"):
        maps = {name: inference(spec, precision) for name, spec in SPECS.items()}
        steps = {name: training(spec, precision) for name, spec in SPECS.items()}
        times = {(kind, name): [] for kind in ("map", "step") for name in SPECS}
        for _ in range(rounds + 1):  # the first round is a warm-up
            for name in SPECS:
                times["map", name].append(cpu_seconds(maps[name][0]))
                times["step", name].append(cpu_seconds(steps[name]))
        for name, spec in SPECS.items():
            parameters = sum(p.numel() for p in make_network(spec).parameters())
            speed = maps[name][1] / 1e6 / min(times["map", name][1:])
            step = min(times["step", name][1:])
            print(f"| {name} | {parameters:,} | {precision} | {speed:.2f} | {step:.2f} |")


if __name__ == "__main__":
    main()
