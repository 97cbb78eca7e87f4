"""A small study with stored answers behind it, frozen and labelled, for the tests of annotation."""

import numpy as np

from core.annotation import rounds, saving, worklist
from core.annotation.drawing import Candidate, attention_items, draw, draw_pairs, with_duplicates
from core.annotation.labels import blank
from core.annotation.rubric import default_rubric
from core.annotation.study import Passage, Study

PEOPLE = ("Ann", "Ben", "Cy")


def candidates(questions=20, systems=2) -> list[Candidate]:
    return [
        Candidate(
            f"record-{s}-{q:03}",
            f"system {s}",
            "toy",
            f"What is {q}?",
            f"Answer {q} of <b>{s}</b> & more [1]. It has 😀 two sentences!",
            (Passage(document_id=f"d{q}", title="T", start=0, end=9, text=f"Evidence {q}."),),
            (f"gold {q}",),
        )
        for q in range(questions)
        for s in range(systems)
    ]


def rating(count=12, pilot=4, duplicates=0, attention=False, **changes) -> Study:
    items = with_duplicates(draw(candidates(), count, pilot=pilot), duplicates)
    return Study(
        **{
            "id": "toy",
            "question": "Which is faithful?",
            "rubrics": (default_rubric(),),
            "annotators": PEOPLE,
            "items": (*items, *(attention_items() if attention else ())),
            **changes,
        }
    )


def pairs(count=8, **changes) -> Study:
    return Study(
        **{
            "id": "ab",
            "question": "Which is better?",
            "kind": "pairs",
            "ask": ("preference",),
            "annotators": PEOPLE,
            "rubrics": (default_rubric(),),
            "items": draw_pairs(candidates(), "system 0", "system 1", count),
            **changes,
        }
    )


def frozen_study(workbench, **changes):
    return rounds.freeze(workbench, rating(pilot=0, **changes), "main")


def judge(workbench, frozen, who, item, name="supported", **changes):
    item = frozen.study.item(item)
    given = {"sentences": tuple((name,) * len(one.sentences) for one in item.responses), "helpful": (4,) * len(item.responses)}
    return saving.label(workbench, frozen, blank(frozen.study, frozen.round, item, who).model_copy(update={**given, **changes}))


def judge_all(workbench, frozen, **changes):
    for who in frozen.study.people(frozen.round):
        while item := worklist.Worklist(workbench, frozen, who).next_open():
            judge(workbench, frozen, who, item, **changes)


class LetterCounts:
    """Vectors of letters, in place of the encoder's."""

    encoder = None

    def embed(self, encoder, texts):
        yield from ()
        return np.array([[text.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts], np.float32)
