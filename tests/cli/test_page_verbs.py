"""What a page computes a command prints: each verb on a small corpus, against the numbers that the page shows."""

import json
import time

import numpy as np
import pytest

from core import files
from core.__main__ import main, parse
from core.annotation import power
from core.cli.frame import VERBS
from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.labs.corpus import chunks as lab
from core.labs.index import shadow
from core.labs.index.reference import drawn_of
from core.labs.reranking import cascades
from core.labs.sampling import prompts
from core.labs.trials import weights
from core.progress import drain
from core.records import plain
from tests.support.small_corpora import with_towns
from tests.support.synthetic_trials import add_questions, add_trial

TOWNS = ("Lund", "Gent", "Pisa", "Bari", "Metz", "Cork", "Brno", "Linz", "Nice", "Graz", "Oslo", "Riga")
TEXTS = {
    f"{town}.txt": f"The market of {town} opens at {hour} and closes late. " + f"Near it stands the old mill of {town}. " * 12
    for hour, town in enumerate(TOWNS, 5)
}
QUESTIONS = [
    {
        "id": town,
        "question": f"When does the market of {town} open?",
        "document": f"{town}.txt",
        "answer": f"opens at {hour}",
        "group": "market",
    }
    for hour, town in enumerate(TOWNS, 5)
]
WORDS = ["--dataset", "towns", "--set", "fusion.part=sparse_only"]
DENSE = ["--dataset", "towns", "--set", "embedding.part=lsa", "--set", "fusion.part=dense_only", "--set", "evaluation.k=3"]
HNSW = [*DENSE, "--set", "index.part=faiss_hnsw"]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return with_towns(tmp_path_factory.mktemp("home"), TEXTS, QUESTIONS)


def told(bench, *words):
    """What the command prints as JSON; for people it is printed too."""
    call = parse(words)
    work = call.work(bench)
    result = plain(drain(work) if hasattr(work, "send") else work)
    call.verb.show(result)
    return json.loads(json.dumps(result, allow_nan=False))


@pytest.mark.slow
def test_evaluate_measures_what_the_page_shows_and_stores_nothing(bench):
    record = told(bench, "evaluate", *WORDS, "--depths", "--latency", "--questions", "mrr")
    config = with_settings(TrialConfig(), {"corpus.dataset": "towns", "fusion.part": "sparse_only"})
    current = bench.evaluate(config)
    assert record["metrics"] == [{"metric": name, **plain(interval)} for name, interval in current.intervals.items()]
    assert [row["recall"] for row in record["recall by depth"]] == [at.mean for at in bench.recall_curve(current)]
    assert [row["value"] for row in record["questions"]] == current.values["mrr"].tolist()
    assert record["latency, ms"][-1]["step"] == "total" and not bench.trials()


@pytest.mark.slow
def test_documents_and_questions_are_listed_found_and_read(bench):
    rows = told(bench, "documents", *WORDS)
    assert [row["questions"] for row in rows] == [1] * len(TOWNS) and rows[0]["characters"] == len(TEXTS[rows[0]["id"]])
    assert [row["id"] for row in told(bench, "documents", "--find", "old mill of PISA", *WORDS)] == ["Pisa.txt"]
    assert [row["id"] for row in told(bench, "questions", "--find", "opens at 7", "--group", "market", *WORDS)] == ["Pisa"]
    assert told(bench, "questions", "--kind", "unanswerable", *WORDS) == []
    [evidence] = told(bench, "document", "Pisa.txt", *WORDS)["evidence"]
    assert evidence["text"] == "opens at 7" and told(bench, "question", "Pisa", *WORDS) == [evidence]
    assert told(bench, "question", "When does the market of Pisa open?", *WORDS) == [evidence]
    about = told(bench, "about", *WORDS)
    assert about["documents"] == about["questions"] == len(TOWNS) and about["name"] == "towns"
    for words in (["document", "nothing"], ["question", "nothing"]):
        with pytest.raises(WorkbenchError, match="'nothing'"):
            told(bench, *words, *WORDS)


