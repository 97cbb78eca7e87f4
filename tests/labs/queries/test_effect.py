"""What a transform asked, what it cost and gained, and rewritings beside people's, with a played model."""

import json

import pytest

from core.__main__ import parse
from core.config import TrialConfig, with_settings
from core.generation.llama_engine import LlamaCpp
from core.generation.protocol import Generated
from core.labs.answers.answering import askings
from core.labs.queries import effect as queries
from core.pipeline.answers import Asker
from core.progress import drain
from core.records import Query, plain
from tests.corpus.test_canard import SAMPLE
from tests.support.played_model import play
from tests.support.small_corpora import MARKET_QUESTIONS, MARKETS, with_towns

RECIPE = {"corpus.dataset": "towns", "fusion.part": "sparse_only", "query.part": "rewrite"}


@pytest.fixture
def played(monkeypatch):
    played = play(monkeypatch)
    played.says = {
        MARKET_QUESTIONS[0]["question"]: MARKET_QUESTIONS[0]["question"],
        MARKET_QUESTIONS[1]["question"]: "an old mill",
    }
    return played


@pytest.fixture
def bench(tmp_path):
    return with_towns(tmp_path / "home", MARKETS, MARKET_QUESTIONS)


def recipe(**settings):
    return with_settings(TrialConfig(), RECIPE | settings)


def test_texts_that_are_not_kept_are_a_job(bench, played):
    plan = bench.plan(recipe())
    assert not plan.live and "2 texts by the model" in plan.what and not played.runs
    drain(bench.prepare(recipe()))
    assert bench.plan(recipe()).live
    asked = len(played.runs)
    made = drain(queries.asked(bench, recipe(), 0))
    assert len(played.runs) == asked and made.wordings[1].sparse == ("an old mill",)
    assert made.fell_back == {"the model repeated the question": 1}


def test_another_seed_or_model_is_not_live(bench, played):
    drain(bench.prepare(recipe()))
    assert not bench.plan(recipe(**{"seed": 1})).live
    assert not bench.plan(recipe(**{"generation.model": "/another.gguf"})).live
    assert bench.plan(recipe(**{"query.part": "as_asked", "seed": 1})).live


def test_a_file_to_be_converted_is_not_converted_on_a_page(bench, played, monkeypatch):
    from core.generation.llama_engine import LlamaCpp

    monkeypatch.setattr(LlamaCpp, "converts", lambda part: True)
    monkeypatch.setattr(LlamaCpp, "identity", lambda part: pytest.fail("the file would be converted"))
    assert "converting" in bench.plan(recipe()).what
    assert bench.plan(recipe(**{"query.part": "as_asked"})).live


def test_cost_and_gain(bench, played):
    record = plain(drain(queries.transformed(bench, recipe())))
    assert record["questions"] == record["texts"] == 2 and record["fell back"] == 1
    assert (
        record["tokens"] == 3 + len(MARKET_QUESTIONS[0]["question"].split(" "))
        and record["tokens a question"] == record["tokens"] / 2
    )
    gained = next(row for row in record["gain"] if row["metric"] == "hit")
    before = bench.evaluate(recipe(**{"query.part": "as_asked"})).values["hit"]
    after = bench.evaluate(recipe()).values["hit"]
    assert gained["difference"] == pytest.approx((after - before).mean()) and gained["wins"] == 1
    assert [row["asked"] for row in record["asked"]] == [MARKET_QUESTIONS[0]["question"], "an old mill"]


def test_a_recipe_that_asks_as_it_stands_costs_nothing(bench, played):
    record = drain(queries.transformed(bench, recipe(**{"query.part": "as_asked"})))
    assert "texts" not in record and "gain" not in record and record["fell back"] == 0


def test_a_question_that_stands_is_ranked_alike_beside_others_and_by_itself(bench, played):
    played.says = {
        MARKET_QUESTIONS[0]["question"]: "What market is there?\nWhich day is it?",
        MARKET_QUESTIONS[1]["question"]: "",
    }
    several = recipe(**{"query.part": "multi_query", "fusion.part": "convex"})
    beside, asked = bench.hits(bench.evaluate(several), 1), MARKET_QUESTIONS[1]["question"]
    for alone in (
        bench.search(several, asked),
        bench.search(recipe(**{"query.part": "as_asked", "fusion.part": "convex"}), asked),
    ):
        assert [hit.document_id for hit in alone] == [hit.document_id for hit in beside]
        assert [hit.score for hit in alone] == pytest.approx([hit.score for hit in beside], abs=1e-5)


