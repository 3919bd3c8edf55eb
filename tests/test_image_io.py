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
from PIL import Image

from napari_paf._files import replacing
from napari_paf._image_io import read_array, read_image, read_labels, write_labels
from napari_paf._pixel_size import PixelSize


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


def test_size_of_one_plane_is_kept(tmp_path):
    size = PixelSize((2.5, 0.5, 0.25), "um", (4.0, 2.0, 1))
    write_labels(tmp_path / "labels.tif", np.ones((20, 30), np.uint16), size)
    found = read_image(tmp_path / "labels.tif").size
    assert (found.spacing, found.unit) == ((0.5, 0.25), "um")


@pytest.mark.parametrize(
    ("ndim", "axes"), [(2, "YX"), (3, "ZYX"), (4, "TZYX"), (5, "QTZYX")]
)
def test_axes_of_labels(tmp_path, ndim, axes):
    shape = (2, 3, 4, 20, 30)[-ndim:]
    labels = np.arange(np.prod(shape), dtype=np.uint32).reshape(shape)
    spacing = tuple(float(n) for n in range(1, ndim + 1))
    write_labels(tmp_path / "labels.tif", labels, PixelSize(spacing))
    with tifffile.TiffFile(tmp_path / "labels.tif") as file:
        assert file.series[0].axes == axes
        assert file.shaped_metadata[0]["spacing"] == list(spacing)
    found = read_array(tmp_path / "labels.tif")
    np.testing.assert_array_equal(found.data, labels)
    assert found.size.spacing == spacing


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.bmp"])
def test_labels_with_a_palette(tmp_path, name, bits):
    labels = np.random.default_rng(0).integers(0, 2**bits, (20, 30)).astype(np.uint8)
    picture = Image.fromarray(labels)
    picture.putpalette([n * 37 % 256 for n in range(3 * 2**bits)])
    picture.save(tmp_path / name, bits=bits)
    np.testing.assert_array_equal(read_labels(tmp_path / name), labels)
    # As an image, it is what it looks like.
    assert read_image(tmp_path / name).data.shape == (20, 30, 3)


def test_labels_are_no_colours(tmp_path):
    imageio.imwrite(tmp_path / "a.png", np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(ValueError, match="is a colour image"):
        read_labels(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("shape", "axes", "spacing"),
    [
        ((4, 20, 30), "TYX", (np.nan, 0.5, 0.25)),
        ((4, 5, 20, 30), "TZYX", (np.nan, 2.5, 0.5, 0.25)),
        ((4, 5, 2, 20, 30), "TZCYX", (np.nan, 2.5, np.nan, 0.5, 0.25)),
    ],
)
def test_all_axes_of_a_series(tmp_path, shape, axes, spacing):
    series = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    metadata = {"axes": axes, "spacing": 2.5, "unit": "um"}
    options = {"imagej": True, "resolution": (4, 2), "metadata": metadata}
    tifffile.imwrite(tmp_path / "a.tif", series, **options)
    found = read_array(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.data, series)
    np.testing.assert_allclose(found.size.spacing, spacing)


def test_all_axes_of_other_files(tmp_path):
    grey = np.random.default_rng(0).integers(0, 255, (20, 30, 2)).astype(np.uint8)
    imageio.imwrite(tmp_path / "a.png", grey)
    np.testing.assert_array_equal(read_array(tmp_path / "a.png").data, grey)
    imageio.imwrite(tmp_path / "a.gif", grey[..., 0])
    expected = imageio.imread(tmp_path / "a.gif")  # as napari reads it
    np.testing.assert_array_equal(read_array(tmp_path / "a.gif").data, expected)
    many = np.zeros((2, 3, 4, 5, 6), np.float32)
    np.save(tmp_path / "a.npy", many)
    np.testing.assert_array_equal(read_array(tmp_path / "a.npy").data, many)


def test_arrays_are_read_without_running_code(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}, print]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"a\.npy cannot be read"):
        read_array(tmp_path / "a.npy")


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


@pytest.mark.parametrize(
    "description",
    [
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image',
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image/></OME>',
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image><Pixels '
        'PhysicalSizeX="1" PhysicalSizeY="abc" PhysicalSizeYUnit="nm" SizeX="30" '
        'SizeY="20" SizeZ="1" SizeC="1" SizeT="1" DimensionOrder="XYCZT" Type="uint16">'
        "<TiffData/></Pixels></Image></OME>",
    ],
)
@pytest.mark.filterwarnings("ignore")  # of tifffile's
def test_damaged_descriptions_of_pixels_do_no_harm(tmp_path, description):
    image = np.arange(600, dtype=np.uint16).reshape(20, 30)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, image, description=description, metadata=None)
    found = read_image(path)
    np.testing.assert_array_equal(found.data, image)
    assert found.size.spacing is None


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


@pytest.mark.skipif(sys.platform == "win32", reason="asks how a file is open")
def test_files_are_flushed_as_windows_wants_it(tmp_path, monkeypatch):
    import fcntl

    modes = []
    monkeypatch.setattr(
        os, "fsync", lambda number: modes.append(fcntl.fcntl(number, fcntl.F_GETFL))
    )
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert [mode & os.O_ACCMODE for mode in modes] == [os.O_RDWR]


def test_a_link_stays_one(tmp_path):
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "a.txt", tmp_path / "link.txt"
    link.symlink_to(real)
    for text in ("new", "newer"):
        with replacing(link) as temporary:
            temporary.write_text(text)
        assert link.is_symlink()
        assert real.read_text() == text
    assert os.listdir(tmp_path / "real") == ["a.txt"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are none here")
def test_what_is_no_file_is_not_replaced(tmp_path):
    path = tmp_path / "pipe.tif"
    os.mkfifo(path)
    with pytest.raises(OSError, match="no ordinary file"):
        write_labels(path, np.ones((3, 4), np.uint16))
    with pytest.raises(OSError, match="no ordinary file"), replacing(path):
        raise AssertionError("nothing may be written")
    assert os.listdir(tmp_path) == ["pipe.tif"]
    assert path.is_fifo()


def test_long_names(tmp_path):
    path = tmp_path / ("a" * 251 + ".txt")
    with replacing(path) as temporary, replacing(path) as other:
        assert temporary != other
        assert temporary.suffix == ".txt"
        for each in (temporary, other):
            each.write_text("new")
    assert path.read_text() == "new"


def test_errors_name_the_file_that_was_asked_for(tmp_path):
    path = tmp_path / ("a" * 300 + ".txt")
    with pytest.raises(OSError, match="/aaa") as caught, replacing(path) as temporary:
        temporary.write_text("new")
    assert ".part" not in str(caught.value)
    with pytest.raises(OSError, match=r"/b\.txt"), replacing(tmp_path / "b.txt"):
        pass  # nothing was written
    with (
        pytest.raises(FileNotFoundError, match=r"c\.txt"),
        replacing(tmp_path / "b.txt"),
    ):
        (tmp_path / "c.txt").read_text()
    assert not os.listdir(tmp_path)
