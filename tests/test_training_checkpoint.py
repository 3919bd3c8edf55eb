"""Checkpoints that cannot be written, and such as are damaged."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from napari_paf import train_affinity
from napari_paf.affinity.model import AffinityModel
from napari_paf.affinity.unet import AffinityUNet, UNetConfig
from napari_paf.training.checkpoint import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_paf import TrainingEvent


def events(checkpoint: Any, **changes: Any) -> Iterator[TrainingEvent]:
    """Return a small training, always the same."""
    torch.manual_seed(0)
    config = UNetConfig(widths=(4, 8))
    network = AffinityUNet(config)
    labels = np.arange(30 * 40).reshape(30, 40) // 300
    arguments: dict[str, Any] = {"steps": 4, "event_every": 1, "batch": 2, "size": 16}
    return train_affinity(
        [(labels.astype(float), labels)],
        init=AffinityModel(network, config, network.offsets, name="small"),
        checkpoint=checkpoint,
        device="cpu",
        **arguments | changes,
    )


def test_a_full_disk_does_not_end_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "state.safetensors"
    started = events(path)
    next(started)
    before = [next(started)]
    content = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fail)
        with pytest.warns(UserWarning, match=r"state\.safetensors.*No space.*goes on"):
            before.append(next(started))
        before.append(next(started))  # without another warning
    assert [event.step for event in before] == [1, 2, 3]
    assert path.read_bytes() == content
    # There is room again.
    assert [event.step for event in started] == [4, 4]
    assert [event.step for event in events(path)] == [4]
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_folder_that_is_gone_does_not_end_the_training(tmp_path: Path) -> None:
    folder = tmp_path / "states"
    folder.mkdir()
    started = events(folder / "state.safetensors")
    next(started)
    shutil.rmtree(folder)
    with pytest.warns(UserWarning, match="no folder") as caught:
        assert [event.step for event in started] == [1, 2, 3, 4, 4]
    assert len(caught) == 1


@pytest.mark.parametrize("name", ["a" * 300 + ".safetensors", "a\0b", ""])
def test_places_that_cannot_be_written_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"^checkpoint=.*(cannot be written|a folder)"):
        events(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_numbers_of_numpy(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    ours = {"batch": 2, "seed": 3, "learning_rate": 0.5, "boundary_weight": 4}
    theirs = {
        "batch": np.int64(2),
        "seed": np.int64(3),
        "learning_rate": np.float32(0.5),
        "boundary_weight": np.int16(4),
    }
    *_, last = events(path, **theirs)
    assert [event.step for event in events(path, **ours)] == [last.step]


def without_tensor(state: dict, tensors: dict) -> Any:
    tensors.popitem()
    return state


def without_moments(state: dict, tensors: dict) -> Any:
    for key in [key for key in tensors if key.startswith("optimizer")]:
        del tensors[key]
    return state


def of_other_shape(state: dict, tensors: dict) -> Any:
    key = next(key for key in tensors if key.endswith("weight"))
    tensors[key] = torch.zeros(3, 5, 7)
    return state


def without(*keys: str) -> Callable[[dict, dict], Any]:
    def change(state: dict, tensors: dict) -> Any:
        within = state
        for key in keys[:-1]:
            within = within[key]
        del within[keys[-1]]
        return state

    return change


@pytest.mark.parametrize(
    "damage",
    [
        lambda state, tensors: [state],
        lambda state, tensors: [],
        lambda state, tensors: "nonsense",
        lambda state, tensors: None,
        lambda state, tensors: {**state, "progress": [1, 2]},
        lambda state, tensors: {**state, "random": "nonsense"},
        without("fingerprint"),
        without("progress"),
        without("progress", "step"),
        without("random"),
        without("random", "state"),
        without_tensor,
        without_moments,
        of_other_shape,
    ],
)
def test_damaged_checkpoints(
    tmp_path: Path, damage: Callable[[dict, dict], Any]
) -> None:
    path = tmp_path / "state.safetensors"
    list(events(path))
    with safe_open(path, framework="pt") as file:
        state = json.loads(file.metadata()[KEY])
        tensors = {key: file.get_tensor(key) for key in file.keys()}
    state = damage(state, tensors)
    save_file(tensors, path, {KEY: json.dumps(state)})
    with pytest.raises(ValueError, match=r"^checkpoint=.*not a training checkpoint"):
        events(path)
