"""What blocks know of the components that wait, and that they leave them alone."""

from __future__ import annotations

import numpy as np
import pytest

from napari_paf import entropy_rate_superpixels
from napari_paf.clustering import merging
from napari_paf.clustering._bisection import Block, depth_of


def holds(block, place):
    """Return whether a block contains a pixel."""
    return bool(np.all(block.low <= place) and np.all(place < block.high))


@pytest.mark.parametrize("shape", [(1, 13, 29), (5, 9, 11)])
def test_depth_counts_the_blocks_around_a_pixel(shape):
    whole = Block(np.zeros(3, np.int64), np.array(shape), 12)
    depths = set()
    for leaf in whole.leaves():
        around = [leaf]
        while around[-1].parent is not None:
            around.append(around[-1].parent)
        for pixel, place in enumerate(np.ndindex(*shape)):
            depth = depth_of(np.array(shape), leaf.boxes, pixel)
            assert depth == sum(holds(block, place) for block in around)
            depths.add(depth)
    assert depths == set(range(1, max(len(leaf.boxes) for leaf in whole.leaves()) + 1))


@pytest.mark.parametrize("shape", [(60, 90), (16, 20, 24)])
def test_what_waits_for_a_larger_block_is_left_alone(monkeypatch, shape):
    """It has not grown after the block, and waits for the same one."""
    n_left_alone = 0

    def spy(problem, forest, boxes, children, *arguments):
        nonlocal n_left_alone
        pixel = np.concatenate([child.pixel for child in children])
        waits = np.concatenate([child.waits for child in children])
        waits_on = (waits > 0) & (waits < len(boxes))
        size = -forest.root[pixel]
        result = merge_parent(problem, forest, boxes, children, *arguments)
        left = dict(zip(result[2].pixel, result[2].waits, strict=True))
        for at in np.flatnonzero(waits_on):
            assert -forest.root[pixel[at]] == size[at]
            assert left[pixel[at]] == waits[at]
        n_left_alone += np.count_nonzero(waits_on)
        return result

    merge_parent = merging.merge_parent
    monkeypatch.setattr(merging, "merge_parent", spy)
    monkeypatch.setattr(merging, "LEAF", {2: 200, 3: 200})
    monkeypatch.setattr(merging, "SMALL", 0)
    affinity = np.random.default_rng(0).random((len(shape), *shape), np.float32)
    entropy_rate_superpixels(affinity, 20, connectivity=1, n_threads=1)
    assert n_left_alone > 100
