"""``napari-paf replay``: the superpixels of a layer once more, without a viewer."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_paf.cli._console import plain_errors, progress_bar, say

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from napari_paf._image_io import ImageFile
    from napari_paf._pixel_size import PixelSize


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
    from napari_paf._image_io import check_label_path, write_labels
    from napari_paf._records import check_record

    check_label_path(labels)
    noted = read_record(record)
    path = image or noted.get("image_path")
    if path is None:
        raise ValueError(
            f"{record} names no image file; give the image with --image FILE."
        )
    if not isinstance(path, str | Path):
        raise ValueError(
            f"{record} has image_path={path!r}, which is no text; give the image with "
            "--image FILE."
        )
    if image is None and Path(path).is_dir():  # a zarr array, for example
        raise ValueError(f"{path} is a folder; give the image with --image FILE.")
    check_label_path(labels, path, mask)
    check_record(noted)
    source = _read_image(path, noted)
    inside = None if mask is None else _read_mask(mask, noted)
    with progress_bar() as progress:
        progress(0, "Loading PyTorch and Numba")
        from napari_paf.replay import replay as compute

        result = compute(source.data, noted, mask=inside, progress=progress)
        progress(1, f"Writing {labels.name}")
        write_labels(labels, result, _size_of_result(source.size, noted))
    each = " in each plane," if noted["loop_axes"] else ""
    say(f"{noted['n_segments']} superpixels{each} in {labels}")


def _read_image(path: str | os.PathLike[str], record: dict[str, Any]) -> ImageFile:
    """Read the image with the axes that it had in the viewer."""
    from napari_paf._image_io import read_array, read_image
    from napari_paf._records import has_colours

    image = read_array(path)
    shape = list(record["image_shape"])
    if has_colours(record):
        shape += image.data.shape[-1:]
    fitting = _in_shape(image, shape)
    if fitting is not None:
        return fitting
    # Whatever else opened it may have left opacity out, as we do.
    try:
        return read_image(path)
    except ValueError:
        return image


def _read_mask(path: Path, record: dict[str, Any]) -> NDArray[Any]:
    """Read the mask with the axes that it had in the viewer."""
    from napari_paf._image_io import ImageFile, read_array, read_labels
    from napari_paf._pixel_size import PixelSize

    refused = None
    try:
        mask = ImageFile(read_labels(path), None, PixelSize())
    except ValueError as error:
        mask, refused = read_array(path), error
    shape = record["image_shape"]
    for wanted in (shape, [shape[axis] for axis in record["plane_axes"]]):
        fitting = _in_shape(mask, wanted)
        if fitting is not None and fitting.data.dtype.kind in "biu":
            return fitting.data
    if refused is not None:
        raise refused
    return mask.data


def _in_shape(image: ImageFile, shape: Sequence[int]) -> ImageFile | None:
    """Return an image with other axes of length 1, or None if that is not all."""
    data, spacing = image.data, image.size.spacing
    if list(data.shape) == list(shape):
        return image
    long = [axis for axis, length in enumerate(data.shape) if length != 1]
    if [data.shape[axis] for axis in long] != [n for n in shape if n != 1]:
        return None
    if spacing is not None:
        sizes = iter([spacing[axis] for axis in long])
        spacing = tuple(math.nan if n == 1 else next(sizes) for n in shape)
    size = replace(image.size, spacing=spacing)
    return replace(image, data=data.reshape(shape), size=size)


def _size_of_result(size: PixelSize, record: dict[str, Any]) -> PixelSize:
    """Return the size of pixels along the axes that the superpixels have."""
    n_axes, plane_axes = len(record["image_shape"]), record["plane_axes"]
    spacing, resolution = size.spacing, size.resolution
    kept = sorted((*record["loop_axes"], *plane_axes))
    if spacing is not None and len(spacing) >= n_axes:
        spacing = tuple(spacing[axis] for axis in kept)
    if spacing is None or len(spacing) != len(kept) or any(map(math.isnan, spacing)):
        spacing = None
    # The file's own resolution is that of rows and columns, which come last.
    spatial = [axis for axis in range(n_axes) if axis != record["channel_axis"]]
    if plane_axes[-2:] != spatial[-2:]:
        resolution = None
    return replace(size, spacing=spacing, resolution=resolution)


def read_record(path: Path) -> dict[str, Any]:
    """Return the record in a JSON file, or say what is wrong with it."""
    if path.is_dir():
        raise IsADirectoryError(
            f"{path} is a folder; give the .json file of a layer of superpixels."
        )
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
