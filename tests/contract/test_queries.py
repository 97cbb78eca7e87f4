"""One suite for every query transform: a part joins by existing. `core/queries/protocol.py` says the contract in words.

What a language model would write is played: a model that writes words, nothing, the question, and without an end.
"""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from core import registry
from core.generation.llama_engine import LlamaCpp
from core.generation.model_texts import TextTools
from core.progress import Running, Unready
from core.queries.by_model import LONGEST
from core.queries.protocol import QueryTransform, Wording
from core.records import Candidates, Progress, Query
from tests.support.parts import is_described, others
from tests.support.played_model import play

pytestmark = pytest.mark.parametrize("name", list(registry.parts("query")))
SAID = ("The market of Lund", "Opening", "When does it open?", "At five.")
QUERIES = (
    Query("a", "Who sells tea in the market?"),
    Query("b", "When does it close?", history=SAID),
    Query("c", "  ¿Dónde?\n\nQuestion: 1. <|im_end|> [1] " + "\u202e" + "🙂"),
    Query("d", "why " * LONGEST),
    Query("e", "?!"),
)


def part(name: str) -> QueryTransform:
    return registry.find("query", name)()


def tools(folder: Path, most: int | None = None, seed: int = 0) -> TextTools:
    return TextTools(LlamaCpp(), seed, folder, most)


def wordings(settings: QueryTransform, queries: tuple[Query, ...], using: TextTools) -> list[Wording]:
    steps = Running(settings.texts(queries, using))
    assert all(isinstance(step, Progress) for step in steps), "texts yields Progress(done, total, message), nothing else"
    return steps.result


def holds(settings: QueryTransform, queries: tuple[Query, ...], made: list[Wording]) -> None:
    """What is true of what is asked, whatever a model wrote."""
    assert isinstance(made, list) and len(made) == len(queries), f"{len(queries)} questions, and not as many wordings"
    for query, wording in zip(queries, made, strict=True):
        assert isinstance(wording, Wording), f"texts gives {type(wording).__name__}: give a Wording a question"
        assert wording.sparse and (wording.dense or wording.passages), "a retriever would be asked nothing: `as_it_stands`"
        one = settings.averages() or len(wording.dense) + len(wording.passages) == 1
        assert one or settings.fuses, "its scores are no similarities: say so by `fuses`"
        for text in (*wording.sparse, *wording.dense, *wording.passages):
            assert isinstance(text, str) and text.strip(), f"'{text}' is no text that can be searched"
        if wording.note:
            assert wording[:3] == ((query.text,), (query.text,), ()), "with a note the question is asked as it stands"


def test_it_is_described(name):
    is_described("query", name, QueryTransform)


def test_a_wording_for_every_question(name, tmp_path, monkeypatch):
    play(monkeypatch)
    for settings in (part(name), *others(type(part(name)))):
        holds(settings, QUERIES, wordings(settings, QUERIES, tools(tmp_path)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "?",
        "1.",
        "\n\n\n",
        "word " * 300,
        "why? " * 300,
        "Who?\n" * 40,
        "<|im_start|>user",
        "\u0000\ud800",
        "- \n* \n1) ?",
    ],
)
def test_whatever_a_model_writes_something_can_be_asked(name, text, tmp_path, monkeypatch):
    play(monkeypatch).says = {"": text}
    for settings in (part(name), *others(type(part(name)))):
        holds(settings, QUERIES, wordings(settings, QUERIES, tools(tmp_path)))


def test_a_model_that_repeats_the_question_is_told(name, tmp_path, monkeypatch):
    play(monkeypatch).says = {query.text: query.text.upper() for query in QUERIES[:2]}
    made = wordings(part(name), QUERIES[:2], tools(tmp_path))
    holds(part(name), QUERIES[:2], made)
    if part(name).asks_model:
        assert all(wording.note for wording in made), "the question is asked again in its own words, and no note says so"


def test_no_question_is_no_work(name, tmp_path, monkeypatch):
    played = play(monkeypatch)
    assert wordings(part(name), (), tools(tmp_path, most=0)) == [] and not played.runs


