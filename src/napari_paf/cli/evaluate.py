"""``napari-paf evaluate``: methods compared on images with ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from napari_paf.cli._checks import check_folder, check_no_input, check_place
from napari_paf.cli._console import (
    Device,
    console,
    plain_errors,
    print_whole,
    progress_bar,
    say,
)

SHOWN = {
    "method": "method",
    "images": "images",
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
FAR_OFF = 0.1  # of the number asked for
NAMED = 5  # images that are left out


@plain_errors
def evaluate(
    images: Annotated[
        Path,
        typer.Argument(
            help="Folder of images (no volumes), or of .npz with image and labels."
        ),
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
        int | None,
        typer.Option(
            help="Label of pixels that do not count. Images without any others are "
            "left out."
        ),
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

    Prints the means over the images, which are grey or in colours: of volumes, give
    planes. Methods that can't be asked for a number of superpixels are searched to it.
    Ctrl-C ends it, and shows and writes what has been measured.
    """
    from napari_paf._examples import images_without_truth
    from napari_paf.evaluation import compare, find_examples

    _check_outputs(csv, plots)
    examples = find_examples(images, truths)[::every]
    if csv is not None:
        inputs = [path for e in examples for path in (e.image_path, e.truth_path)]
        check_no_input("csv", csv, inputs)
    if truths is not None:
        _say_left_out(
            images_without_truth(images, truths), "no ground truth of the same name"
        )
    # Images differ in size, and so in the number asked for.
    by = ("method", "n_asked") if pixels_per_segment is None else ("method",)
    rows: list[dict[str, Any]] = []
    try:
        with progress_bar() as progress:
            rows.extend(
                compare(
                    examples,
                    [method.strip() for method in methods.split(",")],
                    _integers(n_segments),
                    pixels_per_segment=pixels_per_segment,
                    unlabelled=unlabelled,
                    device=device,
                    progress=progress,
                )
            )
    except (Exception, KeyboardInterrupt):
        if rows:  # what was measured is not lost
            _show(rows, by, csv, None)
        raise
    measured = {row["image"] for row in rows}
    _say_left_out(
        [each.image_path for each in examples if each.name not in measured],
        f"no labels but {unlabelled}, for pixels that do not count,",
    )
    _show(rows, by, csv, plots)


def _check_outputs(csv: Path | None, plots: Path | None) -> None:
    """Raise, before any work, if the results could not be written."""
    if csv is not None:
        check_place("csv", csv)
    if plots is None:
        return
    check_folder("plots", plots)
    from napari_paf.cli._plots import check_matplotlib

    check_matplotlib()


def _say_left_out(paths: Sequence[Path], why: str) -> None:
    """Say which images are not measured, if there are any."""
    if not paths:
        return
    names = [path.name for path in paths[:NAMED]] + ["..."] * (len(paths) > NAMED)
    has, are = ("image has", "is") if len(paths) == 1 else ("images have", "are")
    say(f"{len(paths)} {has} {why} and {are} left out: {', '.join(names)}")


def _show(
    rows: list[dict[str, Any]], by: Sequence[str], csv: Path | None, plots: Path | None
) -> None:
    """Write and print what was measured."""
    from napari_paf.evaluation import summarize

    means = summarize(rows, by)
    try:
        _write(rows, means, csv, plots)  # first: nobody may be there to read the table
    finally:
        _print(means, len({row["image"] for row in rows}))


def _write(
    rows: list[dict[str, Any]],
    means: list[dict[str, Any]],
    csv: Path | None,
    plots: Path | None,
) -> None:
    from napari_paf.evaluation import write_csv

    if csv is not None:
        write_csv(rows, csv)
        say(f"{csv} written")
    if plots is not None:
        from napari_paf.cli._plots import plot_measures

        for path in plot_measures(means, plots):
            say(f"{path} written")


def _print(means: list[dict[str, Any]], n_images: int) -> None:
    """Print a row for each mean; how many images it is over, if not over all."""
    table = Table(title=f"Means over {n_images} images")
    columns = [key for key in SHOWN if key in means[0]]
    if all(row["images"] == n_images for row in means):
        columns.remove("images")
    for key in columns:
        table.add_column(SHOWN[key], justify="left" if key == "method" else "right")
    for row in means:
        cells = {key: _cell(row[key]) for key in columns}
        if _is_far_off(row):
            cells["n_segments"] = f"* {cells['n_segments']}"
        table.add_row(*cells.values())
    print_whole(table)
    if any(map(_is_far_off, means)):
        console.print(
            f"* more than {FAR_OFF:.0%} off the number asked for: do not compare this "
            "row with others",
            soft_wrap=True,
        )


def _is_far_off(mean: dict[str, Any]) -> bool:
    asked: float = mean["n_asked"]
    return bool(abs(mean["n_segments"] - asked) > FAR_OFF * asked)


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.4g}" if value < 10_000 else f"{value:.0f}"


def _integers(text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise ValueError(
            f"n_segments={text!r}: give integers with commas between, such as 100,300."
        ) from None
