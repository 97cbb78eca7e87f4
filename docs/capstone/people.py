"""Section of people: a study drawn from answers of two systems, blinded and frozen, its power, and the analysis on public labels.

No label is made up: what waits for people is said to wait.
"""

from functools import partial
from pathlib import Path
from typing import Any

from docs.capstone.items import Told, number
from docs.capstone.running import Outcomes, Step

STUDY = "capstone"
SYSTEMS = {"dense": "fusion.part=dense_only", "hybrid": "fusion.part=convex"}
TITLE = "Judgements of people"


def steps(settings: Path, corpus: str, chunking: str, ask: int, minutes: float, labels: Path | None) -> list[Step]:
    """settings: YAML of the study. chunking: its part. ask: questions that each of the two systems answers. labels: a
    file of QAGS, where there is one."""
    shared = ["--dataset", corpus, "--ask", str(ask), "--set", f"chunking.part={chunking}", "--set", "generation.max_tokens=96"]
    made = [
        Step(f"people-{name}", minutes / 2, lambda outcomes, of=own: ["annotate", "answer-questions", *shared, "--set", of])
        for name, own in SYSTEMS.items()
    ]
    needs = tuple(step.name for step in made)
    made += [
        Step("people-draft", 0.2, partial(_words, "annotate", "draft", str(settings)), needs=needs),
        Step(
            "people-frozen", 0.2, partial(_words, "annotate", "freeze", STUDY, "main"), lambda study: study["round"] == "main",
            ("people-draft",), ("annotate", "show", STUDY),
        ),
        Step("people-check", 0.1, partial(_words, "annotate", "check", STUDY), lambda report: report["ok"], ("people-frozen",)),
        Step("people-loads", 0.1, partial(_words, "annotate", "loads", STUDY, "main"), needs=("people-frozen",)),
        Step("people-power", 0.2, partial(_words, "annotate", "power", "difference", "--annotators", "2")),
    ]  # fmt: skip
    if labels:
        made.append(Step("people-qags", 0.5, partial(_words, "annotate", "qags", str(labels), "--study", "qags"), needs=()))
    return made


def _words(*words: Any) -> list[str]:
    return [word for word in words if isinstance(word, str)]  # the outcomes, which come last, decide nothing here


def told(outcomes: Outcomes) -> Told | None:
    if not {"people-frozen", "people-check", "people-loads", "people-power"} <= outcomes.keys():
        return None
    study, power = outcomes["people-frozen"], outcomes["people-power"]
    design, screens = power["designs"][0], {row["annotator"]: row["items"] for row in outcomes["people-loads"]}
    values = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in power["values"].items())
    text = (
        f"A study of {study['items']:,} items is drawn from the answers of two systems, which differ in their fusion alone, blinded, and "
        f"frozen under the hash {study['hash'][:12]}. Its question is fixed: {study['question']} Its hypothesis: {study['hypothesis']} "
        f"It is decided by: {study['test']} Its {len(screens)} annotators have {' and '.join(f'{n:,}' for n in screens.values())} items to "
        f"label. To find a difference between two systems ({values}) takes {design['needed'] or 'more than 100,000'} items with "
        f"{design['annotators']} annotators each.\n\n"
        "This part waits for people: nobody has labelled these items yet, no model took their place, and no figure of this paper rests on "
        "them. They are ready on the page Label answers."
    )
    items = []
    if "people-qags" in outcomes:
        places = {"alpha": "measures.0.value", "alpha-low": "measures.0.low", "alpha-high": "measures.0.high", "units": "units"}
        items = [number(name, "annotate agreement qags", place, f"People on QAGS: {name}") for name, place in places.items()]
        text += (
            "\n\nThat the analysis runs to its last figure is shown on labels that people gave elsewhere: on the {units} sentences of QAGS "
            "with three annotators each, Krippendorff's alpha is {alpha} (95% interval {alpha-low} to {alpha-high})."
        )
    return Told(TITLE, text, items, [])