@pytest.mark.slow
def test_the_files_of_an_own_corpus_are_told_and_removed(bench):
    drain(bench.library.ingest("villages", [("a.txt", b"Lund is a town."), ("b.txt", b"Gent is another.")], None))
    assert [row["status"] for row in told(bench, "files", "villages")] == ["ok", "ok"]
    told(bench, "remove", "villages", "--file", "a.txt")
    with pytest.raises(WorkbenchError, match="No file is named"):
        told(bench, "remove", "villages", "--file", "")
    assert [row["name"] for row in told(bench, "files", "villages")] == ["b.txt"]
    told(bench, "remove", "villages")
    assert "villages" not in {status.name for status in bench.datasets()}


def test_chunks_are_counted_and_measured(bench):
    record = told(bench, "chunks", *WORDS, "--set", "chunking.size_tokens=40")
    config = with_settings(TrialConfig(), {"corpus.dataset": "towns", "chunking.size_tokens": 40})
    chunks = drain(bench.cut_chunks(config))
    assert record["chunks"] == len(chunks) == sum(row["chunks"] for row in record["sizes"])
    assert record["tokens"] == int(chunks.tokens.sum()) and record["evidence spans"] == len(TOWNS)


def test_two_chunkers_are_told_apart_by_the_evidence_they_cut(bench):
    words = [*WORDS, "--set", "chunking.part=fixed", "--set", "chunking.size_tokens=16"]
    against = ["--against", "chunking.part=sentence", "--against", "chunking.size_tokens=64"]
    record = told(bench, "chunks", *words, *against, "--document", "Pisa.txt")
    config = with_settings(TrialConfig(), {"corpus.dataset": "towns", "chunking.part": "fixed", "chunking.size_tokens": 16})
    other = with_settings(config, {"chunking.part": "sentence", "chunking.size_tokens": 64})
    both = [drain(bench.cut_chunks(each)) for each in (config, other)]
    expected = lab.compare_cuts(*both, lab.gold(bench, bench.corpus(config)))
    assert expected == (record["cut only here"], record["cut only by the other"], record["p (McNemar)"])
    assert record["against"][0]["chunks"] == len(both[1])
    assert sum(row["chunks"] for row in record["sizes"]) == sum(map(len, both))
    assert {row["chunker"] for row in record["of the document"]} == {row["chunker"] for row in record["sizes"]}
    assert all(row["text"] == TEXTS["Pisa.txt"][row["start"] : row["end"]] for row in record["of the document"])
    with pytest.raises(WorkbenchError, match="no document"):
        told(bench, "chunks", *words, "--document", "nothing")


def test_a_recipe_against_another_in_means_and_by_question(bench):
    words = ["--against", "sparse.k1=0.1", "--against", "sparse.b=0.0", "--depths", "--questions", "mrr"]
    record = told(bench, "evaluate", *WORDS, *words)
    config = with_settings(TrialConfig(), {"corpus.dataset": "towns", "fusion.part": "sparse_only"})
    both = [bench.evaluate(each) for each in (config, with_settings(config, {"sparse.k1": 0.1, "sparse.b": 0.0}))]
    name = "sparse.k1=0.1 sparse.b=0.0"
    wanted = [{"against": name, "metric": metric, **plain(paired)} for metric, paired in bench.differences(*both).items()]
    assert record["differences"] == wanted, "two settings are one recipe to compare with, and it is named"
    assert [row["baseline"] for row in record["questions"]] == both[1].values["mrr"].tolist()
    assert [row["recall"] for row in record["recall by depth, against"]] == [at.mean for at in bench.recall_curve(both[1])]


