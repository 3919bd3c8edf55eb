"""Threads that share the work of a clustering, and report while they are at it."""

from __future__ import annotations

import numbers
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from napari_paf._progress import Progress

REPORT_INTERVAL = 0.05
"""Seconds between two reports of progress, and so the longest wait for a cancel."""

PIECE = 2**19
"""Most pixels, or merges, of what cannot be interrupted: about `REPORT_INTERVAL`."""

THREADS_VARIABLE = "NAPARI_PAF_NUM_THREADS"
"""Environment variable with the number of threads to use where none is given."""


def check_n_threads(n_threads: Any) -> int:
    """Return the number of threads asked for: here, in the environment, or by cores."""
    source = f"n_threads={n_threads!r}"
    if n_threads is None:
        setting = os.environ.get(THREADS_VARIABLE) or None
        if setting is None:
            if hasattr(os, "sched_getaffinity"):  # respects the limits of a container
                return len(os.sched_getaffinity(0))
            return os.cpu_count() or 1
        source = f"{THREADS_VARIABLE}={setting!r}"
        n_threads = int(setting) if setting.isdecimal() else setting
    if isinstance(n_threads, bool) or not isinstance(n_threads, numbers.Integral):
        raise TypeError(f"{source}: give a whole number of threads.")
    if n_threads < 1:
        raise ValueError(f"{source}: give at least 1 thread.")
    return int(n_threads)


def new_pool(n_threads: int) -> ThreadPoolExecutor:
    """Return the threads for one clustering; leaving the context ends them."""
    return ThreadPoolExecutor(n_threads, thread_name_prefix="napari-paf")


def pieces(n: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield where pieces of `size`, or the rest, start and stop from 0 to `n`."""
    for start in range(0, n, size):
        yield start, min(start + size, n)


def call_each(
    pool: ThreadPoolExecutor,
    function: Callable[..., Any],
    arguments: Iterable[tuple[Any, ...]],
    report: Progress,
    description: str,
) -> list[Any]:
    """Call a function with each of some arguments, on the threads of a pool.

    Returns the results in the order of the arguments. Whatever `report` raises ends the
    work, as soon as the calls under way return.
    """
    report(0.0, description)
    futures = [pool.submit(function, *each) for each in arguments]
    try:
        while waiting := wait(futures, REPORT_INTERVAL).not_done:
            report(1 - len(waiting) / len(futures), description)
    except BaseException:
        for future in futures:
            future.cancel()
        raise
    return [future.result() for future in futures]
