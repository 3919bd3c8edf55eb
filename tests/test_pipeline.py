"""Superpixels of an image: the two steps joined, and everything they survive."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import label as connected_components

from napari_paf import (
    entropy_rate_superpixels,
    gradient_affinity,
    pipeline,
    predict_affinity,
    superpixel_hierarchy,
    superpixels,
)
from napari_paf.samples import load_sample

DTYPES = [
    "uint8", "int8", "uint16", "int32", "uint64", "float16", "float32", "float64",
    ">u2", ">f4", "bool",
]  # fmt: skip


def check(labels, shape, n_segments, connectivity=2):
    assert labels.shape == shape
    assert labels.dtype == (np.uint16 if n_segments < 2**16 else np.uint32)
    values, first = np.unique(labels, return_index=True)
    assert values.tolist() == list(range(1, n_segments + 1))
    assert (np.diff(first) > 0).all()
    assert connected_components(labels, connectivity=connectivity).max() == n_segments


@pytest.mark.parametrize("model", ["default", "gradient"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(dtype, model):
    image = np.random.default_rng(0).integers(0, 100, (20, 24)).astype(dtype)
    image.flags.writeable = False
    check(superpixels(image, 9, model=model, device="cpu"), (20, 24), 9)


@pytest.mark.parametrize("model", ["default", "gradient"])
@pytest.mark.parametrize(
    ("shape", "channel_axis"),
    [
        ((1, 1), None),
        ((1, 17), None),
        ((17, 1), None),
        ((12, 13, 3), 2),
        ((2, 12, 13), 0),
        ((4, 6, 7), None),
        ((1, 6, 7), None),
        ((3, 4, 6, 7), 0),
    ],
)
@pytest.mark.parametrize("value", ["constant", "huge", "negative", "random"])
def test_every_shape(shape, channel_axis, model, value):
    random = np.random.default_rng(0).normal(size=shape)
    image = {
        "constant": np.full(shape, 3.0),
        "huge": random * 1e200,
        "negative": -np.abs(random),
        "random": random,
    }[value]
    spatial = (
        tuple(np.delete(shape, channel_axis)) if channel_axis is not None else shape
    )
    n_pixels = int(np.prod(spatial))
    for n_segments in {1, min(5, n_pixels), n_pixels}:
        labels = superpixels(
            image, n_segments, model=model, channel_axis=channel_axis, device="cpu"
        )
        check(labels, spatial, n_segments, connectivity=2)


def test_is_its_two_steps():
    sample = load_sample("histology_rgb")
    image = sample.image[:80, :90]
    affinity = predict_affinity(image, channel_axis=-1, device="cpu")
    expected = entropy_rate_superpixels(affinity, 60, balance=0.3, connectivity=1)
    labels = superpixels(
        image, 60, balance=0.3, connectivity=1, channel_axis=-1, device="cpu"
    )
    np.testing.assert_array_equal(labels, expected)
    hierarchy = superpixel_hierarchy(
        image, 60, balance=0.3, connectivity=1, channel_axis=-1, device="cpu"
    )
    np.testing.assert_array_equal(hierarchy.labels(60), expected)


def test_gradients_have_the_balance_of_the_original_program():
    image = load_sample("histology_rgb").image[:64, :72]
    options = {"model": "gradient", "channel_axis": -1, "device": "cpu"}
    own = superpixels(image, 40, **options)
    expected = superpixels(image, 40, balance=0.5, **options)
    np.testing.assert_array_equal(own, expected)
    hierarchy = superpixel_hierarchy(image, 40, **options)
    np.testing.assert_array_equal(hierarchy.labels(40), own)
    assert (superpixels(image, 40, balance=0.0, **options) != own).any()


@pytest.mark.parametrize("connectivity", [1, 2, 3])
def test_volume_with_spacing(connectivity):
    volume = load_sample("em_fibsem_3d").image[:6, :24, :24]
    spacing = (2.5, 1, 1)
    labels = superpixels(
        volume, 20, model="gradient", connectivity=connectivity, spacing=spacing
    )
    expected = entropy_rate_superpixels(
        gradient_affinity(volume, connectivity=connectivity, spacing=spacing),
        20,
        connectivity=connectivity,
    )
    np.testing.assert_array_equal(labels, expected)
    learned = superpixels(
        volume, 20, connectivity=connectivity, spacing=spacing, device="cpu"
    )
    check(learned, volume.shape, 20, connectivity)


def test_boundaries_are_kept_in_a_volume_with_few_planes():
    """Two halves that differ stay apart, whatever the size of a voxel."""
    volume = np.zeros((6, 32, 32), np.uint8)
    volume[:, :, 16:] = 200
    volume[3:] += 50
    for spacing in (None, (4, 1, 1)):
        labels = superpixels(volume, 4, model="gradient", spacing=spacing)
        for part in range(1, 5):
            assert len(np.unique(volume[labels == part])) == 1


MASK = np.zeros((12, 13), np.uint8)
MASK[1:4, 1:5] = MASK[6:9, 2:6] = 7
MASK[4, 5] = 1  # touches the first island at a corner


def test_islands():
    image = np.random.default_rng(0).random((12, 13))
    labels = superpixels(image, 2, model="gradient", mask=MASK)
    np.testing.assert_array_equal(labels != 0, MASK != 0)
    assert labels.max() == 2
    assert superpixels(image, 3, model="gradient", mask=MASK, connectivity=1).max() == 3


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_segments": 0}, ValueError, "n_segments=0"),
        ({"n_segments": 157}, ValueError, "n_segments=157.*156 pixels"),
        ({"n_segments": 2.0}, TypeError, "n_segments=2.0"),
        ({"n_segments": 27, "mask": MASK}, ValueError, "n_segments=27.*25 pixels"),
        ({"n_segments": 1, "mask": MASK}, ValueError, "n_segments=1.*2 separate"),
        (
            {"n_segments": 2, "mask": MASK, "connectivity": 1},
            ValueError,
            "n_segments=2.*3 separate",
        ),
        ({"mask": MASK[1:]}, ValueError, "mask"),
        ({"mask": MASK * 0}, ValueError, "mask"),
        ({"balance": -1}, ValueError, "balance=-1"),
        ({"connectivity": 3}, ValueError, "connectivity=3"),
        ({"channel_axis": 5}, ValueError, "channel_axis=5"),
        ({"spacing": (1, 0)}, ValueError, "spacing="),
        ({"device": "tpu"}, ValueError, "device='tpu'"),
        ({"n_threads": 0}, ValueError, "n_threads=0"),
        ({"model": "unheard of"}, ValueError, "unheard of"),
    ],
)
def test_wrong_arguments_are_refused_before_any_work(
    monkeypatch, arguments, error, message
):
    work = {"n_segments": 3, **arguments}
    monkeypatch.setattr(pipeline, "entropy_rate_superpixels", None)
    with pytest.raises(error, match=message):
        superpixels(np.zeros((12, 13)), **work)


def test_progress_names_what_is_being_done():
    reports = []
    superpixels(np.zeros((40, 40)), 5, progress=lambda *report: reports.append(report))
    fractions = [fraction for fraction, _ in reports]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0, pytest.approx(1))
    texts = [text for _, text in reports]
    assert any(text.startswith("Predicting") for text in texts)
    assert any(text.startswith("Clustering") for text in texts)
    assert all(texts)


@pytest.mark.parametrize("phase", ["Predicting", "Clustering"])
def test_cancel(phase):
    class Cancelled(Exception):
        pass

    def cancel(fraction, text):
        if text.startswith(phase):
            raise Cancelled

    with pytest.raises(Cancelled):
        superpixels(np.zeros((40, 40)), 5, progress=cancel)