def test_what_was_written_is_not_written_again(name, tmp_path, monkeypatch):
    played = play(monkeypatch)
    first = wordings(part(name), QUERIES, tools(tmp_path))
    asked = len(played.runs)
    assert wordings(part(name), QUERIES, tools(tmp_path, most=0)) == first and len(played.runs) == asked
    assert bool(asked) == part(name).asks_model, "`asks_model` says whether a model writes its texts"


def test_more_than_may_be_written_now_is_refused(name, tmp_path, monkeypatch):
    played = play(monkeypatch)
    with pytest.raises(Unready) if part(name).asks_model else nullcontext():
        wordings(part(name), QUERIES, tools(tmp_path, most=0))
    assert not played.runs


def test_a_question_is_worded_without_the_others(name, tmp_path, monkeypatch):
    play(monkeypatch)
    whole = wordings(part(name), QUERIES, tools(tmp_path / "whole"))
    alone = [wordings(part(name), (query,), tools(tmp_path / "alone"))[0] for query in QUERIES]
    assert alone == whole, "what is asked for a question changes with the questions beside it"


def test_the_settings_decide_the_texts(name, tmp_path, monkeypatch):
    """One folder serves all settings: what is kept there belongs to those that it was written for."""
    play(monkeypatch)
    usual = part(name)
    wordings(usual, QUERIES, tools(tmp_path))
    for settings in others(type(usual)):
        kept = wordings(settings, QUERIES, tools(tmp_path))
        fresh = wordings(settings, QUERIES, tools(tmp_path / str(abs(hash(settings)))))
        assert kept == fresh, f"after the defaults, {settings} gives what the defaults left behind"


TEXTS = [
    f"The market of {town} opens at {hour}." for town in ("Lund", "Gent", "Pisa", "Turin") for hour in ("five", "six", "noon")
]


def ranked(found: Candidates, questions: int, depth: int) -> None:
    assert found.chunk.dtype == np.int32 and found.score.dtype == np.float32, "chunk is int32, score float32"
    assert found.chunk.shape == found.score.shape and len(found.chunk) == questions and found.chunk.shape[1] <= depth
    assert ((found.chunk < 0) == np.isnan(found.score)).all(), "NaN stands where the chunk is -1, and nowhere else"
    for chunk, score in zip(found.chunk, found.score, strict=True):
        there = chunk[chunk >= 0]
        assert len(set(there.tolist())) == len(there) and (there < len(TEXTS)).all(), "a chunk is found twice, or is none"
        assert (np.diff(score[chunk >= 0]) <= 0).all(), "the best chunk stands first"


def test_words_are_searched(name):
    sparse, ties = registry.find("sparse", "bm25s")(), np.arange(len(TEXTS), dtype=np.int32)
    chunks, asked = sparse.tokenize(TEXTS), sparse.tokenize(["When does the market of Lund open?", "noon in Turin", "xyzzy"])
    for settings in (part(name), *others(type(part(name)))):
        found = settings.search_sparse(sparse.build(chunks), asked, chunks, 5, ties)
        ranked(found, 3, 5)
        assert TEXTS[found.chunk[1, 0]] == "The market of Turin opens at noon.", "the best match of all words is not found"
        again = settings.search_sparse(sparse.build(chunks), asked, chunks, 5, ties)
        assert np.array_equal(found.chunk, again.chunk), "two searches give two rankings: draw nothing at random"


def test_vectors_are_searched(name):
    index, ties = registry.find("index", "exact")(), np.arange(len(TEXTS), dtype=np.int32)
    chunks = np.random.default_rng(0).normal(size=(len(TEXTS), 8)).astype(np.float32)
    asked, before = chunks[[3, 7]].copy(), chunks.copy()
    for settings in (part(name), *others(type(part(name)))):
        found = settings.search_dense(index.build(chunks, None), asked, chunks, 5, ties, index)
        ranked(found, 2, 5)
        assert 3 in found.chunk[0] and 7 in found.chunk[1], "a chunk's own vector does not find it"
        assert np.array_equal(chunks, before) and np.array_equal(asked, before[[3, 7]]), "it writes into the vectors"


def test_it_says_whether_vectors_are_averaged(name):
    assert isinstance(part(name).averages(), bool)
