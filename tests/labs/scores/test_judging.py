"""Scores of a file: by every measure that it allows, kept, and against the labels whichever way they point."""

import json
import math
from typing import ClassVar, Literal

import numpy as np
import pytest

from core import registry
from core.__main__ import main
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.judging.measure import TOPICS, AnswerCase, AnswerMeasure, AnswerScore, Claim, WrongWords
from core.labs.scores import judged_file, judging, people
from core.labs.scores.answer_file import AnswerRow
from core.pipeline import scores as keeping
from core.progress import drain
from core.store import batches
from core.workbench import Workbench

SEEN: list[str] = []


class SharedWords(AnswerMeasure):
    """Share of the answer's words that the first passage has."""

    part: Literal["shared_words"] = "shared_words"
    label: ClassVar[str] = "Shared words"
    topic: ClassVar[str] = "faithfulness"
    source: ClassVar[str] = "this test"
    needs: ClassVar[tuple[str, ...]] = ("passages",)
    weight: float = 1.0
    fails: str = ""

    def fixed_threshold(self):
        return 0.75

    def score(self, cases, tools):
        yield from ()
        SEEN.extend(case.answer for case in cases)
        return [self._score(case) for case in cases]

    def _score(self, case):
        if self.fails and self.fails in case.answer:
            return AnswerScore(math.nan, "failed: it hung")
        there = case.passages[0].split()
        words = case.answer.split()
        starts = np.cumsum([0, *(len(word) + 1 for word in words)])
        wrong = [WrongWords(int(a), int(a) + len(w), 0.9) for a, w in zip(starts, words, strict=False) if w not in there]
        value = np.float32(1 - len(wrong) / len(words))
        return AnswerScore(
            value, claims=(Claim(0, len(case.answer), math.nan, "", 1, (0, 3)),), words=tuple(wrong), detail={"n": 1}
        )


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    registry.parts("measure")
    monkeypatch.setitem(registry._parts["measure"], "shared_words", SharedWords)
    SEEN.clear()


