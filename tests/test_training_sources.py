"""Images and labels to train on may be arrays, files or layers."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from napari.layers import Image, Labels
from numpy.testing import assert_array_equal

from napari_paf import train_affinity
from napari_paf.training.pairs import as_samples


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.zeros((24, 30), np.uint16)
    labels[6:18, 8:20] = 3
    image = rng.integers(0, 60, (24, 30, 3)).astype(np.uint8)
    image[labels == 3] += np.uint8(120)
    return image, labels


def assert_same_sample(found: list, image: np.ndarray, labels: np.ndarray) -> None:
    axis = -1 if image.ndim == 3 else None
    (expected,) = as_samples([(image, labels)], "pairs", axis, None)
    (sample,) = found
    assert_array_equal(sample.codes, expected.codes)
    assert_array_equal(sample.labels, expected.labels)


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize("colours", [True, False])
def test_files(pair: tuple, tmp_path: Path, kind: type, colours: bool) -> None:
    image, labels = pair
    if not colours:
        image = image[..., 0]
    iio.imwrite(tmp_path / "cells.png", image)
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    paths = kind(tmp_path / "cells.png"), kind(tmp_path / "labels.tif")
    assert_same_sample(as_samples([paths], "pairs", None, None), image, labels)


@pytest.mark.parametrize("multiscale", [True, False])
@pytest.mark.parametrize("colours", [True, False])
def test_layers(pair: tuple, multiscale: bool, colours: bool) -> None:
    image, labels = pair
    if not colours:
        image = image[..., 0]
    levels = [image, image[::2, ::2]] if multiscale else image
    layers = Image(levels, rgb=colours, multiscale=multiscale), Labels(labels)
    assert_same_sample(as_samples([layers], "pairs", None, None), image, labels)


@pytest.mark.parametrize("multiscale", [True, False])
def test_layers_with_opacity(pair: tuple, multiscale: bool) -> None:
    image, labels = pair
    opacity = np.arange(image[..., :1].size, dtype=np.uint8).reshape(*labels.shape, 1)
    data = np.concatenate([image, opacity], axis=-1)
    levels = [data, data[::2, ::2]] if multiscale else data
    layers = Image(levels, rgb=True, multiscale=multiscale), Labels(labels)
    assert_same_sample(as_samples([layers], "pairs", None, None), image, labels)


@pytest.mark.parametrize(
    ("shape", "axis", "spacing"),
    [
        ((24, 30), None, (2.0, 1.0)),
        ((5, 24, 30), None, (3.0, 1.0, 1.0)),
        ((3, 24, 30), 0, (2.0, 1.0)),
    ],
)
def test_sizes_of_pixels(
    shape: tuple, axis: int | None, spacing: tuple, tmp_path: Path
) -> None:
    """Files and layers say them; who calls knows better."""
    image = np.zeros(shape, np.uint8)
    image[..., 15:] = 99
    labels = (image if axis is None else image[0]).astype(np.uint16)
    letters = "YX" if axis == 0 else "ZYX"[-len(shape) :]
    metadata = {"axes": ("C" if axis == 0 else "") + letters}
    for letter, size in zip(letters, spacing, strict=True):
        metadata |= {f"PhysicalSize{letter}": 0.2 * size}
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, image, metadata=metadata)
    scale = tuple(0.2 * size for size in spacing)
    layer = Image(image, scale=(1.0,) * (len(shape) - len(scale)) + scale)
    for given in (path, layer):
        (sample,) = as_samples([(given, labels)], "pairs", axis, None)
        assert sample.spacing == spacing
        own = (7.0, *spacing[1:])
        (sample,) = as_samples([(given, labels)], "pairs", axis, None, own)
        assert sample.spacing == own
    (sample,) = as_samples([(image, labels)], "pairs", axis, None)
    assert sample.spacing == (1.0,) * len(spacing)
    with pytest.raises(ValueError, match=r"spacing=\(1, 0\): give"):
        as_samples([(image, labels)], "pairs", axis, None, (1, 0))


def test_a_training_from_files(pair: tuple, tmp_path: Path) -> None:
    image, labels = pair
    iio.imwrite(tmp_path / "cells.png", image)
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    arguments = {"steps": 2, "batch": 2, "size": 16, "seed": 3, "validation": ()}
    from_files, from_arrays = (
        [*train_affinity([given], channel_axis=axis, **arguments)][-1].loss
        for given, axis in (
            ((tmp_path / "cells.png", tmp_path / "labels.tif"), None),
            (pair, -1),
        )
    )
    assert from_files == from_arrays


def test_what_is_wrong_with_a_file(pair: tuple, tmp_path: Path) -> None:
    image, labels = pair
    iio.imwrite(tmp_path / "cells.png", image)
    with pytest.raises(FileNotFoundError, match=r"pairs\[0\].*missing\.tif"):
        train_affinity([(tmp_path / "missing.tif", labels)])
    with pytest.raises(ValueError, match=r"pairs\[0\].*colour"):
        train_affinity([(image, tmp_path / "cells.png")])


def test_errors_of_any_make_are_told(
    pair: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    monkeypatch.setattr("napari_paf.training.pairs.read_source", fail)
    with pytest.raises(ValueError, match=r"pairs\[0\].*invalid start byte"):
        list(train_affinity([pair], steps=1, device="cpu"))
