"""Entropy-rate superpixels against a naive greedy, the reference and properties."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from skimage.measure import label as connected_parts

from napari_paf import (
    entropy_rate_hierarchy,
    entropy_rate_superpixels,
    gradient_affinity,
)
from napari_paf.clustering import _held_back, _threads, merging
from napari_paf.clustering._gains import (
    LOOP_BITS,
    entropy_gain,
    log2,
    rounded_loop,
    xlog2x,
)
from napari_paf.samples import load_sample

sys.path.insert(0, str(Path(__file__).parent))
import naive

# HYPOTHESIS_PROFILE=long looks at thirty times as many.
quick = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
thorough = settings(quick, max_examples=5 * quick.max_examples)


def same_partition(a, b):
    """Whether two label images differ in the numbers only."""
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1).shape[1]
    return pairs == len(np.unique(a)) == len(np.unique(b))


@st.composite
def problems(draw):
    """Draw small images with everything that is hard: ties, zeros, masks, islands."""
    ndim = draw(st.integers(2, 3))
    shape = tuple(draw(st.integers(1, 7 if ndim == 2 else 4)) for _ in range(ndim))
    connectivity = draw(st.integers(1, ndim))
    n_full = len(naive.OFFSETS[ndim, connectivity])
    n_channels = draw(st.sampled_from([ndim, n_full]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    affinity = rng.random((n_channels, *shape))
    kind = draw(st.sampled_from(["real", "tied", "sparse", "constant", "wide"]))
    if kind == "tied":
        affinity = np.round(affinity * 3) / 3
    elif kind == "sparse":
        affinity[rng.random(affinity.shape) < 0.5] = 0
    elif kind == "constant":
        affinity[:] = 0.5
    elif kind == "wide":
        # Beside the heaviest, most say nothing in floating-point numbers.
        affinity **= draw(st.sampled_from([10, 60, 600]))
    affinity = affinity.astype(draw(st.sampled_from([np.float32, np.float64])))
    mask = None
    if draw(st.booleans()):
        mask = rng.random(shape) < 0.8
        mask.flat[rng.integers(mask.size)] = True
    n_pixels = int(np.prod(shape)) if mask is None else int(mask.sum())
    arguments = {
        "n_segments": draw(st.integers(1, n_pixels)),
        "balance": draw(st.sampled_from([0.0, 1e-9, 0.1, 0.5, 1.0, 10.0])),
        "connectivity": connectivity,
        "mask": mask,
    }
    return affinity, arguments


def count_islands(mask, connectivity):
    """Return the number of connected parts of a mask."""
    return connected_parts(mask, connectivity=connectivity).max()


@thorough
@given(
    problem=problems(),
    n_threads=st.integers(1, 3),
    at_first=st.sampled_from([-1, 1]),
    single=st.sampled_from([0.0, 0.3, 0.9]),
)
def test_equals_the_naive_greedy(problem, n_threads, at_first, single, small_blocks):
    _held_back.AT_FIRST, _held_back.SINGLE = at_first, single  # `small_blocks` resets
    affinity, arguments = problem
    mask = arguments["mask"]
    if mask is not None:
        islands = count_islands(mask, arguments["connectivity"])
        if arguments["n_segments"] < islands:
            with pytest.raises(ValueError, match=f"mask has {islands} separate"):
                entropy_rate_superpixels(affinity, **arguments)
            return
    labels = entropy_rate_superpixels(affinity, **arguments, n_threads=n_threads)
    # Equal gains are equal only if both round them alike.
    expected = naive.greedy(
        affinity,
        **arguments,
        f=lambda x: float(xlog2x(x)),
        entropy=lambda a, b, w: float(entropy_gain(w, a, b)),
        rounded=lambda loop: float(rounded_loop(loop)),
    )
    np.testing.assert_array_equal(labels, expected)


def test_equals_the_naive_greedy_with_the_mathematical_logarithm(small_blocks):
    rng = np.random.default_rng(1)
    for _ in range(20):
        affinity = rng.random((2, 6, 7))
        np.testing.assert_array_equal(
            entropy_rate_superpixels(affinity, 4), naive.greedy(affinity, 4)
        )


@quick
@given(problem=problems())
def test_every_superpixel_is_connected_and_counted(problem, small_blocks):
    affinity, arguments = problem
    n_segments, mask = arguments["n_segments"], arguments["mask"]
    if mask is not None:
        islands = count_islands(mask, arguments["connectivity"])
        n_segments = arguments["n_segments"] = max(n_segments, int(islands))
    labels = entropy_rate_superpixels(affinity, **arguments)
    assert labels.dtype == np.uint16
    first_pixels = [np.flatnonzero(labels == k)[0] for k in range(1, n_segments + 1)]
    assert first_pixels == sorted(first_pixels)
    np.testing.assert_array_equal(labels > 0, True if mask is None else mask)
    for k in range(1, n_segments + 1):
        assert count_islands(labels == k, arguments["connectivity"]) == 1


@pytest.mark.parametrize("image", ["103070", "21077", "42012"])
def test_equals_the_reference_on_real_affinities(shared_dir, image):
    golden = np.load(shared_dir / "goldens" / f"seal_val_{image}.npz")
    keys = [key for key in golden if key.startswith("ers_n")]
    assert len(keys) == 4
    for key in keys:
        n, connectivity, balance = key.removeprefix("ers_n").split("_")
        labels = entropy_rate_superpixels(
            golden["affinity"],
            int(n),
            connectivity=int(connectivity.removeprefix("conn")),
            balance=float(balance.removeprefix("balance")),
        )
        assert same_partition(labels, golden[key]), key


@pytest.mark.parametrize(
    "name", ["rand_64x64_seed1", "f32_48x64_seed6", "tiny_3x4_seed7", "tiny_5x7_seed7"]
)
def test_equals_the_reference_on_random_affinities(shared_dir, name):
    golden = np.load(shared_dir / "goldens" / f"{name}.npz")
    affinity = np.stack([golden["affinity_x"], golden["affinity_y"]])
    n_checked = 0
    for key in golden:
        if not key.startswith("labels_") or "_c1_" not in key:
            continue
        n, _, balance = key.removeprefix("labels_K").split("_")
        if int(n) < affinity[0].size:
            labels = entropy_rate_superpixels(
                affinity, int(n), balance=float(balance.removeprefix("l"))
            )
            assert same_partition(labels, golden[key]), key
            n_checked += 1
    assert n_checked >= 6


def test_is_the_same_on_any_threads_and_blocks(monkeypatch):
    rng = np.random.default_rng(3)
    affinity = rng.random((4, 150, 170)).astype(np.float32)
    expected = entropy_rate_superpixels(affinity, 60, n_threads=1)
    for size in (50, 1_000, 4_000, 60_000):
        monkeypatch.setattr(merging, "LEAF", {2: size})
        for n_threads in (1, 2, 5):
            labels = entropy_rate_superpixels(affinity, 60, n_threads=n_threads)
            np.testing.assert_array_equal(labels, expected)


def test_is_the_same_without_compiling():
    code = """
