"""The Compare with ground truth widget in a real viewer."""

from __future__ import annotations

import csv
import io

import dask.array as da
import numpy as np
import pytest
from napari.layers import Labels
from napari.utils.colormaps import CyclicLabelColormap
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_paf.leaks import leaking_pixels
from napari_paf.metrics import evaluate
from napari_paf.widgets.common.layers import unwrap
from napari_paf.widgets.common.plane import plane_in_view
from napari_paf.widgets.common.records import KEY
from napari_paf.widgets.compare.texts import NOT_FINITE
from napari_paf.widgets.superpixels.hierarchies import remember

MEASURES = (
    "achievable_segmentation_accuracy",
    "boundary_recall",
    "boundary_precision",
    "undersegmentation_error",
    "compactness",
)


@pytest.fixture
def truth():
    """Return four segments, one of them 0."""
    labels = np.zeros((24, 32), np.uint16)
    labels[:10, :14], labels[:10, 14:], labels[10:, 20:] = 1, 2, 3
    return labels


@pytest.fixture
def squares():
    """Return superpixels that do not fit the segments well."""
    rows, columns = np.indices((24, 32)) // 6
    return (rows * 6 + columns + 1).astype(np.uint16)


@pytest.fixture
def open_compare(make_napari_viewer_proxy):
    """Return a function that opens a viewer with layers and the widget."""

    def open_(**layers):
        viewer = make_napari_viewer_proxy(strict_qt="raise")
        for name, data in layers.items():
            add = viewer.add_image if name == "image" else viewer.add_labels
            add(data, name=name)
        _, widget = viewer.window.add_plugin_dock_widget(
            "napari-paf", "Compare with ground truth"
        )
        return viewer, widget

    return open_


def names(layers):
    return [layer.name for layer in layers]


def check(row, expected):
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, nan_ok=True), name


def test_a_row_for_each_layer(open_compare, run, truth, squares, grey):
    other = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) // 64 + 1
    viewer, widget = open_compare(
        image=grey, truth=truth, squares=squares, stripes=other
    )
    widget.labels_layer.value = [viewer.layers["squares"], viewer.layers["stripes"]]
    assert names(widget.truth_layer.value) == ["truth"]
    assert widget.image_layer.value.name == "image"
    run(widget)
    assert [row["labels"] for row in widget.results] == ["stripes", "squares"]
    for row, labels in zip(widget.results, (other, squares), strict=True):
        check(row, evaluate(labels, truth, image=grey))
    shown = [
        [widget.table.item(r, c).text() for c in range(widget.table.columnCount())]
        for r in range(2)
    ]
    assert shown[0][:2] == ["stripes", "12"]
    accuracy = widget.results[1]["achievable_segmentation_accuracy"]
    assert shown[1][2] == f"{accuracy:.3f}"


def test_an_image_with_nan_does_without_explained_variation(
    open_compare, run, truth, squares, grey
):
    image = grey.astype(np.float32)
    image[3, 4] = np.nan
    viewer, widget = open_compare(image=image, truth=truth, squares=squares)
    run(widget)
    (row,) = widget.results
    check(row, evaluate(squares, truth))
    assert "explained_variation" not in row
    assert NOT_FINITE.format("image") in widget.message
    # Where there is no superpixel, nothing is measured.
    squares[3, 4] = 0
    viewer.layers["squares"].data = squares
    run(widget)
    expected = evaluate(squares, truth, image=grey, mask=squares > 0)
    check(widget.results[0], expected)
    assert "NaN" not in widget.message


def test_several_annotators_are_averaged(open_compare, run, truth, squares):
    second = np.roll(truth, 3, axis=1)
    viewer, widget = open_compare(truth=truth, gt=second, squares=squares)
    assert names(widget.labels_layer.value) == ["squares"]
    assert names(widget.truth_layer.value) == ["gt", "truth"]
    run(widget)
    both = evaluate(squares, [truth, second])
    alone = [evaluate(squares, one) for one in (truth, second)]
    for name in MEASURES:
        assert widget.results[0][name] == pytest.approx(both[name])
        assert both[name] == pytest.approx(np.mean([one[name] for one in alone]))
    stack = viewer.add_labels(np.stack([truth, second]), name="annotators")
    widget.truth_layer.value = stack
    run(widget)
    check(widget.results[0], both)


