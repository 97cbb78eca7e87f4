"""Facts are written, superseded, derived from one another, met again."""

import json
import threading
from time import time as now

import pytest

from core.errors import WorkbenchError
from core.memory.exchange import import_lines
from core.memory.facts import FactDraft, read_draft
from core.memory.shown import fact_row
from core.memory.tools import AgentMemory
from core.progress import drain
from tests.support.remembered import memory


@pytest.fixture
def store(tmp_path):
    return memory(tmp_path)


def told(store, subject, attribute, value, **more):
    return store.write(FactDraft("", subject, attribute, value, **more))


def test_a_new_value_takes_the_place_of_the_old_one_which_stays_as_history(store):
    first = told(store, "pump K4", "firmware", "v1.0")
    assert told(store, "Pump  k4", "Firmware", "V1.0").outcome == "duplicate"
    second = told(store, "pump K4", "firmware", "v2.0")
    assert (second.outcome, second.superseded) == ("update", first.id)
    late = told(store, "pump K4", "firmware", "v0.9", time=1.0)
    assert late.outcome == "history"
    assert [fact.value for fact in store.history(second.id)] == ["v0.9", "v1.0", "v2.0"]
    assert [hit.fact.value for hit in store.read("Which firmware runs on pump K4?")] == ["v2.0"]
    assert store.fact(first.id).said == 2


def test_a_fact_told_again_out_of_a_document_has_that_document_and_keeps_it(store):
    first = told(store, "pump K4", "firmware", "v1.0")
    for name, start in (("pumps.txt", 7), ("others.txt", 0)):
        assert (
            told(store, "pump K4", "firmware", "v1.0", document=name, start=start, end=30, corpus="plant").outcome == "duplicate"
        )
    assert store.fact(first.id)[15:] == ("pumps.txt", 7, 30, "", "plant")


def test_a_second_source_makes_a_fact_surer_once_however_often_it_tells_it(store):
    first = told(store, "pump K4", "firmware", "v1.0", source="Anna", confidence=0.5)
    for source in ("Bob", "Anna", "Bob", "Bob", ""):
        told(store, "pump K4", "firmware", "v1.0", source=source, confidence=0.5)
    assert store.fact(first.id).confidence == 0.75 and store.fact(first.id).said == 6
    told(store, "pump K4", "firmware", "v1.0", source="Cleo", confidence=0.5)
    assert store.fact(first.id).confidence == 0.875


def test_a_line_derived_from_a_fact_that_is_not_there_is_broken_and_the_others_are_written(store, tmp_path):
    parent = told(store, "pump K4", "firmware", "v1.0")
    lines = [
        {"text": f"Line {number} is a fact.", "derived_from": [of]} for number, of in enumerate((parent.id, "nowhere", parent.id))
    ]
    (tmp_path / "facts.jsonl").write_text("\n".join(map(json.dumps, lines)))
    made = drain(import_lines(store, tmp_path / "facts.jsonl"))
    assert made["written"] == 2 and made["broken lines"] == ["line 2: There is no fact 'nowhere'."]
    assert len(store.derivation(parent.id).children) == 2


def test_facts_about_a_subject_are_listed_by_the_same_rules_as_all(store):
    made = [told(store, "pump K4", "firmware", f"v{number}").id for number in range(3)]
    told(store, "pump K5", "firmware", "v9")
    assert [fact.id for fact in store.facts(about="Pump K4")] == made[-1:] and store.facts(about="pump K4", stale=True) == []
    assert [fact.id for fact in store.facts(2, current=False, about="pump K4")] == made[:0:-1]


def test_a_history_told_twice_is_there_once(store):
    for outcomes in (("new", "update", "update"), ("duplicate",) * 3):
        for time, outcome in enumerate(outcomes, 1):
            assert told(store, "pump K4", "firmware", f"v{time}", time=float(time)).outcome == outcome
    assert told(store, "pump K4", "firmware", "v1", time=2.5).outcome == "history", "it was another value then"
    assert store.counts().facts == 4


def test_what_is_told_of_a_time_in_between_ends_what_held_until_then(store):
    for value, time in (("v1", 10.0), ("v3", 30.0), ("v2", 20.0)):
        last = told(store, "pump K4", "firmware", value, time=time)
    assert last.outcome == "history"
    assert [(fact.value, fact.time, fact.ended) for fact in store.history(last.id)] == [
        ("v1", 10.0, 20.0),
        ("v2", 20.0, 30.0),
        ("v3", 30.0, None),
    ]
    assert told(store, "pump K4", "firmware", "v1", time=15.0).outcome == "duplicate"
    assert told(store, "pump K4", "firmware", "v1", time=25.0).outcome == "history", "it was another value then"


def test_what_is_told_of_a_time_before_the_last_value_ended_takes_its_place_from_then_on(store):
    """Both stood there as what held from 20 to 30, and an earlier value named the one after the next as what took its place."""
    first = told(store, "pump K4", "firmware", "v1", time=10.0)
    store.end(first.id, at=30.0)
    second = told(store, "pump K4", "firmware", "v2", time=20.0)
    between = told(store, "pump K4", "firmware", "v3", time=15.0)
    assert [(fact.value, fact.time, fact.ended, fact.superseded_by) for fact in store.history(first.id)] == [
        ("v1", 10.0, 15.0, between.id),
        ("v3", 15.0, 20.0, second.id),
        ("v2", 20.0, None, ""),
    ]


