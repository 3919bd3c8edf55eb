"""``napari-paf evaluate``: methods compared on images with ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from napari_paf.cli._checks import check_folder, check_no_input, check_place
from napari_paf.cli._console import (
    Device,
    messages,
    plain_errors,
    print_whole,
    progress_bar,
)

SHOWN = {
    "method": "method",
    "n_asked": "asked",
    "n_segments": "got",
    "achievable_segmentation_accuracy": "ASA",
    "boundary_recall": "recall",
    "boundary_precision": "precision",
    "undersegmentation_error": "UE",
    "compactness": "compact",
    "explained_variation": "EV",
    "achievable_iou": "IoU",
    "seconds": "seconds",
}


@plain_errors
def evaluate(
    images: Annotated[
        Path,
        typer.Argument(help="Folder of images, or of .npz with image and labels."),
    ],
    truths: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of label images, or .npz with segments, of the same names."
        ),
    ] = None,
    methods: Annotated[
        str,
        typer.Option(
            help="With commas between: models by name or path, gradient, slic, "
            "slic-zero, compact-watershed, felzenszwalb, lsc, seeds."
        ),
    ] = "default,gradient,slic,compact-watershed,felzenszwalb",
    n_segments: Annotated[
        str, typer.Option("--n-segments", "-n", help="Numbers, with commas between.")
    ] = "100,200,300,400,500,600",
    pixels_per_segment: Annotated[
        int | None, typer.Option(help="One superpixel per so many pixels, instead.")
    ] = None,
    every: Annotated[
        int, typer.Option(min=1, help="Use one image of so many, for a quick look.")
    ] = 1,
    unlabelled: Annotated[
        int | None, typer.Option(help="Label of pixels that do not count.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="File to write the figures of each image to.")
    ] = None,
    plots: Annotated[
        Path | None, typer.Option(help="Folder to write a plot of each measure to.")
    ] = None,
    device: Device = "auto",
) -> None:
    """Compare methods over a folder of images with ground truths.

    Prints the means over the images. Methods that can't be asked for a number of
    superpixels are searched to it.
    """
    from napari_paf.evaluation import compare, find_examples

    _check_outputs(csv, plots)
    examples = find_examples(images, truths)[::every]
    if csv is not None:
        inputs = [path for e in examples for path in (e.image_path, e.truth_path)]
        check_no_input("csv", csv, inputs)
    rows: list[dict[str, Any]] = []
    try:
        with progress_bar() as progress:
            rows.extend(
                compare(
                    examples,
                    methods.split(","),
                    _integers(n_segments),
                    pixels_per_segment=pixels_per_segment,
                    unlabelled=unlabelled,
                    device=device,
                    progress=progress,
                )
            )
    except Exception:
        if rows:  # what was measured is not lost
            _show(rows, csv, None)
        raise
    _show(rows, csv, plots)


def _check_outputs(csv: Path | None, plots: Path | None) -> None:
    """Raise, before any work, if the results could not be written."""
    if csv is not None:
        check_place("csv", csv)
    if plots is None:
        return
    check_folder("plots", plots)
    from napari_paf.cli._plots import check_matplotlib

    check_matplotlib()


def _show(rows: list[dict[str, Any]], csv: Path | None, plots: Path | None) -> None:
    """Write and print what was measured."""
    from napari_paf.evaluation import summarize, write_csv

    means = summarize(rows)
    n_images = len({row["image"] for row in rows})
    table = Table(title=f"Means over {n_images} images")
    columns = [key for key in SHOWN if key in means[0]]
    for key in columns:
        table.add_column(SHOWN[key], justify="left" if key == "method" else "right")
    for row in means:
        values = (row[key] for key in columns)
        table.add_row(*(v if isinstance(v, str) else f"{v:.4g}" for v in values))
    print_whole(table)
    if csv is not None:
        write_csv(rows, csv)
        messages.print(f"{csv} written", markup=False)
    if plots is not None:
        from napari_paf.cli._plots import plot_measures

        for path in plot_measures(means, plots):
            messages.print(f"{path} written", markup=False)


def _integers(text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise ValueError(
            f"n_segments={text!r}: give integers with commas between, such as 100,300."
        ) from None
