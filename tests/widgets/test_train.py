"""The Train affinity model widget: what it offers, and what a training gives."""

from __future__ import annotations

import gc

import dask.array as da
import numpy as np
import pytest
import torch
from napari.layers import Labels
from qtpy.QtWidgets import QApplication

from napari_paf import load_model, train_affinity
from napari_paf.affinity.model_names import user_models
from napari_paf.affinity.model_store import save_user_model
from napari_paf.training.loop import Training
from napari_paf.widgets.train.read import Source, evenly, read_samples
from napari_paf.widgets.train.request import _spare_a_core


def test_one_button_trains_and_keeps_a_model(open_training, cells, run, qtbot):
    viewer, widget = open_training(cells)
    _, superpixels = viewer.window.add_plugin_dock_widget("napari-paf", "Superpixels")
    assert widget.name.value == "cells 0 model"
    before = [layer.name for layer in viewer.layers]
    run(widget)
    assert list(user_models()) == ["cells 0 model"]
    assert load_model("cells 0 model").summary["started from"] == "tiny"
    assert "\u201ccells 0 model\u201d is trained" in widget.message
    for box in (superpixels.model, widget.init, widget.own_models.model):
        assert "cells 0 model" in box.choices
    assert [layer.name for layer in viewer.layers] == before
    loss, accuracy = widget.plot.curves
    assert list(loss.x) == list(accuracy.x) == [0, 1, 2, 3, 4]
    assert np.isfinite(loss.y[1:]).all()
    assert 0 < min(accuracy.y) <= max(accuracy.y) <= 100
    assert widget.name.value == "cells 0 model 2"
    # Its memory is given back without waiting for the garbage collector.
    assert not [x for x in gc.get_objects() if type(x) is Training]
    run(widget)
    assert list(user_models()) == ["cells 0 model", "cells 0 model 2"]


def test_the_same_model_as_from_a_script(open_training, cells, qtbot):
    viewer, widget = open_training(cells, steps=3)
    init = widget.init.value
    image, labels = (array.copy() for array in cells)
    widget.preview.value = False
    steps = []
    widget.run()
    widget._run.progressed.connect(lambda _fraction, step: steps.append(step))
    qtbot.waitUntil(lambda: any("Training" in step for step in steps), timeout=30_000)
    # What is painted from now on is for the next training.
    viewer.layers["cells 0 labels"].data[...] = 1
    viewer.layers["cells 0"].data[...] = 0
    qtbot.waitUntil(lambda: widget.worker is None, timeout=30_000)
    with _spare_a_core():  # sums on another number of threads round otherwise
        *_, event = train_affinity(
            [(image, labels)],
            init=init,
            steps=3,
            event_every=1,
            batch=2,
            size=32,
            device="cpu",
        )
    expected = event.model.network.state_dict()
    found = load_model("cells 0 model").network.state_dict()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize(
    "kind", ["grey", "stack", "colours and a stack", "long", "mixed"]
)
def test_copied_lines_train_the_same_model(open_training, cells, run, kind):
    image, labels = cells
    stack = np.stack([image] * 3), np.stack([labels, 0 * labels, labels])
    colours = np.stack([image] * 3, -1), labels
    pairs = {
        "grey": [cells],
        "stack": [stack],
        "colours and a stack": [colours, stack],
        "long": [cells],  # pixels are as long as three
        "mixed": [stack, cells],  # those of the stack are
    }
    viewer, widget = open_training(*pairs[kind], steps=2)
    if kind in ("long", "mixed"):
        image = viewer.layers["cells 0"]
        image.scale = (1, 0.3, 0.1)[-image.ndim :]
    save_user_model(widget.init.value, "small")
    widget.init.value = "small"
    widget.preview.value = False
    code = widget.copy_as_python()
    assert ("spacing=(3.0, 1.0)" in code) == (kind == "long")
    assert ("None, (3.0, 1.0)" in code) == (kind == "mixed")
    assert QApplication.clipboard().text() == code
    run(widget)
    (name,) = set(user_models()) - {"small"}
    with _spare_a_core():
        exec(code.replace(repr(name), "'copied'"), {"viewer": viewer})
    copied, found = (load_model(n).network.state_dict() for n in ("copied", name))
    assert all(torch.equal(found[key], copied[key]) for key in copied)


