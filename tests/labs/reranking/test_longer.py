"""A passage longer than a reranker reads at once: how it is read is told beside it, and counted for the recipe."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import session
from core.cli.recipes import show_hits
from core.config import TrialConfig, with_settings
from core.labs.reranking import effect
from core.models.hub import bundled_folder
from core.pipeline.hits import hits_of, longer_passages
from core.pipeline.provenance import Way, provenance
from core.progress import drain
from core.records import Answer, Query, plain
from core.reranking.bert_pairs import PairTokens
from tests.support.screen import visit
from tests.support.small_corpora import with_towns

SHORT = "The mill of Gent grinds at dawn."
LONG = " ".join(f"Stall number {number} of the market sells a thing of its own." for number in range(8))
TEXTS = {"gent.txt": SHORT, "lund.txt": LONG, "pisa.txt": "A mill stands in Pisa."}
QUESTIONS = [
    {"id": "a", "question": "When does the mill of Gent grind?", "document": "gent.txt", "answer": "at dawn"},
    {"id": "b", "question": "What does the market sell?", "document": "lund.txt", "answer": "a thing of its own"},
]
RECIPE = {
    "corpus.dataset": "towns",
    "fusion.part": "sparse_only",
    "chunking.part": "whole_document",
    "rerank.part": "cross_encoder",
    "rerank.max_tokens": 48,
    "rerank.depth": 2,
}
NO_RERANKER = {name: value for name, value in RECIPE.items() if "rerank" not in name}
TOLD = "longer than the reranker reads"


@pytest.fixture(scope="module")
def towns(tmp_path_factory):
    return with_towns(tmp_path_factory.mktemp("towns"), TEXTS, QUESTIONS)


def recipe(**settings):
    return with_settings(TrialConfig(), RECIPE | settings)


def test_windows_are_counted_as_they_are_read():
    tokens = PairTokens(bundled_folder(), 40)
    pairs = [(q * times, p * many) for q, p in (("why ", "the mill "),) for times in (0, 1, 30) for many in (0, 1, 9, 10, 17, 60)]
    made = [tokens.windows(*tokens.ids([question, passage])) for question, passage in pairs]
    assert tokens.counts(pairs) == list(map(len, made)) and max(tokens.counts(pairs)) > 3
    assert all(len(ids) <= 40 for some in made for ids, _ in some)


def test_hits_and_the_recipe_say_it(towns, capsys):
    current = towns.evaluate(recipe())
    hits = {hit.document_id: hit for row in range(2) for hit in towns.hits(current, row)}
    assert set(hits["lund.txt"].longer) == {"reranked"} and hits["lund.txt"].longer["reranked"].endswith(
        " windows, of which the best score counts"
    )
    assert not hits["gent.txt"].longer
    [step] = longer_passages(towns.pipeline, current)
    assert step.sentence().startswith(
        f"1 of {step.passages} passages are longer than the cross encoder reads at once. How they are read: "
    )
    assert step.passages == len({*np.unique(current.pool.chunk)} - {-1})
    assert effect.record(towns, current, "mrr")["longer"] == step.sentence()
    show_hits(plain(towns.search(recipe(), QUESTIONS[1]["question"])))
    assert TOLD in capsys.readouterr().out


def test_what_is_read_whole_or_not_at_all_is_not_told(towns):
    fitted = {"corpus.dataset": RECIPE["corpus.dataset"], "embedding.part": "lsa", "rerank.part": "encoder"}  # it reads all
    for settings in (RECIPE | {"rerank.max_tokens": 0}, NO_RERANKER, fitted):
        current = towns.evaluate(with_settings(TrialConfig(), settings))
        assert not longer_passages(towns.pipeline, current)
        assert not any(hit.longer for row in range(2) for hit in towns.hits(current, row))
    deep = towns.evaluate(recipe(**{"rerank.depth": 1}))  # of the first question the mill of Gent alone is read
    hits = towns.hits(deep, 0)
    assert hits[0].document_id == "gent.txt" and not any(hit.longer for hit in hits)


def test_an_answer_s_provenance_says_it(towns):
    run, way = towns.resolve(recipe()), Way()
    hits = drain(towns._search(run, QUESTIONS[1]["question"], way))
    made = provenance(run, way, hits, Answer("", tuple(hits), (), "stop"), 10.0)
    stages = next(origin.stages for origin in made.origins if origin.document_id == "lund.txt")
    assert stages["reranked"].longer.endswith("the best score counts") and not stages["fused"].longer


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rerank.part": "maxsim", "embedding.max_tokens": 32}, " windows, every word counts"),
        ({"rerank.part": "encoder", "embedding.max_tokens": 32}, "its first 30 tokens"),
        ({"rerank.part": "model_listwise", "rerank.words": 20}, "its first 20 words"),
    ],
)
def test_every_reranker_says_what_it_does_of_its_own(towns, settings, words):
    run = towns.resolve(with_settings(TrialConfig(), NO_RERANKER | settings))
    pool = drain(towns.pipeline.pool_of(run, QUESTIONS[1]["question"]))
    fused = np.where(pool.chunk < 0, -np.inf, pool.score["sparse"]).astype(np.float32)
    steps = {"fused": fused, "reranked": fused}  # as it was: only what is read is asked here
    hits = hits_of(towns.pipeline, run, pool, fused, 0, [Query("", QUESTIONS[1]["question"])], steps)
    told = {hit.document_id: hit.longer for hit in hits}
    assert told["lund.txt"]["reranked"].endswith(words) and not any(how for name, how in told.items() if name != "lund.txt")


@pytest.mark.slow
def test_the_page_tells_it_for_the_recipe_and_beside_the_passage(towns, monkeypatch):
    monkeypatch.setattr(session, "workbench", lambda: towns)
    monkeypatch.setattr("core.labs.trials.curve.AT_ONCE_MS", float("inf"))
    towns.evaluate(recipe())
    app = visit("search_live", RECIPE)
    assert not app.exception
    assert any("passages are longer than the cross encoder reads" in caption.value for caption in app.caption)
    monkeypatch.setattr("app.ui.ways.link", lambda *_, **__: None)  # a page of its own has no other pages
    shown = AppTest.from_function(_opened, args=(towns.evaluate(recipe()),), default_timeout=120).run()
    assert TOLD in "".join(element.proto.body for element in shown.get("html"))


def _opened(current):
    from app.ui.search import questions

    questions.side_by_side(current, None, 1)
