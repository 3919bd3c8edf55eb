"""Settings of the documentation: ``tox -e docs`` builds it."""

from __future__ import annotations

import inspect
from pathlib import Path

import napari_paf

project = "napari-paf"
author = "The napari-paf developers"
copyright = author
version = release = napari_paf.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
nitpicky = False

html_theme = "pydata_sphinx_theme"
html_title = "napari-paf"
html_theme_options = {
    "github_url": "https://github.com/napari-paf/napari-paf",
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
}

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "none"
autosummary_generate = True
numpydoc_show_class_members = False

# The reference: one table per room of the package, one page per public name.
ROOMS = {
    "pipeline": "From image to superpixels",
    "affinity": "Affinities and models",
    "clustering": "Clustering",
    "regions": "Regions",
    "training": "Training",
    "metrics": "Quality measures",
}


def write_reference(path: Path) -> None:
    """List the public names, which are kept in ``napari_paf/__init__.pyi`` only."""
    rooms: dict[str, list[str]] = {room: [] for room in ROOMS}
    for name in sorted(napari_paf.__all__):
        thing = getattr(napari_paf, name)
        if inspect.ismodule(thing):
            inside = set(getattr(thing, "__all__", ())) - set(napari_paf.__all__)
            rooms[name] += [f"{name}.{each}" for each in sorted(inside)]
        else:
            rooms[thing.__module__.split(".")[1]].append(name)
    lines = ["Reference", "=========", "", ".. currentmodule:: napari_paf", ""]
    for room, names in rooms.items():
        if names:
            lines += [ROOMS[room], "-" * len(ROOMS[room]), ""]
            lines += [".. autosummary::", "   :toctree: .", ""]
            lines += [f"   {name}" for name in names] + [""]
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(lines)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


write_reference(Path(__file__).parent / "api" / "generated" / "index.rst")
