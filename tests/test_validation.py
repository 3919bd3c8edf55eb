"""Wrong images are refused in one sentence; right ones come through as they are."""

from __future__ import annotations

import numpy as np
import pytest

from napari_paf import (
    entropy_rate_superpixels,
    gradient_affinity,
    superpixels,
    train_affinity,
)
from napari_paf._progress import part
from napari_paf._validation import check_image, check_spacing
from napari_paf.metrics import achievable_segmentation_accuracy, explained_variation
from napari_paf.regions import grow_seeds, region_adjacency_graph


@pytest.mark.parametrize(
    ("shape", "channel_axis", "expected"),
    [
        ((5, 7), None, (1, 5, 7)),
        ((4, 5, 7), None, (1, 4, 5, 7)),
        ((5, 7, 3), -1, (3, 5, 7)),
        ((3, 5, 7), 0, (3, 5, 7)),
        ((4, 5, 7, 2), 3, (2, 4, 5, 7)),
        ((1, 1), None, (1, 1, 1)),
    ],
)
def test_channels_come_first(shape, channel_axis, expected):
    image = np.arange(np.prod(shape)).reshape(shape)
    channels = check_image(image, channel_axis)
    assert channels.shape == expected
    assert np.shares_memory(channels, image)
    if channel_axis is not None:
        np.testing.assert_array_equal(np.moveaxis(channels, 0, channel_axis), image)


@pytest.mark.parametrize(
    ("image", "channel_axis", "message"),
    [
        (np.zeros((0, 5)), None, "empty"),
        (np.zeros(5), None, r"\(5,\)"),
        (np.zeros((2, 3, 4, 5)), None, r"\(2, 3, 4, 5\)"),
        (np.zeros((4, 5)), -1, r"channel_axis=-1"),
        (np.zeros((4, 5, 3)), 3, "channel_axis=3"),
        (np.zeros((4, 5, 3)), -4, "channel_axis=-4"),
        (np.array([[1, np.nan], [np.nan, np.inf]]), None, "2 NaN and 1 infinite"),
    ],
)
def test_wrong_images(image, channel_axis, message):
    with pytest.raises(ValueError, match=message):
        check_image(image, channel_axis)


@pytest.mark.parametrize(
    ("image", "channel_axis", "message"),
    [
        (np.zeros((4, 5), complex), None, "complex128"),
        (np.full((4, 5), "a"), None, "dtype"),
        (np.full((4, 5), None), None, "object"),
        (np.zeros((4, 5, 3)), 1.0, "channel_axis=1.0"),
        (np.zeros((4, 5, 3)), True, "channel_axis=True"),
    ],
)
def test_wrong_types(image, channel_axis, message):
    with pytest.raises(TypeError, match=message):
        check_image(image, channel_axis)


def test_colour_without_channel_axis_is_remarked_on():
    with pytest.warns(UserWarning, match="channel_axis=-1"):
        superpixels(np.zeros((32, 32, 3), np.uint8), 2, model="gradient")


@pytest.mark.parametrize("spacing", [(1, 2), np.array([0.5, 2.0]), [1.5, 1]])
def test_spacing(spacing):
    assert check_spacing(spacing, 2) == tuple(float(size) for size in spacing)
    assert check_spacing(None, 3) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    "spacing",
    [(1,), (1, 0), (1, -1), (1, np.inf), (1, "a")]
    + [(1e-320, 1.0), (1e308, 1e-308), (1, 2e6)],
)
def test_wrong_spacing(spacing):
    with pytest.raises(ValueError, match="spacing="):
        check_spacing(spacing, 2)


@pytest.mark.parametrize("spacing", [1.0, "11", np.array(2.0)])
def test_wrong_type_of_spacing(spacing):
    with pytest.raises(TypeError, match="spacing="):
        check_spacing(spacing, 2)


RAGGED = [[1, 2], [3]]
LABELS = np.ones((4, 4), int)
AFFINITY = np.ones((2, 4, 4))


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (superpixels, (RAGGED, 2), "image"),
        (gradient_affinity, (RAGGED,), "image"),
        (entropy_rate_superpixels, ([RAGGED, RAGGED], 2), "affinity"),
        (region_adjacency_graph, (RAGGED, AFFINITY), "labels"),
        (region_adjacency_graph, (LABELS, [RAGGED]), "affinity"),
        (grow_seeds, (LABELS, AFFINITY, RAGGED), "seeds"),
        (achievable_segmentation_accuracy, (RAGGED, LABELS), "labels"),
        (achievable_segmentation_accuracy, (LABELS, [LABELS, RAGGED]), "truth"),
        (explained_variation, (LABELS, RAGGED), "image"),
        (lambda pair: next(train_affinity([pair])), ((LABELS, RAGGED),), "labels"),
    ],
)
def test_rows_that_differ_in_length(function, arguments, name):
    with pytest.raises(ValueError, match=f"{name}: its rows differ in length"):
        function(*arguments)


def test_progress_that_cannot_be_called():
    with pytest.raises(TypeError, match="progress=5"):
        part(5, 0, 1)
    with pytest.raises(TypeError, match="progress=True"):
        entropy_rate_superpixels(AFFINITY, 2, progress=True)
