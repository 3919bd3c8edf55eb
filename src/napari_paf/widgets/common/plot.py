"""A small plot of curves, drawn with Qt alone, in the colours of the theme."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

# Told apart in both themes, and by people who see red and green alike.
_COLOURS = ("#3d8fdd", "#e0861a", "#1fa187", "#c65fb0", "#8a8f2a", "#d9534f")
_N_TICKS = 4
_MARGIN = 6


@dataclass(frozen=True)
class Curve:
    """Points joined by lines, and the axis they are read on."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    right: bool = False
    """Whether `y` is read on an axis of its own, at the right."""

    def points(self) -> list[tuple[float, float]]:
        """Return the points that can be drawn."""
        pairs = zip(self.x, self.y, strict=True)
        return [(x, y) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]


@dataclass
class _Scale:
    """From values to pixels along one axis, with round numbers to write there."""

    low: float = 0.0
    high: float = 1.0
    start: float = 0.0
    stop: float = 1.0
    ticks: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, values: Sequence[float], *, loose: bool) -> _Scale:
        low, high = min(values), max(values)
        if high - low < 1e-9 * max(abs(low), abs(high), 1e-9):
            pad = 0.05 * abs(high) or 0.5
            low, high = low - pad, high + pad
        step = _round_step((high - low) / _N_TICKS)
        if loose:
            low, high = math.floor(low / step) * step, math.ceil(high / step) * step
        first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
        ticks = [number * step for number in range(first, last + 1)]
        return cls(low, high, ticks=ticks)

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)

    def texts(self) -> list[str]:
        step = self.ticks[1] - self.ticks[0] if len(self.ticks) > 1 else 1.0
        digits = max(0, math.ceil(-math.log10(step) - 1e-9))
        return [f"{tick:,.{digits}f}" for tick in self.ticks]