def test_preview_follows_in_place_and_is_kept_on_request(open_training, cells, qtbot):
    image, labels = cells
    stack = np.stack([image, image, image])
    truth = np.stack([labels, 0 * labels, labels])
    viewer, widget = open_training((stack, truth), steps=100_000, scale=(3, 2, 2))
    widget.keep_preview.value = True
    viewer.dims.set_current_step(0, 2)
    viewer.layers.selection.active = viewer.layers["cells 0 labels"]
    widget.run()
    qtbot.waitUntil(lambda: len(viewer.layers) == 3, timeout=30_000)
    (preview,) = set(viewer.layers) - {viewer.layers[0], viewer.layers[1]}
    assert preview.name == "cells 0 training preview"
    assert viewer.layers.selection.active.name == "cells 0 labels"
    assert preview.data.shape == (1, 40, 48)
    np.testing.assert_array_equal(preview.scale, (3, 2, 2))
    np.testing.assert_array_equal(preview.translate, (6, 0, 0))
    assert np.unique(preview.data).tolist() == list(range(1, 10))
    assert not preview.editable
    drawn = preview.data
    qtbot.waitUntil(lambda: preview.data is not drawn, timeout=30_000)
    widget.stop_button.click()
    qtbot.waitUntil(lambda: widget.worker is None)
    assert preview in viewer.layers
    assert preview.editable
    widget.pairs.guess()
    assert [labels.name for _, labels in widget.pairs.value] == ["cells 0 labels"]


def test_preview_of_the_middle_of_a_large_multiscale_image(
    open_training, cells, run, monkeypatch
):
    monkeypatch.setattr("napari_paf.widgets.train.preview.LONGEST", 16)
    image, labels = cells
    viewer, widget = open_training(steps=1)
    levels = [image, image[::2, ::2]]
    viewer.add_image(levels, name="large", multiscale=True, scale=(2, 2))
    viewer.add_labels(da.from_array(labels), name="large labels", scale=(2, 2))
    assert len(widget.pairs.value) == 1
    widget.keep_preview.value = True
    run(widget)
    preview = viewer.layers["large training preview"]
    assert preview.data.shape == (16, 16)
    np.testing.assert_array_equal(preview.translate, (2 * 12, 2 * 16))
    assert list(user_models()) == ["large model"]


def test_several_pairs_grey_and_rgb(open_training, cells, run):
    image, labels = cells
    viewer, widget = open_training(cells, (np.stack([image] * 3, -1), labels))
    assert [image.name for image, _ in widget.pairs.value] == ["cells 1", "cells 0"]
    assert viewer.layers["cells 1"].rgb
    run(widget)
    assert load_model("cells 1 model").summary["images"] == 2


def test_only_where_there_are_labels(open_training, cells, run):
    image, labels = cells
    scribbles = np.where(np.arange(48) % 12 < 6, labels + 1, 0)
    _, widget = open_training((image, scribbles.astype(np.uint16)))
    widget.unlabelled.value = 0
    run(widget)
    assert len(user_models()) == 1


