"""The budget of unfaithful answers: judged by a measure that errs, and corrected by what people say of a sample."""

import numpy as np
import pytest

from core.annotation import rounds
from core.annotation.versions import load
from core.errors import WorkbenchError
from core.progress import drain
from core.serving.judged_by_people import ServedSample, newest_sample, sample_for_people
from core.serving.quality import ALONE, ALWAYS, CORRECTED, PEOPLE, judge_served, quality, quality_table
from core.serving.served import served_answers
from tests.support.annotated import judge
from tests.support.served_spans import PASSAGE, answer, record, request

WRONG, OTHER_WORDS = "Penguins juggle ripe lemons on Tuesdays.", "It can be visited from 5 o'clock onwards daily."
ANSWERS, BAD, MISJUDGED = 500, 0.08, 0.1  # of them unfaithful; of the faithful ones in words that the measure does not know
WHOLE = {"document": "Lund.txt", "title": None, "start": 0, "end": 4, "text": "Five"}
HOW = {"measure": "containment", "least": 0.5}


def ids(number, seed=0):
    return [bytes(row).hex() for row in np.random.default_rng(seed).integers(0, 256, (number, 8), np.uint8)]


@pytest.fixture
def served(workbench):
    """Answers of which it is known who is right: question -> whether its answer is unfaithful."""
    kinds = np.random.default_rng(1).random(ANSWERS)
    texts = [WRONG if kind < BAD else OTHER_WORDS if kind < BAD + MISJUDGED else PASSAGE for kind in kinds]
    times = np.linspace(9000, 10, ANSWERS)
    made = zip(ids(ANSWERS), times, texts, strict=True)
    record(workbench, *(answer(ago, f"Question {n}?", text, span=span) for n, (span, ago, text) in enumerate(made)))
    return {f"Question {n}?": text == WRONG for n, text in enumerate(texts)}


def labelled(workbench, study, truth, most=None):
    frozen = rounds.freeze(workbench, load(workbench, study).study, "main")
    for item in frozen.study.items[:most]:
        for who in frozen.study.annotators:
            judge(workbench, frozen, who, item.id, "contradicted" if truth[item.question] else "supported")


def test_without_people_it_is_told_as_uncorrected_and_what_is_judged_once_is_not_judged_again(workbench, served):
    before = quality(workbench, "towns", **HOW)
    assert (before.answers, before.judged, before.waiting) == (ANSWERS, 0, ANSWERS) and "None of its 500" in before.sentence
    assert drain(judge_served(workbench, "towns", most=200, measure="containment")) == 200
    assert quality(workbench, "towns", **HOW).waiting == ANSWERS - 200
    assert drain(judge_served(workbench, "towns", most=1000, measure="containment")) == ANSWERS - 200
    assert drain(judge_served(workbench, "towns", most=1000, measure="containment")) == 0
    told = quality(workbench, "towns", **HOW)
    [alone] = told.rows
    assert alone["how"] == ALONE and alone["share"] == pytest.approx(
        BAD + MISJUDGED, abs=0.05
    )  # it is wrong by what it misjudges
    assert (
        alone["used"] == pytest.approx(alone["share"] / 0.05) and "No sample" in told.sentence and "uncorrected" in told.sentence
    )


def test_labels_of_a_sample_correct_the_measure(workbench, served):
    drain(judge_served(workbench, "towns", most=1000, measure="containment"))
    study = sample_for_people(workbench, "towns", 0.3, 720.0).study.id
    assert "Nobody has judged" in quality(workbench, "towns", **HOW).note
    labelled(workbench, study, served)
    told = quality(workbench, "towns", **HOW)
    rows, truth = {row["how"]: row for row in told.rows}, float(np.mean(list(served.values())))
    assert list(rows) == [ALONE, PEOPLE, CORRECTED, ALWAYS] and told.note == ""
    assert rows[ALONE]["low"] > truth  # alone it is sure, and wrong
    for how in (PEOPLE, CORRECTED, ALWAYS):
        assert rows[how]["low"] <= truth <= rows[how]["high"], how
    assert rows[CORRECTED]["high"] - rows[CORRECTED]["low"] < rows[ALWAYS]["high"] - rows[ALWAYS]["low"]
    assert told.labelled == told.drawn == rows[PEOPLE]["labels"] and 100 < told.drawn < 200
    assert told.sentence.startswith(f"{rows[CORRECTED]['used']:.0%}") and len(quality_table(told).rows) == 4