def test_what_zero_means(open_compare, run, truth, squares):
    squares[:4] = 0  # no superpixel there
    _, widget = open_compare(truth=truth, squares=squares)
    run(widget)
    check(widget.results[0], evaluate(squares, truth, mask=squares > 0))
    widget.unlabelled.value = 0
    run(widget)
    expected = evaluate(squares, truth, mask=squares > 0, unlabelled=0)
    check(widget.results[0], expected)


def test_leaks_are_a_layer_that_is_updated_in_place(open_compare, run, truth, squares):
    viewer, widget = open_compare(truth=truth, squares=squares)
    labels = viewer.layers["squares"]
    labels.scale, labels.translate = (2, 3), (5, 7)
    viewer.layers["truth"].scale = (2, 3)
    viewer.layers.selection.active = labels
    run(widget)
    leaks = viewer.layers["squares leaking"]
    expected = leaking_pixels(squares, truth) > 0
    np.testing.assert_array_equal(leaks.data, expected)
    np.testing.assert_array_equal(leaks.scale, [2, 3])
    np.testing.assert_array_equal(leaks.translate, [5, 7])
    assert viewer.layers.selection.active.name == "squares"
    labels.data = np.ones_like(squares)
    labels.translate = (1, 1)
    run(widget)
    assert len(viewer.layers) == 3
    most = np.bincount(truth.ravel()).argmax()
    np.testing.assert_array_equal(viewer.layers["squares leaking"].data, truth != most)
    np.testing.assert_array_equal(viewer.layers["squares leaking"].translate, [1, 1])
    assert "squares leaking" not in names(widget.labels_layer.choices)
    widget.leaks.value = False
    viewer.layers.remove("squares leaking")
    run(widget)
    assert len(viewer.layers) == 2


def test_leaks_are_red(open_compare, run, truth, squares):
    viewer, widget = open_compare(truth=truth, squares=squares)
    run(widget)
    leaks = viewer.layers["squares leaking"]
    # napari compiles for a second, in the window's thread, to draw other colormaps.
    assert isinstance(leaks.colormap, CyclicLabelColormap)
    colours = leaks.colormap.map(np.array([0, 1], leaks.data.dtype))
    np.testing.assert_allclose(colours, [(0, 0, 0, 0), (1, 0.1, 0.2, 1)], atol=0.01)


def test_ids_beyond_31_bits_and_lazy_arrays(open_compare, run, truth, squares):
    large = squares.astype(np.uint32) + np.uint32(2**31)
    viewer, widget = open_compare(
        truth=da.from_array(truth), squares=da.from_array(large)
    )
    run(widget)
    check(widget.results[0], evaluate(squares, truth))
    leaks = viewer.layers["squares leaking"].data
    np.testing.assert_array_equal(leaks, leaking_pixels(squares, truth) > 0)


def test_zarr_arrays(open_compare, run, truth, squares):
    zarr = pytest.importorskip("zarr")
    stored = [zarr.array(labels) for labels in (truth, squares)]
    _, widget = open_compare(truth=stored[0], squares=stored[1])
    run(widget)
    check(widget.results[0], evaluate(squares, truth))


def test_planes_and_volumes(open_compare, run, truth, squares):
    stack = np.stack([squares, np.roll(squares, 2, 0), np.zeros_like(squares)])
    truths = np.stack([truth, np.roll(truth, 5, 1), truth])
    viewer, widget = open_compare(truth=truths, squares=stack)
    assert widget.extent.value == "volume"
    run(widget)
    check(widget.results[0], evaluate(stack, truths[None], mask=stack > 0))
    widget.extent.value = "planes"  # the empty one does not count
    run(widget)
    single = [evaluate(stack[k], truths[k]) for k in range(2)]
    for name in MEASURES:
        mean = np.mean([one[name] for one in single])
        assert widget.results[0][name] == pytest.approx(mean)
    assert viewer.layers["squares leaking"].data.shape == stack.shape
    widget.extent.value = "plane"
    viewer.dims.set_current_step(0, 1)
    run(widget)
    check(widget.results[0], single[1])
    leaks = viewer.layers["squares leaking"]
    assert leaks.data.shape == (1, 24, 32)
    np.testing.assert_array_equal(leaks.translate, [1, 0, 0])
    viewer.dims.set_current_step(0, 2)
    widget.run_button.click()
    assert widget.worker is not None


