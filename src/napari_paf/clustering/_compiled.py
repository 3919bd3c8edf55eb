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
    """Compile a function that works in the arrays it is given, once per machine.

    It may make no arrays. So numba need not count who refers to which, which it would
    do, for all threads to see, at every call to another kernel in an inner loop.
    """
    return njit(cache=True, nogil=True, error_model="numpy", _nrt=False)(function)


def inlined_kernel(function: Kernel) -> Kernel:
    """Compile a kernel into those that call it, at the price of longer ones.

    For a few operations in an inner loop, where handing over the arguments would take
    as long.
    """
    return njit(
        cache=True, nogil=True, error_model="numpy", _nrt=False, inline="always"
    )(function)


def allocating_kernel(function: Kernel) -> Kernel:
    """Compile a function that makes arrays, once per machine."""
    return njit(cache=True, nogil=True, error_model="numpy")(function)
