"""Settings and fixtures for all tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]

# Widgets must touch the viewer from the GUI thread only; napari then checks it.
os.environ.setdefault("NAPARI_ENSURE_PLUGIN_MAIN_THREAD", "1")

# No deadlines: the first example of a test pays for compiling the kernels.
settings.register_profile(
    "default",
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.register_profile("long", settings.get_profile("default"), max_examples=2000)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default")
)


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    """Seed the generators that a test may use without saying so."""
    np.random.seed(0)
    if torch := sys.modules.get("torch"):  # not for tests that do without it
        torch.manual_seed(0)


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Reference outputs and data sets beside the repository, or a skip."""
    folder = ROOT.parent / "shared"
    if not (folder / "goldens").is_dir():
        pytest.skip(f"needs the reference data in {folder.name}/ beside the repository")
    return folder
