"""The layers hold, and every public name is documented with examples that run."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import napari_paf

PACKAGE = Path(napari_paf.__file__).parent
SOURCES = sorted(
    path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts
)
GUI = {"napari", "magicgui", "qtpy", "superqt"}

# Which of the heavy packages each layer may bring into a fresh interpreter.
ARRAYS = {"numpy"}
COMPILED = ARRAYS | {"numba", "scipy"}  # numba loads SciPy by itself
IMAGES = COMPILED | {"skimage", "torch", "safetensors", "imageio", "tifffile"}
LAYERS = {
    "_validation": ARRAYS,
    "_progress": set(),
    "_files": set(),
    "_offsets": set(),
    "clustering": COMPILED,
    "metrics": COMPILED,
    "leaks": COMPILED,
    "affinity": IMAGES - {"numba"},
    "regions": COMPILED | {"skimage"},
    "training": IMAGES,
    "pipeline": IMAGES,
}
HEAVY = IMAGES | GUI | {"PyQt5", "PyQt6", "PySide2", "PySide6", "typer", "rich"}
# Which parts of the package each layer may import: arrows point one way.
BASE = {"_files", "_offsets", "_progress", "_validation", "_version"}
ARROWS = {
    "clustering": BASE | {"clustering"},
    "metrics": BASE | {"clustering", "metrics", "_agreement", "_metrics_kernels"},
    "leaks": BASE | {"clustering", "leaks", "_agreement", "_metrics_kernels"},
    "affinity": BASE | {"affinity"},
    "regions": BASE | {"clustering", "regions"},
    "training": BASE
    | {"_image_io", "_pixel_size", "affinity", "clustering", "metrics", "training"},
    "pipeline": BASE | {"affinity", "clustering", "pipeline"},
}
WIDGET_ARROWS = {
    "common": {"common"},
    "superpixels": {"common", "superpixels"},
    "painter": {"common", "superpixels", "painter"},
    "train": {"common", "superpixels", "train"},
    "compare": {"common", "superpixels", "train", "compare"},
}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    """All modules that a file imports anywhere, under their full names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: write imports in full"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def layer_files(layer: str) -> list[Path]:
    single = PACKAGE / f"{layer}.py"
    if single.exists():
        return [single]
    return [path for path in SOURCES if path.parent == PACKAGE / layer]


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_load_only_what_they_may(layer):
    """Import each module of a layer in a fresh interpreter and look around."""
    files = layer_files(layer)
    assert files, f"no module {layer}"
    modules = [module_name(path) for path in files]
    script = (
        "import sys, importlib\n"
        f"for name in {modules}: importlib.import_module(name)\n"
        f"print(*sorted({HEAVY} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) <= LAYERS[layer]


@pytest.mark.parametrize("layer", ARROWS)
def test_arrows_between_layers_point_down(layer):
    """Read the imports, those inside functions too."""
    for path in layer_files(layer):
        ours = {name for name in imports(path) if name.startswith("napari_paf.")}
        parts = {name.split(".")[1] for name in ours}
        assert parts <= ARROWS[layer], path.name


@pytest.mark.parametrize("widget", WIDGET_ARROWS)
def test_arrows_between_widgets_point_one_way(widget):
    for path in layer_files(f"widgets/{widget}"):
        start = "napari_paf.widgets."
        used = {name for name in imports(path) if name.startswith(start)}
        parts = {name.removeprefix(start).split(".")[0] for name in used}
        assert parts <= WIDGET_ARROWS[widget], path.name


@pytest.mark.parametrize("layer", ["clustering", "metrics"])
def test_kernels_know_only_numpy_and_numba(layer):
    for path in layer_files(layer):
        outside = {name.partition(".")[0] for name in imports(path)}
        outside -= sys.stdlib_module_names | {"napari_paf"}
        assert outside <= {"numpy", "numba"}, path.name


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_widgets_import_the_viewer(path):
    outside = {name.partition(".")[0] for name in imports(path)}
    if "widgets" in path.relative_to(PACKAGE).parts:
        assert not outside & {"PyQt5", "PyQt6", "PySide2", "PySide6"}
    else:
        assert not outside & GUI


def public_functions():
    """Public names that can be called: those of the package and of its modules."""
    found = {}
    for name in napari_paf.__all__:
        thing = getattr(napari_paf, name)
        if inspect.ismodule(thing):
            for inner in getattr(thing, "__all__", ()):
                found[f"{name}.{inner}"] = getattr(thing, inner)
        else:
            found[name] = thing
    return found


def test_contracted_names_are_public():
    expected = {
        "superpixels",
        "predict_affinity",
        "gradient_affinity",
        "entropy_rate_superpixels",
        "load_model",
        "list_models",
        "import_seal_checkpoint",
        "metrics",
        "evaluate",
    }
    assert expected <= set(napari_paf.__all__)


def test_stub_lists_what_there_is():
    for name in napari_paf.__all__:
        assert getattr(napari_paf, name) is not None


@pytest.mark.parametrize(("name", "thing"), public_functions().items())
def test_public_names_are_documented(name, thing):
    doc = inspect.getdoc(thing) or ""
    assert doc, f"{name} has no docstring"
    assert "Examples\n--------" in doc, f"{name} has no example"
    if inspect.isfunction(thing):
        for parameter in inspect.signature(thing).parameters:
            assert parameter in doc, f"{name}: {parameter} is not described"
        assert "Returns\n-------" in doc or "Yields\n------" in doc
        hints = inspect.get_annotations(thing)
        assert set(hints) == {*inspect.signature(thing).parameters, "return"}


@pytest.mark.parametrize(
    "path",
    [p for p in SOURCES if ">>>" in p.read_text(encoding="utf-8")],
    ids=lambda p: str(p.relative_to(PACKAGE)),
)
def test_examples_in_docstrings_run(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # examples may write files
    module = importlib.import_module(module_name(path))
    result = doctest.testmod(
        module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    )
    assert not result.failed
    if "widgets" not in path.parts:  # theirs need a viewer
        assert result.attempted