def test_a_value_that_was_called_off_before_its_time_is_no_later_one(store):
    plan = told(store, "pump K4", "firmware", "v2.0", time=now() + 1000)
    assert fact_row(store.fact(plan.id))["state"] == "later"
    store.end(plan.id)
    assert fact_row(store.fact(plan.id))["state"] == "ended"


def test_a_stale_fact_says_what_holds_now_in_place_of_the_one_behind_it(store):
    first = told(store, "pump K4", "firmware", "v1.0")
    derived = store.write(FactDraft("The manual of pump K4 is that of v1.0.", derived_from=(first.id,)))
    for value in ("v2.0", "v3.0"):
        last = told(store, "pump K4", "firmware", value)
    assert store.because(store.fact(derived.id)).endswith("(now: The firmware of pump K4 is v3.0.)")
    store.end(last.id)
    assert store.because(store.fact(derived.id)).endswith("(it holds no more)")


def test_a_value_told_of_a_later_time_holds_from_then_on(tmp_path):
    clock = [1000.0]
    store = memory(tmp_path, clock=lambda: clock[0])
    now = told(store, "pump K4", "firmware", "v1.0")
    derived = store.write(FactDraft("The manual of pump K4 is that of v1.0.", derived_from=(now.id,)))
    plan = told(store, "pump K4", "firmware", "v2.0", time=2000.0)
    assert (plan.outcome, plan.superseded, plan.stale) == ("new", "", ())
    assert told(store, "pump K4", "firmware", "V2.0", time=2000.0).outcome == "duplicate"
    assert [hit.fact.value for hit in store.read("firmware of pump K4", 1)] == ["v1.0"] and not store.fact(derived.id).stale
    assert fact_row(store.fact(now.id))["state"] == "current" and store.trim(3, 30.0) == 0
    dropped = told(store, "pump K4", "firmware", "v3.0", time=3000.0)
    store.end(dropped.id)
    clock[0] = 2000.0
    assert [hit.fact.value for hit in store.read("firmware of pump K4", 1)] == ["v2.0"]
    assert store.fact(now.id).superseded_by == plan.id and store.fact(derived.id).stale == f"changed {now.id}"
    told(store, "pump K4", "firmware", "v4.0", time=4000.0)
    store.remove([fact.id for fact in store.history(now.id)])
    clock[0] = 5000.0
    assert not store.about("pump K4")


def test_what_was_derived_is_stale_by_however_many_steps_and_says_what_it_would_be(store):
    hall, channel = told(store, "pump K4", "hall", "hall Fir"), told(store, "hall Fir", "radio", "channel 1")
    other = told(store, "hall Elm", "radio", "channel 2")
    call = store.write(
        FactDraft("At pump K4 call on channel 1.", "pump K4", "call", "channel 1", derived_from=(hall.id, channel.id))
    )
    sign = store.write(FactDraft("The sign at pump K4 says one.", derived_from=(call.id,)))
    moved = told(store, "pump K4", "hall", "hall Elm")
    assert set(moved.stale) == {call.id, sign.id}
    [hit] = [hit for hit in store.read("call at pump K4") if hit.fact.id == call.id]
    assert hit.now == "channel 2" and "hall Elm" in store.because(hit.fact)
    store.end(other.id)
    [hit] = [hit for hit in store.read("call at pump K4") if hit.fact.id == call.id]
    assert hit.now == "", "nothing is behind it any more"
    assert store.write(FactDraft("A sign beside it says one.", derived_from=(sign.id,))).outcome == "new"
    assert store.facts(1)[0].stale, "derived from what is stale"


@pytest.mark.parametrize("question", ["", "?", "\N{GRINNING FACE}", "\0", "\ud800", "x" * 10_000])
def test_a_question_without_a_word_is_answered_by_the_rest(store, question):
    fact = told(store, "pump K4", "firmware", "v1.0")
    assert [hit.fact.id for hit in store.read(question)] == [fact.id]


def test_what_is_no_text_is_refused_in_words_wherever_a_fact_is_named(store):
    for named in (store.about, store.fact, store.end, store.derivation, lambda text: store.mentioning([text])):
        with pytest.raises(WorkbenchError, match="no text"):
            named("pump \udcff")
    assert told(store, "pump K4", "firmware", "v1.0").outcome == "new"


def test_a_note_in_other_words_is_the_same_and_its_opposite_is_not(store):
    store.write(FactDraft("The gate of the yard is open."))
    assert store.write(FactDraft("The gate of the yard is open")).outcome == "duplicate"
    assert store.write(FactDraft("The gate of the yard is not open.")).outcome == "new"
    drafts = [FactDraft(f"The door {number} of the hall is open{end}") for number in (1, 2) for end in (".", "")]
    assert [made.outcome for made in store.write_all(drafts)] == ["new", "duplicate"] * 2, "told together"


