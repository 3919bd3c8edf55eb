"""napari finds the plugin, and everything its manifest names exists."""

from __future__ import annotations

import importlib
from importlib import metadata, resources
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_paf

ROOT = Path(__file__).resolve().parents[1]
MANIFEST = PluginManifest.from_distribution("napari-paf")
COMMANDS = MANIFEST.contributions.commands or []


def test_manifest_is_valid_with_imports():
    MANIFEST.validate_imports()
    assert MANIFEST.name == "napari-paf"
    assert MANIFEST.package_version == napari_paf.__version__


def test_root_link_is_the_packaged_file():
    packaged = resources.files("napari_paf").joinpath("napari.yaml").read_text("utf-8")
    root = ROOT / "napari.yaml"
    if not root.exists():
        pytest.skip("the root link is not part of source archives")
    if root.is_symlink():
        assert root.read_text("utf-8") == packaged
    else:  # a checkout without links holds the path instead
        assert root.read_text("utf-8").strip() == "src/napari_paf/napari.yaml"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.id)
def test_commands_can_be_imported(command):
    module, _, name = command.python_name.partition(":")
    assert module.startswith("napari_paf.")
    assert callable(getattr(importlib.import_module(module), name))
    assert command.title


def test_contributions_use_known_commands():
    known = {command.id for command in COMMANDS}
    used = {item.command for item in MANIFEST.contributions.widgets or []}
    used |= {item.command for item in MANIFEST.contributions.sample_data or []}
    used |= {item.command for item in MANIFEST.contributions.keybindings or []}
    for items in (MANIFEST.contributions.menus or {}).values():
        used |= {item.command for item in items if hasattr(item, "command")}
    assert used
    assert used <= known


def test_every_widget_is_in_a_menu_of_layers():
    """Under Plugins napari puts them by itself."""
    in_menus = {
        item.command
        for place, items in (MANIFEST.contributions.menus or {}).items()
        if place.startswith("napari/layers/")
        for item in items
        if hasattr(item, "command")
    }
    assert {item.command for item in MANIFEST.contributions.widgets or []} <= in_menus


def test_console_script_points_at_the_command_line():
    (script,) = metadata.entry_points(group="console_scripts", name="napari-paf")
    assert callable(script.load())
