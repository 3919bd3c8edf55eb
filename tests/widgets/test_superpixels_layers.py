"""Layers of every kind and size: lazy, huge, tiny, zarr, large labels."""

from __future__ import annotations

import threading

import dask.array as da
import numpy as np
import pytest

from napari_paf.widgets.superpixels.live import EDITED
from napari_paf.widgets.superpixels.texts import NEEDS_RUN


def noise(*shape):
    return np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)


class Reads:
    """A lazy image that notes what is read of it, and in which thread."""

    def __init__(self, shape):
        self.shape, self.ndim, self.dtype = shape, len(shape), np.dtype(np.uint8)
        self.threads, self.largest = set(), 0

    def __getitem__(self, index):
        data = np.zeros(self.shape, np.uint8)[index]
        self.threads.add(threading.current_thread())
        self.largest = max(self.largest, data.size)
        return data

    def __array__(self, dtype=None, copy=None):
        return self[...]


def test_one_pixel(open_widget, run, qtbot):
    viewer, widget = open_widget(noise(1, 1))
    assert widget.reason
    widget.n_segments.value = 1
    widget.model.value = "gradient"
    run(widget)
    result = viewer.layers["image 0 superpixels"]
    np.testing.assert_array_equal(result.data, [[1]])
    widget.n_segments.value = 2
    assert "n_segments=2" in widget.reason


def test_only_what_is_needed_is_read_and_in_the_worker(open_widget, computing, run):
    data = Reads((4, 300, 400))
    viewer, widget = open_widget(data, contrast_limits=(0, 255))
    layer = viewer.layers["image 0"]
    data.threads.clear()
    data.largest = 0
    layer.corner_pixels = np.array([[0, 10, 20], [0, 29, 49]])
    widget.region.value = "view"
    widget.balance.value = 0.3
    run(widget)
    assert data.largest == 20 * 30
    assert threading.main_thread() not in data.threads
    assert computing.calls[-1]["image"].shape == (20, 30)


