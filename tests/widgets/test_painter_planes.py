"""Painting on stacks that were divided plane by plane, and staying with the choice."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari.layers import Labels

from napari_paf.painting import SuperpixelPixels
from napari_paf.widgets.common.layers import unwrap
from napari_paf.widgets.painter.hover import NAME
from napari_paf.widgets.painter.refining import NO_HIERARCHY, OTHER_PLANE
from napari_paf.widgets.painter.target import (
    HIDDEN,
    NOT_ACTIVE,
    ONLY_2D,
    OTHER_TOOL,
    REMOVED,
    Target,
)


def named(box, name):
    """Return the layer of a name that a box offers."""
    return next(x for x in box.choices if x is not None and x.name == name)


@pytest.fixture
def stack(open_widget, run):
    """Return a function that divides a stack for real, and opens the painter."""

    def stack_(extent, shown=(0, 1), *, unique=False, shape=(3, 20, 24), **layer):
        image = np.random.default_rng(3).integers(0, 255, shape, dtype=np.uint8)
        viewer, widget = open_widget(image, **layer)
        widget.model.value = "gradient"
        widget.n_segments.value = 12
        widget.extent.value = extent
        widget.unique.value = unique
        for plane in shown:
            viewer.dims.set_point(0, plane)
            run(widget, timeout=120_000)
        _, painter = viewer.window.add_plugin_dock_widget(
            "napari-paf", "Superpixel painter"
        )
        return viewer, widget, painter, viewer.layers["image 0 superpixels"]

    return stack_


@pytest.mark.parametrize(("extent", "shown"), [("plane", (0, 1, 2)), ("planes", (0,))])
def test_strokes_stay_in_their_plane(stack, extent, shown):
    viewer, _, painter, below = stack(extent, shown)
    assert set(np.unique(below.data)) == set(range(1, 13))  # the same in every plane
    assert painter.slice_only.native.isHidden()
    number = below.data[1, 10, 12]
    expected = np.zeros(below.data.shape, bool)
    expected[1] = below.data[1] == number
    assert painter.paint((1, 10, 12)) == expected.sum()
    target = viewer.layers["image 0 objects"]
    np.testing.assert_array_equal(target.data > 0, expected)
    painter.paint((1, 0, 0), (1, 19, 23))
    assert not target.data[[0, 2]].any()
    painter.paint((0, 10, 12), (2, 10, 12))  # begins in the first plane
    assert target.data[0].any()
    assert not target.data[2].any()
    painter.mode.value = "fill"
    painter.label.value = 5
    assert painter.paint((2, 10, 12)) == 20 * 24
    assert (target.data[2] == 5).all()
    assert not (target.data[:2] == 5).any()


def test_what_a_click_takes_is_what_is_shown(stack):
    viewer, _, painter, below = stack("planes")
    painter.on.setChecked(True)
    for plane in (1, 2):
        viewer.dims.set_point(0, plane)
        event = SimpleNamespace(position=(plane, 10, 12))
        painter._move(viewer, event)
        taken = below.data[plane] == below.data[plane, 10, 12]
        rows, columns = np.nonzero(taken)
        shown = viewer.layers[NAME]
        assert shown.data.shape[0] == 1
        assert shown.data.sum() == taken.sum()
        np.testing.assert_allclose(
            shown.data_to_world((0, 0, 0)), (plane, rows.min(), columns.min())
        )
        assert f"takes {taken.sum()} pixels" in painter.message
    painter.mode.value = "fill"
    painter._move(viewer, SimpleNamespace(position=(2, 10, 12)))
    assert NAME not in viewer.layers


def test_only_the_plane_under_the_cursor_is_looked_at(stack, monkeypatch):
    viewer, _, painter, below = stack("planes")
    seen = []
    sort = SuperpixelPixels._sort
    monkeypatch.setattr(
        SuperpixelPixels, "_sort", lambda self: (seen.append(self.labels), sort(self))
    )
    painter.on.setChecked(True)
    for plane in (1, 1, 2):
        painter._move(viewer, SimpleNamespace(position=(plane, 10, 12)))
    assert [labels.shape for labels in seen] == [(20, 24)] * 2
    np.testing.assert_array_equal(seen[1], below.data[2])
    for plane in (-1, 3):  # beside the stack
        painter._move(viewer, SimpleNamespace(position=(plane, 10, 12)))
        assert NAME not in viewer.layers
        assert painter.paint((plane, 10, 12)) == 0
    # A drag during which somebody goes to another plane.
    event = SimpleNamespace(
        type="mouse_press", position=(0, 3, 3), modifiers=(), button=1
    )
    stroke = painter._drag(viewer, event)
    next(stroke)
    for position in ((1, 3, 3), (1, 3, 20)):
        event.type, event.position = "mouse_move", position
        next(stroke)
    stroke.close()
    numbers = set(below.data[1, 3, 3:21])
    expected = np.zeros(below.data.shape, bool)
    expected[0] = below.data[0] == below.data[0, 3, 3]
    expected[1] = np.isin(below.data[1], list(numbers))
    target = viewer.layers["image 0 objects"]
    np.testing.assert_array_equal(target.data > 0, expected)


def test_volumes_are_painted_as_a_whole(stack):
    viewer, _, painter, below = stack("volume", (0,))
    assert not painter.slice_only.native.isHidden()
    painter.paint((1, 10, 12))
    target = viewer.layers["image 0 objects"]
    expected = below.data == below.data[1, 10, 12]
    np.testing.assert_array_equal(target.data > 0, expected)


def test_channels_share_their_superpixels(stack):
    viewer, _, painter, below = stack(
        "plane", (0,), shape=(2, 20, 24), axis_labels=("c", "y", "x")
    )
    painter.paint((1, 10, 12))
    target = viewer.layers["image 0 objects"]
    expected = below.data == below.data[1, 10, 12]
    assert expected.any(axis=(1, 2)).all()
    np.testing.assert_array_equal(target.data > 0, expected)
    before = below.data.copy()
    painter.refine((1, 10, 12))
    assert len(np.unique(below.data)) == len(np.unique(before)) + 1
    np.testing.assert_array_equal(below.data[0], below.data[1])


def test_only_the_plane_divided_last_is_made_finer(stack):
    _, _, painter, below = stack("plane", (0, 1))
    before = below.data.copy()
    painter.refine((0, 10, 12))
    assert painter.message == OTHER_PLANE
    np.testing.assert_array_equal(below.data, before)
    painter.refine((2, 10, 12))  # of this plane there are no superpixels
    np.testing.assert_array_equal(below.data, before)
    painter.refine((1, 10, 12))
    assert len(np.unique(below.data[1])) == 13
    np.testing.assert_array_equal(below.data[0], before[0])


@pytest.mark.parametrize("unique", [False, True])
def test_every_plane_of_a_stack_can_be_made_finer(stack, unique):
    _, _, painter, below = stack("planes", (0,), unique=unique)
    start = below.data.copy()
    for plane in (1, 0):
        before = below.data.copy()
        painter.refine((plane, 10, 12))
        new = below.data.max()
        assert new == before.max() + 1  # in no other plane
        changed = below.data != before
        assert changed.any(axis=(1, 2)).tolist() == [plane == k for k in range(3)]
        assert (below.data[changed] == new).all()
        assert (before[changed] == before[plane, 10, 12]).all()
    painter.refine((2, 10, 12), finer=False)
    assert len(np.unique(below.data[2])) == 11
    for _ in range(3):
        below.undo()
    np.testing.assert_array_equal(below.data, start)


def test_a_number_that_does_not_fit(stack):
    _, _, painter, below = stack("planes", (0,))
    below.data[0, 0, 0] = 2**16 - 1
    painter.refine((1, 10, 12))
    assert below.data.dtype == np.uint32
    assert below.data.max() == 2**16
    assert below.data[0, 0, 0] == 2**16 - 1


def test_copied_lines_paint_the_same_plane_by_plane(stack):
    viewer, _, painter, _ = stack("planes")
    painter.paint((1, 10, 12))
    painter.label.value = 2
    painter.paint((0, 3, 3), (0, 9, 20))
    data = viewer.layers["image 0 objects"].data
    expected = data.copy()
    viewer.layers["image 0 objects"].data_setitem(tuple(np.array([[2], [3], [4]])), 9)
    names = {"viewer": viewer}
    code = painter.copy_as_python()
    exec(code, names)
    np.testing.assert_array_equal(names["labels"], expected)
    assert "# 1 pixels" in code


def test_lost_hierarchies(painter_of):
    _, painter = painter_of("one superpixels")
    painter.refine((2, 2))
    assert painter.message == NO_HIERARCHY


@pytest.fixture
def painter_of(make_napari_viewer_proxy):
    """Return a function that opens a viewer with superpixels of a few names."""

    def painter_of_(*names):
        viewer = make_napari_viewer_proxy(strict_qt="raise")
        for name in names:
            add(viewer, name)
        _, painter = viewer.window.add_plugin_dock_widget(
            "napari-paf", "Superpixel painter"
        )
        return viewer, painter

    return painter_of_


def add(viewer, name):
    """Add superpixels as the Superpixels widget does."""
    squares = np.kron(np.arange(1, 21).reshape(4, 5), np.ones((6, 6), int))
    record = {"napari_paf": {"function": "superpixels", "n_segments": 20}}
    viewer.add_layer(Labels(squares.astype(np.uint16), name=name, metadata=record))


def test_superpixels_stay_while_a_target_is_painted(painter_of):
    viewer, painter = painter_of("one superpixels")
    painter.paint((2, 2))
    add(viewer, "other superpixels")
    assert painter.superpixels_layer.value.name == "one superpixels"
    painter.paint((2, 8))
    assert painter.labels_layer.value.name == "one objects"
    np.testing.assert_array_equal(np.unique(viewer.layers["one objects"].data), [0, 1])
    # Without a target it looks for the newest again.
    viewer.layers.remove("one objects")
    assert painter.superpixels_layer.value.name == "other superpixels"


def test_it_says_when_another_layer_is_selected(painter_of):
    viewer, painter = painter_of("one superpixels")
    painter.on.setChecked(True)
    target = viewer.layers["one objects"]
    viewer.layers.selection.active = viewer.layers["one superpixels"]
    assert painter.message == NOT_ACTIVE.format(name="one objects")
    viewer.layers.selection.active = target
    assert painter.message == ""
    painter._move(viewer, SimpleNamespace(position=(2, 2)))
    assert "36 pixels" in painter.message
    painter.on.setChecked(False)
    viewer.layers.selection.active = viewer.layers["one superpixels"]
    assert not painter.message


def test_what_keeps_the_painter_from_painting(painter_of):
    viewer, painter = painter_of("one superpixels")
    painter.on.setChecked(True)
    target = viewer.layers["one objects"]
    painter._move(viewer, SimpleNamespace(position=(2, 2)))
    viewer.layers.selection.add(viewer.layers["one superpixels"])
    assert painter.message == NOT_ACTIVE.format(name="one objects")
    assert not painter._paints()
    painter._move(viewer, SimpleNamespace(position=(2, 2)))
    assert NAME not in viewer.layers
    viewer.layers.selection.active = target
    assert painter.message == ""
    target.visible = False
    assert painter.message == HIDDEN.format(name="one objects")
    assert not painter._paints()
    painter.on.setChecked(False)
    painter.on.setChecked(True)
    assert painter.message == HIDDEN.format(name="one objects")
    viewer.layers["one superpixels"].name = "two superpixels"
    assert painter.message == HIDDEN.format(name="one objects")
    target.name = "objects"
    assert painter.message == HIDDEN.format(name="objects")
    target.visible = True
    assert painter.message == ""
    assert painter._paints()
    target.mode = "paint"
    assert painter.message == OTHER_TOOL
    viewer.dims.ndisplay = 3
    viewer.layers.selection.active = None
    assert painter.message == ONLY_2D
    viewer.layers.selection.active = target
    viewer.dims.ndisplay = 2
    assert painter.message == OTHER_TOOL
    target.mode = "pan_zoom"
    assert painter.message == ""
    viewer.layers.remove(target)
    assert not painter.on.isChecked()
    assert painter.on.text() == "Paint"
    assert painter.message == REMOVED
    painter.on.setChecked(True)
    assert painter._paints()
    assert painter.labels_layer.value is unwrap(viewer.layers["two objects"])


def test_the_layer_under_the_cursor_is_nobodys_choice(painter_of, qtbot):
    viewer, painter = painter_of("one superpixels")
    boxes = [
        viewer.window.add_plugin_dock_widget("napari-paf", name)[1]
        for name in ("Superpixels", "Objects", "Compare with ground truth")
    ]
    _, train = viewer.window.add_plugin_dock_widget(
        "napari-paf", "Train affinity model"
    )
    viewer.add_image(np.zeros((20, 24), np.uint8), name="one")
    painter.on.setChecked(True)
    painter._move(viewer, SimpleNamespace(position=(2, 2)))
    assert NAME in viewer.layers
    superpixels, objects, compare = boxes
    for box in (
        superpixels.mask_layer,
        objects.seeds_layer,
        compare.labels_layer,
        compare.truth_layer,
        painter.labels_layer,
        painter.superpixels_layer,
        train.pairs.boxes[0][1],
    ):
        names = [layer.name for layer in box.choices if layer is not None]
        assert "one objects" in names
        assert NAME not in names


def test_another_layer_under_the_cursor(painter_of):
    viewer, painter = painter_of("one superpixels", "other superpixels")
    viewer.layers["other superpixels"].translate = (50, 0)
    painter.on.setChecked(True)
    for name, row in (("other superpixels", 50), ("one superpixels", 0)):
        painter.superpixels_layer.value = named(painter.superpixels_layer, name)
        painter.labels_layer.value = None
        painter._show_hover((row + 2, 2))
        corner = viewer.layers[NAME].data_to_world((0, 0))
        np.testing.assert_allclose(corner, (row, 0))


@pytest.mark.parametrize("shift", [(0, 0), (2, -3), (-4, 5), (40, 0), (0, -60)])
@pytest.mark.parametrize("shape", [(12, 15), (9, 20), (30, 40)])
def test_labels_on_the_pixels_of_superpixels(shift, shape):
    """Against looking at every pixel."""
    below = Labels(np.ones((12, 15), np.uint8), translate=shift)
    values = np.arange(1, np.prod(shape) + 1).reshape(shape)
    target = Target(below, Labels(values))
    expected = np.zeros((12, 15), int)
    for place in np.ndindex(12, 15):
        there = np.add(place, shift)
        if (there >= 0).all() and (there < shape).all():
            expected[place] = values[tuple(there)]
    np.testing.assert_array_equal(target.labels(), expected)
    pixels = np.arange(12 * 15)
    found = values[target.indices(pixels)]
    np.testing.assert_array_equal(found, expected[expected > 0])
