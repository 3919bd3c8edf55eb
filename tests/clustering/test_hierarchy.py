"""The hierarchy: every granularity, nested, exact where it says so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.measure import label as connected_parts

from napari_paf import (
    SuperpixelHierarchy,
    entropy_rate_hierarchy,
    entropy_rate_superpixels,
)
from napari_paf._progress import silent
from napari_paf.clustering import _order
from napari_paf.clustering._threads import new_pool
from napari_paf.clustering.merging import Merges


@pytest.fixture(params=[(13, 17), (4, 6, 7)], ids=["2-D", "3-D"])
def problem(request):
    """Return random affinities and a mask with two islands or more."""
    rng = np.random.default_rng(5)
    shape = request.param
    mask = np.ones(shape, bool)
    mask[..., 3] = False
    return rng.random((len(shape), *shape)), mask


@given(
    st.lists(st.integers(0, 2**62), unique=True, min_size=1),
    st.lists(st.sampled_from([0.0, 1e-300, 0.1, 0.1 + 2**-56, 3.0]), min_size=1),
)
@pytest.mark.parametrize("piece", [1, 2, 5, 1000])
def test_merges_are_sorted_by_gain_then_number(piece, edges, gains):
    gains = [gains[at % len(gains)] for at in range(len(edges))]
    merges = Merges(np.array(edges, np.int64), np.array(gains))
    expected = sorted(edges, key=lambda edge: (-gains[edges.index(edge)], edge))
    with pytest.MonkeyPatch.context() as patch, new_pool(2) as pool:
        patch.setattr(_order, "PIECE", piece)
        in_order = merges.in_order(pool, silent)
    assert in_order.tolist() == expected and in_order.dtype == np.int64


def test_is_exact_at_the_number_it_was_made_for(problem, small_blocks):
    affinity, mask = problem
    for n_segments in (2, 9, 60):
        for m in (None, mask):
            hierarchy = entropy_rate_hierarchy(affinity, n_segments, mask=m)
            np.testing.assert_array_equal(
                hierarchy.labels(n_segments),
                entropy_rate_superpixels(affinity, n_segments, mask=m),
            )


def test_every_granularity_has_its_number_and_nests(problem, small_blocks):
    affinity, mask = problem
    hierarchy = entropy_rate_hierarchy(affinity, 9, mask=mask)
    assert hierarchy.n_islands == 2
    assert hierarchy.n_pixels == mask.sum()
    finer = hierarchy.labels(hierarchy.n_pixels)
    for n_segments in range(hierarchy.n_pixels - 1, hierarchy.n_islands - 1, -1):
        labels = hierarchy.labels(n_segments)
        assert len(np.unique(labels[mask])) == labels.max() == n_segments
        assert (labels[~mask] == 0).all()
        pairs = np.unique(np.stack([finer.ravel(), labels.ravel()]), axis=1)
        assert len(np.unique(pairs[0])) == pairs.shape[1]  # one parent for each
        finer = labels


def test_split_undoes_the_last_merge_and_merge_redoes_it(problem, small_blocks):
    affinity, _ = problem
    hierarchy = entropy_rate_hierarchy(affinity, 9)
    coarse, fine = hierarchy.labels(8), hierarchy.labels(9)
    # The superpixel that consists of two of the finer ones.
    pairs = np.unique(np.stack([coarse.ravel(), fine.ravel()]), axis=1)
    label = int(np.bincount(pairs[0]).argmax())
    split = hierarchy.split(coarse, label)
    assert split.max() == 9
    assert np.unique(np.stack([split.ravel(), fine.ravel()]), axis=1).shape[1] == 9
    assert split.ravel()[np.flatnonzero(coarse == label)[0]] == label
    for part in (label, 9):
        again = hierarchy.merge(split, part)
        assert (
            np.unique(np.stack([again.ravel(), coarse.ravel()]), axis=1).shape[1] == 8
        )
    np.testing.assert_array_equal(coarse, hierarchy.labels(8))  # unchanged


def test_split_goes_down_to_pixels(small_blocks):
    affinity = np.random.default_rng(0).random((2, 4, 5))
    hierarchy = entropy_rate_hierarchy(affinity, 3)
    labels = hierarchy.labels(1)
    for n_segments in range(2, 21):
        sizes = np.bincount(labels.ravel())
        labels = hierarchy.split(labels, int(sizes.argmax()))
        assert labels.max() == n_segments
        for k in range(1, n_segments + 1):
            assert connected_parts(labels == k, connectivity=2).max() == 1
    with pytest.raises(ValueError, match="single pixel"):
        hierarchy.split(labels, 1)


def test_merge_needs_a_neighbour(problem):
    affinity, mask = problem
    hierarchy = entropy_rate_hierarchy(affinity, 9, mask=mask)
    with pytest.raises(ValueError, match="no neighbour"):
        hierarchy.merge(hierarchy.labels(2), 1)
    with pytest.raises(ValueError, match="label=77 is not in labels"):
        hierarchy.merge(hierarchy.labels(2), 77)


def test_what_was_erased_is_no_neighbour(problem):
    affinity, _ = problem
    hierarchy = entropy_rate_hierarchy(affinity, 9)
    labels = hierarchy.labels(9).astype(np.int32)
    for erased in (0, -5):
        edited = np.where(labels == 3, labels, erased)
        with pytest.raises(ValueError, match="label=3 has no neighbour"):
            hierarchy.merge(edited, 3)
        for other in range(1, 10):
            edited = np.where(labels == other, erased, labels)
            for label in set(range(1, 10)) - {other}:
                try:
                    merged = hierarchy.merge(edited, label)
                except ValueError:  # the erased one was its only neighbour
                    continue
                assert (merged[labels == label] > 0).all()
                assert (merged[labels == label] != label).all()


def test_labels_drawn_by_hand_are_not_called_a_pixel():
    hierarchy = SuperpixelHierarchy([[0, 1], [1, 3], [2, 3]], (2, 2))
    with pytest.raises(ValueError, match="label=1 is not of the hierarchy"):
        hierarchy.split([[1, 2], [1, 2]], 1)


@pytest.mark.parametrize("label", [None, "2", [2], 2.0, True])
def test_a_label_is_an_integer(problem, label):
    hierarchy = entropy_rate_hierarchy(problem[0], 9)
    for change in (hierarchy.split, hierarchy.merge):
        with pytest.raises(TypeError, match="label="):
            change(hierarchy.labels(9), label)


def test_a_folder_is_told(tmp_path):
    with pytest.raises(OSError, match=r"directory|denied"):
        SuperpixelHierarchy.load(tmp_path)


def test_labels_writes_into_an_array(problem):
    affinity, _ = problem
    hierarchy = entropy_rate_hierarchy(affinity, 9)
    out = np.zeros(hierarchy.shape, np.uint32)
    assert hierarchy.labels(7, out=out) is out
    np.testing.assert_array_equal(out, hierarchy.labels(7))
    with pytest.raises(ValueError, match="C-contiguous"):
        hierarchy.labels(7, out=out.T)
    with pytest.raises(TypeError, match="out of dtype bool"):
        hierarchy.labels(7, out=out.astype(bool))
    with pytest.raises(TypeError, match="byte order"):
        hierarchy.labels(7, out=out.astype(out.dtype.newbyteorder()))
    most = hierarchy.n_pixels
    small = np.zeros(hierarchy.shape, np.int8)
    assert most > 127
    with pytest.raises(ValueError, match=f"n_segments={most} does not fit.*uint16"):
        hierarchy.labels(most, out=small)
    np.testing.assert_array_equal(hierarchy.labels(7, out=small), out)
    small.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        hierarchy.labels(7, out=small)
    for wrong in (0, hierarchy.n_pixels + 1):
        with pytest.raises(ValueError, match=f"n_segments={wrong}"):
            hierarchy.labels(wrong)


def test_saved_and_loaded_it_is_the_same(problem, tmp_path):
    affinity, mask = problem
    hierarchy = entropy_rate_hierarchy(affinity, 9, mask=mask)
    path = tmp_path / "hierarchy.npz"
    hierarchy.save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["hierarchy.npz"]
    loaded = SuperpixelHierarchy.load(path)
    assert loaded.n_segments == 9
    for n_segments in (2, 9, 50):
        np.testing.assert_array_equal(
            loaded.labels(n_segments), hierarchy.labels(n_segments)
        )


@pytest.mark.parametrize(
    "change",
    [
        {"version": 99},
        {"merge_order": np.array([[0, 10_000]])},
        {"merge_order": np.array([[0, 1], [1, 0]])},
        {"merge_order": np.array([[-1, 1]])},
        {"merge_order": np.array([[0, 2]])},
        {"merge_order": np.array([[0, 2**32 + 1]])},
        {"merge_order": np.array([[0.5, 1.7]])},
        {"merge_order": np.array([[0, 1, 2, 3]])},
        {"n_segments": np.array(0)},
        {"shape": np.array([2**17, 2**16])},
        {"mask": np.zeros(3, np.uint8)},
        {"shape": np.array([10**6, 10**6])},
        {"n_segments": np.array(object())},
    ],
)
def test_hostile_files_are_refused(problem, tmp_path, change):
    affinity, _ = problem
    path = tmp_path / "hierarchy.npz"
    entropy_rate_hierarchy(affinity, 9).save(path)
    with np.load(path) as file:
        content = {**file, **change}
    np.savez(path, **content)
    with pytest.raises(ValueError, match="is not a superpixel hierarchy"):
        SuperpixelHierarchy.load(path)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "notes.npz"
    path.write_text("not a hierarchy")
    with pytest.raises(ValueError, match="is not a superpixel hierarchy"):
        SuperpixelHierarchy.load(path)
    with pytest.raises(FileNotFoundError):
        SuperpixelHierarchy.load(tmp_path / "missing.npz")


@pytest.mark.parametrize("dtype", ["<u2", ">u2", ">i4", "i8", ">u8"])
def test_labels_of_any_integer_type_are_split_and_merged(problem, dtype):
    affinity, _ = problem
    hierarchy = entropy_rate_hierarchy(affinity, 9)
    labels = hierarchy.labels(9)
    for change in (hierarchy.split, hierarchy.merge):
        np.testing.assert_array_equal(
            change(labels.astype(dtype), 3), change(labels, 3)
        )


@pytest.mark.parametrize(
    ("dtype", "larger"),
    [("u1", "u2"), ("i1", "i2"), ("u2", "u4"), ("u4", "u8"), ("i8", ""), ("u8", "")],
)
def test_a_new_number_that_does_not_fit(problem, dtype, larger):
    affinity, _ = problem
    hierarchy = entropy_rate_hierarchy(affinity, 9)
    labels = hierarchy.labels(9).astype(dtype)
    most = np.iinfo(dtype).max
    labels[labels == 9] = most
    if not larger:
        with pytest.raises(ValueError, match="leave no number"):
            hierarchy.split(labels, 3)
        return
    split = hierarchy.split(labels, 3)
    assert split.dtype == larger
    assert int(split.max()) == most + 1
