"""Serve, Watch: what a service did and was worth, each tab with data and without."""

import re

import pytest

from core.annotation.versions import load, studies
from core.progress import drain
from core.serving.arm_comparison import judge_arms
from core.serving.feedback import FeedbackBook
from core.serving.publishing import publish
from core.serving.quality import judge_served
from tests.pages.test_serve_recipe import opened, words
from tests.support import served
from tests.support.failing import recipe
from tests.support.served_spans import PASSAGE, answer, queue, record, request

template = served.template
TRACE = f"{5:032x}"
EMPTY = {
    "Requests": "No requests",
    "Objectives": "No requests",
    "Quality": "No answers",
    "Feedback": "No feedback",
    "Drift": "20 on either side are needed",
    "Two recipes": "No second recipe",
    "Canaries": "No canary was asked yet",
}


@pytest.fixture
def towns(bench, reader):
    return drain(publish(bench, recipe(), "towns", why="a test", measure="containment", replays=10))


@pytest.mark.parametrize(("tab", "said"), EMPTY.items())
def test_before_it_is_asked_each_tab_says_what_is_missing(towns, tab, said):
    assert said in words(opened("Watch", inner=tab))


def test_what_is_served_without_being_published_has_no_canaries(bench):
    record(bench, request(5))
    assert "It is not published" in words(opened("Watch", inner="Canaries"))


def test_requests_are_told_with_their_latency_and_littles_law(bench):
    record(bench, *queue(2000, rate=4.0), request(3, status=503, way=""))
    app = opened("Watch", inner="Requests")
    paths, stages, ends = (table.value for table in app.dataframe)
    assert list(paths["Requests"]) == [2001] and list(ends["How they ended"]) == ["local", "no way, or too late"]
    assert "holds" in words(app) and not len(stages)
    low, high = (float(end.replace(",", "")) for end in paths["p50, 95%"][0].split(" to "))
    assert low < paths["p50 (ms)"][0] < high


def test_where_the_time_of_an_answer_goes_is_drawn_by_stage(bench):
    assert not opened("Watch", inner="Requests").get("plotly_chart")
    record(bench, *(request(60 + n, ms=4000.0 + n, score=0.5) for n in range(50)))
    app = opened("Watch", inner="Requests")
    paths, stages, _ = (table.value for table in app.dataframe)
    assert list(stages["Stage"]) == ["search"] and len(app.get("plotly_chart")) == 1 and "Latency by stage" in words(app)
    assert re.fullmatch(r"4,0\d\d to 4,0\d\d", paths["p50, 95%"][0])  # whole milliseconds, where tenths say nothing


def test_a_budget_that_burns_is_told(bench):
    record(bench, *(request(60 + n, status=503) for n in range(5)), *(request(3600 * 40 + n) for n in range(50)))
    app = opened("Watch", inner="Objectives")
    assert "The budget burns: answered (page)" in app.error[0].value and len(app.dataframe[0].value) == 6


def test_quality_is_told_as_uncorrected_and_a_press_gives_a_sample_to_people(bench, monkeypatch):
    record(bench, *(answer(9 + n, f"Question {n}?", PASSAGE) for n in range(30)))
    started = []
    monkeypatch.setattr(type(bench.jobs), "start", lambda self, arguments, label, *_: started.append(arguments) or "job")
    app = opened("Watch", inner="Quality")
    assert "30 wait" in words(app)
    next(button for button in app.button if button.label == "Judge answers").click().run()
    assert started == [["serving", "quality", "towns", "--judge", "100"]]
    drain(judge_served(bench, "towns"))
    app = opened("Watch", inner="Quality")
    assert "uncorrected" in words(app) and "0 wait" in words(app) and len(app.dataframe[0].value) == 1
    app.number_input(key="sample_share").set_value(100.0).run()
    app.button(key="sample").click().run()
    assert not app.exception
    [frozen] = studies(bench)
    assert len(load(bench, frozen.study.id).study.items) == 30


def test_feedback_is_listed_and_a_press_makes_a_study_of_it(bench):
    record(bench, answer(9, "When?", PASSAGE, trace=TRACE))
    FeedbackBook(bench).add({"trace": TRACE, "thumb": "down", "correction": "At six.", "comment": "", "client": ""})
    app = opened("Watch", inner="Feedback")
    table = app.dataframe[0].value
    assert (list(table["Thumb"]), list(table["Correction"]), list(table["Answer"])) == (["down"], ["At six."], [PASSAGE])
    app.button(key="feedback_study").click().run()
    assert not app.exception and [frozen.study.title for frozen in studies(bench)] == ["Feedback"]


def test_drift_is_told_with_the_questions_farthest_from_those_at_publication(bench, towns):
    record(bench, *(answer(9 + n, f"Which dress is number {n}?", "x", score=1.0, recipe=towns.recipe) for n in range(5)))
    app = opened("Watch", inner="Drift")
    tests, farthest = (table.value for table in app.dataframe)
    assert len(tests) == 4 and len(farthest) == 5 and "20 on either side are needed" in words(app)


def test_two_recipes_are_compared_and_a_press_judges_their_answers(bench, monkeypatch):
    for n in range(30):
        trace = f"{n + 1:032x}"
        record(
            bench,
            answer(900 - n, f"{n}?", PASSAGE, trace=trace),
            answer(899 - n, f"{n}?", "Penguins juggle ripe lemons on Tuesdays.", path="/shadow", shadow_of=trace),
        )
    started = []
    monkeypatch.setattr(type(bench.jobs), "start", lambda self, arguments, label, *_: started.append(arguments) or "job")
    app = opened("Watch", inner="Two recipes")
    assert "after 0 pairs nothing is decided" in words(app)
    next(button for button in app.button if button.label == "Judge answers").click().run()
    assert started == [["serving", "compare-arms", "towns", "--by", "faithfulness", "--judge", "100"]]
    drain(judge_arms(bench, "towns", "faithfulness"))
    app = opened("Watch", inner="Two recipes")
    assert "the second is worse" in app.info[0].value and list(app.dataframe[0].value["Answers"]) == [30, 30]
