"""The state of an article: its recorded steps, each kept once, so that what was stopped goes on where it was and nothing is done twice."""

from itertools import takewhile
from typing import Any, NamedTuple

from core.articles.evidence import EvidenceNote
from core.errors import WorkbenchError
from core.judging.gate import ACCEPT, REVISE
from core.store.batches import batches
from core.workbench import Workbench

KIND = "article_steps"
BEGUN, EVIDENCE, DRAFT, GATE, DECISION, PUBLICATION = "begun", "evidence", "draft", "gate", "decision", "publication"
QUOTED, REWRITTEN = "quoted", "rewritten"


class DraftSentence(NamedTuple):
    """text rests on the note of that number, from 1. way: quoted from it, or rewritten by the model."""

    text: str
    note: int
    way: str


class Article(NamedTuple):
    """What stands by the steps so far. gate: the last one's value, {} where the last draft went through none yet. decision: a person's
    on the last draft."""

    id: str
    topic: str
    config: dict[str, Any]
    steps: list[tuple[str, dict[str, Any]]]
    notes: list[EvidenceNote]
    draft: list[DraftSentence]
    gate: dict[str, Any]
    decision: dict[str, Any]
    publication: dict[str, Any]
    revisions: int  # drafts since the first, or since a person sent it back

    @property
    def state(self) -> str:
        """In words."""
        if self.publication:
            return "published"
        if self.decision:
            return "accepted by a person" if self.decision["out"] else "sent back by a person"
        if self.gate:
            return {ACCEPT: "accepted", REVISE: "to be revised"}.get(self.gate["verdict"], "waits for a person")
        names = {BEGUN: "begun", EVIDENCE: "evidence gathered" if self.notes else "no evidence", DRAFT: "drafted"}
        return names[self.steps[-1][0]]

    @property
    def evidence(self) -> list[EvidenceNote]:
        """That of each sentence of the draft."""
        return [self.notes[sentence.note - 1] for sentence in self.draft]

    @property
    def may_be_published(self) -> bool:
        return self.decision["out"] if self.decision else self.gate.get("verdict") == ACCEPT


def keep_step(workbench: Workbench, article: str, number: int, step: str, value: dict[str, Any]) -> None:
    """Records the step, unless another process was first: then both go on with that one's."""
    row = {"article": article, "number": number, "step": step, "value": value}
    batches(workbench.home).keep(KIND, {f"{article}/{number}": row})


def article_of(workbench: Workbench, article: str) -> Article | None:
    """None where nothing of it is recorded."""
    steps: list[tuple[str, dict[str, Any]]] = []
    records = batches(workbench.home)
    while row := records.read(KIND, [key := f"{article}/{len(steps)}"]):
        steps.append((row[key]["step"], row[key]["value"]))
    return _standing(article, steps) if steps else None


def _standing(article: str, steps: list[tuple[str, dict[str, Any]]]) -> Article:
    made = Article(article, steps[0][1]["topic"], steps[0][1]["config"], steps, [], [], {}, {}, {}, -1)
    for step, value in steps[1:]:
        if step == EVIDENCE:
            made = made._replace(notes=[EvidenceNote(**note) for note in value["notes"]])
        elif step == DRAFT:
            draft = [DraftSentence(**sentence) for sentence in value["sentences"]]
            made = made._replace(draft=draft, gate={}, decision={}, revisions=made.revisions + 1)
        elif step == GATE:
            made = made._replace(gate=value)
        elif step == DECISION:
            made = made._replace(decision=value, revisions=made.revisions if value["out"] else -1)
        else:
            made = made._replace(publication=value)
    return made


def the_article(workbench: Workbench, article: str) -> Article:
    made = article_of(workbench, article)
    if made is None:
        raise WorkbenchError(f"There is no article '{article:.40}'.", where="article", todo="`articles list` tells their ids.")
    return made


def articles(workbench: Workbench) -> list[Article]:
    """All of them, the newest first; their steps are looked up together."""
    rows = workbench.store.query(
        f"SELECT article, max(number) AS last FROM {KIND} GROUP BY article ORDER BY min(id) DESC, article"
    )
    keys = {row["article"]: [f"{row['article']}/{number}" for number in range(row["last"] + 1)] for row in rows}
    records = batches(workbench.home).read(KIND, [key for some in keys.values() for key in some])
    there = {
        name: list(takewhile(records.__contains__, some)) for name, some in keys.items()
    }  # a damaged record ends what is known
    return [
        _standing(name, [(records[key]["step"], records[key]["value"]) for key in some]) for name, some in there.items() if some
    ]


def plain_steps(made: Article) -> list[dict[str, Any]]:
    return [{"number": number, "step": step, **value} for number, (step, value) in enumerate(made.steps)]
