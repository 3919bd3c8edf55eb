"""Every control of every widget: explained, named, and reached with the keyboard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManifest
from qtpy.QtCore import Qt
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollBar,
    QSlider,
    QWidget,
)

import napari_paf
from napari_paf.widgets.common.layers import unwrap

MANIFEST = PluginManifest.from_file(Path(napari_paf.__file__).parent / "napari.yaml")
WIDGETS = [widget.display_name for widget in MANIFEST.contributions.widgets or []]
KINDS = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
)
# Parts of other controls, which speak for them.
WITHIN = (QAbstractSpinBox, QComboBox, QAbstractItemView)


@pytest.fixture(params=WIDGETS)
def opened(request, make_napari_viewer_proxy, monkeypatch, tmp_path):
    """Return a widget with something to do, everything in it unfolded."""
    monkeypatch.setenv("NAPARI_PAF_MODELS", str(tmp_path))
    viewer = make_napari_viewer_proxy(strict_qt="raise")
    stack = np.random.default_rng(0).integers(0, 200, (3, 24, 32), dtype=np.uint8)
    viewer.add_image(stack, name="cells")
    viewer.add_labels(stack // 50, name="cells labels")
    viewer.add_labels(stack // 20 + 1, name="other")
    _, widget = viewer.window.add_plugin_dock_widget("napari-paf", request.param)
    widget.window().resize(1280, 1000)
    widget.window().show()
    for button in widget.findChildren(QPushButton):
        if button.isCheckable() and button.isFlat():
            button.setChecked(True)
    QApplication.processEvents()
    return widget


def controls_of(widget):
    """Return what can be clicked, chosen or typed into."""
    found = []
    for kind in KINDS:
        found += widget.findChildren(kind)
    unique = list(dict.fromkeys(found))
    return [control for control in unique if not _is_part(control, widget)]


def _is_part(control, widget):
    if isinstance(control, QScrollBar):
        return True
    if control.isHidden() and control.parent().findChildren(QSlider):
        return True  # the number beside a slider, where another one is shown
    parent = control.parent()
    while parent is not None and parent is not widget:
        if isinstance(parent, WITHIN):
            return True
        parent = parent.parent()
    return control.objectName().startswith("qt_")


def told(control):
    kind, text = type(control).__name__, getattr(control, "text", lambda: "")()
    return f"{kind} {text!r} {control.accessibleName()!r}"


def _first_in_chain(widget, controls):
    candidate = widget
    while candidate not in controls:
        candidate = candidate.nextInFocusChain()
    return candidate


def test_tooltips(opened):
    without = [
        told(control)
        for control in controls_of(opened)
        # Qt shows that of the control which a part belongs to.
        if not (control.toolTip() or control.parent().toolTip()).strip()
    ]
    assert not without


def test_accessible_names(opened):
    labelled = {label.buddy() for label in opened.findChildren(QLabel)}
    without = []
    for control in controls_of(opened):
        text = control.text() if isinstance(control, QAbstractButton) else ""
        spoken = control.accessibleName() or text.strip("\u00d7+-\u2212 \u2026")
        if not spoken and control not in labelled:
            without.append(told(control))
    assert not without


def test_tab_reaches_everything(opened, qtbot):
    usable = [
        control
        for control in controls_of(opened)
        if control.isEnabled() and control.isVisibleTo(opened)
    ]
    assert len(usable) > 3
    window = opened.window()
    window.activateWindow()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is not None, timeout=5000)
    start = _first_in_chain(opened, usable)
    start.setFocus(Qt.FocusReason.TabFocusReason)
    reached: list[QWidget] = []
    while (focus := QApplication.focusWidget()) not in reached:
        if focus is None or not opened.isAncestorOf(focus):
            break  # on to the rest of napari
        reached.append(focus)
        qtbot.keyClick(focus, Qt.Key.Key_Tab)
    near = set()
    for focus in reached:
        part = focus
        while part is not opened:
            near.add(part)
            part = part.parent()
    missed = [told(control) for control in usable if control not in near]
    assert not missed, [told(control) for control in reached]


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("name", WIDGETS)
def test_fits_a_small_window(name, theme, make_napari_viewer_proxy, grey, qtbot):
    """Whatever is unfolded, the window need not grow beyond 1280 x 720."""
    viewer = make_napari_viewer_proxy(strict_qt="raise", show=True)
    viewer.theme = theme
    viewer.window.resize(1280, 720)
    stack = np.stack([grey] * 3)
    for number in range(3):
        viewer.add_image(stack, name=f"cells {number}")
        viewer.add_labels(stack, name=f"cells {number} labels")
    _, widget = viewer.window.add_plugin_dock_widget("napari-paf", name)
    window = widget.window()
    folds = [
        button
        for button in widget.findChildren(QPushButton)
        if button.isCheckable() and button.isFlat()
    ]
    for fold in [None, *folds]:
        if fold is not None:
            fold.click()
        for _ in range(3):
            QApplication.processEvents()
        assert window.height() <= 720
        assert window.width() <= 1280
        assert widget.height() >= widget.minimumSizeHint().height()


MENUS = {
    "Superpixels": "napari/layers/segment",
    "Superpixel painter": "napari/layers/annotate",
    "Objects": "napari/layers/segment",
    "Train affinity model": "napari/layers/segment",
    "Compare with ground truth": "napari/layers/measure",
}


def test_every_widget_has_a_menu():
    assert set(MENUS) == set(WIDGETS)


@pytest.mark.parametrize("which", ["layers", "plugins"])
@pytest.mark.parametrize("name", WIDGETS)
def test_menus_open_the_widgets(name, which, make_napari_viewer_proxy):
    from napari._app_model import get_app_model

    viewer = make_napari_viewer_proxy(strict_qt="raise")
    menu = MENUS[name] if which == "layers" else "napari/plugins/napari-paf"
    (command,) = (
        item.command.id
        for item in get_app_model().menus.get_menu(menu)
        if hasattr(item, "command") and item.command.title.startswith(name)
    )
    get_app_model().commands.execute_command(command).result()
    (opened,) = viewer.window.dock_widgets.values()
    assert type(unwrap(opened)).__module__.startswith("napari_paf.widgets")


def test_help_opens_a_page_that_there_is(opened, monkeypatch):
    addresses = []
    monkeypatch.setattr(
        QDesktopServices, "openUrl", lambda url: addresses.append(url.toString())
    )
    (button,) = (b for b in opened.findChildren(QPushButton) if b.text() == "Help")
    button.click()
    (address,) = addresses
    page = address.partition("/blob/main/")[2]
    assert (Path(__file__).parents[2] / page).is_file()
    assert page.startswith("docs/")
