"""Objects from regions, against a greedy that measures every border each time."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction
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


hundredths = st.lists(st.integers(1, 100), min_size=1, max_size=60)
dtypes = st.sampled_from([np.float32, np.float64])


@given(hundredths, dtypes)
def test_a_mean_that_equals_the_threshold_merges(hundredths, dtype):
    n = len(hundredths)
    labels = np.tile([1, 2], (n, 1))
    affinity = np.zeros((2, n, 2), dtype)
    affinity[0, :, 0] = np.array(hundredths) / 100
    mean = float(Fraction(sum(hundredths), 100 * n))
    assert regions.merge_regions(labels, affinity, threshold=mean).max() == 1
    if mean < 0.99:
        above = mean * (1 + 1e-6)
        assert regions.merge_regions(labels, affinity, threshold=above).max() == 2


@given(st.integers(1, 100), dtypes, st.integers(0, 2**32 - 1), st.integers(2, 3))
def test_equal_affinities_merge_at_a_threshold_that_equals_them(k, dtype, number, ndim):
    rng = np.random.default_rng(number)
    labels = rng.integers(1, 30, rng.integers(1, 9, ndim))
    affinity = np.full((ndim, *labels.shape), k / 100, dtype)
    assert (regions.merge_regions(labels, affinity, threshold=k / 100) == 1).all()
    seeds = np.zeros_like(labels)
    seeds.flat[0] = 7
    grown = regions.grow_seeds(labels, affinity, seeds, threshold=k / 100)
    assert (grown == 7).all()


@given(problems())
def test_thresholds_close_to_a_mean_make_the_first_merges(problem):
    labels, affinity, _ = problem
    tree = regions.merge_tree(regions.region_adjacency_graph(labels, affinity))
    steps = [1 + k * 2.0**-26 for k in range(-16, 17)]
    close = [mean * step for mean in tree.affinity.tolist() for step in steps]
    before = 0
    for threshold in sorted((t for t in close if t <= 1), reverse=True):
        n_merges = len(tree.graph.label) - len(set(tree.objects(threshold).tolist()))
        assert before <= n_merges <= (tree.affinity >= threshold * (1 - 1e-6)).sum()
        assert n_merges >= (tree.affinity >= threshold).sum()
        before = n_merges


def test_labels_may_have_gaps_and_be_large():
    labels = np.array([[2**31, 2**31, 7, 0, 9]])
    affinity = np.full((2, 1, 5), 0.8)
    assert regions.merge_regions(labels, affinity).tolist() == [[1, 1, 1, 0, 2]]
    seeds = np.array([[2**31, 0, 0, 0, 0]])
    assert regions.grow_seeds(labels, affinity, seeds).tolist() == [
        [2**31, 2**31, 2**31, 0, 0]
    ]


LARGE = [
    (np.uint64, 2**53),
    (np.uint64, 2**63 - 2),
    (np.uint64, 2**64 - 4),
    (np.int64, 2**53),
    (np.int64, 2**63 - 4),
]


@pytest.mark.parametrize(("dtype", "start"), LARGE)
def test_labels_that_float64_confuses_stay_apart(dtype, start):
    labels = np.array([[start, start + 1, start + 2, start + 3]], dtype)
    affinity = np.full((2, 1, 4), 0.9)
    graph = regions.region_adjacency_graph(labels, affinity)
    assert graph.label.tolist() == labels[0].tolist()
    assert regions.merge_tree(graph).places(labels).tolist() == [[0, 1, 2, 3]]
    apart = regions.merge_regions(labels, affinity, threshold=1.0)
    assert apart.tolist() == [[1, 2, 3, 4]]
    grown = regions.grow_seeds(labels, affinity, [[5, 0, 0, 6]], threshold=1.0)
    assert grown.tolist() == [[5, 0, 0, 6]]


@given(problems(), st.sampled_from(LARGE), st.sampled_from([0.0, 0.5]))
def test_large_labels_are_as_good_as_small_ones(problem, large, threshold):
    labels, affinity, rng = problem
    dtype, start = large
    start -= 8  # there are labels up to 8
    renamed = np.where(labels > 0, labels.astype(dtype) + dtype(start), dtype(0))
    merged = regions.merge_regions(labels, affinity, threshold=threshold)
    again = regions.merge_regions(renamed, affinity, threshold=threshold)
    np.testing.assert_array_equal(again, merged)
    seeds = rng.integers(0, 4, labels.shape)
    if (seeds[labels > 0] > 0).any():
        np.testing.assert_array_equal(
            regions.grow_seeds(renamed, affinity, seeds, threshold=threshold),
            regions.grow_seeds(labels, affinity, seeds, threshold=threshold),
        )


def test_labels_keep_to_int64_where_they_fit():
    affinity = np.full((2, 1, 2), 0.5)
    for dtype in (bool, np.uint8, np.uint32, np.int16, np.uint64):
        labels = np.array([[0, 1]], dtype)
        assert regions.region_adjacency_graph(labels, affinity).label.dtype == np.int64


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


@pytest.mark.parametrize(
    ("seeds", "error", "match"),
    [
        ([[1.0, 0, 0]], TypeError, "seeds of"),
        ([[1, 0]], ValueError, "seeds of"),
        ([[5, -3, -1]], ValueError, "seeds down to -3: give 0 for none, and labels"),
    ],
)
def test_seeds_that_do_not_fit_are_told_at_once(monkeypatch, seeds, error, match):
    def too_late(*args, **kwargs):
        pytest.fail("the graph was made first")

    monkeypatch.setattr(regions.seeds, "region_adjacency_graph", too_late)
    with pytest.raises(error, match=match):
        regions.grow_seeds([[1, 1, 2]], np.ones((2, 1, 3)), seeds)


def test_seeds_below_0_are_refused_everywhere():
    graph = regions.region_adjacency_graph([[0, 1]], np.ones((2, 1, 2)))
    for seeds in ([[-1, 5]], [[5, -1]]):  # off the regions, and on one
        with pytest.raises(ValueError, match="seeds down to -1"):
            regions.seeds.seeds_of_regions(graph, [[0, 1]], seeds)


def test_merging_can_be_cancelled():
    rng = np.random.default_rng(0)
    labels = np.arange(1, 2501).reshape(50, 50)

    def stop(fraction, description):
        assert 0 < fraction < 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        regions.merge_regions(labels, rng.random((2, 50, 50)), progress=stop)


def run(function, progress=None, **options):
    """Call a function with an image of 30 regions, none of them small."""
    labels = np.kron(np.arange(1, 31).reshape(5, 6), np.ones((20, 20), np.int64))
    affinity = np.random.default_rng(0).random((4, *labels.shape))
    extra = () if function is not regions.grow_seeds else (labels % 7,)
    return function(labels, affinity, *extra, progress=progress, **options)


FUNCTIONS = [
    (regions.region_adjacency_graph, {}),
    (regions.merge_regions, {}),
    (regions.merge_regions, {"min_size": 10**6}),
    (regions.grow_seeds, {"min_size": 10**6}),
]


@pytest.mark.parametrize(("function", "options"), FUNCTIONS)
def test_progress_rises_to_1_with_every_block_of_every_channel(
    monkeypatch, function, options
):
    monkeypatch.setattr("napari_paf.regions._blocks.PIXELS_PER_BLOCK", 1000)
    reports = []
    run(function, lambda *report: reports.append(report), **options)
    fractions = [fraction for fraction, _ in reports]
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < 0.01
    assert fractions[-1] == 1.0
    on_borders = [f for f, text in reports if text == "finding regions that touch"]
    assert len(set(on_borders)) >= 4 * 12  # channels, and 12000 pixels
    gaps = np.diff(on_borders[:-1])
    assert gaps.max() < 0.03
    # A silent run has the same result.
    if function is not regions.region_adjacency_graph:
        np.testing.assert_array_equal(
            run(function, lambda *_: None, **options), run(function, **options)
        )


@pytest.mark.parametrize(("function", "options"), FUNCTIONS)
def test_every_report_can_cancel(monkeypatch, function, options):
    monkeypatch.setattr("napari_paf.regions._blocks.PIXELS_PER_BLOCK", 3000)
    n_reports = 0

    def count(fraction, description):
        nonlocal n_reports
        n_reports += 1

    run(function, count, **options)
    for last in range(1, n_reports + 1):
        left = last

        def stop(fraction, description):
            nonlocal left
            left -= 1
            if left == 0:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(function, stop, **options)
        assert left == 0


def test_growing_reports_where_nothing_may_merge():
    labels = np.arange(1, 2501).reshape(50, 50)
    graph = regions.region_adjacency_graph(labels, np.full((2, 50, 50), 0.5))
    fractions = []
    regions.merge_tree(graph, graph.label, progress=lambda f, _: fractions.append(f))
    assert fractions == sorted(fractions)
    assert len(set(fractions)) > 4
    assert fractions[-1] == 1.0


def test_temporaries_are_small(monkeypatch):
    monkeypatch.setattr("napari_paf.regions._blocks.PIXELS_PER_BLOCK", 2**14)
    labels = np.kron(np.arange(1, 65).reshape(4, 4, 4), np.ones((16, 32, 32), np.uint8))
    labels = labels.astype(np.uint16)
    affinity = np.zeros((3, *labels.shape), np.float16)
    seeds = (labels == 5).astype(np.uint8)
    tracemalloc.start()
    try:
        regions.grow_seeds(labels, affinity, seeds)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The result has 2 bytes for each pixel; all else is less than 2 together.
    assert most < 4 * labels.size


@pytest.mark.parametrize(
    ("seed", "error", "match"),
    [
        ([0.5, 1], TypeError, "seed of dtype float64: give whole numbers"),
        ([1, 2, 3], ValueError, r"seed of shape \(3,\): give one for each of the 2"),
        ([-1, 2], ValueError, "seed from -1 to 2: give 0 for none"),
        ([0, 2**32], ValueError, "to 4294967296: give 0 .* up to 4294967295"),
        (np.array([0, 2**63], np.uint64), ValueError, "to 9223372036854775808: give"),
    ],
)
def test_wrong_seeds_of_regions_are_named(seed, error, match):
    graph = regions.region_adjacency_graph([[1, 2]], np.full((2, 1, 2), 0.5))
    with pytest.raises(error, match=match):
        regions.merge_tree(graph, seed)


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


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"threshold": "0.5"}, TypeError, "threshold='0.5'"),
        ({"threshold": True}, TypeError, "threshold=True"),
        ({"threshold": np.nan}, ValueError, "threshold=nan"),
        ({"threshold": -1}, ValueError, "threshold=-1"),
        ({"threshold": 0.5, "min_size": 5.5}, TypeError, "min_size=5.5"),
    ],
)
def test_a_tree_is_asked_for_what_it_can_give(options, error, match):
    labels = np.ones((2, 3), int)
    tree = regions.merge_tree(
        regions.region_adjacency_graph(labels, np.ones((2, 2, 3)))
    )
    with pytest.raises(error, match=match):
        tree.objects(**options)
    with pytest.raises(error, match=match):
        tree.paint(labels, **options)
    with pytest.raises(TypeError, match="labels of dtype float64"):
        tree.paint(labels + 0.7, 0.5)


@pytest.mark.parametrize("dtype", [float, complex, str])
def test_places_are_those_of_whole_numbers(dtype):
    labels = np.array([[4, 9, 0]])
    graph = regions.region_adjacency_graph(labels, np.ones((2, 1, 3)))
    tree = regions.merge_tree(graph)
    assert tree.places(labels).tolist() == [[0, 1, 2]]
    for places in (
        tree.places,
        lambda labels: regions.seeds.seeds_of_regions(graph, labels, [[1, 0, 0]]),
    ):
        with pytest.raises(TypeError, match=r"labels of dtype .*: give whole numbers"):
            places(labels.astype(dtype))


@pytest.mark.parametrize("dtype", [complex, str])
def test_affinities_are_real_numbers(dtype):
    labels, affinity = np.ones((2, 3), int), np.ones((2, 2, 3)).astype(dtype)
    with pytest.raises(TypeError, match="affinity of dtype"):
        regions.merge_regions(labels, affinity, threshold=0.5)
