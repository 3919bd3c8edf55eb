"""Several widgets fit into a small window, and each of them scrolls."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QScrollArea

WIDGETS = [
    "Superpixels",
    "Superpixel painter",
    "Objects",
    "Train affinity model",
    "Compare with ground truth",
]


@pytest.fixture
def docked(make_napari_viewer, grey, qtbot):
    """Return a function that docks widgets in a window of a size."""

    def docked_(names, width=1000, height=700):
        viewer = make_napari_viewer(show=True)
        window = viewer.window._qt_window
        window.resize(width, height)
        viewer.add_image(grey)
        widgets = [
            viewer.window.add_plugin_dock_widget("napari-paf", name)[1]
            for name in names
        ]
        qtbot.wait(50)
        return window, widgets

    return docked_


def areas(widget):
    """Return what scrolls a widget as a whole."""
    return [one for one in widget.findChildren(QScrollArea) if one.parent() is widget]


def test_all_widgets_fit_in_one_window(docked):
    window, widgets = docked(WIDGETS)
    assert window.height() == 700
    for widget in widgets:
        (area,) = areas(widget)
        assert area.verticalScrollBar().maximum() > 0
        assert area.widget().width() <= area.viewport().width()


@pytest.mark.parametrize("name", WIDGETS)
def test_alone_a_widget_is_seen_as_a_whole(docked, name):
    window, (widget,) = docked([name], height=760)
    assert window.height() == 760
    (area,) = areas(widget)
    assert area.verticalScrollBar().maximum() == 0


def turn_wheel(control):
    """Turn the wheel down over a control; return whether it takes that."""
    at = QPointF(control.rect().center())
    event = QWheelEvent(
        at,
        QPointF(control.mapToGlobal(control.rect().center())),
        QPoint(),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(control, event)
    return event.isAccepted()  # otherwise Qt gives it to what is around, in turn


def test_the_wheel_scrolls_and_leaves_controls_alone(docked):
    _, widgets = docked(WIDGETS)
    superpixels = widgets[0]
    (area,) = areas(superpixels)
    before = superpixels.n_segments.value
    for control in (superpixels.n_segments, superpixels.image_layer):
        assert control.native.focusPolicy() == Qt.FocusPolicy.StrongFocus
        assert not turn_wheel(control.native)
    assert superpixels.n_segments.value == before
    assert turn_wheel(area.viewport())
    assert area.verticalScrollBar().value() > 0


def test_the_wheel_changes_the_control_with_the_focus(docked, qtbot):
    _, (superpixels,) = docked(["Superpixels"])
    before, native = superpixels.n_segments.value, superpixels.n_segments.native
    assert not turn_wheel(native)
    assert superpixels.n_segments.value == before
    native.activateWindow()
    native.setFocus()
    qtbot.waitUntil(native.hasFocus)
    turn_wheel(native)
    assert superpixels.n_segments.value < before


def test_widgets_share_the_height(docked, qtbot):
    _, widgets = docked(["Superpixels", "Superpixel painter"])
    for widget in widgets:
        qtbot.waitUntil(lambda w=widget: w.height() > 0.7 * w.sizeHint().height())
