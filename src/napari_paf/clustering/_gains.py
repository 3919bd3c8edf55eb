"""What an edge gains: entropy rate and balance, the same on every machine.

With f(x) = x log2 x, an edge of weight w between pixels i and j, whose remaining
self-loops are L_i and L_j, gains entropy rate ::

    f(L_i) + f(L_j) - f(L_i - w) - f(L_j - w) - 2 f(w)

which is computed as ::

    w log2(L_i L_j / w^2) + r(L_i) + r(L_j),  r(L) = (L - w) log2(L / (L - w))

because differences of f would lose a small w in their rounding. And joining components
of s and t of the n pixels gains balance ::

    -f((s + t) / n) + (f(s / n) + f(t / n)) + 1

(Liu et al., CVPR 2011, equations 4 and 6, and the appendix).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from napari_paf.clustering._compiled import inlined_kernel, kernel

# log2((1 + s) / (1 - s)) = 2 / ln 2 * (s + s^3 / 3 + s^5 / 5 + ...)
_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7, _C8, _C9 = (
    2.0 / math.log(2.0) / (2 * k + 1) for k in range(10)
)
_BITS_OF_ROOT_HALF = np.int64(0x3FE6A09E667F3BCD)
_MANTISSA_BITS = np.int64(52)

LOOP_BITS = 36
"""Self-loops are rounded to so many bits after the first. The next smaller one then
lowers a gain by at least w 2**-37 / ln 2, far more than rounding can add to it: in
floating-point numbers, too, gains only fall."""

_HALF = np.int64(1 << (51 - LOOP_BITS))
_KEPT = np.int64(-1 << (52 - LOOP_BITS))

NOTHING = 1e-150
"""Lighter edges gain no entropy: their square would not be a normal number."""


@kernel
def log2(x: Any) -> Any:
    """Return the base-2 logarithm of a positive normal number, to 2 ulp.

    The C library's differs in the last bit between systems, and a bit decides
    which of two nearly equal edges comes first. This uses only operations that
    IEEE 754 rounds the same way everywhere; compilers can vectorise it.
    """
    bits = np.float64(x).view(np.int64)
    exponent = (bits - _BITS_OF_ROOT_HALF) >> _MANTISSA_BITS
    # The mantissa, scaled to between sqrt(1/2) and sqrt(2).
    m = np.int64(bits - (exponent << _MANTISSA_BITS)).view(np.float64)
    return exponent + _series((m - 1.0) / (m + 1.0))


@kernel
def _series(s: Any) -> Any:
    """Return log2((1 + s) / (1 - s)) for s of at most 0.172 either way."""
    z = s * s
    z2 = z * z
    z4 = z2 * z2
    low = (_C0 + z * _C1) + z2 * (_C2 + z * _C3)
    high = (_C4 + z * _C5) + z2 * (_C6 + z * _C7)
    return s * (low + z4 * (high + z4 * (_C8 + z * _C9)))


@kernel
def rounded_loop(loop: float) -> Any:
    """Return a self-loop with as many bits as loops have, 0 if none is left."""
    bits = np.float64(max(loop, 0.0)).view(np.int64)
    return np.int64((bits + _HALF) & _KEPT).view(np.float64)


@kernel
def rest_gain(weight: float, loop: float) -> Any:
    """Return (L - w) log2(L / (L - w)) of a loop, 0 if the weight is all of it."""
    whole = max(loop, weight)
    rest = whole - weight
    ratio = np.float64(rest / whole)
    bits = ratio.view(np.int64)
    exponent = (bits - _BITS_OF_ROOT_HALF) >> _MANTISSA_BITS
    m = np.int64(bits - (exponent << _MANTISSA_BITS)).view(np.float64)
    # Where the ratio is near 1, it has lost what the weight still says.
    near = exponent == 0
    less = weight if near else 1.0 - m
    more = whole + rest if near else 1.0 + m
    return rest * (_series(less / more) - exponent)


@kernel
def xlog2x(x: Any) -> Any:
    """Return f(x) = x log2 x, continued by 0 at 0 and below."""
    return x * log2(x) if x > 1e-300 else 0.0


@inlined_kernel
def _gain_of(w: float, loop_i: float, loop_j: float) -> Any:
    """Return the gain in entropy rate of an edge that weighs more than nothing.

    Rounding may have taken from a loop what its last edge weighs: what is left is at
    least the weight.
    """
    surprise = log2(max(loop_i, w) * max(loop_j, w) / (w * w))
    return w * surprise + (rest_gain(w, loop_i) + rest_gain(w, loop_j))


@kernel
def entropy_gain(weight: float, loop_i: float, loop_j: float) -> Any:
    """Return the gain in entropy rate of an edge."""
    return _gain_of(weight, loop_i, loop_j) if weight > NOTHING else 0.0


class Lanes(NamedTuple):
    """What the gains of several edges are computed from, and the gains."""

    weight: Any  # (n_lanes,) of the edge, not divided by the sum of all
    loop_i: Any
    loop_j: Any
    gain: Any


def new_lanes(n: int) -> Lanes:
    """Return lanes for `n` edges."""
    return Lanes(*np.ones((len(Lanes._fields), n)))


@kernel
def entropy_gains(lanes: Lanes, n: int, total: float) -> None:
    """Compute `entropy_gain` of the edges in all lanes.

    Free of branches, so that the logarithms become vector instructions.
    """
    weight, loop_i, loop_j, gain = lanes
    for at in range(n):
        w = weight[at] / total
        heavy = _gain_of(max(w, NOTHING), loop_i[at], loop_j[at])
        gain[at] = heavy if w > NOTHING else 0.0


@kernel
def size_term(size: int, n_inside: int, table: Any) -> float:
    """Return f(size / n_inside), looked up where the table reaches."""
    return table[size] if size < len(table) else xlog2x(size / n_inside)


@inlined_kernel
def balance_gain(s: int, t: int, n_inside: int, table: Any) -> float:
    """Return the gain in balance of joining components of `s` and `t` pixels.

    Summed so that rounding cannot tell which of the two is which.
    """
    if s + t < len(table):
        gain = -table[s + t] + (table[s] + table[t]) + 1.0
    else:
        gain = balance_gain_of_large(s, t, n_inside, table)
    return gain


@kernel
def balance_gain_of_large(s: int, t: int, n_inside: int, table: Any) -> float:
    """Return the same where the table does not reach."""
    apart = size_term(s, n_inside, table) + size_term(t, n_inside, table)
    return -size_term(s + t, n_inside, table) + apart + 1.0


@kernel
def tabulate_sizes(table: Any, n_inside: int) -> None:
    """Fill `table` with f(size / n_inside)."""
    for s in range(len(table)):
        table[s] = xlog2x(s / n_inside)


@kernel
def sum_loops(
    weights: Any,
    slot_bits: int,
    steps: Any,
    incoming: Any,
    loop: Any,
    start: int,
    stop: int,
) -> float:
    """Sum the weights at each of the pixels from `start` to `stop`; return their total.

    `incoming` lists the offsets in the order of the numbers of the edges that
    end in a pixel, so that every sum has one order whoever computes it: first
    the edges that start before the pixel, then its own, then those after it.
    """
    n_offsets = len(steps)
    total = 0.0
    for pixel in range(start, stop):
        own = 0.0
        for k in incoming:
            if steps[k] > 0 and pixel >= steps[k]:
                own += max(0.0, weights[((pixel - steps[k]) << slot_bits) + k])
        for k in range(n_offsets):
            own += max(0.0, weights[(pixel << slot_bits) + k])
        for k in incoming:
            if steps[k] < 0 and pixel - steps[k] < len(loop):
                own += max(0.0, weights[((pixel - steps[k]) << slot_bits) + k])
        loop[pixel] = own
        total += own
    return total


@kernel
def normalise_loops(loop: Any, total: float, start: int, stop: int) -> None:
    """Divide the loops by `total`."""
    for pixel in range(start, stop):
        loop[pixel] = rounded_loop(loop[pixel] / total)


@kernel
def largest_entropy_gain(
    weights: Any,
    slot_bits: int,
    steps: Any,
    total: float,
    loop: Any,
    start: int,
    stop: int,
) -> float:
    """Return the largest entropy gain of the edges of the pixels `start` to `stop`.

    Of each of its loops L an edge gains L h(w / L), where h is the entropy of a split
    in two. That is concave in w and L: it is nowhere above its tangent, which at a
    share p of the loop is -log2(1 - p) L + log2((1 - p) / p) w. With the share of the
    best edge so far, the tangent spares nearly all others their logarithms.
    """
    n_offsets = len(steps)
    largest, enough, of_loops, of_weight = 0.0, 0.0, 0.0, 0.0
    for k in range(n_offsets):
        # Only pixels that have the neighbour in the array; absent edges gain 0.
        first = max(start, -steps[k])
        last = min(stop, len(loop) - steps[k])
        for pixel in range(first, last):
            weight = max(0.0, weights[(pixel << slot_bits) + k]) / total
            loops = loop[pixel] + loop[pixel + steps[k]]
            if of_loops * loops + of_weight * weight < enough:
                continue
            gain = entropy_gain(weight, loop[pixel], loop[pixel + steps[k]])
            if gain > largest:
                # A little less than exact, which rounding cannot reach.
                largest, enough = gain, gain * 0.999999
                share = min(2.0 * weight / loops, 0.5)
                of_loops = -log2(1.0 - share)
                of_weight = 2.0 * log2((1.0 - share) / share)
    return largest
