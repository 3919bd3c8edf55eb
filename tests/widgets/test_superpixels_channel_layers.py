"""Channels that are layers of their own, taken together in the Superpixels widget."""

from __future__ import annotations

import json

import dask.array as da
import numpy as np
import pytest

import napari_paf
from napari_paf.replay import replay
from napari_paf.widgets.common.layers import unwrap
from napari_paf.widgets.superpixels.texts import NEEDS_RUN

KEY = "napari_paf"


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 4_000, shape, dtype=np.uint16)


@pytest.fixture
def stains(open_widget):
    """Return a function that opens an image and two more like it."""

    def open_stains(*shape, wrap=np.asarray, **options):
        viewer, widget = open_widget(wrap(noise(*shape)), **options)
        for number in (1, 2):
            data = wrap(noise(*shape, seed=number))
            viewer.add_image(data, name=f"stain {number}", **options)
        widget.image_layer.value = unwrap(viewer.layers["image 0"])
        widget.model.value = "gradient"
        widget.n_segments.value = 12
        return viewer, widget

    return open_stains


def together(viewer, *names):
    return np.stack([np.asarray(viewer.layers[name].data) for name in names], axis=-1)


def names_of(layers):
    return [layer.name for layer in layers]


def tick(widget, row, ticked=True):
    """Do what a click on the box of a row does."""
    widget.channel_layers.boxes[row].setChecked(ticked)


def by_script(viewer, widget):
    scope = {"viewer": viewer}
    exec(widget.copy_as_python(), scope)
    return scope["labels"]


def test_ticked_layers_are_channels(stains, run):
    viewer, widget = stains(30, 40)
    assert widget.channel_layers.native.isVisibleTo(widget)
    assert [box.text() for box in widget.channel_layers.boxes] == ["stain 1", "stain 2"]
    assert "uint16" in widget._plane_note.text()
    tick(widget, 1)
    assert names_of(widget.channel_layers.value) == ["stain 2"]
    assert "2 channels, uint16" in widget._plane_note.text()
    run(widget, timeout=120_000)
    labels = viewer.layers["image 0 superpixels"].data
    image = together(viewer, "image 0", "stain 2")
    expected = napari_paf.superpixels(image, 12, channel_axis=-1, model="gradient")
    np.testing.assert_array_equal(labels, expected)
    alone = napari_paf.superpixels(image[..., 0], 12, model="gradient")
    assert not np.array_equal(labels, alone)
    np.testing.assert_array_equal(by_script(viewer, widget), labels)


@pytest.mark.parametrize("extent", ["plane", "planes", "volume"])
def test_of_stacks_too_and_lazily(stains, run, extent):
    viewer, widget = stains(5, 20, 25, wrap=da.from_array)
    widget.extent.value = extent
    widget.channel_layers.value = [viewer.layers["stain 1"], viewer.layers["stain 2"]]
    viewer.dims.set_point(0, 3)
    run(widget, timeout=120_000)
    labels = viewer.layers["image 0 superpixels"].data
    record = json.loads(json.dumps(viewer.layers[-1].metadata[KEY]))
    image = together(viewer, "image 0", "stain 1", "stain 2")
    made = labels[3] if extent == "plane" else labels
    np.testing.assert_array_equal(replay(image, record), made)
    np.testing.assert_array_equal(by_script(viewer, widget), made)
    if extent == "plane":
        expected = napari_paf.superpixels(
            image[3], 12, channel_axis=-1, model="gradient"
        )
        np.testing.assert_array_equal(made, expected)
    with pytest.raises(ValueError, match="and 3 channels; give that image"):
        replay(image[..., :2], record)
    with pytest.raises(ValueError, match="damaged channels='layers'"):
        replay(image, {**record, "channel_layers": []})


def test_only_layers_like_the_image_are_offered(stains):
    viewer, widget = stains(30, 40, scale=(2, 2))
    place = {"scale": (2, 2)}
    viewer.add_image(noise(30, 41), name="other shape", **place)
    viewer.add_image(noise(30, 40), name="elsewhere", translate=(0, 3), **place)
    viewer.add_image(noise(30, 40), name="other scale")
    viewer.add_image(noise(30, 40, 3), name="colours", rgb=True, **place)
    viewer.add_labels(noise(30, 40), name="labels", **place)
    offered = ["stain 1", "stain 2"]
    assert names_of(widget.channel_layers.choices) == offered
    for name in ("other shape", "colours"):
        widget.image_layer.value = unwrap(viewer.layers[name])
        assert not widget.channel_layers.choices
        assert not widget.channel_layers.native.isVisibleTo(widget)
    with pytest.raises(ValueError, match="which is not like the image"):
        widget.channel_layers.value = [viewer.layers["stain 1"]]


