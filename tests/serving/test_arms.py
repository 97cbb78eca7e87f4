"""Two recipes side by side: who answers what, what nobody hears, and when their comparison stops."""

import threading
import time

import numpy as np
import pytest

from core.config import with_settings
from core.errors import WorkbenchError
from core.progress import drain
from core.serving.arm_comparison import THUMBS, _compared, arms_table, compare_arms, judge_arms
from core.serving.arms import FIRST, SECOND, SecondRecipe, arm_of
from core.serving.dashboard import dashboard
from core.serving.feedback import FeedbackBook
from core.serving.served import served_answers
from core.serving.service import Service
from core.serving.stored_spans import recorder
from core.statistics.stopping import ALIKE, BETTER, ON, WORSE
from tests.serving.test_service import sent_events
from tests.serving.test_watching import FREE
from tests.support.failing import TEXTS, recipe
from tests.support.served_spans import PASSAGE, answer, record

TOWNS = [
    f"When does the market of {first} and {second} open?"
    for first in ("Lund", "Gent")
    for second in ("Kiel", "Riga", "Oslo", "Metz")
]
LUND = "When does the market of Lund open?"
WRONG = "Penguins juggle ripe lemons on Tuesdays."


def second(bench):
    return Service(bench, with_settings(recipe(), {"context.passages": 1}), "other")


def test_a_question_of_a_client_always_goes_the_same_way_and_a_share_of_all_to_the_second():
    ways = [arm_of(f"client {n % 7}", f"Question {n}?", 0.3) for n in range(5000)]
    assert np.mean([way == SECOND for way in ways]) == pytest.approx(0.3, abs=0.02)
    assert arm_of("me", "a  b", 0.5) == arm_of("me", " a b ", 0.5)
    assert {arm_of("me", str(n), share) for n in range(50) for share in (0.0,)} == {FIRST}
    assert {arm_of("me", str(n), 1.0) for n in range(50)} == {SECOND}


def test_each_question_is_answered_by_its_arm_which_reply_header_and_trace_tell(bench, reader, serve):
    own, other = recorder(bench.home), second(bench)
    client = serve(Service(bench, recipe(), "towns"), FREE, recorder=own, against=SecondRecipe(other, 0.5))
    replies = [client.post("/answer", json={"question": text}) for text in TOWNS]
    for reply, text in zip(replies, TOWNS, strict=True):
        made = reply.json()
        assert made["arm"] == reply.headers["x-groundwork-arm"] == arm_of("127.0.0.1", text, 0.5)
        assert made["recipe"] == (other.recipe if made["arm"] == SECOND else client.get("/ready").json()["recipe"])
        assert len(made["passages"]) == (1 if made["arm"] == SECOND else 2)
    stream = client.post("/answer", json={"question": TOWNS[0], "stream": True, "fresh": True})
    streamed = sent_events(stream)[-1][1]
    assert stream.headers["x-groundwork-arm"] == streamed["arm"]
    assert streamed["arm"] == replies[0].json()["arm"]
    chat = client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": TOWNS[0]}]})
    assert chat.headers["x-groundwork-arm"] == streamed["arm"]
    own.close()
    answers = served_answers(bench, name="towns")
    assert len(answers) == len(TOWNS) + 2 and {each.arm for each in answers} == {FIRST, SECOND}
    assert {(each.arm, each.recipe == other.recipe) for each in answers} == {(FIRST, False), (SECOND, True)}


def test_the_shadow_is_asked_behind_the_reply_and_only_its_trace_tells(bench, reader, serve):
    own, other, began, go = recorder(bench.home), second(bench), threading.Event(), threading.Event()
    replies = other.replies

    def slow(asked):
        began.set()
        go.wait(60)
        return (yield from replies(asked))

    other.replies = slow
    client = serve(Service(bench, recipe(), "towns"), FREE, recorder=own, against=SecondRecipe(other, shadow=True))
    made = client.post("/answer", json={"question": LUND})
    assert made.json()["answer"] == TEXTS["Lund.txt"] and "arm" not in made.json() and "x-groundwork-arm" not in made.headers
    assert began.wait(60) and client.post("/search", json={"question": LUND}).status_code == 200  # others go on
    go.set()
    while not any(each.shadow_of for each in served_answers(bench, paths=("/shadow",))):
        assert client.get("/ready").json()["shadow"] == {"asked": 1, "left_out": 0}
        time.sleep(0.2)
    [shadow] = served_answers(bench, paths=("/shadow",))
    assert (shadow.shadow_of, shadow.recipe, shadow.text) == (made.json()["trace"], other.recipe, TEXTS["Lund.txt"])
    own.close()
    assert len(served_answers(bench)) == 1 and dashboard(bench).requests == 2  # nobody was served by it


