"""How kernels are compiled, in one place.

`nogil` lets threads run kernels side by side; kernels start no threads of their
own. `error_model="numpy"` spares every division a check for zero. Nothing may be
compiled with `fastmath`: results must be the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def kernel(function: Kernel) -> Kernel:
    """Compile a function over flat arrays, once per machine."""
    return njit(cache=True, nogil=True, error_model="numpy")(function)


def inlined(function: Kernel) -> Kernel:
    """Compile a small function that is copied into the kernels that call it."""
    return njit(cache=True, nogil=True, error_model="numpy", inline="always")(function)
