"""``napari-paf demo``: a sample picture with its superpixels."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.table import Table

from napari_paf.cli._checks import check_folder
from napari_paf.cli._console import (
    Device,
    Model,
    plain_errors,
    print_whole,
    progress_bar,
    say,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_paf.samples import Sample

FOLDER = Path("napari-paf-demo")
"""Where the demo writes to when there is no screen."""


@plain_errors
def demo(
    sample: Annotated[
        str, typer.Option(help="Key of a sample picture; a wrong one lists them.")
    ] = "nuclei_fluorescence",
    n_segments: Annotated[
        int, typer.Option("--n-segments", "-n", help="Number of superpixels.")
    ] = 300,
    model: Model = "default",
    device: Device = "auto",
    output: Annotated[
        Path | None,
        typer.Option(help="Folder to write files into, instead of a window."),
    ] = None,
) -> None:
    """Show a sample picture with its superpixels in napari.

    Without a screen, or with --output, writes the label image, a picture of the
    outlines and the quality figures into a folder.
    """
    from napari_paf.samples import load_sample

    try:
        picture = load_sample(sample)
    except ValueError as error:
        raise ValueError(str(error).replace("key=", "sample=", 1)) from None
    if output is None and has_screen():
        from napari_paf.widgets.demo import show_demo

        show_demo(sample, n_segments, model=model, device=device)
        return
    if output is None:
        output = FOLDER
        say(f"There is no screen: writing files into {FOLDER}.")
    check_folder("output", output)
    _write_demo(picture, n_segments, model, device, output)


def has_screen() -> bool:
    """Return whether a window can be opened."""
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _write_demo(
    sample: Sample, n_segments: int, model: str, device: str, folder: Path
) -> None:
    from napari_paf._files import replacing
    from napari_paf._image_io import write_labels

    with progress_bar() as progress:
        progress(0, "Loading PyTorch and Numba")
        from napari_paf import evaluate, superpixels

        labels = superpixels(
            sample.image,
            n_segments,
            model=model,
            channel_axis=sample.channel_axis,
            spacing=sample.spacing,
            device=device,
            progress=progress,
        )
    folder.mkdir(parents=True, exist_ok=True)
    label_file = folder / f"{sample.key}_superpixels.tif"
    write_labels(label_file, labels)
    picture_file = folder / f"{sample.key}_outlines.png"
    with replacing(picture_file) as temporary:
        import imageio.v3 as imageio

        imageio.imwrite(temporary, outlined(sample, labels))
    written = [label_file, picture_file]
    if sample.labels is not None:
        figures = evaluate(
            labels,
            sample.labels,
            image=sample.image,
            channel_axis=sample.channel_axis,
        )
        figures_file = folder / f"{sample.key}_figures.json"
        with replacing(figures_file) as temporary:
            temporary.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
        written.append(figures_file)
        _print_figures(sample, figures)
    for path in written:
        say(str(path.resolve()))


def outlined(sample: Sample, labels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a picture of the sample, or its middle plane, with outlines in yellow."""
    from skimage.exposure import rescale_intensity
    from skimage.segmentation import mark_boundaries

    image = sample.image
    if labels.ndim == 3:
        middle = len(labels) // 2
        image, labels = image[middle], labels[middle]
    shown = rescale_intensity(image.astype(float), out_range=(0, 1))
    marked = mark_boundaries(shown, labels, color=(1, 1, 0))
    picture: NDArray[np.uint8] = np.rint(marked * 255).astype(np.uint8)
    return picture


def _print_figures(sample: Sample, figures: dict[str, float]) -> None:
    table = Table(title=f"{sample.title}, against the labels made by people")
    table.add_column("measure")
    table.add_column("value", justify="right")
    for name, value in figures.items():
        table.add_row(name.replace("_", " "), f"{value:.4g}")
    print_whole(table)
