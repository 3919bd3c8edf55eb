"""A run never takes away what somebody has edited by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_paf.widgets.common.records import KEY
from napari_paf.widgets.common.undoable import KEPT

NAME = "image 0 superpixels"


@pytest.fixture
def no_undo(monkeypatch):
    """Make every change too large for napari's undo history."""
    monkeypatch.setattr("napari_paf.widgets.common.undoable._MOST_PIXELS_TO_UNDO", 0)


@pytest.fixture
def divided(open_widget, run):
    """Return a function that divides an image, for real."""

    def divided_(shape, extent="plane"):
        image = np.random.default_rng(2).integers(0, 255, shape, dtype=np.uint8)
        viewer, widget = open_widget(image)
        widget.model.value = "gradient"
        widget.extent.value = extent
        widget.n_segments.value = 12
        run(widget, timeout=120_000)
        return viewer, widget, viewer.layers[NAME]

    return divided_


def edit(layer):
    """Change a pixel as napari's brush does; return the data."""
    layer.data_setitem(tuple(np.full((layer.ndim, 1), 1)), 77)
    return layer.data.copy()


def rectangle(top, left, bottom, right):
    return [[top, left], [top, right], [bottom, right], [bottom, left]]


@pytest.mark.parametrize("edited", [False, True])
def test_another_part(open_widget, run, edited):
    image = np.random.default_rng(2).integers(0, 255, (40, 50), dtype=np.uint8)
    viewer, widget = open_widget(image)
    widget.model.value = "gradient"
    widget.n_segments.value = 12
    shapes = viewer.add_shapes([rectangle(2, 3, 15, 20)], name="cells")
    widget.region.value = shapes
    run(widget, timeout=120_000)
    first = viewer.layers[NAME]
    if edited:
        before = edit(first)
    shapes.data = [rectangle(20, 10, 35, 30)]
    widget._update()
    run(widget, timeout=120_000)
    made = [layer for layer in viewer.layers if NAME in layer.name]
    assert len(made) == 1 + edited
    assert (KEPT in widget.message) == edited
    if not edited:
        np.testing.assert_array_equal(first.translate, (20, 10))
        return
    np.testing.assert_array_equal(first.data, before)
    np.testing.assert_array_equal(first.translate, (2, 3))
    np.testing.assert_array_equal(made[1].translate, (20, 10))
    # Back at the first part, its own layer is updated, in a step that undo takes back.
    shapes.data = [rectangle(2, 3, 15, 20)]
    widget.connectivity.value = 1
    widget._update()
    run(widget, timeout=120_000)
    assert len([layer for layer in viewer.layers if NAME in layer.name]) == 2
    assert (first.data != before).any()
    first.undo()
    np.testing.assert_array_equal(first.data, before)


@pytest.mark.parametrize("edited", [False, True])
@pytest.mark.parametrize(
    ("shape", "extent"),
    [((20, 24), "plane"), ((3, 20, 24), "planes"), ((3, 20, 24), "volume")],
)
def test_large_images(no_undo, divided, run, shape, extent, edited):
    viewer, widget, layer = divided(shape, extent)
    before = edit(layer) if edited else layer.data.copy()
    widget.connectivity.value = 1
    run(widget, timeout=120_000)
    made = [layer for layer in viewer.layers if NAME in layer.name]
    assert len(made) == 1 + edited
    assert (KEPT in widget.message) == edited
    assert np.array_equal(layer.data, before) == edited
    # The new ones are those that the slider redraws and the next run updates.
    widget.n_segments.value = 7
    widget._draw_number()
    assert np.array_equal(layer.data, before) == edited
    widget.connectivity.value = 2
    run(widget, timeout=120_000)
    assert len([layer for layer in viewer.layers if NAME in layer.name]) == 1 + edited
    assert np.array_equal(layer.data, before) == edited


def test_another_number_of_the_slider_is_no_edit(no_undo, divided, run):
    viewer, widget, _ = divided((20, 24))
    widget.n_segments.value = 30
    widget._draw_number()
    widget.connectivity.value = 1
    run(widget, timeout=120_000)
    assert len(viewer.layers) == 2