import sys; sys.path.insert(0, sys.argv[1])
import numpy as np, naive
from napari_paf import entropy_rate_hierarchy, entropy_rate_superpixels
from napari_paf.clustering import _held_back, _left, _order, _queue, _window, merging
_held_back.MANY, _held_back.LARGE, _held_back.BOX = 0, 0, 9
_held_back.AT_FIRST, _held_back.SINGLE = 1, 0.3
merging.LEAF, _left.FEW = {2: 16, 3: 8}, 2
_queue.ITEMS_PER_LOG, _window.WINDOW = 2, 9
rng = np.random.default_rng(0)
for shape, connectivity in [((9, 11), 2), ((9, 11), 1), ((3, 4, 5), 3)]:
    affinity = rng.random((len(shape), *shape))
    labels = entropy_rate_superpixels(affinity, 5, connectivity=connectivity)
    expected = naive.greedy(affinity, 5, connectivity=connectivity)
    np.testing.assert_array_equal(labels, expected)
    orders = []
    for _order.PIECE in (3, 1000):
        hierarchy = entropy_rate_hierarchy(affinity, 5, connectivity=connectivity)
        np.testing.assert_array_equal(hierarchy.labels(5), expected)
        orders.append(hierarchy.merge_order)
    np.testing.assert_array_equal(*orders)
