"""Gradient affinities against a loop, and against the published program."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_paf import (
    achievable_segmentation_accuracy,
    entropy_rate_superpixels,
    gradient_affinity,
)
from napari_paf._offsets import neighbour_offsets


def by_hand(image, sigma, connectivity, spacing):
    """Work the formula out pixel by pixel, for 8-bit images (channel, *spatial)."""
    ndim = image.ndim - 1
    offsets = neighbour_offsets(ndim, connectivity)
    sizes = zip(spacing, image.shape[1:], strict=True)
    least = min((size for size, length in sizes if length > 1), default=1)
    result = np.zeros((len(offsets), *image.shape[1:]))
    for k, offset in enumerate(offsets):
        steps = [o * s / least for o, s in zip(offset, spacing, strict=True)]
        length = math.sqrt(sum(step * step for step in steps))
        for here in np.ndindex(image.shape[1:]):
            there = tuple(h + o for h, o in zip(here, offset, strict=True))
            if all(0 <= t < n for t, n in zip(there, image.shape[1:], strict=True)):
                pairs = zip(image[:, *here], image[:, *there], strict=True)
                d = sum(abs(int(a) - int(b)) / 255 for a, b in pairs) * length
                width = sigma * len(image)
                result[k, *here] = math.exp(-(d**2) / (2 * width**2))
    return result


@given(
    st.data(),
    array_shapes(min_dims=3, max_dims=4, min_side=1, max_side=4),
    st.sampled_from([5 / 255, 0.1, 1.0]),
)
def test_equals_the_formula(data, shape, sigma):
    image = data.draw(arrays(np.uint8, shape))
    ndim = image.ndim - 1
    connectivity = data.draw(st.integers(1, ndim))
    spacing = data.draw(st.tuples(*[st.sampled_from([1.0, 0.4, 2.5])] * ndim))
    affinity = gradient_affinity(
        image, sigma=sigma, connectivity=connectivity, channel_axis=0, spacing=spacing
    )
    assert affinity.dtype == np.float32
    expected = by_hand(image, sigma, connectivity, spacing)
    np.testing.assert_allclose(affinity, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", ["103070", "21077", "42012"])
def test_as_good_as_the_reference(shared_dir, name):
    """Exact ties differ, so the quality is compared, not the partition."""
    import imageio.v3 as iio

    stored = np.load(shared_dir / "goldens" / f"seal_val_{name}.npz")
    folder = shared_dir / "data" / "bsds500" / "val"
    image = iio.imread(folder / "images" / f"{name}.jpg")
    truths = np.load(folder / "groundtruth" / f"{name}.npz")["segments"]
    affinity = gradient_affinity(image, connectivity=2, channel_axis=-1)
    keys = [key for key in stored if key.startswith("ers_rgb_")]
    assert keys
    for key in keys:
        expected = stored[key]
        n_segments = len(np.unique(expected))
        ours = entropy_rate_superpixels(affinity, n_segments)
        accuracy = [
            achievable_segmentation_accuracy(labels.astype(np.int64), truths)
            for labels in (ours, expected)
        ]
        assert accuracy[0] == pytest.approx(accuracy[1], abs=0.005)


def test_same_picture_in_every_dtype():
    picture = np.random.default_rng(0).integers(0, 256, (9, 11)).astype(np.uint8)
    picture.flat[:2] = 0, 255
    expected = gradient_affinity(picture, connectivity=2)
    for same in (
        (picture / 255).astype(np.float32),
        (picture / 255).astype(np.float64),
        picture.astype(np.int32),
        picture.astype(">u2"),
        picture.astype(np.int64) * -(10**12),
        np.asfortranarray(picture),
        np.repeat(picture, 2, axis=0)[::2],
    ):
        result = gradient_affinity(same, connectivity=2)
        np.testing.assert_allclose(result, expected, atol=2e-3)


def test_a_dim_stain_counts_as_much_as_a_bright_one():
    bright, dim = np.zeros((2, 12, 12), np.uint16)
    bright[:, 6:], dim[6:] = 60_000, 90
    affinity = gradient_affinity(np.stack([bright, dim]), channel_axis=0)
    expected = gradient_affinity(np.stack([bright > 0, dim > 0]), channel_axis=0)
    np.testing.assert_array_equal(affinity, expected)
    assert affinity[1, 5].max() < 1e-6  # across the rows where only the dim one changes


def test_colours_keep_their_relations():
    ramp = np.linspace(0, 1000, 12).astype(np.uint16)
    colours = np.stack([np.tile(ramp, (12, 1)), np.tile(ramp // 4, (12, 1))])
    affinity = gradient_affinity(colours, sigma=0.05, channel_axis=0)
    expected = gradient_affinity(colours / 1000, sigma=0.05, channel_axis=0)
    np.testing.assert_allclose(affinity, expected, atol=0.02)


def test_constant_image_has_no_boundary():
    affinity = gradient_affinity(np.full((3, 4), -7.5))
    np.testing.assert_array_equal(affinity[0, :, :-1], 1)
    np.testing.assert_array_equal(affinity[0, :, -1], 0)


@pytest.mark.parametrize("sigma", [0, -1, np.nan, np.inf])
def test_wrong_sigma(sigma):
    with pytest.raises(ValueError, match="sigma="):
        gradient_affinity(np.zeros((3, 4)), sigma=sigma)


@pytest.mark.parametrize("sigma", ["a", True, None])
def test_wrong_type_of_sigma(sigma):
    with pytest.raises(TypeError, match="sigma="):
        gradient_affinity(np.zeros((3, 4)), sigma=sigma)