def labelled(number, wrong):
    answer = f"a {'zzz' if wrong else 'b'} c{number}"
    row = {"question": f"Q{number // 4}", "passages": [f"a b c{number}"], "answer": answer, "reference": "a b"}
    return row | {"label": wrong, "spans": [[2, 5]] if wrong else [], "domain": "xy"[number % 4 // 2], "group": str(number // 4)}


@pytest.fixture
def file(tmp_path):
    """40 answers of three words, the odd ones with a wrong word in the middle, two of a domain each."""
    rows = [labelled(number, wrong=number % 2) for number in range(40)]
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def judged(file, *names, **settings):
    bench = Workbench()
    return drain(judged_file.judge(bench, TrialConfig(), file, names, **settings))


@pytest.mark.slow
def test_labels_that_mean_wrong_are_known_by_their_spans_and_told(file):
    result, left = judged(file, "shared_words")
    told = judging.record(result, left)
    [row] = told["measures"]
    people_say = row["against_labels"]
    assert told["label_means"] == "wrong" and "spans" in told["label_note"] and told["labelled"] == 40
    assert people_say["auc"]["value"] == 1 and people_say["pearson"]["value"] == pytest.approx(1)
    for at, tested in (("fitted", 20), ("shipped", 40)):
        assert people_say[at]["balanced_accuracy"]["value"] == people_say[at]["f1"]["value"] == 1
        assert people_say[at]["tested_on"] == tested
    assert 2 / 3 < people_say["fitted"]["threshold"] < 1 and people_say["shipped"]["threshold"] == 0.75
    assert people_say["spans"]["f1"]["value"] == 1 and set(people_say["domains"]) == {"x", "y"}


@pytest.mark.slow
def test_the_other_way_round_is_told_and_counts_against_it(file):
    told = judging.record(*judged(file, "shared_words", means="faithful"))
    assert "but the spans" in told["label_note"]
    assert told["measures"][0]["against_labels"]["auc"]["value"] == 0
    assert told["measures"][0]["against_labels"]["pearson"]["value"] == pytest.approx(-1)


@pytest.mark.slow
def test_every_answer_has_its_claims_evidence_and_wrong_words(file):
    told = judging.record(*judged(file, "shared_words"))
    score = told["answers"][1]["scores"]["shared_words"]
    assert score["words"][0]["text"] == "zzz" and score["claims"][0]["text"] == "a zzz c1"
    assert score["claims"][0]["evidence_text"] == "a b" and score["detail"] == {"n": 1}


def test_a_second_run_computes_nothing_and_another_knob_all(file):
    first, _ = judged(file, "shared_words")
    assert len(SEEN) == 40
    batches._of_home.clear()  # as another process
    again, _ = judged(file, "shared_words")
    assert len(SEEN) == 40 and repr(again.measured[0].scores) == repr(first.measured[0].scores)
    judged(file, "shared_words", knobs={"shared_words.weight": 0.5})
    assert len(SEEN) == 80


def test_a_new_answer_is_the_only_one_that_is_scored(file):
    judged(file, "shared_words")
    with file.open("a") as lines:
        lines.write("\n" + json.dumps({"question": "new", "passages": ["p"], "answer": "new p"}))
    result, _ = judged(file, "shared_words")
    assert SEEN[40:] == ["new p"] and result.measured[0].values[-1] == 0.5


def test_a_cancel_keeps_what_is_done(file):
    bench, case = Workbench(), AnswerCase("q", "a b", ("a b",))
    cases = [case._replace(answer=f"a {number}") for number in range(30)]
    tools = keeping.judge_tools(bench.pipeline, TrialConfig())
    for step in (work := keeping.kept_scores(SharedWords(), cases, tools)):
        if step.done:
            work.close()
    batches._of_home.clear()
    there = [score is not None for score in keeping.at_hand(SharedWords(), cases, tools)]
    assert sum(there) == keeping.FIRST == len(SEEN)
    drain(keeping.kept_scores(SharedWords(), cases, tools))
    assert len(SEEN) == 30


def test_what_failed_is_tried_again_and_the_rest_is_kept(file):
    result, _ = judged(file, "shared_words", knobs={"shared_words.fails": "zzz"})
    assert result.measured[0].reasons == {"failed: it hung": 20}
    SEEN.clear()
    judged(file, "shared_words", knobs={"shared_words.fails": "zzz"})
    assert len(SEEN) == 20 and all("zzz" in answer for answer in SEEN)


@pytest.mark.slow
def test_without_names_all_are_scored_that_the_file_allows(file, tmp_path):
    result, left = judged(file)
    assert {"em", "f1", "shared_words"} <= {each.measure.part for each in result.measured}
    bare = tmp_path / "bare.jsonl"
    bare.write_text(json.dumps({"question": "q", "answer": "a"}))
    result, left = judged(bare)
    assert left["shared_words"] == "no passages" and left["em"] == "no reference answer"
    assert result.labels is None and judging.record(result, left)["label_means"] is None


def test_a_measure_that_breaks_leaves_the_others(file, monkeypatch):
    def short(self, cases, tools):
        yield from ()
        return []

    monkeypatch.setattr(SharedWords, "score", short)
    with pytest.raises(WorkbenchError, match="0 scores"):
        judged(file, "shared_words")

    def breaks(self, cases, tools):
        raise WorkbenchError("The model is gone.")
        yield

    monkeypatch.setattr(SharedWords, "score", breaks)
    result, _ = judged(file, "f1", "shared_words")
    told = judging.record(result, {})
    assert told["measures"][0]["measured"] == 40 and "gone" in told["measures"][1]["failed"]
    with pytest.raises(WorkbenchError, match="gone"):
        judged(file, "shared_words")


def test_a_scale_of_labels_is_cut_in_its_middle_and_said_so():
    rows = [AnswerRow("", AnswerCase("q", "a"), label=float(stars)) for stars in (1, 2, 3, 4, 5)]
    told = people.labels(rows)
    assert told.cut == 3 and told.positive.tolist() == [0, 0, 1, 1, 1] and "middle" in told.note
    wrong = people.labels(rows, "wrong", 4)
    assert wrong.positive.tolist() == [1, 1, 1, 0, 0] and wrong.faithful.tolist() == [-1, -2, -3, -4, -5]
    assert people.labels([row._replace(label=None) for row in rows]) is None


def test_the_verb_tells_tables_and_one_document(file, capsys):
    words = ["judge", str(file), "--measure", "shared_words"]
    assert main([*words, "--label-means", "wrong", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["answers_scored"] == 40 and len(told["answers"]) == 40
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "Against people's labels" in out and "label means: wrong" in out


def test_answers_that_nobody_asked_to_cite_have_no_recall_of_citations_and_measures_stand_by_topic(tmp_path):
    passage = "The tower was built in 1889 by Gustave Eiffel."
    rows = [
        {"question": "q", "passages": [passage], "answer": answer} for answer in ("It was built in 1889.", "By Gustave Eiffel.")
    ]
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    result, left = judged(path)
    assert left["citation_recall"] == left["citation_precision"] == "it cites nothing, and was not asked to"
    topics = [each.measure.topic for each in result.measured]
    assert topics == sorted(topics, key=[*TOPICS].index) and "faithfulness" in topics
    rows[0]["answer"] = "It was built in 1889 [1]."  # one of them cites, so all were asked to
    path.write_text("\n".join(map(json.dumps, rows)))
    told = judging.record(*judged(path, "citation_recall"))
    assert [answer["scores"]["citation_recall"]["value"] for answer in told["answers"]] == [1.0, 0.0]


def test_three_groups_give_a_wide_interval_and_it_is_said(tmp_path, capsys):
    rows = [labelled(number, wrong=number % 4 == 0) | {"group": str(number % 3)} for number in range(30)]
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    told = judging.record(*judged(path, "shared_words"))
    [row] = told["measures"]
    assert row["high"] - row["low"] > 0.2  # by percentiles over three groups 0.03
    assert "only 3 groups" in told["groups_note"] and "no interval" in row["against_labels"]["pearson"]["note"]
    assert main(["judge", str(path), "--measure", "shared_words"]) == 0
    assert "only 3 groups" in capsys.readouterr().out
    for number, row in enumerate(rows):
        row["group"] = str(number)
    path.write_text("\n".join(map(json.dumps, rows)))
    told = judging.record(*judged(path, "shared_words"))
    assert not told["groups_note"] and told["measures"][0]["high"] - told["measures"][0]["low"] < 0.2


def test_where_the_shipped_threshold_does_not_fit_the_labels_it_is_said(tmp_path, capsys):
    rows = []
    for number in range(80):
        wrong = number % 2
        answer = f"a zzz {'yyy ' * wrong}c{number}"  # the right ones share two thirds, below the threshold of 0.75 too
        rows.append({"question": f"Q{number}", "passages": [f"a b c{number}"], "answer": answer, "label": 1 - wrong})
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    told = judging.record(*judged(path, "shared_words"))["measures"][0]["against_labels"]
    assert told["shipped"]["threshold"] == 0.75 and told["fitted"]["balanced_accuracy"]["value"] == 1
    assert "calls 100% of the faithful answers wrong and finds 100% of the wrong ones" in told["shipped"]["note"]
    assert told["shipped"]["note"].endswith("the fitted one 0% and 100%")
    assert main(["judge", str(path), "--measure", "shared_words"]) == 0
    assert "does not fit these labels" in capsys.readouterr().out


def test_a_shipped_threshold_that_fits_has_no_note(file):
    told = judging.record(*judged(file, "shared_words"))["measures"][0]["against_labels"]
    assert told["shipped"]["note"] == ""


def test_the_words_of_answers_and_references_are_those_of_the_answered_that_have_one():
    said = [
        ("two words", ("a reference of five words", "another")),
        ("", ("one two three",)),
        ("none at all", ()),
        ("a b c d", ("e f g",)),
    ]
    rows = [AnswerRow("", AnswerCase("q", answer, (), references)) for answer, references in said]
    assert judging.lengths(rows) == (3.0, 4.0) and judging.lengths([]) == judging.lengths(rows[1:3]) == (0.0, 0.0)
