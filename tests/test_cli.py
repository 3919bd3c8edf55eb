"""The command line, as a user types it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_paf import list_models, load_model, superpixels
from napari_paf._image_io import read_image
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


def record_of(image_path, shape, **noted):
    """Return what the viewer notes about one plane, the last two axes."""
    return {
        "image_path": str(image_path),
        "image_shape": list(shape),
        "plane": [0] * (len(shape) - 2),
        "plane_axes": [len(shape) - 2, len(shape) - 1],
        "loop_axes": [],
        "channel_axis": None,
        "channels": None,
        "window": None,
        "zoom": [1.0] * len(shape),
        "spacing": None,
        "n_segments": 6,
        "model": "gradient",
        "balance": 0.5,
        "connectivity": 2,
        "mask_layer": None,
        "outlines": None,
        "unique": True,
        "device": "cpu",
        **noted,
    }


def replayed(record, folder, *options):
    """Return the labels that a record leads to, and what was said."""
    (folder / "record.json").write_text(json.dumps(record))
    out = folder / "again.tif"
    result = run("replay", folder / "record.json", out, *options)
    return tifffile.imread(out), result.stderr


@pytest.mark.parametrize(
    ("name", "shape", "plane"),
    [
        ("a.tif", (3, 20, 24), [2]),
        ("a.tif", (3, 2, 4, 20, 24), [2, 1, 3]),
        ("a.npy", (3, 2, 4, 20, 24), [2, 1, 3]),
        ("a.npy", (20, 24), []),
    ],
)
def test_replay_of_a_series(tmp_path, name, shape, plane):
    series = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    if name == "a.tif":
        metadata = {"axes": "TYX" if len(shape) == 3 else "TZCYX", "unit": "um"}
        options = {"imagej": True, "resolution": (4, 2), "metadata": metadata}
        tifffile.imwrite(tmp_path / name, series, **options)
    else:
        np.save(tmp_path / name, series)
    record = record_of(tmp_path / name, shape, plane=plane)
    expected = superpixels(series[tuple(plane)], 6, model="gradient", balance=0.5)
    labels, _ = replayed(record, tmp_path)
    np.testing.assert_array_equal(labels, expected)
    # Readers differ in whether they keep axes of length 1.
    record = record_of(tmp_path / name, (1, *shape), plane=[0, *plane])
    labels, _ = replayed(record, tmp_path)
    np.testing.assert_array_equal(labels, expected)
    if name == "a.tif":
        size = read_image(tmp_path / "again.tif").size
        assert size.spacing == (0.5, 0.25)


def test_replay_of_every_plane_with_a_mask(tmp_path):
    series = np.random.default_rng(0).integers(0, 255, (3, 20, 24)).astype(np.uint8)
    mask = np.zeros(series.shape, np.uint8)
    mask[:2, 3:, 5:] = 1
    for name, data in (("a.tif", series), ("mask.tif", mask)):
        options = {"imagej": True, "metadata": {"axes": "TYX"}}
        tifffile.imwrite(tmp_path / name, data, **options)
    noted = {"plane": [], "loop_axes": [0], "unique": False, "mask_layer": "mask"}
    record = record_of(tmp_path / "a.tif", series.shape, **noted)
    labels, said = replayed(record, tmp_path, "--mask", tmp_path / "mask.tif")
    for number in range(2):
        expected = superpixels(
            series[number], 6, model="gradient", balance=0.5, mask=mask[number]
        )
        np.testing.assert_array_equal(labels[number], expected)
    assert not labels[2].any()
    assert "6 superpixels in each plane, in" in said


def test_replay_of_pictures(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (20, 24, 4)).astype(np.uint8)
    imageio.imwrite(tmp_path / "grey.png", pixels[..., :2])
    noted = {"plane": [1], "plane_axes": [0, 1]}
    record = record_of(tmp_path / "grey.png", (20, 24, 2), **noted)
    expected = superpixels(pixels[..., 1], 6, model="gradient", balance=0.5)
    np.testing.assert_array_equal(replayed(record, tmp_path)[0], expected)
    # A reader that leaves opacity out.
    record = record_of(tmp_path / "grey.png", (20, 24))
    expected = superpixels(pixels[..., 0], 6, model="gradient", balance=0.5)
    np.testing.assert_array_equal(replayed(record, tmp_path)[0], expected)

    imageio.imwrite(tmp_path / "a.gif", pixels[..., :3])
    shape = imageio.imread(tmp_path / "a.gif").shape  # as in napari
    assert shape == (1, 20, 24, 3)
    record = record_of(tmp_path / "a.gif", shape[:3], channels="rgb")
    colours = imageio.imread(tmp_path / "a.gif")[0]
    expected = superpixels(colours, 6, model="gradient", balance=0.5, channel_axis=-1)
    np.testing.assert_array_equal(replayed(record, tmp_path)[0], expected)

    imageio.imwrite(tmp_path / "rgba.png", pixels)
    record = record_of(tmp_path / "rgba.png", (20, 24), channels="green")
    expected = superpixels(pixels[..., 1], 6, model="gradient", balance=0.5)
    np.testing.assert_array_equal(replayed(record, tmp_path)[0], expected)


def test_replay_wants_the_same_image(tmp_path):
    series = np.zeros((3, 20, 24), np.uint8)
    options = {"imagej": True, "metadata": {"axes": "TYX"}}
    tifffile.imwrite(tmp_path / "a.tif", series, **options)
    for shape, noted in (((20, 24), {}), ((3, 20), {"channels": "rgb"})):
        record = record_of(tmp_path / "a.tif", shape, **noted)
        (tmp_path / "record.json").write_text(json.dumps(record))
        said = refusal("replay", tmp_path / "record.json", tmp_path / "b.tif")
        assert "image of shape (3, 20, 24)" in said
    assert not (tmp_path / "b.tif").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("n_segments", "six"),
        ("hierarchy_n_segments", 0),
        ("image_shape", [20]),
        ("image_shape", "abc"),
        ("plane_axes", [1, 3]),
        ("plane_axes", [2, 1]),
        ("plane_axes", None),
        ("loop_axes", [1]),
        ("channel_axis", 2),
        ("channel_axis", "c"),
        ("plane", []),
        ("plane", [3]),
        ("channels", "purple"),
        ("channels", {}),
        ("window", [[1, 5, 4]]),
        ("window", [[0, 0, 1]]),
        ("window", [1]),
        ("zoom", [1.0]),
        ("zoom", [1, 1, "x"]),
        ("outlines", [[1, 2]]),
        ("outlines", [[[1, 2], [3, 4]]]),
        ("outlines", ["abc"]),
        ("image_path", 5),
    ],
)
def test_replay_says_what_is_damaged(tmp_path, key, value):
    np.save(tmp_path / "a.npy", np.zeros((3, 20, 24), np.uint8))
    record = record_of(tmp_path / "a.npy", (3, 20, 24)) | {key: value}
    (tmp_path / "record.json").write_text(json.dumps(record))
    said = refusal("replay", tmp_path / "record.json", tmp_path / "b.tif")
    assert f"{key}=" in said


def test_replay_says_what_is_missing(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 20, 24), np.uint8))
    whole = record_of(tmp_path / "a.npy", (3, 20, 24))
    for key in whole.keys() - {"mask_layer"}:
        record = {k: value for k, value in whole.items() if k != key}
        (tmp_path / "record.json").write_text(json.dumps(record))
        said = refusal("replay", tmp_path / "record.json", tmp_path / "b.tif")
        wanted = {"image_path": "--image", "n_segments": "no record"}
        assert wanted.get(key, f"without {key}") in said
    assert "is a folder" in refusal("replay", tmp_path, tmp_path / "b.tif")


def test_segment_with_an_axis_of_channels_in_a_calibrated_file(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (2, 20, 24)).astype(np.uint8)
    metadata = {"axes": "ZYX", "spacing": 2.0, "unit": "um"}
    options = {"imagej": True, "resolution": (4, 2), "metadata": metadata}
    tifffile.imwrite(tmp_path / "a.tif", image, **options)
    out = tmp_path / "labels.tif"
    options = ["-n", 6, "--model", "gradient", "--channel-axis", 0]
    run("segment", tmp_path / "a.tif", out, *options)
    assert read_image(out).size.spacing == (0.5, 0.25)


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


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs such a folder")
def test_places_that_cannot_be_written_are_found_first(tmp_path):
    # Even an administrator cannot write there, and no image is read before.
    nowhere, image = Path("/proc/napari-paf.tif"), tmp_path / "no image.tif"
    image.write_bytes(b"no image")
    record = tmp_path / "record.json"
    record.write_text(json.dumps(record_of(image, (20, 24))))
    model = nowhere.with_suffix(".safetensors")
    for command in (
        ("segment", image, nowhere),
        ("replay", record, nowhere),
        ("demo", "--model", "nonesuch", "--output", nowhere.with_suffix("")),
        ("evaluate", tmp_path / "nowhere", "--csv", nowhere),
        ("evaluate", tmp_path / "nowhere", "--plots", nowhere.with_suffix("")),
        ("models", "export", "nonesuch", model),
        ("models", "import", image, model),
        ("train", image, image, "--output", model),
        ("train", image, image, "--name", "x", "--checkpoint", nowhere),
    ):
        assert "nothing can be written into" in refusal(*command)


def test_folders_without_permission(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    said = refusal("segment", "a.tif", tmp_path / "labels.tif")
    assert f"nothing can be written into {tmp_path}" in said
    said = refusal("demo", "--output", tmp_path / "new" / "folder")
    assert f"nothing can be written into '{tmp_path}'" in said


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are none here")
def test_what_can_be_no_file_is_found_first(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    for name, said in (
        ("", f"csv='{tmp_path}' is a folder: give"),
        ("pipe.csv", "pipe.csv' is no ordinary file: give"),
        ("no/a.csv", "no/a.csv': there is no folder"),
        ("a" * 300, "a' cannot be written ("),
    ):
        assert said in refusal("evaluate", tmp_path, "--csv", tmp_path / name)


def test_demo_wants_a_folder(tmp_path):
    (tmp_path / "a").write_text("a file")
    for output in (tmp_path / "a", tmp_path / "a" / "b"):
        options = ("--model", "nonesuch", "--output", output)
        assert "is a file" in refusal("demo", *options)


def test_messages_keep_paths_whole(picture, tmp_path):
    folder = tmp_path / ("a" * 90) / "[red] :smile:"
    folder.mkdir(parents=True)
    options = ("-n", 4, "--model", "gradient")
    result = run("segment", picture, folder / "labels.tif", *options)
    # A pipe gets no bar, and no line where it would have been.
    assert result.stderr == f"4 superpixels in {folder / 'labels.tif'}\n"


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
    said = refusal("demo", "--sample", "nonesuch")
    assert "sample='nonesuch'" in said
    assert "histology_rgb" in said


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