def test_image_with_channels_is_offered_none(open_widget):
    viewer, widget = open_widget(noise(3, 30, 40), axis_labels=("c", "y", "x"))
    viewer.add_image(noise(3, 30, 40), name="another")
    widget.image_layer.value = unwrap(viewer.layers["image 0"])
    assert not widget.channel_layers.choices
    widget.axes.value = "zyx"
    assert names_of(widget.channel_layers.choices) == ["another"]


def test_ticks_follow_the_layers(stains, qtbot):
    viewer, widget = stains(30, 40)
    widget.channel_layers.value = [viewer.layers["stain 1"], viewer.layers["stain 2"]]
    viewer.layers["stain 1"].name = "nuclei"
    assert widget.channel_layers.boxes[0].text() == "nuclei"
    assert names_of(widget.channel_layers.value) == ["nuclei", "stain 2"]
    viewer.layers["stain 2"].translate = (0, 5)
    qtbot.waitUntil(lambda: names_of(widget.channel_layers.value) == ["nuclei"])
    viewer.layers["stain 2"].translate = (0, 0)
    qtbot.waitUntil(lambda: len(widget.channel_layers.choices) == 2)
    assert names_of(widget.channel_layers.value) == ["nuclei"]
    viewer.layers.remove("nuclei")
    assert widget.channel_layers.value == []
    assert widget.reason == ""


def test_slider_draws_no_other_channels(stains, run, qtbot):
    viewer, widget = stains(30, 40)
    tick(widget, 0)
    run(widget, timeout=120_000)
    layer = viewer.layers["image 0 superpixels"]
    widget.n_segments.value = 7
    qtbot.waitUntil(lambda: layer.data.max() == 7)
    tick(widget, 0, False)
    widget.n_segments.value = 9
    qtbot.waitUntil(lambda: widget.message == NEEDS_RUN)
    tick(widget, 0)
    viewer.layers["stain 1"].name = "nuclei"
    viewer.layers["stain 2"].data = noise(30, 40, seed=8)
    widget.n_segments.value = 10
    qtbot.waitUntil(lambda: layer.data.max() == 10)
    viewer.layers["nuclei"].data = noise(30, 40, seed=9)
    widget.n_segments.value = 11
    qtbot.wait(50)
    assert layer.data.max() == 10, "the channel has other pixels since"


def test_load_ticks_what_a_run_used(stains, run):
    viewer, widget = stains(30, 40)
    tick(widget, 1)
    run(widget, timeout=120_000)
    tick(widget, 1, False)
    tick(widget, 0)
    widget.load(viewer.layers["image 0 superpixels"])
    assert names_of(widget.channel_layers.value) == ["stain 2"]


def test_script_names_layers_as_they_are_called_now(stains, run):
    viewer, widget = stains(30, 40)
    tick(widget, 0)
    run(widget, timeout=120_000)
    viewer.layers["stain 1"].name = "nuclei"
    assert "viewer.layers['nuclei']" in widget.copy_as_python()
    viewer.layers.remove("nuclei")
    code = widget.copy_as_python()
    assert "# The layer 'stain 1' is not in the viewer any more" in code


def test_channel_that_changes_during_the_run_is_noticed(stains, computing, qtbot):
    viewer, widget = stains(30, 40)
    tick(widget, 0)
    computing.hold()
    widget.run()
    assert computing.reached.acquire(timeout=30)
    viewer.layers["stain 1"].data[:] = 0
    computing.release()
    qtbot.waitUntil(lambda: "superpixels" in viewer.layers[-1].name, timeout=30_000)
    qtbot.waitUntil(lambda: "changed during the run" in widget.message)
    assert computing.calls[-1]["image"].shape == (30, 40, 2)
    assert computing.calls[-1]["image"][..., 1].any()


def test_objects_are_made_of_the_same_channels(stains, run):
    viewer, widget = stains(30, 40)
    tick(widget, 0)
    run(widget, timeout=120_000)
    _, objects = viewer.window.add_plugin_dock_widget("napari-paf", "Objects")
    assert objects.reason == ""
    run(objects, timeout=120_000)
    superpixels = viewer.layers["image 0 superpixels"].data
    affinity = napari_paf.predict_affinity(
        together(viewer, "image 0", "stain 1"), channel_axis=-1, model="gradient"
    )
    expected = napari_paf.regions.merge_regions(
        superpixels,
        affinity,
        threshold=objects.threshold.value,
        min_size=objects.min_size.value,
    )
    np.testing.assert_array_equal(viewer.layers["image 0 objects"].data, expected)
    viewer.layers.remove("stain 1")
    assert "stain 1" in objects.reason
