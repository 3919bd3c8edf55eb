"""Compare the losses: same start, same data, same seeds, on photographs.

Usage::

    python tools/ablate_losses.py BSDS500_DIR OUTPUT_DIR --steps 400 --seeds 3

Goes on training the default model with every loss on the training part of BSDS500,
and measures every fifth image of the validation part against all of its annotators.
A loss that weighs boundaries more makes all affinities lower: the logits of every
model are shifted to where its mean achievable segmentation accuracy is best. Writes the
models, and ``OUTPUT_DIR/losses.csv``; what is there already is not done again.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import imageio.v3 as iio
import numpy as np
from training_data import read_photographs

from napari_paf import (
    entropy_rate_superpixels,
    load_model,
    predict_affinity,
    suitable_balance,
)
from napari_paf.metrics import (
    achievable_segmentation_accuracy,
    boundary_precision,
    boundary_recall,
)
from napari_paf.training.loop import LOSSES
from napari_paf.training.trainer import train_affinity

if TYPE_CHECKING:
    from napari_paf.affinity.model import AffinityModel

COUNTS = (100, 300, 600)
STEP = 1.0  # of the search for the best shift
MEASURES = {
    "asa": achievable_segmentation_accuracy,
    "boundary_recall": boundary_recall,
    "boundary_precision": boundary_precision,
}


def main() -> None:
    """Train with every loss and seed; write one row per model and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bsds500", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--init", default="default", help="model to start from")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--losses", nargs="+", default=list(LOSSES), choices=LOSSES)
    options = parser.parse_args()

    options.output.mkdir(parents=True, exist_ok=True)
    table = options.output / "losses.csv"
    if not table.exists():
        _append(table, [["loss", "seed", "shift", "n_segments", *MEASURES]])
    done = {tuple(row[:2]) for row in csv.reader(table.open())}
    if ("(start)", "") not in done:
        start = best_shift(load_model(options.init), options.bsds500 / "val")
        _append(table, [["(start)", "", *row] for row in start])
    samples = read_photographs(options.bsds500, "train")
    for seed in range(options.seeds):
        for loss in options.losses:
            path = options.output / f"{loss}-{seed}.safetensors"
            if not path.exists():
                *_, last = train_affinity(
                    samples,
                    init=options.init,
                    validation=(),
                    steps=options.steps,
                    event_every=options.steps,
                    batch=8,
                    size=160,
                    loss=loss,
                    learning_rate=options.learning_rate,
                    seed=seed,
                    name=path.stem,
                )
                assert last.model is not None
                last.model.save(path)
            if (loss, str(seed)) not in done:
                rows = best_shift(load_model(path), options.bsds500 / "val")
                _append(table, [[loss, seed, *row] for row in rows])


def best_shift(model: AffinityModel, folder: Path) -> list[list[object]]:
    """Return shift, count and measures for every count, at the best shift."""
    tried = {shift: measure(model, folder, shift) for shift in (-STEP, 0.0, STEP)}
    while True:
        best = max(tried, key=lambda shift: tried[shift][:, 0].mean())
        missing = [s for s in (best - STEP, best + STEP) if s not in tried]
        if not missing:
            break
        tried[missing[0]] = measure(model, folder, missing[0])
    return [
        [best, n, *(f"{score:.5f}" for score in row)]
        for n, row in zip(COUNTS, tried[best], strict=True)
    ]


def measure(
    model: AffinityModel, folder: Path, shift: float
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return the mean measures over every fifth image, a row for every count."""
    config = dataclasses.replace(model.config, shift=model.config.shift + shift)
    network = type(model.network)(config).eval()
    network.load_state_dict(model.network.state_dict())
    model = dataclasses.replace(model, network=network, config=config)
    scores = []
    for path in sorted((folder / "images").glob("*.jpg"))[::5]:
        image = iio.imread(path)
        truth = np.load(folder / "groundtruth" / f"{path.stem}.npz")["segments"]
        affinity = predict_affinity(image, model=model, channel_axis=-1)
        balance = suitable_balance(affinity, model)
        results = [
            entropy_rate_superpixels(affinity, n, balance=balance) for n in COUNTS
        ]
        scores.append(
            [[measure(r, truth) for measure in MEASURES.values()] for r in results]
        )
    return np.mean(scores, axis=0)


def _append(table: Path, rows: list[list[object]]) -> None:
    with table.open("a", newline="") as file:
        csv.writer(file).writerows(rows)


if __name__ == "__main__":
    main()
