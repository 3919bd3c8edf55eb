"""How long it takes until a clustering that is cancelled has ended.

``python benchmarks/cancelling.py [MEGAPIXELS ...]`` clusters random affinities on two
threads, once to see the longest time without a report, in which nobody can cancel, and
then again and again, cancelled a little later every time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from napari_paf import entropy_rate_hierarchy, entropy_rate_superpixels

N_CANCELS = 20
PIXELS_PER_SUPERPIXEL = 515


class Cancelled(Exception):
    """Raised from the callback."""


def seconds_between_reports(run: Callable[..., Any]) -> float:
    """Return the longest time from one report to the next, and from the last one on."""
    times = [time.perf_counter()]
    run(progress=lambda fraction, description: times.append(time.perf_counter()))
    times.append(time.perf_counter())
    return float(np.diff(times).max())


def seconds_to_cancel(run: Callable[..., Any], at: float) -> float:
    """Return the time from raising in the callback until the exception arrives."""
    raised = 0.0

    def progress(fraction: float, description: str) -> None:
        nonlocal raised
        if fraction >= at:
            raised = time.perf_counter()
            raise Cancelled

    try:
        run(progress=progress)
    except Cancelled:
        return time.perf_counter() - raised
    raise AssertionError(f"nothing was reported from {at} on")


def main() -> None:
    """Print a table."""
    sizes = [float(size) for size in sys.argv[1:]] or [1.0, 4.0, 16.0]
    print("| megapixels | function | longest without a report | longest to cancel |")
    print("| --- | --- | --- | --- |")
    for size in sizes:
        side = round((size * 1e6) ** 0.5)
        affinity = np.random.default_rng(0).random((4, side, side), np.float32)
        n_segments = side * side // PIXELS_PER_SUPERPIXEL
        for function in (entropy_rate_superpixels, entropy_rate_hierarchy):
            function(affinity[:, :64, :64], 10, n_threads=2)  # compiles
            run = partial(function, affinity, n_segments, n_threads=2)
            silence = seconds_between_reports(run)
            places = np.linspace(0, 1, N_CANCELS)
            longest = max(seconds_to_cancel(run, at) for at in places)
            print(
                f"| {size:g} | `{function.__name__}` | {silence:.2f} | {longest:.2f} |"
            )


if __name__ == "__main__":
    main()
