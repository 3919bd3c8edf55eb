"""The command line: ``napari-paf COMMAND``."""

from __future__ import annotations

import typer

from napari_paf.cli._console import NAME
from napari_paf.cli.demo import demo
from napari_paf.cli.evaluate import evaluate
from napari_paf.cli.models import models
from napari_paf.cli.replay import replay
from napari_paf.cli.segment import segment
from napari_paf.cli.train import train

app = typer.Typer(
    name=NAME,
    help="Superpixels from learned pixel affinities.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(segment)
app.command()(replay)
app.command()(demo)
app.command()(evaluate)
app.command()(train)
app.add_typer(models, name="models")
