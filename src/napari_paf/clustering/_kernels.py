"""Compiled kernels of entropy-rate clustering: functions over flat arrays only."""

from __future__ import annotations

import heapq
import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, inline="always")
def xlog2x(x):
    """x log2 x, 0 at 0."""
    return x * math.log2(x) if x > 0.0 else 0.0


@njit(cache=True, nogil=True, inline="always")
def find(parent, pixel):
    """Root of a pixel's component; halves the path on the way."""
    while parent[pixel] != pixel:
        parent[pixel] = parent[parent[pixel]]
        pixel = parent[pixel]
    return pixel


@njit(cache=True, nogil=True, inline="always")
def entropy_gain(w, loop_i, loop_j):
    c_i, c_j = loop_i - w, loop_j - w
    if w == 0.0:
        return 0.0
    return xlog2x(w + c_i) + xlog2x(w + c_j) - xlog2x(c_i) - xlog2x(c_j) - 2 * xlog2x(w)


@njit(cache=True, nogil=True, inline="always")
def balance_gain(s, t, xlog_size):
    return -xlog_size[s + t] + xlog_size[s] + xlog_size[t] + 1.0


@njit(cache=True, nogil=True)
def greedy(weights, steps, n_inside, n_segments, balance):
    """One queue over the whole image: the sequential greedy."""
    K = len(steps)
    n = len(weights) // K
    loop = np.zeros(n)
    total = 0.0
    for e in range(len(weights)):
        w = float(weights[e])
        if w >= 0:
            p = e // K
            loop[p] += w
            loop[p + steps[e % K]] += w
            total += 2 * w
    if total > 0:
        for p in range(n):
            loop[p] /= total
    else:
        total = 1.0
    xs = np.empty(n_inside + 2)
    for s in range(n_inside + 2):
        xs[s] = xlog2x(s / n_inside)
    gain = np.empty(len(weights))
    best = 0.0
    for e in range(len(weights)):
        w = float(weights[e])
        if w >= 0:
            p = e // K
            w /= total
            gain[e] = entropy_gain(w, loop[p], loop[p + steps[e % K]])
            best = max(best, gain[e])
    db = balance_gain(1, 1, xs) if n_inside > 1 else 1.0
    lam = balance * n_segments * best / db
    heap = [(0.0, np.int64(0)) for _ in range(0)]
    parent = np.arange(n)
    size = np.ones(n, np.int64)
    for e in range(len(weights)):
        if weights[e] >= 0:
            heap.append((-(gain[e] + lam * db), np.int64(e)))
    heapq.heapify(heap)
    left = n_inside
    while left > n_segments and len(heap) > 0:
        g, e = heap[0]
        p = e // K
        q = p + steps[e % K]
        rp, rq = find(parent, p), find(parent, q)
        if rp == rq:
            heapq.heappop(heap)
            continue
        w = float(weights[e]) / total
        fresh = entropy_gain(w, loop[p], loop[q]) + lam * balance_gain(
            size[rp], size[rq], xs
        )
        if -fresh > g:
            heapq.heapreplace(heap, (-fresh, e))
            continue
        heapq.heappop(heap)
        if size[rp] < size[rq]:
            rp, rq = rq, rp
        parent[rq] = rp
        size[rp] += size[rq]
        loop[p] -= w
        loop[q] -= w
        left -= 1
    labels = np.zeros(n, np.uint32)
    names = np.zeros(n, np.uint32)
    count = 0
    for p in range(n):
        r = find(parent, p)
        if names[r] == 0:
            count += 1
            names[r] = count
        labels[p] = names[r]
    return labels, left
