"""``napari-paf segment``: superpixels of an image file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from napari_paf.cli._checks import check_numbers
from napari_paf.cli._console import Device, Model, plain_errors, progress_bar, say


@plain_errors
def segment(
    image: Annotated[Path, typer.Argument(help="Image file: TIFF, PNG, JPEG, ...")],
    labels: Annotated[Path, typer.Argument(help="TIFF file to write.")],
    n_segments: Annotated[
        int, typer.Option("--n-segments", "-n", help="Number of superpixels.")
    ] = 300,
    model: Model = "default",
    balance: Annotated[
        float | None,
        typer.Option(
            help="How much equal sizes matter, from 0 to 1000. Default: what suits the "
            "image."
        ),
    ] = None,
    connectivity: Annotated[
        int, typer.Option(help="Neighbours: 1 shares faces, 2 also edges, 3 corners.")
    ] = 2,
    channel_axis: Annotated[
        int | None,
        typer.Option(
            help="Axis of the channels, from 0 or from -1. Default: as the file says."
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(help="Image file; superpixels only where it is not 0."),
    ] = None,
    spacing: Annotated[
        str | None,
        typer.Option(
            help="Size of a pixel along each axis, such as '3,1,1'. Default: as the "
            "file says."
        ),
    ] = None,
    device: Device = "auto",
    n_threads: Annotated[
        int | None, typer.Option(help="Threads that cluster. Default: one per core.")
    ] = None,
) -> None:
    """Divide an image into superpixels and write them as a label image.

    Labels are 1 to N, 0 outside the mask; the TIFF is tiled and compressed. An
    existing file is replaced when the result is complete, not before.
    """
    from napari_paf._image_io import (
        check_label_path,
        read_image,
        read_labels,
        write_labels,
    )
    from napari_paf._pixel_size import without_axis

    check_label_path(labels, image, mask)
    source = read_image(image)
    inside = None if mask is None else read_labels(mask)
    size = source.size
    if channel_axis is not None and source.channel_axis is None:
        size = replace(size, spacing=without_axis(size.spacing, channel_axis))
    sizes = size.spacing if spacing is None else check_numbers("spacing", spacing)
    with progress_bar() as progress:
        progress(0, "Loading PyTorch and Numba")
        from napari_paf import superpixels

        result = superpixels(
            source.data,
            n_segments,
            model=model,
            balance=balance,
            connectivity=connectivity,
            channel_axis=source.channel_axis if channel_axis is None else channel_axis,
            mask=inside,
            spacing=sizes,
            device=device,
            n_threads=n_threads,
            progress=progress,
        )
        progress(1, f"Writing {labels.name}")
        write_labels(labels, result, size)
    say(f"{n_segments} superpixels in {labels}")