def test_a_setting_given_again_is_another_recipe_to_compare_with(bench):
    words = [
        "--against",
        "sparse.k1=0.1",
        "--against",
        "sparse.b=0.0",
        "--against",
        "sparse.k1=3",
        "--depths",
        "--questions",
        "mrr",
    ]
    record = told(bench, "evaluate", *WORDS, *words)
    config = with_settings(TrialConfig(), {"corpus.dataset": "towns", "fusion.part": "sparse_only"})
    others = {"sparse.k1=0.1 sparse.b=0.0": {"sparse.k1": 0.1, "sparse.b": 0.0}, "sparse.k1=3": {"sparse.k1": 3}}
    both = {name: bench.evaluate(with_settings(config, settings)) for name, settings in others.items()}
    own = bench.evaluate(config)
    for name, other in both.items():
        rows = {row["metric"]: row for row in record["differences"] if row["against"] == name}
        paired = bench.differences(own, other, ["mrr"])["mrr"]
        assert (rows["mrr"]["difference"], rows["mrr"]["p"]) == (paired.difference, paired.p)
        assert rows["mrr"]["p_holm"] >= rows["mrr"]["p"]
        assert [row["recall"] for row in record["recall by depth, against"] if row["against"] == name] == [
            at.mean for at in bench.recall_curve(other)
        ]
        assert [row["baseline"] for row in record["questions"] if row["against"] == name] == other.values["mrr"].tolist()


@pytest.mark.parametrize("verb", ["chunks", "failures", "curve"])
def test_a_verb_with_one_recipe_to_compare_with_refuses_a_second(bench, verb):
    grid = ["--grid", "sparse.k1=0.1,1.2"] if verb == "curve" else []
    with pytest.raises(
        WorkbenchError, match=r"2 recipes are named to compare with: chunking.size_tokens=64; chunking.size_tokens=96"
    ):
        told(bench, verb, *WORDS, *grid, "--against", "chunking.size_tokens=64", "--against", "chunking.size_tokens=96")


def test_a_setting_chosen_on_dev_is_told_on_test(bench):
    record = told(
        bench, "choose-on-dev", *DENSE, "--set", "fusion.part=convex", "--grid", "fusion.weight=0,0.5,1", "--metric", "mrr"
    )
    base = with_settings(TrialConfig(), {"corpus.dataset": "towns", "embedding.part": "lsa", "evaluation.k": 3})
    dev, test = (with_settings(base, {"corpus.questions": part}) for part in ("dev", "test"))
    means = {w: bench.evaluate(with_settings(dev, {"fusion.weight": w})).intervals["mrr"].mean for w in (0, 0.5, 1)}
    assert means[record["chosen"]] == max(means.values()) and record["to use it"] == f"--set fusion.weight={record['chosen']}"
    both = [bench.evaluate(with_settings(test, {"fusion.weight": w})) for w in (record["chosen"], 0.7)]
    [paired] = record["on test, to the value as set"]
    assert paired["difference"] == bench.differences(*both, ["mrr"])["mrr"].difference and paired["as set"] == 0.7
    told_of = {row["questions"]: (row["mean"], row["n"]) for row in record["of the chosen value"]}
    asked = [len(bench.corpus(half).queries) for half in (dev, test)]
    assert told_of == {"dev": (max(means.values()), asked[0]), "test": (both[0].intervals["mrr"].mean, asked[1])}
    assert f"on {asked[0]} dev questions" in record["told"] and f"On {asked[1]} test questions MRR@3 is" in record["told"]


def test_without_questions_nothing_is_chosen_on_dev(bench):
    with pytest.raises(WorkbenchError, match="No question of the dev half"):
        told(bench, "choose-on-dev", "--dataset", "silent", *WORDS[2:], "--grid", "sparse.k1=0.5,1.5")


def test_weights_of_a_cascade_that_are_no_numbers_are_refused(bench):
    with pytest.raises(WorkbenchError, match="is no grid of numbers"):
        told(bench, "learn-cascade", "--shares", "half")


