"""Objects from regions, against a greedy that measures every border each time."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_paf import regions
from napari_paf._offsets import edge_slices, neighbour_offsets


def border(labels, affinity, one, other):
    """Return the affinities of all pairs of pixels between two labels."""
    offsets = neighbour_offsets(labels.ndim, labels.ndim)[: len(affinity)]
    found = []
    for offset, channel in zip(offsets, affinity, strict=True):
        first, second = edge_slices(offset)
        a, b = labels[first], labels[second]
        crossing = ((a == one) & (b == other)) | ((a == other) & (b == one))
        found.extend(channel[first][crossing])
    return found


def merged_naively(labels, affinity, threshold, seeds=None, enough=None):
    """Merge the best pair of objects until none is good enough.

    With `enough`, only such as have an object of fewer pixels.
    """
    objects = labels.astype(np.int64)
    owner = {k: 0 for k in np.unique(labels) if k}
    if seeds is not None:
        for k in owner:
            values, counts = np.unique(seeds[labels == k], return_counts=True)
            known = values > 0
            if known.any():
                owner[k] = int(values[known][np.argmax(counts[known])])
    while True:
        best, pair = -1.0, None
        for one, other in combinations(sorted(owner), 2):
            values = border(objects, affinity, one, other)
            apart = owner[one] and owner[other] and owner[one] != owner[other]
            sizes = (objects == one).sum(), (objects == other).sum()
            apart = apart or (enough is not None and min(sizes) >= enough)
            if values and not apart and np.mean(values) > best + 1e-12:
                best, pair = np.mean(values), (one, other)
        if pair is None or best < threshold:
            break
        objects[objects == pair[1]] = pair[0]
        owner[pair[0]] = owner[pair[0]] or owner.pop(pair[1])
        owner.pop(pair[1], None)
    if seeds is None:
        return objects
    return np.array([0, *(owner.get(k, 0) for k in range(1, objects.max() + 1))])[
        objects
    ]


def same_partition(one, other):
    pairs = set(zip(one.ravel().tolist(), other.ravel().tolist(), strict=True))
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


@st.composite
def problems(draw):
    """Return labels and affinities, no two of which make the same mean."""
    ndim = draw(st.integers(2, 3))
    shape = tuple(draw(st.integers(1, 5 if ndim == 2 else 3)) for _ in range(ndim))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = rng.integers(0, draw(st.integers(2, 9)), shape)
    connectivity = draw(st.integers(1, ndim))
    n = len(neighbour_offsets(ndim, connectivity))
    return labels, rng.random((n, *shape)), rng


@given(problems())
def test_graph_is_that_of_looking_at_every_pair(problem):
    labels, affinity, _ = problem
    graph = regions.region_adjacency_graph(labels, affinity)
    assert graph.label.tolist() == [k for k in np.unique(labels) if k]
    assert graph.size.tolist() == [(labels == k).sum() for k in graph.label]
    found = {
        tuple(graph.label[pair].tolist()): (n, mean)
        for pair, n, mean in zip(graph.pair, graph.border, graph.affinity, strict=True)
    }
    for one, other in combinations(graph.label.tolist(), 2):
        values = border(labels, affinity, one, other)
        if values:
            n, mean = found.pop((one, other))
            assert n == len(values)
            assert mean == pytest.approx(np.mean(values))
    assert not found


@given(problems(), st.sampled_from([0.0, 0.3, 0.5, 0.6]))
def test_merging_is_that_of_the_naive_greedy(problem, threshold):
    labels, affinity, _ = problem
    objects = regions.merge_regions(labels, affinity, threshold=threshold)
    assert same_partition(objects, merged_naively(labels, affinity, threshold))
    assert ((objects == 0) == (labels == 0)).all()
    assert np.unique(objects[objects > 0]).tolist() == list(range(1, objects.max() + 1))


@given(problems(), st.sampled_from([0.4, 0.8]), st.integers(2, 12))
def test_small_objects_join_what_they_are_tied_to_most(problem, threshold, min_size):
    labels, affinity, _ = problem
    before = merged_naively(labels, affinity, threshold)
    wanted = merged_naively(before, affinity, 0.0, enough=min_size)
    objects = regions.merge_regions(
        labels, affinity, threshold=threshold, min_size=min_size
    )
    assert same_partition(objects, wanted)


@given(problems(), st.sampled_from([0.0, 0.4]))
def test_growing_is_that_of_the_naive_greedy(problem, threshold):
    labels, affinity, rng = problem
    seeds = rng.integers(0, 4, labels.shape) * (rng.random(labels.shape) < 0.4)
    if not (seeds[labels > 0] > 0).any():
        return
    grown = regions.grow_seeds(labels, affinity, seeds, threshold=threshold)
    assert (grown == merged_naively(labels, affinity, threshold, seeds)).all()


@given(problems())
def test_lower_thresholds_merge_more(problem):
    labels, affinity, _ = problem
    graph = regions.region_adjacency_graph(labels, affinity)
    tree = regions.merge_tree(graph)
    assert (np.diff(tree.affinity) <= 0).all()
    for high, low in pairwise([1.0, 0.7, 0.5, 0.2, 0.0]):
        fine, coarse = tree.paint(labels, high), tree.paint(labels, low)
        pairs = set(zip(fine.ravel().tolist(), coarse.ravel().tolist(), strict=True))
        assert len(pairs) == len({a for a, _ in pairs})


def test_labels_may_have_gaps_and_be_large():
    labels = np.array([[2**31, 2**31, 7, 0, 9]])
    affinity = np.full((2, 1, 5), 0.8)
    assert regions.merge_regions(labels, affinity).tolist() == [[1, 1, 1, 0, 2]]
    seeds = np.array([[2**31, 0, 0, 0, 0]])
    assert regions.grow_seeds(labels, affinity, seeds).tolist() == [
        [2**31, 2**31, 2**31, 0, 0]
    ]


def test_one_region_and_none():
    nothing = np.zeros((2, 3), int)
    affinity = np.full((2, 2, 3), 0.5)
    assert not regions.merge_regions(nothing, affinity).any()
    assert (regions.merge_regions(nothing + 4, affinity) == 1).all()


def test_most_pixels_decide_a_region_and_then_the_lowest_seed():
    labels = np.array([[1, 1, 1, 2, 2]])
    affinity = np.zeros((2, 1, 5))
    seeds = np.array([[3, 5, 5, 6, 4]])
    grown = regions.grow_seeds(labels, affinity, seeds, threshold=0.5)
    assert grown.tolist() == [[5, 5, 5, 4, 4]]


def test_merging_can_be_cancelled():
    rng = np.random.default_rng(0)
    labels = np.arange(1, 2501).reshape(50, 50)

    def stop(fraction, description):
        assert 0 < fraction < 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        regions.merge_regions(labels, rng.random((2, 50, 50)), progress=stop)


@pytest.mark.parametrize(
    ("labels", "affinity", "options", "error", "match"),
    [
        (np.ones((2, 3)), np.ones((2, 2, 3)), {}, TypeError, "labels of dtype float"),
        (np.ones(3, int), np.ones((1, 3)), {}, ValueError, r"labels of shape \(3,\)"),
        (np.ones((0, 3), int), np.ones((2, 0, 3)), {}, ValueError, "labels are empty"),
        (-np.ones((2, 3), int), np.ones((2, 2, 3)), {}, ValueError, "down to -1"),
        (np.ones((2, 3), int), np.ones((3, 2, 3)), {}, ValueError, r"one of \[2, 4\]"),
        (np.ones((2, 3), int), np.ones((2, 3, 3)), {}, ValueError, "affinity of shape"),
        (np.ones((2, 3), int), np.full((2, 2, 3), 2), {}, ValueError, "from 2 to 2"),
        (
            np.ones((2, 3), int),
            np.full((2, 2, 3), np.nan),
            {},
            ValueError,
            "ranges from nan",
        ),
        (
            np.ones((2, 3), int),
            np.ones((2, 2, 3)),
            {"threshold": 1.5},
            ValueError,
            "threshold=1.5: give a number from 0 to 1",
        ),
        (
            np.ones((2, 3), int),
            np.ones((2, 2, 3)),
            {"threshold": "high"},
            TypeError,
            "threshold='high'",
        ),
        (
            np.ones((2, 3), int),
            np.ones((2, 2, 3)),
            {"min_size": -1},
            ValueError,
            "min_size=-1",
        ),
        (
            np.ones((2, 3), int),
            np.ones((2, 2, 3)),
            {"min_size": 2.5},
            TypeError,
            "min_size=2.5",
        ),
    ],
)
def test_wrong_input_is_named(labels, affinity, options, error, match):
    with pytest.raises(error, match=match):
        regions.merge_regions(labels, affinity, **options)


@pytest.mark.parametrize(
    ("seeds", "error", "match"),
    [
        (np.ones((2, 3)), TypeError, "seeds of dtype float64"),
        (np.ones((3, 3), int), ValueError, r"seeds of shape \(3, 3\)"),
        (np.zeros((2, 3), int), ValueError, "0 on every region"),
        (np.full((2, 3), 2**33), ValueError, "give labels up to"),
    ],
)
def test_wrong_seeds_are_named(seeds, error, match):
    labels = np.array([[1, 1, 2], [1, 2, 2]])
    with pytest.raises(error, match=match):
        regions.grow_seeds(labels, np.ones((2, 2, 3)), seeds)
