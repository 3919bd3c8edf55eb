"""Superpixels inside shapes and masks, plane by plane."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_paf.replay import replay
from napari_paf.widgets.superpixels.texts import NO_SHAPE, NO_SHAPE_HERE

KEY = "napari_paf"
SHAPE = (4, 30, 40)


def square(plane, top, left, side=9):
    """Return the corners of a rectangle that lies on a plane of a stack."""
    rows, columns = np.array([0, 0, side, side]), np.array([0, side, side, 0])
    return np.stack([np.full(4, plane), top + rows, left + columns], axis=1)


def drawn(*squares):
    """Return the pixels inside rectangles, edges included."""
    inside = np.zeros(SHAPE, bool)
    for corners in squares:
        (plane, top, left), (_, bottom, right) = corners[0], corners[2]
        inside[plane, top : bottom + 1, left : right + 1] = True
    return inside


@pytest.fixture
def stack(open_widget):
    """Return a viewer and the widget, for a stack and few superpixels."""
    image = np.random.default_rng(5).integers(0, 255, SHAPE, dtype=np.uint8)
    viewer, widget = open_widget(image)
    widget.model.value = "gradient"
    widget.n_segments.value = 8
    return viewer, widget


def choose(widget, shapes):
    widget.image_layer.value = widget.image_layer.choices[0]
    widget.region.value = shapes
    widget._update()


def as_large_as_the_stack(layer):
    """Return the labels of a part, where they lie in all of the stack."""
    whole = np.zeros(SHAPE, layer.data.dtype)
    first = np.rint(layer.translate).astype(int)
    part = tuple(slice(a, a + n) for a, n in zip(first, layer.data.shape, strict=True))
    whole[part] = layer.data
    return whole


def replayed(viewer, layer):
    """Return what the record gives that was saved as JSON and read again."""
    record = json.loads(json.dumps(layer.metadata[KEY], allow_nan=False))
    masks = [x.data for x in viewer.layers if x.name == record["mask_layer"]]
    return replay(viewer.layers["image 0"].data, record, mask=next(iter(masks), None))


def test_only_shapes_of_the_plane_in_view(stack, run):
    viewer, widget = stack
    here, there = square(3, 12, 20), square(0, 2, 2)
    shapes = viewer.add_shapes([there, here], name="cells")
    shapes.selected_data = {0}  # cannot be seen from here
    viewer.dims.set_point(0, 3)
    choose(widget, shapes)
    run(widget, timeout=120_000)
    layer = viewer.layers["image 0 superpixels"]
    np.testing.assert_array_equal(as_large_as_the_stack(layer) > 0, drawn(here))
    np.testing.assert_array_equal(replayed(viewer, layer), layer.data[0])
    viewer.dims.set_point(0, 1)
    assert widget.reason == NO_SHAPE_HERE.format("cells")
    assert not widget.run_button.isEnabled()
    shapes.data = []
    widget._update()
    assert widget.reason == NO_SHAPE


def test_every_plane_has_its_own_shapes(stack, run):
    viewer, widget = stack
    squares = square(0, 2, 2), square(2, 12, 20), square(2, 2, 25)
    shapes = viewer.add_shapes(list(squares), name="cells")
    widget.extent.value = "planes"
    choose(widget, shapes)
    run(widget, timeout=120_000)
    layer = viewer.layers["image 0 superpixels"]
    labels = as_large_as_the_stack(layer)
    np.testing.assert_array_equal(labels > 0, drawn(*squares))
    assert set(np.unique(labels[0])) == set(range(9))
    assert set(np.unique(labels[2])) == {0, *range(17, 25)}
    np.testing.assert_array_equal(replayed(viewer, layer), layer.data)
    widget.n_segments.value = 3
    widget._draw_number()
    assert len(np.unique(layer.data)) == 1 + 2 * 3
    np.testing.assert_array_equal(replayed(viewer, layer), layer.data)


@pytest.mark.parametrize("extent", ["planes", "volume", "plane"])
def test_flat_shapes_are_on_all_planes(stack, run, extent):
    viewer, widget = stack
    viewer.dims.set_point(0, 2)
    shapes = viewer.add_shapes([square(0, 5, 7)[:, 1:]], name="cells")
    widget.extent.value = extent
    choose(widget, shapes)
    run(widget, timeout=120_000)
    layer = viewer.layers["image 0 superpixels"]
    planes = [2] if extent == "plane" else range(4)
    expected = drawn(*(square(plane, 5, 7) for plane in planes))
    np.testing.assert_array_equal(as_large_as_the_stack(layer) > 0, expected)
    assert replayed(viewer, layer).size == layer.data.size


def test_shapes_on_a_coarse_level(open_widget, run):
    full = np.random.default_rng(5).integers(0, 255, (4, 60, 80), dtype=np.uint8)
    viewer, widget = open_widget([full, full[::2, ::2, ::2]], multiscale=True)
    widget.model.value = "gradient"
    widget.n_segments.value = 8
    widget.level.value = 1
    shapes = viewer.add_shapes([square(3, 20, 30, 19)], name="cells")
    viewer.dims.set_point(0, 1)
    choose(widget, shapes)
    assert widget.reason == NO_SHAPE_HERE.format("cells")
    viewer.dims.set_point(0, 2)  # in the same plane of the coarse level as 3
    assert not widget.reason
    run(widget, timeout=120_000)
    assert viewer.layers["image 0 superpixels"].data.shape == (1, 10, 10)


def test_planes_without_a_mask_stay_empty(stack, run):
    viewer, widget = stack
    mask = np.zeros(SHAPE, np.uint8)
    mask[1, 3:9, 4:20] = mask[3, :9] = 1
    widget.extent.value = "planes"
    widget.mask_layer.value = viewer.add_labels(mask, name="mask")
    run(widget, timeout=120_000)
    layer = viewer.layers["image 0 superpixels"]
    np.testing.assert_array_equal(layer.data > 0, mask > 0)
    np.testing.assert_array_equal(replayed(viewer, layer), layer.data)
    _, objects = viewer.window.add_plugin_dock_widget("napari-paf", "Objects")
    objects.threshold.value = 0.0
    run(objects, timeout=120_000)
    made = viewer.layers["image 0 objects"]
    np.testing.assert_array_equal(made.data > 0, mask > 0)
    # The hierarchy knows nothing of empty planes.
    _, painter = viewer.window.add_plugin_dock_widget(
        "napari-paf", "Superpixel painter"
    )
    before = layer.data.copy()
    painter.refine((0, 5, 5))
    np.testing.assert_array_equal(layer.data, before)
    painter.refine((1, 5, 5))
    assert (layer.data != before).any()


def test_a_plane_with_too_few_pixels_is_named(stack):
    viewer, widget = stack
    mask = np.ones(SHAPE, np.uint8)
    mask[2] = 0
    mask[2, 3, 4:9] = 1
    widget.extent.value = "planes"
    widget.mask_layer.value = viewer.add_labels(mask, name="mask")
    assert widget.reason == (
        "Plane 3 of 4: n_segments=8: there are only 5 pixels; ask for at most that "
        "many superpixels."
    )
    widget.extent.value = "plane"
    viewer.dims.set_point(0, 1)
    assert not widget.reason


def test_the_size_is_that_of_what_is_divided(stack):
    viewer, widget = stack
    size = widget._granularity.size
    assert size.value == pytest.approx(30 * 40 / 8)
    mask = np.zeros(SHAPE, np.uint8)
    mask[0, :10] = mask[2, :20] = 1
    layer = viewer.add_labels(mask, name="mask")
    widget.mask_layer.value = layer
    viewer.dims.set_point(0, 2)
    assert size.value == pytest.approx(20 * 40 / 8)
    size.value = 10
    assert widget.n_segments.value == 20 * 40 / 10
    widget.extent.value = "planes"
    widget.n_segments.value = 10
    assert size.value == pytest.approx((10 + 20) / 2 * 40 / 10)
    widget.extent.value = "plane"
    shapes = viewer.add_shapes([square(2, 15, 0)], name="cells")
    choose(widget, shapes)
    assert size.value == pytest.approx(5 * 10 / 10)


def test_the_size_follows_a_painted_mask(stack, qtbot):
    viewer, widget = stack
    layer = viewer.add_labels(np.zeros(SHAPE, np.uint8), name="mask")
    viewer.dims.set_point(0, 1)
    widget.mask_layer.value = layer
    assert "no pixel is inside" in widget.reason
    where = (np.full(16, 1), np.full(16, 3), np.arange(16))
    layer.data_setitem(where, 1)
    qtbot.waitUntil(lambda: widget._granularity.size.value == 2)
    assert not widget.reason


def test_back_to_the_whole_image_with_the_mouse(stack):
    viewer, widget = stack
    viewer.layers["image 0"].corner_pixels = np.array([[0, 3, 4], [0, 12, 15]])
    box = widget.region.native
    assert [box.itemText(i) for i in range(2)] == ["Whole image", "What is in view"]
    box.setCurrentIndex(1)
    assert "10 \u00d7 12" in widget._plane_note.text()
    box.setCurrentIndex(0)
    assert "30 \u00d7 40" in widget._plane_note.text()
