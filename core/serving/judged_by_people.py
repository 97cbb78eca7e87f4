"""Served answers as items of a study of people: those that somebody said something of, or a random sample; and what people say of them."""

from collections.abc import Sequence
from typing import NamedTuple

from core.agreement.consensus import consensus
from core.agreement.machines import facing
from core.agreement.sources import open_study
from core.agreement.systems import answers_of
from core.agreement.views import read
from core.annotation.draft import DEFAULTS, ONE_SYSTEM, free_name
from core.annotation.drawing import Candidate, clean, draw
from core.annotation.rounds import save
from core.annotation.rubric import default_rubric
from core.annotation.study import Passage, Study
from core.annotation.versions import Frozen
from core.config import valid
from core.errors import WorkbenchError
from core.serving.feedback import FeedbackOn, feedback
from core.serving.served import ServedAnswer, served_answers
from core.store.batches import batches
from core.workbench import Workbench

KIND = "served_samples"
PEOPLE = ("Annotator 1", "Annotator 2")
HEX = 16**8  # of the eight digits of a span that decide whether people judge its answer


class ServedSample(NamedTuple):
    """A study whose items are a random sample of what a service answered; see RECORDS of this folder."""

    study: str
    served_as: str
    share: float
    since_s: float
    until_s: float
    drawn: int

    def holds(self, answer: ServedAnswer) -> bool:
        """Whether it is of the sample's time and drawn: a span's id is random, so its first digits are a draw of its own."""
        return self.covers(answer) and int(answer.span[:8], 16) < self.share * HEX

    def covers(self, answer: ServedAnswer) -> bool:
        return self.since_s <= answer.start_s <= self.until_s


def study_of_feedback(
    workbench: Workbench, hours: float, name: str = "", title: str = "Feedback", people: Sequence[str] = PEOPLE
) -> Frozen:
    """A draft whose items are the answers of the last hours with feedback; a correction is the item's accepted answer, hidden from
    who judges."""
    told = [each for each in feedback(workbench, hours, name) if each.answer]
    if not told:
        raise WorkbenchError("No answer has feedback yet.", where=name, todo="Clients send it to POST /feedback.")
    return save(workbench, _study(workbench, title, people, [_candidate(each.answer, each) for each in told]))


def sample_for_people(
    workbench: Workbench, name: str, share: float, hours: float, title: str = "Served answers", people: Sequence[str] = PEOPLE
) -> Frozen:
    """A draft of a random sample of the answers that went out under `name` in the last hours, each drawn with the chance `share` by itself;
    answers of the same words are one item. Noted, so that `quality` finds its labels."""
    answers = served_answers(workbench, hours, name)
    if not answers or not 0 < share <= 1:
        what = f"A share of {share:g} cannot be drawn." if answers else f"Nothing was answered as '{name}' in {hours:g} hours."
        raise WorkbenchError(what, todo="Give a share above 0, at most 1, of a time in which the service answered.")
    sample = ServedSample("", name, share, answers[0].start_s, answers[-1].start_s, 0)
    drawn = {wording(answer.question, answer.text): answer for answer in reversed(answers) if sample.holds(answer)}
    if not drawn:
        raise WorkbenchError(f"None of {len(answers):,} answers was drawn.", where=name, todo="Give a larger share.")
    frozen = save(workbench, _study(workbench, title, people, [_candidate(answer) for answer in drawn.values()]))
    number = sum(map(sample.holds, answers))
    value = sample._replace(study=frozen.study.id, drawn=number)._asdict()
    batches(workbench.home).keep(KIND, {frozen.study.id: {key: value[key] for key in value if key != "study"}})
    return frozen


def newest_sample(workbench: Workbench, name: str) -> ServedSample | None:
    """Of the answers served under this name; None: there is none."""
    rows = workbench.store.recorded(KIND, f"SELECT key FROM {KIND} WHERE served_as = ? ORDER BY id DESC LIMIT 1", [name])
    return ServedSample(*(rows[0][field] for field in ("key", *ServedSample._fields[1:]))) if rows else None


def unfaithful(workbench: Workbench, study_id: str) -> dict[tuple[str, str], bool]:
    """By the words of each answer that people have judged whole: whether a sentence of it is not borne out, by the consensus."""
    source = open_study(workbench, study_id)
    if not source.rounds or "sentences" not in source.parts:
        return {}
    view = read(source, "sentences")
    agreed = consensus(source, view.part, view.table, view.method)
    units = facing(source, view.part, view.table, agreed, view.positive, (), whole=True)
    told = {}
    for name, yes in zip(answers_of(source, view.table, view.part), units.positive.tolist(), strict=True):
        item = source.study.item(name)
        if yes == yes:  # NaN: tied, or a sentence left out
            told[wording(item.question, item.responses[0].text)] = not yes
    return told


def wording(question: str, text: str) -> tuple[str, str]:
    """By which answers are the same item."""
    return clean(question), clean(text)


def _candidate(answer: ServedAnswer, said: FeedbackOn | None = None) -> Candidate:
    passages = tuple(
        Passage(
            document_id=each["document"],
            title=clean(each["title"] or ""),
            start=each["start"],
            end=each["end"],
            text=clean(each["text"]),
        )
        for each in answer.passages
    )
    gold = (clean(said.correction),) if said and said.correction.strip() else ()
    return Candidate(answer.trace, answer.served_as, "", clean(answer.question), clean(answer.text), passages, gold)


def _study(workbench: Workbench, title: str, people: Sequence[str], candidates: Sequence[Candidate]) -> Study:
    about = {"id": free_name(workbench, title), "title": title, **DEFAULTS["rating"], **ONE_SYSTEM}
    items = draw(candidates, len(candidates), by="none")
    return valid(Study, {**about, "rubrics": [default_rubric()], "annotators": tuple(people), "items": items})