@pytest.mark.slow
def test_a_cascade_is_chosen_on_other_folds_and_none_is_among_them(bench):
    words = [*WORDS[:2], "--set", "chunking.part=whole_document", "--set", "evaluation.k=3"]
    record = told(
        bench, "learn-cascade", *words, "--depth", "3", "--last", "2", "--shares", "0.5,1", "--folds", "3", "--metric", "mrr"
    )
    base = with_settings(TrialConfig(), {"corpus.dataset": "towns", "chunking": "whole_document", "evaluation.k": 3})
    tried = cascades.cascades(3, 2, (0.5, 1.0))
    assert len(tried) == 1 + 2 + 2 + 4 and tried[0] == {}
    values = np.array([bench.evaluate(with_settings(base, settings)).values["mrr"] for settings in tried])
    held = weights.cross_validated(values, range(len(tried)), [query.id for query in bench.corpus(base).queries], 3)
    assert record["held out"] == pytest.approx(held.values.mean()) and (record["by"], record["units"]) == ("article", len(TOWNS))
    assert [row["chosen"] for row in record["folds"]] == [cascades.in_words(tried[int(fold.weight)]) for fold in held.folds]
    assert [row["against"] for row in record["differences"]] == ["lexical alone", "dense alone", "no reranking"]
    assert cascades.in_words(tried[-1]) == "maxsim 3 × 1, then cross_encoder 2 × 1"


def test_the_values_of_a_curve_against_the_highest(bench, capsys):
    rows = told(bench, "curve", *WORDS, "--grid", "sparse.k1=0.1,1.2,3", "--metric", "mrr", "--best")
    [best] = [row for row in rows if row["mrr difference"] is None]
    assert best["mrr"] == max(row["mrr"] for row in rows) and max(row["mrr difference"] or 0 for row in rows) <= 0
    shown = capsys.readouterr().out.splitlines()
    assert sum(", p " in line and line.endswith(" (Holm)") for line in shown) == len(rows) - 1, "each difference has its p"


@pytest.mark.slow
def test_several_trials_against_a_reference(bench):
    ids = [drain(parse(["run", *WORDS, "--set", f"sparse.k1={k1}"]).work(bench))["id"] for k1 in (0.5, 1.2, 2.0)]
    record = told(bench, "trials-compare", *[trial_id[-8:] for trial_id in ids], "--metric", "mrr", "--questions")
    assert [row["n"] for row in record["tests"]] == [len(TOWNS)] * 2
    assert record["tests"][0]["Difference"] == pytest.approx(bench.compare(ids[0], ids[1], "mrr")["difference"])
    assert [row["id"] for row in parse(["trials", "--find", ids[0][-8:]]).work(bench)] == ids[:1]
    assert not told(bench, "trials", "--tag", "no")
    rows = told(bench, "frontier", "--only", *ids[:2])
    assert sorted(row["trial"] for row in rows) == sorted(ids[:2])
    assert (
        record["settings"][0]["setting"] == "sparse.k1"
        and [len(record[row["Trial"]]) for row in record["tests"]] == [len(TOWNS)] * 2
    )


def test_encoders_side_by_side_and_the_shape_of_their_vectors(bench):
    both = ["--encoder", "lsa", "--encoder", "word2vec-mean"]
    rows = told(bench, "encoders-compare", *both, *DENSE)
    assert [row["encoder"] for row in rows] == ["LSA", "Word2Vec mean"] and "mrr_p_holm" in rows[1] and rows[0]["n"] == len(TOWNS)
    points = told(bench, "encoders-trade-off", *DENSE)
    assert {"int8", "binary"} < {row["format"] for row in points} | {"int8", "binary", ""} and all(
        "mrr_low" in row for row in points
    )
    record = told(bench, "encoders-geometry", *both, *DENSE)
    assert len(record["measures"]) == 2 and record["spectrum"][-1]["share"] == pytest.approx(1)
    assert 0.5 < told(bench, "encoders-separation", *DENSE)["auc"] <= 1
    points = told(bench, "encoders-map", *DENSE)
    assert {row["point"].split()[0] for row in points} == {"chunk", "question"} and {"found"} <= {row["group"] for row in points}
    rows = told(bench, "encoders-questions", *both, "--metric", "mrr", *DENSE)
    assert len(rows) == len(TOWNS) and {row["outcome"] for row in rows} <= {"won", "lost", "equal"}
    assert "outcome" not in told(bench, "encoders-questions", *DENSE)[0]
    with pytest.raises(WorkbenchError, match="no metric"):
        told(bench, "encoders-questions", "--metric", "nothing", *DENSE)
    with pytest.raises(WorkbenchError, match="no encoder"):
        told(bench, "encoders-compare", "--encoder", "nothing", *DENSE)
    with pytest.raises(WorkbenchError, match="no training log"):
        told(bench, "encoders-training", "nothing")


