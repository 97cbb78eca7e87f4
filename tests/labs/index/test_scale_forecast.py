"""The whole told from samples: which documents and questions these hold, what is told of known curves, and a small corpus."""

import json

import numpy as np
import pytest

from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.labs.index import scale_forecast as lab
from core.progress import drain
from core.workbench import Workbench

NUMBER, SHARES = 60, (20, 30, 40, 60, 80)
SAMPLES = 4 + 2 + 2 + 1 + 1
ASKED = with_settings(TrialConfig(), {"evaluation.k": 3})


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = Workbench(tmp_path_factory.mktemp("home"))
    texts = [f"Town {number} has a market that opens at {number % 24} and {number * 7 % 60}." for number in range(NUMBER)]
    files = [("towns.jsonl", "\n".join(json.dumps({"id": f"t{n}", "text": text}) for n, text in enumerate(texts)).encode())]
    asked = [
        {
            "id": f"q{n}",
            "question": f"When does the market of town {n} open?",
            "document": f"t{n}",
            "answer": text.partition(" at ")[2][:-1],
        }
        for n, text in enumerate(texts)
    ]
    drain(bench.library.ingest("towns", files, ("questions.jsonl", "\n".join(map(json.dumps, asked)).encode())))
    return bench


def recipe() -> TrialConfig:
    return with_settings(TrialConfig(), {"corpus.dataset": "towns", "index.part": "exact", "evaluation.k": 3})


def test_samples_of_a_share_have_no_document_in_common_and_lie_within_the_largest():
    made = lab.samples(1000, (), 0)
    assert [sample.share for sample in made] == [1] * 6 + [2] * 6 + [5] * 4 + [10] * 2 + [20]
    assert [len(sample.places) for sample in made] == [10] * 6 + [20] * 6 + [50] * 4 + [100] * 2 + [200]
    for share in (1, 2, 5, 10):
        places = np.concatenate([sample.places for sample in made if sample.share == share])
        assert len(np.unique(places)) == len(places) and np.isin(places, made[-1].places).all()
    assert lab.usual_shares(1000) == (1, 2, 5, 10, 20) and lab.usual_shares(106) == (10, 15, 20, 30, 40)
    for shares in ((1, 5, 20), (1, 2, 5, 20, 100), (0.5, 2, 5, 10, 20)):
        with pytest.raises(WorkbenchError, match="make no forecast") as error:
            lab.samples(1000, shares, 0)
        assert error.value.where == "--shares" and "1% here" in error.value.todo


def rows(whole: dict[str, float] | None = None) -> list[dict]:
    """Samples of 1,000 documents of a chunk: memory a line; above each question's evidence stand some of its 20 rivals, thinned out."""
    rng, made = np.random.default_rng(1), []
    for sample in lab.samples(1000, (), 0):
        n = len(sample.places)
        above = rng.poisson(n / 1000 * rng.gamma(0.5, 40.0, n))
        row = {"share": sample.share, "draw": sample.draw, "chunks": n, "of_chunks": 1000, "questions": n, "of_questions": 1000}
        metrics = {"ndcg": np.where(above < 3, 1 / np.log2(2 + above), 0).mean(), "evidence": (above < 3).mean()}
        made.append(
            row | {"recall": 1.0, "memory_mb": 0.001 * n + 2, "p50_us": None, "result": {"recalls": [1.0] * 500}} | metrics
        )
    return made + ([made[-1] | {"share": 100.0, "chunks": 1000} | whole] if whole else [])


def test_of_a_handful_of_documents_no_shares_are_asked_for():
    with pytest.raises(WorkbenchError, match=r"So few documents \(14\) make no forecast") as error:
        lab.samples(14, (), 0)
    assert error.value.todo.startswith("Choose a corpus of 15") and "%" not in str(error.value)
    assert len({len(sample.places) for sample in lab.samples(15, (67, 74, 80, 87, 94), 0)}) == 5


def test_known_curves_are_told_and_the_whole_decides_nothing_of_them():
    told = {each.key: each for each in lab.forecast(rows(), ASKED)}
    assert list(told) == ["recall", "ndcg", "evidence", "memory_mb"] and all(each.inside is None for each in told.values())
    assert told["memory_mb"].whole[:3] == pytest.approx((3,) * 3)
    recall = told["recall"].whole
    assert (recall.value, recall.high) == pytest.approx((1, 1)) and 0.98 < recall.low < 0.995, (
        "500 questions, none of which missed any"
    )
    above = np.random.default_rng(2).poisson(np.random.default_rng(3).gamma(0.5, 40.0, 100_000))
    true = {"ndcg": np.where(above < 3, 1 / np.log2(2 + above), 0).mean(), "evidence": (above < 3).mean()}
    assert all(told[key].whole.low < value < told[key].whole.high for key, value in true.items())
    held = {each.key: each for each in lab.forecast(rows({**true, "memory_mb": 9.0}), ASKED)}
    assert {key: each.whole for key, each in held.items()} == {key: each.whole for key, each in told.items()}
    assert held["ndcg"].inside and held["memory_mb"].inside is False
    drawn = lab.table(list(held.values()), ASKED, "command")
    assert [row["held"] for row in drawn.rows] == ["inside", "inside", "inside", "outside"] and "3 of 4 quantities" in drawn.note
    assert drawn.rows[1]["quantity"] == "nDCG@3" and drawn.rows[3]["curve"] == "n^1"


def test_the_ranking_is_not_forecast_where_each_sample_has_an_encoder_of_its_own():
    config = with_settings(ASKED, {"embedding.part": "lsa"})
    told = lab.forecast(rows(), config)
    assert [each.key for each in told] == ["recall", "memory_mb"]
    assert "The ranking is not forecast: LSA" in lab.table(told, config, "command").note
    assert "not forecast" not in lab.table(lab.forecast(rows(), ASKED), ASKED, "command").note


def test_a_sample_keeps_the_gold_of_questions_whose_evidence_is_in_it(bench):
    run = bench.resolve(recipe())
    part, asked = lab.sampled(bench, run, np.arange(12))
    assert [document.id for document in part.corpus.documents] == [document.id for document in run.corpus.documents[:12]]
    inside = {document.id for document in part.corpus.documents}
    assert {query.id for query in part.corpus.queries if query.gold} == {
        query.id for query in run.corpus.queries if query.gold[0].document_id in inside
    }
    assert len(asked) == NUMBER, "so few are asked everywhere, whatever is in the sample"
    whole, _ = lab.sampled(bench, run, np.arange(NUMBER))
    assert whole.key("index") == run.key("index"), "the whole is the recipe's own index"


@pytest.mark.slow
def test_a_corpus_is_forecast_held_against_its_whole_and_nothing_is_measured_twice(bench, monkeypatch):
    made = drain(lab.measure(bench, recipe(), SHARES))
    assert len(made) == SAMPLES and {row["chunks"] for row in made} == {12, 18, 24, 36, 48}
    assert all(row["questions"] == row["documents"] and row["recall"] == 1 for row in made)
    measured = lab._measured
    monkeypatch.setattr(
        lab, "_measured", lambda bench, run, sample: measured(bench, run, sample) if sample.share == 100 else 1 / 0
    )
    made = drain(lab.measure(bench, recipe(), SHARES, whole=True))
    told = {each.key: each for each in lab.forecast(made, ASKED)}
    assert len(made) == SAMPLES + 1 and told["recall"].inside and told["memory_mb"].inside
    assert told["ndcg"].measured == pytest.approx(bench.evaluate(recipe()).intervals["ndcg_linear"].mean)
    assert len(made[-1]["result"]["ndcg"]) == NUMBER
