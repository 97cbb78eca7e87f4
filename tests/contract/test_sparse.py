"""One suite for every sparse retriever: a part joins by existing. `core/retrieval/sparse.py` says the contract in words."""

import numpy as np
import pytest

from core import registry
from core.records import Candidates
from core.retrieval.sparse import SparseRetriever
from tests.support.parts import is_described, others

pytestmark = pytest.mark.parametrize("name", list(registry.parts("sparse")))
WORDS = [f"{letter}{sound}{end}" for letter in "bdfgklmnprst" for sound in ("anda", "elo", "iru") for end in ("m", "t")]
DRAWN = np.random.default_rng(3)
TEXTS = [
    *(" ".join(WORDS[i] for i in DRAWN.zipf(1.5, DRAWN.integers(5, 40)) % len(WORDS)) for _ in range(60)),
    "",
    "zygote Zygote, ZYGOTE!",
    "Häuser 𝔘nicode 今日 \U0001f469\u200d\U0001f680 zygote",
    "\x00 .,;",
    "The cat was running, and the dog runs to the house",
]
TEXTS += TEXTS[:3]  # the same words in other chunks
QUESTIONS = [
    "zygote",
    "bandam delot",
    TEXTS[5],
    "",
    "nowheretobefound",
    "zygote nowheretobefound bandam bandam",
    "the running of the houses",
]
DEPTH = 10


def part(name: str) -> SparseRetriever:
    return registry.find("sparse", name)()


def search(part, questions=QUESTIONS, depth=DEPTH, tie_order=None, texts=TEXTS) -> Candidates:
    return part.build(part.tokenize(texts)).search(part.tokenize(questions), depth, tie_order)


def same(a: Candidates, b: Candidates) -> bool:
    return np.array_equal(a.chunk, b.chunk) and np.array_equal(a.score, b.score, equal_nan=True)


def test_it_is_described(name):
    is_described("sparse", name, SparseRetriever)


def test_the_best_chunks_of_each_question_best_first(name):
    for settings in (part(name), *others(type(part(name)))):
        found = search(settings)
        shape = len(QUESTIONS), DEPTH
        assert found.chunk.shape == found.score.shape == shape, (
            f"search gives chunks {found.chunk.shape} and scores {found.score.shape}: give a row a question, {DEPTH} wide"
        )
        assert (found.chunk.dtype, found.score.dtype) == (np.int32, np.float32), (
            f"search gives {found.chunk.dtype} and {found.score.dtype}: give int32 and float32 (`best` in top.py does)"
        )
        assert (found.chunk >= -1).all() and (found.chunk < len(TEXTS)).all(), "a chunk's number is that of its text, from 0"
        assert (np.isnan(found.score) == (found.chunk < 0)).all(), (
            "the pads are not pads: put NaN into `score` where `chunk` is -1, and nowhere else"
        )
        for chunks, scores in zip(found.chunk, found.score, strict=True):
            there = chunks >= 0
            assert (np.diff(there.astype(int)) <= 0).all(), "a pad stands before a chunk: put the -1s at the end"
            assert (np.diff(scores[there]) <= 0).all(), "scores rise along a row: sort them, best first"
            assert len(set(chunks[there])) == there.sum(), "a chunk is found twice for one question: rank each once"


def test_a_question_without_a_known_word_finds_nothing(name):
    found = search(part(name))
    for row, question in enumerate(QUESTIONS):
        if question in ("", "nowheretobefound"):
            assert (found.chunk[row] == -1).all(), f"{question!r} finds chunks: leave out those without a positive score"
    assert set(found.chunk[0][found.chunk[0] >= 0]) == {61, 62}, (
        "'zygote' stands in chunks 61 and 62 only, whatever its case: find both and no other"
    )


def test_a_text_asked_for_is_found_first(name):
    found = search(part(name))
    assert found.chunk[2, 0] == 5, "a question that is a chunk's own text has that chunk first: look at the formula"


