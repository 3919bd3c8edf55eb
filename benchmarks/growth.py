"""How time and memory grow with the image: a table, and plots for the documentation.

Usage::

    python benchmarks/growth.py [OUTPUT_DIR] [--sizes 0.15 0.5 1 2 4]

Every run is a fresh process; the methods take turns. Seconds are the least of
three runs after one on a small picture, which loads all there is to load. Memory is
what is in use at most during a run, beyond what was before: without the picture and
without the affinities. It is measured on Linux only, in a process of its own whose
allocator gives back at once what is freed, and shown as nan elsewhere.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from memory import FREES_AT_ONCE, rise_during

PIXELS_PER_SUPERPIXEL = 515
METHODS = (
    "entropy rate, 1 thread",
    "entropy rate, 2 threads",
    "SLIC",
    "compact watershed",
    "Felzenszwalb",
)


def measure(method: str, megapixels: float) -> dict[str, float]:
    """Return seconds and bytes per pixel of one method in this process."""
    from skimage.color import rgb2gray
    from skimage.filters import sobel
    from skimage.segmentation import felzenszwalb, slic, watershed

    from conftest import picture
    from napari_paf import entropy_rate_superpixels, predict_affinity

    side = math.isqrt(int(megapixels * 1e6))
    image = picture(side, side)
    n_segments = image[..., 0].size // PIXELS_PER_SUPERPIXEL

    def affinity_of(image: np.ndarray) -> np.ndarray:
        ours = method.startswith("entropy")
        return (
            predict_affinity(image, channel_axis=-1, device="cpu")
            if ours
            else np.zeros(0)
        )

    def run(image: np.ndarray, affinity: np.ndarray, n: int) -> np.ndarray:
        if method.startswith("entropy"):
            return entropy_rate_superpixels(affinity, n, n_threads=int(method[14]))
        if method == "SLIC":
            return slic(image, n)
        if method == "compact watershed":
            return watershed(sobel(rgb2gray(image)), n, compactness=0.001)
        return felzenszwalb(image, scale=100)

    small = picture(320, 320)
    run(small, affinity_of(small), 50)
    affinity = affinity_of(image)
    if FREES_AT_ONCE.items() <= os.environ.items():
        rise = rise_during(lambda: run(image, affinity, n_segments))
        return {"bytes": rise / image[..., 0].size}
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        run(image, affinity, n_segments)
        seconds.append(time.perf_counter() - start)
    return {"seconds": min(seconds)}


def main() -> None:
    """Measure every method at every size; print a table, write the plots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, nargs="?")
    parser.add_argument("--sizes", type=float, nargs="+", default=[0.15, 0.5, 1, 2, 4])
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one[0], float(options.one[1]))))
        return
    rows = []
    print("| megapixels | method | seconds | seconds per megapixel | bytes per pixel |")
    print("| --- | --- | --- | --- | --- |")
    for size in options.sizes:
        for method in METHODS:
            command = [sys.executable, __file__, "--one", method, str(size)]
            row: dict[str, float] = {}
            for setting in ({}, FREES_AT_ONCE):
                result = subprocess.run(
                    command,
                    capture_output=True,
                    text=True,
                    check=True,
                    env=os.environ | setting,
                )
                row |= json.loads(result.stdout)
            rows.append((size, method, row))
            each = row["seconds"] / size
            print(
                f"| {size:g} | {method} | {row['seconds']:.3f} | {each:.2f} | "
                f"{row['bytes']:.0f} |",
                flush=True,
            )
    if options.output:
        plot(rows, options.output)


def plot(rows: list[tuple[float, str, dict[str, float]]], folder: Path) -> None:
    """Draw seconds and memory over the size of the image."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for method in METHODS:
        chosen = [(size, row) for size, name, row in rows if name == method]
        sizes = [size for size, _ in chosen]
        left.plot(sizes, [row["seconds"] for _, row in chosen], "o-", label=method)
        right.plot(sizes, [row["bytes"] for _, row in chosen], "o-", label=method)
    left.set(xlabel="megapixels", ylabel="seconds", xscale="log", yscale="log")
    right.set(
        xlabel="megapixels", ylabel="bytes per pixel", xscale="log", ylim=(0, None)
    )
    labels = left.get_legend_handles_labels()
    figure.legend(*labels, loc="outside upper center", ncols=len(METHODS))
    measured = sorted({size for size, *_ in rows})
    for axes in (left, right):
        axes.set_xticks(measured, [f"{size:g}" for size in measured])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "growth.png", dpi=120)


if __name__ == "__main__":
    main()
