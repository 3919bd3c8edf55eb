"""Let a model make affinities of its logits as another one does.

Usage::

    python tools/take_config.py MODEL OUTPUT [--of default] [--balance 0.5] ...

Temperature, shift, contrast, regularity, balance and doubt are chosen on images of the
kinds that the default has learnt from (``tune_default.py``). A model that is to be
judged on other kinds takes them from the default, so that nothing is chosen on what it
is judged by.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from tune_default import TUNED

from napari_paf import load_model


def main() -> None:
    """Read, replace, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--of", default="default", help="model to take from")
    for name in TUNED:
        parser.add_argument(f"--{name}", type=float, help="instead of the model's")
    options = parser.parse_args()
    model, other = load_model(options.model), load_model(options.of)
    taken = {name: getattr(other.config, name) for name in TUNED}
    given = {name: getattr(options, name) for name in TUNED}
    taken |= {name: value for name, value in given.items() if value is not None}
    model.config = model.network.config = dataclasses.replace(model.config, **taken)
    model.save(options.output)


if __name__ == "__main__":
    main()
