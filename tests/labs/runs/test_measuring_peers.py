"""Published runs of TREC DL 2019 and 2020 and TREC-COVID: their published nDCG@10, and trec_eval's."""

import pytest
import pytrec_eval

from core.labs.runs import measuring, trec

TOPICS = {"dl19": "dl19-passage", "dl20": "dl20-passage", "covid": "beir-v1.0.0-trec-covid.test"}
NAMES = ("BM25", "BM25_RM3", "SPLADE_P_P_ENSEMBLE_DISTIL", "D_BERT_KD_TASB", "OPEN_AI_ADA2", "REP_LLAMA")
PUBLISHED = {
    "dl19": dict(zip(NAMES, (0.5058, 0.5216, 0.7308, 0.7210, 0.7035, 0.7439), strict=True)),
    "dl20": dict(zip(NAMES, (0.4796, 0.4896, 0.7197, 0.6854, 0.6759, 0.7205), strict=True)),
    "covid": {"BM25": 0.5947},
}
NDCG = measuring.Measure("ndcg_linear", 10)


@pytest.fixture(scope="module")
def folder(datasets_root):
    if not (folder := datasets_root / "trec_runs").is_dir():
        pytest.skip(f"no runs at {folder}")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("topics", TOPICS)
def test_published_runs_have_their_published_ndcg_to_four_digits(folder, topics):
    """RepLLaMA's scores were rounded to three digits: its file's own order among equal scores is what was published."""
    questions, _ = trec.read_judgements(folder / f"qrels.{TOPICS[topics]}.txt.gz")
    for name, published in PUBLISHED[topics].items():
        run = trec.read_run(folder / f"{name}.{topics}.trec.gz", "file")
        assert round(float(measuring.values(run, questions, [NDCG]).mean()), 4) == published, name


@pytest.mark.slow
@pytest.mark.parametrize("topics", TOPICS)
def test_all_runs_are_measured_as_trec_eval_does(folder, topics):
    questions, _ = trec.read_judgements(folder / f"qrels.{TOPICS[topics]}.txt.gz")
    qrels = {query.id: {gold.document_id: gold.grade for gold in query.gold} for query in questions}
    measures = [NDCG, measuring.Measure("map", 1000), measuring.Measure("recall", 100)]
    for path in sorted(folder.glob(f"*.{topics}.trec.gz")):
        run = trec.read_run(path)
        peer = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10", "map", "recall.100"})
        found = peer.evaluate({question: dict(ranking) for question, ranking in run.ranked.items()})
        for query, row in zip(questions, measuring.values(run, questions, measures), strict=True):
            theirs = [found[query.id][name] for name in ("ndcg_cut_10", "map", "recall_100")]
            assert row == pytest.approx(theirs, abs=1e-6), (path.name, query.id)
