"""How kernels are compiled, in one place.

`nogil` lets threads run kernels side by side; kernels start no threads of their
own. `error_model="numpy"` spares every division a check for zero. Nothing may be
compiled with `fastmath`: results must be the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., object])

OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}


def kernel(function: Kernel) -> Kernel:
    """Compile a function that works in the arrays it is given, once per machine.

    It may make no arrays. So numba need not count who refers to which, which it would
    do, for all threads to see, at every call to another kernel in an inner loop.
    """
    return njit(**OPTIONS, _nrt=False)(function)


def inlined_kernel(function: Kernel) -> Kernel:
    """Compile a kernel into those that call it, at the price of longer ones.

    For what an inner loop calls so often, or with so many arguments, that handing them
    over would count.
    """
    return njit(**OPTIONS, _nrt=False, inline="always")(function)


def allocating_kernel(function: Kernel) -> Kernel:
    """Compile a function that makes arrays, once per machine."""
    return njit(**OPTIONS)(function)
