"""The workbench used as its users would, on real data, in one command that goes on where it was stopped: `make capstone`.

Every step is a command of the project, and every number of the paper comes from recorded trials. The whole form takes public data
sets (GROUNDWORK_DATASETS) and some six hours on two cores; `--quick` the corpus that every installation has, and some minutes. Out
comes a paper whose numbers anyone can recompute, set in LaTeX. What is not measured yet is left out of it, and told.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from core import files
from docs.capstone import article, findings, labs, people, studies
from docs.capstone.items import Told, section
from docs.capstone.labs import LabPlan
from docs.capstone.running import Outcomes, Step, recorded, run
from docs.capstone.studies import StudyPlan
from docs.commands import ROOT, Commands, bundled, datasets_folder, ended, fail

HERE = Path(__file__).parent
PAPER, OUTCOMES = "capstone", "outcomes"
FINDINGS = ROOT / "docs" / "findings.md"
FOLLOWS = {"metric": "f1", "more": ("faithfulness",), "costs": ("answer_s", "answer_tokens")}
CLOSED = "answering", "no passages"
RETRIEVAL, ANSWERS, AGENTS = "What of retrieval pays", "Whether the answer follows", "Whether an agent searches better"
THOUGHT = "Whether a chain of thought helps"
# before anything is answered: a copy that is made half-way would be another model
MODEL = Step("model", 1, lambda outcomes: ["engines", "convert"])
TUNED, ADAPTER = "Whether light fine-tuning replaces retrieval", "xquad-light"


class Form(NamedTuple):
    """What is done. sections: title -> its studies. asked: questions that each system answers for people to judge."""

    sections: dict[str, tuple[StudyPlan, ...]]
    corpus: str
    chunking: str
    asked: int
    minutes: float  # of these answers
    labs: tuple[LabPlan, ...]
    trainings: tuple[Step, ...] = ()  # that studies need


QUICK = Form(
    {
        RETRIEVAL: (StudyPlan("quick/hybrid-python.yaml", 1.5, "the Python reference"),),
        ANSWERS: (
            StudyPlan(
                "quick/answers-python.yaml",
                1.5,
                "the Python reference",
                "one prompt over dense retrieval",
                **FOLLOWS,
                ways=(("fusion", "hybrid retrieval"), CLOSED),
            ),
        ),
    },
    corpus="python-reference",
    chunking="recursive",
    asked=8,
    minutes=1,
    labs=(
        labs.indexes("python-reference", "the topics of the Python reference", 0.5),
        labs.served("python-reference", "the Python reference", "0.5", 12, 1, ("--set", "generation.max_tokens=32")),
    ),
)
WHOLE = Form(
    {
        RETRIEVAL: (
            StudyPlan("whole/hybrid-xquad.yaml", 1, "XQuAD"),
            StudyPlan("whole/hybrid-acl.yaml", 2, "18,637 abstracts of the ACL Anthology"),
            StudyPlan("whole/hybrid-wordnet.yaml", 17, "WordNet's 107,525 synsets"),
            StudyPlan("whole/hybrid-medquad.yaml", 25, "MedQuAD's 16,407 answers"),
            StudyPlan("whole/rerank-xquad.yaml", 7, "XQuAD", "the fusion alone"),
        ),
        ANSWERS: (
            StudyPlan(
                "whole/answers-xquad.yaml",
                90,
                "XQuAD",
                "one prompt over dense retrieval",
                **FOLLOWS | {"more": ("faithfulness", "citation_recall")},
                ways=(
                    ("fusion", "hybrid retrieval"),
                    ("rerank", "reranking by a cross-encoder"),
                    ("query", "HyDE"),
                    ("generation.adapter", "the model without its adapter"),
                    CLOSED,
                    ("answering", "Self-RAG"),
                    ("answering", "a ReAct agent"),
                ),
            ),
        ),
        THOUGHT: (
            StudyPlan(
                "whole/thought-xquad.yaml",
                45,
                "XQuAD",
                "a chain of thought over dense retrieval",
                **FOLLOWS | {"more": ("faithfulness", "citation_recall")},
                ways=(
                    ("answering", "one prompt without a chain"),
                    ("fusion", "a chain over hybrid retrieval"),
                    ("rerank", "a chain over reranking by a cross-encoder"),
                    ("query", "a chain over HyDE"),
                ),
            ),
        ),
        AGENTS: (
            StudyPlan(
                "whole/agents-hotpotqa.yaml",
                40,
                "HotpotQA",
                "one prompt over one search",
                **FOLLOWS | {"more": ("context_recall",)},
                ways=(CLOSED, ("answering", "IRCoT"), ("answering", "a ReAct agent")),
            ),
        ),
        TUNED: (
            StudyPlan(
                "whole/tuned-xquad.yaml",
                15,
                "the test half of XQuAD",
                "plain RAG with the model as it was published",
                **FOLLOWS | {"more": ("faithfulness", "citation_recall")},
                needs=(ADAPTER,),
                ways=(
                    CLOSED,
                    ("generation.adapter", "RAG with the model fine-tuned on the dev half"),
                    ("generation.adapter answering", "the fine-tuned model without passages"),
                ),
            ),
        ),
    },
    corpus="xquad-en",
    chunking="whole_document",
    asked=110,
    minutes=8,
    labs=(
        labs.indexes("acl-abstracts", "18,637 abstracts", 18),
        labs.LIVES,
        labs.REWARD,
        labs.DPO,
        labs.served("xquad-en", "XQuAD", "0.2,0.4", 120, 11, ("--set", "chunking.part=whole_document")),
        labs.STORES,
    ),
    trainings=(labs.tuned(ADAPTER, "xquad-en"),),
)


def steps(form: Form, quick: bool, datasets: Path) -> list[Step]:
    labels = datasets / "qags" / "mturk_cnndm.jsonl"
    settings = HERE.relative_to(ROOT) / f"people-{'quick' if quick else 'whole'}.yaml"
    of_people = people.steps(settings, form.corpus, form.chunking, form.asked, form.minutes, labels if labels.is_file() else None)
    plans = sorted(
        (plan for plans in form.sections.values() for plan in plans), key=lambda plan: plan.minutes
    )  # much is whole soon
    return [
        *studies.steps(plans[:1]),
        MODEL,
        *of_people,
        *labs.steps(form.labs, datasets),
        *form.trainings,
        *studies.steps(plans[1:]),
    ]


def told(form: Form, outcomes: Outcomes) -> list[tuple[str, list[Told]]]:
    """(heading, what is said below it), of all that is whole."""
    parts = []
    for title, plans in form.sections.items():
        parts.append((title, [one for plan in plans if (one := studies.told(plan, outcomes, drawn=plan is plans[0]))]))
    parts += [(plan.title, [one] if (one := labs.told(plan, outcomes)) else []) for plan in form.labs]
    parts.append((people.TITLE, [one for one in [people.told(outcomes)] if one]))
    return [(title, some) for title, some in parts if some]


def document(parts: Sequence[tuple[str, list[Told]]]) -> dict[str, object]:
    """The paper as `paper.yaml` holds it."""
    items, found = [article.introduction()], [each for _, some in parts for one in some for each in one.findings]
    for place, (title, some) in enumerate(parts, 1):
        items.append(section(f"results-{place}", title, "\n\n".join(one.text for one in some)))
        items += [item for one in some for item in one.items]
    items.append(article.discussion(found))
    return {"id": PAPER, "title": article.TITLE, "abstract": article.abstract(found), "items": items}


def main(folder: Path, quick: bool, measure: bool) -> int:
    form, datasets = QUICK if quick else WHOLE, datasets_folder()
    core, planned = Commands(folder / "home", datasets), steps(form, quick, datasets)
    if measure:
        print(f"{len(planned)} steps, about {sum(step.minutes for step in planned):,.0f} minutes on two cores.", flush=True)
        outcomes = run(planned, core, folder / OUTCOMES, lambda words: print(words, flush=True))
    else:
        outcomes = all_recorded(folder)
    if not (parts := told(form, outcomes)):
        fail("no section is whole: the same command goes on")
    place = folder / "home" / "papers" / PAPER
    place.mkdir(parents=True, exist_ok=True)
    files.write_whole(place / "paper.yaml", yaml.safe_dump(document(parts), sort_keys=False, allow_unicode=True), "The paper")
    core("paper", "refresh", PAPER)
    print(bundled(core, PAPER, folder))
    if left := [step.name for step in planned if step.name not in outcomes]:
        print(f"Not in the paper yet: {', '.join(left)}. `make capstone` goes on with them.", file=sys.stderr)
    return int(bool(left) and measure)


def all_recorded(folder: Path) -> dict[str, Any]:
    """Step -> what its command printed, of all that stand in the folder."""
    return {path.stem: known["result"] for path in (folder / OUTCOMES).glob("*.json") if (known := recorded(path))}


def write_findings(folder: Path) -> int:
    outcomes = all_recorded(folder)
    sections = {title: [studies.told(plan, outcomes, drawn=False) for plan in plans] for title, plans in WHOLE.sections.items()}
    whole = {title: [each for one in some for each in one.findings] if all(some) else [] for title, some in sections.items()}
    whole |= {plan.title: labs.found(plan, outcomes) for plan in WHOLE.labs if plan.found}
    if not any(whole.values()):
        fail(f"no section is whole in {folder}: run `make capstone` first")
    files.write_whole(FINDINGS, findings.written(whole, FINDINGS.read_text("utf-8")), "The findings")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m docs.capstone", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the corpus that every installation has: some minutes")
    parser.add_argument("--paper", action="store_true", help="measure nothing: write the paper of what is recorded")
    parser.add_argument("--findings", action="store_true", help="write docs/findings.md from what the whole form has recorded")
    parser.add_argument(
        "--out",
        type=Path,
        help="folder of data, outcomes, bundle and PDF (default: data/capstone, of --quick data/capstone-quick)",
    )
    given = parser.parse_args()
    out = (given.out or ROOT / "data" / ("capstone-quick" if given.quick else "capstone")).resolve()
    ended(lambda: write_findings(out) if given.findings else main(out, given.quick, not given.paper))
