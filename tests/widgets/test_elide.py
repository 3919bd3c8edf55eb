"""Names that do not fit into a combo box."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox

from napari_paf.widgets.common.choices import ChoiceBox
from napari_paf.widgets.common.elide import Elider

LONG = "em_tem_axons of the left hemisphere superpixels"


def picture_of(box: QComboBox, text: str, width: int):
    """Show a box with one entry as it looks on the screen."""
    box.clear()
    box.addItem(text)
    box.setFixedWidth(width)
    return box.grab().toImage()


@pytest.mark.parametrize("enabled", [True, False])
def test_the_middle_is_left_out(qtbot, enabled):
    plain, eliding = QComboBox(), QComboBox()
    for box in (plain, eliding):
        qtbot.addWidget(box)
        box.setEnabled(enabled)
    Elider(eliding)
    # What fits looks as it always does.
    wide = plain.fontMetrics().horizontalAdvance(LONG) + 100
    assert picture_of(eliding, LONG, wide) == picture_of(plain, LONG, wide)
    # What does not looks like the name with some of its middle left out, of which
    # one letter more would not fit.
    shown = picture_of(eliding, LONG, 160)
    assert shown != picture_of(plain, LONG, 160)
    candidates = {
        f"{LONG[:n_first]}\u2026{LONG[-n_last:]}"
        for n_first in range(4, 16)
        for n_last in range(4, 16)
    }
    (text,) = (x for x in candidates if picture_of(plain, x, 160) == shown)
    assert abs(text.index("\u2026") - len(text) / 2) < 3
    room = plain.fontMetrics().horizontalAdvance
    assert room(text) < 160 < room(text) + 50  # with the arrow


def test_lists_of_layers_do_so(qtbot):
    box = ChoiceBox()
    qtbot.addWidget(box.native)
    box.set_choices([(LONG, 1)], 1)
    view = box.native.view()
    assert view.textElideMode() == Qt.TextElideMode.ElideMiddle
    assert box.native.findChild(Elider) is not None
    assert box.native.currentText() == LONG
