"""Which balance suits the affinities of an image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_paf import (
    entropy_rate_superpixels,
    load_model,
    predict_affinity,
    suitable_balance,
    superpixel_hierarchy,
    superpixels,
)
from napari_paf._offsets import neighbour_offsets
from napari_paf.affinity.balance import BALANCE, balance_of, doubt
from napari_paf.affinity.unet import UNetConfig


def default_with(**changes):
    model = load_model("default")
    model.config = model.network.config = replace(model.config, **changes)
    return model


def naive_doubt(affinity, inside):
    """Look at every edge on its own."""
    pairs = []
    offsets = neighbour_offsets(affinity.ndim - 1, 1)
    for k in range(len(offsets)):
        for pixel in np.ndindex(inside.shape):
            other = tuple(np.add(pixel, offsets[k]))
            if any(not 0 <= p < n for p, n in zip(other, inside.shape, strict=True)):
                continue
            if inside[pixel] and inside[other]:
                pairs.append(float(affinity[(k, *pixel)]))
    weights = [1 - a for a in pairs]
    if not sum(weights):
        return 1.0
    return sum(a * w for a, w in zip(pairs, weights, strict=True)) / sum(weights)


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.sampled_from(
        [(2, 3, 4), (4, 5, 3), (4, 1, 6), (3, 2, 3, 4), (13, 2, 2, 3)]
    ),
    masked=st.booleans(),
    flat=st.booleans(),
)
def test_doubt_agrees_with_a_look_at_every_edge(seed, shape, masked, flat):
    rng = np.random.default_rng(seed)
    affinity = np.ones(shape) if flat else rng.random(shape)
    inside = rng.random(shape[1:]) < 0.7 if masked else np.ones(shape[1:], bool)
    found = doubt(affinity.astype(np.float32), inside if masked else None)
    assert found == pytest.approx(naive_doubt(affinity, inside), abs=1e-5)


def test_certain_boundaries_ask_for_less():
    rng = np.random.default_rng(0)
    affinity = np.ones((2, 30, 40), np.float32)
    affinity[rng.random(affinity.shape) < 0.2] = 0.3
    config = UNetConfig(balance=0.4, doubt=0.6)
    assert doubt(affinity) == pytest.approx(0.3)
    assert balance_of(config, affinity) == pytest.approx(0.4 / 4)
    assert balance_of(replace(config, doubt=0.3), affinity) == 0.4
    assert balance_of(replace(config, doubt=0.1), affinity) == 0.4
    assert balance_of(replace(config, doubt=0.0), affinity) == 0.4
    assert balance_of(config, np.round(affinity)) == 0.0


def test_of_a_model_by_name_and_by_file(tmp_path):
    model = default_with(balance=3.0)
    model.save(path := tmp_path / "even.safetensors")
    affinity = predict_affinity(np.random.default_rng(0).random((20, 30)))
    balances = {suitable_balance(affinity, name) for name in (model, path, str(path))}
    assert balances == {balance_of(model.config, affinity)}
    assert suitable_balance(affinity, "gradient") == BALANCE == 0.5
    assert suitable_balance(affinity) == suitable_balance(affinity, "default")


def test_of_a_model_that_does_not_say():
    model = load_model("default")
    model.config = object()
    assert suitable_balance(np.ones((2, 3, 4)), model) == BALANCE


def test_of_what_is_no_affinity_or_model():
    with pytest.raises(ValueError, match="affinity of shape"):
        suitable_balance(np.ones((3, 4)))
    with pytest.raises(ValueError, match="mask of shape"):
        suitable_balance(np.ones((2, 3, 4)), mask=np.ones((4, 3)))
    with pytest.raises(TypeError, match="model=3"):
        suitable_balance(np.ones((2, 3, 4)), 3)


@pytest.mark.parametrize("masked", [False, True])
def test_is_what_superpixels_are_made_with(masked):
    rng = np.random.default_rng(0)
    image = rng.random((32, 40))
    mask = np.arange(40) * np.ones((32, 1)) < 25 if masked else None
    model = default_with(balance=7.0, doubt=1.0)
    affinity = predict_affinity(image, model=model, device="cpu")
    balance = suitable_balance(affinity, model, mask=mask)
    assert 0 < balance < 7
    if masked:
        assert balance != suitable_balance(affinity, model)
    expected = entropy_rate_superpixels(affinity, 20, balance=balance, mask=mask)
    options = {"model": model, "mask": mask, "device": "cpu"}
    np.testing.assert_array_equal(superpixels(image, 20, **options), expected)
    hierarchy = superpixel_hierarchy(image, 20, **options)
    np.testing.assert_array_equal(hierarchy.labels(20), expected)
    assert (superpixels(image, 20, balance=7.0, **options) != expected).any()
