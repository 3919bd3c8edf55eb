"""The sample pictures, as a script and as the File menu open them."""

from __future__ import annotations

import json
from importlib import resources

import numpy as np
import pytest

from napari_paf.samples import list_samples, load_sample


@pytest.mark.parametrize("key", list_samples())
def test_sample_is_as_its_entry_says(key):
    text = resources.files("napari_paf.samples").joinpath("index.json").read_text()
    entry = next(entry for entry in json.loads(text) if entry["key"] == key)
    sample = load_sample(key)
    assert list(sample.image.shape) == entry["shape"]
    assert sample.image.dtype == entry["dtype"]
    assert len(sample.axes) == sample.image.ndim
    if sample.labels is not None:
        spatial = [
            length
            for length, axis in zip(sample.image.shape, sample.axes, strict=True)
            if axis != "C"
        ]
        assert list(sample.labels.shape) == spatial
        assert sample.labels.max() > 1


def test_unknown_sample_is_an_error_with_the_names():
    with pytest.raises(ValueError, match=r"key='cat'.*natural_chelsea"):
        load_sample("cat")


def test_every_licence_is_in_the_notice(request):
    notice = (request.config.rootpath / "NOTICE").read_text(encoding="utf-8")
    for key in list_samples():
        sample = load_sample(key)
        assert f"{key}." in notice
        if sample.licence == "MIT":
            assert sample.attribution in notice


@pytest.mark.parametrize("key", list_samples())
def test_file_menu_opens_sample(make_napari_viewer_proxy, key):
    viewer = make_napari_viewer_proxy()
    viewer.open_sample("napari-paf", key)
    sample = load_sample(key)
    image = viewer.layers[key]
    np.testing.assert_array_equal(image.data, sample.image)
    assert image.rgb == (sample.channel_axis is not None)
    if sample.labels is not None:
        truth = viewer.layers[f"{key} ground truth"]
        np.testing.assert_array_equal(truth.data, sample.labels)
        np.testing.assert_array_equal(truth.scale, image.scale)
        assert not truth.visible
