"""The controls: what is preselected, offered, and why Run is greyed out."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel


def visible_text(widget):
    return "\n".join(
        label.text() for label in widget.findChildren(QLabel) if not label.isHidden()
    )


def test_controls_are_named_as_the_arguments(open_widget, grey):
    widget = open_widget(grey).widget
    assert widget.n_segments.value == 300
    assert widget.model.value == "default"
    assert widget.balance.value is None
    assert widget.connectivity.value == 2
    assert widget.mask_layer.value is None
    assert widget.device.value == "auto"
    assert not widget.keep_previous.value
    assert widget.worker is None


def test_every_control_has_a_tooltip(open_widget, grey):
    widget = open_widget(grey).widget
    for name in (
        "image_layer channels n_segments model balance connectivity mask_layer "
        "device outlines keep_previous"
    ).split():
        assert getattr(widget, name).native.toolTip(), name
    assert widget.run_button.toolTip()
    assert widget.cancel_button.toolTip()


def test_active_image_is_preselected_and_followed(open_widget, grey):
    viewer, widget = open_widget(grey, grey, grey)
    layers = list(viewer.layers)
    assert widget.image_layer.value is layers[2]
    viewer.layers.selection.active = viewer.layers[0]
    assert widget.image_layer.value is layers[0]
    added = viewer.add_image(grey, name="later")
    assert widget.image_layer.value == added


def test_labels_layer_becoming_active_changes_nothing(open_widget, grey):
    viewer, widget = open_widget(grey, grey)
    viewer.layers.selection.active = viewer.layers[0]
    viewer.add_labels(np.zeros(grey.shape, np.uint8))
    assert widget.image_layer.value == viewer.layers[0]


@pytest.mark.parametrize("by_script", [True, False])
def test_picked_layer_stays_until_it_is_removed(open_widget, grey, by_script):
    viewer, widget = open_widget(grey, grey, grey)
    layers = list(viewer.layers)
    if by_script:
        widget.image_layer.value = layers[0]
    else:
        box = widget.image_layer.native
        box.setCurrentIndex(box.findText("image 0"))
    viewer.layers.selection.active = layers[1]
    assert widget.image_layer.value is layers[0]
    viewer.layers.remove(layers[0])
    assert widget.image_layer.value is layers[1]
    viewer.layers.selection.active = layers[2]
    assert widget.image_layer.value is layers[2]


def test_renamed_layers_keep_selection_and_order(open_widget, grey):
    viewer, widget = open_widget(grey, grey)
    layers = list(viewer.layers)
    widget.image_layer.value = layers[0]
    layers[0].name = "renamed"
    layers[1].name = "also"
    assert widget.image_layer.value is layers[0]
    box = widget.image_layer.native
    assert [box.itemText(i) for i in range(box.count())] == ["also", "renamed"]


def test_no_image(open_widget, grey):
    viewer, widget = open_widget()
    assert not widget.run_button.isEnabled()
    assert "Open an image" in visible_text(widget)
    assert widget.channels.native.isHidden()
    viewer.add_image(grey)
    assert widget.run_button.isEnabled()
    viewer.layers.clear()
    assert not widget.run_button.isEnabled()
    assert widget.image_layer.value is None


def test_more_superpixels_than_pixels(open_widget, grey):
    widget = open_widget(grey).widget
    widget.n_segments.value = grey.size + 1
    assert not widget.run_button.isEnabled()
    assert f"there are only {grey.size} pixels" in visible_text(widget)
    assert "769" in widget.run_button.toolTip()
    widget.n_segments.value = grey.size
    assert widget.run_button.isEnabled()


def test_mask_that_does_not_fit(open_widget, grey):
    viewer, widget = open_widget(grey)
    widget.mask_layer.value = viewer.add_labels(np.ones((5, 6), np.uint8))
    assert not widget.run_button.isEnabled()
    assert "mask of shape (5, 6)" in widget.reason
    widget.mask_layer.value = None
    assert widget.run_button.isEnabled()


def test_lazy_mask_that_does_not_fit(open_widget, grey):
    viewer, widget = open_widget(grey)
    lazy = da.ones((5, 6), dtype=np.uint8)
    widget.mask_layer.value = viewer.add_labels(lazy)
    assert "mask of shape (5, 6)" in widget.reason


def test_mask_is_checked_again_when_it_is_painted(open_widget, grey, qtbot):
    viewer, widget = open_widget(grey)
    mask = viewer.add_labels(np.zeros(grey.shape, np.uint8))
    widget.mask_layer.value = mask
    widget.n_segments.value = 5
    assert "no pixel is inside" in widget.reason
    mask.data_setitem((np.array([2, 2]), np.array([3, 4])), 1)
    qtbot.waitUntil(lambda: "there are only 2 pixels" in widget.reason, timeout=2000)
    widget.n_segments.value = 2
    assert widget.run_button.isEnabled()


def test_removed_mask_is_no_mask(open_widget, grey):
    viewer, widget = open_widget(grey)
    viewer.add_labels(np.zeros(grey.shape, np.uint8), name="mask")
    widget.mask_layer.value = viewer.layers["mask"]
    assert not widget.run_button.isEnabled()
    viewer.layers.remove("mask")
    assert widget.mask_layer.value is None
    assert widget.run_button.isEnabled()


def test_colours_are_offered_for_rgb_only(open_widget, grey):
    viewer, widget = open_widget(grey)
    assert widget.channels.native.isHidden()
    viewer.add_image(np.stack([grey] * 3, axis=-1), rgb=True)
    assert not widget.channels.native.isHidden()
    assert widget.channels.value == "rgb"


def test_plane_in_view_is_named(open_widget):
    viewer, widget = open_widget(np.zeros((7, 20, 30), np.uint8))
    viewer.dims.set_current_step(0, 4)
    assert "5 of 7" in visible_text(widget)
    assert "20 \u00d7 30" in visible_text(widget)
    widget.n_segments.value = 601
    assert "only 600 pixels" in widget.reason


def test_data_that_is_replaced_is_checked_again(open_widget, grey, qtbot):
    viewer, widget = open_widget(grey)
    widget.n_segments.value = 700
    assert widget.run_button.isEnabled()
    viewer.layers[0].data = grey[:4, :4]
    qtbot.waitUntil(lambda: "there are only 16 pixels" in widget.reason, timeout=2000)


def test_more_settings_fold(open_widget, grey, qtbot):
    widget = open_widget(grey).widget
    fold = next(
        button
        for button in widget.findChildren(type(widget.run_button))
        if "More settings" in button.text()
    )
    assert widget.balance.native.isHidden()
    fold.click()
    assert not widget.balance.native.isHidden()
    fold.click()
    assert widget.balance.native.isHidden()


def test_model_takes_files_and_names(open_widget, grey, tmp_path):
    widget = open_widget(grey).widget
    widget.model.value = "gradient"
    path = tmp_path / "own.safetensors"
    widget.model.value = path
    assert widget.model.value == path
    assert widget.model.native.currentText() == "own.safetensors"
    widget.model.set_names(("default", "membranes"))
    assert widget.model.value == path
    widget.model.value = "membranes"
    assert widget.model.value == "membranes"
    widget.model.set_names(("default",))
    assert widget.model.value == "default"


def test_balance_is_automatic_until_it_is_set(open_widget, grey):
    widget = open_widget(grey).widget
    box, heard = widget.balance, []
    box.changed.connect(heard.append)
    assert box.value is None
    assert box.native.text() == "Automatic"
    box.native.stepUp()
    assert (box.value, box.native.text()) == (0.0, "0.00")
    box.value = 0.3
    widget.model.value = "gradient"
    assert box.value == 0.3
    box.value = 0
    box.native.stepDown()
    assert box.value is None
    box.value = 0.2
    box.value = None
    assert box.native.text() == "Automatic"
    assert heard == [0.0, 0.3, 0.0, None, 0.2, None]
    with pytest.raises(ValueError, match="give a number of at least 0"):
        box.value = -0.01
    assert box.value is None


def test_balance_is_typed_over_the_word(open_widget, grey, qtbot):
    widget = open_widget(grey).widget
    line = widget.balance.native.lineEdit()
    for _ in range(2):
        qtbot.mouseClick(line, Qt.MouseButton.LeftButton)
        qtbot.keyClicks(line, "0.25")
        qtbot.keyClick(line, Qt.Key.Key_Return)
        assert widget.balance.value == 0.25
        line.selectAll()
        qtbot.keyClick(line, Qt.Key.Key_Delete)
        assert line.text() == "Automatic"
        assert widget.balance.value is None
    qtbot.keyClicks(line, "1")
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert widget.balance.value == 1


def test_balance_is_remembered(open_widget, grey):
    widget = open_widget(grey).widget
    widget.balance.value = 0.2
    assert open_widget(grey).widget.balance.value == 0.2
    widget.balance.value = None
    assert open_widget(grey).widget.balance.value is None


@pytest.mark.parametrize("chosen", ["own.safetensors", ""])
def test_model_from_a_dialog(open_widget, grey, monkeypatch, chosen):
    widget = open_widget(grey).widget
    widget.model.value = "gradient"
    monkeypatch.setattr(
        "napari_paf.widgets.common.choices.QFileDialog.getOpenFileName",
        lambda *args: (chosen, ""),
    )
    box = widget.model.native
    box.setCurrentIndex(box.count() - 1)
    assert widget.model.value == (chosen or "gradient")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_fits_a_small_window_without_scrolling(open_widget, theme, qtbot):
    viewer, widget = open_widget(np.zeros((3, 40, 50, 3), np.uint8), rgb=True)
    viewer.theme = theme
    for button in widget.findChildren(type(widget.run_button)):
        if "More settings" in button.text():
            button.click()
    widget.n_segments.value = 10**6  # with a reason of several lines
    assert widget.minimumSizeHint().height() < 600
    assert widget.minimumSizeHint().width() < 360