def test_all_scores_are_those_of_the_search(name):
    for settings in (part(name), *others(type(part(name)))):
        searcher = settings.build(settings.tokenize(TEXTS))
        asked = settings.tokenize(QUESTIONS)
        scores, found = searcher.scores(asked), searcher.search(asked, DEPTH)
        assert scores.shape == (len(QUESTIONS), len(TEXTS)), f"scores() gives {scores.shape}: a row a question, a column a chunk"
        assert np.isfinite(scores).all(), (
            f"{settings}: {(~np.isfinite(scores)).sum()} scores are NaN or infinite, and such chunks are lost: look for a "
            "division by zero at the ends of the knobs"
        )
        there = found.chunk >= 0
        row, _ = np.nonzero(there)
        assert np.allclose(scores[row, found.chunk[there]], found.score[there], rtol=1e-5), (
            "scores() and search() say different scores of one chunk: compute both by one function"
        )


def test_equal_scores_stand_in_the_given_order(name):
    order = np.random.default_rng(1).permutation(len(TEXTS)).astype(np.int32)
    for ties in (None, order):
        found = search(part(name), [TEXTS[0], TEXTS[1]], len(TEXTS), ties)
        place = found.chunk if ties is None else np.where(found.chunk >= 0, ties[found.chunk], -1)
        equal = found.score[:, 1:] == found.score[:, :-1]
        assert equal.any() and (place[:, :-1][equal] > place[:, 1:][equal]).all(), (
            "among equal scores the larger `tie_order` ranks first (None: the larger chunk): hand it on to `best`"
        )


def test_depth_cuts_the_ranking_and_changes_nothing_in_it(name):
    many, few = search(part(name), depth=DEPTH), search(part(name), depth=3)
    assert few.chunk.shape == (len(QUESTIONS), 3), f"depth 3 gives {few.chunk.shape[1]} chunks: keep to `depth`"
    assert np.array_equal(few.chunk, many.chunk[:, :3]), "depth 3 finds others than the first 3 of depth 10: cut after ranking"
    every = search(part(name), depth=10 * len(TEXTS))
    assert every.chunk.shape[1] <= len(TEXTS), "there are more places than chunks: take min(depth, number of chunks)"


def test_a_question_finds_alone_what_it_finds_in_a_batch(name):
    together = search(part(name))
    for row, question in enumerate(QUESTIONS):
        alone = search(part(name), [question])
        assert np.array_equal(alone.chunk[0], together.chunk[row]), (
            "a question finds other chunks when others are asked with it: let no row depend on the other rows"
        )


def test_the_same_comes_again_and_tokens_stay_as_they_are(name):
    settings = part(name)
    tokens, asked = settings.tokenize(TEXTS), settings.tokenize(QUESTIONS)
    first = settings.build(tokens).search(asked, DEPTH)
    assert same(first, settings.build(tokens).search(asked, DEPTH)) and same(first, search(part(name))), (
        "two searches of the same texts differ: draw nothing at random, and write into no array of the tokens"
    )


def test_parts_of_one_text_key_share_their_tokens(name):
    usual = part(name)
    for settings in others(type(usual)):
        if settings.text_key() == usual.text_key():
            shared = settings.build(usual.tokenize(TEXTS)).search(usual.tokenize(QUESTIONS), DEPTH)
            assert same(shared, search(settings)), (
                f"{settings} tokenises otherwise than the defaults under the same key: put the setting into text_key()"
            )


def test_nothing_to_search_and_nothing_asked(name):
    empty = search(part(name), texts=["", ".,"], depth=5)
    assert (empty.chunk == -1).all(), "chunks without a word are found: leave them out"
    none = search(part(name), questions=[])
    assert none.chunk.shape[0] == 0 and none.chunk.dtype == np.int32, "no question gives no row: keep shape and dtype"