class Plot(QWidget):
    """Curves over a common x; each reads on the left axis or on the right.

    Parameters
    ----------
    x_name : str
        What is along the x axis.
    empty : str
        What to say as long as there is nothing to draw.
    """

    def __init__(self, x_name: str = "", empty: str = "") -> None:
        super().__init__()
        self._x_name, self._empty = x_name, empty
        self._curves: list[Curve] = []
        self._area = QRectF()
        self._x = _Scale()
        self.setMouseTracking(True)
        self.setMinimumHeight(95)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Maximum)

    @property
    def curves(self) -> tuple[Curve, ...]:
        """What is drawn."""
        return tuple(self._curves)

    def set_curves(self, curves: Sequence[Curve]) -> None:
        """Draw other curves."""
        self._curves = list(curves)
        last = [
            f"{curve.name} {points[-1][1]:.4g}"
            for curve in self._curves
            if (points := curve.points())
        ]
        self.setAccessibleDescription(", ".join(last) or self._empty)
        self.update()

    def set_x_name(self, x_name: str) -> None:
        """Say what is along the x axis."""
        self._x_name = x_name
        self.update()

    def sizeHint(self) -> QSize:
        """Say how large the plot would like to be."""
        return QSize(240, 130)

    # Drawing ------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw everything; plots are small."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = painter.font()
        font.setPixelSize(10)
        painter.setFont(font)
        text = self.palette().windowText().color()
        drawn = [(c, points) for c in self._curves if (points := c.points())]
        if not drawn:
            painter.setPen(_pale(text, 0.65))
            frame = QRectF(self.rect()).adjusted(1, 1, -1, -1)
            painter.drawText(
                frame.adjusted(8, 0, -8, 0),
                int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap),
                self._empty,
            )
            painter.setPen(_pale(text, 0.25))
            painter.drawRoundedRect(frame, 3, 3)
            return
        scales = self._measure(painter, drawn)
        self._draw_axes(painter, text, scales)
        for number, curve in enumerate(self._curves):
            if points := curve.points():
                scale = scales[curve.right]
                assert scale is not None
                where = [QPointF(self._x(x), scale(y)) for x, y in points]
                _draw_curve(painter, QColor(_COLOURS[number % len(_COLOURS)]), where)
        self._draw_legend(painter, text, scales[True] is not None)

    def _measure(
        self,
        painter: QPainter,
        drawn: list[tuple[Curve, list[tuple[float, float]]]],
    ) -> dict[bool, _Scale | None]:
        """Lay out the area within the axes, and the scales along them."""
        metrics = painter.fontMetrics()
        values = {
            side: [y for c, points in drawn if c.right is side for _, y in points]
            for side in (False, True)
        }
        scales = {
            side: _Scale.of(ys, loose=True) if ys else None
            for side, ys in values.items()
        }
        widths = {
            side: max(map(metrics.horizontalAdvance, scale.texts())) + _MARGIN
            if scale
            else _MARGIN
            for side, scale in scales.items()
        }
        line = metrics.height()
        top, bottom = line + _MARGIN, self.height() - line - 3
        self._area = QRectF(
            widths[False],
            top,
            self.width() - widths[False] - widths[True],
            bottom - top,
        )
        xs = [x for _, points in drawn for x, _ in points]
        self._x = _Scale.of(
            [*xs, min(xs) + 1] if len(set(xs)) == 1 else xs, loose=False
        )
        self._x.start, self._x.stop = self._area.left(), self._area.right()
        for scale in scales.values():
            if scale is not None:
                scale.start, scale.stop = self._area.bottom(), self._area.top()
        return scales

    def _draw_axes(
        self, painter: QPainter, text: QColor, scales: dict[bool, _Scale | None]
    ) -> None:
        area, height = self._area, painter.fontMetrics().height()
        for right, scale in scales.items():
            if scale is None:
                continue
            side = Qt.AlignmentFlag.AlignLeft if right else Qt.AlignmentFlag.AlignRight
            left = area.right() + 4 if right else 0.0
            for tick, label in zip(scale.ticks, scale.texts(), strict=True):
                y = scale(tick)
                if not right or scales[False] is None:
                    painter.setPen(_pale(text, 0.18))
                    painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
                painter.setPen(_pale(text, 0.8))
                box = QRectF(left, y - height / 2, area.left() - 4, height)
                if right:
                    box.setRight(float(self.width()))
                painter.drawText(box, int(side | Qt.AlignmentFlag.AlignVCenter), label)
        painter.setPen(_pale(text, 0.8))
        self._draw_x_axis(painter, area, height)

    def _draw_x_axis(self, painter: QPainter, area: QRectF, height: int) -> None:
        metrics = painter.fontMetrics()
        free = float(self.width())
        if self._x_name:
            free -= metrics.horizontalAdvance(self._x_name) + 8
            box = QRectF(0, area.bottom() + 2, float(self.width()) - 1, height)
            painter.drawText(box, int(Qt.AlignmentFlag.AlignRight), self._x_name)
        for tick, label in zip(self._x.ticks, self._x.texts(), strict=True):
            width = metrics.horizontalAdvance(label)
            left = max(0.0, self._x(tick) - width / 2)
            if left + width < free:
                painter.drawText(
                    QPointF(left, area.bottom() + 2 + metrics.ascent()), label
                )

    def _draw_legend(self, painter: QPainter, text: QColor, two_axes: bool) -> None:
        metrics = painter.fontMetrics()
        left = 0.0
        for number, curve in enumerate(self._curves):
            colour = QColor(_COLOURS[number % len(_COLOURS)])
            name = curve.name
            if two_axes:
                name += " \u2192" if curve.right else " \u2190"
            middle = metrics.height() / 2
            painter.setPen(QPen(colour, 2))
            painter.drawLine(QPointF(left, middle), QPointF(left + 12, middle))
            painter.setPen(text)
            painter.drawText(QPointF(left + 16, float(metrics.ascent())), name)
            left += 16 + metrics.horizontalAdvance(name) + 12

    # Reading values -------------------------------------------------------------

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Tell the values nearest to the pointer."""
        if event is not None:
            text = self.values_at(event.position().x())
            QToolTip.showText(event.globalPosition().toPoint(), text, self)

    def leaveEvent(self, event: QEvent | None) -> None:
        """Stop telling."""
        QToolTip.hideText()

    def values_at(self, pixel: float) -> str:
        """Return the values of the curves nearest to a column of pixels."""
        lines = []
        for curve in self._curves:
            if points := curve.points():
                x, y = min(points, key=lambda point: abs(self._x(point[0]) - pixel))
                lines.append(f"{curve.name}: {y:.4g} ({self._x_name} {x:,.4g})")
        return "\n".join(lines)


def _draw_curve(painter: QPainter, colour: QColor, points: list[QPointF]) -> None:
    painter.setPen(QPen(colour, 1.8))
    for one, other in itertools.pairwise(points):
        painter.drawLine(one, other)
    if len(points) <= 40:
        painter.setBrush(colour)
        for point in points:
            painter.drawEllipse(point, 1.8, 1.8)
        painter.setBrush(Qt.BrushStyle.NoBrush)


def _pale(colour: QColor, opacity: float) -> QColor:
    paler = QColor(colour)
    paler.setAlphaF(opacity)
    return paler


def _round_step(step: float) -> float:
    """Return the next of 1, 2, 5, 10, ... that is not smaller."""
    power = 10.0 ** math.floor(math.log10(step))
    for factor in (1, 2, 5, 10):
        if factor * power >= step * (1 - 1e-9):
            return factor * power
    return 10 * power
