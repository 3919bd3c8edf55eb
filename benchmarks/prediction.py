"""How fast affinities are predicted, beside the network of 2018 and what is possible.

Usage::

    python benchmarks/prediction.py [--device auto] [--megapixels 0.15 4]
        [--models default pixel-affinity-net] [--repeats 5]
    python benchmarks/prediction.py --figures IMAGES TRUTHS [--every 5]

For every model and size: seconds of the whole `predict_affinity` (the least of the
repeats, models taking turns); seconds of the network alone, its input on the device, in
float32 and in bfloat16; the floating-point operations and the memory traffic of its
convolutions in float32, as shares of what the device reaches on a large matrix product
(TF32 on CUDA, as for convolutions) and on a large copy in the same run; and how much
the peak of memory rises, in fresh processes (without a graphics card, on Linux only).
On the CPU, the whole of `superpixels` is timed beside scikit-image's SLIC.

With ``--figures``: what superpixels lose when the network computes in bfloat16.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from memory import FREES_AT_ONCE, rise_during
from torch.utils.flop_counter import FlopCounterMode

from conftest import picture
from napari_paf import (
    entropy_rate_superpixels,
    load_model,
    predict_affinity,
    suitable_balance,
    superpixels,
)
from napari_paf.affinity.model import AffinityModel
from napari_paf.affinity.pixel_affinity_net import (
    PixelAffinityNet,
    PixelAffinityNetConfig,
)
from napari_paf.evaluation import find_examples
from napari_paf.metrics import achievable_segmentation_accuracy, boundary_recall

PIXELS_PER_SUPERPIXEL = 515


def find_model(name: str) -> AffinityModel:
    """Return a model; the network of 2018 with any weights: they take the same time."""
    if name != "pixel-affinity-net":
        return load_model(name)
    config = PixelAffinityNetConfig()
    network = PixelAffinityNet(config).eval()
    return AffinityModel(network, config, network.offsets, name=name)


def photograph(megapixels: float) -> np.ndarray:
    """Return an RGB picture; 0.15 megapixels are the 481 x 321 of BSDS500."""
    rows = 321 if megapixels == 0.15 else math.isqrt(int(megapixels * 1e6))
    return picture(rows, 481 if megapixels == 0.15 else rows)


def seconds_of(call: Callable[[], object], device: torch.device) -> float:
    """Return how long a call takes, until the device is done."""
    start = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def limits(device: torch.device) -> tuple[float, float]:
    """Return the operations and the bytes per second that the device reaches."""
    n = 8192 if device.type == "cuda" else 2048
    torch.backends.cuda.matmul.allow_tf32 = True  # as convolutions by default
    a, b = torch.rand(2, n, n, device=device)
    c = torch.rand(2**26, device=device)
    compute = min(seconds_of(lambda: a @ b, device) for _ in range(5))
    cloning = min(seconds_of(c.clone, device) for _ in range(5))
    return 2 * n**3 / compute, 2 * c.nbytes / cloning


def cost(model: AffinityModel, shape: tuple[int, int]) -> tuple[float, float]:
    """Return the operations of one prediction, and the bytes its layers must move.

    Every convolution reads its input and its weights once and writes its output once.
    """
    n_channels = model.network.prepare(np.zeros((3, 8, 8), np.uint8)).shape[0]
    moved = 0

    def count(module: torch.nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        nonlocal moved
        moved += inputs[0].nbytes + output.nbytes
        moved += sum(p.nbytes for p in module.parameters())

    # Norms are folded into the convolutions: what holds a convolution counts as one.
    holders = [
        module
        for module in model.network.modules()
        if isinstance(getattr(module, "conv", module), torch.nn.Conv2d)
        and not isinstance(module, torch.nn.Sequential)
    ]
    inner = {getattr(module, "conv", None) for module in holders}
    hooks = [
        module.register_forward_hook(count) for module in holders if module not in inner
    ]
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model.network(torch.zeros(1, n_channels, *shape))
    for hook in hooks:
        hook.remove()
    return float(counter.get_total_flops()), float(moved)


def network_seconds(
    model: AffinityModel, image: np.ndarray, device: torch.device, repeats: int
) -> list[float]:
    """Return how long the network alone takes, in float32 and in bfloat16."""
    network = copy.deepcopy(model.network).to(device)
    prepared = network.prepare(np.moveaxis(image, -1, 0))
    prepared = torch.from_numpy(prepared)[None].to(device)
    taken = []
    for enabled in (False, True):
        with (
            torch.inference_mode(),
            torch.autocast(device.type, torch.bfloat16, enabled=enabled),
        ):
            runs = [
                seconds_of(lambda: network(prepared), device)
                for _ in range(repeats + 1)
            ]
        taken.append(min(runs[1:]))
    return taken


def memory_of(name: str, megapixels: float, device: str) -> str:
    """Return the bytes a pixel that prediction adds to the peak of this process."""
    image, model = photograph(megapixels), find_model(name)
    predict_affinity(image[:64, :64], model=model, channel_axis=-1, device=device)
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
        predict_affinity(image, model=model, channel_axis=-1, device=device)
        return f"{torch.cuda.max_memory_allocated() / image[..., 0].size:.0f}"
    rise = rise_during(
        lambda: predict_affinity(image, model=model, channel_axis=-1, device=device)
    )
    return f"{rise / image[..., 0].size:.0f}"


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu"
    )
    parser.add_argument("--megapixels", type=float, nargs="+", default=[0.15, 4])
    parser.add_argument(
        "--models", nargs="+", default=["default", "pixel-affinity-net"]
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--figures", nargs=2, type=Path, metavar=("IMAGES", "TRUTHS"))
    parser.add_argument("--every", type=int, default=5, help="so many images")
    parser.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        name, size = options.memory
        print(json.dumps(memory_of(name, float(size), options.device)))
        return

    device = torch.device(options.device)
    if options.figures:
        compare_precisions(*options.figures, options.every, device)
        return
    compute, traffic = limits(device)
    print(f"{device}: {compute / 1e9:.0f} GFLOP/s, {traffic / 1e9:.1f} GB/s reached")
    print(
        "| megapixels | model | seconds | network alone | in bfloat16 | GFLOP "
        "| of the compute limit | GB | of the memory limit | bytes per pixel |"
    )
    print("| --- |" + " --- |" * 9)
    for size in options.megapixels:
        image = photograph(size)
        models = {name: find_model(name) for name in options.models}
        taken: dict[str, list[float]] = {name: [] for name in models}
        for repeat in range(options.repeats + 1):
            for name, model in models.items():
                predict = partial(predict_affinity, image, channel_axis=-1)
                call = partial(predict, model=model, device=options.device)
                seconds = seconds_of(call, device)
                if repeat:  # the first one warms up
                    taken[name].append(seconds)
        for name, model in models.items():
            # Counted on a part: layers cost the same for every pixel. It is so small
            # that the network does not cut it into strips that overlap.
            side = 240
            share = image[..., 0].size / side**2
            flops, moved = (value * share for value in cost(model, (side, side)))
            alone, halved = network_seconds(model, image, device, options.repeats)
            command = [sys.executable, __file__, "--device", options.device]
            command += ["--memory", name, str(size)]
            result = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=True,
                env=os.environ | FREES_AT_ONCE,
            )
            print(
                f"| {size:g} | {name} | {min(taken[name]):.3f} | {alone:.4f} "
                f"| {halved:.4f} | {flops / 1e9:.1f} "
                f"| {flops / alone / compute:.0%} | {moved / 1e9:.2f} "
                f"| {moved / alone / traffic:.0%} | {json.loads(result.stdout)} |",
                flush=True,
            )
    if device.type == "cpu":
        for size in options.megapixels:
            beside_slic(photograph(size), options.repeats)


def compare_precisions(
    images: Path, truths: Path, every: int, device: torch.device
) -> None:
    """Print the quality of superpixels by the precision of the network."""
    print("| precision | superpixels | segmentation accuracy | boundary recall |")
    print("| --- |" + " --- |" * 3)
    examples = [example.read() for example in find_examples(images, truths)[::every]]
    for name in ("float32", "bfloat16"):
        scores = []
        for image, truth in examples:
            with torch.autocast(
                device.type, torch.bfloat16, enabled=name == "bfloat16"
            ):
                affinity = predict_affinity(image, channel_axis=-1, device=device)
            balance = suitable_balance(affinity)
            for n in (100, 300, 600):
                labels = entropy_rate_superpixels(affinity, n, balance=balance)
                scores.append(
                    (
                        achievable_segmentation_accuracy(labels, truth),
                        boundary_recall(labels, truth),
                    )
                )
        means = np.reshape(scores, (len(examples), 3, 2)).mean(axis=0)
        for n, (accuracy, recall) in zip((100, 300, 600), means, strict=True):
            print(f"| {name} | {n} | {accuracy:.4f} | {recall:.4f} |")


def beside_slic(image: np.ndarray, repeats: int) -> None:
    """Print how long the whole of `superpixels` takes, and SLIC, in turns."""
    from skimage.segmentation import slic

    n = image[..., 0].size // PIXELS_PER_SUPERPIXEL
    calls = {
        "superpixels": lambda: superpixels(image, n, channel_axis=-1, device="cpu"),
        "scikit-image SLIC": lambda: slic(image, n),
    }
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(repeats + 1):
        for name, call in calls.items():
            seconds = seconds_of(call, torch.device("cpu"))
            if repeat:
                taken[name].append(seconds)
    rows, columns = image.shape[:2]
    for name, values in taken.items():
        print(f"{name}: {min(values):.3f} s, {rows} x {columns} pixels in {n}")


if __name__ == "__main__":
    main()