def test_huge_multiscale_image_does_not_stall(open_widget, computing, run):
    def chunk(block_info=None):
        raise AssertionError("the finest level is never read")

    finest = da.map_blocks(
        chunk, chunks=((3000,) * 10,) * 2, dtype=np.uint8, meta=np.zeros((0, 0), "u1")
    )
    coarse = [da.zeros((30_000 // f,) * 2, dtype=np.uint8) for f in (8, 64)]
    viewer, widget = open_widget(
        [finest, *coarse], multiscale=True, contrast_limits=(0, 255)
    )
    assert widget.level.value == 1  # offered: 3750 x 3750
    assert not widget.reason
    widget.level.value = 2
    run(widget)
    result = viewer.layers["image 0 superpixels"]
    assert result.data.shape == (468, 468)
    np.testing.assert_allclose(result.scale, 30_000 / 468)


def test_huge_image_of_one_level_offers_the_view(open_widget, computing, run):
    viewer, widget = open_widget(np.zeros((8, 8)))
    huge = da.zeros((30_000, 30_000), dtype=np.uint8, chunks=1000)
    layer = viewer.add_image(huge, name="huge", contrast_limits=(0, 1), visible=False)
    assert widget.image_layer.value.name == "huge"
    assert widget.reason.startswith("30000 \u00d7 30000 pixels are too many at once")
    layer.corner_pixels = np.array([[100, 200], [119, 229]])
    widget.region.value = "view"
    assert not widget.reason
    run(widget)
    assert viewer.layers["huge superpixels"].data.shape == (20, 30)


@pytest.mark.parametrize("offset", [0, 2**31])
def test_zarr_labels_as_mask(open_widget, computing, run, offset):
    zarr = pytest.importorskip("zarr")
    mask = np.zeros((24, 32), np.int64)
    mask[3:9, 4:20] = 1 + offset
    stored = zarr.zeros(mask.shape, dtype=mask.dtype, chunks=(8, 8))
    stored[...] = mask
    viewer, widget = open_widget(noise(24, 32))
    viewer.add_labels(stored, name="mask")
    widget.mask_layer.value = widget.mask_layer.choices[-1]
    widget.n_segments.value = 20
    run(widget)
    result = viewer.layers["image 0 superpixels"]
    np.testing.assert_array_equal(result.data > 0, mask > 0)


def test_result_that_became_zarr_is_left_alone(open_widget, computing, run, qtbot):
    zarr = pytest.importorskip("zarr")
    viewer, widget = open_widget(noise(24, 32))
    run(widget)
    result = viewer.layers["image 0 superpixels"]
    stored = zarr.zeros(result.data.shape, dtype=result.data.dtype, chunks=(8, 8))
    stored[...] = result.data
    result.data = stored
    widget.n_segments.value = 7
    qtbot.waitUntil(lambda: widget.message == EDITED)
    run(widget)
    assert result.data is stored
    assert len(viewer.layers) == 3


def test_labels_beyond_2_to_the_31_stay_until_a_run(open_widget, computing, run, qtbot):
    viewer, widget = open_widget(noise(24, 32))
    run(widget)
    result = viewer.layers["image 0 superpixels"]
    result.data = result.data.astype(np.int64) + 2**31
    widget.n_segments.value = 7
    qtbot.waitUntil(lambda: widget.message == EDITED)
    run(widget)
    np.testing.assert_array_equal(result.data, computing.stripes((24, 32), 7))
    result.undo()
    assert result.data.min() > 2**31


def test_slider_says_when_it_takes_a_run(open_widget, computing, run, qtbot):
    _, widget = open_widget(noise(24, 32))
    run(widget)
    widget.balance.value = 0.9
    widget.n_segments.value = 7
    qtbot.waitUntil(lambda: widget.message == NEEDS_RUN)


def test_slider_goes_on_after_panning(open_widget, computing, run, qtbot):
    viewer, widget = open_widget(noise(240, 320))
    layer = viewer.layers["image 0"]
    layer.corner_pixels = np.array([[10, 20], [29, 49]])
    widget.region.value = "view"
    run(widget)
    layer.corner_pixels = np.array([[30, 20], [69, 99]])
    widget.n_segments.value = 7
    result = viewer.layers["image 0 superpixels"]
    qtbot.waitUntil(lambda: result.data.max() == 7)
    assert result.data.shape == (20, 30)


def test_note_follows_the_view(open_widget, qtbot):
    viewer, widget = open_widget(noise(240, 320))
    layer = viewer.layers["image 0"]
    widget.region.value = "view"
    layer.corner_pixels = np.array([[10, 20], [29, 49]])
    getattr(viewer, "scene", viewer).camera.zoom *= 1.5
    qtbot.waitUntil(lambda: "20 \u00d7 30" in widget._plane_note.text())


def test_run_is_possible_once_a_shape_is_drawn(open_widget, qtbot):
    viewer, widget = open_widget(noise(40, 50))
    shapes = viewer.add_shapes(name="part")
    widget.region.value = widget.region.choices[-1]
    assert "Draw a rectangle" in widget.reason
    shapes.add_rectangles(np.array([[5, 5], [5, 30], [30, 30], [30, 5]]))
    qtbot.waitUntil(lambda: not widget.reason)
    viewer.layers.remove("part")
    assert widget.region.value is None


def test_all_settings_come_back(open_widget, computing, run):
    viewer, widget = open_widget(noise(2, 5, 24, 32), axis_labels=("c", "z", "y", "x"))
    mask = np.ones((5, 24, 32), np.uint8)
    mask[:, :2] = 0
    viewer.add_labels(mask, name="mask")
    values = {
        "extent": "planes",
        "channels": 1,
        "balance": 1.5,
        "connectivity": 1,
        "unique": False,
        "n_segments": 20,
    }
    for name, value in values.items():
        getattr(widget, name).value = value
    run(widget)
    result = viewer.layers["image 0 superpixels"]
    others = ("plane", "view", 0.1, 2, True, 4)
    for name, value in zip(values, others, strict=True):
        getattr(widget, name).value = value
    widget.axes.value = "tzyx"
    viewer.layers.selection.active = result
    widget.load_button.click()
    assert widget.axes.value == "czyx"
    for name, value in values.items():
        assert getattr(widget, name).value == value
