"""How much memory is in use at most, beyond what was before: on Linux only."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from pathlib import Path

STATUS = Path("/proc/self/status")

FREES_AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "131072"}
"""Environment in which the GNU C library gives back at once what is freed."""


def rise_during(call: Callable[[], object]) -> float:
    """Return the bytes by which the peak of a call exceeds what was in use before.

    Start the process with `FREES_AT_ONCE`, and call once with something small first.
    Not a number where the system does not say.
    """
    if not STATUS.exists():
        return math.nan
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again
    before = _in_use("VmRSS")
    call()
    return _in_use("VmHWM") - before


def _in_use(entry: str) -> float:
    (line,) = (x for x in STATUS.read_text().splitlines() if x.startswith(entry))
    return float(line.split()[1]) * 1024