@pytest.mark.parametrize("changed", [{"query.part": "multi_query"}, {"index.metric": "l2"}, {}])
def test_only_a_similarity_is_held_to_the_threshold(bench, played, monkeypatch, changed):
    """Sums of reciprocal ranks and distances lie below every threshold: all answers would be "I don't know."."""
    question = MARKET_QUESTIONS[0]["question"]
    played.says = {question: "What market is there?\nWhich day is it?"}
    config, judged = recipe(**{"query.part": "as_asked", "fusion.part": "dense_only", **changed}), not changed
    monkeypatch.setattr(LlamaCpp, "generate", lambda *_: says("at five"))
    hits, loose = bench.search(config, question), with_settings(config, {"context.threshold": 0.2})
    assert hits[0].scores["dense"] < 0.1 or judged
    for least, asks in ((loose, True), (with_settings(config, {"context.threshold": 0.9}), not judged)):
        evaluation = bench.evaluate(least)
        assert [each.asks for each in askings(bench, evaluation, [0])] == [asks]
        assert Asker(evaluation.run).over(question, hits).asks == asks
        assert drain(bench.ask(least, question)).finish_reason == ("stop" if asks else "abstained")


def says(text):
    yield text
    return Generated(text, "stop", "", 1, 0, 1, 0.0, 1.0, "played", "0")


def test_the_command_prints_it(bench, played, capsys):
    call = parse(["transform-queries", "--dataset", "towns", "--set", "query.part=rewrite", "--set", "fusion.part=sparse_only"])
    record = plain(drain(call.work(bench)))
    call.verb.show(record)
    assert "an old mill" in capsys.readouterr().out
    assert "asked" not in call.verb.job_keeps(record) and json.dumps(call.verb.job_keeps(record))


def test_rewritings_beside_peoples(bench, played):
    played.says = {"Who built it?": "Who built the old mill?", "sell it?": "When did they sell the harbour?", "now?": ""}
    call = parse(["rewrites", str(SAMPLE)])
    record = plain(drain(call.work(bench)))
    call.verb.show(record)
    assert record["questions"] == record["changed by people"] == 3 and record["conversations"] == 1
    assert record["nearer than copying"] == 1 and record["farther than copying"] == 0 and record["fell back"] == 1
    copied, made, difference = (row["f1"] for row in record["f1"][:3])
    # SQuAD's F1 leaves articles out: "who built it" has 2 of the 4 words of "who built old mill"
    assert record["f1"][0]["n"] == 3 and made - copied == pytest.approx(difference) == pytest.approx((1 - 4 / 7) / 3)


def test_rm3_tells_its_words(bench):
    """Of one chunk: half of the weight is the question's own two words that are anywhere, half are the chunk's."""
    weighted = recipe(**{"query.part": "rm3", "query.common": 1.0, "query.documents": 1, "query.terms": 3})
    run = bench.resolve(weighted)
    made = drain(queries.words(bench, run, run.corpus.queries))
    assert list(made[0].own) == sorted(made[0].own, key=lambda word: (-made[0].own[word], word))
    assert "lund" in made[0].own and made[0].own["lund"] > made[0].own["open"], "the chunk gives it too"
    assert made[0].added and "opens" not in made[0].own and sum((made[0].own | made[0].added).values()) == pytest.approx(1.0)
    assert not drain(queries.words(bench, run.of(recipe(**{"query.part": "as_asked"})), run.corpus.queries))
    dense = recipe(**{"query.part": "rm3", "fusion.part": "dense_only"})
    assert not drain(queries.words(bench, run.of(dense), run.corpus.queries))
    row = drain(queries.transformed(bench, weighted))["asked"][0]
    assert row["added"].startswith(next(iter(made[0].added)))


def test_rm3_takes_no_words_of_documents_that_may_not_be_found(bench):
    settings = {"query.part": "rm3", "query.common": 1.0, "query.documents": 1, "retrieval.documents": "pisa.txt"}
    run = bench.resolve(recipe(**settings))
    [words] = drain(queries.words(bench, run, [Query("", "the mill of Lund")]))
    assert "old" in words.added and "five" not in words.added
