"""Comparing methods over folders of images."""

from __future__ import annotations

import csv
import math

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from napari_paf import evaluation, metrics
from napari_paf._baselines import at_count, baselines, run_baseline
from napari_paf._examples import images_without_truth


@pytest.fixture
def picture():
    """Three uniform stripes with noise, and the stripes as truth."""
    truth = np.repeat([1, 2, 3], 20)[None].repeat(48, 0)
    noise = np.random.default_rng(0).normal(0, 4, truth.shape)
    return (truth * 70 + noise).clip(0, 255).astype(np.uint8), truth.astype(np.uint8)


@pytest.fixture
def folders(tmp_path, picture):
    image, truth = picture
    images, truths = tmp_path / "images", tmp_path / "truths"
    images.mkdir()
    truths.mkdir()
    iio.imwrite(images / "a.png", image)
    np.savez(truths / "a.npz", segments=np.stack([truth, truth > 1]))
    tifffile.imwrite(images / "b.tif", image.astype(np.uint16) * 100)
    iio.imwrite(truths / "b.png", truth)
    iio.imwrite(images / "c.png", np.stack([image, image // 2, 255 - image], -1))
    tifffile.imwrite(truths / "c.tif", truth)
    iio.imwrite(images / "without_truth.png", image)
    return images, truths


def test_examples_are_paired_by_name(folders, picture):
    examples = evaluation.find_examples(*folders)
    assert [example.name for example in examples] == ["a", "b", "c"]
    shapes = [tuple(array.shape for array in example.read()) for example in examples]
    assert shapes == [
        ((48, 60), (2, 48, 60)),
        ((48, 60), (48, 60)),
        ((48, 60, 3), (48, 60)),
    ]
    np.testing.assert_array_equal(examples[0].read()[0], picture[0])


def test_one_file_may_hold_both(tmp_path, picture):
    np.savez(tmp_path / "x.npz", image=picture[0], labels=picture[1])
    (example,) = evaluation.find_examples(tmp_path)
    for found, expected in zip(example.read(), picture, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_rows_hold_the_measures_of_what_was_returned(folders):
    examples = evaluation.find_examples(*folders)
    fractions = []
    rows = list(
        evaluation.compare(
            examples,
            ("compact-watershed", "slic"),
            (12, 30),
            progress=lambda fraction, _: fractions.append(fraction),
        )
    )
    assert len(rows) == 3 * 2 * 2
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    image, truth = examples[1].read()
    labels = run_baseline("compact-watershed", image, 30).labels
    expected = metrics.evaluate(labels, truth, image=image)
    (row,) = (
        row
        for row in rows
        if (row["image"], row["method"], row["n_asked"])
        == ("b", "compact-watershed", 30)
    )
    assert {key: row[key] for key in expected} == expected
    assert all(row["seconds"] > 0 for row in rows)


@pytest.mark.parametrize("name", baselines())
def test_baselines_come_near_the_count(name):
    rng = np.random.default_rng(1)
    image = rng.random((96, 96, 3)).cumsum(0).cumsum(1)
    labels, _ = run_baseline(name, image, 60)
    assert labels.shape == (96, 96)
    assert len(np.unique(labels)) == pytest.approx(60, rel=0.25)


def test_felzenszwalb_reaches_large_numbers():
    image = np.random.default_rng(1).random((96, 96)).cumsum(0).cumsum(1)
    labels, _ = run_baseline("felzenszwalb", image, 900)
    assert len(np.unique(labels)) == pytest.approx(900, rel=0.1)


def test_search_finds_the_nearest_count():
    def method(setting):  # steps of 7, more with a higher setting
        return np.arange(7 * math.floor(setting))

    assert len(at_count(method, 90, 1, 1000, True, 40).labels) == 91
    falling = at_count(lambda s: method(1000 / s), 90, 1, 1000, False, 40)
    assert len(falling.labels) == 91


def test_summary_is_the_mean_over_images(tmp_path):
    rows = [
        {"image": name, "method": m, "n_asked": 5, "accuracy": a, "iou": i}
        for name, m, a, i in [
            ("x", "ours", 0.5, math.nan),
            ("y", "ours", 1.0, 0.25),
            ("x", "slic", 0.25, math.nan),
        ]
    ]
    means = evaluation.summarize(rows)
    assert [(m["method"], m["images"], m["accuracy"]) for m in means] == [
        ("ours", 2, 0.75),
        ("slic", 1, 0.25),
    ]
    assert means[0]["iou"] == 0.25
    assert math.isnan(means[1]["iou"])
    rows[0]["n_asked"] = 6
    (mean, _) = evaluation.summarize(rows, by=["method"])
    assert (mean["method"], mean["images"], mean["n_asked"]) == ("ours", 2, 5.5)
    evaluation.write_csv(rows, tmp_path / "rows.csv")
    with open(tmp_path / "rows.csv", newline="", encoding="utf-8") as file:
        back = list(csv.DictReader(file))
    assert [row["accuracy"] for row in back] == ["0.5", "1.0", "0.25"]


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"methods": ["slic", "slik"]}, ValueError, "slik.*compact-watershed"),
        ({"methods": ["lsc-"]}, ValueError, "lsc-"),
        ({"methods": "slic"}, TypeError, "methods='slic': give a sequence"),
        ({"device": "foo"}, ValueError, "device='foo'"),
        ({"device": "foo", "methods": ["slic"]}, ValueError, "device='foo'"),
        ({"n_segments": [9, 0]}, ValueError, "n_segments=0"),
        ({"n_segments": [1.5]}, TypeError, "n_segments=1.5"),
        ({"n_segments": ["9"]}, TypeError, "n_segments='9'"),
        ({"pixels_per_segment": 0}, ValueError, "pixels_per_segment=0"),
        ({"pixels_per_segment": 1.5}, TypeError, "pixels_per_segment=1.5"),
        ({"unlabelled": "0"}, TypeError, "unlabelled='0'"),
    ],
)
def test_arguments_are_checked_at_once(arguments, error, said):
    with pytest.raises(error, match=said):
        evaluation.compare([], **arguments)


