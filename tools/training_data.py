"""The images that the default network learns from, and those that are held out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import imageio.v3 as iio
import numpy as np

from napari_paf.training.sampling import Sample, make_sample

if TYPE_CHECKING:
    from pathlib import Path

# Share of crops per kind (photographs take PHOTOGRAPHS), and the weight of pairs
# within label 0, where that hides cytoplasm, membranes or cells left out.
PHOTOGRAPHS = 0.55
KINDS = {
    "nuclei_fluorescence_dsb2018": (1.5, 1.0),
    "brightfield_cytology_dsb2018": (0.7, 0.2),
    "histology_rgb_dsb2018": (1.5, 1.0),
    "phase_contrast_usiigaci": (1.0, 0.5),
    "em_fibsem_3d_flyem": (1.0, 0.2),
    "em_tem_axons_ads": (1.0, 0.2),
    "em_sem_axons_ads": (1.0, 0.2),
    "nuclei_3d_plantseg": (0.5, 1.0),
    "nuclei_3d_qcanet": (0.4, 1.0),
    "nuclei_3d_stardist": (0.4, 1.0),
}


def is_held_out(number: int) -> bool:
    """Tell whether file `number` of a kind, sorted by name, is for validation."""
    return number % 7 == 3


def read_everything(
    bsds500: Path, microscopy: Path, *, without: Sequence[str] = ()
) -> list[Sample]:
    """Return all images to learn from, without those of some kinds."""
    samples = read_photographs(bsds500, "train")
    for kind in KINDS:
        if kind not in without:
            samples += read_kind(microscopy / kind)
    return samples


def read_photographs(folder: Path, split: str) -> list[Sample]:
    """Return the BSDS500 images of a split, with all annotators."""
    paths = sorted((folder / split / "images").glob("*.jpg"))
    return [
        make_sample(
            np.moveaxis(iio.imread(path), -1, 0),
            np.load(folder / split / "groundtruth" / f"{path.stem}.npz")["segments"],
            share=PHOTOGRAPHS / len(paths),
        )
        for path in paths
    ]


def read_kind(folder: Path, *, held_out: bool = False) -> list[Sample]:
    """Return the learning or the held-out part of one kind of microscopy.

    Volumes give planes: of a kind with one volume, the last ones are held out.
    """
    share, background_weight = KINDS[folder.name]
    planes: list[tuple[np.ndarray, np.ndarray]] = []
    paths = sorted(folder.glob("*.npz"))
    for number, path in enumerate(paths):
        if len(paths) > 1 and is_held_out(number) != held_out:
            continue
        pair = np.load(path)
        image, labels = pair["image"], pair["labels"]
        if image.ndim == 2:
            planes.append((image[None], labels))
        elif image.shape[-1] == 3:
            planes.append((np.moveaxis(image, -1, 0), labels))
        else:
            cut = math.floor(0.85 * len(image))
            part = slice(cut + 1, None, 3) if held_out else slice(cut)
            image, labels = image[part], labels[part]
            # Only isotropic volumes look alike from all sides.
            isotropic = "fibsem" in folder.name and not held_out
            axes = (0, 1, 2) if isotropic else (0,)
            planes += [
                (np.take(image, i, axis)[None], np.take(labels, i, axis))
                for axis in axes
                for i in range(0, image.shape[axis], len(axes))
            ]
    whole = sum(share for share, _ in KINDS.values())
    return [
        make_sample(
            plane,
            truth,
            background_weight=background_weight,
            share=(1 - PHOTOGRAPHS) * share / whole / len(planes),
        )
        for plane, truth in planes
    ]
