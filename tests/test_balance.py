"""A model says which balance suits it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_paf import load_model, superpixels
from napari_paf.affinity.balance import BALANCE, balance_of


def default_with(balance):
    model = load_model("default")
    model.config = model.network.config = replace(model.config, balance=balance)
    return model


def test_of_names_files_and_models(tmp_path):
    model = default_with(3.0)
    model.save(path := tmp_path / "even.safetensors")
    assert balance_of("default") == load_model("default").balance == 0.2
    assert balance_of("gradient") == BALANCE == 0.5
    assert balance_of(model) == balance_of(path) == balance_of(str(path)) == 3.0
    assert load_model(path).balance == 3.0


def test_of_a_model_that_does_not_say(tmp_path):
    model = load_model("default")
    model.config = object()
    assert balance_of(model) == BALANCE


@pytest.mark.parametrize(
    "model", ["no such model", "no such file.safetensors", None, 3]
)
def test_of_what_is_no_model(model):
    assert balance_of(model) == BALANCE


def test_of_a_file_that_is_no_model_file(tmp_path):
    path = tmp_path / "text.safetensors"
    path.write_text("not a model")
    assert balance_of(path) == balance_of(tmp_path) == BALANCE


def test_is_what_superpixels_are_made_with():
    image = np.random.default_rng(0).random((32, 40))
    model = default_with(7.0)
    own = superpixels(image, 20, model=model, device="cpu")
    given = superpixels(image, 20, balance=7.0, device="cpu")
    np.testing.assert_array_equal(own, given)
    assert (superpixels(image, 20, device="cpu") != own).any()
