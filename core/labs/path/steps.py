"""Where one is between a question and the paper, of one corpus. Nothing of it is kept: trials, experiments, answers, labels and
papers say it."""

import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from core import files
from core.annotation import versions
from core.errors import WorkbenchError
from core.labs.experiments import book
from core.labs.experiments.book import Version
from core.labs.experiments.experiment import Experiment
from core.labs.experiments.standing import runs
from core.labs.papers import shelf
from core.progress import counted
from core.workbench import Workbench

TITLES = {
    "question": "Question",
    "corpus": "Corpus",
    "recipe": "Recipe",
    "compare": "Compare",
    "confirm": "Confirm",
    "people": "People",
    "paper": "Paper",
}
UNREAD = "cannot be read"  # of a damaged paper
MEASURED = """SELECT tested, max(recipes) AS recipes, sum(trials)::BIGINT AS trials FROM (
    SELECT config->>'$.corpus.questions' = 'test' AS tested, count(DISTINCT recipe_fingerprint) AS recipes, count(*) AS trials
    FROM trials WHERE status = 'ok' AND measured > 0 AND dataset = $1 AND $2 IN ('', sweep)
    GROUP BY questions_fingerprint, k, overlap, tested) GROUP BY tested"""
ANSWERED = "SELECT count(*) AS n FROM answers WHERE dataset = ? AND text IS NOT NULL"
OF_EXPERIMENT = "SELECT list(id) AS ids FROM trials WHERE sweep = ?"


class PathStep(NamedTuple):
    """state: done, next, open, or aside (nobody needs it here). words: what is stored of it, or what there is to do."""

    name: str  # of TITLES
    state: str
    words: str

    @property
    def title(self) -> str:
        return TITLES[self.name]


class Stored(NamedTuple):
    """What the database holds of a corpus, or of an experiment on it. recipes: the most that were measured on the same questions; tested:
    those on test."""

    trials: int = 0
    recipes: int = 0
    tested: int = 0
    answers: int = 0


def path(workbench: Workbench, dataset: str, questions: int, experiment: Experiment | None) -> list[PathStep]:
    """The steps in their order, at most one of them the next. questions: how many the corpus has. experiment: as `in_use`."""
    has, people = stored(workbench, dataset), _people(workbench, dataset)
    written = _paper(workbench, experiment, has.trials)
    varied = experiment is not None and bool(experiment.factors)
    going = varied and runs(workbench.home, experiment.id)  # half of it is no result
    own = stored(workbench, dataset, experiment.id) if varied else has  # what others measured answers no question of this one
    recipes = f"{own.recipes:,}" if own.recipes > 1 else "Two"
    tested = (own if varied and experiment.report_on else has).tested
    wanted = own.recipes if varied and experiment.report_on and experiment.confirm == "all" else 1
    asked = experiment.title or experiment.id if experiment else "not written down" if has.trials else ""
    told = {
        "question": (bool(asked), asked or "What is to be found out?"),
        "corpus": (questions > 0, counted(questions, "question") if questions else "Its questions need evidence"),
        "recipe": (
            varied or has.trials > 0,
            f"{counted(has.trials, 'trial')} kept"
            if has.trials
            else "Chosen by the experiment" * varied or "Measure one and keep it",
        ),
        "compare": (
            own.recipes > 1 and not going,
            "The experiment is being measured" if going else f"{recipes} recipes on the same questions",
        ),
        "confirm": (
            tested >= max(wanted, 1),
            f"{counted(tested, 'recipe')} on test" if tested else "Measure the chosen one on test",
        ),
        "people": people,
        "paper": written,
    }
    aside = {}
    if not people[0] and (not has.answers or written[0]):
        aside["people"] = "Not needed here: no answers are stored"
    elif not people[0] and varied and not experiment.measures:  # answers that were asked for beside it are no part of it
        aside["people"] = "Not needed here: the experiment measures retrieval alone"
    if varied and not tested and experiment.choose_on != "dev":  # also where a half has no questions
        aside["confirm"] = f"Chosen on {experiment.choose_on} questions: none is left to confirm it on, and the paper says so"
    begin = () if questions else ("corpus",)  # nothing can be asked of a corpus without questions
    following = next((name for name in (*begin, *told) if not told[name][0] and name not in aside), "")
    return [
        PathStep(
            name,
            "done" if done else "next" if name == following else "aside" if name in aside else "open",
            aside.get(name, words),
        )
        for name, (done, words) in told.items()
    ]


def first_question(dataset: str) -> str:
    """The title of the experiment that anybody can begin with."""
    return f"Does hybrid search help on {dataset}?"


def stored(workbench: Workbench, dataset: str, experiment: str = "") -> Stored:
    """experiment: its trials alone; "": all of the corpus."""

    def counts() -> Stored:
        rows = {row["tested"]: row for row in workbench.store.query(MEASURED, [dataset, experiment])}
        on_test, others = rows.get(True, {}), rows.get(False, {})
        [answers] = workbench.store.query(ANSWERED, [dataset])
        trials = on_test.get("trials", 0) + others.get("trials", 0)
        return Stored(trials, others.get("recipes", 0), on_test.get("recipes", 0), answers["n"])

    return _once(workbench, f"{dataset} {experiment}", counts)


