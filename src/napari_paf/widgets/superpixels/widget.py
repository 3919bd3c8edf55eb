"""The Superpixels widget: superpixels of the image in view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QTimer

from napari_paf.widgets.common import warmup
from napari_paf.widgets.common.layers import unwrap
from napari_paf.widgets.common.plane import mask_of
from napari_paf.widgets.common.records import KEY, record_of, with_present_names
from napari_paf.widgets.common.results import Source, put_superpixels, results_of
from napari_paf.widgets.common.running import copy_text
from napari_paf.widgets.common.undoable import KEPT, news
from napari_paf.widgets.superpixels.as_python import as_python
from napari_paf.widgets.superpixels.follower import SuperpixelFollower
from napari_paf.widgets.superpixels.hierarchies import (
    hierarchy_of,
    is_as_made,
    mark_as_stale,
    remember,
)
from napari_paf.widgets.superpixels.live import Live
from napari_paf.widgets.superpixels.request import Request
from napari_paf.widgets.superpixels.texts import (
    NEEDS_RUN,
    NOT_RECORDED,
    NOTHING_TO_COPY,
    SETTINGS_STAY,
    UNDONE,
    drawn,
    failure,
    outcome,
)

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels

    from napari_paf.widgets.common.plane import Plane
    from napari_paf.widgets.superpixels.request import Computed


class SuperpixelsWidget(SuperpixelFollower):
    """Compute superpixels of an image and show them as labels.

    The parameters are attributes with a ``value``, named as the arguments of
    `napari_paf.superpixels`; layers are ``image_layer`` and ``mask_layer``.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer whose images are used and that gets the result.

    Attributes
    ----------
    image_layer, mask_layer, channels, n_segments, model, balance, connectivity, device
        What to compute, as in `napari_paf.superpixels`.
    channel_layers
        Layers that are further channels of the image.
    extent
        Of a stack: ``"plane"``, the one in view; ``"volume"``; or ``"planes"``, one by
        one, with labels that are `unique` or not.
    region
        None for all, ``"view"`` for what the window shows, or a Shapes layer.
    level
        Of a multiscale image.
    axes
        A letter for each axis of the image: t, c, z, y, x.
    outlines, keep_previous
        How to show it.

    Examples
    --------
    >>> _, widget = viewer.window.add_plugin_dock_widget(
    ...     "napari-paf", "Superpixels"
    ... )  # doctest: +SKIP
    >>> widget.n_segments.value = 500  # doctest: +SKIP
    >>> widget.run()  # doctest: +SKIP
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self._source: Source | None = None
        self._record: dict[str, Any] = {}
        self._keep = False
        # Fast drags are drawn once for each turn of the window's loop.
        self._redraw = QTimer(self)
        self._redraw.setSingleShot(True)
        self._redraw.timeout.connect(self._draw_number)
        self._connect()
        self._refresh_layers()
        warmup.warm_up(self._offer_backends)

    # What scripts use ------------------------------------------------------

    def run(self) -> None:
        """Start computing; does nothing while a run is under way."""
        if self._run is not None:
            return
        self._update()
        if self.reason or self._plane is None:
            show_error(self.reason)
            return
        layer = self.image_layer.value
        self._redraw.stop()
        self._changed_since_start = self._pixels_changed = False
        request = self._make_request(self._plane)
        self._source = Source.of(layer, self._plane)
        self._record = request.record()
        self._keep = bool(self.keep_previous.value)
        self._begin(request, f"Superpixels of {layer.name}")
        self._panel.set_running(True)

    def load(self, layer: Any = None) -> None:
        """Set everything to what a layer of superpixels was made with.

        Parameters
        ----------
        layer : napari.layers.Labels, optional
            Default: the active layer.
        """
        layer = unwrap(layer or self._viewer.layers.selection.active)
        if layer is None or "plane_axes" not in record_of(layer):
            show_error(NOT_RECORDED)
            return
        known = hierarchy_of(layer)  # up to date with undo, as the record then is
        self._take_over(record_of(layer))
        self._live = None if known is None else Live(layer)
        self._redraw.start(0)  # says what is shown now

    def copy_as_python(self) -> str:
        """Copy the lines that compute the last result again, and return them."""
        layer = self.image_layer.value
        results = [] if layer is None else results_of(self._viewer, layer)
        if not results:
            show_error(NOTHING_TO_COPY)
            return ""
        record = results[-1].metadata[KEY]
        code = with_present_names(self._viewer, record, as_python)
        copy_text(code)
        return code

    # Building ---------------------------------------------------------------

    def _connect(self) -> None:
        self._follow()
        self._ties.viewer.connect(news.undone, self._on_undone)
        self.load_button.clicked.connect(lambda: self.load())
        self.copy_button.clicked.connect(lambda: self.copy_as_python())
        self.n_segments.changed.connect(lambda _: self._redraw.start(0))
        self.outlines.changed.connect(self._show_outlines)
        self.run_button.clicked.connect(lambda: self.run())
        self.cancel_button.clicked.connect(lambda: self.cancel())

    def _show_outlines(self, outlines: bool) -> None:
        if self.image_layer.value is not None:
            for layer in results_of(self._viewer, self.image_layer.value):
                layer.contour = 1 if outlines else 0

    # A run ---------------------------------------------------------------------

    def _make_request(self, plane: Plane) -> Request:
        return Request(
            plane=plane,
            mask=mask_of(self.mask_layer.value, plane),
            box=self._box,
            channels=self.channels.value,
            n_segments=self.n_segments.value,
            model=self.model.value,
            balance=self.balance.value,
            connectivity=self.connectivity.value,
            device=self.device.value,
            unique=self.unique.value,
            axes=self.axes.value,
            channel_layers=tuple(
                (layer.name, str(layer.unique_id))
                for layer in self.channel_layers.value
            ),
        )

    def _on_done(self, computed: Computed) -> None:
        assert self._source is not None
        layer, remark, kept = put_superpixels(
            self._viewer,
            self._source,
            computed.labels,
            {**self._record, "seconds": round(computed.seconds, 3)},
            changed=computed.changed,
            keep_previous=self._keep,
            outlines=self.outlines.value,
            is_as_made=is_as_made,
        )
        remember(
            layer,
            self._source.plane,
            computed.hierarchy,
            computed.labels,
            self._record,
        )
        if computed.changed or self._pixels_changed:
            mark_as_stale([layer])
        if remark:
            show_info(remark)
            self._outcome = remark
            return
        if not self._changed_since_start:
            self._live = Live(layer)
        remark = self._draw_latest() or (KEPT if kept else "")
        shown = layer.metadata[KEY]["n_segments"]
        n_planes = self._source.plane.n_planes
        self._outcome = f"{outcome(shown, computed.seconds, n_planes)} {remark}".strip()

    def _draw_number(self) -> None:
        """Show the chosen number of superpixels without another run."""
        if self._live is None or self._plane is None or self._run is not None:
            return
        remark = self._draw_latest() or drawn(self.n_segments.value)
        self._panel.set_running(False, remark)

    def _draw_latest(self) -> str:
        """Draw the last result with the chosen number, or return why that cannot be."""
        number = self.n_segments.value
        if self._live is None or self._plane is None or self._live.shows(number):
            return ""
        settings = self._make_request(self._plane).record()
        if not self._live.fits(settings, in_view=self.region.value == "view"):
            return NEEDS_RUN
        return self._live.redraw(number)

    def _on_undone(self, layer: Labels) -> None:
        """Say what is shown after undo or redo of a run."""
        live = self._live
        if live is None or not live.is_of([layer]) or self._run is not None:
            return
        said = UNDONE.format(record_of(layer).get("n_segments"))
        if not self._is_set_as(live):
            said += f" {SETTINGS_STAY}"
        self._panel.set_running(False, said)

    def _is_set_as(self, live: Live) -> bool:
        """Whether the settings are those that a result was made with."""
        if self._plane is None or not live.shows(self.n_segments.value):
            return False
        settings = self._make_request(self._plane).record()
        return live.fits(settings, in_view=self.region.value == "view")

    def _failure(self, error: Exception) -> str:
        return failure(error)

    def _on_failed(self, error: Exception) -> None:
        self._draw_latest()
        super()._on_failed(error)

    def _on_cancelled(self) -> None:
        self._draw_latest()
        super()._on_cancelled()

    def _on_ended(self) -> None:
        super()._on_ended()
        self._source = None  # lets go of the image
        self._redraw.stop()  # the latest number is drawn
        self._panel.set_running(False, self._outcome)
