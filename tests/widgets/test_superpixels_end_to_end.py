"""The real computing, driven from the widget in a real viewer."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import label as connected_components

from napari_paf import superpixels
from napari_paf.samples import list_samples, load_sample


@pytest.mark.parametrize("key", list_samples())
def test_every_sample(open_widget, run, key):
    viewer, widget = open_widget()
    viewer.open_sample("napari-paf", key)
    widget.n_segments.value = 150
    widget.model.value = "gradient"
    run(widget, timeout=120_000)
    image, labels = viewer.layers[key], viewer.layers[f"{key} superpixels"]
    record = labels.metadata["napari_paf"]
    sample = load_sample(key)
    plane = (*record["plane"], ...)
    shown = labels.data[plane]
    assert np.unique(shown).tolist() == list(range(1, 151))
    assert connected_components(shown, connectivity=2).max() == 150
    expected = superpixels(
        sample.image[plane],
        record["n_segments"],
        model=record["model"],
        balance=record["balance"],
        connectivity=record["connectivity"],
        channel_axis=sample.channel_axis,
    )
    np.testing.assert_array_equal(shown, expected)
    np.testing.assert_array_equal(labels.scale, image.scale)
    assert labels.units == image.units
    assert labels.axis_labels == image.axis_labels


def test_default_network(open_widget, run):
    viewer, widget = open_widget(load_sample("nuclei_fluorescence").image[:96, :128])
    widget.n_segments.value = 40
    widget.device.value = "cpu"
    run(widget, timeout=120_000)
    labels = viewer.layers["image 0 superpixels"]
    assert np.unique(labels.data).tolist() == list(range(1, 41))


def test_mask_of_islands_with_too_few_superpixels(
    open_widget, run, grey, notifications
):
    viewer, widget = open_widget(grey)
    mask = np.zeros(grey.shape, np.uint8)
    mask[2:6, 2:6] = mask[2:6, 20:30] = mask[15:20, 5:9] = 1
    widget.mask_layer.value = viewer.add_labels(mask, name="mask")
    widget.model.value = "gradient"
    widget.n_segments.value = 2
    run(widget)
    ((severity, message),) = notifications
    assert severity == "error"
    assert "3" in message
    assert "n_segments=2" in message
    widget.n_segments.value = 5
    run(widget)
    labels = viewer.layers["image 0 superpixels"].data
    np.testing.assert_array_equal(labels != 0, mask != 0)
    assert labels.max() == 5


def test_image_with_nan_cannot_be_run(open_widget, qtbot):
    image = np.zeros((8, 9), np.float32)
    image[3, 4:6] = np.nan
    viewer, widget = open_widget()
    viewer.add_image(image, contrast_limits=(0, 1))
    widget.n_segments.value = 4
    assert not widget.run_button.isEnabled()
    assert "2" in widget.reason
    viewer.layers[0].data = np.zeros((8, 9), np.float32)
    qtbot.waitUntil(widget.run_button.isEnabled)


@pytest.mark.parametrize("phase", ["Loading", "Reading", "Predicting", "Clustering"])
def test_cancel_in_each_phase(open_widget, cancel_in_phase, phase):
    """Cancelled at the first report of each phase, a run leaves nothing."""
    viewer, widget = open_widget(load_sample("phase_contrast_cells").image)
    cancel_in_phase(widget, phase)
    assert "image 0 superpixels" not in viewer.layers
    assert "Cancelled" in widget.message
