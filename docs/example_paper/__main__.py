"""A paper made whole from nothing by the commands that people type: `make example-paper`.

A study of chunkers, encoders and fusion on XQuAD, people's agreement on QAGS, and the bundle of both: its LaTeX is set, and every
number is recomputed from the bundle's own records. Where XQuAD is not at hand (GROUNDWORK_DATASETS), the corpus that every
installation has takes its place, and this is said; `--short` takes that one in any case. It ends with 1 where anything does
not hold. In the same folder again nothing is measured twice.
"""

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

from docs.commands import ROOT, Commands, bundled, datasets_folder, ended, fail

HERE = Path(__file__).parent
PAPER = "example"
METRIC = "ndcg_linear"
ROWS = 8  # of the table


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
        ("gain", compared, "difference", "signed", "Gain of the winner over the base on the test questions"),
        ("gain-low", compared, "low", "signed", "Lower end of the gain's interval"),
        ("gain-high", compared, "high", "signed", "Upper end of the gain's interval"),
        ("gain-p", compared, "p", "p", "Paired p of the gain"),
    ]
    if labels:
        core("annotate", "qags", str(labels), "--study", "qags")
        places = [
            ("alpha", "value", "Krippendorff's alpha of people on QAGS"),
            ("alpha-low", "low", "Lower end of alpha's interval"),
            ("alpha-high", "high", "Upper end of alpha's interval"),
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


def main(folder: Path, short: bool) -> None:
    started, datasets = time.monotonic(), datasets_folder()
    xquad, labels = datasets / "xquad" / "xquad.en.json", datasets / "qags" / "mturk_cnndm.jsonl"
    whole = xquad.is_file() and not short
    if not whole:
        why = "asked for" if short else f"XQuAD is not at {xquad}: set GROUNDWORK_DATASETS"
        print(f"On the Python reference, which every installation has ({why}).")
    if not labels.is_file():
        print(f"Without people's agreement: QAGS is not at {labels}.")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "home" / "papers", ignore_errors=True)  # of a run before
    core = Commands(folder / "home", datasets)
    study = measured(core, HERE / ("xquad.yaml" if whole else "python_reference.yaml"))
    corpus = "XQuAD" if whole else "the Python reference"
    written(core, study, f"Chunkers, encoders and fusion on {corpus}", labels if labels.is_file() else None)
    print(f"{bundled(core, PAPER, folder)}. {time.monotonic() - started:,.0f} s in all.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m docs.example_paper", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--short", action="store_true", help="the corpus that every installation has, fewer recipes: a minute or two"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "data" / "example-paper", help="folder of data, bundle and PDF")
    given = parser.parse_args()
    ended(lambda: main(given.out.resolve(), given.short))
