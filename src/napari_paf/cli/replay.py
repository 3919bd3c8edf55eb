"""``napari-paf replay``: the superpixels of a layer once more, without a viewer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_paf.cli._console import messages, plain_errors, progress_bar


@plain_errors
def replay(
    record: Annotated[
        Path,
        typer.Argument(
            help="JSON file with the record of a layer of superpixels: what "
            "napari's Save Selected Layers writes as .json."
        ),
    ],
    labels: Annotated[Path, typer.Argument(help="TIFF file to write.")],
    image: Annotated[
        Path | None,
        typer.Option(help="Image file. Default: the one that the record names."),
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(help="Image file of the mask, if there was one.")
    ] = None,
) -> None:
    """Compute superpixels again from what the viewer noted about them."""
    from napari_paf._image_io import (
        check_label_path,
        read_image,
        read_labels,
        write_labels,
    )

    check_label_path(labels)
    noted = read_record(record)
    path = image or noted.get("image_path")
    if path is None:
        raise ValueError(
            f"{record} names no image file; give the image with --image FILE."
        )
    check_label_path(labels, path, mask)
    source = read_image(path)
    inside = None if mask is None else read_labels(mask)
    with progress_bar() as progress:
        progress(0, "Loading PyTorch and Numba")
        from napari_paf.replay import replay as compute

        result = compute(source.data, noted, mask=inside, progress=progress)
        progress(1, f"Writing {labels.name}")
        write_labels(labels, result, source.size)
    messages.print(f"{noted['n_segments']} superpixels in {labels}", markup=False)


def read_record(path: Path) -> dict[str, Any]:
    """Return the record in a JSON file, or say what is wrong with it."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file.")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError(
            f"{path} is no JSON file; save the layer of superpixels as .json in napari."
        ) from None
    if not isinstance(record, dict) or "n_segments" not in record:
        raise ValueError(
            f"{path} holds no record; save the layer of superpixels as .json in napari."
        )
    return record