def test_a_shadow_that_fails_harms_nobody(bench, reader, serve):
    own, other = recorder(bench.home), second(bench)

    def broken(asked):
        yield
        raise WorkbenchError("It broke.")

    other.replies = broken
    client = serve(Service(bench, recipe(), "towns"), FREE, recorder=own, against=SecondRecipe(other, shadow=True))
    assert all(client.post("/answer", json={"question": text}).status_code == 200 for text in TOWNS[:3])
    while client.get("/ready").json()["shadow"]["asked"] < 3:
        time.sleep(0.02)
    own.close()
    assert served_answers(bench, paths=("/shadow",)) == [] and len(served_answers(bench)) == 3


def test_a_service_is_ready_when_both_recipes_are(bench, reader, serve):
    other = second(bench)
    client = serve(Service(bench, recipe(), "towns"), FREE, against=SecondRecipe(other))
    other.missing = "Its model is gone."
    assert client.post("/answer", json={"question": LUND}).json()["error"] == "Not ready: Its model is gone."


def thumbs(workbench, first, second, question=""):
    """So many up and down, each to a question of its own unless one is given."""
    values = [(FIRST, up) for up in first] + [(SECOND, up) for up in second]
    traces = [f"{n:032x}" for n in range(1, len(values) + 1)]
    of_arms = zip(traces, values, strict=True)
    record(
        workbench,
        *(answer(1000, question or f"{trace}?", PASSAGE, trace=trace, span=trace[-16:], arm=arm) for trace, (arm, _) in of_arms),
    )
    book = FeedbackBook(workbench)
    for trace, (_, up) in zip(traces, values, strict=True):
        book.served(trace, trace[-16:])
        book.add(
            {"trace": trace, "span": trace[-16:], "thumb": "up" if up else "down", "correction": "", "comment": "", "client": ""}
        )


def test_thumbs_go_on_until_they_differ_and_say_how_many_more_it_takes(workbench):
    assert "cannot be estimated yet" in compare_arms(workbench, "towns").sentence
    thumbs(workbench, [0, 1, 0, 0] * 3, [1, 1, 1, 0] * 3)
    told = compare_arms(workbench, "towns")
    assert [row["mean"] for row in told.rows] == [0.25, 0.75] and not told.paired and told.stopping.pairs == 12
    assert told.stopping.verdict == ON and told.sentence.startswith(
        f"Go on: after 12 pairs nothing is decided; about {told.more} more"
    )
    assert len(arms_table(told).rows) == 2


def test_thumbs_that_differ_stop_it(workbench):
    thumbs(workbench, [0] * 15, [1] * 15)
    assert compare_arms(workbench, "towns").sentence.startswith("Stop: the second is better, by +1.000 (")


def shadowed(workbench, n, first, second):
    for place in range(n):
        trace, text = f"{place + 1:032x}", f"Question {place}?"
        record(workbench, answer(5000 - place, text, first, trace=trace))
        record(workbench, answer(4999.5 - place, text, second, path="/shadow", arm=SECOND, shadow_of=trace))


def test_by_a_measure_the_shadow_is_paired_by_question_and_judged_in_order(workbench):
    shadowed(workbench, 60, PASSAGE, WRONG)
    before = compare_arms(workbench, "towns", "containment")
    assert before.stopping.pairs == 0 and before.waiting == 120
    assert drain(judge_arms(workbench, "towns", "containment", most=21)) == 21
    assert compare_arms(workbench, "towns", "containment").stopping.pairs == 10  # the 11th has one score of two
    drain(judge_arms(workbench, "towns", "containment", most=1000))
    told = compare_arms(workbench, "towns", "containment")
    assert told.paired and (told.stopping.pairs, told.waiting, told.stopping.verdict) == (60, 0, WORSE)
    assert told.sentence.startswith("Stop: the second is worse, by \N{MINUS SIGN}1.000")


def test_questions_of_one_trace_are_paired_each_with_its_own_shadow(workbench):
    """A client that gives its own trace may ask several times in it."""
    trace = "a" * 32
    for place, (first, shadow) in enumerate([(PASSAGE, WRONG), (WRONG, PASSAGE), (PASSAGE, PASSAGE)]):
        record(workbench, answer(500 - place, f"Question {place}?", first, trace=trace))
        record(workbench, answer(400 - place, f"Question {place}?", shadow, path="/shadow", arm=SECOND, shadow_of=trace))
    record(workbench, answer(300, "Left out?", PASSAGE, trace=trace))
    drain(judge_arms(workbench, "towns", "containment", most=1000))
    told = compare_arms(workbench, "towns", "containment")
    assert told.stopping.pairs == 3 and [row["mean"] for row in told.rows] == pytest.approx([2 / 3, 2 / 3])


def test_the_same_answers_are_alike(workbench):
    shadowed(workbench, 150, PASSAGE, PASSAGE)
    drain(judge_arms(workbench, "towns", "containment", most=1000))
    told = compare_arms(workbench, "towns", "containment", margin=0.1)
    assert told.stopping.verdict == ALIKE and told.sentence == "Stop: they are alike within 0.1, after 150 pairs."


