"""Edges that are held back: which ones they are, and that they come in in time."""

from __future__ import annotations

import numpy as np
import pytest

from napari_paf import (
    entropy_rate_hierarchy,
    entropy_rate_superpixels,
    gradient_affinity,
)
from napari_paf.clustering import _held_back, merging
from napari_paf.clustering._gains import entropy_gain
from napari_paf.samples import load_sample


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch):
    """Hold back edges of small volumes, too."""
    monkeypatch.setattr(_held_back, "LARGE", 0)


@pytest.fixture(scope="module")
def affinity():
    """Return the affinities of a real volume, 26-connected."""
    image = load_sample("em_fibsem_3d").image[:24, :40, :40]
    return gradient_affinity(image, connectivity=3)


@pytest.fixture
def brought_in(monkeypatch):
    """List what is left of an image whenever edges that were held back come in."""
    left = []

    def spy(problem, forest, rest, *arguments):
        more = _held_back.bring_in(problem, forest, rest, *arguments)
        left.append((rest, more[-1]))
        return more

    monkeypatch.setattr(merging, "bring_in", spy)
    return left


@pytest.mark.parametrize("masked", [False, True])
def test_holding_back_changes_no_label(monkeypatch, affinity, brought_in, masked):
    monkeypatch.setattr(merging, "LEAF", {3: 3_000})
    mask = None
    if masked:
        mask = np.random.default_rng(0).random(affinity.shape[1:]) < 0.97
        mask[12] = False
    arguments = {"n_segments": 90, "connectivity": 3, "mask": mask}
    found = [
        entropy_rate_superpixels(affinity, **arguments, n_threads=n) for n in (1, 3)
    ]
    hierarchy = entropy_rate_hierarchy(affinity, **arguments)
    assert len(brought_in) == 3
    for rest, more in brought_in:
        assert len(more.bundles.edge) > len(rest.bundles.edge)
    monkeypatch.setattr(_held_back, "AT_FIRST", -1)
    expected = entropy_rate_hierarchy(affinity, **arguments)
    assert len(brought_in) == 3
    np.testing.assert_array_equal(hierarchy.merge_order, expected.merge_order)
    for labels in found:
        np.testing.assert_array_equal(labels, expected.labels(90))


def test_what_is_held_back_is_not_needed_for_the_first_merges(affinity, brought_in):
    n_pixels = affinity[0].size
    labels = entropy_rate_superpixels(affinity, n_pixels // 2, connectivity=3)
    assert not brought_in
    assert labels.max() == n_pixels // 2


def test_most_pixels_keep_an_edge(monkeypatch, affinity):
    seen = []

    def spy(weights, slot_bits, steps, total, loop, floor, start, stop):
        before = weights.copy()
        _held_back.hold_back(weights, slot_bits, steps, total, loop, floor, start, stop)
        pixels = slice(start << slot_bits, stop << slot_bits)
        changed = np.flatnonzero(weights != before)
        assert ((pixels.start <= changed) & (changed < pixels.stop)).all()
        np.testing.assert_array_equal(abs(weights), abs(before))
        for edge in range(pixels.start, pixels.stop):
            if before[edge] < 0:
                assert weights[edge] == -np.inf
                continue
            i = edge >> slot_bits
            j = i + steps[edge & ((1 << slot_bits) - 1)]
            gain = entropy_gain(float(before[edge]) / total, loop[i], loop[j])
            assert (weights[edge] < 0) == (gain <= floor and before[edge] > 0)
        own = weights.reshape(-1, 1 << slot_bits)[start:stop]
        seen.append(np.mean((own >= 0).any(axis=1)))
        assert np.mean(own[own > -np.inf] >= 0) < 0.6

    monkeypatch.setattr(merging, "hold_back", spy)
    entropy_rate_superpixels(
        affinity[:, :20, :30, :30], 30, connectivity=3, n_threads=1
    )
    assert min(seen) > 0.9


def test_nothing_is_held_back_where_that_would_not_pay(monkeypatch, affinity):
    monkeypatch.setattr(merging, "hold_back", None)
    entropy_rate_superpixels(affinity[:3], 50, connectivity=1)
    picture = load_sample("natural_chelsea").image[:90, :90]
    flat = gradient_affinity(picture, connectivity=2, channel_axis=-1)
    entropy_rate_superpixels(flat, 50, connectivity=2)
    alike = np.full((13, 12, 12, 12), 0.5, np.float32)
    entropy_rate_superpixels(alike, 5, connectivity=3)
    monkeypatch.setattr(_held_back, "LARGE", affinity[0].size + 1)
    entropy_rate_superpixels(affinity, 50, connectivity=3)
    monkeypatch.setattr(_held_back, "LARGE", affinity[0].size)
    with pytest.raises(TypeError, match="not callable"):
        entropy_rate_superpixels(affinity, 50, connectivity=3)