"""
    subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent)],
        check=True,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
    )


@given(st.integers(0, 2**32), st.integers(1, 300), st.sampled_from([1, 100]), st.data())
def test_the_least_of_many_gains(seed, n_gains, times, data):
    n = data.draw(st.integers(1, n_gains))
    n_gains *= times  # so many that a sample is taken, for the few that are wanted
    rng = np.random.default_rng(seed)
    gain = data.draw(
        st.sampled_from(
            [rng.random(n_gains), rng.integers(0, 9, n_gains) / 9, np.zeros(n_gains)]
        )
    )
    if data.draw(st.booleans()):
        gain = np.sort(gain)
    if data.draw(st.booleans()):
        n = min(4 * n, n_gains)
        gain[:: merging.SAMPLED] = -1  # what is sampled is no sample of the rest
    found = merging.least_gains(gain, n)
    np.testing.assert_array_equal(np.sort(found), np.sort(gain)[:n])


def test_logarithm_is_close_to_the_exact_one():
    x = 10 ** np.random.default_rng(0).uniform(-12, 0.5, 2000)
    ours = np.array([log2(value) for value in x])
    np.testing.assert_allclose(ours, np.log2(x), rtol=5e-16, atol=3e-16)
    assert xlog2x(0.0) == 0.0
    assert xlog2x(-1e-20) == 0.0


@given(
    st.floats(1e-140, 0.5), st.floats(1, 1e30), st.floats(1, 1e30), st.integers(1, 40)
)
def test_gains_only_fall(weight, larger_i, larger_j, n_steps):
    """Loops go down by the least that they can, and gains with them."""
    loops = [float(rounded_loop(min(weight * n, 1.0))) for n in (larger_i, larger_j)]
    gain = math.inf
    for step in range(n_steps):
        i, j = loops
        found = entropy_gain(weight, i, j)
        assert 0 <= found <= gain
        assert entropy_gain(weight, j, i) == found
        gain = found
        loop = loops[step % 2]
        loops[step % 2] = float(rounded_loop(loop * (1 - 2**-LOOP_BITS)))
        assert loops[step % 2] < loop


def exact_gain(weight, *loops):
    """Return what an edge gains, as a decimal number of many digits."""
    with localcontext(prec=220):
        w = Decimal(weight)
        gain = -2 * w * w.ln()
        for loop in map(Decimal, loops):
            gain += loop * loop.ln()
            gain -= (loop - w) * (loop - w).ln() if loop > w else 0
        return gain / Decimal(2).ln()


@given(st.floats(1e-140, 0.5), st.floats(1.001, 1e30), st.floats(1.001, 1e30))
def test_gains_of_light_edges_are_precise(weight, larger_i, larger_j):
    i, j = (min(weight * n, 1.0) for n in (larger_i, larger_j))
    expected = float(exact_gain(weight, i, j))
    found = entropy_gain(weight, i, j)
    assert found == pytest.approx(expected, rel=1e-11, abs=weight * 1e-11)


@given(st.floats(-56, -1), st.floats(0, 56), st.floats(0, 56))
def test_the_least_fall_is_far_more_than_rounding(weight, larger_i, larger_j):
    """For all affinities in 4 bytes, as shares of the sum of very many."""
    weight = 10**weight
    i, j = (
        float(rounded_loop(min(weight * (1.001 + 10**n), 1.0)))
        for n in (larger_i, larger_j)
    )
    lower = float(rounded_loop(i * (1 - 2**-LOOP_BITS)))
    before, after = exact_gain(weight, i, j), exact_gain(weight, lower, j)
    for exact, found in (
        (before, entropy_gain(weight, i, j)),
        (after, entropy_gain(weight, lower, j)),
    ):
        assert before - after > 100 * abs(Decimal(float(found)) - exact)


@pytest.mark.parametrize("balance", [0, 1e-6])
def test_images_of_much_contrast_on_any_number_of_threads(balance):
    sample = load_sample("em_tem_axons")
    affinity = gradient_affinity(sample.image, connectivity=2)
    assert 0 < affinity[affinity > 0].min() < 1e-30
    alone, *others = (
        entropy_rate_superpixels(affinity, 300, balance=balance, n_threads=n)
        for n in (1, 3, 8)
    )
    for labels in others:
        np.testing.assert_array_equal(labels, alone)


def test_many_labels_need_a_wider_type():
    affinity = np.random.default_rng(0).random((2, 257, 257))
    labels = entropy_rate_superpixels(affinity, 66_000)
    assert labels.dtype == np.uint32
    assert labels.max() == len(np.unique(labels)) == 66_000


def test_input_is_neither_changed_nor_required_to_be_tidy():
    base = np.random.default_rng(0).random((4, 12, 10)).astype(">f4")
    affinity = base[:, ::-1, ::2]
    affinity.flags.writeable = False
    before = affinity.copy()
    labels = entropy_rate_superpixels(affinity, 6)
    np.testing.assert_array_equal(affinity, before)
    tidy = np.ascontiguousarray(affinity, np.float32)
    np.testing.assert_array_equal(labels, entropy_rate_superpixels(tidy, 6))


class Cancelled(Exception):
    """What a caller raises to cancel."""


@pytest.mark.parametrize("function", [entropy_rate_superpixels, entropy_rate_hierarchy])
def test_progress_rises_and_cancels(small_blocks, function):
    affinity = np.random.default_rng(0).random((2, 40, 40))
    mask = np.ones((40, 40), bool)
    mask[:, 20] = False
    reports = []

    def progress(fraction, description):
        reports.append((fraction, description))
        if description == at:
            raise Cancelled

    at = None
    function(affinity, 10, mask=mask, progress=progress)
    fractions = [fraction for fraction, _ in reports]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] < 0.01
    assert fractions[-1] == 1.0
    phases = list(dict.fromkeys(description for _, description in reports))
    assert len(phases) == 6
    for number, at in enumerate(phases):
        reports.clear()
        n_threads = threading.active_count()
        with pytest.raises(Cancelled):
            function(affinity, 10, mask=mask, progress=progress)
        assert reports[-1][1] == at
        assert {description for _, description in reports} == {*phases[: number + 1]}
        assert threading.active_count() == n_threads


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"n_segments": 0}, ValueError, "n_segments=0: ask for at least 1"),
        ({"n_segments": 21}, ValueError, "only 20 pixels"),
        ({"n_segments": 2.5}, TypeError, "n_segments=2.5: give the number"),
        ({"n_segments": True}, TypeError, "n_segments=True"),
        ({"balance": -1}, ValueError, "balance=-1"),
        ({"balance": np.inf}, ValueError, "balance=inf"),
        ({"balance": 1e306}, ValueError, r"balance=1e\+306: .*0 to 1000"),
        ({"balance": "much"}, TypeError, "balance='much'"),
        ({"connectivity": 3}, ValueError, "connectivity=3: choose 1"),
        ({"connectivity": None}, TypeError, "connectivity=None"),
        ({"mask": np.ones((4, 4))}, ValueError, r"mask of shape \(4, 4\)"),
        ({"mask": np.ones((4, 5))}, TypeError, "mask of dtype float64"),
        ({"mask": np.zeros((4, 5), bool)}, ValueError, "no pixel is inside"),
        ({"affinity": np.ones((3, 4, 5))}, ValueError, "affinity has 3 channels"),
        ({"affinity": np.ones((4, 5))}, ValueError, r"affinity of shape \(4, 5\)"),
        ({"affinity": np.ones((2, 0, 5))}, ValueError, "is empty"),
        ({"affinity": np.full((2, 4, 5), np.nan)}, ValueError, "nan"),
        ({"affinity": np.full((2, 4, 5), 2.0)}, ValueError, "ranges from 2 to 2"),
        ({"affinity": np.ones((2, 4, 5), complex)}, TypeError, "complex128"),
        ({"n_threads": 0}, ValueError, "n_threads=0"),
        ({"n_threads": "all"}, TypeError, "n_threads='all'"),
    ],
)
def test_wrong_arguments_are_named(change, error, message):
    arguments = {"affinity": np.ones((2, 4, 5)), "n_segments": 3, **change}
    with pytest.raises(error, match=message):
        entropy_rate_superpixels(**arguments)


def test_number_of_threads_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv(_threads.THREADS_VARIABLE, "3")
    assert _threads.check_n_threads(None) == 3
    monkeypatch.setenv(_threads.THREADS_VARIABLE, "")  # as if it was not there
    assert _threads.check_n_threads(None) >= 1
    monkeypatch.setenv(_threads.THREADS_VARIABLE, "many")
    with pytest.raises(TypeError, match="NAPARI_PAF_NUM_THREADS='many'"):
        _threads.check_n_threads(None)
    assert _threads.check_n_threads(2) == 2
