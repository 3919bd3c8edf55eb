"""The plot draws what it is given, where it says."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtGui import QImage

from napari_paf.widgets.common.plot import _COLOURS, Curve, Plot, _Scale


@pytest.fixture
def plot(qtbot):
    widget = Plot("step", "Nothing yet.")
    qtbot.addWidget(widget)
    widget.resize(300, 140)
    return widget


def picture(widget):
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    pixels = image.constBits()
    if hasattr(pixels, "setsize"):
        pixels.setsize(image.sizeInBytes())
    shown = np.frombuffer(pixels, np.uint8).reshape(image.height(), -1, 4)
    return shown[..., 2::-1].copy()  # the image owns the memory


def of_colour(pixels, number):
    """Rows and columns of the pixels in one curve's own colour, legend left out."""
    colour = [int(_COLOURS[number][at : at + 2], 16) for at in (1, 3, 5)]
    near = (np.abs(pixels.astype(int) - colour) < 12).all(axis=-1)
    near[:17] = False
    return np.nonzero(near)


def test_curves_go_where_their_values_are(plot):
    xs = list(range(11))
    plot.set_curves([Curve("up", xs, xs), Curve("down", xs, [-x for x in xs], True)])
    pixels = picture(plot)
    rows, columns = of_colour(pixels, 0)
    assert rows[columns.argmin()] > rows[columns.argmax()] + 50
    rows, columns = of_colour(pixels, 1)
    assert rows[columns.argmin()] < rows[columns.argmax()] - 50


def test_nothing_to_draw(plot):
    pixels = picture(plot)
    assert not of_colour(pixels, 0)[0].size
    plot.set_curves([Curve("loss", [0.0], [float("nan")])])
    assert not of_colour(picture(plot), 0)[0].size
    assert plot.accessibleDescription() == "Nothing yet."


def test_one_point(plot):
    plot.set_curves([Curve("loss", [5.0], [0.5])])
    assert of_colour(picture(plot), 0)[0].size
    assert plot.accessibleDescription() == "loss 0.5"


def test_values_under_the_pointer(plot):
    plot.set_curves([Curve("loss", [0, 10, 20], [0.5, 0.25, 0.125])])
    picture(plot)
    assert plot.values_at(0) == "loss: 0.5 (step 0)"
    assert plot.values_at(300) == "loss: 0.125 (step 20)"


@pytest.mark.parametrize("values", [[0, 1], [0.91, 0.934], [5, 5], [0], [-3e6, 1e7]])
def test_ticks_are_round_and_few_and_inside(values):
    scale = _Scale.of(values, loose=True)
    assert scale.low <= min(values) and scale.high >= max(values)
    assert 2 <= len(scale.ticks) <= 7
    texts = scale.texts()
    assert len(set(texts)) == len(texts)
    for tick, text in zip(scale.ticks, texts, strict=True):
        assert float(text.replace(",", "")) == pytest.approx(tick)
