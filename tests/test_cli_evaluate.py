"""``napari-paf evaluate``, as a user types it."""

from __future__ import annotations

import csv
import sys

import imageio.v3 as imageio
import numpy as np
import pytest
from typer.testing import CliRunner

from napari_paf import evaluation
from napari_paf.cli import app

RUN = CliRunner()


@pytest.fixture
def folders(tmp_path):
    """Three images of different sizes, and their ground truths."""
    images, truths = tmp_path / "images", tmp_path / "truths"
    images.mkdir()
    truths.mkdir()
    rng = np.random.default_rng(0)
    for name, width in (("a", 40), ("b", 60), ("c", 80)):
        truth = np.ones((40, width), np.uint8)
        truth[:, 20:] = 2
        noise = rng.integers(0, 20, truth.shape).astype(np.uint8)
        imageio.imwrite(images / f"{name}.png", truth * 60 + noise)
        imageio.imwrite(truths / f"{name}.png", truth)
    return images, truths


def run(folders, *options, code=0):
    arguments = ["evaluate", *folders, *options]
    result = RUN.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def read(path):
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


def printed(result):
    """The cells of the table, without its frame."""
    lines = [line.split("│") for line in result.stdout.splitlines() if "│" in line]
    return [[cell.strip() for cell in line[1:-1]] for line in lines]


def head(result):
    (line,) = (line for line in result.stdout.splitlines() if "method" in line)
    return [cell.strip() for cell in line.split("┃")[1:-1]]


def test_figures_are_written_before_they_are_printed(folders, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")

    def closed(_):
        raise BrokenPipeError

    monkeypatch.setattr(sys.modules["napari_paf.cli.evaluate"], "print_whole", closed)
    table, plots = tmp_path / "figures.csv", tmp_path / "plots"
    options = ["--methods", "gradient", "-n", 10, "--csv", table, "--plots", plots]
    result = RUN.invoke(app, [str(o) for o in ("evaluate", *folders, *options)])
    assert result.exit_code != 0
    assert len(read(table)) == 3
    assert (plots / "seconds.png").exists()


def test_figures_are_printed_if_they_cannot_be_written(folders, tmp_path, monkeypatch):
    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(evaluation, "write_csv", full)
    options = ["--methods", "gradient", "-n", 10, "--csv", tmp_path / "a.csv"]
    result = run(folders, *options, code=2)
    assert "no space left" in result.stderr
    assert "Means over 3 images" in result.stdout


def test_ctrl_c_keeps_what_was_measured(folders, tmp_path, monkeypatch):
    original = evaluation._run

    def interrupted(method, image, *others):
        if image.shape == (40, 60) and method == "slic":
            raise KeyboardInterrupt
        return original(method, image, *others)

    monkeypatch.setattr(evaluation, "_run", interrupted)
    table = tmp_path / "figures.csv"
    options = ["--methods", "gradient,slic", "-n", 10, "--csv", table]
    result = run(folders, *options, code=130)
    rows = [(row["image"], row["method"]) for row in read(table)]
    assert rows == [("a", "gradient"), ("a", "slic"), ("b", "gradient")]
    assert "Means over 2 images" in result.stdout
    # A mean over fewer images than others says so.
    assert head(result)[:2] == ["method", "images"]
    assert [row[:2] for row in printed(result)] == [["gradient", "2"], ["slic", "1"]]


def test_one_row_a_method_for_so_many_pixels_a_superpixel(
    folders, tmp_path, monkeypatch
):
    pytest.importorskip("matplotlib")
    table, drawn = tmp_path / "figures.csv", []
    monkeypatch.setattr(
        "napari_paf.cli._plots.plot_measures",
        lambda means, _: drawn.extend(means) or [],
    )
    options = ["--methods", "gradient,slic", "--pixels-per-segment", 100]
    result = run(folders, *options, "--csv", table, "--plots", tmp_path / "plots")
    assert [row["n_asked"] for row in read(table)[::2]] == ["16", "24", "32"]
    assert "images" not in head(result)
    rows = printed(result)
    assert [row[:2] for row in rows] == [["gradient", "24"], ["slic", "24"]]
    assert [mean["method"] for mean in drawn] == ["gradient", "slic"]


def test_plots_go_from_few_to_many(tmp_path, monkeypatch):
    figure = pytest.importorskip("matplotlib.figure")
    from napari_paf.cli._plots import plot_measures

    lines = []

    def keep(self, *args, **options):
        lines.extend(axis.get_xdata() for axis in self.axes[0].lines)
        args[0].write_bytes(b"")

    monkeypatch.setattr(figure.Figure, "savefig", keep)
    means = [
        {"method": "slic", "n_asked": n, "n_segments": n, "images": 1, "x": 0.5}
        for n in (60, 10, 30)
    ]
    plot_measures(means, tmp_path)
    assert [list(line) for line in lines] == [[10, 30, 60]]


def test_counts_that_are_far_off_are_marked(folders):
    (folders[0] / "c.png").unlink()
    for folder in folders:
        imageio.imwrite(folder / "c.png", np.ones((40, 40), np.uint8))
        for name in "ab":
            (folder / f"{name}.png").unlink()
    result = run(folders, "--methods", "gradient,felzenszwalb", "-n", 20)
    column = head(result).index("got")
    got = [row[column] for row in printed(result)]
    assert got == ["20", "* 1"]
    assert result.stdout.count("* more than 10% off") == 1
    fine = run(folders, "--methods", "gradient", "-n", 20)
    assert "*" not in fine.stdout


def test_images_without_truth_are_counted(folders):
    for name in "xyz":
        imageio.imwrite(folders[0] / f"{name}.png", np.ones((40, 40), np.uint8))
    (folders[0] / "notes.txt").write_text("no image")
    options = ["--methods", "gradient", "-n", 10]
    said = run(folders, *options).stderr
    assert said.splitlines() == [
        "3 images have no ground truth of the same name and are left out: "
        "x.png, y.png, z.png"
    ]
    for name in "yz":
        (folders[0] / f"{name}.png").unlink()
    assert run(folders, *options).stderr.startswith("1 image has no ground truth")


def test_images_without_labels_are_left_out(folders):
    imageio.imwrite(folders[1] / "a.png", np.zeros((40, 40), np.uint8))
    options = ["--methods", "gradient", "-n", 10, "--unlabelled", 0]
    result = run(folders, *options)
    assert "Means over 2 images" in result.stdout
    assert result.stderr.startswith("1 image has no labels but 0")
    assert result.stderr.endswith("left out: a.png\n")
    for name, width in (("b", 60), ("c", 80)):
        imageio.imwrite(folders[1] / f"{name}.png", np.zeros((40, width), np.uint8))
    assert "unlabelled=0" in run(folders, *options, code=2).stderr


def test_blanks_between_methods(folders):
    result = run(folders, "--methods", " slic, gradient ", "-n", 10)
    assert [row[0] for row in printed(result)] == ["slic", "gradient"]


def test_help_says_images_only():
    result = RUN.invoke(app, ["evaluate", "--help"])
    assert "no volumes" in " ".join(result.stdout.replace("│", " ").split())
