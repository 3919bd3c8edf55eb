"""Images come out of files as they went in; label images are written whole."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_paf._files import replacing
from napari_paf._image_io import read_image, write_labels


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize(
    ("shape", "options", "channel_axis"),
    [
        ((20, 30), {}, None),
        ((20, 30, 3), {"photometric": "rgb"}, 2),
        ((3, 20, 30), {"photometric": "rgb", "planarconfig": "separate"}, 0),
        ((5, 20, 30), {"photometric": "minisblack"}, None),
        ((5, 20, 30, 3), {"photometric": "rgb"}, 3),
        ((5, 2, 20, 30), {"imagej": True, "metadata": {"axes": "ZCYX"}}, 1),
        ((2, 20, 30), {"ome": True, "metadata": {"axes": "CYX"}}, 0),
        ((1, 5, 1, 20, 30), {"ome": True, "metadata": {"axes": "TZCYX"}}, None),
    ],
)
def test_tiff(tmp_path, byteorder, shape, options, channel_axis):
    if options.get("imagej") and byteorder == "<":
        pytest.skip("ImageJ's files are big-endian")
    pixels = np.random.default_rng(0).integers(0, 60_000, shape).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels, byteorder=byteorder, **options)
    file = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(file.data, pixels.squeeze())
    assert file.data.dtype == np.uint16  # in the byte order of this machine
    assert file.channel_axis == channel_axis


@pytest.mark.parametrize(
    ("shape", "kept", "channel_axis"),
    [
        ((20, 30), (20, 30), None),
        ((20, 30, 3), (20, 30, 3), 2),
        ((20, 30, 4), (20, 30, 3), 2),  # without opacity
        ((20, 30, 2), (20, 30), None),
    ],
)
def test_png(tmp_path, shape, kept, channel_axis):
    pixels = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    imageio.imwrite(tmp_path / "a.png", pixels)
    file = read_image(tmp_path / "a.png")
    expected = pixels if shape == kept else pixels[..., : shape[2] - 1].reshape(kept)
    np.testing.assert_array_equal(file.data, expected)
    assert file.channel_axis == channel_axis


def test_time_series_are_refused(tmp_path):
    series = np.zeros((4, 5, 20, 30), np.uint8)
    options = {"imagej": True, "metadata": {"axes": "TZYX"}}
    tifffile.imwrite(tmp_path / "a.tif", series, **options)
    with pytest.raises(ValueError, match=r"4 times x 5 planes"):
        read_image(tmp_path / "a.tif")


def test_size_of_the_pixels_is_kept(tmp_path):
    volume = np.zeros((4, 20, 30), np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif",
        volume,
        imagej=True,
        resolution=(4, 2),
        metadata={"axes": "ZYX", "spacing": 2.5, "unit": "um"},
    )
    size = read_image(tmp_path / "a.tif").size
    assert size.spacing == pytest.approx((2.5, 0.5, 0.25))
    write_labels(tmp_path / "labels.tif", volume, size)
    assert read_image(tmp_path / "labels.tif").size.spacing == size.spacing


@pytest.mark.parametrize(
    ("units", "sizes", "spacing"),
    [
        (("nm", "\u00b5m", "\u00b5m"), (500, 0.1, 0.1), (0.5, 0.1, 0.1)),
        (("\u00b5m", "\u00b5m", "nm"), (0.5, 0.1, 100), (500, 100, 100)),
        (("mm", "cm", "mm"), (2, 0.3, 3), (2, 3, 3)),
        (("inch", "inch", "inch"), (2, 1, 1), (2, 1, 1)),
        (("inch", "mm", "mm"), (2, 1, 1), None),  # no proportions that are known
    ],
)
def test_axes_of_different_units(tmp_path, units, sizes, spacing):
    metadata = {"axes": "ZYX"}
    for axis, unit, size in zip("ZYX", units, sizes, strict=True):
        metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": unit}
    volume = np.zeros((4, 20, 30), np.uint8)
    tifffile.imwrite(tmp_path / "a.ome.tif", volume, ome=True, metadata=metadata)
    size = read_image(tmp_path / "a.ome.tif").size
    assert size.spacing == (spacing and pytest.approx(spacing, rel=1e-12))
    assert size.unit == units[2]


# imageio leaves files open that it can't read, until they are collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.xyz"])
@pytest.mark.parametrize("content", [b"", b"not an image", b"II*\x00\x08\x00\x00\x00"])
def test_broken_files(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=name):
        read_image(tmp_path / name)
    gc.collect()


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_image(tmp_path / "a.tif")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arrays(
        st.sampled_from([np.uint16, np.uint32]),
        array_shapes(min_dims=2, max_dims=3, max_side=7),
    )
)
def test_labels_come_back(tmp_path, labels):
    write_labels(tmp_path / "labels.tif", labels)
    with tifffile.TiffFile(tmp_path / "labels.tif") as file:
        page = file.pages[0]
        assert page.is_tiled
        assert page.compression.name == "DEFLATE"
        # tifffile leaves axes of one plane out.
        np.testing.assert_array_equal(file.asarray().reshape(labels.shape), labels)
    assert os.listdir(tmp_path) == ["labels.tif"]


@pytest.mark.parametrize("name", ["labels.png", "labels", "no/labels.tif", ""])
def test_wrong_names(tmp_path, name):
    with pytest.raises((ValueError, OSError), match=str(tmp_path)):
        write_labels(tmp_path / name, np.zeros((3, 4), np.uint16))


def test_an_error_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        temporary.write_text("half of the n")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]
    with replacing(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_kill_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    program = (
        "import os, sys; from napari_paf._files import replacing\n"
        "with replacing(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half of the n'); os._exit(9)\n"
    )
    result = subprocess.run([sys.executable, "-c", program, path], check=False)
    assert result.returncode == 9
    assert path.read_text() == "old"
