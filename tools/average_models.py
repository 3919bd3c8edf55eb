"""Average the weights of models that went on training from one start.

Usage::

    python tools/average_models.py OUTPUT MODEL MODEL ... [--regularity 0.006]
    python tools/average_models.py OUTPUT MODEL --config-of default

Models that share a start average well, and the average is a little better than any of
them. A model named twice counts twice. With ``--config-of``, how logits become
affinities is taken from another model.

The shipped default is the average of three trainings on photographs
(``ablate_losses.py``, cross-entropy) and, counted three times, one of
``train_default.py`` with ``--init default --learning-rate 6e-4``. It was then trained
by ``train_default.py`` in the same way for 2600 steps with a ``--share`` of 1.8 for
bright-field cytology, 0.8 for ``nuclei_3d_stardist`` and 2.2 for fluorescent nuclei,
and, after ``--contrast 1.4`` here, for 1500 steps with shares of 1.4, 0.6 and 1.8.
``tune_default.py`` made its file after ``--contrast 2``.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import torch

from napari_paf import load_model


def main() -> None:
    """Average and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--regularity", type=float, help="of the result")
    parser.add_argument("--contrast", type=float, help="of the result")
    parser.add_argument("--config-of", help="model of the same size")
    options = parser.parse_args()
    models = [load_model(model) for model in options.models]
    states = [model.network.state_dict() for model in models]
    mean = {
        key: torch.stack([state[key].double() for state in states]).mean(0).to(value)
        for key, value in states[0].items()
    }
    result = models[0]
    result.network.load_state_dict(mean)
    config = result.config
    if options.config_of is not None:
        config = load_model(options.config_of).config
    for name in ("regularity", "contrast"):
        if (value := getattr(options, name)) is not None:
            config = dataclasses.replace(config, **{name: value})
    result.config = result.network.config = config
    result.summary["averaged"] = [model.name for model in models]
    result.save(options.output)


if __name__ == "__main__":
    main()
