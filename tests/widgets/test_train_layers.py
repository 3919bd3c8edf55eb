"""Training from unusual layers, and from layers that change meanwhile."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from qtpy.QtCore import QThreadPool

from napari_paf import load_model
from napari_paf.affinity.model_names import user_models


def trained(widget):
    """Return the weights of the one model there is."""
    ((_, path),) = user_models().items()
    return load_model(path).network.state_dict()


def test_zarr_and_huge_ids_train_the_same_model(
    open_training, cells, run, tmp_path, monkeypatch
):
    zarr = pytest.importorskip("zarr")
    image, labels = cells
    huge = labels.astype(np.uint32)
    huge[labels > 0] += np.uint32(2**31)
    stored = zarr.open(
        str(tmp_path / "labels.zarr"),
        mode="w",
        shape=huge.shape,
        chunks=(16, 16),
        dtype="uint32",
    )
    stored[:] = huge
    weights = []
    for number, truth in enumerate((labels, huge, stored)):
        monkeypatch.setenv("NAPARI_PAF_MODELS", str(tmp_path / str(number)))
        _, widget = open_training((da.from_array(image), truth))
        run(widget)
        weights.append(trained(widget))
    for other in weights[1:]:
        for name, tensor in weights[0].items():
            assert tensor.equal(other[name]), name


def test_edited_and_replaced_during_a_training(open_training, cells, qtbot):
    image, labels = cells
    models = []
    for edit in (False, True):
        viewer, widget = open_training((image.copy(), labels.copy()))
        widget.name.value = f"model {edit}"
        edited = []

        def on_step(fraction, description, viewer=viewer, edited=edited):
            if "Measuring" in description and not edited:
                viewer.layers["cells 0"].data[:] = 0
                viewer.layers["cells 0 labels"].data = np.ones((7, 9), int)
                edited.append(True)

        widget.run()
        if edit:
            widget._run.progressed.connect(on_step)
        qtbot.waitUntil(lambda w=widget: w.worker is None, timeout=60_000)
        assert bool(edited) == edit
        models.append(load_model(user_models()[f"model {edit}"]))
    for one, other in zip(*(m.network.parameters() for m in models), strict=True):
        assert one.equal(other)


@pytest.mark.parametrize(
    "phase", ["Loading", "Reading", "Measuring", "Making the preview", "Training, step"]
)
def test_cancel_in_each_phase(open_training, cells, cancel_in_phase, phase):
    viewer, widget = open_training(cells, steps=100_000)
    cancel_in_phase(widget, phase)
    assert widget.message == "Cancelled."
    assert QThreadPool.globalInstance().waitForDone(5000)
    assert not user_models()
    assert len(viewer.layers) <= 3  # with the preview, if there was one already


def test_huge_multiscale_image(open_training, cells):
    def chunk(block_info=None):
        raise AssertionError("the finest level is never read")

    finest = da.map_blocks(
        chunk, chunks=((3000,) * 10,) * 2, dtype=np.uint8, meta=np.zeros((0, 0), "u1")
    )
    levels = [
        finest,
        *(da.zeros((30_000 // f,) * 2, dtype=np.uint8) for f in (8, 64)),
    ]
    _, widget = open_training((levels, levels), multiscale=True)
    assert "30000" in widget.reason
    assert not widget.run_button.isEnabled()
