"""Compare superpixel methods on every kind of microscopy, on images held out.

Usage::

    python tools/compare_on_microscopy.py MICROSCOPY_DIR OUTPUT_DIR
    python tools/compare_on_microscopy.py MICROSCOPY_DIR OUTPUT_DIR \\
        --models MODEL.safetensors --kinds histology_rgb_dsb2018 --all

Looks at up to `--most` images of a kind that `training_data.py` holds out, at most
512 x 512 pixels of each and planes of volumes, with a superpixel per 300 and per 100
pixels. With ``--all`` also at those it learns from, for kinds that a model has never
seen. Writes ``microscopy.csv``, a row for each kind, method and size, and prints a
table. Methods that take no count are searched to it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from training_data import KINDS, is_held_out

from napari_paf.evaluation import compare, summarize, write_csv

HAND_MADE = ("gradient", "slic", "slic-zero", "compact-watershed", "felzenszwalb")
PIXELS_PER_SEGMENT = (300, 100)
LARGEST = 512
MEASURES = ("achievable_segmentation_accuracy", "achievable_iou")


class Plane(NamedTuple):
    """An image and its ground truth, as `napari_paf.evaluation` reads them."""

    name: str
    image: np.ndarray
    labels: np.ndarray

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Return image and ground truth."""
        return self.image, self.labels


def planes_of_kind(folder: Path, *, everything: bool, most: int) -> list[Plane]:
    """Return images of a kind, evenly chosen, and planes of its volumes."""
    paths = sorted(folder.glob("*.npz"))
    planes = []
    for number, path in enumerate(paths):
        if len(paths) > 1 and not everything and not is_held_out(number):
            continue
        data = np.load(path)
        image, labels = data["image"], data["labels"]
        if image.ndim == 3 and image.shape[-1] != 3:
            # The part that `training_data.py` leaves alone.
            first = 0 if everything else int(np.floor(0.85 * len(image))) + 1
            planes += [
                Plane(f"{path.stem} plane {z}", image[z], labels[z])
                for z in range(first, len(image), 3)
            ]
        else:
            planes.append(Plane(path.stem, image, labels))
    planes = planes[:: -(-len(planes) // most)]
    window = slice(LARGEST), slice(LARGEST)
    return [Plane(p.name, p.image[window], p.labels[window]) for p in planes]


def main() -> None:
    """Measure kind by kind; write and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("microscopy", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--models", nargs="+", default=["default"])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--all", action="store_true", help="not only what is held out")
    parser.add_argument("--most", type=int, default=4, help="images of a kind")
    options = parser.parse_args()

    methods = (*options.models, *HAND_MADE)
    table: list[dict[str, Any]] = []
    for kind in options.kinds:
        planes = planes_of_kind(
            options.microscopy / kind, everything=options.all, most=options.most
        )
        for pixels in PIXELS_PER_SEGMENT:
            rows = list(compare(planes, methods, pixels_per_segment=pixels))
            for row in rows:  # images differ in size, so in the number asked for
                row["n_asked"] = pixels
            for mean in summarize(rows):
                mean["method"] = Path(mean["method"]).stem
                table.append({"kind": kind, "pixels": pixels, **mean})
        options.output.mkdir(parents=True, exist_ok=True)
        write_csv(table, options.output / "microscopy.csv")
    print_table(table, [Path(method).stem for method in methods])


def print_table(table: list[dict[str, Any]], methods: list[str]) -> None:
    """Print ASA and achievable IoU of every kind and method, and their means."""
    print("| kind, pixels a superpixel |", " | ".join(methods), "|")
    print("| --- |" + " --- |" * len(methods))
    sums: dict[str, list[list[float]]] = {method: [] for method in methods}
    for kind in dict.fromkeys(row["kind"] for row in table):
        for pixels in PIXELS_PER_SEGMENT:
            cells = []
            for method in methods:
                (row,) = (
                    row
                    for row in table
                    if (row["kind"], row["pixels"], row["method"])
                    == (kind, pixels, method)
                )
                scores = [row[measure] for measure in MEASURES]
                sums[method].append(scores)
                cells.append(" ".join(f"{score:.4f}" for score in scores))
            print(f"| {kind}, {pixels} |", " | ".join(cells), "|")
    means = [np.nanmean(sums[method], axis=0) for method in methods]
    cells = [" ".join(f"{score:.4f}" for score in mean) for mean in means]
    print("| mean |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
