"""The project's own commands on one data folder, for papers that are made whole from nothing."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from core.labs.papers import typesetting

ROOT = Path(__file__).parents[1]
DONE = (0, 3)  # exit codes; 3: done, and something could not be checked, which is printed
GRACE_S = 20.0  # for a command to end what it is at


class Commands:
    """`python -m core …`, each printed with its seconds."""

    def __init__(self, home: Path, datasets: Path) -> None:
        self.env = {**os.environ, "GROUNDWORK_HOME": str(home), "GROUNDWORK_DATASETS": str(datasets)}

    def __call__(self, *words: str) -> Any:
        print(f"$ python -m core {shlex.join(words)[:200]}", flush=True)
        started = time.monotonic()
        command = [sys.executable, "-m", "core", *words, "--json"]
        with subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=subprocess.PIPE, text=True) as child:
            try:
                printed, _ = child.communicate()
            except BaseException:  # this program is being ended
                _end(child)
                raise
        print(f"  {time.monotonic() - started:,.0f} s", flush=True)
        if child.returncode not in DONE:
            fail(f"`{' '.join(words[:2])}` ended with {child.returncode}: {printed[-2000:]}")
        return json.loads(printed)


def _end(child: subprocess.Popen) -> None:
    """What it has finished is kept; it would go on measuring, and be in the way of the run that goes on."""
    child.terminate()
    try:
        child.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()


class Failed(Exception):
    """A command that failed, or something that does not hold."""


def fail(why: str) -> NoReturn:
    raise Failed(why)


def ended(program: Callable[[], int | None]) -> NoReturn:
    """Runs a program and exits with what it returns, or with 1 and the reason where it failed. Ended by SIGTERM, it ends its command
    first."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
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