def test_copied_lines_measure_the_same(open_compare, run, truth, squares, grey, qtbot):
    stack = np.stack([squares, np.roll(squares, 2, 0)])
    viewer, widget = open_compare(
        image=np.stack([grey, grey[::-1]]),
        truth=np.stack([truth, np.roll(truth, 5, 1)]),
        squares=stack,
    )
    widget.extent.value = "plane"
    viewer.dims.set_current_step(0, 1)
    widget.tolerance.value = 2
    widget.unlabelled.value = 0
    run(widget)
    code = widget.copy_as_python()
    assert QApplication.clipboard().text() == code
    viewer.dims.set_current_step(0, 0)
    viewer.window.remove_dock_widget(widget)
    scope = {"viewer": viewer}
    exec(code, scope)
    again = scope["widget"]
    assert again is not widget
    qtbot.waitUntil(lambda: again.worker is None)
    assert again.results == widget.results


def test_a_part_of_the_truth(open_compare, run, truth, squares):
    viewer, widget = open_compare(truth=truth)
    viewer.layers["truth"].scale = (0.5, 0.5)
    viewer.add_labels(
        squares[4:20, 6:30], name="part", scale=(0.5, 0.5), translate=(2, 3)
    )
    widget.labels_layer.value = viewer.layers["part"]
    run(widget)
    check(widget.results[0], evaluate(squares[4:20, 6:30], truth[4:20, 6:30]))
    viewer.layers["part"].translate = (2.2, 3)
    widget.labels_layer.value = viewer.layers["part"]
    widget.truth_layer.value = viewer.layers["truth"]
    assert "does not have the pixels of" in widget.reason


def test_reasons(open_compare, truth, squares):
    viewer, widget = open_compare()
    assert "no labels layer yet" in widget.reason
    assert not widget.run_button.isEnabled()
    viewer.add_labels(squares, name="squares")
    assert "Tick the ground truth" in widget.reason
    viewer.add_labels(truth[:20], name="truth")
    widget.truth_layer.value = viewer.layers["truth"]
    assert "20 \u00d7 32" in widget.reason
    widget.labels_layer.value = viewer.layers["squares"]
    widget.truth_layer.value = viewer.layers["squares"]
    assert "choose one" in widget.reason
    widget.labels_layer.value = []
    assert "Tick the labels" in widget.reason
    assert "hierarchy" not in widget.curve_button.toolTip()
    for button in (widget.copy_button, widget.csv_button):
        assert not button.isEnabled()
        assert "Nothing is measured yet" in button.toolTip()
    with pytest.raises(ValueError, match="not a labels layer of this viewer"):
        widget.labels_layer.value = [type(viewer.layers["truth"])(truth)]


def test_computed_objects_are_not_taken_for_the_truth(open_compare, truth, squares):
    viewer, widget = open_compare(superpixels=squares, truth=truth)
    record = {"napari_paf": {"function": "merge_regions"}}
    viewer.add_layer(Labels(truth, name="cells objects", metadata=record))
    assert names(widget.labels_layer.value) == ["superpixels"]
    assert names(widget.truth_layer.value) == ["truth"]


def test_ticking_with_the_keyboard(open_compare, truth, squares, qtbot):
    _, widget = open_compare(truth=truth, squares=squares)
    listed = widget.labels_layer
    assert names(listed.value) == ["squares"]
    listed.setCurrentRow(1)
    qtbot.keyClick(listed, Qt.Key.Key_Space)
    assert names(listed.value) == ["squares", "truth"]
    assert widget.truth_layer.value == []


