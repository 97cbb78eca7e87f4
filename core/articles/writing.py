"""An article is written: evidence, a draft on it, the editor's gate, and revisions of what the gate sends back, at most three.

Every sentence rests on one evidence note. The model rewrites the note's sentence; what the gate sends back it writes again, once, and
after that the note's own sentence is quoted. So what is let out is borne out by its evidence however weak the model.
"""

import re
from collections.abc import Generator, Sequence
from typing import Any

from core.articles.evidence import EvidenceNote, gathered
from core.articles.rating import draft_support, judged, rated
from core.articles.steps import (
    BEGUN,
    DRAFT,
    EVIDENCE,
    GATE,
    QUOTED,
    REWRITTEN,
    Article,
    DraftSentence,
    article_of,
    keep_step,
    the_article,
)
from core.config import TrialConfig, build, code_version, fingerprint
from core.context.citations import plain
from core.errors import WorkbenchError
from core.generation.loading import loaded
from core.generation.model_texts import Request, TextTools, untaught, written
from core.judging.gate import REVISE
from core.records import Progress
from core.workbench import Workbench

LONGEST_TOPIC = 300
IDENTITY = re.compile(r"[0-9a-f]{12}")  # of an article
TOKENS = 80
WARM = 0.7  # temperature of the second try
STEPS = 9  # at most: evidence, four drafts, four gates
END = (".", "!", "?")


def write_article(workbench: Workbench, config: TrialConfig, topic: str) -> Generator[Progress, None, Article]:
    """From its topic until it is accepted, has no evidence, or waits for a person; goes on where it was stopped. topic: or the id of an
    article, which goes on by its own recipe, whatever the code was that began it."""
    topic = " ".join(topic.split())
    if IDENTITY.fullmatch(topic) and article_of(workbench, topic):
        return (yield from go_on(workbench, topic))
    if not topic or len(topic) > LONGEST_TOPIC:
        raise WorkbenchError(
            f"The topic has {len(topic):,} characters.", where="topic", todo=f"Give a line of 1 to {LONGEST_TOPIC} characters."
        )
    name = fingerprint(topic, config, code_version(write_article))[:12]
    if article_of(workbench, name) is None:
        keep_step(workbench, name, 0, BEGUN, {"topic": topic, "config": config.model_dump(mode="json")})
    return (yield from go_on(workbench, name))


def go_on(workbench: Workbench, name: str) -> Generator[Progress, None, Article]:
    """The steps that the model, the measures and the gate can take by themselves."""
    while step := due(made := the_article(workbench, name)):
        config = build(made.config)
        yield Progress(min(len(made.steps), STEPS), STEPS, {EVIDENCE: "Research", DRAFT: "Writing", GATE: "Editing"}[step])
        if step == EVIDENCE:
            value: dict[str, Any] = {"notes": [note._asdict() for note in (yield from gathered(workbench, config, made.topic))]}
        elif step == DRAFT:
            value = {"sentences": [each._asdict() for each in (yield from drafted(workbench, config, made))]}
        else:
            value = yield from edited(workbench, made)
        keep_step(workbench, name, len(made.steps), step, value)
    return made


def due(made: Article) -> str:
    """The step that is due; "": none, or it is a person's."""
    last = made.steps[-1][0]
    if last == BEGUN:
        return EVIDENCE
    if not made.notes or made.publication:
        return ""
    if not made.draft or (made.decision and not made.decision["out"]):
        return DRAFT
    if not made.gate:
        return GATE
    return DRAFT if not made.decision and made.gate["verdict"] == REVISE else ""


# The writer ----------------------------------------------------------------------------------------------------------


def drafted(workbench: Workbench, config: TrialConfig, made: Article) -> Generator[Progress, None, list[DraftSentence]]:
    """The first draft has a sentence a note, in the order of the documents; a later one writes anew what was sent back."""
    if not made.draft:
        order = sorted(range(len(made.notes)), key=lambda place: _place_in_order(made.notes, place))
        texts = yield from _rewritten(workbench, config, [made.notes[place] for place in order], 0)
        return [_sentence(text, made.notes, place) for text, place in zip(texts, order, strict=True)]
    back = {int(place) for place in made.gate.get("wrong", {})}
    sentences = list(made.draft)
    again = [place for place in back if made.revisions == 0 and sentences[place].way == REWRITTEN and not made.decision]
    texts = dict(
        zip(again, (yield from _rewritten(workbench, config, [made.notes[sentences[p].note - 1] for p in again], 1)), strict=True)
    )
    for place in back:
        note = sentences[place].note - 1
        if sentences[place].way == QUOTED:
            sentences[place] = sentences[place]._replace(text="")  # its evidence does not bear it out, or it was said: it goes
        else:
            sentences[place] = _sentence(texts.get(place, ""), made.notes, note)
    return [each for each in sentences if each.text] or list(made.draft[:1])


def _place_in_order(notes: Sequence[EvidenceNote], place: int) -> tuple[int, int]:
    """Documents in the order in which they were found, within each by its characters."""
    names = [note.document_id for note in notes]
    return names.index(notes[place].document_id), notes[place].start


def _sentence(text: str, notes: Sequence[EvidenceNote], place: int) -> DraftSentence:
    """What the model wrote, where it is a sentence; else the note's own."""
    if text.endswith(END) and len(text.split()) > 2:
        return DraftSentence(text, place + 1, REWRITTEN)
    return DraftSentence(" ".join(notes[place].text.split()), place + 1, QUOTED)


def _rewritten(
    workbench: Workbench, config: TrialConfig, notes: Sequence[EvidenceNote], draw: int
) -> Generator[Progress, None, list[str]]:
    """The first sentence that the model writes for each note."""
    if not notes:
        return []
    generator = untaught(config.generation.usable())
    yield from loaded(generator)
    style = config.context.citations
    about = "Say this in other words, in one short sentence. Keep every name and number, and add nothing."
    requests = [
        Request(
            [{"role": "user", "content": f"{about}\n\n{plain(' '.join(note.text.split()), style)}"}],
            TOKENS,
            ("\n",),
            WARM if draw else 0.0,
            draw,
        )
        for note in notes
    ]
    texts = yield from written(TextTools(generator, config.seed, workbench.home, None), requests)
    return [" ".join(text.text.strip().strip('"').split()) for text in texts]


# The editor ----------------------------------------------------------------------------------------------------------


def edited(workbench: Workbench, made: Article) -> Generator[Progress, None, dict[str, Any]]:
    """The gate's decision on the draft, with each sentence's support."""
    values = yield from draft_support(workbench, made)
    complete = len({note.search for note in made.evidence}) / len({note.search for note in made.notes})
    texts, grounds = [sentence.text for sentence in made.draft], [note.text for note in made.evidence]
    return judged(rated(texts, values, grounds, complete), made.revisions)
