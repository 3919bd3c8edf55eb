"""``napari-paf models``: what networks there are, and what is known of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from napari_paf.cli._console import console, messages, plain_errors

models = typer.Typer(help="List, show, import and export models.")

Name = Annotated[str, typer.Argument(help="Name of a model, or path of its file.")]


@models.callback(invoke_without_command=True)
def list_all(context: typer.Context) -> None:
    """List the models, where no other command is given."""
    if context.invoked_subcommand is not None:
        return
    from napari_paf import list_models, load_model

    table = Table("name", "kind", "channels", "parameters")
    for name in list_models():
        model = load_model(name)
        n_parameters = sum(p.numel() for p in model.network.parameters())
        config = model.config
        table.add_row(
            name, config.architecture, str(config.channels), f"{n_parameters:,}"
        )
    console.print(table)


@models.command()
@plain_errors
def show(model: Name) -> None:
    """Print the card of a model: how it was made, its figures and its licence."""
    from napari_paf import load_model

    loaded = load_model(model)
    card: dict[str, Any] = {
        "name": loaded.name,
        "config": vars(loaded.config),
        "offsets": loaded.offsets,
        "summary": loaded.summary,
        "licence": loaded.licence,
    }
    console.print_json(json.dumps(card))


@models.command()
@plain_errors
def export(
    model: Name,
    path: Annotated[Path, typer.Argument(help=".safetensors file to write.")],
) -> None:
    """Write a model to a file."""
    from napari_paf import load_model

    load_model(model).save(path)
    messages.print(f"{path} written", markup=False)


@models.command("import")
@plain_errors
def import_(
    source: Annotated[Path, typer.Argument(help="The .pkl file of SEAL's weights.")],
    path: Annotated[Path, typer.Argument(help=".safetensors file to write.")],
) -> None:
    """Make a model file of the weights that SEAL's authors published.

    The file is read without running any code that it may hold.
    """
    from napari_paf import import_seal_checkpoint

    import_seal_checkpoint(source).save(path)
    messages.print(f"{path} written; use it with --model {path}", markup=False)
