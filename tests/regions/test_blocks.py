"""Arrays block by block, and what is gathered from them, against looking at it all."""

from __future__ import annotations

from collections import Counter
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_paf import regions
from napari_paf.regions import _blocks
from napari_paf.regions._places import LARGEST_IN_TABLE, finder


def blocks_of(most):
    """Let blocks have up to `most` pixels."""
    return mock.patch.object(_blocks, "PIXELS_PER_BLOCK", most)


shapes = st.lists(st.integers(0, 9), max_size=4).map(tuple)


@given(shapes, st.integers(1, 50))
def test_blocks_have_every_pixel_once_and_few_each(shape, most):
    times = np.zeros(shape, int)
    with blocks_of(most):
        cut = _blocks.blocks(shape)
    for block in cut:
        assert 0 < times[block].size <= most
        times[block] += 1
    assert (times == 1).all()


@given(shapes, st.integers(1, 50))
def test_blocks_are_reported_when_they_are_done(shape, most):
    reports, done = [], 0

    def progress(fraction, description):
        reports.append((fraction, done))

    with blocks_of(most):
        n = len(_blocks.blocks(shape))
        for _ in _blocks.reported(shape, progress, "counting"):
            done += 1
    assert reports == [((k + 1) / n, k + 1) for k in range(n)]


pieces = st.lists(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99)), max_size=9), max_size=9
)


@given(pieces, st.sampled_from([1, 4, 2**20]))
def test_tally_counts_and_adds(pieces, most):
    counts, sums = Counter(), Counter()
    with blocks_of(most):
        tally = _blocks.Tally()
        for piece in pieces:
            keys = np.array([key for key, _ in piece], np.int64)
            tally.add(keys, np.array([value for _, value in piece], np.float32))
            for key, value in piece:
                counts[key] += 1
                sums[key] += value
        keys, count, total = tally.result()
    assert keys.tolist() == sorted(counts)
    assert count.tolist() == [counts[key] for key in keys]
    assert total.tolist() == [sums[key] for key in keys]


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(2, 3))
def test_graph_does_not_depend_on_the_blocks(number, most, ndim):
    rng = np.random.default_rng(number)
    labels = rng.integers(0, 6, rng.integers(1, 6, ndim))
    # Sums of such affinities are exact, in whichever order.
    affinity = rng.integers(0, 65, (2 if ndim == 2 else 9, *labels.shape)) / 64
    whole = regions.region_adjacency_graph(labels, affinity)
    with blocks_of(most):
        parts = regions.region_adjacency_graph(labels, affinity)
    for name in ("label", "size", "pair", "border", "affinity"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.int64, np.uint64])
@given(data=st.data())
def test_labels_are_found_where_they_are(dtype, data):
    most = int(np.iinfo(dtype).max)
    near = {
        1,
        2,
        7,
        LARGEST_IN_TABLE,
        LARGEST_IN_TABLE + 1,
        2**53,
        2**53 + 1,
        2**53 + 2,
    }
    near |= {2**63, 2**63 + 1, most - 1, most}
    numbers = st.sampled_from(sorted(n for n in near if n <= most))
    known = sorted(data.draw(st.sets(numbers)))
    sought = data.draw(st.lists(numbers | st.just(0)))
    places = finder(np.array(known, dtype))(np.array(sought, dtype))
    expected = [known.index(n) if n in known else len(known) for n in sought]
    assert places.tolist() == expected