def test_duration_in_minutes_and_epochs(open_training, cells, qtbot):
    _, widget = open_training(cells)
    widget.unit.value = "minutes"
    assert widget.duration.value == 5
    widget.duration.value = 0.02
    widget.run()
    qtbot.waitUntil(lambda: widget.worker is None, timeout=30_000)
    assert len(user_models()) == 1
    widget.unit.value = "epochs"
    widget.duration.value = 3
    widget.run()
    request = widget._request
    samples, _ = read_samples(request.sources, None, lambda *_: None)
    n_pixels = sum(sample.codes[0].size for sample in samples)
    # Three times the pixels that are learnt from, in batches of two 32 x 32 parts.
    assert n_pixels == 40 * (48 - 48 // 5)
    steps = request.length(n_pixels)["steps"]
    assert steps == round(3 * n_pixels / (2 * 32 * 32))
    widget.cancel()
    qtbot.waitUntil(lambda: widget.worker is None)
    widget.unit.value = "minutes"
    assert widget.duration.value == 0.02


def test_a_new_network(open_training, cells, run):
    _, widget = open_training(cells, steps=1)
    widget.init.value = None
    assert widget.init.value is None
    widget.init.set_names(("default", "mine"))
    assert widget.init.value is None
    run(widget)
    assert load_model("cells 0 model").summary["started from"] is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda v, w: v.layers.clear(), "Open an image"),
        (lambda v, w: v.layers.remove("cells 0 labels"), "Choose the labels"),
        (lambda v, w: v.layers["cells 0 labels"].fill((0, 0), 0), ""),
        (lambda v, w: setattr(v.layers[1], "data", np.ones((4, 5), int)), "4 \u00d7 5"),
        (lambda v, w: setattr(v.layers[1], "data", np.zeros((40, 48), int)), "empty"),
        (lambda v, w: setattr(w.name, "value", "default"), "taken"),
        (lambda v, w: setattr(w.name, "value", "a/b"), "choose another name"),
    ],
)
def test_why_train_is_grey(open_training, cells, qtbot, change, reason):
    viewer, widget = open_training(cells)
    assert widget.run_button.isEnabled()
    change(viewer, widget)
    qtbot.waitUntil(lambda: widget.run_button.isEnabled() is not bool(reason))
    assert reason in widget.reason
    if reason:
        assert reason in widget.run_button.toolTip()


def test_pairs_are_guessed_until_some_are_picked(open_training, cells):
    viewer, widget = open_training(cells)
    image, labels = viewer.layers
    assert widget.pairs.value == [(image, labels)]
    viewer.add_image(cells[0], name="more")
    assert widget.pairs.value == [(image, labels)]
    other = viewer.add_labels(cells[1], name="more labels")
    assert len(widget.pairs.value) == 2
    widget.pairs.value = [(image, other)]
    viewer.add_labels(cells[1], name="cells 0 mask")
    assert widget.pairs.value == [(image, other)]
    widget.pairs.add_button.click()
    assert widget.pairs.rows[1] == (None, None)
    widget.pairs.boxes[1][0].value = viewer.layers["more"]
    assert "Choose the labels that go with \u201cmore\u201d" in widget.reason
    widget.pairs.boxes[1][1].value = labels
    assert not widget.reason
    viewer.layers.remove(other)
    assert [row[1] for row in widget.pairs.rows] == [labels]
    widget.pairs.guess_button.click()
    assert len(widget.pairs.value) == 1
    assert widget.pairs.value[0][0] is image


def test_every_control_says_what_it_is_for(open_training, cells):
    _, widget = open_training(cells)
    names = "unlabelled duration unit name init loss preview n_segments"
    for name in [*names.split(), "keep_preview", "device", "seed"]:
        assert getattr(widget, name).tooltip, name
    for row in widget.pairs.boxes:
        assert all(box.tooltip for box in row)
    for button in (*widget.own_models.buttons.values(), widget.run_button):
        assert button.toolTip()


def test_stacks_are_read_plane_by_plane(cells):
    image, labels = cells
    huge = labels.astype(np.int64) * 2**33
    truth = np.stack([0 * huge, huge, huge, -huge])[None]
    source = Source("x", np.stack([image] * 4)[None], truth, rgb=False)
    planes = list(source.read(0, lambda *_: None))
    assert len(planes) == 3
    for pixels, numbers in planes:
        np.testing.assert_array_equal(pixels, image[None])
        assert numbers.max() < 100
        np.testing.assert_array_equal(numbers == 0, labels == 0)
        for number in range(1, 13):
            assert len(np.unique(numbers[labels == number])) == 1
    assert evenly(list(range(10)), 5) == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("function", ["superpixels", "merge_regions", "grow_seeds"])
def test_what_was_computed_is_no_truth(open_training, cells, function):
    viewer, widget = open_training((cells[0], None))
    record = {"napari_paf": {"function": function}}
    viewer.add_layer(Labels(cells[1], name="cells 0 labels", metadata=record))
    assert widget.pairs.value == []
