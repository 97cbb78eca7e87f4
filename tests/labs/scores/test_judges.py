"""Answers through the gate with each decision kept, and judges compared on pairs of answers."""

import json

import pytest

from core import registry
from core.__main__ import main
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.judging.gate import DIMENSIONS
from core.labs.scores import answer_file, judges
from core.progress import drain
from core.workbench import Workbench
from tests.support.recorded_judge import RecordedJudge


class Strict(RecordedJudge):
    """Its model's name is its rating, unless the answer is about cheese; it prefers what stands first."""

    def says(self, prompt: str, seed: int) -> str:
        if '"better"' in prompt:
            return json.dumps({"words": "So.", "better": "first"})
        cheese = "cheese" in prompt
        rating = {
            "words": "So.",
            **dict.fromkeys(DIMENSIONS, 1 if cheese else int(self.model)),
            "confident_hallucination": cheese,
        }
        return "No." if "prose" in prompt else json.dumps(rating)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    registry.parts("generator")
    monkeypatch.setitem(registry._parts["generator"], "recorded", Strict)
    return Workbench(tmp_path / "home")


def written(tmp_path, *rows):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return path


def answers(*texts):
    return [{"question": "Of what is the moon?", "passages": ["The moon is of rock."], "answer": text} for text in texts]


def test_a_decision_is_of_an_answer_over_its_passages(bench, tmp_path):
    """ "Rock." of two recipes is judged by what each was given; decisions from before that was noted are shown for both."""
    path = written(tmp_path, *answers("Rock."))
    drain(judges.review(bench, TrialConfig(), path, [Strict(model="4")], 1, 0.3))
    [row] = drain(answer_file.read(path)).rows
    other = row.case._replace(passages=("The moon is of cheese.",))
    assert [len(some) for some in judges.decided(bench, [row.case, other])] == [1, 0]
    [told] = bench.store.query("SELECT id FROM decisions")
    old = bench.store.journal.read(told["id"]).payload
    bench.store.add("decision", {name: value for name, value in old.items() if name != "passages"})
    assert [len(some) for some in judges.decided(bench, [row.case, other])] == [2, 1]


@pytest.mark.slow
def test_every_decision_is_kept_and_the_fourth_bad_answer_is_rejected(bench, tmp_path):
    path = written(tmp_path, *answers("Rock.", *(f"Of cheese, {i}." for i in range(5)), "in prose", " "))
    record = drain(judges.review(bench, TrialConfig(), path, [Strict(model="4")], 2, 0.3))
    said = "accept revise revise revise reject reject undecided undecided"
    assert [each["verdict"] for each in record["decisions"]] == said.split()
    assert record["verdicts"] == {"accept": 1, "revise": 3, "reject": 2, "undecided": 2} and record["agreement"] == {}
    stored = bench.store.query("SELECT * FROM decisions ORDER BY id")
    assert [each["verdict"] for each in stored] == [each["verdict"] for each in record["decisions"]]
    assert stored[1]["reasons"][-1] == "a confident hallucination" and stored[1]["clarity"] == 1 and stored[4]["revisions"] == 3
    assert json.loads(stored[0]["ratings"])[0][0]["words"] == "So." and stored[0]["source"] == "rows.jsonl:1"
    assert stored[6]["clarity"] is None and "not JSON" in stored[6]["reasons"][-1] and stored[7]["reasons"][-1] == "empty answer"
    again = drain(judges.review(bench, TrialConfig(), path, [Strict(model="4")], 2, 0.3))
    assert again["verdicts"]["revise"] == 3, "the same answer again is no revision"
    drain(bench.store.rebuild())
    assert len(bench.store.query("SELECT id FROM decisions")) == 16 and not drain(bench.store.verify()).damaged


def test_answers_without_a_question_are_no_revisions_of_one_another(bench, tmp_path):
    path = written(tmp_path, *({"passages": [f"Text {i}."], "answer": f"Of cheese, {i}."} for i in range(5)))
    record = drain(judges.review(bench, TrialConfig(), path, [Strict(model="4")], 1, 0.0))
    assert record["verdicts"]["revise"] == 5 and {each["revisions"] for each in record["decisions"]} == {0}


def test_a_panel_is_the_mean_of_its_judges_with_their_agreement(bench, tmp_path):
    path = written(tmp_path, *answers("Rock.", "Of cheese."))
    record = drain(judges.review(bench, TrialConfig(), path, [Strict(model="4"), Strict(model="3")], 1, 0.0))
    assert record["decisions"][0]["means"]["clarity"] == 3.5 and record["decisions"][0]["verdict"] == "accept"
    assert record["judges"] == ["recorded 4", "recorded 3"] and 0 < record["agreement"]["clarity"]["value"] < 1


def test_the_verbs_take_judges_and_tell_their_bias(bench, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(bench.home))
    pairs = [{"question": "Of what?", "a": "Rock" * (i + 1), "b": "Cheese.", "better": "a"} for i in range(4)]
    path = written(tmp_path, *pairs, {"question": "?", "a": "", "b": "x"}, {"a": 1})
    for panel in (["--judge", "recorded model=4"], ["--judge", "recorded model=4", "--judge", "recorded model=3"]):
        assert main(["judge-bias", str(path), *panel, "--runs", "1", "--json"]) == 0
        record = json.loads(capsys.readouterr().out)
        assert record["pairs"] == 4 and len(record["notes"]) == 2 and record["panel"] == ["tie"] * 4
        assert record["judges"][0]["position"]["mean"] == 1 and record["judges"][0]["right"]["mean"] == 0
    assert main(["judge-bias", str(path), *panel]) == 0 and "recorded 4" in capsys.readouterr().out
    assert main(["review", str(written(tmp_path, *answers("Rock."))), *panel]) == 0
    assert "1 accept" in capsys.readouterr().out


def test_a_file_without_pairs_says_what_a_line_holds(bench, tmp_path):
    with pytest.raises(WorkbenchError, match='"a" and "b"'):
        drain(judges.read_pairs(written(tmp_path, {"question": "Who?"})))


def test_passages_of_pairs_are_read_as_those_of_answers_are(bench, tmp_path):
    told = [{"question": None, "a": "A.", "b": "B.", "passages": each} for each in ("Rock of old.", [{"text": "Rock."}], None, 5)]
    pairs, notes = drain(judges.read_pairs(written(tmp_path, *told)))
    assert [pair.passages for pair in pairs] == [("Rock of old.",), ("Rock.",), ()], (
        "a text alone is one passage, not one a letter"
    )
    assert notes == ("Line is no pair of answers, left out: 1 (rows.jsonl:4).",)
