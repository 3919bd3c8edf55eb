"""The Objects widget in a real viewer."""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtWidgets import QApplication, QDockWidget

import napari_paf
from napari_paf import regions
from napari_paf.affinity import predict
from napari_paf.widgets.common.records import KEY
from napari_paf.widgets.objects.texts import (
    CHANGED,
    CHANGED_MEANWHILE,
    EDITED,
    NO_SUPERPIXELS,
    NOTHING_TO_COPY,
    OTHER_SHAPE,
    OTHERS_CHOSEN,
)

ROWS, COLUMNS = np.indices((24, 32))


def squares(shift=0):
    """Return four grey squares of very different brightness."""
    return (ROWS // 12 * 90 + (COLUMNS + shift) // 16 * 60 + 20).astype(np.uint8)


class Opened(NamedTuple):
    viewer: object
    superpixels: object
    objects: object


@pytest.fixture
def open_objects(open_widget, run):
    """Return a function that makes superpixels and opens the Objects widget."""

    def open_(image, n_segments=24, extent="plane", **options):
        viewer, widget = open_widget(image, **options)
        _, objects = viewer.window.add_plugin_dock_widget("napari-paf", "Objects")
        assert objects.reason == NO_SUPERPIXELS
        assert not objects.run_button.isEnabled()
        widget.model.value = "gradient"
        widget.extent.value = extent
        widget.n_segments.value = n_segments
        run(widget)
        return Opened(viewer, widget, objects)

    return open_


def expected(image, labels, threshold=0.06, min_size=30, seeds=None, **options):
    affinity = napari_paf.predict_affinity(image, model="gradient", **options)
    given = {"threshold": threshold, "min_size": min_size}
    if seeds is None:
        return regions.merge_regions(labels, affinity, **given)
    return regions.grow_seeds(labels, affinity, seeds, **given)


def layer_of(viewer):
    return viewer.layers["image 0 objects"]


def test_objects_of_an_image(open_objects, run):
    image = squares()
    viewer, _, widget = open_objects(image, scale=(2, 0.5), translate=(3, 4))
    superpixels = viewer.layers["image 0 superpixels"]
    assert widget.labels_layer.value == superpixels
    run(widget)
    made = layer_of(viewer)
    assert (made.data == expected(image, superpixels.data)).all()
    assert len(np.unique(made.data)) == 4  # the squares
    assert made.scale.tolist() == [2, 0.5]
    assert made.translate.tolist() == [3, 4]
    assert widget.message.startswith("4 objects in ")
    record = made.metadata[KEY]
    assert record["function"] == "merge_regions"
    assert (record["threshold"], record["min_size"]) == (0.06, 30)
    assert record["n_objects"] == 4


def test_colours_are_read_as_the_superpixels_were_made(open_objects, run):
    image = np.stack([squares(), squares(5), squares(9)], axis=-1)
    viewer, _, widget = open_objects(image, rgb=True)
    run(widget)
    labels = viewer.layers["image 0 superpixels"].data
    assert (layer_of(viewer).data == expected(image, labels, channel_axis=-1)).all()


def test_objects_from_seeds(open_objects, run):
    image = squares()
    viewer, _, widget = open_objects(image)
    seeds = np.zeros(image.shape, np.uint32)
    seeds[2:4, 2:6], seeds[20, 3:9] = 7, 2**31
    layer = viewer.add_labels(seeds, name="marks")
    assert widget.seeds_layer.value is None
    widget.seeds_layer.value = layer
    widget.threshold.value = 0
    widget.min_size.value = 0
    run(widget)
    labels = viewer.layers["image 0 superpixels"].data
    made = layer_of(viewer).data
    assert (made == expected(image, labels, 0, 0, seeds)).all()
    assert set(np.unique(made)) == {7, 2**31}
    assert widget.message.startswith("2 objects in ")
    assert layer_of(viewer).metadata[KEY]["seeds_layer"] == "marks"


def test_empty_seeds_are_said(open_objects, run, notifications):
    viewer, _, widget = open_objects(squares())
    widget.seeds_layer.value = viewer.add_labels(np.zeros((24, 32), int), name="marks")
    run(widget)
    assert "label some pixels of each object" in widget.message
    assert notifications
    assert "image 0 objects" not in viewer.layers


def test_slider_redraws_without_a_run(open_objects, run, qtbot):
    image = squares() + np.random.default_rng(0).integers(0, 30, (24, 32), np.uint8)
    viewer, _, widget = open_objects(image)
    run(widget)
    labels = viewer.layers["image 0 superpixels"].data
    for threshold, min_size in ((1.0, 0), (0.5, 0), (0.0, 40)):
        for value in (0.9, 0.1, threshold):  # a fast drag: the last value counts
            widget.threshold.value = value
        widget.min_size.value = min_size
        record = {"threshold": threshold, "min_size": min_size}
        qtbot.waitUntil(
            lambda r=record: r.items() <= layer_of(viewer).metadata[KEY].items()
        )
        wanted = expected(image, labels, threshold, min_size)
        assert (layer_of(viewer).data == wanted).all()
        assert widget.message.endswith("from the last run.")


def test_edits_by_hand_are_never_overwritten_by_the_slider(open_objects, run, qtbot):
    viewer, _, widget = open_objects(squares())
    run(widget)
    made = layer_of(viewer)
    made.data_setitem((np.array([0]), np.array([0])), 9)
    before = made.data.copy()
    widget.threshold.value = 1.0
    qtbot.waitUntil(lambda: widget.message == EDITED)
    assert (made.data == before).all()
    run(widget)  # replaces them, and can be undone
    assert made.data[0, 0] != 9
    made.undo()
    assert (made.data == before).all()


def test_one_plane_of_a_stack(open_objects, run):
    stack = np.stack([squares(), squares(4), squares(8)])
    viewer, _, widget = open_objects(stack)
    at = viewer.dims.current_step[0]
    run(widget)
    made = layer_of(viewer)
    assert made.data.shape == stack.shape
    labels = viewer.layers["image 0 superpixels"].data[at]
    assert (made.data[at] == expected(stack[at], labels)).all()
    assert not np.delete(made.data, at, axis=0).any()


def test_planes_one_by_one_have_their_own_objects(open_objects, run):
    stack = np.stack([squares(), squares(4), squares(8)])
    viewer, _, widget = open_objects(stack, extent="planes")
    run(widget)
    labels, made = viewer.layers["image 0 superpixels"].data, layer_of(viewer).data
    seen = 0
    for plane in range(3):
        wanted = expected(stack[plane], labels[plane])
        assert (made[plane] == wanted + seen).all()
        seen += wanted.max()
    assert widget.message.startswith(f"{seen} objects")


def test_seeds_in_one_plane_of_many(open_objects, run):
    stack = np.stack([squares(), squares(4)])
    viewer, _, widget = open_objects(stack, extent="planes")
    seeds = np.zeros(stack.shape, np.uint8)
    seeds[1, 3, 3] = 5
    widget.seeds_layer.value = viewer.add_labels(seeds, name="marks")
    widget.threshold.value = 0
    run(widget)
    made = layer_of(viewer).data
    assert not made[0].any()
    assert (made[1] == 5).all()


def test_a_volume(open_objects, run):
    volume = np.stack([squares()] * 4)
    viewer, _, widget = open_objects(volume, extent="volume")
    run(widget)
    labels = viewer.layers["image 0 superpixels"].data
    assert (layer_of(viewer).data == expected(volume, labels)).all()


def test_only_what_is_in_view(open_widget, run):
    image = squares()
    viewer, widget = open_widget(image)
    viewer.add_shapes([np.array([[4, 4], [4, 20], [20, 20], [20, 4]])], name="part")
    widget.image_layer.value = viewer.layers["image 0"]
    widget.region.value = viewer.layers["part"]
    widget.model.value, widget.n_segments.value = "gradient", 12
    run(widget)
    _, objects = viewer.window.add_plugin_dock_widget("napari-paf", "Objects")
    run(objects)
    superpixels, made = viewer.layers["image 0 superpixels"], layer_of(viewer)
    assert made.data.shape == superpixels.data.shape
    assert ((made.data > 0) == (superpixels.data > 0)).all()
    assert made.translate.tolist() == superpixels.translate.tolist()


def test_why_it_cannot_run(open_objects):
    viewer, _, widget = open_objects(squares())
    assert widget.reason == ""
    viewer.add_labels(np.zeros((5, 6), int), name="small")
    widget.seeds_layer.value = viewer.layers["small"]
    assert "have size 5 \u00d7 6, the superpixels 24 \u00d7 32" in widget.reason
    widget.seeds_layer.value = None
    superpixels = viewer.layers["image 0 superpixels"]
    before = superpixels.data
    superpixels.data = before[:10]
    assert widget.reason == OTHER_SHAPE
    superpixels.data = before
    assert widget.reason == ""
    viewer.layers.remove("image 0")
    assert "\u201cimage 0\u201d of these superpixels is not there" in widget.reason
    viewer.layers.remove("image 0 superpixels")
    assert widget.reason == NO_SUPERPIXELS


def test_new_superpixels_ask_for_a_run(open_objects, run):
    viewer, superpixels, widget = open_objects(squares())
    run(widget)
    superpixels.n_segments.value = 40
    run(superpixels)
    assert widget.message == CHANGED
    run(widget)
    assert layer_of(viewer).data.max() >= 4
    assert len([x for x in viewer.layers if x.name.endswith("objects")]) == 1


def test_objects_are_not_taken_for_superpixels(open_objects, run):
    viewer, superpixels, widget = open_objects(squares())
    run(widget)
    run(superpixels)  # again, in place
    names = [layer.name for layer in viewer.layers]
    assert names == ["image 0", "image 0 superpixels", "image 0 objects"]
    _, painter = viewer.window.add_plugin_dock_widget(
        "napari-paf", "Superpixel painter"
    )
    assert painter.superpixels_layer.value == viewer.layers[1]
    assert widget.seeds_layer.choices == (None,)


@pytest.mark.parametrize("seeded", [False, True])
def test_copied_lines_make_the_same(open_objects, run, seeded, notifications):
    viewer, _, widget = open_objects(squares())
    assert widget.copy_as_python() == ""
    assert notifications[-1][1] == NOTHING_TO_COPY
    if seeded:
        seeds = np.zeros((24, 32), np.uint8)
        seeds[3, 3], seeds[20, 30] = 4, 2
        widget.seeds_layer.value = viewer.add_labels(seeds, name="marks")
    run(widget)
    code = widget.copy_as_python()
    assert QApplication.clipboard().text() == code
    names = {"viewer": viewer}
    exec(code, names)
    assert (names["objects"] == layer_of(viewer).data).all()
    for layer in list(viewer.layers):
        if layer != layer_of(viewer):
            layer.name = f"{layer.name}, renamed"
    names = {"viewer": viewer}
    exec(widget.copy_as_python(), names)
    assert (names["objects"] == layer_of(viewer).data).all()


def test_seeds_below_0_are_refused_before_the_network_is_asked(
    open_objects, run, monkeypatch
):
    viewer, _, widget = open_objects(np.stack([squares(), squares(4)]))
    seeds = np.zeros((2, 24, 32), np.int16)
    seeds[0, 3, 3], seeds[0, 20, 30] = 4, -2
    widget.seeds_layer.value = viewer.add_labels(seeds, name="marks")
    monkeypatch.setattr(predict, "predict_affinity", lambda *_, **__: pytest.fail())
    run(widget)
    assert "seeds down to -2" in widget.message


def test_copied_lines_for_a_plane_drive_the_widget(open_objects, run, qtbot):
    viewer, _, widget = open_objects(np.stack([squares(), squares(4)]))
    widget.threshold.value = 0.4
    run(widget)
    before = layer_of(viewer).data.copy()
    layer_of(viewer).data = np.zeros_like(before)
    code = widget.copy_as_python()
    names = {"viewer": viewer}
    exec(code, names)
    qtbot.waitUntil(lambda: names["widget"].worker is None, timeout=20_000)
    assert (layer_of(viewer).data == before).all()


class Held:
    """Takes the place of `predict_affinity` and waits, without a report."""

    def __init__(self):
        self.reached = threading.Semaphore(0)
        self.gate = threading.Event()
        self.real = predict.predict_affinity

    def __call__(self, *args, **options):
        self.reached.release()
        assert self.gate.wait(30)
        return self.real(*args, **options)


@pytest.fixture
def start(open_objects, monkeypatch, qtbot):
    """Return a function that starts a run, and waits until it predicts."""
    held = Held()

    def start_():
        opened = open_objects(squares())
        monkeypatch.setattr(predict, "predict_affinity", held)
        opened.objects.run_button.click()
        qtbot.waitUntil(lambda: held.reached.acquire(blocking=False), timeout=20_000)
        return *opened, held.gate

    yield start_
    held.gate.set()


def test_cancel_while_nothing_is_reported(start, qtbot):
    viewer, _, widget, _ = start()
    widget.cancel_button.click()
    qtbot.waitUntil(lambda: widget.worker is None, timeout=5000)
    assert widget.message == "Cancelled."
    assert "image 0 objects" not in viewer.layers


def test_superpixels_that_change_during_a_run(start, qtbot, notifications):
    viewer, _, widget, gate = start()
    superpixels = viewer.layers["image 0 superpixels"]
    superpixels.fill((0, 0), 99)
    gate.set()
    qtbot.waitUntil(lambda: widget.worker is None, timeout=20_000)
    assert widget.message == CHANGED_MEANWHILE
    assert layer_of(viewer).data.max() == 4


def test_superpixels_that_go_during_a_run(start, qtbot):
    viewer, _, widget, gate = start()
    viewer.layers.clear()
    gate.set()
    qtbot.waitUntil(lambda: widget.worker is None, timeout=20_000)
    assert layer_of(viewer).data.max() == 4  # kept
    assert widget.reason == NO_SUPERPIXELS


def test_closing_the_dock_during_a_run(start):
    viewer, _, widget, gate = start()
    dock = widget.parent()
    while not isinstance(dock, QDockWidget):
        dock = dock.parent()
    viewer.window.remove_dock_widget(dock)
    gate.set()
    assert "image 0 objects" not in viewer.layers


def test_every_control_says_what_it_does(open_objects):
    _, _, widget = open_objects(squares())
    for name in ("labels_layer", "seeds_layer", "threshold", "min_size"):
        assert len(getattr(widget, name).tooltip) > 20
    assert widget.run_button.toolTip()
    assert widget.copy_button.toolTip()


def test_the_slider_leaves_the_objects_of_others_alone(open_objects, run, qtbot):
    viewer, superpixels, widget = open_objects(squares())
    run(widget)
    made, said = layer_of(viewer), widget.message
    before = made.data.copy()
    first = widget.labels_layer.value
    viewer.add_image(squares(4), name="other")
    superpixels.image_layer.value = viewer.layers["other"]
    run(superpixels)
    qtbot.waitUntil(lambda: len(widget.labels_layer.choices) == 2)
    widget.labels_layer.value = viewer.layers["other superpixels"]
    assert widget.message == OTHERS_CHOSEN
    widget.threshold.value = 0
    qtbot.wait(50)
    np.testing.assert_array_equal(made.data, before)
    assert widget.message == OTHERS_CHOSEN
    # With those of the last run chosen again, it goes on.
    widget.threshold.value = 0.06
    widget.labels_layer.value = first
    assert widget.message == said
    widget.threshold.value = 0
    qtbot.waitUntil(lambda: (made.data != before).any())


def test_seeds_chosen_after_a_run_need_another(open_objects, run, qtbot):
    viewer, _, widget = open_objects(squares())
    run(widget)
    before = layer_of(viewer).data.copy()
    seeds = viewer.add_labels(np.eye(24, 32, dtype=np.uint8), name="marks")
    widget.seeds_layer.value = seeds
    assert widget.message == OTHERS_CHOSEN
    widget.threshold.value = 0
    qtbot.wait(50)
    np.testing.assert_array_equal(layer_of(viewer).data, before)


def test_a_duplicate_is_the_users_own(open_objects, run):
    viewer, superpixels, widget = open_objects(squares())
    run(widget)
    for name, again in (
        ("image 0 objects", widget),
        ("image 0 superpixels", superpixels),
    ):
        layer = viewer.layers[name]
        copy = Labels(layer.data.copy(), metadata=dict(layer.metadata), name="my own")
        viewer.add_layer(copy)
        copy.data[:3, :3] = 99
        layer.data[5:9, 5:9] = 77
        kept = copy.data.copy()
        n_layers = len(viewer.layers)
        run(again)
        np.testing.assert_array_equal(copy.data, kept)
        assert (layer.data[5:9, 5:9] != 77).all()
        assert len(viewer.layers) == n_layers
        viewer.layers.remove(copy)
