"""Model files: what is saved comes back, and what is broken says so."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_paf.affinity.model import AffinityModel, list_models, load_model
from napari_paf.affinity.seal_checkpoint import import_seal_checkpoint
from napari_paf.affinity.unet import AffinityUNet, UNetConfig

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def model() -> AffinityModel:
    torch.manual_seed(0)
    config = UNetConfig(widths=(4, 6), temperature=2.0)
    network = AffinityUNet(config).eval()
    return AffinityModel(
        network,
        config,
        network.offsets,
        summary={"trained on": ["noise"], "asa": 0.5},
        licence="CC0",
        name="small",
    )


@pytest.fixture
def path(model: AffinityModel, tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    model.save(path)
    return path


def parts(path: Path) -> tuple[dict, bytes]:
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def rewrite(path: Path, header: object, data: bytes) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def with_metadata(path: Path, **changes: object) -> None:
    header, data = parts(path)
    metadata = json.loads(header["__metadata__"]["napari_paf"]) | changes
    header["__metadata__"]["napari_paf"] = json.dumps(metadata)
    rewrite(path, header, data)


def with_tensors(path: Path, change: object) -> None:
    metadata = parts(path)[0]["__metadata__"]
    state = load_file(path)
    change(state)  # type: ignore[operator]
    save_file(state, path, metadata)


def refused(path: Path) -> str:
    with pytest.raises(ValueError, match="model file") as caught:
        load_model(path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400 + len(str(path))
    return message


def test_round_trip(model: AffinityModel, path: Path) -> None:
    loaded = load_model(path)
    assert loaded.config == model.config
    assert loaded.offsets == model.offsets
    assert (loaded.summary, loaded.licence, loaded.name) == (
        model.summary,
        model.licence,
        model.name,
    )
    assert not loaded.network.training
    x = torch.rand(1, 3, 9, 11)
    with torch.inference_mode():
        assert torch.equal(loaded.network(x), model.network(x))
    assert load_model(str(path)).name == "small"


def test_same_model_same_bytes(model: AffinityModel, path: Path) -> None:
    before = path.read_bytes()
    model.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_failed_save_leaves_the_old_file(
    model: AffinityModel, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        model.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_loaded_model_can_be_trained(path: Path) -> None:
    network = load_model(path).network.train()
    network(torch.rand(2, 3, 8, 8)).mean().backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"name": None}, TypeError, "name=None: give a str"),
        ({"licence": 3}, TypeError, "licence=3: give a str"),
        ({"summary": ["x"]}, TypeError, "summary=.* give a dict"),
        ({"summary": {"asa": torch.ones(1)}}, TypeError, "summary: give what JSON"),
        ({"summary": {"notes": "x" * 2**20}}, ValueError, "summary: it takes"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(
    model: AffinityModel, path: Path, changes: dict, error: type, message: str
) -> None:
    before = path.read_bytes()
    with pytest.raises(error, match=message):
        replace(model, **changes).save(path)
    assert path.read_bytes() == before


def test_half_precision_is_not_written(model: AffinityModel, path: Path) -> None:
    model.network.half()
    with pytest.raises(TypeError, match=r"network: .*float16; make it 32-bit"):
        model.save(path)


def test_a_path_is_a_path(model: AffinityModel) -> None:
    with pytest.raises(TypeError, match="path=None"):
        model.save(None)  # type: ignore[arg-type]


def test_names_too_long_for_a_file_system() -> None:
    with pytest.raises(ValueError, match="there is no model of this name"):
        load_model("a" * 300)
    with pytest.raises(ValueError, match=r"model file .*cannot be read"):
        load_model("a" * 300 + ".safetensors")
    with pytest.raises(ValueError, match=r"checkpoint .*cannot be read"):
        import_seal_checkpoint("a" * 300 + ".pkl")


def test_variances_below_zero(path: Path) -> None:
    def change(state: dict) -> None:
        (key, *_) = (key for key in state if key.endswith("running_var"))
        state[key] -= 2

    with_tensors(path, change)
    assert "variances below 0" in refused(path)


def test_save_wants_the_suffix(model: AffinityModel, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ends in"):
        model.save(tmp_path / "model.pt")


def test_bundled_models_load() -> None:
    names = list_models()
    assert names[0] == "default"
    for name in names:
        model = load_model(name)
        assert model.name == name
        assert model.licence
        assert model.summary


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match=r"'no-such-model'.*choose one of default"):
        load_model("no-such-model")


def test_wrong_type() -> None:
    with pytest.raises(TypeError, match="name_or_path=7"):
        load_model(7)  # type: ignore[arg-type]


def test_missing_file_and_folder(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "none.safetensors")
    assert "a folder" in refused(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02}q\x00." * 9])
def test_wrong_magic(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "not a safetensors file" in refused(path)


@pytest.mark.parametrize("keep", [8, 40, 0.5, 0.999, -1])
def test_truncated(path: Path, keep: float) -> None:
    content = path.read_bytes()
    keep = int(keep * len(content)) if 0 < keep < 1 else int(keep)
    path.write_bytes(content[:keep])
    message = refused(path)
    assert "cut off" in message or "not a safetensors file" in message


@pytest.mark.parametrize("length", [(1 << 20) + 1, 2**63, 2**64 - 1])
def test_huge_header(path: Path, length: int) -> None:
    path.write_bytes(struct.pack("<Q", length) + b"{}" * 10)
    assert f"claims {length} bytes" in refused(path)


@pytest.mark.parametrize(
    "text", [b"{not json", b"{" * 5000, b'{"a":' * 9000, b'{"\xff": 1}']
)
def test_header_is_not_json(path: Path, text: bytes) -> None:
    rewrite(path, text, b"")
    assert "not valid JSON" in refused(path)


@pytest.mark.parametrize(
    "entry",
    [
        7,
        {"data_offsets": [0]},
        {"data_offsets": ["a", "b"]},
        {"data_offsets": 3},
    ],
)
def test_tensor_described_wrongly(path: Path, entry: object) -> None:
    header, data = parts(path)
    header["head.weight"] = entry
    rewrite(path, header, data)
    assert "describes a tensor wrongly" in refused(path)


def test_overlapping_tensors(path: Path) -> None:
    header, data = parts(path)
    first = header["down.0.first.conv.weight"]
    first["data_offsets"] = [n + 4 for n in first["data_offsets"]]
    rewrite(path, header, data)
    assert "damaged" in refused(path)


def test_some_other_safetensors_file(path: Path) -> None:
    save_file({"weight": torch.zeros(3)}, path)
    assert "not a napari-paf model" in refused(path)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"format_version": 2}, "version 2"),
        ({"format_version": "1"}, "no valid 'format_version'"),
        ({"config": [1]}, "no valid 'config'"),
        ({"config": {}}, "architecture is None"),
        ({"config": {"architecture": "vit"}}, "architecture is 'vit'"),
        ({"config": {"architecture": "unet", "depth": 3}}, "'depth', which this"),
        ({"config": {"architecture": "unet", "widths": [2**40]}}, "makes no network"),
        ({"config": {"architecture": "unet", "ndim": 5}}, "makes no network"),
        ({"offsets": [[0, 1], [1, 0]]}, "are not the ones of its network"),
        ({"summary": "text"}, "no valid 'summary'"),
        ({"licence": 3}, "no valid 'licence'"),
    ],
)
def test_metadata(path: Path, changes: dict, match: str) -> None:
    with_metadata(path, **changes)
    assert match in refused(path)


@pytest.mark.parametrize("balance", [float("nan"), -1, 1001, "much", None])
def test_balance_that_is_none(path: Path, balance: object) -> None:
    config = json.loads(parts(path)[0]["__metadata__"]["napari_paf"])["config"]
    with_metadata(path, config=config | {"balance": balance})
    assert "balance=" in refused(path)


@pytest.mark.parametrize("doubt", [float("nan"), -0.1, 1.1, "some", None])
def test_doubt_that_is_none(path: Path, doubt: object) -> None:
    config = json.loads(parts(path)[0]["__metadata__"]["napari_paf"])["config"]
    with_metadata(path, config=config | {"doubt": doubt})
    assert "doubt=" in refused(path)


def test_config_of_another_size(path: Path) -> None:
    with_metadata(path, config={"architecture": "unet", "widths": [5, 6]})
    assert "its network needs F32 of shape" in refused(path)


def test_missing_tensor(path: Path) -> None:
    with_tensors(path, lambda state: state.pop("head.bias"))
    assert "1 tensors of its network are missing, 'head.bias'" in refused(path)


def test_extra_tensor(path: Path) -> None:
    with_tensors(path, lambda state: state.update(extra=torch.zeros(2)))
    assert "1 tensors do not belong to its network, 'extra'" in refused(path)


@pytest.mark.parametrize("wrong", [torch.zeros(5), torch.zeros(4, dtype=torch.float64)])
def test_wrong_shape_or_type(path: Path, wrong: torch.Tensor) -> None:
    with_tensors(path, lambda state: state.update({"head.bias": wrong}))
    assert "tensor 'head.bias' is" in refused(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(path: Path, value: float) -> None:
    with_tensors(path, lambda state: state["head.weight"][0].fill_(value))
    assert "'head.weight' holds values that are not finite" in refused(path)


def test_any_cut_or_flipped_byte_is_refused_or_loads(path: Path) -> None:
    content = path.read_bytes()
    for at in range(0, 3000, 7):
        broken = bytearray(content)
        broken[at] ^= 0x15
        path.write_bytes(bytes(broken))
        try:
            load_model(path)
        except ValueError as error:
            assert "model file" in str(error)