def test_the_inside_of_an_index_and_the_way_of_a_question(bench):
    record = told(bench, "index-inside", *HNSW, "--question", "2")
    assert record["layers"][0]["layer"] == 0 and record["walk"] and sum(row["leave"] for row in record["links"]) > 0
    record = told(bench, "index-inside", *DENSE, "--set", "index.part=faiss_ivf", "--set", "index.nlist=2")
    assert len(record["lists"]) == 2 and len(record["nearest"]) == 3 and record["imbalance"] >= 1
    with pytest.raises(WorkbenchError, match="cannot be read out"):
        told(bench, "index-inside", *DENSE)
    with pytest.raises(WorkbenchError, match="no question 99"):
        told(bench, "index-inside", *HNSW, "--question", "99")


def test_what_an_index_loses_by_question_and_both_rankings_of_one(bench):
    record = told(bench, "index-questions", *HNSW, "--metric", "mrr", "--question", "2")
    assert len(record["questions"]) == len(TOWNS) and len(record["exact search"]) == 3
    assert record["this index"][0]["rank elsewhere"] == 1 and "exact search" not in told(bench, "index-questions", *HNSW)
    with pytest.raises(WorkbenchError, match="no question 99"):
        told(bench, "index-questions", *HNSW, "--question", "99")


def test_an_index_under_filters_with_fallback_and_over_a_life(bench):
    rows = told(bench, "index-filters", *HNSW, "--by", "document")
    assert {row["questions"] for row in rows} == {len(TOWNS)} and all(0 <= row["recall"] <= 1 for row in rows)
    assert told(bench, "index-sweep", *HNSW)[0]["status"] == "ok"
    rows = told(bench, "index-fallback", *HNSW, "--rule", "likeness")
    assert rows[-1]["sent"] == 1 and rows[-1]["recall_after"] == pytest.approx(1)
    record = told(bench, "index-life", *HNSW, "--rounds", "2", "--changes", "update")
    assert [row["round"] for row in record["rounds"]] == [0, 1, 2] and "rebuild: lost_recall" in record
    assert all(0 <= row["fresh_recall"] <= 1 and 0 <= row["recall"] <= 1 for row in record["rounds"])
    with pytest.raises(WorkbenchError, match="No life of this index by documents"):
        told(bench, "index-schedule", *HNSW)
    record = told(bench, "index-life", *HNSW, "--rounds", "2", "--changes", "each", "--unit", "documents")
    record = told(bench, "index-schedule", *HNSW, "--lost", "2", "--daily", "1") | {"churned": record["rounds"][-1]["churned"]}
    assert (
        record["tried"] == record["churned"] > 0 and record["unit"] == "documents" and "removed or changed" in record["told"][0]
    )
    words = told(bench, "index-switch", "word2vec", *HNSW)
    assert any("moved from one encoder to the other" in line for line in words)


def test_a_switch_asks_questions_of_all_subjects(bench, monkeypatch):
    """A corpus has its questions in the order of its subjects: the first are of the first subject."""
    monkeypatch.setattr(shadow, "LIFE_QUERIES", 4)
    monkeypatch.setattr(shadow, "switch", lambda *_, questions, **rest: iter(questions))
    recipe = parse(["index-switch", "word2vec", *HNSW]).options["recipe"].read()
    asked = [*shadow.switch_encoder(bench, recipe, "word2vec")][-4:]
    assert asked == [QUESTIONS[row]["question"] for row in drawn_of(np.arange(len(QUESTIONS)), 4)]


