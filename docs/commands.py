"""The project's own commands on one data folder, for papers that are made whole from nothing."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from core.labs.papers import typesetting

ROOT = Path(__file__).parents[1]
DONE = (0, 3)  # exit codes; 3: done, and something could not be checked, which is printed


class Commands:
    """`python -m core …`, each printed with its seconds."""

    def __init__(self, home: Path, datasets: Path) -> None:
        self.env = {**os.environ, "GROUNDWORK_HOME": str(home), "GROUNDWORK_DATASETS": str(datasets)}

    def __call__(self, *words: str) -> Any:
        print(f"$ python -m core {shlex.join(words)[:200]}", flush=True)
        started = time.monotonic()
        command = [sys.executable, "-m", "core", *words, "--json"]
        done = subprocess.run(command, cwd=ROOT, env=self.env, stdout=subprocess.PIPE, text=True)
        print(f"  {time.monotonic() - started:,.0f} s", flush=True)
        if done.returncode not in DONE:
            fail(f"`{' '.join(words[:2])}` ended with {done.returncode}: {done.stdout[-2000:]}")
        return json.loads(done.stdout)


class Failed(Exception):
    """A command that failed, or something that does not hold."""


def fail(why: str) -> NoReturn:
    raise Failed(why)


def ended(program: Callable[[], int | None]) -> NoReturn:
    """Runs a program and exits with what it returns, or with 1 and the reason where it failed."""
    try:
        sys.exit(program() or 0)
    except Failed as error:
        sys.exit(f"It failed: {error}")


def datasets_folder() -> Path:
    """Where public data sets lie, as GROUNDWORK_DATASETS says."""
    return Path(os.environ.get("GROUNDWORK_DATASETS") or ROOT.parent / "shared" / "datasets")


def bundled(core: Commands, paper: str, folder: Path) -> str:
    """Exports a paper, recomputes it from its own records and sets its LaTeX; ends the program where anything does not hold. Returns
    what held, in words."""
    bundle = folder / f"{paper}.zip"
    exported = core("paper", "export", paper, "--out", str(bundle))
    results = core("paper", "verify", str(bundle))
    if wrong := [row for row in results if row["holds"] is False]:
        fail(f"{len(wrong)} of {len(results)} do not hold: {wrong}")
    for row in results:
        if row["holds"] is None:  # what nothing was computed anew for
            print(f"{row['what']}: {row['told']}")
    print(exported["not_drawn"] or "The figures are drawn.")
    held = sum(row["holds"] is True for row in results)
    return f"{held} of {held} that are computed anew hold. {set_in_type(core, bundle)}"


def set_in_type(core: Commands, bundle: Path) -> str:
    """Sets the bundle's LaTeX; says what came of it."""
    if not typesetting.able():
        return f"LaTeX not tried: there is no {typesetting.TEX} here (Debian: {typesetting.INSTALL})"
    made = core("paper", "pdf", str(bundle))
    if made["undefined"]:
        fail(f"references in {made['file']} lead nowhere")
    return f"LaTeX set: {made['file']}"