def test_for_all_looks_only_answers_up_to_the_first_open_label_count(workbench, served):
    drain(judge_served(workbench, "towns", most=1000, measure="containment"))
    study = sample_for_people(workbench, "towns", 0.3, 720.0).study.id
    labelled(workbench, study, served, most=100)
    rows = {row["how"]: row for row in quality(workbench, "towns", **HOW).rows}
    assert rows[PEOPLE]["labels"] == 100 and rows[ALWAYS]["labels"] < 100 and rows[ALWAYS]["answers"] < ANSWERS
    assert "no verdict of people" in rows[ALWAYS]["note"]


def test_what_people_judged_counts_also_where_the_measure_has_not(workbench, served):
    study = sample_for_people(workbench, "towns", 0.3, 720.0).study.id
    labelled(workbench, study, served)
    told = quality(workbench, "towns", **HOW)
    people = {row["how"]: row for row in told.rows}[PEOPLE]
    assert people["labels"] == told.drawn == told.labelled and people["share"] == pytest.approx(BAD, abs=0.05)
    assert PEOPLE in told.sentence and "judged none of the answers that people have" in told.note
    drain(judge_served(workbench, "towns", most=10, measure="containment"))
    rows = {row["how"]: row for row in quality(workbench, "towns", **HOW).rows}
    assert rows[PEOPLE] == people and rows[ALONE]["answers"] == 10


def test_answers_of_the_same_words_are_one_item_whose_label_counts_for_each(workbench):
    record(workbench, *(answer(100 + n, "When?", PASSAGE, span=span) for n, span in enumerate(ids(40))))
    study = sample_for_people(workbench, "towns", 0.5, 1.0)
    assert len(study.study.items) == 1 and newest_sample(workbench, "towns").drawn > 5
    labelled(workbench, study.study.id, {"When?": False})
    drain(judge_served(workbench, "towns", measure="containment"))
    rows = quality(workbench, "towns", **HOW).rows
    assert rows[1]["labels"] == newest_sample(workbench, "towns").drawn and rows[1]["share"] == 0.0


@pytest.mark.parametrize(
    "odd",
    [
        {"question": None, "finish_reason": None, "way": None},
        {"passages": [{**WHOLE, "start": None}]},
        {"passages": [{**WHOLE, "end": "4"}]},
        {"passages": [{**WHOLE, "text": 4}]},
    ],
)
def test_spans_of_another_program_s_file_end_nothing(workbench, odd):
    record(workbench, answer(100, "When?", PASSAGE), request(50, answer="At five.", **{"passages": [WHOLE], **odd}))
    assert quality(workbench, "towns", **HOW).answers == 2
    assert len(sample_for_people(workbench, "towns", 1.0, 1.0).study.items) == 2


def test_the_draw_is_one_for_each_answer_with_its_chance(workbench):
    record(workbench, *(answer(10, "When?", PASSAGE, span=span) for span in ids(2000, 5)))
    sample = ServedSample("s", "towns", 0.2, 0.0, 2e9, 0)
    drawn = [sample.holds(each) for each in served_answers(workbench)]
    assert np.mean(drawn) == pytest.approx(0.2, abs=0.03)
    assert not any(sample._replace(until_s=1.0).holds(each) for each in served_answers(workbench))


def test_what_cannot_be_asked_is_refused(workbench, served):
    with pytest.raises(WorkbenchError, match="no score of its own"):
        quality(workbench, "towns", measure="containment")
    with pytest.raises(WorkbenchError, match="passages alone"):
        quality(workbench, "towns", measure="em")
    for share, name, words in (
        (0.0, "towns", "cannot be drawn"),
        (0.5, "other", "Nothing was answered"),
        (1e-9, "towns", "None of"),
    ):
        with pytest.raises(WorkbenchError, match=words):
            sample_for_people(workbench, name, share, 720.0)
