"""What importing the package costs: nothing heavy, and little of its own."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {
    "dask",
    "imageio",
    "magicgui",
    "napari",
    "numba",
    "qtpy",
    "scipy",
    "skimage",
    "superqt",
    "tifffile",
    "torch",
    "typer",
}
QT_BINDINGS = {"PyQt5", "PyQt6", "PySide2", "PySide6"}


def modules_after(code: str) -> set[str]:
    """Run `code` in a fresh interpreter and return what it has loaded."""
    script = f"import sys\n{code}\nprint('loaded:', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.rpartition("loaded:")[2].split())


def packages(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


def test_import_loads_nothing_heavy():
    loaded = modules_after("import napari_paf; napari_paf.__version__; dir(napari_paf)")
    assert "napari_paf" in loaded
    assert not packages(loaded) & (HEAVY | QT_BINDINGS)


def test_import_adds_only_the_lazy_loader():
    """Counted in modules, as seconds depend on the machine."""
    added = modules_after("import napari_paf") - modules_after("")
    assert packages(added) - sys.stdlib_module_names == {"lazy_loader", "napari_paf"}
    ours = {module for module in added if module.startswith("napari_paf")}
    assert ours == {"napari_paf", "napari_paf._version"}


def test_metrics_load_numba_but_not_torch():
    loaded = packages(modules_after("import napari_paf; napari_paf.metrics"))
    assert "numba" in loaded
    assert not loaded & ((HEAVY | QT_BINDINGS) - {"numba", "scipy"})