def test_tokenizers_are_trained_and_compared(bench, monkeypatch):
    monkeypatch.setenv("GROUNDWORK_HOME", str(bench.home))
    path = told(bench, "train-tokenizer", "small", "--train", "size=300", *WORDS)
    assert path.startswith(str(bench.home)) and path.endswith("tokenizer.json")
    rows = told(bench, "tokenizers-compare", "--tokenizer", "small", "--tokenizer", "MiniLM", "--documents", "4", *WORDS)
    assert {row["tokenizer"] for row in rows} == {"small", "MiniLM"} and rows[0]["documents"] == 4
    [split] = told(bench, "tokenizers-split", "The market of Lund", "--file", path)
    assert split["split"].replace("│", "") == "The market of Lund" and split["split"].count("│") == split["tokens"] - 1


def test_the_architecture_of_a_model_and_its_memory():
    record = told(None, "inside-architecture", "Llama 3.1 8B", "--context", "131072")
    assert record["parameters"] == sum(row["parameters"] for row in record["parts"])
    longest = [row for row in record["cache by context"] if row["context"] == 131_072]
    assert {row["attention"]: row["bytes"] for row in longest}["MHA"] == 2 * 32 * 32 * 128 * 131_072 * 2
    assert told(None, "inside-architecture", "Llama 3.1 8B", "--name", "Mine")["name"] == "Mine"
    with pytest.raises(WorkbenchError, match="no precision"):
        told(None, "inside-architecture", "Llama 3.1 8B", "--cache", "int3")


@pytest.mark.slow
def test_where_the_bundled_model_looks_and_what_its_cache_saves(bench):
    question = QUESTIONS[0]["question"]
    record = told(bench, "inside-attention", question, *WORDS, "--passages", "1", "--tokens", "16", "--layer", "1", "--head", "2")
    heads = np.array(
        [[value for key, value in row.items() if key not in ("layer", "head", "entropy_bits")] for row in record["heads"]]
    )
    assert len(record["map"]) == record["tokens"] and np.allclose(heads.sum(1), 1, atol=0.01)
    with pytest.raises(WorkbenchError, match="no layer 99"):
        told(bench, "inside-attention", question, *WORDS, "--passages", "1", "--tokens", "16", "--layer", "99")
    record = told(bench, "inside-cache", *WORDS, "--tokens", "4", "--every", "2", "--library")
    assert (
        record["beside transformers"][0]["same_text"]
        and len(record["steps"]) == 3
        and all(row["same"] in (True, None) for row in record["steps"])
    )


def test_a_mixture_of_experts_with_its_loads(bench, monkeypatch):
    monkeypatch.setenv("GROUNDWORK_HOME", str(bench.home))
    record = told(bench, "inside-experts", "--train", "steps=20", "--train", "layers=1", *WORDS)
    assert sum(row["share"] for row in record["loads"]) == pytest.approx(1) and len(record["steps"]) == 20
    assert [row["layer"] for row in record["layers"]] == [0] and 0 <= record["layers"][0]["dropped"] <= 1
    assert record["routes"] and {row["expert"] for row in record["loads"]} >= {row["layer 0"] for row in record["routes"]}


@pytest.mark.slow
def test_an_answer_token_by_token_and_chains_side_by_side(bench):
    question = QUESTIONS[0]["question"]
    record = told(bench, "sample-trace", question, *WORDS, "--tokens", "4", "--chain", "top_k=3 temperature=0.5", "--place", "2")
    assert len(record["tokens"]) <= 4 and {row["step"] for row in record["steps"]} > {"model itself"}
    kept = {row["token"] for row in record["steps"] if row["kept"] and row["step"] != "model itself"}
    assert len(kept) == 3 and record["answer"]
    rows = told(bench, "sample-compare", question, *WORDS, "--chain", "greedy", "--search", "beam=2", "--tokens", "3")
    assert [row["name"] for row in rows] == ["greedy", "beam=2"] and not any(row["problem"] for row in rows)
    beams = told(bench, "sample-search", question, *WORDS, "--search", "beam=2", "--tokens", "3")["lines"]
    assert len(beams) == 2 and beams[0]["text"] == rows[1]["text"]
    record = told(bench, "sample-search", question, *WORDS, "--search", "contrastive=3", "--tokens", "3")
    assert [row["place"] for row in record["choices"]] == [1, 2, 3]


