"""What does not fit a training is refused at once, by the name of the argument."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_paf import train_affinity
from napari_paf.training.augmentation import Augmentation

LABELS = np.arange(30 * 40).reshape(30, 40) // 300
PAIR = (LABELS.astype(float), LABELS)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("steps", None),
        ("event_every", None),
        ("boundary_weight", None),
        ("seed", None),
        ("seed", 2**63),
        ("seed", 10**30),
        ("unlabelled", "0"),
        ("unlabelled", 0.5),
        ("progress", 3),
        ("should_stop", True),
        ("augmentation", {"zoom": (1, 1)}),
        ("augmentation", False),
        ("loss", None),
        ("loss", ["seal"]),
        ("name", None),
        ("name", Path("cells")),
        ("checkpoint", 5),
        ("init", 5),
        ("init", True),
        ("init", "nobody"),
        ("init", "nowhere.safetensors"),
    ],
)
def test_arguments_of_the_wrong_kind(argument: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=rf"^{argument}=") as caught:
        train_affinity([PAIR], **{argument: value})
    said = str(caught.value)
    assert said.startswith(f"{argument}={value!r}: ")
    assert "model='nobody'" not in said


@pytest.mark.parametrize("argument", ["pairs", "validation"])
@pytest.mark.parametrize("value", [5, np.array(5)])
def test_pairs_that_are_no_list(argument: str, value: Any) -> None:
    arguments = {"pairs": [PAIR]} | {argument: value}
    with pytest.raises(TypeError, match=f"^{argument} of type .*: give a list"):
        train_affinity(**arguments)


def test_no_pairs_at_all() -> None:
    with pytest.raises(TypeError, match=r"^pairs of type NoneType: give a list"):
        train_affinity(None)  # type: ignore[arg-type]


def test_a_path_of_a_model_that_is_not_there() -> None:
    with pytest.raises(ValueError, match=r"^init='nowhere\.safetensors': "):
        train_affinity([PAIR], init=Path("nowhere.safetensors"))


@pytest.mark.parametrize(
    "changes",
    [
        {"zoom": (0, 1)},
        {"zoom": (1.5, 0.7)},
        {"zoom": 1.0},
        {"zoom": (1, 1, 1)},
        {"zoom": ("a", "b")},
        {"gamma": (-1, 1)},
        {"gamma": (1, float("inf"))},
        {"contrast": (float("nan"), 1)},
        {"stretch": 0},
        {"stretch": None},
        {"invert": 1.5},
        {"grey": -0.1},
        {"colour": 2},
        {"blur": "a"},
        {"noise": float("nan")},
        {"brightness": -1},
        {"blur_sigma": float("inf")},
        {"noise_sigma": True},
    ],
)
def test_augmentations_that_make_no_sense(changes: dict[str, Any]) -> None:
    (argument,) = changes
    with pytest.raises((TypeError, ValueError), match=f"^{argument}=.*: give"):
        Augmentation(**changes)
    with pytest.raises((TypeError, ValueError), match=f"^{argument}=.*: give"):
        dataclasses.replace(Augmentation(), **changes)


def test_augmentations_that_change_nothing_or_much() -> None:
    Augmentation((1, 1), 1, 0, 0, (1, 1), (1, 1), 0, 0, 0, 0, 0, 0)
    Augmentation([0.1, 9], 0.5, 1, 1, (0.1, 9), (0.1, 9), 5, 1, 1, 5, 1, 5)  # type: ignore[arg-type]
