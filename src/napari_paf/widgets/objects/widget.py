"""The Objects widget: superpixels merged into objects."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from weakref import ref

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QTimer

from napari_paf._version import __version__
from napari_paf.widgets.common.records import KEY, record_of, with_present_names
from napari_paf.widgets.common.running import copy_text
from napari_paf.widgets.common.undoable import KEPT, replace_data
from napari_paf.widgets.common.undoable import news as undo_news
from napari_paf.widgets.objects.as_python import as_python
from napari_paf.widgets.objects.controls import ObjectControls
from napari_paf.widgets.objects.layers import (
    Drawn,
    Origin,
    objects_of,
    put_objects,
    still_fits,
    with_image,
)
from napari_paf.widgets.objects.request import ObjectsRequest
from napari_paf.widgets.objects.texts import (
    CHANGED,
    CHANGED_MEANWHILE,
    EDITED,
    NO_IMAGE,
    NO_SUPERPIXELS,
    NOTHING_TO_COPY,
    OTHER_SHAPE,
    OTHERS_CHOSEN,
    SEEDS_SHAPE,
    failure,
    outcome,
)
from napari_paf.widgets.superpixels.hierarchies import hierarchy_of, news

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels

    from napari_paf.widgets.objects.request import Objects


class ObjectsWidget(ObjectControls):
    """Merge superpixels into objects and show them as labels.

    The parameters are attributes with a ``value``.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer whose layers are used and that gets the result.

    Attributes
    ----------
    labels_layer
        The superpixels, made in this session by the Superpixels widget.
    seeds_layer
        None, or a labels layer with some pixels of each object.
    threshold, min_size
        As in `napari_paf.regions.merge_regions` and `grow_seeds`.

    Examples
    --------
    >>> _, widget = viewer.window.add_plugin_dock_widget(
    ...     "napari-paf", "Objects"
    ... )  # doctest: +SKIP
    >>> widget.threshold.value = 0.1  # doctest: +SKIP
    >>> widget.run()  # doctest: +SKIP
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self._origin: Origin | None = None
        self._made_of: tuple[ref[Labels] | None, ref[Labels] | None] = None, None
        self._record: dict[str, Any] = {}
        self._objects: Objects | None = None  # of the last run, at any threshold
        self._drawn: Drawn | None = None
        self._changed = False  # superpixels or seeds, since the last run began
        # Fast drags are drawn once for each turn of the window's loop.
        self._redraw = QTimer(self)
        self._redraw.setSingleShot(True)
        self._redraw.timeout.connect(self._draw_settings)
        self._connect()
        self._refresh_layers()

    # What scripts use ------------------------------------------------------

    def run(self) -> None:
        """Start making objects; does nothing while a run is under way."""
        if self._run is not None:
            return
        request, reason = self._look()
        self._panel.set_reason(reason)
        if request is None:
            show_error(reason)
            return
        layer, seeds = self.labels_layer.value, self.seeds_layer.value
        self._redraw.stop()
        self._changed = False
        self._objects = None
        self._origin = Origin.of(layer, request.labels_index)
        self._made_of = ref(layer), None if seeds is None else ref(seeds)
        record = request.record
        whole = not (record["plane"] or record["loop_axes"] or record["window"])
        whole &= record["channels"] in (None, "rgb") and record["channel_axis"] is None
        self._record = {
            "function": "merge_regions" if seeds is None else "grow_seeds",
            "version": __version__,
            "superpixels_layer": layer.name,
            "superpixels_layer_id": str(layer.unique_id),
            "seeds_layer": None if seeds is None else seeds.name,
            "seeds_layer_id": None if seeds is None else str(seeds.unique_id),
            "whole": whole and not record.get("multiscale"),
            **{
                name: record[name]
                for name in (
                    "image_layer",
                    "image_layer_id",
                    "channels",
                    "model",
                    "spacing",
                    "device",
                )
            },
        }
        self._begin(request, f"Objects of {layer.name}")
        self._panel.set_running(True)

    def copy_as_python(self) -> str:
        """Copy the lines that make the last result again, and return them."""
        layer = self.labels_layer.value
        made = None
        if layer is not None:
            made = objects_of(self._viewer, str(layer.unique_id))
        if made is None:
            show_error(NOTHING_TO_COPY)
            return ""
        code = with_present_names(self._viewer, made.metadata[KEY], as_python)
        copy_text(code)
        return code

    # What is in the viewer ----------------------------------------------------

    def _connect(self) -> None:
        events = self._viewer.layers.events
        for name in ("inserted", "removed", "reordered"):
            self._ties.viewer.connect(getattr(events, name), self._refresh_layers)
        # New superpixels get their hierarchy, and so a place here, a little later.
        self._ties.viewer.connect(news.remembered, self._refresh_layers)
        self._ties.viewer.connect(undo_news.undone, self._on_undone)
        self.labels_layer.changed.connect(self._watch_layers)
        self.seeds_layer.changed.connect(self._watch_layers)
        self.threshold.changed.connect(lambda _: self._redraw.start(0))
        self.min_size.changed.connect(lambda _: self._redraw.start(0))
        self.run_button.clicked.connect(lambda: self.run())
        self.cancel_button.clicked.connect(lambda: self.cancel())
        self.copy_button.clicked.connect(lambda: self.copy_as_python())

    def _refresh_layers(self, event: Any = None) -> None:
        self._ties.names.disconnect()
        for layer in self._viewer.layers:
            self._ties.names.connect(layer.events.name, self._refresh_layers)
        self.labels_layer.refresh()
        self.seeds_layer.refresh()
        if self._drawn is not None and self._drawn.layer() not in self._viewer.layers:
            self._objects = self._drawn = None  # gives its memory back
        self._watch_layers()

    def _watch_layers(self, value: Any = None) -> None:
        """Follow what happens to the chosen layers' data."""
        self._ties.layers.disconnect()
        for layer in (self.labels_layer.value, self.seeds_layer.value):
            if layer is not None:
                for name in ("data", "labels_update"):
                    emitter = getattr(layer.events, name)
                    self._ties.layers.connect(emitter, self._on_data)
        self._update()

    def _on_undone(self, layer: Labels) -> None:
        if layer in (self.labels_layer.value, self.seeds_layer.value):
            self._on_data()

    def _on_data(self, event: Any = None) -> None:
        self._changed = True
        self._update()

    def _update(self) -> None:
        _, reason = self._look()
        self._panel.set_reason(reason)
        if self._objects is None or self._run is not None:
            return
        if self._changed:
            self._panel.set_running(False, CHANGED)
        elif self._others_are_chosen():
            self._panel.set_running(False, OTHERS_CHOSEN)
        elif self.message == OTHERS_CHOSEN:  # no longer
            self._panel.set_running(False, self._outcome)

    def _look(self) -> tuple[ObjectsRequest | None, str]:
        """Return what a run would do, or why there can be none."""
        layer, seeds = self.labels_layer.value, self.seeds_layer.value
        known = None if layer is None else hierarchy_of(layer)
        if layer is None or known is None:
            return None, NO_SUPERPIXELS
        record = layer.metadata[KEY]
        plane = with_image(self._viewer, known.plane, record)
        if plane is None:
            names = [record["image_layer"], *(record.get("channel_layers") or ())]
            return None, NO_IMAGE.format("\u201d or \u201c".join(names))
        whole, shape = plane.stack_shape, tuple(layer.data.shape)
        if not still_fits(plane, known.index, shape):
            return None, OTHER_SHAPE
        seeds_index = known.index
        if seeds is not None and tuple(seeds.data.shape) != shape:
            if tuple(seeds.data.shape) != whole:
                sizes = [
                    " \u00d7 ".join(map(str, n)) for n in (seeds.data.shape, shape)
                ]
                return None, SEEDS_SHAPE.format(seeds.name, *sizes)
            seeds_index = plane.label_index
        return ObjectsRequest(
            plane=plane,
            labels=layer.data,
            labels_index=known.index,
            seeds=None if seeds is None else seeds.data,
            seeds_index=seeds_index,
            record=record,
        ), ""

    # A run ---------------------------------------------------------------------

    def _on_done(self, objects: Objects) -> None:
        assert self._origin is not None
        labels, n_objects = objects.at(**self._settings())
        record = {
            **self._record,
            **self._settings(),
            "n_objects": n_objects,
            "seconds": round(objects.seconds, 3),
            "finished": datetime.now(UTC).isoformat(),
        }
        spread = objects.plane.spread(labels)
        layer, kept = put_objects(
            self._viewer, self._origin, spread, record, self._drawn
        )
        self._objects = objects
        self._drawn = Drawn(ref(layer), self._origin.index, spread)
        self._outcome = outcome(n_objects, objects.seconds)
        if kept:
            self._outcome += f" {KEPT}"
        if self._changed:
            self._outcome = CHANGED_MEANWHILE
            show_info(self._outcome)

    def _settings(self) -> dict[str, Any]:
        """Return what can change without another run."""
        return {"threshold": self.threshold.value, "min_size": self.min_size.value}

    def _others_are_chosen(self) -> bool:
        """Return whether the last run was of other superpixels or seeds."""
        chosen = self.labels_layer.value, self.seeds_layer.value
        made_of = (None if one is None else one() for one in self._made_of)
        return any(a is not b for a, b in zip(chosen, made_of, strict=True))

    def _draw_settings(self) -> None:
        """Show the chosen threshold and size without another run."""
        if self._objects is None or self._run is not None:
            return
        if self._others_are_chosen():
            self._panel.set_running(False, OTHERS_CHOSEN)
            return
        self._panel.set_running(False, self._draw())

    def _draw(self) -> str:
        """Draw the last result as it is chosen now; return what there is to say."""
        assert self._objects is not None
        assert self._drawn is not None
        layer, index = self._drawn.layer(), self._drawn.index
        settings = self._settings()
        if layer is None or settings.items() <= record_of(layer).items():
            return self.message
        if not self._drawn.is_in(layer):
            return EDITED
        labels, n_objects = self._objects.at(**settings)
        spread, data = self._objects.plane.spread(labels), layer.data
        if labels.dtype.itemsize > data.dtype.itemsize:
            data = data.astype(labels.dtype)
        data[index] = spread
        self._drawn = Drawn(ref(layer), index, spread)
        replace_data(layer, data)
        record = {**record_of(layer), **settings, "n_objects": n_objects}
        layer.metadata = {**layer.metadata, KEY: record}
        return outcome(n_objects)

    def _failure(self, error: Exception) -> str:
        return failure(error)

    def _on_ended(self) -> None:
        super()._on_ended()
        if self._objects is not None:
            # The slider may have moved on during the run.
            moved = self._draw()
            self._outcome = self._outcome if "from the last" not in moved else moved
        self._panel.set_running(False, self._outcome)
