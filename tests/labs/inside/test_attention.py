"""Which prompt attention is shown of."""

from collections.abc import Generator
from types import SimpleNamespace

import pytest

from core.config import TrialConfig, with_settings
from core.labs.inside import attention
from core.progress import drain
from core.records import Gold, Query
from tests.support.small_corpora import MARKET_QUESTIONS, MARKETS, with_towns

ASKED = MARKET_QUESTIONS[0]["question"]


class Words:
    """A token a word."""

    def encode(self, text: str, add_special_tokens: bool) -> SimpleNamespace:
        ends = [at for at, letter in enumerate(text + " ") if letter == " "]
        return SimpleNamespace(offsets=list(zip([0, *(end + 1 for end in ends)], ends, strict=False)))


def loaded() -> Generator[None, None, SimpleNamespace]:
    yield from ()
    return SimpleNamespace(tokenizer=Words())


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setattr(attention, "load", loaded)
    monkeypatch.setattr(attention, "look_at", lambda tools, question, hits: [hit.text for hit in hits])
    return with_towns(tmp_path / "home", MARKETS, MARKET_QUESTIONS)


def test_maps_are_remembered_by_the_passages_as_they_are_cut(bench):
    """Typed in by hand a question has no evidence, around which its passages are cut, though its words are the same."""
    recipe = with_settings(TrialConfig(), {"corpus.dataset": "towns", "fusion.part": "sparse_only"})
    hit = bench.search(recipe, ASKED)[0]
    of_corpus = Query("a", ASKED, (Gold(hit.document_id, len(hit.text) - 5, len(hit.text)),))
    typed, around = (drain(attention.look(bench, recipe, query, 1, 3)) for query in (Query("", ASKED), of_corpus))
    assert typed == ["The market of"] and around == [" ".join(hit.text.split()[-3:])]
    assert drain(attention.look(bench, recipe, of_corpus, 1, 3)) is around
