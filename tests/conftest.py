"""Shared by all tests: no network for models, a data folder of its own, and the public data sets where they are."""

import os
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
ROOT = Path(__file__).resolve().parents[1]
DATASETS = Path(os.environ.get("GROUNDWORK_DATASETS") or ROOT.parent / "shared" / "datasets")


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    """No test touches the user's data folder."""
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path / "data"))


@pytest.fixture(scope="session")
def datasets_root() -> Path:
    if not DATASETS.is_dir():
        pytest.skip("no public data sets on this machine: set GROUNDWORK_DATASETS")
    return DATASETS
