"""Training from a shell, and the models that come of it."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
import torch
from typer.testing import CliRunner

from napari_paf import load_model, train_affinity
from napari_paf.affinity.model import AffinityModel
from napari_paf.affinity.model_names import user_models
from napari_paf.affinity.unet import AffinityUNet, UNetConfig
from napari_paf.cli import app

RUN = CliRunner()


def run(*arguments, code=0):
    result = RUN.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def refusal(*arguments):
    """Run what must be refused; return the one sentence."""
    lines = run(*arguments, code=2).stderr.strip().splitlines()
    assert lines[-1].startswith("napari-paf: ")
    return lines[-1]


@pytest.fixture(autouse=True)
def _own_models(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_PAF_MODELS", str(tmp_path / "models"))


@pytest.fixture
def tiny(tmp_path):
    """Return the path of a tiny network to start from."""
    torch.manual_seed(0)
    config = UNetConfig(widths=(8, 12))
    network = AffinityUNet(config).eval()
    path = tmp_path / "tiny.safetensors"
    AffinityModel(network, config, network.offsets, name="tiny").save(path)
    return path


@pytest.fixture
def cells():
    labels = np.zeros((40, 48), np.uint16)
    labels[3:20, 3:20], labels[22:38, 25:45] = 1, 2
    noise = np.random.default_rng(0).integers(0, 40, labels.shape)
    return (noise + 150 * (labels > 0)).astype(np.uint8), labels


@pytest.fixture
def files(cells, tmp_path):
    image, labels = tmp_path / "cells.png", tmp_path / "cells_labels.tif"
    imageio.imwrite(image, cells[0])
    tifffile.imwrite(labels, cells[1])
    return image, labels


def test_the_same_model_as_in_python(files, cells, tiny, tmp_path):
    options = ("--init", tiny, "--steps", 2, "--device", "cpu", "--seed", 3)
    out = tmp_path / "out.safetensors"
    result = run("train", *files, "--name", "my cells", "--output", out, *options)
    assert "step 0, accuracy" in result.stderr
    *_, event = train_affinity([cells], init=tiny, steps=2, device="cpu", seed=3)
    expected = event.model.network.state_dict()
    for model in ("my cells", out):
        found = load_model(model).network.state_dict()
        assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert f"accuracy {event.best:.2%}" in result.stderr

    assert "--overwrite" in refusal("train", *files, "--name", "my cells", *options)
    assert "is there already" in refusal("train", *files, "--output", out, *options)
    written = user_models()["my cells"].stat().st_mtime_ns
    run("train", *files, "--name", "my cells", "--overwrite", *options)
    assert user_models()["my cells"].stat().st_mtime_ns > written


def test_pixels_that_are_no_squares(files, cells, tiny):
    options = ("--init", tiny, "--steps", 1, "--device", "cpu", "--spacing", "0.3,0.1")
    run("train", *files, "--name", "long", *options)
    *_, event = train_affinity(
        [cells], init=tiny, steps=1, device="cpu", spacing=(3, 1)
    )
    expected = event.model.network.state_dict()
    found = load_model("long").network.state_dict()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_folders_colours_and_a_time(cells, tiny, tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for number in range(2):
        colours = np.stack([cells[0]] * 3, axis=-1)
        imageio.imwrite(tmp_path / f"images/{number}.png", colours)
        tifffile.imwrite(tmp_path / f"labels/{number}.tif", cells[1])
    arguments = ("train", tmp_path / "images", tmp_path / "labels", "--init", tiny)
    run(*arguments, "--minutes", 0.002, "--unlabelled", 0, "--name", "colours")
    assert load_model("colours").summary["images"] == 2


def test_goes_on_from_a_checkpoint(files, tiny, tmp_path):
    state = tmp_path / "state.safetensors"
    options = ("--init", tiny, "--steps", 1, "--checkpoint", state, "--device", "cpu")
    first = run("train", *files, "--name", "one", *options)
    assert "step 1" in first.stderr
    again = run("train", *files, "--name", "two", *options)
    assert "step 0" not in again.stderr
    one, two = (load_model(name).network.state_dict() for name in ("one", "two"))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_ctrl_c_keeps_the_best(files, tiny, monkeypatch):
    module = sys.modules["napari_paf.cli.train"]

    monkeypatch.setattr(
        module, "_tell", lambda event: os.kill(os.getpid(), signal.SIGINT)
    )
    before = signal.getsignal(signal.SIGINT)
    result = run("train", *files, "--name", "cells", "--init", tiny, "--steps", 10**6)
    assert "stopping after this step" in result.stderr
    assert list(user_models()) == ["cells"]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ((), "give --name or --output"),
        (("--name", "default"), "taken"),
        (("--name", "x", "--minutes", 1, "--steps", 2), "not both"),
        (("--name", "x", "--steps", 0), "steps=0"),
        (("--name", "x", "--minutes", 0), "minutes=0"),
        (("--name", "x", "--init", "nobody"), "init='nobody'"),
        (("--name", "x", "--minutes", "nan"), "minutes=nan"),
        (("--name", "x", "--loss", "dice"), "dice"),
        (("--output", "x.pt"), "safetensors"),
        (("--output", "no folder/x.safetensors"), "no folder"),
        (("--name", "x", "--channel-axis", 5), "cells.png"),
        (("--name", "x", "--spacing", "3;1"), "spacing='3;1'"),
        (("--name", "x", "--spacing", "3,1,1"), "spacing=(3.0, 1.0, 1.0): give 2"),
    ],
)
def test_refusals(files, options, reason):
    assert reason in refusal("train", *files, *options)
    assert not user_models()


def test_the_checkpoint_is_checked_before_images_are_read(files, tmp_path):
    files[0].write_bytes(b"no image")
    options = ("--name", "x", "--checkpoint")
    missing = tmp_path / "no folder" / "state.safetensors"
    assert "there is no folder" in refusal("train", *files, *options, missing)
    assert "is a folder" in refusal("train", *files, *options, tmp_path)


def test_files_that_are_not_there(files, tmp_path):
    options = ("--name", "x")
    assert "no such" in refusal("train", tmp_path / "no", files[1], *options)
    assert "two folders" in refusal("train", tmp_path, files[1], *options)


def out_of_space(*args, **options):
    raise OSError(28, "No space left on device")


def test_a_file_that_cannot_be_written_costs_no_training(
    files, tiny, tmp_path, monkeypatch
):
    monkeypatch.setattr(AffinityModel, "save", out_of_space)
    options = ("--init", tiny, "--steps", 1, "--output", tmp_path / "out.safetensors")
    # Where there is a name, it has the model.
    said = refusal("train", *files, "--name", "cells", *options)
    assert "out.safetensors' cannot be written" in said and "instead" not in said
    assert list(user_models()) == ["cells"]
    # Where there is none, it gets a free one.
    assert load_model("cells").name == "cells"
    for name in ("out", "out 2"):
        said = refusal("train", *files, *options)
        assert f"is in {user_models()[name]} instead" in said
    load_model("out 2")


def test_a_name_that_is_taken_meanwhile_costs_no_training(files, tiny, monkeypatch):
    module = sys.modules["napari_paf.cli.train"]
    folder = Path(os.environ["NAPARI_PAF_MODELS"])

    def take(event):
        folder.mkdir(exist_ok=True)
        shutil.copy(tiny, folder / "cells.safetensors")

    monkeypatch.setattr(module, "_tell", take)
    options = ("--init", tiny, "--steps", 1)
    said = refusal("train", *files, "--name", "cells", *options)
    assert "name='cells' is taken" in said
    assert load_model("cells 2").summary["started from"] == "tiny"
    assert (folder / "cells.safetensors").read_bytes() == tiny.read_bytes()


def test_a_folder_of_models_that_is_gone_costs_no_training(
    files, tiny, tmp_path, monkeypatch
):
    module = sys.modules["napari_paf.cli.train"]
    monkeypatch.setattr(
        module, "_tell", lambda event: (tmp_path / "models").write_text("a file")
    )
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    said = refusal("train", *files, "--name", "cells", "--init", tiny, "--steps", 1)
    (kept,) = tmp_path.glob("napari-paf-*/cells.safetensors")
    assert f"is in {kept} instead" in said
    load_model(kept)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs such a folder")
def test_the_folder_of_models_is_checked_first(files, tiny, monkeypatch):
    monkeypatch.setenv("NAPARI_PAF_MODELS", "/proc/napari-paf/models")
    for command in (
        ("train", *files, "--name", "x", "--init", "nobody"),
        ("models", "import", tiny),
    ):
        said = refusal(*command)
        assert "NAPARI_PAF_MODELS='/proc/napari-paf/models'" in said


@pytest.mark.parametrize("best", [0, 1])
def test_says_which_step_the_model_is_of(files, tiny, monkeypatch, best):
    scores = iter([0.5 + (best == 0) / 4, 0.6])
    monkeypatch.setattr(
        "napari_paf.training.loop.validate", lambda *arguments: next(scores)
    )
    result = run("train", *files, "--name", "x", "--init", tiny, "--steps", 1)
    if best == 0:
        wanted = "accuracy 75.00% before the first of 1 steps: training did not help"
    else:
        wanted = "accuracy 60.00% at step 1 of 1"
    assert wanted in result.stderr


@pytest.mark.parametrize("labels", [(1, 1), (0, 1), (1, 2)])
def test_warns_where_there_is_nothing_to_learn(files, tiny, labels):
    truth = np.full((40, 48), labels[0], np.uint8)
    truth[:, 24:] = labels[1]
    tifffile.imwrite(files[1], truth)
    options = ("--name", "x", "--init", tiny, "--steps", 1, "--unlabelled", 0)
    result = run("train", *files, *options)
    assert ("no label image has two labels" in result.stderr) == (labels != (1, 2))


def test_import_of_a_name_in_capitals(tiny, tmp_path):
    (tmp_path / "TINY.SAFETENSORS").write_bytes(tiny.read_bytes())
    run("models", "import", tmp_path / "TINY.SAFETENSORS")
    assert list(user_models()) == ["TINY"]


def test_import_rename_and_delete(tiny):
    assert "--model 'tiny'" in run("models", "import", tiny).stderr
    run("models", "import", tiny, "--name", "other")
    assert list(user_models()) == ["other", "tiny"]
    assert "--overwrite" in refusal("models", "import", tiny)
    run("models", "import", tiny, "--overwrite")
    run("models", "rename", "other", "mine")
    assert "other" in refusal("models", "rename", "other", "x")
    assert RUN.invoke(app, ["models", "delete", "mine"], input="n\n").exit_code == 1
    assert list(user_models()) == ["mine", "tiny"]
    assert RUN.invoke(app, ["models", "delete", "mine"], input="y\n").exit_code == 0
    run("models", "delete", "tiny", "--yes")
    assert not user_models()
    assert "default" in refusal("models", "delete", "default", "--yes")
