"""Plots of quality measures over the number of superpixels."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from napari_paf._files import replacing

NOT_PLOTTED = {"method", "n_asked", "n_segments", "images"}


def check_matplotlib() -> None:
    """Raise if there is nothing to plot with."""
    if find_spec("matplotlib") is None:
        raise ImportError(
            "Plots need matplotlib, which is not installed: run "
            "`pip install napari-paf[plots]`."
        )


def plot_measures(means: Sequence[dict[str, Any]], folder: Path) -> list[Path]:
    """Draw one figure for each measure, a line for each method.

    Parameters
    ----------
    means : sequence of dict
        From `napari_paf.evaluation.summarize`.
    folder : Path
        Made if it is not there.

    Returns
    -------
    paths : list of Path
        The PNG files.
    """
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for measure in means[0].keys() - NOT_PLOTTED:
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.add_subplot()
        for method in dict.fromkeys(row["method"] for row in means):
            rows = [row for row in means if row["method"] == method]
            rows.sort(key=lambda row: row["n_asked"])
            axes.plot(
                [row["n_segments"] for row in rows],
                [row[measure] for row in rows],
                marker="o",
                label=Path(method).name,
            )
        axes.set(xlabel="number of superpixels", ylabel=measure.replace("_", " "))
        axes.legend()
        axes.grid(alpha=0.3)
        path = folder / f"{measure}.png"
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=120)
        paths.append(path)
    return sorted(paths)
