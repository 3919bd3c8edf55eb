"""Runs: where the result goes and what happens to it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from napari.layers import Labels

from napari_paf import __version__

PLACE = {
    "scale": (0.5, 2),
    "translate": (3, -4),
    "rotate": 20,
    "shear": (0.2,),
    "affine": np.array([[1, 0.1, 7], [0, 1, 8], [0, 0, 1]]),
    "units": ("um", "um"),
    "axis_labels": ("row", "column"),
}


def results(viewer):
    return [layer for layer in viewer.layers if isinstance(layer, Labels)]


def assert_same_place(one, other):
    for name in ("scale", "translate", "rotate", "shear"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name))
    np.testing.assert_allclose(one.affine.affine_matrix, other.affine.affine_matrix)
    assert one.units == other.units
    assert one.axis_labels == other.axis_labels


def test_result_has_name_place_and_record(open_widget, computing, run, grey):
    viewer, widget = open_widget(grey, **PLACE)
    widget.n_segments.value = 12
    widget.balance.value = 0.25
    widget.connectivity.value = 1
    widget.model.value = "gradient"
    run(widget)
    (labels,) = results(viewer)
    assert labels.name == "image 0 superpixels"
    np.testing.assert_array_equal(labels.data, computing.stripes(grey.shape, 12))
    assert labels.data.dtype == np.uint16
    assert_same_place(labels, viewer.layers[0])
    record = labels.metadata["napari_paf"]
    assert json.loads(json.dumps(record)) == record
    expected = {
        "image_layer": "image 0",
        "version": __version__,
        "n_segments": 12,
        "model": "gradient",
        "balance": 0.25,
        "connectivity": 1,
        "mask_layer": None,
        "mask_layer_id": None,
        "device": "auto",
        "channels": None,
    }
    assert expected.items() <= record.items()
    (call,) = computing.calls
    np.testing.assert_array_equal(call["image"], grey)
    assert call["channel_axis"] is None
    assert call["connectivity"] == 1
    assert call["mask"] is None


def test_next_run_updates_in_place_and_can_be_undone(open_widget, computing, run, grey):
    viewer, widget = open_widget(grey)
    widget.n_segments.value = 12
    run(widget)
    (labels,) = results(viewer)
    labels.name = "mine"
    widget.n_segments.value = 20
    run(widget)
    assert results(viewer) == [labels]
    assert labels.name == "mine"
    assert labels.data.max() == 20
    assert labels.metadata["napari_paf"]["n_segments"] == 20
    labels.undo()
    np.testing.assert_array_equal(labels.data, computing.stripes(grey.shape, 12))
    labels.redo()
    np.testing.assert_array_equal(labels.data, computing.stripes(grey.shape, 20))


def test_keep_previous_adds_a_layer(open_widget, computing, run, grey):
    viewer, widget = open_widget(grey)
    widget.n_segments.value = 5
    run(widget)
    widget.keep_previous.value = True
    widget.n_segments.value = 6
    run(widget)
    first, second = results(viewer)
    assert (first.data.max(), second.data.max()) == (5, 6)
    widget.keep_previous.value = False
    widget.n_segments.value = 7
    run(widget)
    assert results(viewer) == [first, second]
    assert (first.data.max(), second.data.max()) == (5, 7)


def test_removed_result_is_made_anew(open_widget, computing, run, grey):
    viewer, widget = open_widget(grey)
    run(widget)
    viewer.layers.remove("image 0 superpixels")
    run(widget)
    assert [layer.name for layer in results(viewer)] == ["image 0 superpixels"]


def test_more_labels_than_the_type_holds(open_widget, computing, run, grey):
    viewer, widget = open_widget(grey)
    widget.n_segments.value = 200
    run(widget)
    (labels,) = results(viewer)
    labels.data = labels.data.astype(np.uint8)
    widget.n_segments.value = 300
    run(widget)
    assert results(viewer) == [labels]
    np.testing.assert_array_equal(labels.data, computing.stripes(grey.shape, 300))


def test_large_updates_leave_no_history(open_widget, computing, run, grey, monkeypatch):
    monkeypatch.setattr("napari_paf.widgets.common.undoable._MOST_PIXELS_TO_UNDO", 10)
    viewer, widget = open_widget(grey)
    run(widget)
    widget.n_segments.value = 20
    run(widget)
    (labels,) = results(viewer)
    np.testing.assert_array_equal(labels.data, computing.stripes(grey.shape, 20))
    labels.undo()
    np.testing.assert_array_equal(labels.data, computing.stripes(grey.shape, 20))


def test_result_follows_its_image_when_that_was_moved(
    open_widget, computing, run, grey
):
    viewer, widget = open_widget(grey)
    run(widget)
    viewer.layers[0].scale = (3, 3)
    viewer.layers[0].translate = (1, 2)
    run(widget)
    (labels,) = results(viewer)
    assert_same_place(labels, viewer.layers[0])


def test_image_of_another_shape_takes_over_the_layer(open_widget, computing, run, grey):
    viewer, widget = open_widget(grey)
    run(widget)
    (labels,) = results(viewer)
    viewer.layers[0].data = grey[:20, :25]
    run(widget)
    assert results(viewer) == [labels]
    np.testing.assert_array_equal(labels.data, computing.stripes((20, 25), 300))


def test_planes_of_a_stack_share_one_layer(open_widget, computing, run):
    image = np.random.default_rng(0).integers(0, 255, (6, 10, 12), np.uint8)
    viewer, widget = open_widget(image, scale=(4, 1, 1), translate=(1, 2, 3))
    expected = np.zeros(image.shape, np.uint16)
    for step, n_segments in ((1, 5), (4, 9), (1, 7)):
        viewer.dims.set_current_step(0, step)
        widget.n_segments.value = n_segments
        run(widget)
        np.testing.assert_array_equal(computing.calls[-1]["image"], image[step])
        expected[step] = computing.stripes(image.shape[1:], n_segments)
    (labels,) = results(viewer)
    np.testing.assert_array_equal(labels.data, expected)
    assert_same_place(labels, viewer.layers[0])
    record = labels.metadata["napari_paf"]
    assert (record["plane"], record["n_segments"]) == ([1], 7)
    (other,) = record["other_planes"]
    assert (other["plane"], other["n_segments"]) == ([4], 9)


def test_other_views_of_a_stack(open_widget, computing, run):
    image = np.random.default_rng(0).integers(0, 255, (6, 10, 12), np.uint8)
    viewer, widget = open_widget(image)
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_current_step(1, 3)
    widget.n_segments.value = 8
    run(widget)
    np.testing.assert_array_equal(computing.calls[0]["image"], image[:, 3])
    (labels,) = results(viewer)
    np.testing.assert_array_equal(labels.data[:, 3], computing.stripes((6, 12), 8))
    assert labels.data[:, :3].max() == labels.data[:, 4:].max() == 0


def test_huge_stack_gets_a_layer_of_one_plane(open_widget, computing, run, monkeypatch):
    monkeypatch.setattr("napari_paf.widgets.common.targets._MOST_BYTES_OF_STACK", 100)
    image = np.zeros((6, 10, 12), np.uint8)
    viewer, widget = open_widget(image, scale=(4, 1, 2), translate=(1, 2, 3), rotate=40)
    viewer.dims.set_current_step(0, 3)
    place = widget._plane.position
    widget.n_segments.value = 8
    run(widget)
    run(widget)
    (labels,) = results(viewer)
    assert labels.data.shape == (1, 10, 12)
    np.testing.assert_allclose(
        labels.data_to_world((0, 5, 6)), viewer.layers[0].data_to_world((*place, 5, 6))
    )
    viewer.dims.set_current_step(0, 5)
    assert widget._plane.position != place
    run(widget)
    assert len(results(viewer)) == 2
    viewer.dims.set_current_step(0, 3)
    widget.n_segments.value = 4
    run(widget)
    assert [layer.data.max() for layer in results(viewer)] == [4, 8]


@pytest.mark.parametrize("channels", ["rgb", "grey", "green"])
def test_colours(open_widget, computing, run, channels):
    image = np.random.default_rng(0).integers(0, 255, (10, 12, 3), np.uint8)
    viewer, widget = open_widget(image, rgb=True, **PLACE)
    widget.channels.value = channels
    widget.n_segments.value = 9
    run(widget)
    (call,) = computing.calls
    if channels == "rgb":
        np.testing.assert_array_equal(call["image"], image)
        assert call["channel_axis"] == -1
    else:
        assert call["image"].shape == (10, 12)
        assert call["channel_axis"] is None
    (labels,) = results(viewer)
    assert labels.data.shape == (10, 12)
    assert_same_place(labels, viewer.layers[0])
    assert labels.metadata["napari_paf"]["channels"] == channels


def test_one_channel_of_a_multichannel_stack_is_the_one_in_view(
    open_widget, computing, run
):
    image = np.random.default_rng(0).integers(0, 255, (3, 10, 12), np.uint8)
    viewer, widget = open_widget(image, axis_labels=("c", "y", "x"))
    widget.n_segments.value = 9
    viewer.dims.set_current_step(0, 2)
    run(widget)
    np.testing.assert_array_equal(computing.calls[0]["image"], image[2])


def test_multiscale(open_widget, computing, run, grey):
    viewer, widget = open_widget()
    viewer.add_image([grey, grey[::2, ::2]], multiscale=True, scale=(2, 2))
    run(widget)
    np.testing.assert_array_equal(computing.calls[0]["image"], grey)
    (labels,) = results(viewer)
    assert labels.data.shape == grey.shape
    assert_same_place(labels, viewer.layers[0])


def test_dask_backed_image(open_widget, computing, run, grey):
    import dask.array as da

    viewer, widget = open_widget()
    viewer.add_image(da.from_array(np.stack([grey, grey + 1]), chunks=(1, 8, 8)))
    viewer.dims.set_current_step(0, 1)
    run(widget)
    np.testing.assert_array_equal(computing.calls[0]["image"], grey + 1)


def test_mask(open_widget, computing, run, grey):
    viewer, widget = open_widget(grey)
    mask = np.zeros(grey.shape, np.uint8)
    mask[3:9, 4:20] = 7
    widget.mask_layer.value = viewer.add_labels(mask, name="cells")
    widget.n_segments.value = 6
    run(widget)
    np.testing.assert_array_equal(computing.calls[0]["mask"], mask > 0)
    labels = viewer.layers["image 0 superpixels"]
    np.testing.assert_array_equal(labels.data, computing.stripes(grey.shape, 6, mask))
    assert labels.metadata["napari_paf"]["mask_layer"] == "cells"


def test_outlines_are_remembered(open_widget, computing, run, grey):
    viewer, widget = open_widget(grey)
    run(widget)
    (labels,) = results(viewer)
    assert labels.contour == 1
    widget.outlines.value = False
    assert labels.contour == 0
    viewer.window.remove_dock_widget(widget)
    _, other = viewer.window.add_plugin_dock_widget("napari-paf", "Superpixels")
    assert not other.outlines.value


def test_script_drives_the_widget(open_widget, computing, grey, qtbot):
    viewer, widget = open_widget(grey, grey)
    widget.image_layer.value = viewer.layers["image 0"]
    widget.n_segments.value = 11
    widget.model.value = "gradient"
    widget.run()
    assert widget.worker is not None
    qtbot.waitUntil(lambda: widget.worker is None)
    assert viewer.layers["image 0 superpixels"].data.max() == 11


def test_script_asking_for_the_impossible_is_told(
    open_widget, computing, grey, notifications
):
    _, widget = open_widget(grey)
    widget.n_segments.value = 10**6
    widget.run()
    assert widget.worker is None
    assert not computing.calls
    (severity, message), *_ = notifications
    assert severity == "error"
    assert "there are only 768 pixels" in message


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("n_segments=1: there are 3 islands."), "n_segments=1: there are 3"),
        (RuntimeError("no kernel image"), "could not be computed: no kernel image"),
        (MemoryError(), "not enough memory"),
        (torch.OutOfMemoryError("CUDA out of memory"), "processor under Device"),
        (FileNotFoundError(2, "No such file", "x.safetensors"), "x.safetensors"),
    ],
)
def test_errors_arrive_in_plain_words(
    open_widget, computing, run, grey, notifications, error, said
):
    viewer, widget = open_widget(grey)
    computing.error = error
    run(widget)
    ((severity, message),) = notifications
    assert severity == "error"
    assert said in message
    assert "Traceback" not in message
    assert said in widget._panel.message.text()
    assert not results(viewer)
    assert widget.run_button.isEnabled()
    computing.error = None
    run(widget)
    assert len(results(viewer)) == 1
