"""The lines of Copy as Python, the record and the shell command give the same again."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from napari_paf.replay import replay
from napari_paf.widgets.common.records import KEY
from napari_paf.widgets.superpixels.texts import NO_IMAGE_FILE

COLOURS = {"rgb": True}
STACK = (3, 20, 24)


def picture(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)


def copied(viewer, widget):
    scope = {"viewer": viewer}
    exec(widget.copy_as_python(), scope)
    return scope["labels"]


def test_lines_know_layers_by_their_present_names(open_widget, run):
    viewer, widget = open_widget(picture(20, 24), picture(30, 34))
    widget.image_layer.value = widget.image_layer.choices[-1]
    assert widget.image_layer.value.name == "image 0"
    mask = np.zeros((20, 24), np.uint8)
    mask[2:15, 3:20] = 1
    widget.mask_layer.value = viewer.add_labels(mask, name="mask")
    widget.model.value = "gradient"
    widget.n_segments.value = 12
    run(widget)
    result = viewer.layers["image 0 superpixels"]
    viewer.layers["image 0"].name = "cells"
    viewer.layers["image 1"].name = "image 0"
    viewer.layers["mask"].name = "inside"
    np.testing.assert_array_equal(copied(viewer, widget), result.data)
    viewer.layers.remove("inside")
    code = widget.copy_as_python()
    assert code.startswith("# The layer 'mask' is not in the viewer any more")
    viewer.add_labels(mask, name="mask")
    np.testing.assert_array_equal(copied(viewer, widget), result.data)
    assert "was removed, and another one has its name" in widget.copy_as_python()


def shown(layer):
    """Return what was divided: all that is not 0, cut out."""
    return np.squeeze(layer.data)


CASES = [
    ("grey", (20, 24), {}, {}),
    ("colours", (20, 24, 3), COLOURS, {}),
    ("one colour", (20, 24, 3), COLOURS, {"channels": "green"}),
    ("brightness", (20, 24, 3), COLOURS, {"channels": "grey"}),
    ("volume", STACK, {}, {"extent": "volume"}),
    ("flat voxels", STACK, {"scale": (3, 1, 1)}, {"extent": "volume"}),
    ("planes", STACK, {}, {"extent": "planes"}),
    ("planes alike", STACK, {}, {"extent": "planes", "unique": False}),
]


@pytest.mark.parametrize(
    ("shape", "layer", "settings"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_lines_give_the_same(open_widget, run, shape, layer, settings):
    viewer, widget = open_widget(picture(*shape), **layer)
    widget.model.value = "gradient"
    widget.n_segments.value = 12
    for name, value in settings.items():
        getattr(widget, name).value = value
        assert getattr(widget, name).value == value
    run(widget)
    result = viewer.layers["image 0 superpixels"]
    np.testing.assert_array_equal(copied(viewer, widget), result.data)
    again = replay(viewer.layers["image 0"].data, result.metadata[KEY])
    np.testing.assert_array_equal(again, result.data)
    unique = settings.get("extent") == "planes" and settings.get("unique", True)
    assert result.data.max() == (36 if unique else 12)


@pytest.mark.parametrize("channels", ["view", "all", 1])
def test_channels(open_widget, run, channels):
    viewer, widget = open_widget(
        picture(2, 3, 20, 24), axis_labels=("c", "z", "y", "x")
    )
    widget.model.value = "gradient"
    widget.n_segments.value = 12
    viewer.dims.set_current_step(1, 2)
    widget.channels.value = channels
    run(widget)
    result = viewer.layers["image 0 superpixels"]
    labels = copied(viewer, widget)
    for channel in range(2):  # every channel shows them
        np.testing.assert_array_equal(result.data[channel, 2], labels)
    again = replay(viewer.layers["image 0"].data, result.metadata[KEY])
    np.testing.assert_array_equal(again, labels)


@pytest.mark.parametrize("whole_stack", [False, True])
def test_mask(open_widget, run, whole_stack):
    viewer, widget = open_widget(picture(*STACK))
    viewer.dims.set_current_step(0, 1)
    mask = np.zeros(STACK, np.uint8)
    mask[:, 4:15, 3:20] = 1
    viewer.add_labels(mask if whole_stack else mask[1], name="cell")
    widget.mask_layer.value = viewer.layers["cell"].__wrapped__
    widget.model.value = "gradient"
    widget.n_segments.value = 12
    run(widget)
    result = viewer.layers["image 0 superpixels"]
    np.testing.assert_array_equal(copied(viewer, widget), result.data[1])
    np.testing.assert_array_equal(result.data[1] > 0, mask[1] > 0)


def test_shapes_and_levels(open_widget, run, make_napari_viewer_proxy):
    full = picture(80, 96)
    viewer, widget = open_widget([full, full[::2, ::2]], multiscale=True)
    widget.level.value = 1
    shapes = viewer.add_shapes(
        [np.array([[20, 30], [60, 30], [60, 80]])], shape_type="polygon", name="part"
    )
    widget.region.value = shapes.__wrapped__
    widget.model.value = "gradient"
    widget.n_segments.value = 12
    run(widget)
    result = viewer.layers["image 0 superpixels"]
    np.testing.assert_array_equal(copied(viewer, widget), result.data)
    # Half of the rectangle around it, in pixels of the lower level.
    assert result.data.shape == (21, 26)
    assert 0.4 < (result.data > 0).mean() < 0.6
    np.testing.assert_allclose(result.scale, 2)
    np.testing.assert_allclose(result.translate, [20.5, 30.5])


def test_after_a_redraw(open_widget, run, qtbot):
    viewer, widget = open_widget(picture(20, 24))
    widget.model.value = "gradient"
    widget.n_segments.value = 12
    run(widget)
    result = viewer.layers["image 0 superpixels"]
    widget.n_segments.value = 7
    qtbot.waitUntil(lambda: result.data.max() == 7)
    np.testing.assert_array_equal(copied(viewer, widget), result.data)


def test_shell_replays_a_saved_record(open_widget, run, tmp_path, notifications):
    import tifffile

    from napari_paf.cli import app

    tifffile.imwrite(tmp_path / "image.tif", picture(20, 24))
    viewer, widget = open_widget()
    viewer.open(tmp_path / "image.tif", plugin="napari")
    widget.model.value = "gradient"
    widget.n_segments.value = 12
    run(widget)
    result = viewer.layers["image superpixels"]
    [record] = result.save(str(tmp_path / "record.json"), plugin="napari-paf")
    assert json.loads((tmp_path / "record.json").read_text())["n_segments"] == 12
    again = CliRunner().invoke(app, ["replay", record, str(tmp_path / "again.tif")])
    assert again.exit_code == 0, again.output
    assert not notifications
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "again.tif"), result.data)


@pytest.mark.parametrize("levels", [1, 2])
def test_images_in_folders(open_widget, run, tmp_path, notifications, levels):
    import tifffile

    from napari_paf.cli import app

    zarr = pytest.importorskip("zarr", reason="older versions of napari lack it")
    image = picture(20, 24)
    folder = tmp_path / "cells.zarr"
    if levels == 1:
        zarr.save_array(folder, image)
    else:
        zarr.save_group(folder, image, image[::2, ::2])
    viewer, widget = open_widget()
    viewer.open(folder, plugin="napari")
    assert viewer.layers["cells"].multiscale == (levels > 1)
    widget.model.value = "gradient"
    widget.n_segments.value = 12
    run(widget)
    result = viewer.layers["cells superpixels"]
    np.testing.assert_array_equal(copied(viewer, widget), result.data)
    [record] = result.save(str(tmp_path / "record.json"), plugin="napari-paf")
    assert notifications == [("info", NO_IMAGE_FILE)]
    again = ["replay", record, str(tmp_path / "again.tif")]
    refused = CliRunner().invoke(app, again)
    assert refused.exit_code != 0
    said = " ".join(refused.output.split())
    assert "cells.zarr is a folder; give the image with --image FILE." in said
    # As the sentence says:
    tifffile.imwrite(tmp_path / "cells.tif", image)
    again += ["--image", str(tmp_path / "cells.tif")]
    done = CliRunner().invoke(app, again)
    assert done.exit_code == 0, done.output
    np.testing.assert_array_equal(tifffile.imread(again[2]), result.data)


def test_replay_says_what_does_not_fit(open_widget, run):
    with pytest.raises(ValueError, match="record without"):
        replay(picture(4, 4), {})
    viewer, widget = open_widget(picture(20, 24))
    widget.model.value = "gradient"
    widget.n_segments.value = 12
    run(widget)
    record = viewer.layers["image 0 superpixels"].metadata[KEY]
    with pytest.raises(ValueError, match="made from one of shape"):
        replay(picture(4, 4), record)
    with pytest.raises(ValueError, match="the run had none"):
        replay(picture(20, 24), record, mask=picture(20, 24))
