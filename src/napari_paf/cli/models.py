"""``napari-paf models``: what networks there are, and what is known of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from napari_paf.cli._checks import check_free, check_free_name
from napari_paf.cli._console import console, plain_errors, print_whole, say

models = typer.Typer(help="List, show, import, export, rename and delete models.")

Name = Annotated[str, typer.Argument(help="Name of a model, or path of its file.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the file or model that is there.")
]


@models.callback(invoke_without_command=True)
@plain_errors
def list_all(context: typer.Context) -> None:
    """List the models, where no other command is given."""
    if context.invoked_subcommand is not None:
        return
    from napari_paf import list_models, load_model

    rows: list[tuple[str, ...]] = []
    for name in list_models():
        # One bad file in the user's folder must not hide the good ones.
        try:
            model = load_model(name)
        except (OSError, ValueError) as error:
            rows.append((name, "", "", "", str(error)))
            continue
        n_parameters = sum(p.numel() for p in model.network.parameters())
        config = model.config
        rows.append(
            (name, config.architecture, str(config.channels), f"{n_parameters:,}")
        )
    table = Table("name", "kind", "channels", "parameters")
    if any(len(row) > len(table.columns) for row in rows):
        table.add_column("problem")
    for row in rows:
        table.add_row(*map(Text, row))  # names may hold what looks like markup
    print_whole(table)


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
    overwrite: Overwrite = False,
) -> None:
    """Write a model to a file."""
    from napari_paf import load_model

    check_free("path", path, overwrite=overwrite)
    load_model(model).save(path)
    say(f"{path} written")


@models.command("import")
@plain_errors
def import_(
    source: Annotated[
        Path,
        typer.Argument(help="A .safetensors model file, or SEAL's weights (.pkl)."),
    ],
    path: Annotated[
        Path | None,
        typer.Argument(help="Write SEAL's weights to this .safetensors file instead."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name to keep it under. Default: the file's.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Keep a model file, or the weights that SEAL's authors published, by name.

    The file is read without running any code that it may hold.
    """
    from napari_paf import import_seal_checkpoint
    from napari_paf.affinity.model_names import SUFFIX
    from napari_paf.affinity.model_store import import_user_model, save_user_model

    is_ours = source.suffix.lower() == SUFFIX
    if is_ours and path is not None:
        raise ValueError(f"{source} is a model file already: copy it.")
    if path is not None:
        check_free("path", path, overwrite=overwrite)
        import_seal_checkpoint(source).save(path)
        say(f"{path} written; use it with --model {path}")
        return
    kept = source.stem if name is None else name
    check_free_name(kept, overwrite=overwrite)
    if is_ours:
        import_user_model(source, kept, overwrite=overwrite)
    else:
        save_user_model(import_seal_checkpoint(source), kept, overwrite=overwrite)
    say(f"use it with --model {kept!r}")


@models.command()
@plain_errors
def rename(
    old: Annotated[str, typer.Argument(help="Name of one of your models.")],
    new: Annotated[str, typer.Argument(help="Its name from now on.")],
) -> None:
    """Give one of your models another name."""
    from napari_paf.affinity.model_store import rename_user_model

    rename_user_model(old, new)


@models.command()
@plain_errors
def delete(
    name: Annotated[str, typer.Argument(help="Name of one of your models.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete one of your models for good."""
    from napari_paf.affinity.model_names import user_models
    from napari_paf.affinity.model_store import delete_user_model

    if name in user_models() and not yes:
        typer.confirm(f"Delete the model {name!r} for good?", abort=True, err=True)
    delete_user_model(name)