class Halves:
    """Stands for a hierarchy: columns of equal width."""

    def labels(self, n_segments):
        if n_segments > 32:
            raise ValueError("too many")
        row = np.arange(32) * n_segments // 32 + 1
        return np.broadcast_to(row, (24, 32)).astype(np.uint16)


@pytest.fixture
def with_hierarchy(open_compare, truth, squares):
    viewer, widget = open_compare(truth=truth)
    hierarchy = Halves()
    layer = viewer.add_labels(
        hierarchy.labels(8), name="columns", metadata={KEY: {"n_segments": 8}}
    )
    viewer.add_labels(squares, name="squares")
    assert not widget.curve_button.isEnabled()
    assert "hierarchy" in widget.curve_button.toolTip()
    plane = plane_in_view(layer, viewer.dims)
    remember(unwrap(layer), plane, hierarchy, hierarchy.labels(8), {"n_segments": 8})
    widget.labels_layer.value = [viewer.layers["columns"], viewer.layers["squares"]]
    return viewer, widget, hierarchy


def test_curve_over_n(with_hierarchy, run, truth, qtbot):
    _, widget, hierarchy = with_hierarchy
    assert widget.curve_button.isEnabled()
    run(widget)
    widget.curve_button.click()
    qtbot.waitUntil(lambda: widget.worker is None)
    (curve,) = widget.curves
    numbers = [row["n_asked"] for row in curve]
    assert numbers == sorted(set(numbers))
    assert 2 in numbers  # to 32, of which the columns can have
    assert 8 in numbers
    assert 16 < numbers[-1] <= 32
    for row in curve:
        check(row, evaluate(hierarchy.labels(row["n_asked"]), truth))
    for measure in ("boundary_recall", "undersegmentation_error"):
        widget.measure.value = measure
        drawn = {c.name: c for c in widget.plot.curves}
        assert set(drawn) == {"columns", "squares"}
        assert list(drawn["columns"].y) == [row[measure] for row in curve]
        assert len(drawn["squares"].x) == 1


def test_answers_to_other_questions_go_away(with_hierarchy, run, qtbot):
    viewer, widget, _ = with_hierarchy
    run(widget)
    widget.run_curve()
    qtbot.waitUntil(lambda: widget.worker is None)
    run(widget)  # the same again
    assert widget.curves
    assert len(widget.results) == 2
    widget.tolerance.value = 3
    run(widget)
    assert not widget.curves
    assert not widget.plot.curves
    viewer.layers["truth"].data_setitem((np.array([0]), np.array([0])), 9)
    widget.run_curve()
    qtbot.waitUntil(lambda: widget.worker is None)
    assert widget.curves
    assert not widget.results
    assert widget.table.rowCount() == 0


def test_copy_and_csv(with_hierarchy, run, qtbot, tmp_path):
    _, widget, _ = with_hierarchy
    run(widget)
    widget.run_curve()
    qtbot.waitUntil(lambda: widget.worker is None)
    widget.copy_button.click()
    text = QApplication.clipboard().text()
    rows = list(csv.DictReader(io.StringIO(text), delimiter="\t"))
    assert [row["source"] for row in rows] == ["layer"] * 2 + ["hierarchy"] * len(
        widget.curves[0]
    )
    for row, result in zip(rows, [*widget.results, *widget.curves[0]], strict=True):
        assert row["labels"] == result["labels"]
        for name in MEASURES:
            assert float(row[name]) == pytest.approx(result[name])
    path = tmp_path / "measures.csv"
    widget.save_csv(path)
    assert list(csv.DictReader(io.StringIO(path.read_text("utf-8")))) == rows
    qtbot.keyClick(widget.table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    cells = QApplication.clipboard().text().split("\n")
    assert len(cells) == 2
    assert cells[0].startswith("squares\t")


def test_csv_into_a_missing_folder_is_told(
    with_hierarchy, run, tmp_path, notifications
):
    _, widget, _ = with_hierarchy
    run(widget)
    widget.save_csv(tmp_path / "no" / "where.csv")
    assert "there is no folder" in notifications[-1][1]
