"""How long a training goes on, and the learning rate on the way."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

WARM_UP = 300  # steps until the full learning rate, or a tenth of all if fewer


class Schedule:
    """A number of steps, or a time.

    Only the second looks at the clock: with steps, the same numbers come out
    on every run.

    Parameters
    ----------
    steps : int
        Steps in all.
    seconds : float or None
        If given, go on for this long instead.

    Attributes
    ----------
    step : int
        Steps done or begun.
    elapsed : float
        Seconds that they took.
    """

    def __init__(self, steps: int, seconds: float | None) -> None:
        self.steps, self.seconds = steps, seconds
        self.step = 0
        self.elapsed = 0.0
        self._start = 0.0
        self._looked, self._looking = 0.0, 0.0
        self._n_looks = 0

    def start(self) -> None:
        """Start the clock, or go on from `elapsed`."""
        self._go_on()
        self._looked = self.elapsed

    def _go_on(self) -> None:
        self._start = time.monotonic() - self.elapsed

    def tick(self) -> None:
        """Read the clock."""
        self.elapsed = time.monotonic() - self._start

    @property
    def fraction(self) -> float:
        """How much is done, from 0 to 1."""
        if self.seconds is None:
            return self.step / self.steps
        return min(1.0, self.elapsed / self.seconds)

    @property
    def steps_in_all(self) -> int:
        """Steps in all, or about as many as there will be in the time."""
        if self.seconds is None:
            return self.steps
        return round(self.step / self.fraction) if self.fraction else self.step

    @property
    def description(self) -> str:
        """What is going on, in plain words."""
        of = f" of {self.steps}" if self.seconds is None else ""
        return f"Training, step {self.step}{of}"

    def stops(self, should_stop: Callable[[], bool] | None) -> bool:
        """Whether no other step follows; `should_stop` may wait, off the clock."""
        self.tick()
        if self.fraction >= 1:
            return True
        stops = should_stop is not None and should_stop()
        self._go_on()
        return stops

    def looks(self, every: int) -> bool:
        """Whether to look at the result after this step."""
        self.tick()
        if self.fraction >= 1:
            return True
        # Where time is what counts, at most a quarter of it goes to looking.
        spared = self.seconds is not None and (
            self.elapsed - self._looked < 3 * self._looking
        )
        return self.step % every == 0 and not spared

    def looked(self) -> None:
        """Note that the result has been looked at since the last tick."""
        before = self.elapsed
        self.tick()
        # The first look may have to compile: it says nothing about the next.
        self._looking = self.elapsed - before if self._n_looks else 0.0
        self._looked = self.elapsed
        self._n_looks += 1

    @property
    def rate(self) -> float:
        """The learning rate of this step, as a share of the highest."""
        if self.seconds is None:
            warm = self.step / min(WARM_UP, max(1, self.steps // 10))
        else:
            warm = max(self.step / WARM_UP, 10 * self.fraction)
        cosine = 0.5 * (1 + math.cos(math.pi * self.fraction))
        return min(1.0, warm) * (0.005 + 0.995 * cosine)
