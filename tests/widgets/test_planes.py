"""Which pixels of which layer the widget takes."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_paf.widgets.common.layers import moved, placement
from napari_paf.widgets.common.plane import mask_of, plane_in_view


@pytest.fixture
def viewer():
    return ViewerModel()


def stack(*shape):
    return np.arange(np.prod(shape), dtype=np.uint32).reshape(shape)


def test_plane_of_2d_image_is_the_image(viewer):
    layer = viewer.add_image(stack(4, 5))
    plane = plane_in_view(layer, viewer.dims)
    pixels, channel_axis = plane.read()
    np.testing.assert_array_equal(pixels, layer.data)
    assert channel_axis is None
    assert plane.shape == plane.stack_shape == (4, 5)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1), (2, 1, 0)])
def test_plane_of_stack_is_what_napari_shows(viewer, order):
    layer = viewer.add_image(stack(6, 7, 8), scale=(3, 1, 2), translate=(10, -4, 0.5))
    viewer.dims.order = order
    for step in (0, 2, 5):
        viewer.dims.set_current_step(order[0], step)
        pixels, _ = plane_in_view(layer, viewer.dims).read()
        shown = layer._slice.image.raw
        if order[1] > order[2]:
            shown = shown.T
        np.testing.assert_array_equal(pixels, shown)


def test_plane_of_time_series_of_stacks(viewer):
    layer = viewer.add_image(stack(2, 3, 4, 5))
    viewer.dims.set_current_step((0, 1), (1, 2))
    plane = plane_in_view(layer, viewer.dims)
    np.testing.assert_array_equal(plane.read()[0], layer.data[1, 2])
    assert plane.position == (1, 2)
    assert "2 of 2, 3 of 3" in plane.describe()


def test_layer_with_fewer_axes_than_the_viewer(viewer):
    viewer.add_image(stack(6, 4, 5))
    layer = viewer.add_image(stack(4, 5))
    viewer.dims.set_current_step(0, 5)
    plane = plane_in_view(layer, viewer.dims)
    np.testing.assert_array_equal(plane.read()[0], layer.data)


def test_volume_view_gives_the_plane_that_2d_would_show(viewer):
    layer = viewer.add_image(stack(6, 4, 5))
    viewer.dims.set_current_step(0, 4)
    viewer.dims.ndisplay = 3
    plane = plane_in_view(layer, viewer.dims)
    np.testing.assert_array_equal(plane.read()[0], layer.data[4])


def test_outside_the_stack_the_nearest_plane_is_taken(viewer):
    viewer.add_image(stack(20, 4, 5))
    layer = viewer.add_image(stack(3, 4, 5))
    viewer.dims.set_current_step(0, 19)
    plane = plane_in_view(layer, viewer.dims)
    np.testing.assert_array_equal(plane.read()[0], layer.data[2])


def test_largest_level_of_multiscale_is_taken(viewer):
    full = stack(16, 16)
    layer = viewer.add_image([full, full[::2, ::2]], multiscale=True)
    np.testing.assert_array_equal(plane_in_view(layer, viewer.dims).read()[0], full)


def test_dask_stack_is_computed_plane_by_plane(viewer):
    computed = []

    def load(block_info=None):
        computed.append(block_info[None]["chunk-location"][0])
        return np.full((1, 4, 5), computed[-1], np.uint8)

    data = da.map_blocks(
        load, chunks=((1,) * 9, (4,), (5,)), dtype=np.uint8, meta=np.empty((0, 0, 0))
    )
    layer = viewer.add_image(data, contrast_limits=(0, 9))
    viewer.dims.set_current_step(0, 3)
    plane = plane_in_view(layer, viewer.dims)
    computed.clear()
    pixels, _ = plane.read()
    assert (pixels == 3).all()
    assert computed == [3]
    assert not plane.in_memory


@pytest.mark.parametrize("n_colours", [3, 4])
def test_colours_of_rgb(viewer, n_colours):
    data = np.random.default_rng(0).integers(0, 256, (6, 7, n_colours), np.uint8)
    plane = plane_in_view(viewer.add_image(data, rgb=True), viewer.dims)
    pixels, channel_axis = plane.read("rgb")
    assert channel_axis == -1
    np.testing.assert_array_equal(pixels, data[..., :3])
    for number, name in enumerate(("red", "green", "blue")):
        pixels, channel_axis = plane.read(name)
        assert channel_axis is None
        np.testing.assert_array_equal(pixels, data[..., number])
    grey, _ = plane.read("grey")
    assert grey.dtype == np.uint8
    low, high = data[..., :3].min(axis=-1), data[..., :3].max(axis=-1)
    assert ((grey >= low) & (grey <= high)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.uint16])
def test_grey_of_grey_colours_is_itself(dtype):
    grey = np.random.default_rng(0).integers(0, 200, (6, 7)).astype(dtype)
    layer = Image(np.stack([grey] * 3, axis=-1), rgb=True)
    viewer = ViewerModel()
    viewer.add_layer(layer)
    pixels, _ = plane_in_view(layer, viewer.dims).read("grey")
    assert pixels.dtype == dtype
    np.testing.assert_allclose(pixels, grey, rtol=1e-6)


def test_mask_of_a_stack_is_the_plane_in_view(viewer):
    layer = viewer.add_image(stack(3, 4, 5))
    masks = stack(3, 4, 5).astype(np.uint8)
    viewer.dims.set_current_step(0, 2)
    plane = plane_in_view(layer, viewer.dims)
    np.testing.assert_array_equal(mask_of(Labels(masks), plane).read(plane), masks[2])
    np.testing.assert_array_equal(
        mask_of(Labels(masks[0]), plane).read(plane), masks[0]
    )
    assert mask_of(None, plane) is None


def test_moved_puts_a_crop_where_its_pixels_were():
    layer = Image(
        stack(9, 8, 7),
        scale=(4, 2, 0.5),
        translate=(1, 2, 3),
        rotate=30,
        shear=(0.1, 0.2, 0.3),
        affine=np.array([[1, 0, 0, 5], [0, 0, 1, 2], [0, -1, 0, 1], [0, 0, 0, 1]]),
    )
    origin = (3, 0, 2)
    crop = Image(layer.data[3:4, :, 2:], **moved(placement(layer), origin))
    for pixel in [(0, 0, 0), (0, 5, 3)]:
        np.testing.assert_allclose(
            crop.data_to_world(pixel),
            layer.data_to_world(np.add(pixel, origin)),
            atol=1e-9,
        )