def test_a_b_by_a_measure_takes_two_samples(workbench):
    for place in range(80):
        record(workbench, answer(900 - place, f"{place}?", PASSAGE if place % 2 else WRONG, arm=SECOND if place % 2 else FIRST))
    drain(judge_arms(workbench, "towns", "containment", most=1000))
    told = compare_arms(workbench, "towns", "containment")
    assert not told.paired and (told.stopping.pairs, told.stopping.verdict) == (40, BETTER)


def test_a_measure_that_a_served_answer_does_not_feed_is_refused(workbench):
    with pytest.raises(WorkbenchError, match="passages alone"):
        compare_arms(workbench, "towns", "em")


def test_a_question_that_is_asked_again_and_again_counts_once(workbench):
    """It goes to the same recipe each time: 30 of each would say that the second is worse, by a single question each."""
    for place in range(30):
        record(
            workbench, answer(900 - place, "Popular?", PASSAGE, arm=FIRST), answer(899.5 - place, " Another?", WRONG, arm=SECOND)
        )
    drain(judge_arms(workbench, "towns", "containment", most=1000))
    told = compare_arms(workbench, "towns", "containment")
    assert [row["answers"] for row in told.rows] == [1, 1] and told.stopping.verdict == ON and told.waiting == 0


def test_of_a_question_that_the_shadow_answered_again_and_again_one_pair_counts(workbench):
    for place in range(20):
        trace = f"{place + 1:032x}"
        record(workbench, answer(900 - place, "Popular?", PASSAGE, trace=trace))
        record(workbench, answer(899.5 - place, "Popular?", WRONG, path="/shadow", arm=SECOND, shadow_of=trace))
    drain(judge_arms(workbench, "towns", "containment", most=1000))
    told = compare_arms(workbench, "towns", "containment")
    assert told.paired and told.stopping.pairs == 1 and told.waiting == 0


def test_thumbs_of_one_client_for_one_question_are_one(workbench):
    thumbs(workbench, [1, 0], [0, 1], "Popular?")
    assert [(row["answers"], row["mean"]) for row in compare_arms(workbench, "towns").rows] == [(1, 1.0), (1, 0.0)]


def test_a_difference_that_drifts_is_told_as_such():
    first = np.repeat([1.0, 0.0], 200)
    told = _compared(THUMBS, False, first, 1 - first, 0.05, 0)
    assert told.stopping.verdict == ON and told.sentence.startswith(
        "After 400 pairs the difference is undefined: the values drift"
    )


def test_a_second_recipe_is_not_compared_by_what_an_earlier_one_answered(workbench):
    """`serve --published towns --against b1`, and a week later `--against b2`: both are arm B of towns."""
    for place in range(30):
        about = {"recipe": "b1" if place < 20 else "b2", "arm": SECOND}
        record(workbench, answer(900 - place, f"{place}?", WRONG if place < 20 else PASSAGE, **about))
        record(workbench, answer(899.5 - place, f"First {place}?", PASSAGE, arm=FIRST))
    drain(judge_arms(workbench, "towns", "containment", most=1000))
    told = compare_arms(workbench, "towns", "containment")
    assert [(row["answers"], row["mean"]) for row in told.rows] == [(11, 1.0), (10, 1.0)] and told.waiting == 0


def test_thumbs_for_an_earlier_second_recipe_say_nothing_of_the_last(workbench):
    thumbs(workbench, [1] * 15, [0] * 15)
    assert compare_arms(workbench, "towns").stopping.verdict == WORSE
    record(workbench, answer(500, "When now?", PASSAGE, recipe="b2", arm=SECOND))
    told = compare_arms(workbench, "towns")
    assert told.stopping.pairs == 0 and told.stopping.verdict == ON


def test_of_a_shadow_and_of_a_b_the_last_is_compared(workbench):
    shadowed(workbench, 20, PASSAGE, WRONG)
    for place in range(10):
        record(
            workbench,
            answer(900 - place, f"{place}?", PASSAGE, recipe="b2" if place % 2 else "r", arm=SECOND if place % 2 else FIRST),
        )
    drain(judge_arms(workbench, "towns", "containment", most=1000))
    told = compare_arms(workbench, "towns", "containment")
    assert not told.paired and [(row["answers"], row["mean"]) for row in told.rows] == [(5, 1.0), (5, 1.0)]
    record(workbench, answer(300, "Last?", PASSAGE, trace="e" * 32))
    record(workbench, answer(299, "Last?", PASSAGE, path="/shadow", recipe="b2", arm=SECOND, shadow_of="e" * 32))
    drain(judge_arms(workbench, "towns", "containment", most=1000))
    told = compare_arms(workbench, "towns", "containment")
    assert told.paired and [(row["answers"], row["mean"]) for row in told.rows] == [(1, 1.0), (1, 1.0)]