@pytest.mark.skipif("lsc" in baselines(), reason="OpenCV has its contributed modules")
@pytest.mark.parametrize("method", ["lsc", "seeds"])
def test_what_is_missing_is_named(method):
    with pytest.raises(ValueError, match="opencv-contrib-python-headless"):
        evaluation.compare([], [method])


def test_iterators_of_methods_and_examples(folders):
    found = list(
        evaluation.compare(
            iter(evaluation.find_examples(*folders)), iter(["gradient", "slic"]), [20]
        )
    )
    assert len(found) == 3 * 2


def test_what_systems_leave_in_folders_is_no_image(folders):
    for folder in folders:
        for name in (".DS_Store", "._a.png"):
            (folder / name).write_bytes(b"no image")
        (folder / "c more").mkdir()
        (folder / "more.png").mkdir()
    examples = evaluation.find_examples(*folders)
    assert [example.name for example in examples] == ["a", "b", "c"]


def test_the_files_that_an_evaluation_fails_on_are_named(folders, picture):
    tifffile.imwrite(folders[1] / "b.png", picture[1].astype(np.float32))
    (folders[1] / "b.png").rename(folders[1] / "b.tif")
    np.savez(folders[0] / "c.npz", other=picture[0])
    (folders[0] / "c.png").unlink()
    found, said = [], []
    for name in "abc":
        examples = [e for e in evaluation.find_examples(*folders) if e.name == name]
        try:
            found += evaluation.compare(examples, ["gradient"], [20])
        except ValueError as error:
            said.append(str(error))
    assert len(found) == 1
    assert "b.tif" in said[0]
    assert "float32" in said[0]
    assert "c.npz" in said[1]


def test_only_files_with_endings_of_images_count(folders):
    examples = evaluation.find_examples(*folders)
    for folder in folders:
        for ending in ("txt", "json", "csv", "mat", "pdf", "h5"):
            (folder / f"a.{ending}").write_bytes(b"no image")
    assert evaluation.find_examples(*folders) == examples
    left_out = images_without_truth(*folders)
    assert [path.name for path in left_out] == ["without_truth.png"]


@pytest.mark.parametrize("number", [0, 1])
def test_two_files_that_fit_are_named(number, folders, picture):
    tifffile.imwrite(folders[number] / "c.tif", picture[1])
    iio.imwrite(folders[number] / "c.png", picture[1])
    # Without a partner, nobody asks which is meant.
    tifffile.imwrite(folders[number] / "z.tif", picture[1])
    iio.imwrite(folders[number] / "z.png", picture[1])
    with pytest.raises(ValueError, match=r"c\.png and c\.tif"):
        evaluation.find_examples(*folders)


def written(path, array):
    """Write an array as the kind of file that its name tells."""
    options = {}
    if path.stem in ("planar", "colours"):
        options = {"photometric": "rgb", "planarconfig": "separate"}
    if path.stem == "pages":
        options = {"photometric": "minisblack"}
    if path.stem == "imagej":
        options = {"imagej": True}
    if path.suffix == ".tif":
        tifffile.imwrite(path, array, **options)
    elif path.suffix == ".png":
        iio.imwrite(path, array)
    else:
        with path.open("wb") as file:
            np.savez(file, image=array, segments=array)
    return path


