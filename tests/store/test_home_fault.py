"""Who may read the data folder: one that is made anew its owner alone; one that is there stays as it is, and the doctor tells."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core import files
from core.generation import prices
from core.labs.doctor.machine import doctor
from core.workbench import Workbench

ROOT = Path(__file__).resolve().parents[2]


def mode(folder: Path) -> int:
    return folder.stat().st_mode & 0o777


@pytest.mark.slow
@pytest.mark.parametrize("made", ["workbench", "prices", "command"])
def test_a_new_data_folder_is_its_owners_alone(tmp_path, monkeypatch, made):
    home = tmp_path / "deep" / "data"
    monkeypatch.setenv("GROUNDWORK_HOME", str(home))
    before = os.umask(0o022)
    try:
        if made == "workbench":
            Workbench().store.query("SELECT 1")
        elif made == "prices":
            prices.save((ROOT / "core/generation/prices.yaml").read_text("utf-8"))
        else:
            subprocess.run([sys.executable, "-m", "core", "trials"], cwd=ROOT, check=True, capture_output=True)
    finally:
        os.umask(before)
    assert mode(home) == 0o700 and any(home.iterdir())


def test_one_that_is_there_is_left_as_it_is_and_told(tmp_path):
    (home := tmp_path / "data").mkdir(mode=0o755)
    Workbench(home)
    assert mode(home) == 0o755
    told = next(finding for finding in doctor(home, reuse=True) if finding.name == "Data folder")
    assert told.ok and "open to others" in told.found and f"chmod 700 {home}" in told.todo
    home.chmod(0o700)
    told = next(finding for finding in doctor(home, reuse=True) if finding.name == "Data folder")
    assert told.ok and not told.todo


def test_a_folder_that_cannot_be_made_is_told_by_who_writes_there(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path / "file" / "data"))
    assert files.make_home() == tmp_path / "file" / "data"
