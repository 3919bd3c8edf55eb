"""The painter with a mouse: real events of Qt, from the canvas to the layer."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent, QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_paf.widgets.common.layers import unwrap
from napari_paf.widgets.painter.hover import NAME

GRID = np.kron(np.arange(1, 21).reshape(4, 5), np.ones((6, 6), int)).astype(np.uint16)
NO_BUTTON, LEFT = Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton
NONE, CONTROL = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier


class Mouse:
    """Moves over the picture, in pixels of the image."""

    def __init__(self, viewer, qtbot):
        self._qtbot = qtbot
        self._viewer = unwrap(viewer)
        self._canvas = self._viewer.window._qt_viewer.canvas.native

    def _at(self, position):
        camera = camera_of(self._viewer)
        row, column = (np.array(position) - camera.center[-2:]) * camera.zoom
        middle = self._canvas.width() / 2, self._canvas.height() / 2
        return QPointF(middle[0] + column, middle[1] + row)

    def send(self, kind, position, button=NO_BUTTON, held=NO_BUTTON, modifiers=NONE):
        where = self._at(position)
        there = QPointF(self._canvas.mapToGlobal(where.toPoint()))
        event = QMouseEvent(kind, where, there, button, held, modifiers)
        self._canvas._last_time = 0  # vispy drops moves that come too soon
        QApplication.sendEvent(self._canvas, event)

    def drag(self, *positions, modifiers=NONE):
        self.move(positions[0])
        press, move = QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove
        self.send(press, positions[0], LEFT, LEFT, modifiers)
        for position in positions[1:]:
            self.send(move, position, NO_BUTTON, LEFT, modifiers)
            self._arrive(position)
        release = QEvent.Type.MouseButtonRelease
        self.send(release, positions[-1], LEFT, NO_BUTTON, modifiers)

    def move(self, position):
        self.send(QEvent.Type.MouseMove, position)
        self._arrive(position)

    def _arrive(self, position):
        """Wait until napari has noticed; it passes on some moves a second."""
        cursor = self._viewer.cursor
        self._qtbot.waitUntil(lambda: np.allclose(cursor.position, position, atol=0.2))

    def wheel(self, position, steps, modifiers):
        where = self._at(position)
        there = QPointF(self._canvas.mapToGlobal(where.toPoint()))
        event = QWheelEvent(
            where,
            there,
            QPoint(),
            QPoint(0, 120 * steps),
            NO_BUTTON,
            modifiers,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(self._canvas, event)


@pytest.fixture
def painting(make_napari_viewer_proxy, qtbot):
    """Return a viewer, the painter at work, and a mouse."""
    viewer = make_napari_viewer_proxy(strict_qt="raise", show=True)
    viewer.add_labels(GRID.copy(), name="superpixels")
    viewer.add_labels(np.zeros_like(GRID), name="objects")
    _, widget = viewer.window.add_plugin_dock_widget("napari-paf", "Superpixel painter")
    by_name = {x.name: x for x in widget.labels_layer.choices if x is not None}
    widget.superpixels_layer.value = by_name["superpixels"]
    widget.labels_layer.value = by_name["objects"]
    widget.on.setChecked(True)
    viewer.reset_view()
    QApplication.processEvents()
    return viewer, widget, Mouse(viewer, qtbot)


def camera_of(viewer):
    viewer = unwrap(viewer)
    return getattr(viewer, "scene", viewer).camera  # since napari 0.9


def view(viewer):
    camera = camera_of(viewer)
    return (*camera.center, camera.zoom)


def test_clicks_and_drags_paint_and_do_not_move_the_picture(painting):
    viewer, widget, mouse = painting
    objects = viewer.layers["objects"]
    mouse.drag((2, 2))
    np.testing.assert_array_equal(objects.data > 0, GRID == 1)
    mouse.drag((8, 2), (8, 8), (14, 8))
    crossed = np.isin(GRID, [1, 6, 7, 12])
    np.testing.assert_array_equal(objects.data > 0, crossed)
    mouse.drag((8, 2), modifiers=CONTROL)
    np.testing.assert_array_equal(objects.data > 0, crossed & (GRID != 6))
    assert not camera_of(viewer).mouse_pan
    objects.undo()
    objects.undo()
    np.testing.assert_array_equal(objects.data > 0, GRID == 1)
    widget.on.setChecked(False)
    mouse.drag((8, 2), (12, 12))
    assert camera_of(viewer).mouse_pan  # the hand is a hand again
    np.testing.assert_array_equal(objects.data > 0, GRID == 1)


def test_a_stroke_goes_to_where_the_button_is_let_go(painting):
    viewer, _, mouse = painting
    mouse.move((2, 2))
    mouse.send(QEvent.Type.MouseButtonPress, (2, 2), LEFT, LEFT)
    mouse.send(QEvent.Type.MouseButtonRelease, (2, 20), LEFT)
    painted = viewer.layers["objects"].data > 0
    np.testing.assert_array_equal(painted, np.isin(GRID, [1, 2, 3, 4]))


def test_what_a_click_would_take_is_shown(painting):
    viewer, widget, mouse = painting
    mouse.move((8, 8))
    assert widget.message == "A click takes 36 pixels."
    hover = viewer.layers[NAME]
    np.testing.assert_array_equal(hover.data, np.ones((6, 6)))
    np.testing.assert_array_equal(hover.translate, (6, 6))


def test_the_wheel_with_shift_refines_and_alone_zooms(painting, monkeypatch, qtbot):
    viewer, widget, mouse = painting
    refined = []
    monkeypatch.setattr(widget, "refine", lambda position, finer: refined.append(finer))
    before = view(viewer)
    mouse.wheel((8, 8), 1, Qt.KeyboardModifier.ShiftModifier)
    mouse.wheel((8, 8), -1, Qt.KeyboardModifier.ShiftModifier)
    assert refined == [True, False]
    assert view(viewer) == before
    mouse.wheel((8, 8), 1, NONE)
    assert refined == [True, False]
    qtbot.waitUntil(lambda: view(viewer) != before)
