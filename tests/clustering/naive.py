"""The entropy-rate greedy, written down plainly: every edge is looked at each time.

What has been computed once from the same numbers is remembered; nothing else is.
"""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np

OFFSETS = {
    (2, 1): [(0, 1), (1, 0)],
    (2, 2): [(0, 1), (1, 0), (1, 1), (-1, 1)],
    (3, 1): [(0, 0, 1), (0, 1, 0), (1, 0, 0)],
    (3, 2): [
        *[(0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 1, 1), (0, -1, 1), (1, 0, 1)],
        *[(-1, 0, 1), (1, 1, 0), (-1, 1, 0)],
    ],
    (3, 3): [
        *[(0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 1, 1), (0, -1, 1), (1, 0, 1)],
        *[(-1, 0, 1), (1, 1, 0), (-1, 1, 0)],
        *[(1, 1, 1), (-1, 1, 1), (1, -1, 1), (-1, -1, 1)],
    ],
}


def f(x):
    """Return x log2 x, 0 at 0."""
    return x * math.log2(x) if x > 0 else 0.0


def list_edges(affinity, connectivity, mask):
    """Return (first pixel, second pixel, weight) of all edges, in tie order."""
    shape = affinity.shape[1:]
    offsets = OFFSETS[len(shape), connectivity]
    edges = []
    for pixel in itertools.product(*map(range, shape)):
        for k, offset in enumerate(offsets):
            other = tuple(p + o for p, o in zip(pixel, offset, strict=True))
            if not all(0 <= q < n for q, n in zip(other, shape, strict=True)):
                continue
            if not (mask[pixel] and mask[other]):
                continue
            if k < len(affinity):
                weight = float(affinity[k][pixel])
            else:
                weight = diagonal(affinity, pixel, offset)
            edges.append((pixel, other, weight))
    return edges


def diagonal(affinity, pixel, offset):
    """Derive a diagonal from the faces of the box that it spans."""
    axes = [axis for axis, step in enumerate(offset) if step]
    low = [p + min(o, 0) for p, o in zip(pixel, offset, strict=True)]
    means = []
    for axis in axes:
        others = [a for a in axes if a != axis]
        parallel = []
        for steps in itertools.product((0, 1), repeat=len(others)):
            corner = list(low)
            for a, step in zip(others, steps, strict=True):
                corner[a] += step
            parallel.append(float(affinity[len(offset) - 1 - axis][tuple(corner)]))
        means.append(sum(parallel) / len(parallel))
    return min(means) / math.sqrt(len(axes))


def entropy(a, b, w, f=f):
    """Return what an edge of weight w between pixels with loops a and b gains."""
    return f(a) + f(b) - f(a - w) - f(b - w) - 2 * f(w) if w else 0.0


def greedy(
    affinity,
    n_segments,
    balance=0.5,
    connectivity=2,
    mask=None,
    *,
    f=f,
    entropy=entropy,
    rounded=float,
):
    """Return the labels of the entropy-rate greedy; quadratic in the pixels.

    Edges that gain nearly the same come in the order of their rounded gains: `f`,
    `entropy` and `rounded` say how sizes, edges and loops are rounded.
    """
    shape = affinity.shape[1:]
    mask = np.ones(shape, bool) if mask is None else mask
    edges = list_edges(affinity, connectivity, mask)
    pixels = [p for p in itertools.product(*map(range, shape)) if mask[p]]
    n = len(pixels)
    loop = dict.fromkeys(pixels, 0.0)
    for i, j, w in edges:
        loop[i] += w
        loop[j] += w
    total = sum(loop.values()) or 1.0
    loop = {pixel: rounded(value / total) for pixel, value in loop.items()}
    edges = [(i, j, w / total) for i, j, w in edges]

    entropy = functools.cache(entropy)

    @functools.cache
    def evenness(s, t):
        return -f((s + t) / n) + (f(s / n) + f(t / n)) + 1

    largest = max((entropy(loop[i], loop[j], w) for i, j, w in edges), default=0.0)
    trade_off = balance * n_segments * largest / (evenness(1, 1) if n > 2 else 1.0)
    member = {pixel: [pixel] for pixel in pixels}  # shared list per component
    n_components = n
    while n_components > n_segments:
        best = None
        for i, j, w in edges:
            if member[i] is not member[j]:
                gain = entropy(loop[i], loop[j], w) + trade_off * evenness(
                    len(member[i]), len(member[j])
                )
                if best is None or gain > best[0]:
                    best = gain, i, j, w
        if best is None:
            break
        _, i, j, w = best
        loop[i] = rounded(loop[i] - w)
        loop[j] = rounded(loop[j] - w)
        joined = member[i] + member[j]
        for pixel in joined:
            member[pixel] = joined
        n_components -= 1
    labels = np.zeros(shape, int)
    names: dict[int, int] = {}
    for pixel in pixels:
        labels[pixel] = names.setdefault(id(member[pixel]), len(names) + 1)
    return labels