def test_planes_that_were_not_divided_last(no_undo, divided, run):
    viewer, widget, layer = divided((3, 20, 24))
    viewer.dims.set_point(0, 0)
    run(widget, timeout=120_000)
    viewer.dims.set_point(0, 2)
    run(widget, timeout=120_000)  # nothing was there
    assert len(viewer.layers) == 2
    before = layer.data.copy()
    viewer.dims.set_point(0, 0)
    widget.connectivity.value = 1
    run(widget, timeout=120_000)  # nobody knows any more
    assert len(viewer.layers) == 3
    np.testing.assert_array_equal(layer.data, before)


@pytest.mark.parametrize("edited", [False, True])
def test_an_image_of_another_shape(divided, run, edited):
    viewer, widget, layer = divided((20, 24))
    if edited:
        before = edit(layer)
    image = np.random.default_rng(3).integers(0, 255, (30, 34), dtype=np.uint8)
    viewer.layers["image 0"].data = image
    run(widget, timeout=120_000)
    assert len(viewer.layers) == 2 + edited
    if edited:
        np.testing.assert_array_equal(layer.data, before)
    else:
        assert layer.data.shape == (30, 34)


def test_a_smaller_part_after_two_runs(open_widget, run):
    image = np.random.default_rng(2).integers(0, 255, (40, 50), dtype=np.uint8)
    viewer, widget = open_widget(image)
    widget.model.value = "gradient"
    shapes = viewer.add_shapes([rectangle(2, 3, 30, 40)], name="cells")
    widget.region.value = shapes
    for n_segments in (12, 9):
        widget.n_segments.value = n_segments
        widget.balance.value = n_segments / 100
        run(widget, timeout=120_000)
    shapes.data = [rectangle(20, 10, 35, 30)]
    widget._update()
    run(widget, timeout=120_000)
    (layer,) = [x for x in viewer.layers if NAME in x.name]
    np.testing.assert_array_equal(layer.translate, (20, 10))
    assert layer.metadata[KEY]["window"] == [[0, 20, 36], [1, 10, 31]]
    before = layer.data.copy()
    layer.undo()  # nothing: the steps before were of another part
    np.testing.assert_array_equal(layer.data, before)
    record = layer.metadata[KEY]
    widget.n_segments.value = 14
    widget.balance.value = 0.5
    run(widget, timeout=120_000)
    assert layer.data.max() == 14
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)
    assert layer.metadata[KEY] == record


@pytest.mark.parametrize("part", [False, True])
def test_an_image_with_other_axes(open_widget, run, part):
    image = np.random.default_rng(2).integers(0, 255, (20, 24), dtype=np.uint8)
    viewer, widget = open_widget(image)
    widget.model.value = "gradient"
    widget.n_segments.value = 12
    if part:
        shapes = viewer.add_shapes([rectangle(2, 3, 15, 20)], name="cells")
        widget.image_layer.value = widget.image_layer.choices[0]
        widget.region.value = shapes
    run(widget, timeout=120_000)
    before = viewer.layers[NAME].data.copy()
    viewer.layers["image 0"].data = np.stack([image] * 3)
    assert widget.axes.value == "zyx"
    widget._update()
    run(widget, timeout=120_000)
    np.testing.assert_array_equal(viewer.layers[NAME].data, before)
    (new,) = [layer for layer in viewer.layers if layer.name == f"{NAME} [1]"]
    assert new.data.shape == ((1, 14, 18) if part else (3, 20, 24))


@pytest.mark.parametrize("edited", [False, True])
@pytest.mark.parametrize("redrawn", [False, True])
def test_objects(no_undo, divided, run, edited, redrawn):
    viewer, widget, layer = divided((20, 24))
    _, objects = viewer.window.add_plugin_dock_widget("napari-paf", "Objects")
    objects.threshold.value = 0.5
    objects.min_size.value = 0
    run(objects, timeout=120_000)
    made = viewer.layers["image 0 objects"]
    if redrawn:
        objects.threshold.value = 0.1
        objects._draw_settings()
    before = edit(made) if edited else made.data.copy()
    viewer.layers.selection.active = layer
    widget.n_segments.value = 30
    run(widget, timeout=120_000)
    objects.threshold.value = 0.9
    run(objects, timeout=120_000)
    names = [x.name for x in viewer.layers if "objects" in x.name]
    assert len(names) == 1 + edited
    assert (KEPT in objects.message) == edited
    assert np.array_equal(made.data, before) == edited
