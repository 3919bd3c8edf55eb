"""Volumes, stacks, channels, levels and parts of images in the Superpixels widget."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

import napari_paf
from napari_paf.widgets.common.axes import guess_axes, why_not_axes
from napari_paf.widgets.common.layers import unwrap
from napari_paf.widgets.common.records import axes_across

KEY = "napari_paf"


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)


@pytest.fixture
def by_gradient(open_widget, run):
    """Return a function that runs the widget without a network, for real."""

    def by_gradient_(image, n_segments, **settings):
        options = settings.pop("layer", {})
        viewer, widget = open_widget(image, **options)
        widget.model.value = "gradient"
        for name, value in settings.items():
            getattr(widget, name).value = value
        widget.n_segments.value = n_segments
        run(widget, timeout=120_000)
        return viewer, widget, viewer.layers["image 0 superpixels"]

    return by_gradient_


def same_by_script(viewer, widget, data):
    """Compare with what the copied lines compute."""
    scope = {"viewer": viewer}
    exec(widget.copy_as_python(), scope)
    np.testing.assert_array_equal(scope["labels"], data)


@pytest.mark.parametrize(
    ("ndim", "labels", "axes"),
    [
        (2, ("-2", "-1"), "yx"),
        (3, ("-3", "-2", "-1"), "zyx"),
        (4, (), "tzyx"),
        (5, (), "tczyx"),
        (6, (), "ttczyx"),
        (3, ("Channel", "y", "x"), "cyx"),
        (3, ("time", "row", "column"), "tyx"),
        (3, ("x", "x", "y"), "zyx"),
    ],
)
def test_axes_are_guessed(ndim, labels, axes):
    assert guess_axes(ndim, labels) == axes
    assert why_not_axes(axes, ndim) == ""


def test_impossible_axes_grey_out_run(open_widget):
    _, widget = open_widget(noise(3, 12, 14))
    for axes in ("yx", "zzy", "zyq", "xyy"):
        widget.axes.value = axes
        assert widget.reason.startswith(f"axes={axes}")
        assert not widget.run_button.isEnabled()
    widget.axes.value = "zyx"
    assert widget.run_button.isEnabled() == (widget.n_segments.value <= 12 * 14)


def test_whole_volume(by_gradient, qtbot):
    image = noise(5, 12, 14)
    viewer, widget, layer = by_gradient(
        image, 20, extent="volume", layer={"scale": (4, 1, 1)}
    )
    expected = napari_paf.superpixels(image, 20, model="gradient", spacing=(4, 1, 1))
    np.testing.assert_array_equal(layer.data, expected)
    assert layer.metadata[KEY]["spacing"] == [4, 1, 1]
    np.testing.assert_array_equal(layer.scale, (4, 1, 1))
    same_by_script(viewer, widget, layer.data)
    widget.n_segments.value = 9
    qtbot.waitUntil(lambda: layer.data.max() == 9)
    same_by_script(viewer, widget, layer.data)


def test_volume_offers_its_neighbours(open_widget):
    _, widget = open_widget(noise(4, 12, 14))
    assert widget.connectivity.choices == (1, 2)
    widget.extent.value = "volume"
    assert widget.connectivity.choices == (1, 2, 3)
    widget.connectivity.value = 3
    widget.extent.value = "plane"
    assert widget.connectivity.value == 2


@pytest.mark.parametrize("unique", [True, False])
def test_every_plane(by_gradient, qtbot, unique):
    image = noise(3, 12, 14)
    _, widget, layer = by_gradient(image, 10, extent="planes", unique=unique)
    assert widget.message.startswith("10 superpixels in each of 3 planes in ")
    for number, plane in enumerate(image):
        alone = napari_paf.superpixels(plane, 10, model="gradient")
        np.testing.assert_array_equal(layer.data[number] - alone, unique * 10 * number)
    widget.n_segments.value = 4
    qtbot.waitUntil(lambda: len(np.unique(layer.data)) == (12 if unique else 4))


def test_every_plane_across_another_axis(by_gradient, open_widget, run):
    image = noise(10, 3, 12)
    viewer, widget = open_widget(image)
    viewer.dims.order = (1, 0, 2)
    widget.model.value = "gradient"
    widget.extent.value = "planes"
    widget.n_segments.value = 7
    run(widget, timeout=120_000)
    layer = viewer.layers["image 0 superpixels"]
    assert layer.data.shape == image.shape
    for number in range(3):
        plane = layer.data[:, number]
        assert set(np.unique(plane)) == set(range(7 * number + 1, 7 * number + 8))


def test_channels_of_a_layer(by_gradient):
    image = noise(3, 12, 14)
    layer_options = {"axis_labels": ("c", "y", "x")}
    viewer, widget, layer = by_gradient(image, 9, channels="all", layer=layer_options)
    expected = napari_paf.superpixels(image, 9, model="gradient", channel_axis=0)
    for plane in layer.data:
        np.testing.assert_array_equal(plane, expected)
    same_by_script(viewer, widget, expected)


@pytest.mark.parametrize("channels", [0, 2, "view"])
def test_one_channel_of_a_layer(by_gradient, channels):
    image = noise(12, 3, 14)
    viewer, widget, layer = by_gradient(
        image, 9, channels=channels, layer={"axis_labels": ("y", "c", "x")}
    )
    number = 1 if channels == "view" else channels  # napari starts in the middle
    expected = napari_paf.superpixels(image[:, number], 9, model="gradient")
    for k in range(3):
        np.testing.assert_array_equal(layer.data[:, k], expected)
    same_by_script(viewer, widget, expected)


def test_only_what_is_in_view(by_gradient, open_widget, run):
    image = noise(60, 80)
    viewer, widget = open_widget(image, scale=(2, 2), translate=(5, -3))
    widget.model.value = "gradient"
    layer = viewer.layers["image 0"]
    layer.corner_pixels = np.array([[10, 20], [29, 49]])
    widget.region.value = "view"
    widget.n_segments.value = 12
    run(widget, timeout=120_000)
    result = viewer.layers["image 0 superpixels"]
    expected = napari_paf.superpixels(image[10:30, 20:50], 12, model="gradient")
    np.testing.assert_array_equal(result.data, expected)
    np.testing.assert_allclose(
        result.data_to_world((0, 0)), layer.data_to_world((10, 20))
    )
    same_by_script(viewer, widget, result.data)
    # Another part takes the place of the last one.
    layer.corner_pixels = np.array([[0, 0], [19, 19]])
    run(widget, timeout=120_000)
    assert len(viewer.layers) == 2
    assert result.data.shape == (20, 20)
    np.testing.assert_allclose(result.data_to_world((0, 0)), (5, -3))


def test_only_inside_shapes(open_widget, run):
    image = noise(40, 50)
    viewer, widget = open_widget(image, scale=(0.5, 0.5))
    shapes = viewer.add_shapes(scale=(0.5, 0.5), name="shapes")
    widget.image_layer.value = widget.image_layer.choices[0]
    widget.region.value = widget.region.choices[-1]
    assert "Draw a rectangle" in widget.reason
    shapes.add_rectangles(np.array([[10, 10], [10, 29], [24, 29], [24, 10]]))
    widget.model.value = "gradient"
    widget.n_segments.value = 12
    widget.region.changed.emit(widget.region.value)
    run(widget, timeout=120_000)
    result = viewer.layers["image 0 superpixels"]
    corner = np.round(np.asarray(result.data_to_world((0, 0))) / 0.5).astype(int)
    inside = np.zeros(image.shape, bool)
    rows, columns = result.data.shape
    window = (
        slice(corner[0], corner[0] + rows),
        slice(corner[1], corner[1] + columns),
    )
    inside[window] = result.data > 0
    assert inside[11:24, 11:29].all()
    assert not inside[:10].any()
    assert not inside[25:].any()
    assert len(np.unique(result.data[result.data > 0])) == 12
    widget.region.value = None
    shapes.name = "renamed"
    widget.load(result)
    assert widget.region.value is None  # there are no shapes of that name
    shapes.name = "shapes"
    widget.load(result)
    assert widget.region.value.name == "shapes"
    widget.region.value = "view"
    run(widget, timeout=120_000)
    widget.region.value = None
    widget.load(viewer.layers[-1])
    assert widget.region.value == "view"


def test_huge_multiscale_image_offers_a_level(open_widget, run):
    big = da.zeros((30_000, 30_000), np.uint8, chunks=2_000)
    levels = [big[:: 2**k, :: 2**k] for k in range(8)]
    viewer, widget = open_widget(levels, multiscale=True)
    assert widget.level.choices == tuple(range(8))
    assert widget.level.value == 3  # 3750 x 3750
    widget.level.value = 7
    widget.model.value = "gradient"
    widget.n_segments.value = 20
    run(widget, timeout=120_000)
    layer = viewer.layers["image 0 superpixels"]
    assert layer.data.shape == (235, 235)
    assert layer.data.max() == 20
    np.testing.assert_allclose(layer.scale, 30_000 / 235, rtol=1e-6)
    # The outer edges of both lie half a pixel of their own beyond the centres.
    first, last = layer.extent.world
    np.testing.assert_allclose(first - layer.scale / 2, -0.5, atol=1e-6)
    np.testing.assert_allclose(last + layer.scale / 2, 29_999.5, atol=1e-6)


def test_slider_and_size_set_the_number(open_widget):
    _, widget = open_widget(noise(100, 100), scale=(0.5, 0.5), units="um")
    granularity = widget._granularity
    widget.n_segments.value = 50
    assert granularity.size.value == pytest.approx(200)
    granularity.unit.value = granularity.unit.choices[1]
    assert "m\u00b2" in granularity.unit.value
    assert granularity.size.value == pytest.approx(50)
    granularity.size.value = 25
    assert widget.n_segments.value == 100
    granularity.slider.value = 1000
    assert widget.n_segments.value == 100 * 100 // 9
    granularity.slider.value = 0
    assert widget.n_segments.value == 1


def test_settings_come_back_from_a_layer(by_gradient):
    viewer, widget, layer = by_gradient(noise(20, 24), 30, balance=1.5)
    widget.model.value = "default"
    widget.balance.value = 0.1
    widget.n_segments.value = 5
    viewer.layers.selection.active = layer
    widget.load()
    assert widget.model.value == "gradient"
    assert widget.balance.value == 1.5
    assert widget.n_segments.value == layer.metadata[KEY]["n_segments"]


def test_an_automatic_balance_comes_back_from_a_layer(by_gradient):
    viewer, widget, layer = by_gradient(noise(20, 24), 30, balance=None)
    assert layer.metadata[KEY]["balance"] is None
    widget.balance.value = 0.1
    viewer.layers.selection.active = layer
    widget.load()
    assert widget.balance.value is None


def test_a_layer_without_a_record_changes_nothing(open_widget, notifications):
    viewer, widget = open_widget(noise(20, 24))
    viewer.add_labels(noise(20, 24))
    widget.balance.value = 0.7
    widget.load()
    assert widget.balance.value == 0.7
    assert "Superpixels widget made" in notifications[-1][1]


def test_settings_are_remembered(open_widget):
    viewer, widget = open_widget(noise(20, 24))
    widget.balance.value = 0.25
    widget.n_segments.value = 77
    viewer.window.remove_dock_widget("all")
    _, again = viewer.window.add_plugin_dock_widget("napari-paf", "Superpixels")
    assert again.balance.value == 0.25
    assert again.n_segments.value == 77


def test_extent_is_remembered_from_stack_to_stack(open_widget):
    viewer, widget = open_widget(noise(3, 20, 24))
    widget.extent.value = "planes"
    viewer.add_image(noise(20, 24), name="flat")
    assert widget.image_layer.value.name == "flat"
    assert widget.extent.value == "plane"
    viewer.add_image(noise(4, 20, 24), name="stack")
    assert widget.extent.value == "planes"
    viewer.window.remove_dock_widget("all")
    _, again = viewer.window.add_plugin_dock_widget("napari-paf", "Superpixels")
    assert again.extent.value == "planes"
    again.extent.value = "volume"
    viewer.add_image(noise(5, 20, 24), name="series", axis_labels=("t", "y", "x"))
    assert again.extent.value == "plane"  # a series has no volumes


def test_masks_of_a_stack_follow_the_planes(open_widget, run):
    image, mask = noise(2, 12, 14), np.zeros((2, 12, 14), np.uint8)
    mask[0, :, :7] = mask[1, :, 7:] = 1
    viewer, widget = open_widget(image)
    viewer.add_labels(mask, name="mask")
    widget.mask_layer.value = widget.mask_layer.choices[-1]
    widget.model.value = "gradient"
    widget.extent.value = "planes"
    widget.n_segments.value = 6
    run(widget, timeout=120_000)
    data = viewer.layers["image 0 superpixels"].data
    np.testing.assert_array_equal(data > 0, mask > 0)


def test_neighbours_in_volumes_are_remembered(open_widget):
    viewer, widget = open_widget(noise(4, 12, 14))
    widget.extent.value = "volume"
    widget.connectivity.value = 3
    viewer.window.remove_dock_widget("all")
    _, again = viewer.window.add_plugin_dock_widget("napari-paf", "Superpixels")
    again.extent.value = "plane"
    assert again.connectivity.value == 2  # the most there is in a plane
    again.extent.value = "volume"
    assert again.connectivity.value == 3


def test_the_same_part_of_another_plane_is_no_step_to_undo(open_widget, run):
    """Undone, the labels of one plane would lie on another."""
    viewer, widget = open_widget(noise(3, 40, 50))
    shapes = viewer.add_shapes([[[5, 6], [5, 36], [30, 36], [30, 6]]], name="part")
    widget.model.value = "gradient"
    widget.extent.value = "plane"
    widget.region.value = shapes
    widget.n_segments.value = 20
    viewer.dims.set_point(0, 0)
    run(widget)
    made = viewer.layers["image 0 superpixels"]
    viewer.dims.set_point(0, 2)
    run(widget)
    after = made.data.copy()
    assert made.translate[0] == 2
    made.undo()
    np.testing.assert_array_equal(made.data, after)


def test_the_same_part_again_can_be_undone(open_widget, run):
    viewer, widget = open_widget(noise(40, 50))
    shapes = viewer.add_shapes([[[5, 6], [5, 36], [30, 36], [30, 6]]], name="part")
    widget.model.value = "gradient"
    widget.region.value = shapes
    widget.n_segments.value = 20
    run(widget)
    made = viewer.layers["image 0 superpixels"]
    made.data_setitem((np.array([3]), np.array([4])), 17)
    edited = made.data.copy()
    widget.connectivity.value = 1
    run(widget)
    assert (made.data != edited).any()
    made.undo()
    np.testing.assert_array_equal(made.data, edited)


def test_volumes_and_planes_of_other_axes_get_layers_of_their_own(open_widget, run):
    rng = np.random.default_rng(3)
    viewer, widget = open_widget(rng.integers(0, 255, (5, 20, 24), dtype=np.uint8))
    widget.model.value = "gradient"
    widget.n_segments.value = 8
    made = []
    for extent, order in [
        ("volume", (0, 1, 2)),
        ("plane", (0, 1, 2)),
        ("plane", (1, 0, 2)),
    ]:
        viewer.dims.order = order
        widget.extent.value = extent
        run(widget)
        (layer,) = {*layers_with_records(viewer)} - {layer for layer, _ in made}
        made.append((layer, layer.data.copy()))
        for earlier, data in made:
            np.testing.assert_array_equal(earlier.data, data)
    volume, plane, other = (layer for layer, _ in made)
    assert [axes_across(layer) for layer, _ in made] == [(), (0,), (1,)]
    # Each is the one that goes on.
    for layer, extent, order in [
        (plane, "plane", (0, 1, 2)),
        (volume, "volume", (0, 1, 2)),
        (other, "plane", (1, 0, 2)),
    ]:
        before = {each: each.data.copy() for each, _ in made}
        viewer.dims.order = order
        widget.extent.value = extent
        widget.n_segments.value += 3
        run(widget)
        changed = [x for x, data in before.items() if (x.data != data).any()]
        assert changed == [layer]


def layers_with_records(viewer):
    return [x for x in map(unwrap, viewer.layers) if KEY in x.metadata]
