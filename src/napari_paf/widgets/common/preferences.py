"""napari's preferences of this plugin, put where the computing looks for them.

The number of threads, the memory of tiles and the folder of models have
environment variables, which all parts of the package read when they are
needed. Preferences set these for the present process; what somebody has set
outside of napari wins.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from napari_paf.affinity.model_names import FOLDER_VARIABLE
from napari_paf.widgets.common import warmup

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PLUGIN, CONFIGURATION = "napari-paf", "computing"
# Spelled out: importing them from where they are read would load the heavy parts.
THREADS_VARIABLE = "NAPARI_PAF_NUM_THREADS"
MEMORY_VARIABLE = "NAPARI_PAF_TILE_MEMORY"
_VARIABLES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "threads": (THREADS_VARIABLE, lambda n: str(int(n)) if n else ""),
    "tile_memory": (MEMORY_VARIABLE, lambda gib: f"{gib:g}" if gib else ""),
    "models_folder": (FOLDER_VARIABLE, lambda folder: str(folder).strip()),
}
REMEMBERED_VALUES: dict[str, Any] = {}  # what widgets were set to in this session
_ours: dict[str, str] = {}  # what we have put into the environment
_followed: Any = None


def preferences() -> Any | None:
    """Return napari's settings of this plugin, or None where it has none.

    Before 0.9, napari knows no preferences of plugins.
    """
    try:
        from napari.settings import get_plugin_settings
    except ImportError:
        return None
    try:
        return getattr(get_plugin_settings(PLUGIN), CONFIGURATION, None)
    except KeyError:  # the plugin is not registered, or is disabled
        return None


def preferred_device(devices: Sequence[str]) -> str:
    """Return which of the devices widgets choose to begin with."""
    chosen = preferences()
    device = "auto" if chosen is None else str(chosen.device)
    return device if device in devices else "auto"


def follow() -> None:
    """Apply the preferences, now and whenever they change."""
    global _followed
    chosen = preferences()
    if chosen is None:
        return
    if chosen is not _followed:
        if _followed is not None:
            _followed.events.disconnect(_on_change)
        chosen.events.connect(_on_change)
        _followed = chosen
    _apply(chosen)
    warmup.expect_device(str(chosen.device))


def _on_change(event: Any = None) -> None:
    chosen = preferences()
    if chosen is not None:
        if getattr(event, "type", "") == "device":
            REMEMBERED_VALUES.pop("device", None)  # the next widget starts with it
        folder = os.environ.get(FOLDER_VARIABLE)
        _apply(chosen)
        if os.environ.get(FOLDER_VARIABLE) != folder:
            warmup.models_changed()


def _apply(chosen: Any) -> None:
    for name, (variable, written) in _VARIABLES.items():
        present = os.environ.get(variable)
        if present is not None and present != _ours.get(variable):
            continue  # set outside of napari
        value = written(getattr(chosen, name))
        if value:
            os.environ[variable] = _ours[variable] = value
        elif present is not None:
            del os.environ[variable], _ours[variable]