@pytest.mark.slow
def test_an_answer_that_was_put_on_another_way_is_written_again(bench):
    question = QUESTIONS[0]["question"]
    words = ["sample-trace", question, *WORDS, "--tokens", "5", "--chain", "top_k=3"]
    record = told(bench, *words)
    other = next(row["token"] for row in record["steps"] if row["token"] != record["tokens"][0]["token"])
    with pytest.raises(WorkbenchError, match="The answer has 5 tokens"):
        told(bench, *words, "--place", "6")
    again = told(bench, *words, "--begin", str(other), "--place", "2")
    assert again["tokens"][0]["token"] == other and len(again["chain"]) == 2 and again["sentences"]
    whole = [str(row["token"]) for row in again["tokens"]]
    assert told(bench, *words, "--begin", *whole, "--place", "2") == again


def test_power_is_told_over_the_number_of_items():
    record = told(None, "power", "rate", "--items", "40", "--annotators", "2", "--curve", "--set", "target=0.1")
    curves = drain(power.curves("rate", {"rate": 0.7, "alpha": 0.6, "target": 0.1}, 40, 2))
    assert record["curve"] == power.curve_rows(curves, 2) and record["designs"][0]["formula"] == curves.at
    assert {row["by"] for row in record["curve"]} == {"formula", "simulation"}


@pytest.mark.slow
def test_jobs_are_listed_shown_and_run_again(bench):
    job = bench.jobs.start(["trials"], "Listing")
    while bench.jobs.get(job).active:
        time.sleep(0.05)
    [row] = told(bench, "jobs", "list")
    assert (row["id"], row["label"]) == (job, "Listing") and row["status"] == told(bench, "jobs", "show", job)["status"]
    assert told(bench, "jobs", "cancel", job)["status"] == row["status"]
    assert told(bench, "jobs", "resume", job) == job
    told(bench, "jobs", "cancel", job)


def test_what_can_be_asked_in_sql_is_told():
    rows = told(None, "tables")
    assert {"trials", "scores"} <= {row["table"] for row in rows} and all(row["meaning"] for row in rows)


def test_chains_are_saved_listed_and_deleted(bench):
    told(bench, "chains", "save", "Mine", "top_k=7 temperature=0.5")
    assert {"name": "Mine", "chain": "top_k=7 temperature=0.5"} in told(bench, "chains", "list")
    told(bench, "chains", "delete", "Mine")
    assert "Mine" not in {row["name"] for row in told(bench, "chains", "list")}
    for name in ("Mine", "Creative"):
        with pytest.raises(WorkbenchError, match="no saved chain"):
            told(bench, "chains", "delete", name)


def test_a_verb_that_fails_says_so_and_ends_with_one(capsys, monkeypatch, bench):
    monkeypatch.setattr("core.workbench.Workbench", lambda: bench)
    assert main(["index-inside", *DENSE]) == 1 and "to do:" in capsys.readouterr().err


def test_every_verb_says_what_it_does_in_one_sentence():
    for verb in VERBS.values():
        about = verb.function.__doc__ or ""
        assert about[:1].isupper() and about.strip().endswith("."), verb.name


