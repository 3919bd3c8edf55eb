"""How fine superpixels are: their number, on a slider too, or their typical size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from magicgui.widgets import ComboBox, FloatSpinBox, Slider, SpinBox

from napari_paf.widgets.superpixels.texts import TOOLTIPS

if TYPE_CHECKING:
    from napari_paf.widgets.common.form import Form

_MOST = 2**31 - 1
_STEPS = 1000  # of the slider, whose steps are equal ratios
PIXELS = "pixels"


class Granularity:
    """Linked controls for one number: a slider, a spin box and a typical size.

    The number is the truth; the size follows it when the image changes.

    Attributes
    ----------
    n_segments : SpinBox
        The number of superpixels.
    size : FloatSpinBox
        Pixels of the image for each superpixel, or their area or volume.
    unit : ComboBox
        The unit of `size`: ``"pixels"`` or a physical one, if the image has one.
    """

    def __init__(self, n_segments: int = 300) -> None:
        self.n_segments = SpinBox(value=n_segments, min=1, max=_MOST, step=50)
        self.slider = Slider(min=0, max=_STEPS, readout=False, tracking=True)
        self.size = FloatSpinBox(min=1e-12, max=1e15, step=10)
        self.unit = ComboBox(choices=[(PIXELS, PIXELS)])
        self._n_pixels = 0
        self._sizes: dict[str, float] = {PIXELS: 1.0}  # of a pixel, in every unit
        self.slider.changed.connect(self._slid)
        self.size.changed.connect(self._sized)
        self.unit.changed.connect(lambda _: self._show())
        self.n_segments.changed.connect(lambda _: self._show())

    def add_to(self, form: Form) -> None:
        """Add two rows to a form."""
        form.add("Superpixels", self.slider, TOOLTIPS["slider"])
        form.add_beside(self.n_segments, TOOLTIPS["n_segments"])
        form.add("Typical size", self.size, TOOLTIPS["size"])
        form.add_beside(self.unit, TOOLTIPS["unit"])
        for control, name in (
            (self.n_segments, "Number of superpixels"),
            (self.unit, "Unit of the size"),
        ):
            control.native.setAccessibleName(name)

    def set_image(self, n_pixels: int, physical: tuple[float, str] | None) -> None:
        """Take over the size of an image.

        Parameters
        ----------
        n_pixels : int
            Number of pixels to divide, 0 for no image.
        physical : (float, str) or None
            Area or volume of a pixel, and the name of its unit.
        """
        self._n_pixels = n_pixels
        sizes = {PIXELS: 1.0}
        if physical is not None:
            sizes[physical[1]] = physical[0]
        if list(sizes) != list(self._sizes):
            with self.unit.changed.blocked():
                self.unit.choices = [(name, name) for name in sizes]
        self._sizes = sizes
        self._show()

    def _finest(self) -> int:
        """Return the most superpixels on the slider: of nine pixels each."""
        return max(2, self._n_pixels // 9)

    def _slid(self, position: int) -> None:
        self.n_segments.value = max(1, round(self._finest() ** (position / _STEPS)))

    def _sized(self, size: float) -> None:
        pixels = size / self._sizes.get(self.unit.value, 1.0)
        number = round(self._n_pixels / pixels) if pixels > 0 else _MOST
        with self.size.changed.blocked():  # what is being typed stays as it is
            self._typing = True
            self.n_segments.value = min(max(number, 1), max(self._n_pixels, 1))
            self._typing = False

    _typing = False

    def _show(self) -> None:
        n = self.n_segments.value
        with self.slider.changed.blocked():
            share = math.log(max(n, 1)) / math.log(self._finest())
            self.slider.value = round(_STEPS * min(share, 1.0))
        if not self._typing:
            with self.size.changed.blocked():
                pixel = self._sizes.get(self.unit.value, 1.0)
                size = self._n_pixels / n * pixel
                digits = 2 - math.floor(math.log10(size)) if size > 0 else 0
                self.size.native.setDecimals(min(max(digits, 0), 12))
                self.size.value = max(size, 1e-12)
        for control in (self.slider, self.size, self.unit):
            control.enabled = self._n_pixels > 0