@pytest.mark.parametrize("name", ["grey.png", "planar.tif", "page.tif", "grey.NPZ"])
def test_images_are_read_as_by_other_commands(name, tmp_path, picture):
    image, truth = picture
    stored, expected = {
        "grey.png": (np.stack([image, 255 - image], -1), image),  # and opacity
        "planar.tif": (np.stack([image] * 3), np.stack([image] * 3, -1)),
        "page.tif": (image[None], image),
        "grey.NPZ": (image, image),
    }[name]
    path = written(tmp_path / name, stored)
    example = evaluation.Example("x", path, written(tmp_path / "t.png", truth))
    np.testing.assert_array_equal(example.read()[0], expected)


@pytest.mark.parametrize("n_annotators", [1, 2, 3])
@pytest.mark.parametrize(
    "name", ["pages.tif", "imagej.tif", "colours.tif", "stack.npz", "stack.NPZ"]
)
def test_stacks_of_annotators(name, n_annotators, tmp_path, picture):
    image, truth = picture
    if name == "colours.tif" and n_annotators < 3:
        pytest.skip("too few for colours")
    stack = np.stack([truth > i for i in range(n_annotators)]).astype(np.uint8)
    path = written(tmp_path / name, stack)
    example = evaluation.Example("x", written(tmp_path / "x.png", image), path)
    np.testing.assert_array_equal(np.atleast_3d(example.read()[1].T), stack.T)


@pytest.mark.parametrize(
    ("blamed", "said"),
    [
        ("volume.tif", "is a volume"),
        ("two.npz", "has shape"),
        ("damaged.npz", "cannot be read"),
        ("wide.png", "48 x 60"),
        ("parts.npz", "float"),
        ("colours.png", "colour image"),
        ("original.mat", "convert it to .npz with an array `segments`"),
    ],
)
def test_the_file_to_blame_is_named_once(blamed, said, tmp_path, picture):
    image = written(tmp_path / "image.png", picture[0])
    truth = written(tmp_path / "truth.png", picture[1])
    path = tmp_path / blamed
    if blamed in ("damaged.npz", "original.mat"):
        path.write_bytes(b"PK\x03\x04 damaged")
    else:
        written(
            path,
            {
                "volume.tif": np.zeros((5, 48, 60), np.uint8),
                "two.npz": np.zeros(7),
                "wide.png": np.ones((48, 61), np.uint8),
                "parts.npz": picture[1] / 2,
                "colours.png": np.stack([picture[1]] * 3, -1),
            }[blamed],
        )
    if blamed in ("volume.tif", "two.npz"):
        image = path
    else:
        truth = path
    example = evaluation.Example("x", image, truth)
    with pytest.raises(ValueError) as error:
        list(evaluation.compare([example], ["gradient"], [20]))
    assert said in str(error.value)
    assert str(error.value).count(str(path)) == 1
    assert str(error.value).count(str(tmp_path)) == 1


def test_images_without_labels_are_left_out(folders, picture):
    np.savez(folders[1] / "a.npz", segments=[picture[1], 0 * picture[1]])
    iio.imwrite(folders[1] / "b.png", 0 * picture[1])
    examples = evaluation.find_examples(*folders)
    rows = list(evaluation.compare(examples, ["gradient"], [20], unlabelled=0))
    assert [row["image"] for row in rows] == ["a", "c"]
    # Annotators who labelled nothing do not count either.
    assert rows[0]["boundary_recall"] == rows[1]["boundary_recall"]
    with pytest.raises(ValueError, match="unlabelled=0: no ground truth"):
        list(evaluation.compare(examples[1:2], ["gradient"], [20], unlabelled=0))
    assert list(evaluation.compare([], ["gradient"], [20], unlabelled=0)) == []


def test_methods_run_once_on_a_small_array_before(folders, monkeypatch):
    original, runs = evaluation._run, []

    def run(method, image, *others):
        runs.append((method, image.shape, image.dtype))
        return original(method, image, *others)

    monkeypatch.setattr(evaluation, "_run", run)
    examples = evaluation.find_examples(*folders)
    assert len(list(evaluation.compare(examples, ["slic", "gradient"], [20]))) == 6
    small = {shape for _, shape, _ in runs} - {(48, 60), (48, 60, 3)}
    assert small == {(64, 64), (64, 64, 3)}
    for method in ("slic", "gradient"):
        shapes = [shape for name, shape, _ in runs if name == method]
        assert shapes == [(64, 64), (48, 60), (48, 60), (64, 64, 3), (48, 60, 3)]


def test_errors_say_what_to_do(tmp_path, picture):
    with pytest.raises(ValueError, match="none of the files"):
        evaluation.find_examples(tmp_path)
    np.savez(tmp_path / "x.npz", image=picture[0], other=picture[1])
    (example,) = evaluation.find_examples(tmp_path)
    with pytest.raises(ValueError, match="holds image, other: name the array"):
        example.read()
    with pytest.raises(ValueError, match="'nothing': choose among"):
        run_baseline("nothing", picture[0], 10)
