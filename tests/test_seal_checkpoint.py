"""The published weights: same affinities as the original, and nothing executed."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from skimage.io import imread

from napari_paf import import_seal_checkpoint, load_model
from napari_paf.affinity.pixel_affinity_net import PixelAffinityNet
from napari_paf.affinity.seal_checkpoint import COUNTER, MAGIC

if TYPE_CHECKING:
    from pathlib import Path


def published_state() -> dict[str, torch.Tensor]:
    """Return random weights under the names that the published file has."""
    torch.manual_seed(0)
    state = PixelAffinityNet().state_dict()
    return {k: v.clone() for k, v in state.items() if not k.endswith(COUNTER)}


def write(path: Path, content: Any) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=False)
    return path


class Hostile:
    """Creates a file when it is unpickled."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.victim),)


def refused(path: Path, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        import_seal_checkpoint(path)
    message = str(caught.value)
    assert message.startswith(f"checkpoint {str(path)!r}: ")
    assert "\n" not in message


def test_weights_arrive_in_the_network(tmp_path: Path) -> None:
    state = published_state()
    model = import_seal_checkpoint(write(tmp_path / "w.pkl", state))
    loaded = model.network.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())
    assert not model.network.training
    assert model.name == "w"
    assert "CC BY-NC-SA 4.0" in model.licence


@pytest.mark.parametrize("image_id", ["103070"])
def test_affinities_are_those_of_the_original(
    shared_dir: Path, tmp_path: Path, image_id: str
) -> None:
    pytest.importorskip("cv2")
    stored = np.load(shared_dir / "goldens" / f"seal_val_{image_id}.npz")["affinity"]
    image = imread(shared_dir / "data/bsds500/val/images" / f"{image_id}.jpg")
    imported = import_seal_checkpoint(shared_dir / "goldens" / "seal_bsds500.pkl")
    imported.save(tmp_path / "seal.safetensors")
    model = load_model(tmp_path / "seal.safetensors")
    assert model.licence == imported.licence

    network: Any = model.network
    prepared = network.prepare(np.moveaxis(image, -1, 0))
    # A corner of the image, so that its border is seen too; then what is exact.
    part, halo = 160, network.halo
    tile = torch.from_numpy(prepared[:, : part + halo, : part + halo])
    with torch.inference_mode():
        logits = network(tile[None])[0, :, :part, :part]
    found = torch.sigmoid(logits / model.config.temperature).numpy()
    np.testing.assert_allclose(found, stored[:, :part, :part], atol=1e-4, rtol=0)


def test_a_hostile_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    state = {**published_state(), "extra": Hostile(victim)}
    refused(write(tmp_path / "state.pkl", state), "holds more than weights")
    plain = tmp_path / "plain.pkl"
    plain.write_bytes(pickle.dumps(Hostile(victim), protocol=2))
    refused(plain, "not the published checkpoint")
    behind = tmp_path / "behind.pkl"
    behind.write_bytes(MAGIC + pickle.dumps(Hostile(victim), protocol=2))
    refused(behind, "holds more than weights")
    archive = tmp_path / "archive.pkl"
    with tarfile.open(archive, "w") as tar:
        payload = pickle.dumps(Hostile(victim), protocol=2)
        for name in ("storages", "tensors", "pickle"):
            member = tarfile.TarInfo(name)
            member.size = len(payload)
            tar.addfile(member, io.BytesIO(payload))
    refused(archive, "not the published checkpoint")
    assert not victim.exists()
    # The payload is a real one.
    pickle.loads(pickle.dumps(Hostile(victim), protocol=2))
    assert victim.exists()


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.0005, 0.01, 0.5, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = write(tmp_path / "w.pkl", published_state())
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refused(path, "damaged|not the published checkpoint")


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("These are not weights.\n")
    refused(text, "not the published checkpoint")
    refused(tmp_path, "this is a folder")
    refused(tmp_path / "none.pkl", "no such file")
    refused(write(tmp_path / "list.pkl", [1, 2]), "not those of the 2018 network")
    padded = write(tmp_path / "padded.pkl", published_state())
    with padded.open("ab") as file:
        file.truncate(1 << 25)
    refused(padded, "not the published checkpoint")


def test_other_tensors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pkl"
    state = published_state()
    short = {k: v for k, v in state.items() if k != "conv1.bias"}
    refused(write(path, short), "not those of the 2018 network")
    refused(
        write(path, {**state, "x": torch.zeros(1)}), "not those of the 2018 network"
    )
    for value, reason in (
        (torch.zeros(127), r"'conv1.bias' is torch.float32 of shape \(127,\)"),
        (torch.zeros(128, dtype=torch.float64), "is torch.float64"),
        (torch.full((128,), torch.nan), "not finite"),
        ([0.0] * 128, "is not a tensor"),
    ):
        refused(write(path, {**state, "conv1.bias": value}), reason)
    negative = {**state, "in1.running_var": torch.full((128,), -1.0)}
    refused(write(path, negative), "negative variances")


def test_path_must_be_a_path() -> None:
    with pytest.raises(TypeError, match=r"^path=3:"):
        import_seal_checkpoint(3)  # type: ignore[arg-type]