def _once(workbench: Workbench, about: str, ask: Callable[[], Any]) -> Any:
    """Asked of the database once after each change of the journal."""
    key = f"{about} {workbench.store.journal.mark()}"
    if (before := workbench.pipeline.recall("path", key)) is not None:
        return before
    late = workbench.late()
    made = ask()
    return made if workbench.late() > late else workbench.pipeline.keep("path", key, made)


def in_use(workbench: Workbench, dataset: str, experiment: str = "") -> Version | None:
    """The experiment of this id, else the last of this corpus: of another corpus it answers another question."""
    there = book.latest(workbench)
    chosen = there.get(experiment)
    if chosen and (not chosen.experiment.factors or corpus_of(workbench, chosen) == dataset):
        return chosen
    own = [version for version in there.values() if not version.experiment.archived and corpus_of(workbench, version) == dataset]
    return max(own, key=lambda version: version.id, default=None)


def corpus_of(workbench: Workbench, version: Version) -> str:
    """Which corpus an experiment is on; to build its recipe takes half a millisecond."""
    return workbench.pipeline.remember("experiment corpus", version.id, lambda: version.experiment.recipe.corpus.dataset)


def _people(workbench: Workbench, dataset: str) -> tuple[bool, str]:
    """Of the study of answers to this corpus that was recorded last: whether its labels are complete, and how far it is."""
    newest = next((each for each in versions.studies(workbench) if dataset in _judged_on(workbench, each)), None)
    return (False, "Have people judge the answers") if newest is None else how_far(workbench, newest)


def _judged_on(workbench: Workbench, version: versions.Frozen) -> list[str]:
    """The corpora of its answers; none of answers that are not stored here."""
    from core.annotation.stored_answers import corpora_of  # the first page waits for what it shows only

    return _once(workbench, f"judged {version.id}", lambda: corpora_of(workbench, version.study))


def how_far(workbench: Workbench, version: versions.Frozen) -> tuple[bool, str]:
    """Whether all labels of the main round are there, and how many of the round's screens are labelled."""
    if version.round == "draft":
        return False, "a draft, not frozen yet"
    from core.annotation import standing  # the first page waits for what it shows only

    key = str(standing.state(workbench, version))
    people = workbench.pipeline.remember("people", key, lambda: standing.progress(workbench, version))
    done, assigned = (sum(getattr(person, count) for person in people) for count in ("done", "assigned"))
    return version.round != "pilot" and done >= assigned > 0, f"{version.round} round, {done:,} of {assigned:,} screens labelled"


def _paper(workbench: Workbench, experiment: Experiment | None, trials: int) -> tuple[bool, str]:
    name = paper_of(workbench, experiment) if trials else ""  # nothing is measured on this corpus: a paper is of another
    return (False, "Take the result into a paper") if not name else paper_stands(workbench, name)


def paper_of(workbench: Workbench, experiment: Experiment | None) -> str:
    """The paper changed last, of those that hold something of the experiment where one is in use; "" where there is none."""
    names = shelf.newest(workbench)
    if experiment and experiment.factors:
        [row] = _once(workbench, f"trials of {experiment.id}", lambda: workbench.store.query(OF_EXPERIMENT, [experiment.id]))
        ids = {experiment.id, *(row["ids"] or ())}
        names = [name for name in names if ids & _words(workbench, name)]
    return next(iter(names), "")


def _words(workbench: Workbench, name: str) -> set[str]:
    """Of a paper's items, the ids among them; of one that cannot be read none."""
    with suppress(OSError, WorkbenchError):
        return set(re.findall(r"[\w.-]+", str(paper(workbench, name).get("items"))))
    return set()


def paper_stands(workbench: Workbench, name: str) -> tuple[bool, str]:
    """Whether the bundle holds the paper as it is, and what is to be said of it."""
    document, bundle = workbench.home / "papers" / name / "paper.yaml", workbench.home / "bundles" / f"{name}.zip"
    try:
        number, changed = len(paper(workbench, name).get("items") or ()), document.stat().st_mtime_ns
    except (OSError, WorkbenchError):
        return False, UNREAD
    if not number:
        return False, "nothing in it yet"
    if not bundle.is_file():
        return False, f"{counted(number, 'item')}, no bundle yet"
    if bundle.stat().st_mtime_ns < changed:
        return False, f"{counted(number, 'item')}, changed since its bundle"
    return True, f"{counted(number, 'item')}, in its bundle"


def paper(workbench: Workbench, name: str) -> dict[str, Any]:
    """Its document, unchecked: to read it whole takes scipy, which no page waits for."""
    document = workbench.home / "papers" / name / "paper.yaml"
    read = partial(files.read_yaml, document, "The paper", of=dict)
    return workbench.pipeline.remember("paper", f"{name} {document.stat().st_mtime_ns}", read)
