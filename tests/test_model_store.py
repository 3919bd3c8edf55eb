"""The user's models: found by name, changed whole or not at all."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch

from napari_paf import _baselines, list_models, load_model
from napari_paf.affinity.model import AffinityModel
from napari_paf.affinity.model_names import (
    METHODS,
    check_no_method,
    models_folder,
    user_models,
)
from napari_paf.affinity.model_store import (
    check_free_name,
    delete_user_model,
    export_model,
    free_name,
    import_user_model,
    rename_user_model,
    save_user_model,
)
from napari_paf.affinity.unet import AffinityUNet, UNetConfig

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "not there yet" / "models"
    monkeypatch.setenv("NAPARI_PAF_MODELS", str(folder))
    return folder


@pytest.fixture(scope="module")
def model() -> AffinityModel:
    torch.manual_seed(0)
    config = UNetConfig(widths=(4, 6))
    network = AffinityUNet(config).eval()
    return AffinityModel(network, config, network.offsets, {"steps": 3}, "CC0", "x")


def test_where_models_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NAPARI_PAF_MODELS", raising=False)
    assert models_folder().name == "models"
    assert "napari-paf" in models_folder().parts
    monkeypatch.setenv("NAPARI_PAF_MODELS", "")  # as if it were not set
    assert "napari-paf" in models_folder().parts
    monkeypatch.setenv("NAPARI_PAF_MODELS", str(tmp_path / "a"))
    assert models_folder() == tmp_path / "a"
    assert models_folder(tmp_path / "b") == tmp_path / "b"
    assert "~" not in str(models_folder("~/models"))


def test_saved_models_are_found(folder: Path, model: AffinityModel) -> None:
    before = list_models()
    assert before[0] == "default"
    assert not folder.exists()  # looking makes no folder
    for name in ("Zebra", "my cells", "übung 2.1"):
        assert save_user_model(model, name) == folder / f"{name}.safetensors"
    assert list_models() == [*before, "my cells", "Zebra", "übung 2.1"]
    loaded = load_model("übung 2.1")
    assert (loaded.name, loaded.licence, loaded.summary) == (
        "übung 2.1",
        "CC0",
        {"steps": 3},
    )
    assert model.name == "x"
    for key, value in model.network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[key], value)


def test_another_folder(folder: Path, model: AffinityModel, tmp_path: Path) -> None:
    other = tmp_path / "other"
    save_user_model(model, "cells", folder=other)
    assert "cells" not in list_models()
    assert "cells" in list_models(other)
    assert load_model("cells", folder=other).name == "cells"
    with pytest.raises(ValueError, match=r"'cells'.*choose one of default"):
        load_model("cells")


def test_taken_names_are_refused(folder: Path, model: AffinityModel) -> None:
    path = save_user_model(model, "cells")
    content = path.read_bytes()
    for name in ("cells", "Cells"):
        with pytest.raises(ValueError, match="taken by another of your models"):
            save_user_model(model, name)
    for name in ("default", "Default"):
        with pytest.raises(ValueError, match="taken by a model of the package"):
            save_user_model(model, name, overwrite=True)
    assert path.read_bytes() == content
    changed = AffinityModel(model.network, model.config, model.offsets, {"steps": 9})
    save_user_model(changed, "cells", overwrite=True)
    assert load_model("cells").summary == {"steps": 9}


@pytest.mark.parametrize(
    "name",
    ["", " ", "..", ".a", "a.", "a ", "a/b", "a\\b", "../a", "a:b", "a\n", "a\0b"]
    + ["-a", "nul", "COM1", "gradient", "Gradient", "nul.x", "a" * 101, "a*", "a?"]
    + ["com\u00b9"],
)
def test_what_cannot_be_a_name(folder: Path, model: AffinityModel, name: str) -> None:
    with pytest.raises(ValueError, match="choose another name"):
        save_user_model(model, name)
    assert not folder.exists()


def test_names_of_methods_are_those_that_evaluate_knows() -> None:
    assert METHODS == ("gradient", *_baselines._SKIMAGE, *_baselines.OF_OPENCV)


@pytest.mark.parametrize("name", [*METHODS, "Seeds", "SLIC"])
def test_a_method_is_no_name_for_a_model(name: str) -> None:
    with pytest.raises(ValueError, match=f"name='{name}' is a method .*; choose"):
        check_no_method(name)
    check_no_method(f"my {name}")


@pytest.mark.parametrize("name", ["seeds", "SLIC", "slic-zero", "gradient"])
def test_models_are_not_kept_under_the_name_of_a_method(
    folder: Path, model: AffinityModel, tmp_path: Path, name: str
) -> None:
    path = save_user_model(model, "cells")
    theirs = shutil.copy(path, tmp_path / f"{name}.safetensors")
    taken = pytest.raises(ValueError, match=f"name='{name}' is a method .*; choose")
    with taken:
        save_user_model(model, name, overwrite=True)
    with taken:
        rename_user_model("cells", name)
    with taken:
        import_user_model(theirs)
    with taken:
        check_free_name(name)
    assert list(user_models()) == ["cells"]
    assert import_user_model(theirs, free_name(name)) == f"model {name}"


def test_a_model_that_has_the_name_of_a_method_can_get_another(
    folder: Path, model: AffinityModel
) -> None:
    shutil.copy(save_user_model(model, "cells"), folder / "seeds.safetensors")
    rename_user_model("seeds", "my seeds")
    assert list(user_models()) == ["cells", "my seeds"]


def test_a_name_is_text(folder: Path, model: AffinityModel) -> None:
    with pytest.raises(TypeError, match="name=3"):
        save_user_model(model, 3)  # type: ignore[arg-type]


def test_what_is_no_model_and_no_path(folder: Path) -> None:
    with pytest.raises(TypeError, match="model='default': give an AffinityModel"):
        save_user_model("default", "cells")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="path=None"):
        import_user_model(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="model='': there is no model of this name"):
        load_model("")


def test_a_folder_is_no_model(folder: Path) -> None:
    (folder / "cells.safetensors").mkdir(parents=True)
    assert "cells" not in list_models()


@pytest.mark.parametrize("below", ["", "models"])
def test_a_file_is_no_folder_for_models(
    model: AffinityModel, tmp_path: Path, below: str
) -> None:
    (tmp_path / "notes").write_text("mine")
    folder = tmp_path / "notes" / below
    with pytest.raises(NotADirectoryError, match=r"folder=.*notes.*is a file"):
        save_user_model(model, "cells", folder=folder)
    assert (tmp_path / "notes").read_text() == "mine"


def test_rename(folder: Path, model: AffinityModel) -> None:
    save_user_model(model, "a")
    save_user_model(model, "b")
    with pytest.raises(ValueError, match="taken by another"):
        rename_user_model("a", "b")
    assert rename_user_model("a", "c") == folder / "c.safetensors"
    rename_user_model("b", "B")
    assert list(user_models()) == ["B", "c"]
    assert load_model("c").name == "c"
    with pytest.raises(ValueError, match=r"'a' is none of your models.*B, c"):
        rename_user_model("a", "d")
    with pytest.raises(ValueError, match=r"'default'.*cannot be renamed"):
        rename_user_model("default", "d")


def test_names_that_differ_in_case_only(folder: Path, model: AffinityModel) -> None:
    save_user_model(model, "Cells")
    with pytest.raises(ValueError, match="there is a model 'Cells'"):
        save_user_model(model, "cells", overwrite=True)
    save_user_model(model, "Cells", overwrite=True)
    assert list(user_models()) == ["Cells"]
    (folder / "cells.safetensors").write_bytes(b"another, on some systems")
    if len(user_models()) == 2:
        with pytest.raises(ValueError, match="taken by another"):
            rename_user_model("cells", "Cells")
        assert load_model("Cells").name == "Cells"


def test_delete(folder: Path, model: AffinityModel) -> None:
    with pytest.raises(ValueError, match="there are none yet"):
        delete_user_model("a")
    save_user_model(model, "a")
    delete_user_model("a")
    assert not user_models()
    with pytest.raises(ValueError, match="cannot be deleted"):
        delete_user_model("default")


def test_away_and_back(folder: Path, model: AffinityModel, tmp_path: Path) -> None:
    save_user_model(model, "cells")
    path = export_model("cells", tmp_path)
    assert path == tmp_path / "cells.safetensors"
    assert load_model(path).name == "cells"
    with pytest.raises(ValueError, match="is there already"):
        export_model("cells", path)
    export_model("default", path, overwrite=True)
    assert load_model(path).name == "default"
    with pytest.raises(ValueError, match="ends in"):
        export_model("cells", tmp_path / "cells.pt")
    with pytest.raises(ValueError, match="choose one of default, cells"):
        export_model("nobody", tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="'cells' is taken"):
        import_user_model(path)
    assert import_user_model(path, "theirs") == "theirs"
    assert list(user_models()) == ["cells", "theirs"]
    assert load_model("theirs").name == "theirs"


def test_broken_files_are_not_imported(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="not a safetensors file"):
        import_user_model(path)
    assert not folder.exists()


def test_strangers_in_the_folder(folder: Path, model: AffinityModel) -> None:
    path = save_user_model(model, "a")
    (folder / "notes.txt").write_text("hello")
    (folder / ".a.7.part.safetensors").write_bytes(b"half")
    shutil.copy(path, folder / "default.safetensors")  # never hides the package's
    shutil.copy(path, folder / "copied by hand.safetensors")
    assert list(user_models()) == ["a", "copied by hand"]
    assert load_model("copied by hand").name == "copied by hand"
    assert load_model("default").licence != "CC0"
    (folder / "broken.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"broken\.safetensors.*not a safetensors"):
        load_model("broken")


def test_names_and_paths(
    folder: Path, model: AffinityModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_user_model(model, "version 2.1")  # looks as if it had a suffix
    assert load_model("version 2.1").name == "version 2.1"
    monkeypatch.chdir(tmp_path)
    model.save("version 2.1.safetensors")
    assert load_model("version 2.1.safetensors").name == "x"


@pytest.mark.parametrize(
    "wish",
    ["cells", "cells [day 1].tif", "", "...", "gradient", "con", "Default", "x" * 300]
    + ["seeds", "SLIC"]
    + ["a/b\\c", "\u00fcber-Zellen_3", "-_-", "Cells"],
)
def test_free_names_are_free(wish: str, tmp_path: Path) -> None:
    taken: list[str] = []
    for _ in range(3):
        name = free_name(wish, folder=tmp_path)
        check_free_name(name, folder=tmp_path)
        (tmp_path / f"{name}.safetensors").touch()
        taken.append(name)
    assert len({name.casefold() for name in taken}) == 3
    with pytest.raises(ValueError, match="taken"):
        check_free_name(taken[0].upper(), folder=tmp_path)


def test_names_that_count_go_on_counting(tmp_path: Path) -> None:
    for wish, found in (("day 2", "day 2"), ("day 2", "day 3"), ("day 3", "day 4")):
        assert free_name(wish, folder=tmp_path) == found
        (tmp_path / f"{found}.safetensors").touch()
    assert free_name("day", folder=tmp_path) == "day"


@pytest.mark.parametrize("letter", ["a", "\u00e4", "\u7d30"])
def test_names_fit_file_systems(letter: str, tmp_path: Path) -> None:
    name = free_name(letter * 300, folder=tmp_path)
    check_free_name(name, folder=tmp_path)
    (tmp_path / f".{name}.12345678.part.safetensors").touch()
    if len(letter.encode()) > 2:
        with pytest.raises(ValueError, match="too long for a file"):
            check_free_name(letter * 90, folder=tmp_path)


def test_names_are_known_without_loading_torch() -> None:
    code = (
        "import sys; from napari_paf.affinity.model_store import free_name; "
        "free_name('x'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
