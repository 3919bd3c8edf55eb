"""Preferences: from napari's settings to where the computing reads them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManifest

import napari_paf
from napari_paf.affinity.model_names import models_folder
from napari_paf.affinity.predict import check_tile_memory
from napari_paf.clustering._threads import check_n_threads
from napari_paf.widgets.common import preferences, warmup

napari_settings = pytest.importorskip("napari.settings")
if not hasattr(napari_settings, "get_plugin_settings"):
    pytest.skip("napari has no preferences of plugins", allow_module_level=True)

VARIABLES = ("NAPARI_PAF_NUM_THREADS", "NAPARI_PAF_TILE_MEMORY", "NAPARI_PAF_MODELS")
MANIFEST = Path(napari_paf.__file__).parent / "napari.yaml"


@pytest.fixture
def settings(plugin_settings, npe2pm, monkeypatch):
    """Return our settings as napari has them, in a folder of the test."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    for variable in VARIABLES:
        os.environ.pop(variable, None)
    monkeypatch.setattr(preferences, "_ours", {})
    monkeypatch.setattr(preferences, "_followed", None)
    if "napari-paf" not in npe2pm:
        npe2pm.register(PluginManifest.from_file(MANIFEST))
    return napari_settings.get_plugin_settings("napari-paf")


@pytest.fixture
def fresh_backends(monkeypatch):
    """Pretend that it is not known yet which devices there are."""
    monkeypatch.setattr(warmup, "known", warmup.Backends())
    monkeypatch.setattr(warmup, "_finished", False)


def test_defaults_change_nothing(settings):
    preferences.follow()
    assert not set(VARIABLES) & set(os.environ)
    assert preferences.preferred_device(["auto", "cpu"]) == "auto"


def test_changes_reach_the_computing_and_go_back(settings, tmp_path):
    preferences.follow()
    default = models_folder()
    computing = settings.computing
    computing.threads = 3
    computing.tile_memory = 0.25
    computing.models_folder = str(tmp_path / "mine")
    assert check_n_threads(None) == 3
    assert check_tile_memory(None) == 2**28
    assert models_folder() == tmp_path / "mine"
    computing.threads, computing.tile_memory, computing.models_folder = 0, 0, ""
    assert not set(VARIABLES) & set(os.environ)
    assert check_tile_memory(None) is None
    assert models_folder() == default


def test_the_environment_wins(settings):
    os.environ["NAPARI_PAF_NUM_THREADS"] = "2"
    preferences.follow()
    settings.computing.threads = 5
    assert check_n_threads(None) == 2
    settings.computing.threads = 0
    assert os.environ["NAPARI_PAF_NUM_THREADS"] == "2"


def test_they_are_kept_on_disk(settings, tmp_path):
    settings.computing.threads = 7
    settings.save()
    assert settings.config_path.parent == tmp_path
    assert "threads: 7" in settings.config_path.read_text("utf-8")
    napari_settings._clear_plugin_settings_cache()
    again = napari_settings.get_plugin_settings("napari-paf")
    assert again is not settings
    preferences.follow()
    assert check_n_threads(None) == 7


@pytest.mark.parametrize(
    ("name", "value"),
    [("device", "abacus"), ("threads", -1), ("tile_memory", -0.5)],
)
def test_nonsense_is_refused(settings, name, value):
    with pytest.raises(ValueError, match=name):
        setattr(settings.computing, name, value)


def test_a_new_folder_of_models_is_told(settings, tmp_path, qtbot):
    preferences.follow()
    with qtbot.waitSignal(warmup._loading.ready):
        settings.computing.models_folder = str(tmp_path / "other")


def test_without_the_plugin_or_in_an_older_napari(monkeypatch):
    def refuse(plugin):  # as napari does when the plugin is disabled
        raise KeyError(plugin)

    monkeypatch.setattr(napari_settings, "get_plugin_settings", refuse)
    preferences.follow()
    assert preferences.preferences() is None
    monkeypatch.delattr(napari_settings, "get_plugin_settings")
    assert preferences.preferences() is None
    assert preferences.preferred_device(["auto"]) == "auto"


def test_widgets_start_with_the_device(
    settings, fresh_backends, make_napari_viewer, qtbot
):
    from napari_paf.widgets.superpixels import SuperpixelsWidget

    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((8, 9), np.uint8))
    devices = []
    for device in ("cpu", "cuda"):  # known by then or not
        settings.computing.device = device
        widget = SuperpixelsWidget(viewer)
        qtbot.addWidget(widget)
        devices.append(widget.device.value)
    assert devices == ["cpu", "cuda"]
    widget._offer_backends(warmup.Backends())  # it turns out that there is none
    assert widget.device.value == "auto"


def test_the_dialog_shows_them(settings, qtbot, make_napari_viewer):
    from napari._qt.dialogs.preferences_dialog import PreferencesDialog

    dialog = PreferencesDialog()
    qtbot.addWidget(dialog)
    titles = [dialog._list.item(row).text() for row in range(dialog._list.count())]
    page = dialog._stack.widget(titles.index("napari-paf"))
    form = page.findChild(type(page.widget())).children()
    text = " ".join(label.text() for label in page.findChildren(_label()))
    for title in ("Device", "Threads", "Tile memory", "Folder of your models"):
        assert title in text
    assert form
    dialog.accept()


def _label():
    from qtpy.QtWidgets import QLabel

    return QLabel
