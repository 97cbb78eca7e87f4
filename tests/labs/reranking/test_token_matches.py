"""Which words met: sums, whole words, the windows of a long passage, and the command that prints it."""

import json

import numpy as np
import pytest

from app.ui.search import token_matches as screen
from core.__main__ import parse
from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.labs.reranking import token_matches as lab
from core.progress import drain
from core.records import plain
from tests.support.small_corpora import with_towns

QUESTION, PASSAGE = "Where did Beyoncé surrender?", "Beyoncé gave up near the mill; nobody (but the miller) saw it."


def test_words_are_whole_and_what_they_add_is_the_score():
    met = lab.matches(TrialConfig(), QUESTION, PASSAGE)
    assert met.asked == ("Where", "did", "Beyoncé", "surrender")
    assert met.offered == tuple(PASSAGE.replace(";", "").replace("(", "").replace(")", "").replace(".", "").split())
    assert met.cosines.shape == (4, 12) and met.best.tolist() == met.cosines.argmax(1).tolist()
    assert met.offered[met.best[2]] == "Beyoncé" and met.offered[met.best[3]] in ("gave", "up")
    mark = lab.matches(TrialConfig(), QUESTION.replace("?", ""), PASSAGE)  # without it other vectors, so only about
    assert met.adds.sum() < met.score < met.adds.sum() + 1 and mark.adds.sum() == pytest.approx(mark.score, abs=1e-4)


def test_nothing_to_match_and_an_encoder_of_one_vector_are_told():
    with pytest.raises(WorkbenchError, match="no word"):
        lab.matches(TrialConfig(), QUESTION, "...")
    with pytest.raises(WorkbenchError, match="one vector"):
        lab.matches(with_settings(TrialConfig(), {"embedding": "lsa"}), QUESTION, PASSAGE)


def made(offered: int, best: list[int]) -> lab.TokenMatches:
    asked, cosines = tuple(f"asked{i}" for i in range(len(best))), np.zeros((len(best), offered), np.float32)
    cosines[np.arange(len(best)), best] = 1
    words = tuple(f"w{i}" for i in range(offered))
    return lab.TokenMatches(asked, words, cosines, np.array(best), np.linspace(1, 0.5, len(best)), 2.0)


def test_a_long_passage_is_cut_to_the_words_that_met_and_their_neighbours():
    assert lab.windows(made(300, [40, 200]), 6) == [39, 40, 41, 199, 200, 201]
    assert lab.windows(made(300, [0, 299]), 4) == [0, 1, 298, 299]
    assert lab.windows(made(5, [2]), 26) == [0, 1, 2, 3, 4]
    assert lab.windows(made(300, [10, 20, 30]), 2) == [10, 20]


def test_the_chart_frames_each_match_and_leaves_a_gap_where_words_are_left_out():
    chart = screen.figure(made(300, [40, 200]))
    (heat,), layout = chart["data"], chart["layout"]
    assert [value is None for value in heat["z"][0]].count(True) == sum(not word for word in heat["customdata"][0]) == 1
    for row, shape in enumerate(layout["shapes"]):
        column = round((shape["x0"] + shape["x1"]) / 2)
        assert heat["z"][row][column] == 1 and (shape["y0"] + shape["y1"]) / 2 == row
    assert len(layout["xaxis"]["ticktext"]) == screen.MOST_WORDS


def test_the_command_prints_the_passage_of_a_rank(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    questions = [{"id": "q", "question": "When does Lund open?", "document": "Lund.txt", "answer": "opens at five"}]
    texts = {"Lund.txt": "The market of Lund opens at five.", "Gent.txt": "The market of Gent is old."}
    bench = with_towns(tmp_path / "home", texts, questions)

    def told(*words):
        call = parse(["token-matches", "When does Lund open?", "--dataset", "towns", "--set", "fusion.part=sparse_only", *words])
        record = plain(drain(call.work(bench)))
        call.verb.show(record)
        return json.loads(json.dumps(record, allow_nan=False))

    record = told()
    assert record["passage"] == texts["Lund.txt"] and record == told("--passage", texts["Lund.txt"])
    assert {row["word"]: row["met"] for row in record["words"]}["Lund"] == "Lund"
    assert record["cosines"][2]["3 Lund"] == record["words"][2]["cosine"]
    with pytest.raises(WorkbenchError, match="no rank 9"):
        told("--rank", "9")
