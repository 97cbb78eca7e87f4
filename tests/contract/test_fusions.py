"""One suite for every fusion: a part joins by existing. `core/retrieval/fusion.py` says the contract in words."""

import numpy as np
import pytest

from core import registry
from core.records import Candidates
from core.retrieval.fusion import Fusion
from core.retrieval.pool import Pool, make_pool
from tests.support.parts import is_described, others

pytestmark = pytest.mark.parametrize("name", list(registry.parts("fusion")))
CHUNKS = 50


def retrieved(rng: np.random.Generator, queries: int = 30, depth: int = 12) -> Candidates:
    """Distinct chunks with falling scores, some of them equal; rows of every length, one empty, one with equal scores only."""
    chunk = np.argsort(rng.random((queries, CHUNKS)), axis=1)[:, :depth].astype(np.int32)
    score = np.sort(rng.integers(-20, 60, (queries, depth)) / 8)[:, ::-1].astype(np.float32)
    score[1] = 2.5
    number = rng.integers(1, depth + 1, queries)
    number[0] = 0
    pad = np.arange(depth) >= number[:, None]
    return Candidates(np.where(pad, np.int32(-1), chunk), np.where(pad, np.float32(np.nan), score))


def pool_of(needs: tuple[str, ...], seed: int = 5, **sizes: int) -> Pool:
    rng = np.random.default_rng(seed)
    return make_pool({each: retrieved(rng, **sizes) for each in needs}, np.arange(CHUNKS, dtype=np.int32))


def rows_of(pool: Pool, rows: np.ndarray) -> Pool:
    """The pool of these rows alone."""
    return Pool(pool.chunk[rows], {n: s[rows] for n, s in pool.score.items()}, {n: r[rows] for n, r in pool.rank.items()})


def part(name: str) -> Fusion:
    return registry.find("fusion", name)()


def test_it_is_described(name):
    is_described("fusion", name, Fusion)


def test_it_names_the_retrievers_that_it_reads(name):
    needs = part(name).needs()
    assert needs and set(needs) <= {"sparse", "dense"}, f'needs() is {needs}: name "sparse", "dense" or both'
    try:
        part(name).fuse(pool_of(needs))
    except KeyError as error:
        raise AssertionError(f"fuse reads the candidates of {error}, which needs() does not name: add it to needs()") from None


@pytest.mark.parametrize("there", [("dense",), ("retrieved",), ("sparse", "retrieved_2"), ("sparse", "dense", "retrieved_3")])
def test_it_fuses_what_a_recipe_lists(name, there):
    needs = part(name).needs(there)
    pool = pool_of(needs)
    fused = part(name).fuse(pool)
    assert needs and (np.isfinite(fused) <= (pool.chunk >= 0)).all() and np.isfinite(fused).any(), (
        f"of the retrievers {there} it makes no ranking: read `pool.score` and `pool.rank` by the names that they have"
    )


def test_a_score_for_every_cell_of_the_pool(name):
    for settings in (part(name), *others(type(part(name)))):
        pool = pool_of(settings.needs())
        fused = settings.fuse(pool)
        assert isinstance(fused, np.ndarray) and fused.shape == pool.chunk.shape, (
            f"fuse gives {getattr(fused, 'shape', type(fused))} for a pool of {pool.chunk.shape}: give a score for each cell"
        )
        assert fused.dtype == np.float32, f"fuse gives {fused.dtype}: return `pool.ranked(fused)`, which makes it float32"


def test_pads_are_never_ranked(name):
    for settings in (part(name), *others(type(part(name)))):
        pool = pool_of(settings.needs())
        fused = settings.fuse(pool)
        wrong = (pool.chunk < 0) & ~np.isneginf(fused)
        assert not wrong.any(), (
            f"{wrong.sum()} pads have a score, such as {fused[wrong][0]:g}: return `pool.ranked(fused)`, "
            "or put -inf where `pool.chunk` is -1"
        )


def test_what_was_retrieved_has_a_number_and_nothing_else_has(name):
    for settings in (part(name), *others(type(part(name)))):
        pool = pool_of(("sparse", "dense"))
        fused = settings.fuse(pool)
        there = np.logical_or.reduce([pool.rank[each] > 0 for each in settings.needs()])
        wrong = there & ~np.isfinite(fused)
        assert not wrong.any(), (
            f"{wrong.sum()} candidates have no finite score, such as {fused[wrong][0]}: `pool.score` is NaN where only the "
            "other retriever has the chunk, so fill it first (`np.nan_to_num`, or 0 of `pool.rank`)"
        )
        wrong = ~there & (pool.chunk >= 0) & (fused > -np.inf)
        assert not wrong.any(), f"{wrong.sum()} chunks that no needed retriever has are ranked: put -inf there"


def test_a_question_is_fused_without_the_others(name):
    for settings in (part(name), *others(type(part(name)))):
        pool = pool_of(settings.needs())
        whole, some = settings.fuse(pool), np.array([7, 2, 0, 11])
        alone = settings.fuse(rows_of(pool, some))
        assert np.allclose(np.nan_to_num(alone), np.nan_to_num(whole[some]), rtol=1e-6), (
            "a question's scores change with the questions beside it: compute means, minima and ranks along axis 1 only"
        )


def test_the_pool_stays_as_it_is_and_the_same_comes_again(name):
    for settings in (part(name), *others(type(part(name)))):
        pool, copy = pool_of(settings.needs()), pool_of(settings.needs())
        first = settings.fuse(pool).copy()
        for each in settings.needs():
            same = np.array_equal(pool.score[each], copy.score[each], equal_nan=True)
            assert same and np.array_equal(pool.rank[each], copy.rank[each]), (
                f"fuse writes into the pool's arrays of {each}, on which the next slider move works: change a copy"
            )
        assert np.array_equal(pool.chunk, copy.chunk), "fuse writes into `pool.chunk`: change a copy"
        again, fresh = settings.fuse(pool), settings.fuse(copy)
        assert np.array_equal(first, again) and np.array_equal(first, fresh), (
            "two calls give two rankings: draw nothing at random, and let nothing grow in what `pool.once` remembers"
        )


def test_what_is_remembered_belongs_to_its_settings(name):
    """One pool serves every move of a slider: what `pool.once` keeps under a key must not depend on more than the key."""
    usual = part(name)
    for settings in others(type(usual)):
        pool = pool_of(("sparse", "dense"))
        usual.fuse(pool)
        assert np.array_equal(settings.fuse(pool), settings.fuse(pool_of(("sparse", "dense"))), equal_nan=True), (
            f"after the defaults, {settings} gives what the defaults left behind: put every setting that the remembered "
            "value depends on into the key of `pool.once`, and do not write into that value"
        )


@pytest.mark.parametrize("queries", [0, 1])
@pytest.mark.parametrize("depth", [0, 1])
def test_an_empty_pool_is_a_pool(name, queries, depth):
    needs = part(name).needs()
    nothing = Candidates(np.full((queries, depth), -1, np.int32), np.full((queries, depth), np.nan, np.float32))
    for pool in (
        make_pool({each: nothing for each in needs}, np.arange(CHUNKS, dtype=np.int32)),
        rows_of(pool_of(needs), np.arange(queries)),
    ):
        try:
            fused = part(name).fuse(pool)
        except Exception as error:
            raise AssertionError(
                f"a pool of {pool.chunk.shape} ends in {type(error).__name__}: {error}. Give `initial` to `min` and `max`"
            ) from error
        assert fused.shape == pool.chunk.shape, f"a pool of {pool.chunk.shape} gives scores of {fused.shape}: keep the shape"
