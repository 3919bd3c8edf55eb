"""Load the heavy parts beside the window, once, when the first widget opens.

Importing PyTorch and compiling the clustering take seconds; done while the
user looks around, they do not delay the first run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_paf.widgets.common.worker import Failure, JobWorker, job_worker

if TYPE_CHECKING:
    from napari_paf._progress import Progress

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Backends:
    """What there is to choose from on this machine."""

    models: tuple[str, ...] = ("default",)
    devices: tuple[str, ...] = ("auto", "cpu")


class _Loading(QObject):
    ready = Signal(object)


known = Backends()
_loading = _Loading()
_worker: JobWorker | None = None
_finished = False


def warm_up(on_ready: Callable[[Backends], None]) -> None:
    """Start the loading unless it was, and call back with what there is.

    Calls back again whenever there are other models. `on_ready` must be a method
    of a QObject: Qt then drops the call when the object is gone.
    """
    global _worker
    _loading.ready.connect(on_ready)
    if _finished:
        on_ready(known)
        return
    if _worker is None:
        _worker = job_worker(_load)
        _worker.returned.connect(_remember)
        _worker.finished.connect(_let_go)
        _worker.start()


def expect_device(device: str) -> None:
    """Offer a device until it is known which ones there are."""
    global known
    if not _finished and device not in known.devices:
        known = replace(known, devices=(*known.devices, device))


def models_changed() -> None:
    """Offer the models that there are now, in all widgets that are open."""
    global known
    known = replace(known, models=_model_names())
    _loading.ready.emit(known)


def _remember(result: Any) -> None:
    global known, _finished
    if isinstance(result, Failure):
        # A run says what is missing; here nobody has asked for anything yet.
        _logger.debug("warming up failed", exc_info=result.error)
    else:
        known = result
    _finished = True
    models_changed()  # some may have been made while others were listed


def _let_go() -> None:
    global _worker
    _worker = None


def _load(progress: Progress) -> Backends:
    """Load everything; between two steps napari may quit."""
    progress(0.0, "Loading PyTorch")
    backends = _look_around()
    progress(0.2, "Loading Numba")
    _compile(progress)
    return backends


def _look_around() -> Backends:
    import torch

    devices = ["auto", "cpu"]
    n_cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if n_cuda:
        devices.append("cuda")
    if n_cuda > 1:
        devices += [f"cuda:{number}" for number in range(n_cuda)]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return Backends(_model_names(), tuple(devices))


def _model_names() -> tuple[str, ...]:
    from napari_paf.affinity.model_names import bundled_models, user_models

    return (*bundled_models(), *user_models())


def _compile(progress: Progress) -> None:
    import numpy as np

    from napari_paf.pipeline import superpixel_hierarchy

    # Large enough for all the kernels to have something to do.
    ramp = np.arange(2500, dtype=np.uint16).reshape(50, 50)
    for connectivity in (1, 2):
        superpixel_hierarchy(
            ramp, 9, model="gradient", connectivity=connectivity, progress=progress
        )
    superpixel_hierarchy(ramp, 9, progress=progress)
