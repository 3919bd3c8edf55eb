"""Figures in the Compare widget answer what was asked, plane by plane too."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels

from napari_paf import evaluate
from napari_paf.widgets.common.layers import unwrap
from napari_paf.widgets.compare.texts import (
    CHANGED,
    NOTHING_YET,
    OTHER_PLANES,
    OTHER_QUESTION,
    plane_by_plane,
)

NAME = "image 0 superpixels"


@pytest.fixture
def planes(open_widget, run):
    """Return a function that divides planes of a stack, and opens the widget."""

    def planes_(shown=(0, 1, 2), extent="plane", order=None):
        rng = np.random.default_rng(4)
        viewer, widget = open_widget(rng.integers(0, 255, (3, 20, 24), dtype=np.uint8))
        widget.model.value = "gradient"
        widget.n_segments.value = 12
        widget.extent.value = extent
        widget.unique.value = False
        for plane in shown:
            viewer.dims.set_point(0, plane)
            run(widget, timeout=120_000)
        truth = np.ones((3, 20, 24), np.uint8)
        truth[:, :, 9:] = 2
        truth[2, 8:] = 3
        viewer.add_labels(truth, name="truth")
        if order is not None:
            viewer.dims.order = order
        _, compare = viewer.window.add_plugin_dock_widget(
            "napari-paf", "Compare with ground truth"
        )
        compare.image_layer.value = None
        return viewer, compare, viewer.layers[NAME].data, truth

    return planes_


def accuracy(widget):
    (row,) = widget.results
    return row["achievable_segmentation_accuracy"], row["n_segments"]


def expected(labels, truth):
    each = [evaluate(a, b) for a, b in zip(labels, truth, strict=True)]
    name = "achievable_segmentation_accuracy"
    return (
        pytest.approx(np.mean([one[name] for one in each])),
        sum(one["n_segments"] for one in each),
    )


@pytest.mark.parametrize("order", [None, (1, 0, 2)])
def test_superpixels_of_planes_are_measured_plane_by_plane(planes, run, order):
    _, compare, labels, truth = planes(order=order)
    assert compare.extent.value == "planes"
    run(compare)
    assert accuracy(compare) == expected(labels, truth)
    compare.extent.value = "volume"
    compare._update()
    assert compare.reason == plane_by_plane(NAME)
    assert OTHER_QUESTION not in compare.message  # there is nothing to press
    assert not compare.run_button.isEnabled()


def test_the_extent_follows_what_is_ticked_until_one_is_chosen(planes, run):
    viewer, compare, labels, _ = planes()
    viewer.add_labels(labels + 1, name="other superpixels")
    layers = {x.name: x for x in map(unwrap, viewer.layers)}
    compare.labels_layer.value = [layers["other superpixels"]]
    assert compare.extent.value == "volume"
    compare.labels_layer.value = [layers[NAME]]
    assert compare.extent.value == "planes"
    compare.labels_layer.value = [layers["other superpixels"], layers[NAME]]
    assert compare.extent.value == "planes"
    compare.extent.value = "plane"
    compare.labels_layer.value = [layers["other superpixels"]]
    assert compare.extent.value == "plane"


def test_curves_of_what_the_hierarchy_covers(planes, run):
    viewer, compare, labels, truth = planes()
    assert compare.curve_button.toolTip() == OTHER_PLANES
    assert not compare.curve_button.isEnabled()
    compare.extent.value = "plane"
    viewer.dims.set_point(0, 1)
    compare._update()
    assert compare.curve_button.toolTip() == OTHER_PLANES
    viewer.dims.set_point(0, 2)  # divided last
    compare._update()
    assert compare.curve_button.isEnabled()
    run(compare)
    assert accuracy(compare) == expected(labels[2:], truth[2:])


def test_a_curve_of_every_plane(planes, qtbot):
    _, compare, labels, truth = planes((0,), "planes")
    assert compare.curve_button.isEnabled()
    compare.curve_button.click()
    qtbot.waitUntil(lambda: compare.worker is None, timeout=30_000)
    (curve,) = compare.curves
    (row,) = [row for row in curve if row["n_asked"] == 12]
    found = row["achievable_segmentation_accuracy"], row["n_segments"]
    assert found == expected(labels, truth)


def test_planes_without_ground_truth_are_left_out(planes, run):
    viewer, compare, labels, truth = planes()
    viewer.layers["truth"].data[1] = 0
    run(compare)
    assert accuracy(compare) == expected(labels[[0, 2]], truth[[0, 2]])


@pytest.fixture
def measured(open_compare_of, run):
    """Return a viewer and the widget, with figures."""
    viewer, compare = open_compare_of()
    run(compare)
    return viewer, compare


@pytest.fixture
def open_compare_of(make_napari_viewer_proxy):
    def open_():
        viewer = make_napari_viewer_proxy(strict_qt="raise")
        rows, columns = np.indices((24, 32))
        viewer.add_image(np.random.default_rng(0).random((24, 32)), name="image")
        viewer.add_labels((rows // 12 * 2 + columns // 16).astype("u2"), name="truth")
        viewer.add_labels((rows // 6 * 6 + columns // 6 + 1).astype("u2"), name="sp")
        return viewer, viewer.window.add_plugin_dock_widget(
            "napari-paf", "Compare with ground truth"
        )[1]

    return open_


@pytest.mark.parametrize(
    ("name", "other"), [("unlabelled", 0), ("tolerance", 3), ("image_layer", None)]
)
def test_it_says_when_something_else_is_asked(measured, qtbot, name, other):
    viewer, compare = measured
    outcome = compare.message
    assert "measured in" in outcome
    control = getattr(compare, name)
    before = control.value
    control.value = other
    qtbot.waitUntil(lambda: compare.message == OTHER_QUESTION)
    if name == "unlabelled":
        control.native.setCurrentIndex(0)
    else:
        control.value = before
    qtbot.waitUntil(lambda: compare.message == outcome)
    viewer.layers["image"].data = np.zeros((24, 32))
    qtbot.waitUntil(lambda: compare.message == CHANGED.format("image"))


def test_figures_stay_when_a_run_is_cancelled(measured, qtbot):
    _, compare = measured
    rows, outcome = compare.results, compare.message
    compare.tolerance.value = 3
    compare.run_button.click()
    compare.cancel()
    qtbot.waitUntil(lambda: compare.worker is None)
    assert compare.results == rows
    assert compare.table.rowCount() == 1
    assert compare.copy_button.isEnabled()
    compare.tolerance.value = 1
    compare._update()
    assert compare.message != outcome  # it was cancelled
    assert compare.message != OTHER_QUESTION
    compare.tolerance.value = 3
    compare._update()
    assert compare.message == OTHER_QUESTION


def test_nothing_to_copy_or_save(open_compare_of, tmp_path, notifications):
    _, compare = open_compare_of()
    assert compare.copy() == ""
    compare.save_csv(tmp_path / "measures.csv")
    assert not list(tmp_path.iterdir())
    assert [text for _, text in notifications] == [NOTHING_YET] * 2


def test_a_copy_of_the_leaks_is_the_users_own(measured, run):
    viewer, compare = measured
    (leaks,) = [layer for layer in viewer.layers if "leaking" in layer.name]
    viewer.layers.selection.active = leaks
    data, options, _ = unwrap(leaks).as_layer_data_tuple()
    viewer.add_layer(Labels(data.copy(), **{**options, "name": "kept"}))
    viewer.layers.remove(leaks.name)
    before = viewer.layers["kept"].data.copy()
    viewer.layers["truth"].data[5:9, 5:9] = 9
    run(compare)
    np.testing.assert_array_equal(viewer.layers["kept"].data, before)
    assert len([layer for layer in viewer.layers if "leaking" in layer.name]) == 1
