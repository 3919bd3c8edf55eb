"""The user's models in the training widget: rename, export, import, delete."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import QFileDialog, QInputDialog, QMessageBox

from napari_paf import load_model
from napari_paf.affinity.model_names import user_models
from napari_paf.affinity.model_store import save_user_model
from napari_paf.widgets.common import warmup


@pytest.fixture
def opened(open_training, cells):
    viewer, widget = open_training(cells)
    _, superpixels = viewer.window.add_plugin_dock_widget("napari-paf", "Superpixels")
    return widget, superpixels


def offered(box):
    return [choice for choice in box.choices if isinstance(choice, str)]


def press(widget, name):
    widget.own_models.buttons[name].click()


def test_without_models_of_ones_own(opened):
    widget, _ = opened
    enabled = {n: b.isEnabled() for n, b in widget.own_models.buttons.items()}
    assert enabled == {
        "rename": False,
        "export": False,
        "import": True,
        "delete": False,
    }


def test_from_one_folder_to_another(opened, monkeypatch, tmp_path, notifications):
    widget, superpixels = opened
    save_user_model(widget.init.value, "mine")
    warmup.models_changed()
    superpixels.model.value = "mine"

    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: ("ours", True))
    press(widget, "rename")
    assert list(user_models()) == ["ours"]
    assert widget.own_models.model.value == "ours"
    assert "ours" in offered(superpixels.model)
    assert "mine" not in offered(superpixels.model)
    assert superpixels.model.value == "default"

    path = tmp_path / "given away"
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_, **__: (str(path), "")
    )
    press(widget, "export")
    path = path.with_suffix(".safetensors")
    assert load_model(path).name == "ours"
    assert [text for _, text in notifications if str(path) in text]

    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.No)
    press(widget, "delete")
    assert list(user_models()) == ["ours"]
    yes = QMessageBox.StandardButton.Yes
    monkeypatch.setattr(QMessageBox, "question", lambda *_: yes)
    press(widget, "delete")
    assert not user_models()
    assert "ours" not in offered(superpixels.model)

    monkeypatch.setattr(
        QFileDialog, "getOpenFileName", lambda *_, **__: (str(path), "")
    )
    press(widget, "import")
    assert list(user_models()) == ["given away"]
    assert "given away" in offered(superpixels.model)
    assert "given away" in offered(widget.init)


def test_what_cannot_be_is_said(opened, monkeypatch, tmp_path, notifications):
    widget, _ = opened
    save_user_model(widget.init.value, "mine")
    warmup.models_changed()
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: ("default", True))
    press(widget, "rename")
    assert list(user_models()) == ["mine"]
    path = tmp_path / "no.safetensors"
    path.write_bytes(b"nonsense")
    monkeypatch.setattr(
        QFileDialog, "getOpenFileName", lambda *_, **__: (str(path), "")
    )
    press(widget, "import")
    assert list(user_models()) == ["mine"]
    said = " ".join(text for severity, text in notifications if severity == "error")
    assert "taken" in said
    assert "no.safetensors" in said