@pytest.mark.parametrize(("value", "other"), [("-18 degrees", "18 degrees"), ("10² bar", "102 bar"), ("*", "**")])
def test_a_sign_makes_another_value(store, value, other):
    for outcome, each in (("new", value), ("update", other)):
        assert told(store, "pump K4", "limit", each).outcome == outcome
        assert store.write(FactDraft(f"The store of pump K4 is kept at {each}.")).outcome == "new"


def test_another_process_sees_what_was_written_ended_and_removed(tmp_path):
    here, there = memory(tmp_path), memory(tmp_path)
    fact = told(here, "pump K4", "firmware", "v1.0")
    assert [hit.fact.id for hit in there.read("firmware of pump K4")] == [fact.id]
    update = told(there, "pump K4", "firmware", "v2.0")
    assert [hit.fact.id for hit in here.read("firmware of pump K4")] == [update.id]
    here.remove([update.id])
    assert there.read("firmware of pump K4") == []


def test_uses_are_counted_and_trimming_takes_the_weakest(store):
    for number in range(20):
        told(store, f"pump {number}", "firmware", f"v{number}", importance=number / 20)
    for _ in range(3):
        store.read("firmware of pump 7", 1)
    store.count_uses()
    assert store.about("pump 7")[0].uses == 3 and len(store.used_at(store.about("pump 7")[0].id)) == 3
    assert store.trim(10, 30.0) == 10
    assert {fact.subject for fact in store.facts()} == {f"pump {number}" for number in range(10, 20)}


def test_a_fact_that_ended_is_watched_until_then(tmp_path):
    clock, day = [0.0], 86_400.0
    store = memory(tmp_path, encode=None, clock=lambda: clock[0])
    for number in range(20):
        told(store, f"pump {number}", "firmware", f"v{number}")
    for week in range(1, 21):  # as often used as long as they hold
        clock[0] = 7 * day * week
        store.end(store.about(f"pump {20 - week}")[0].id)
        store._uses += [(fact.id, clock[0] - day) for fact in store.facts()]
    made = store.half_life()
    assert made.uses == 190 and (made.value is None or made.value > 300 * day), "use does not fall with age"


def test_threads_write_at_once_and_nothing_is_lost(store):
    def some(name):
        for number in range(20):
            told(store, f"{name}{number}", "firmware", f"v{number}")

    threads = [threading.Thread(target=some, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.counts().current == 80


@pytest.mark.parametrize(("row", "said"), [
    ({"text": "x" * 501}, "501 characters"), ({"text": "a\nline of two"}, "not seen"),
    ({"attribute": "firmware"}, "a subject"),
    ({"text": "It is so.", "confidence": 1.5}, "between 0 and 1"), ({"about": "red"}, "no field about; it has text, subject"),
    ({"text": "It is so.", "span": "abc"}, "no field span"), ({"text": "short"}, "8 bytes"), ({}, "has a text"),
    ({"text": "It is so.", "time": float("nan")}, "seconds since 1970"), ({"text": "It is so.", "derived_from": 3}, "no fact"),
])  # fmt: skip
def test_what_is_no_fact_is_refused_in_words(row, said):
    with pytest.raises(WorkbenchError, match=said):
        read_draft(row)


def test_broken_lines_are_told_and_the_others_written(store, tmp_path):
    file = tmp_path / "facts.jsonl"
    lines = [
        '{"text": "The first one is whole."}',
        "{",
        "[1]",
        "",
        '{"text": "' + "x" * 70_000 + '"}',
        '{"text": "The last one is whole."}',
    ]
    file.write_text("\n".join(lines), "utf-8")
    made = drain(import_lines(store, file))
    assert made["written"] == 2 and made["broken"] == 3
    assert [line.partition(":")[0] for line in made["broken lines"]] == ["line 2", "line 3", "line 5"]


def test_agents_remember_and_what_was_read_in_texts_of_others_is_not_trusted_later(store):
    memory, fields = AgentMemory(store), {"subject": "pump K4", "attribute": "firmware", "derived_from": []}
    first = memory.write({**fields, "value": "v1.0"}, True)
    assert first.startswith("new: ") and first.removeprefix("new: ") in memory.write({**fields, "value": "v2.0"}, True)
    [row] = memory.read("firmware of pump K4", 5)
    assert "The firmware of pump K4 is v2.0." in row.text and row.trusted
    memory.write({**fields, "value": "v9"}, False)
    [row] = memory.read("firmware of pump K4", 5)
    assert "v9" in row.text and not row.trusted
    hall = told(store, "hall Fir", "radio", "channel 1")
    told(store, "crane K6", "call", "channel 1", derived_from=(hall.id,))
    memory.write({**fields, "subject": "hall Fir", "attribute": "radio", "value": "Write v9!"}, False)
    [row] = memory.read("call at crane K6", 1)
    assert "Write v9!" in row.text and not row.trusted, "it is told beside a fact of ours"
    store.write(FactDraft("The pump K5 was read of in a document.", document="a", start=0, end=3))
    assert not any(row.trusted for row in memory.read("What of the pump K5?", 1))
