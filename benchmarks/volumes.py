"""How long clustering a volume takes beside clustering an image of as many pixels.

Usage::

    python benchmarks/volumes.py [--shape 128 256 256] [--threads 2]

A volume has other numbers of edges than an image, so seconds are compared per edge: of
neighbours across faces alone to an image with 4 neighbours, of others to one with 8.
The affinities are gradients of a picture and of a volume continued by their mirror
images; what the default network predicts for them; gradients of smooth noise, of one
contrast whatever the axes; of the same noise, so faint that nearly all edges are alike;
and random numbers.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from conftest import picture
from napari_paf import entropy_rate_superpixels, gradient_affinity, predict_affinity
from napari_paf.samples import load_sample

EDGES = {(2, 1): 2, (2, 2): 4, (3, 1): 3, (3, 2): 9, (3, 3): 13}  # per pixel
PIXELS_PER_SUPERPIXEL = 515
RUNS = 3  # of which the fastest counts

Affinity = Callable[..., NDArray[np.float32]]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=[128, 256, 256])
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    shape = tuple(options.shape)
    side = math.isqrt(math.prod(shape))
    print("| affinities | neighbours | microseconds per pixel | per edge, of 2-D |")
    print("| --- | --- | --- | --- |")
    for name, affinity in affinities(shape, (side, side)):
        flat: dict[int, float] = {}
        for (ndim, connectivity), n_edges in EDGES.items():
            taken = microseconds(affinity[ndim], connectivity, options.threads)
            if ndim == 2:
                flat[connectivity] = taken / n_edges
            share = taken / n_edges / flat[min(connectivity, 2)]
            print(f"| {name} | {2 * n_edges} | {taken:.2f} | {share:.2f} |", flush=True)


def affinities(
    volume: tuple[int, ...], image: tuple[int, int]
) -> Iterator[tuple[str, dict[int, Affinity]]]:
    """Yield, by name, functions of the connectivity for two and three axes."""
    stack = load_sample("em_fibsem_3d").image
    for axis in range(3):
        stack = np.concatenate([stack, np.flip(stack, axis)], axis)
    times = [-(-n // m) for n, m in zip(volume, stack.shape, strict=True)]
    stack = np.tile(stack, times)[tuple(map(slice, volume))]
    yield (
        "gradients",
        {
            2: partial(gradient_affinity, picture(*image), channel_axis=-1),
            3: partial(gradient_affinity, stack),
        },
    )
    yield (
        "the default network's",
        {
            2: partial(
                predicted, predict_affinity(picture(*image), channel_axis=-1), 2
            ),
            3: partial(predicted, predict_affinity(stack), 3),
        },
    )
    random = np.random.default_rng(0)

    def smooth(shape: tuple[int, ...], contrast: float) -> NDArray[np.float32]:
        values = gaussian_filter(random.random(shape, np.float32), 2)
        values -= values.mean()
        return 0.5 + contrast / values.std() * values

    for name, contrast in (("smooth noise", 0.04), ("faint smooth noise", 0.016)):
        yield (
            f"gradients of {name}",
            {
                2: partial(gradient_affinity, smooth(image, contrast)),
                3: partial(gradient_affinity, smooth(volume, contrast)),
            },
        )

    def noise(shape: tuple[int, ...], connectivity: int) -> NDArray[np.float32]:
        return random.random((EDGES[len(shape), connectivity], *shape), np.float32)

    yield "random", {2: partial(noise, image), 3: partial(noise, volume)}


def predicted(
    affinity: NDArray[np.float32], ndim: int, connectivity: int
) -> NDArray[np.float32]:
    """Return what of a network's affinities `superpixels` clusters."""
    enough = len(affinity) >= EDGES[ndim, connectivity]
    return affinity if enough else affinity[:ndim]


def microseconds(make: Affinity, connectivity: int, n_threads: int) -> float:
    """Return how long clustering takes per pixel."""
    affinity = make(connectivity=connectivity)
    n_pixels = affinity[0].size
    cluster = partial(
        entropy_rate_superpixels, connectivity=connectivity, n_threads=n_threads
    )
    small = (slice(None), *[slice(20)] * (affinity.ndim - 1))
    cluster(np.ascontiguousarray(affinity[small]), 10)  # compile
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        cluster(affinity, n_pixels // PIXELS_PER_SUPERPIXEL)
        seconds.append(time.perf_counter() - start)
    return min(seconds) / n_pixels * 1e6


if __name__ == "__main__":
    main()
