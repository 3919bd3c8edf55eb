"""From the greedy's merges to labels: the tree of who took in whom."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_paf.clustering._compiled import kernel

MOST_PIXELS = 2**31 - 1
"""Pixels are numbered with 32 bits."""


def check_shape(shape: Iterable[Any]) -> tuple[int, ...]:
    """Return the shape of an image or volume whose pixels can be numbered, or raise."""
    lengths = tuple(int(length) for length in shape)
    if len(lengths) not in (2, 3) or not 0 < math.prod(lengths) <= MOST_PIXELS:
        raise ValueError(
            f"shape={lengths}: give that of an image or a volume of up to "
            f"{MOST_PIXELS} pixels."
        )
    return lengths


def are_neighbours(pairs: NDArray[np.int32], shape: tuple[int, ...]) -> bool:
    """Return whether the pixels of all pairs (n, 2) touch, if only at a corner."""
    first, second = (np.unravel_index(ends, shape) for ends in pairs.T)
    return all(
        bool((np.abs(a - b) <= 1).all()) for a, b in zip(first, second, strict=True)
    )


@kernel
def find(parent: Any, pixel: int) -> int:
    """Return the root of a pixel's tree in a forest, halving the path on the way."""
    while parent[pixel] != pixel:
        parent[pixel] = parent[parent[pixel]]
        pixel = parent[pixel]
    return pixel


@kernel
def join_neighbours(
    weights: Any, slot_bits: int, steps: Any, parent: Any, start: int, stop: int
) -> int:
    """Join the pixels `start` to `stop` to all neighbours that they have an edge to.

    Returns how many components that takes away. `parent`, every pixel's own number at
    the beginning, is worked in.
    """
    n_joined = 0
    for pixel in range(start, stop):
        for k in range(len(steps)):
            if weights[(pixel << slot_bits) + k] >= 0:
                root_i = find(parent, pixel)
                root_j = find(parent, pixel + steps[k])
                if root_i != root_j:
                    parent[max(root_i, root_j)] = min(root_i, root_j)
                    n_joined += 1
    return n_joined


@kernel
def find_ends(edge: Any, slot_bits: int, steps: Any, ends: Any) -> None:
    """Fill `ends` with the two pixels of every edge."""
    mask = (1 << slot_bits) - 1
    for at in range(len(edge)):
        first = edge[at] >> slot_bits
        ends[at, 0] = first
        ends[at, 1] = first + steps[edge[at] & mask]


@kernel
def join_pairs(ends: Any, start: int, stop: int, parent: Any) -> None:
    """Join the pairs of pixels from `start` to `stop`, in any order.

    `parent`, every pixel's own number at the beginning, leads to earlier pixels of the
    same component.
    """
    for place in range(start, stop):
        root_i, root_j = find(parent, ends[place, 0]), find(parent, ends[place, 1])
        if root_i < root_j:
            parent[root_j] = root_i
        else:
            parent[root_i] = root_j


@kernel
def label_joined(parent: Any, labels: Any) -> None:
    """Label the components of joined pixels; 0 where `parent` is negative.

    One pass suffices: what a pixel leads to lies before it.
    """
    n_labels = 0
    for pixel in range(len(parent)):
        if parent[pixel] < 0:
            labels[pixel] = 0
        elif parent[pixel] < pixel:
            labels[pixel] = labels[parent[pixel]]
        else:
            n_labels += 1
            labels[pixel] = n_labels


@kernel
def grow_tree(
    ends: Any, start: int, stop: int, root: Any, absorber: Any, when: Any
) -> int:
    """Join the pairs of pixels from `start` to `stop`, in order.

    Each component is named by its first pixel.

    For every pixel that ceases to be a first pixel, `absorber` tells the first
    pixel of the component that takes it in, always an earlier one, and `when`
    the place of the pair. `root`, every pixel's own number at the beginning, is worked
    in. Returns the number of pairs that joined something.
    """
    n_joined = 0
    for place in range(start, stop):
        root_i, root_j = find(root, ends[place, 0]), find(root, ends[place, 1])
        if root_i == root_j:
            continue
        if root_i > root_j:
            root_i, root_j = root_j, root_i
        root[root_j] = root_i
        absorber[root_j] = root_i
        when[root_j] = place
        n_joined += 1
    return n_joined


@kernel
def cut_tree(absorber: Any, when: Any, n_merges: int, labels: Any) -> int:
    """Label the components after the first `n_merges` merges; return how many.

    One pass suffices: a pixel that has been taken in has the label of its
    absorber, which lies before it. Where `absorber` is negative (outside the
    mask) the label is 0.
    """
    n_labels = 0
    for pixel in range(len(absorber)):
        if absorber[pixel] < 0:
            labels[pixel] = 0
        elif when[pixel] < n_merges:
            labels[pixel] = labels[absorber[pixel]]
        else:
            n_labels += 1
            labels[pixel] = n_labels
    return n_labels


@kernel
def first_leaving(ends: Any, labels: Any, label: int) -> int:
    """Return the first pair with one pixel in `label` and one in another, or -1.

    Pixels with labels below 1 are in no superpixel.
    """
    for place in range(len(ends)):
        a, b = labels[ends[place, 0]], labels[ends[place, 1]]
        if a != b and (a == label or b == label) and min(a, b) > 0:
            return place
    return -1


@kernel
def split_at_last(
    ends: Any, labels: Any, label: int, new_label: int, parent: Any
) -> bool:
    """Undo the last pair inside `label`: what it joined on becomes `new_label`.

    The part with the first pixel keeps its label. `parent`, every pixel's own
    number, is worked in. Returns whether there was anything to undo.
    """
    last = -1
    for place in range(len(ends)):
        i, j = ends[place, 0], ends[place, 1]
        if labels[i] == label and labels[j] == label:
            if last >= 0:
                root_i = find(parent, ends[last, 0])
                root_j = find(parent, ends[last, 1])
                parent[max(root_i, root_j)] = min(root_i, root_j)
            last = place
    if last < 0:
        return False
    split_off = max(find(parent, ends[last, 0]), find(parent, ends[last, 1]))
    for pixel in range(len(labels)):
        if labels[pixel] == label and find(parent, pixel) == split_off:
            labels[pixel] = new_label
    return True
