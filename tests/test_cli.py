"""The command line, as a user types it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_paf import list_models, load_model, superpixels
from napari_paf.cli import app
from napari_paf.samples import list_samples, load_sample

RUN = CliRunner()


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    imageio.imwrite(path, load_sample("histology_rgb").image[:60, :70])
    return path


def run(*arguments, code=0):
    result = RUN.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def refusal(*arguments):
    """Run what must be refused; return the one sentence."""
    result = run(*arguments, code=2)
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert lines[-1].startswith("napari-paf: ")
    assert "Traceback" not in result.output
    return lines[-1]


def test_segment(picture, tmp_path):
    out = tmp_path / "labels.tif"
    run("segment", picture, out, "--n-segments", 40, "--device", "cpu")
    image = imageio.imread(picture)
    expected = superpixels(image, 40, channel_axis=-1, device="cpu")
    np.testing.assert_array_equal(tifffile.imread(out), expected)
    assert sorted(os.listdir(tmp_path)) == ["labels.tif", "picture.png"]


@pytest.mark.parametrize("read", ["image", "mask"])
def test_segment_never_replaces_what_it_reads(read, tmp_path):
    given = tmp_path / "given.tif"
    tifffile.imwrite(given, np.ones((20, 24), np.uint8))
    other = tmp_path / "other.tif"
    tifffile.imwrite(other, np.ones((20, 24), np.uint8))
    before = given.read_bytes()
    options = ["--mask", given] if read == "mask" else []
    image = other if read == "mask" else given
    assert "another name" in refusal("segment", image, given, "-n", 4, *options)
    assert given.read_bytes() == before


@pytest.mark.parametrize("read", ["image", "recorded", "mask"])
def test_replay_never_replaces_what_it_reads(read, tmp_path):
    given, other = tmp_path / "given.tif", tmp_path / "other.tif"
    for path in (given, other):
        tifffile.imwrite(path, np.ones((20, 24), np.uint8))
    before = given.read_bytes()
    record = tmp_path / "record.json"
    noted = {"n_segments": 4}
    if read == "recorded":
        noted["image_path"] = str(given)
    record.write_text(json.dumps(noted))
    options = {
        "image": ["--image", given],
        "recorded": [],
        "mask": ["--image", other, "--mask", given],
    }[read]
    assert "another name" in refusal("replay", record, given, *options)
    assert given.read_bytes() == before


def test_segment_with_everything(tmp_path):
    rng = np.random.default_rng(0)
    volume = rng.integers(0, 4000, (2, 5, 16, 18)).astype(np.uint16)
    mask = np.zeros(volume.shape[1:], np.uint8)
    mask[1:, 2:] = 1
    tifffile.imwrite(tmp_path / "volume.tif", volume, byteorder=">")
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    out = tmp_path / "labels.tiff"
    options = ["-n", 12, "--model", "gradient", "--balance", 0.2, "--connectivity", 3]
    options += ["--channel-axis", 0, "--mask", tmp_path / "mask.tif"]
    options += ["--spacing", "3,1,1", "--n-threads", 1]
    run("segment", tmp_path / "volume.tif", out, *options)
    expected = superpixels(
        volume,
        12,
        model="gradient",
        balance=0.2,
        connectivity=3,
        channel_axis=0,
        mask=mask,
        spacing=(3, 1, 1),
    )
    np.testing.assert_array_equal(tifffile.imread(out), expected)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-n", 0], "n_segments=0"),
        (["-n", 5000], "4200 pixels"),
        (["--balance", -1], "balance=-1"),
        (["--connectivity", 3], "connectivity=3"),
        (["--model", "nonesuch"], "nonesuch"),
        (["--device", "tpu"], "device='tpu'"),
        (["--spacing", "1;1"], "spacing='1;1'"),
        (["--mask", "nowhere.png"], "nowhere.png"),
        (["--channel-axis", 4], "channel_axis=4"),
    ],
)
def test_segment_says_what_is_wrong_and_leaves_the_old_file(
    picture, tmp_path, options, said
):
    out = tmp_path / "labels.tif"
    out.write_text("old")
    assert said in refusal("segment", picture, out, *options)
    assert out.read_text() == "old"


def test_segment_checks_the_names_first(picture, tmp_path):
    assert ".tif" in refusal("segment", picture, tmp_path / "labels.png")
    assert "no folder" in refusal("segment", picture, tmp_path / "no" / "labels.tif")
    assert "no such file" in refusal("segment", tmp_path / "a.tif", tmp_path / "b.tif")


def test_interrupted(picture, tmp_path, monkeypatch):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_paf.superpixels", interrupt, raising=False)
    result = RUN.invoke(app, ["segment", str(picture), str(tmp_path / "labels.tif")])
    assert result.exit_code not in (0, 2)
    assert os.listdir(tmp_path) == ["picture.png"]


def test_demo_without_a_screen(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["napari_paf.cli.demo"], "has_screen", lambda: False)
    monkeypatch.chdir(tmp_path)
    result = run("demo", "--model", "gradient")
    assert "no screen" in result.stderr
    assert len(os.listdir(tmp_path / "napari-paf-demo")) == 3


@pytest.mark.parametrize("key", list_samples())
def test_demo_into_a_folder(tmp_path, key):
    out = tmp_path / "new" / "folder"
    options = ["--n-segments", 200, "--model", "gradient", "--output", out]
    result = run("demo", "--sample", key, *options)
    labels = tifffile.imread(out / f"{key}_superpixels.tif")
    assert np.unique(labels).tolist() == list(range(1, 201))
    picture = imageio.imread(out / f"{key}_outlines.png")
    assert picture.shape == (*labels.shape[-2:], 3)
    yellow = (picture == (255, 255, 0)).all(axis=-1)
    assert yellow.any()
    if load_sample(key).labels is None:
        return
    figures = json.loads((out / f"{key}_figures.json").read_text())
    assert figures["n_segments"] == 200
    assert "achievable segmentation accuracy" in result.stdout


def test_demo_names_the_samples():
    assert "histology_rgb" in refusal("demo", "--sample", "nonesuch")


def test_models(tmp_path):
    assert all(name in run("models").stdout for name in list_models())
    card = json.loads(run("models", "show", "default").stdout)
    assert card["config"]["architecture"] == "unet"
    assert card["licence"]
    run("models", "export", "default", tmp_path / "mine.safetensors")
    assert load_model(tmp_path / "mine.safetensors").offsets == tuple(
        tuple(offset) for offset in card["offsets"]
    )
    before = (tmp_path / "mine.safetensors").read_bytes()
    again = ("models", "export", "default", tmp_path / "mine.safetensors")
    (tmp_path / "mine.safetensors").write_bytes(b"mine")
    assert "--overwrite" in refusal(*again)
    assert (tmp_path / "mine.safetensors").read_bytes() == b"mine"
    run(*again, "--overwrite")
    assert (tmp_path / "mine.safetensors").read_bytes() == before
    assert "nonesuch" in refusal("models", "show", "nonesuch")
    (tmp_path / "broken.safetensors").write_bytes(b"broken")
    assert "broken" in refusal("models", "show", tmp_path / "broken.safetensors")


def test_a_broken_model_does_not_hide_the_others(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_PAF_MODELS", str(tmp_path))
    (tmp_path / "broken.safetensors").write_bytes(b"broken")
    lines = run("models").stdout.splitlines()
    (row,) = (line for line in lines if "not a safetensors file" in line)
    assert row.split()[1] == "broken"
    assert any("default" in line and "unet" in line for line in lines)


def test_models_import(shared_dir, tmp_path):
    out = tmp_path / "seal.safetensors"
    out.write_bytes(b"mine")
    command = ("models", "import", shared_dir / "goldens" / "seal_bsds500.pkl", out)
    assert "--overwrite" in refusal(*command)
    assert out.read_bytes() == b"mine"
    run(*command, "--overwrite")
    assert load_model(out).config.architecture == "pixel_affinity_net"


def test_evaluate(tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(0)
    for number in range(2):
        labels = np.ones((40, 48), np.uint8)
        labels[:, 20:] = 2
        image = labels * 60 + rng.integers(0, 20, labels.shape).astype(np.uint8)
        file = tmp_path / "images" / f"{number}.npz"
        np.savez(file, image=image, labels=labels)
    table, plots = tmp_path / "figures.csv", tmp_path / "plots"
    options = ["--methods", "gradient,slic", "-n", "10,20", "--csv", table]
    result = run("evaluate", tmp_path / "images", *options, "--plots", plots)
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    assert len(rows) == 2 * 2 * 2
    ours = [row for row in rows if row["method"] == "gradient"]
    assert [row["n_segments"] for row in ours] == ["10.0", "20.0"] * 2
    assert float(ours[0]["achievable_segmentation_accuracy"]) == 1
    assert "Means over 2 images" in result.stdout
    assert "precision" in result.stdout and "\u2026" not in result.stdout
    assert {"boundary_recall.png", "seconds.png"} <= set(os.listdir(plots))
    quick = run("evaluate", tmp_path / "images", *options, "--every", "2")
    assert "Means over 1 images" in quick.stdout
    assert "none of the files" in refusal("evaluate", tmp_path)
    assert "there is no such folder" in refusal("evaluate", tmp_path / "nowhere")
    assert "n_segments='x'" in refusal("evaluate", tmp_path / "images", "-n", "x")
    # Before any work starts.
    table.unlink()
    for wrong, said in (
        (["--csv", tmp_path / "nowhere" / "a.csv"], "no folder"),
        (["--csv", tmp_path], "is a folder"),
        (["--csv", tmp_path / "images" / "1.npz"], "is a file to read from"),
        ([tmp_path / "images" / "truths"], "truths': there is no such folder"),
        (["--plots", tmp_path / "images" / "0.npz"], "is a file"),
        (["--plots", tmp_path / "images" / "0.npz" / "plots"], "is a file"),
        (["--methods", "slic,slik", "--csv", table], "slik"),
        (["--methods", "slic,slik"], "compact-watershed"),
        (["--methods", "slic,default", "--device", "foo"], "device='foo'"),
        (["-n", "0"], "n_segments=0"),
        (["--pixels-per-segment", "0"], "pixels_per_segment=0"),
    ):
        assert said in refusal("evaluate", tmp_path / "images", *wrong)
    assert not table.exists()
    # What was measured before an error is kept.
    for method in ("gradient", "slic"):
        large = ["--methods", method, "-n", "10,99999", "--csv", table]
        ended = run("evaluate", tmp_path / "images", *large, code=2)
        assert "0.npz: n_segments=99999" in ended.stderr.replace("\n", "")
        assert "Means over 1 images" in ended.stdout
        rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
        assert [row["n_asked"] for row in rows] == ["10"]
        table.unlink()


def test_help_is_instant():
    program = (
        "import sys; from napari_paf.cli import app\n"
        "heavy = {'torch', 'numba', 'napari', 'skimage', 'scipy', 'matplotlib'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
