"""What all commands share: errors in one sentence, progress, options."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from rich.table import Table

    from napari_paf._progress import Progress as Report

NAME = "napari-paf"
WRONG_USE = 2  # exit code, as for unknown options

# Results go to standard output, everything said about them to standard error.
console = Console(highlight=False, markup=False, emoji=False)
messages = Console(stderr=True, highlight=False, markup=False, emoji=False)

Command = TypeVar("Command", bound=Callable[..., Any])

Model = Annotated[
    str,
    typer.Option(help="Name of a model, path of a model file, or 'gradient'."),
]
Device = Annotated[str, typer.Option(help="'auto', 'cpu', 'cuda' or 'mps'.")]


def say(text: str) -> None:
    """Print a message as it is: paths may hold what looks like markup, and are long."""
    messages.print(text, soft_wrap=True)


def print_whole(table: Table) -> None:
    """Print a table without cutting its cells, however narrow the window is."""
    width = Console(width=10_000).measure(table).maximum
    width = max(console.width, width)
    Console(highlight=False, markup=False, emoji=False, width=width).print(table)


def plain_errors(command: Command) -> Command:
    """Make a command end with one sentence where an argument does not fit."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (ImportError, MemoryError, OSError, TypeError, ValueError) as error:
            say(f"{NAME}: {error}")
            raise typer.Exit(WRONG_USE) from None

    return run  # type: ignore[return-value]


@contextlib.contextmanager
def progress_bar() -> Iterator[Report]:
    """Show a bar while the block runs; give the callback that moves it."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        console=messages,
        transient=True,
        disable=not messages.is_terminal,  # it would leave an empty line there
    ) as bar:
        task = bar.add_task("Starting", total=1.0)

        def report(fraction: float, description: str) -> None:
            bar.update(task, completed=fraction, description=description)

        yield report
