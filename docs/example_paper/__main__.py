"""A paper made whole from nothing by the commands that people type: `make example-paper`.

A study of chunkers, encoders and fusion on XQuAD, people's agreement on QAGS, and the bundle of both: its LaTeX is set, and every
number is recomputed from the bundle's own records. Where XQuAD is not at hand (GROUNDWORK_DATASETS), the corpus that every
installation has takes its place, and this is said; `--short` takes that one in any case. It ends with 1 where anything does
not hold. In the same folder again nothing is measured twice.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any, NoReturn

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAPER = "example"
TEX = "pdflatex"
METRIC = "ndcg_linear"
ROWS = 8  # of the table
UNCHECKED = 3  # exit code: done, and something could not be checked, which is printed


class Commands:
    """`python -m core …` on one data folder, each told with its seconds."""

    def __init__(self, home: Path, datasets: Path) -> None:
        self._env = {**os.environ, "GROUNDWORK_HOME": str(home), "GROUNDWORK_DATASETS": str(datasets)}

    def __call__(self, *words: str) -> Any:
        print(f"$ python -m core {shlex.join(words)[:200]}", flush=True)
        started = time.monotonic()
        command = [sys.executable, "-m", "core", *words, "--json"]
        done = subprocess.run(command, cwd=ROOT, env=self._env, stdout=subprocess.PIPE, text=True)
        print(f"  {time.monotonic() - started:,.0f} s", flush=True)
        if done.returncode not in (0, UNCHECKED):
            fail(f"`{words[0]}` ended with {done.returncode}: {done.stdout[-2000:]}")
        return json.loads(done.stdout)


def fail(why: str) -> NoReturn:
    print(f"The example paper failed: {why}", file=sys.stderr)
    sys.exit(1)


def measured(core: Commands, study: Path) -> dict[str, Any]:
    outcome = core("study", str(study))
    if outcome["missing"] or len(outcome["reported"]) != 2:
        fail(f"the study is not whole, {outcome['missing']} points are missing: {outcome['stopped']}")
    return outcome


def written(core: Commands, study: dict[str, Any], title: str, labels: Path | None) -> None:
    """The paper's numbers, table and figure; each keeps the command that it comes from."""
    core("paper", "create", title, "--id", PAPER)
    (winner, base), dev = study["reported"], "config->>'$.corpus.questions' = 'dev'"
    count = f"sql \"SELECT count(*) AS recipes FROM trials WHERE sweep = '{study['id']}' AND {dev}\""
    about = ["--value", "0.recipes", "--caption", "Recipes compared on the dev questions"]
    core("paper", "number", PAPER, "recipes", count, *about, "--trials", *study["trials"])
    compared = f"compare {base} {winner} --metric {METRIC}"
    numbers = [
        ("base-test", f"show {base}", f"metrics.{METRIC}.mean", "plain", "nDCG of the base on the test questions"),
        ("gain", compared, "difference", "signed", "Gain of the winner over it"),
        ("gain-low", compared, "low", "signed", "Its interval from"),
        ("gain-high", compared, "high", "signed", "to"),
        ("gain-p", compared, "p", "p", "Paired p"),
    ]
    if labels:
        core("annotate", "qags", str(labels), "--study", "qags")
        places = [
            ("alpha", "value", "Krippendorff's alpha of people on QAGS"),
            ("alpha-low", "low", "Its interval from"),
            ("alpha-high", "high", "to"),
        ]
        numbers += [(name, "agreement qags", f"measures.0.{place}", "plain", what) for name, place, what in places]
    for name, command, place, form, what in numbers:
        core("paper", "number", PAPER, name, command, "--value", place, "--form", form, "--caption", what)
    best = [row["trial"] for row in study["leaderboard"][:ROWS]]
    figure = f"trials-table {' '.join(best)} --metric {METRIC}"
    which = "recipes with the highest means on the dev questions"
    core("paper", "table", PAPER, "best", f"{figure} --metric recall", "--caption", f"The {len(best)} {which}.", "--width", "174")
    about = ["--drawing", "differences", "--caption", f"How far the {len(best)} {which} lie from the first.", "--width", "174"]
    core("paper", "figure", PAPER, "distances", figure, *about)


def set_in_type(bundle: Path, folder: Path) -> str:
    """Sets the bundle's LaTeX by its own Makefile; says what came of it."""
    shutil.rmtree(folder, ignore_errors=True)
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)
    if shutil.which(TEX) is None:
        return f"LaTeX not tried: there is no {TEX} here (Debian: texlive-latex-recommended)"
    done = subprocess.run(["make", "-C", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    log = (folder / "main.log").read_text("utf-8", "replace") if (folder / "main.log").exists() else ""
    if done.returncode or not (folder / "main.pdf").exists() or "There were undefined references" in log:
        fail(f"its LaTeX does not compile:\n{done.stdout[-3000:]}")
    return f"LaTeX set: {folder / 'main.pdf'}"


def main(folder: Path, short: bool) -> None:
    started, datasets = time.monotonic(), Path(os.environ.get("GROUNDWORK_DATASETS") or ROOT.parent / "shared" / "datasets")
    xquad, labels = datasets / "xquad" / "xquad.en.json", datasets / "qags" / "mturk_cnndm.jsonl"
    whole = xquad.is_file() and not short
    if not whole:
        why = "asked for" if short else f"XQuAD is not at {xquad}: set GROUNDWORK_DATASETS"
        print(f"On the Python reference, which every installation has ({why}).")
    if not labels.is_file():
        print(f"Without people's agreement: QAGS is not at {labels}.")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "home" / "papers", ignore_errors=True)  # of a run before
    core, bundle = Commands(folder / "home", datasets), folder / f"{PAPER}.zip"
    study = measured(core, HERE / ("xquad.yaml" if whole else "python_reference.yaml"))
    corpus = "XQuAD" if whole else "the Python reference"
    written(core, study, f"Chunkers, encoders and fusion on {corpus}", labels if labels.is_file() else None)
    exported = core("export", PAPER, "--out", str(bundle))
    results = core("verify-paper", str(bundle))
    if wrong := [row for row in results if row["holds"] is False]:
        fail(f"{len(wrong)} of {len(results)} do not hold: {wrong}")
    for row in results:
        if row["holds"] is None:  # what nothing was computed anew for
            print(f"{row['what']}: {row['told']}")
    print(exported["not_drawn"] or "The figure is drawn.")
    held = sum(row["holds"] is True for row in results)
    took_s = time.monotonic() - started
    print(f"{held} of {held} that are computed anew hold. {set_in_type(bundle, folder / 'bundle')}. {took_s:,.0f} s in all.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m docs.example_paper", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--short", action="store_true", help="the corpus that every installation has, fewer recipes: a minute or two"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "data" / "example-paper", help="folder of data, bundle and PDF")
    given = parser.parse_args()
    main(given.out.resolve(), given.short)
