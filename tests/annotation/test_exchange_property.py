"""Whatever is labelled comes back from every format as it was."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.annotation.formats import label_studio
from core.annotation.formats.exchange import from_csv, from_jsonl, to_csv, to_jsonl
from core.annotation.labels import Label, problems
from core.annotation.sentences import words
from core.store.segments import decode_line, encode_line
from tests.support.annotated import pairs, rating

STUDIES = (rating(4, 2, duplicates=1, attention=True), pairs(2, ask=("sentences", "helpful", "preference")))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
FORMATS = {"jsonl": (to_jsonl, from_jsonl), "csv": (to_csv, from_csv)}


@st.composite
def labelled(draw):
    """A study and labels of different items."""
    study = draw(st.sampled_from(STUDIES))
    items = draw(st.lists(st.sampled_from(study.items), unique_by=lambda item: item.id, min_size=1, max_size=2))
    return study, [draw(label(study, item, number)) for number, item in enumerate(items)]


@st.composite
def label(draw, study, item, number):
    spans = [
        (r, a, b)
        for r, one in enumerate(item.responses)
        for a in range(len(words(one.text)))
        for b in range(a + 1, len(words(one.text)) + 1)
    ]
    name = st.none() | st.sampled_from(study.names)
    places = [(r, s) for r, one in enumerate(item.responses) for s in range(len(one.sentences))]
    made = Label(
        id=f"{number:026}",
        study=study.id,
        round=draw(st.sampled_from(["pilot", "main"])),
        item=item.id,
        annotator=draw(TEXT.filter(bool)),
        hash=draw(st.sampled_from(["", "abc"])),
        shown=draw(st.sampled_from(["", "def"])),
        sentences=[[draw(name) for _ in one.sentences] for one in item.responses],
        spans=[{"response": r, "first": a, "last": b} for r, a, b in draw(st.lists(st.sampled_from(spans), max_size=3))],
        helpful=[draw(st.none() | st.integers(1, 5)) for _ in item.responses],
        preference=draw(st.none() | st.sampled_from(["a", "b", "tie"])) if len(item.responses) == 2 else None,
        bulk=draw(st.lists(st.sampled_from(places), unique=True, max_size=2)),
        cannot_judge=draw(st.booleans()),
        comment=draw(TEXT),
        seconds=draw(st.none() | st.floats(0, 1e6)),
        rubric=draw(st.integers(1, 9)),
        order=draw(st.permutations(range(len(item.responses)))),
        withdrawn=draw(st.booleans()),
        replaces=draw(st.sampled_from(["", "x"])),
        restores=draw(st.sampled_from(["", "y"])),
        origin=draw(st.sampled_from(["", "f.csv"])),
        created="2026-01-02T03:04:05.000006+00:00",
    )
    assert not problems(study, made)
    return made


@settings(max_examples=20)
@given(labelled())
def test_jsonl_and_csv_are_lossless(made):
    study, labels = made
    for write, read in FORMATS.values():
        parsed = read(write(labels), "file", study, "main")
        assert parsed.problems == [] and [one for _, one in parsed.labels] == labels


@settings(max_examples=20)
@given(labelled())
def test_label_studio_is_lossless_and_blind(made):
    study, labels = made
    tasks = label_studio.tasks(study, labels)
    text = json.dumps(tasks)
    parsed = label_studio.from_tasks(text, "file", study, "main")
    key = lambda one: one.id  # noqa: E731
    assert parsed.problems == [] and sorted((one for _, one in parsed.labels), key=key) == sorted(labels, key=key)
    assert not any(word in str(task["data"]) for task in tasks for word in ("system", "record-", "gold"))


@settings(max_examples=50)
@given(st.dictionaries(st.text(max_size=9), st.text(max_size=40) | st.integers() | st.none(), max_size=4))
def test_a_line_of_a_segment_comes_back(payload):
    data = encode_line("id", payload)
    assert data.count(b"\n") == 1 and decode_line(data).payload == payload
    assert decode_line(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]).payload is None


@pytest.mark.slow
@settings(max_examples=20)
@given(labelled(), st.data())
def test_a_spoilt_file_is_told_by_line_and_never_raises(made, data):
    study, labels = made
    for write, read in (*FORMATS.values(), (lambda some: json.dumps(label_studio.tasks(study, some)), label_studio.from_tasks)):
        text = write(labels)
        at = data.draw(st.integers(0, len(text)))
        spoilt = text[:at] + data.draw(st.sampled_from(['"', "{", ",", "\n", "\x00", "]", "9", ""])) + text[at + 1 :]
        parsed = read(spoilt, "file", study, "main")
        assert all(1 <= one.line <= spoilt.count("\n") + spoilt.count("\r") + 2 and one.what for one in parsed.problems)
