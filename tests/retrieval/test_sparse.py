import numpy as np
import pytest

from core.pipeline.memory import bytes_of
from core.retrieval.bm25_fast import BM25S
from core.retrieval.rank_bm25 import RankBM25
from core.retrieval.tokens import Tokens
from core.store.cache import StageCache

TEXTS = ["The cat sat on the mat", "A dog chased the cat, the cat ran", "Birds fly", "", "Running dogs run; a dog runs"]


def search(part, queries, depth=10, tie_order=None, texts=TEXTS):
    return part.build(part.tokenize(texts)).search(part.tokenize(queries), depth, tie_order)


@pytest.mark.parametrize("part", [BM25S(), BM25S(variant="bm25+"), BM25S(variant="bm25l"), RankBM25()])
def test_chunks_without_a_scoring_term_are_left_out(part):
    found = search(part, ["cat", "birds", "unknown words", "", "the"])
    assert [set(row[row >= 0]) for row in found.chunk] == [{0, 1}, {2}, set(), set(), set()]
    assert (np.isnan(found.score) == (found.chunk < 0)).all()
    assert found.chunk.shape == (5, 5)


def test_tokens_count_words_without_stopwords():
    part = BM25S()
    tokens = part.tokenize(TEXTS)
    assert tokens.vocabulary == sorted(tokens.vocabulary) and "the" not in tokens.vocabulary
    assert tokens.words(1) == ["cat", "cat", "chased", "dog", "ran"]
    assert tokens.lengths.tolist() == [3, 5, 2, 0, 5]
    assert "the" in BM25S(stopwords="none").tokenize(TEXTS).vocabulary


def test_stemming_finds_other_forms_and_changes_the_text_key():
    stemmed = BM25S(stemming="english")
    assert 4 in search(stemmed, ["runner running"]).chunk[0]
    assert search(stemmed, ["birding"]).chunk[0, 0] == 2 and search(BM25S(), ["birding"]).chunk[0, 0] == -1
    porter = BM25S(stemming="porter").tokenize(["generously dying news"]).vocabulary  # Snowball's English: generous, die, news
    assert porter == ["dy", "gener", "new"]
    assert stemmed.text_key() != BM25S().text_key() == BM25S(k1=0.9, b=0.1).text_key() == RankBM25().text_key()


def test_words_as_lucene_has_them():
    part = BM25S(words="lucene", stemming="porter")
    text = "The U.S.A's 3.14, 1,000 a.b. 3.a x_y: it's el/1 dogs' RUNNING"
    assert set(part.tokenize([text]).vocabulary) == {"u.s.a", "3.14", "1,000", "a.b", "3", "x_y", "el", "1", "dog", "run"}
    assert part.text_key() != BM25S(stemming="porter").text_key()
    plain = BM25S(words="lucene", stopwords="none").tokenize(["the cat, the dog", ""])
    assert plain.words(0) == ["cat", "dog", "the", "the"] and plain.lengths.tolist() == [4, 0]


@pytest.mark.parametrize("part", [BM25S(), RankBM25()])
def test_ties_at_the_cut_go_to_the_larger_tie_order(part):
    texts = ["alpha beta"] * 6 + ["gamma delta", "epsilon zeta", "eta theta", "iota kappa", "lambda mu", "nu xi"] * 2
    tie_order = np.random.default_rng(1).permutation(len(texts)).astype(np.int32)
    found = search(part, ["alpha"], 3, tie_order, texts)
    assert found.chunk[0].tolist() == sorted(range(6), key=lambda chunk: -tie_order[chunk])[:3]


@pytest.mark.parametrize("part", [BM25S(), BM25S(idf="rank_bm25", variant="bm25l"), RankBM25()])
@pytest.mark.parametrize("texts", [[], [""], ["the"]])
def test_nothing_to_find_is_not_an_error(part, texts):
    found = search(part, ["cat", ""], texts=texts)
    assert found.chunk.shape == (2, len(texts)) and (found.chunk == -1).all()
    assert search(part, []).chunk.shape == (0, 5)


def test_blocks_do_not_change_the_result(monkeypatch):
    rng = np.random.default_rng(3)
    texts = [" ".join(rng.choice(["ant", "bee", "cow", "dog", "eel"], 4)) for _ in range(50)]
    whole = search(BM25S(), texts, 7, texts=texts)
    monkeypatch.setattr("core.retrieval.bm25_fast._BLOCK", 60)
    pieces = search(BM25S(), texts, 7, texts=texts)
    assert (whole.chunk == pieces.chunk).all() and (whole.score == pieces.score).all()


def drawn_texts(number: int) -> list[str]:
    rng, words = np.random.default_rng(4), [f"w{i}" for i in range(400)]
    return [" ".join(words[i] for i in rng.zipf(1.3, rng.integers(1, 12)) % 400) for _ in range(number)]


@pytest.mark.parametrize("few", [0, 10**9])  # only the chunks with a word are looked at; all are
@pytest.mark.parametrize("part", [BM25S(), BM25S(variant="bm25+"), BM25S(idf="robertson", b=0.0)])
def test_a_question_alone_is_ranked_as_among_others(monkeypatch, part, few):
    """b=0 makes many scores equal, Robertson's idf some negative."""
    texts = drawn_texts(900)
    tokens, asked = part.tokenize(texts), part.tokenize([*texts[:60], "w1 w1 w2", "nothing", ""])
    ties = np.random.default_rng(5).permutation(len(texts)).astype(np.int32)
    for tie_order in (None, ties):
        for depth in (1, 20, 2000):
            together = part.build(tokens).search(asked, depth, tie_order)
            with monkeypatch.context() as patched:
                patched.setattr("core.retrieval.bm25_fast._SIDE_BY_SIDE", 0)
                patched.setattr("core.retrieval.bm25_fast._FEW", few)
                alone = part.build(tokens).search(asked, depth, tie_order)
            assert (alone.chunk == together.chunk).all() and np.array_equal(alone.score, together.score, equal_nan=True)


def test_scores_are_made_in_pieces_and_tokens_come_back_from_files(monkeypatch, tmp_path):
    texts, part = drawn_texts(300), BM25S(variant="bm25l")
    tokens, asked = part.tokenize([*texts, "\ud800 Stra\u00dfe"]), part.tokenize(texts[:9])
    whole = part.build(tokens).scores(asked)
    cache = StageCache(tmp_path, 10**9)
    cache.save("tokens", "k", tokens.arrays())
    mapped = Tokens.mapped(**cache.load("tokens", "k", mapped=True)[0])
    assert mapped.vocabulary == tokens.vocabulary and mapped.words(300) == tokens.words(300) and bytes_of(mapped.term) == 0
    monkeypatch.setattr("core.retrieval.bm25_fast._SCORED", 7)
    assert (part.build(mapped).scores(asked) == whole).all()
    empty = part.tokenize([])
    assert Tokens.mapped(**empty.arrays()).vocabulary == []


def test_some_rows_of_tokens_are_the_tokens_of_those_texts():
    tokens, rows = BM25S().tokenize(TEXTS), np.array([4, 3, 1])
    assert [tokens.rows(rows).words(i) for i in range(3)] == [tokens.words(i) for i in rows]
    assert len(tokens.rows(np.array([], int))) == 0
