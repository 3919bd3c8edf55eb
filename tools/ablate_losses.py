"""Compare the losses: same network, same data, same seeds, on photographs.

Usage::

    python tools/ablate_losses.py BSDS500_DIR OUTPUT.csv --steps 2000 --seeds 3

Learns from the training part of BSDS500, and measures every fifth image of the
validation part against all of its annotators.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import torch
from train_default import read_photographs

from napari_paf.clustering.entropy_rate import entropy_rate_superpixels
from napari_paf.metrics import (
    achievable_segmentation_accuracy,
    boundary_precision,
    boundary_recall,
)
from napari_paf.training.loop import LOSSES
from napari_paf.training.trainer import train_affinity

COUNTS = (100, 300, 600)
MEASURES = {
    "asa": achievable_segmentation_accuracy,
    "boundary_recall": boundary_recall,
    "boundary_precision": boundary_precision,
}
TEMPERATURE = 2.0  # undoes some of the boundaries' weight in the loss


def main() -> None:
    """Train with every loss and seed; write one row per model and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bsds500", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--losses", nargs="+", default=list(LOSSES), choices=LOSSES)
    options = parser.parse_args()

    samples = read_photographs(options.bsds500, "train")
    folder = options.bsds500 / "val"
    with options.output.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["loss", "seed", "n_segments", *MEASURES])
        for seed in range(options.seeds):
            for loss in options.losses:
                for event in train_affinity(
                    samples,
                    init=None,
                    validation=(),
                    steps=options.steps,
                    event_every=options.steps,
                    loss=loss,
                    seed=seed,
                ):
                    model = event.model
                assert model is not None
                for n, scores in measure(model.network, folder).items():
                    table.writerow([loss, seed, n, *(f"{s:.5f}" for s in scores)])
                file.flush()


def measure(
    network: torch.nn.Module, folder: Path
) -> dict[int, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Return the mean measures over every fifth image, for every count."""
    scores: dict[int, list[list[float]]] = {n: [] for n in COUNTS}
    for path in sorted((folder / "images").glob("*.jpg"))[::5]:
        image = network.prepare(np.moveaxis(iio.imread(path), -1, 0))
        truth = np.load(folder / "groundtruth" / f"{path.stem}.npz")["segments"]
        with torch.inference_mode():
            logits = network(torch.from_numpy(image)[None])[0]
        affinity = torch.sigmoid(logits / TEMPERATURE).numpy()
        for n in COUNTS:
            labels = entropy_rate_superpixels(affinity, n, n_threads=1)
            scores[n].append([measure(labels, truth) for measure in MEASURES.values()])
    return {n: np.mean(rows, axis=0) for n, rows in scores.items()}


if __name__ == "__main__":
    main()