def test_own_prices_are_saved_and_listed_as_the_page_does(bench, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("models: {claude-opus-5: {input: 1, output: 2}, dear: {input: 100, output: 100}}")
    assert parse(["prices", "save", str(file)]).work(None) == "Saved the prices of 2 models."
    assert (files.home() / "prices.yaml").read_text() == file.read_text()
    listed = {row.pop("model"): row for row in told(bench, "prices", "list")}
    assert {model for model, row in listed.items() if row["table"] == "own"} == {"claude-opus-5", "dear"}
    assert listed["claude-opus-5"]["output"] == 2 and listed["claude-haiku-4-5"]["table"] == "shipped"
    file.write_text("models: [1]")
    with pytest.raises(WorkbenchError, match="cannot be read"):
        parse(["prices", "save", str(file)]).work(None)
    file.write_text("")
    parse(["prices", "save", str(file)]).work(None)
    assert not (files.home() / "prices.yaml").exists() and "dear" not in {row["model"] for row in told(bench, "prices", "list")}


def test_trials_are_listed_with_what_each_measured_at_whatever_depth(capsys):
    from core.cli.trials import show_trials

    row = {"id": "a", "created": "now", "name": "", "dataset": "towns", "status": "ok", "measured": 4}
    show_trials([row | {"metrics": {"f1@5": 0.5, "recall@5": 0.25}}, row | {"id": "b", "metrics": {"f1@10": 0.75}}])
    head, first, second = (line.split() for line in capsys.readouterr().out.splitlines())
    assert head[-2:] == ["f1", "recall@5"] and first[-2:] == ["0.5", "0.25"] and second[-1] == "0.75"


def test_a_cost_below_one_is_told_in_digits_that_say_something(capsys):
    from core.cli.trials import show_trial

    costs = [("answer_s", 0.0321, 0.0279, 0.0405), ("context_at_k", 2147.53, 2131.1, 2163.9), ("chunks", 705, None, None)]
    spread = [dict(zip(("cost", "value", "low", "high"), cost, strict=True)) | {"n": 30} for cost in costs]
    show_trial({"metrics": [], "spread": spread, "repeat_of": [], "id": "a"})
    told = capsys.readouterr().out
    assert "Median time of an answer: 0.032 s (0.028 to 0.041; n 30)" in told
    assert "2,147.5 tokens (2,131.1 to 2,163.9; n 30)" in told and "705 chunks\n" in told


@pytest.mark.parametrize("verb", ["compare", "side-by-side", "matrix", "compare-with", "every-test"])
@pytest.mark.parametrize("metric", ["ndcg", ""])
def test_a_metric_that_no_trial_has_is_told(workbench, verb, metric):
    questions = add_questions(workbench.store)
    trials = [add_trial(workbench.store, questions, seed=seed) for seed in range(2)]
    with pytest.raises(WorkbenchError, match=f"no '{metric}' of a trial"):
        told(workbench, "trials", verb, *trials, "--metric", metric)


def test_a_study_that_is_not_there_has_no_history(workbench):
    with pytest.raises(WorkbenchError, match="no study 'x'"):
        told(workbench, "annotate", "history", "x")


def test_a_status_that_no_trial_has_is_wrong_usage(capsys):
    assert parse(["trials", "list", "--status", "okk"]) == 2 and '"interrupted"' in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["trials", "list", "--dataset", "nope"],
        ["trials", "rows", "--dataset", "nope"],
        ["trials", "looks", "--dataset", "nope"],
        ["corpus", "files", "nope"],
        ["corpus", "documents", "--source", "nope", *WORDS],
        ["corpus", "questions", "--group", "nope", *WORDS],
    ],
)
def test_what_no_corpus_has_is_told_and_is_no_empty_list(bench, words):
    with pytest.raises(WorkbenchError, match="nope"):
        told(bench, *words)
    assert told(bench, "trials", "list", "--dataset", "python-api") == [], "a corpus of which no trial is stored yet"


def test_sides_to_compare_have_to_be_named(bench):
    with pytest.raises(WorkbenchError, match="nothing to compare"):
        told(bench, "sampling", "compare", "Where?", *WORDS)


@pytest.mark.parametrize("token", ["7", "-1"])
def test_an_answer_begins_with_no_token_that_the_model_has_not(bench, monkeypatch, token):
    def read(*_):
        yield from ()
        return prompts.Opened(None, False)

    monkeypatch.setattr(prompts, "read", read)
    monkeypatch.setattr(prompts, "first_logits", lambda *_: np.zeros(7))
    with pytest.raises(WorkbenchError, match=f"no token {token}"):
        told(bench, "sampling", "trace", "Where?", "--begin", token, *WORDS)
