"""Intensity normalisation: of any dtype, and of channels that are colours or not."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from napari_paf import predict_affinity
from napari_paf.affinity.normalize import (
    PART,
    normalize_channels,
    normalize_intensity,
)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int64, np.float32])
def test_same_picture_same_input_in_every_dtype(dtype: type) -> None:
    picture = np.random.default_rng(0).integers(0, 100, (1, 20, 30))
    expected = normalize_intensity(picture.astype(np.float64))
    np.testing.assert_allclose(
        normalize_intensity(picture.astype(dtype)), expected, atol=1e-6
    )
    # Neither gain nor offset matter.
    scaled = picture.astype(np.float64) * 300 + 1234
    np.testing.assert_allclose(normalize_intensity(scaled), expected, atol=1e-5)


@pytest.mark.parametrize(
    "image",
    [
        np.full((1, 4, 4), 3.0),
        np.zeros((1, 4, 4), np.uint8),
        np.zeros((1, 4, 4), bool),
        np.full((3, 2, 2), 1e308),
        np.zeros((3, 0, 4)),
    ],
)
def test_constant_image_becomes_zero(image: np.ndarray) -> None:
    result = normalize_intensity(image)
    assert result.shape == image.shape
    assert not result.any()


@pytest.mark.parametrize("scale", [1e-300, 1e300, 1.7e308, 5e-324])
def test_extreme_values_stay_finite(scale: float) -> None:
    image = np.array([[-1.0, 1.0, 0.0, 1.0]]) * scale
    with np.errstate(all="raise", under="ignore"):
        result = normalize_intensity(image)
    np.testing.assert_allclose(result, [[-1, 1, 0, 1]], atol=0.01)


def test_few_outliers_do_not_set_the_range() -> None:
    image = np.tile(np.linspace(0, 1, 100), (100, 1))
    burnt = image.copy()
    burnt[0, :5] = 1e9
    difference = normalize_intensity(burnt) - normalize_intensity(image)
    assert np.abs(difference[1:]).max() < 0.02
    assert normalize_intensity(burnt).max() <= 2


def test_a_single_spot_survives() -> None:
    image = np.zeros((1, 100, 100))
    image[0, 50, 50] = 5
    result = normalize_intensity(image)
    assert result[0, 50, 50] == 1
    assert result[0, 0, 0] == -1


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
@pytest.mark.parametrize("spread", [0.0, 0.001, 3.0, 60.0])
def test_normalisation_by_histogram_is_the_same(dtype: str, spread: float) -> None:
    """Large images with few values are not sorted; nothing else may differ."""
    rng = np.random.default_rng(5)
    image = rng.normal([[[50]], [[70]]], spread, (2, 400, 400))
    image[0, 0, :10] = 90
    image = np.clip(image, -100, 120).astype(dtype)
    assert image.size > PART
    expected = normalize_intensity(image.astype(np.float64))
    np.testing.assert_array_equal(normalize_intensity(image), expected)


@pytest.mark.parametrize(
    ("dtype", "offset"),
    [("i8", 2**60), ("i8", -(2**62)), ("u8", 2**63), (">u8", 2**60)],
)
def test_an_offset_of_64_bit_integers_does_not_matter(dtype: str, offset: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50))
    large = np.array([[value + offset for value in row] for row in image.tolist()])
    np.testing.assert_allclose(
        normalize_intensity(large.astype(dtype)), normalize_intensity(image), atol=1e-6
    )


def stains(seed: int = 0) -> np.ndarray:
    """Return three channels in which different things are to be seen."""
    image = np.zeros((3, 64, 80))
    image[0, 8:24, 8:60] = image[1, 30:50, 20:40] = image[2, 20:60, 50:70] = 100
    return image + np.random.default_rng(seed).normal(0, 1, image.shape)


@pytest.mark.parametrize("share", [0.4, 0.05, 1e-5])
@pytest.mark.parametrize("dimmed", [(0,), (2,), (0, 2)])
def test_a_dim_stain_counts_as_a_bright_one_does(
    share: float, dimmed: tuple[int, ...]
) -> None:
    bright = stains()
    dim = bright.copy()
    dim[list(dimmed)] *= share
    expected = np.stack([normalize_intensity(channel) for channel in bright])
    np.testing.assert_allclose(normalize_channels(dim), expected, atol=1e-5)
    # In any order.
    np.testing.assert_array_equal(
        normalize_channels(dim[::-1]), normalize_channels(dim)[::-1]
    )


def test_channels_far_apart_have_their_own_ranges() -> None:
    image = stains() + np.array([0, 1e4, 1e5])[:, None, None]
    expected = np.stack([normalize_intensity(channel) for channel in stains()])
    np.testing.assert_allclose(normalize_channels(image), expected, atol=1e-5)


COLOURS = {
    "a photograph": data.chelsea(),
    "stained tissue": data.immunohistochemistry(),
    "green alone": np.stack([0 * data.camera(), data.camera(), 0 * data.camera()], -1),
    "a faint copy": np.stack([data.camera(), data.camera() // 8 + 100], -1),
    "one channel": data.camera()[..., None],
    "nothing": np.full((9, 9, 3), 7),
    "no pixel": np.zeros((0, 9, 3)),
    "a pixel": np.array([[[1, 2, 3]]]),
}


@pytest.mark.parametrize("name", COLOURS)
def test_colours_share_their_range(name: str) -> None:
    image = np.moveaxis(COLOURS[name], -1, 0)
    np.testing.assert_array_equal(normalize_channels(image), normalize_intensity(image))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.float32])
def test_the_same_channels_in_every_dtype(dtype: type) -> None:
    image = np.clip(stains() + 5, 0, 255) * np.array([1, 0.1, 0.3])[:, None, None]
    image = np.rint(image)
    np.testing.assert_allclose(
        normalize_channels(image.astype(dtype)), normalize_channels(image), atol=1e-6
    )


@pytest.mark.parametrize("dtype", [np.float64, np.longdouble])
def test_extreme_channels_stay_finite(dtype: type) -> None:
    image = stains().astype(dtype) * np.array([1e300, 1e306, 1e-300])[:, None, None]
    if np.finfo(dtype).maxexp > 1024:
        image *= np.longdouble("1e50")
    expected = np.stack([normalize_intensity(channel) for channel in stains()])
    with np.errstate(all="raise", under="ignore"):
        result = normalize_channels(image)
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_the_network_sees_what_a_dim_stain_shows() -> None:
    image = (stains() + 10) * np.array([20, 20, 0.2])[:, None, None]
    affinity = predict_affinity(image, channel_axis=0, device="cpu")
    alone = predict_affinity(image[2], device="cpu")
    left = np.s_[0, 25:55, 49]  # of the square that only the dim one has
    assert alone[left].mean() < 0.3
    assert affinity[left].mean() < 0.3
