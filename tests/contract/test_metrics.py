"""One suite for every metric: a part joins by existing. `core/evaluation/metric.py` says the contract in words."""

import copy

import numpy as np
import pytest

from core import registry
from core.evaluation.judged import Judged, judge, relevance
from core.evaluation.metric import Metric
from core.records import Candidates, Chunks, Corpus, Document, Gold, Query
from core.retrieval.pool import make_pool
from core.retrieval.sparse_only import SparseOnly
from tests.support.parts import is_described

pytestmark = pytest.mark.parametrize("name", list(registry.parts("metric")))
DOCUMENTS = tuple(Document(f"d{i}", "x" * 100) for i in range(8))
CHUNKS = Chunks(*np.array([(d, s, s + 25, 5) for d in range(8) for s in (0, 25, 50, 75)], np.int32).T)
WITHOUT_GOLD = 3  # every so manieth question
WIDTH = 20


def corpus(queries: int = 40, seed: int = 2) -> Corpus:
    """Questions with one to four units of evidence of grades 1 to 3; some with alternatives, some with no gold at all."""
    rng = np.random.default_rng(seed)

    def question(number: int) -> Query:
        units = 0 if number % WITHOUT_GOLD == 0 else int(rng.integers(1, 5))
        gold = [Gold(f"d{rng.integers(8)}", 25 * int(rng.integers(4)), 100, int(rng.integers(1, 4)), u) for u in range(units)]
        gold = [g._replace(end=g.start + 25) for g in gold]
        return Query(f"q{number}", "?", tuple([*gold, *(g._replace(document_id="d0", start=0, end=25) for g in gold[:1])]))

    return Corpus("drawn", DOCUMENTS, tuple(question(number) for number in range(queries)))


def judged(order: str = "drawn", top_k: int = WIDTH, rows: slice = slice(None)) -> Judged:
    """A ranking of each question: drawn, best (what is relevant first) or worst (nothing relevant at all)."""
    asked = corpus()
    asked = Corpus(asked.name, asked.documents, asked.queries[rows])
    relevant, rng = relevance(asked, CHUNKS, 0.5), np.random.default_rng(9)
    chunk = np.array([rng.permutation(len(CHUNKS)) for _ in corpus().queries], np.int32)[rows]
    for row, chunks in enumerate(chunk):
        wanted = set(relevant.pair_chunk[relevant.pair_row == row].tolist())
        if order != "drawn":
            chunks[:] = sorted(chunks, key=lambda one: (one not in wanted) == (order == "best"))
    score = np.broadcast_to(-np.arange(WIDTH, dtype=np.float32), (len(chunk), WIDTH))
    pool = make_pool({"sparse": Candidates(chunk[:, :WIDTH], score)}, np.arange(len(CHUNKS), dtype=np.int32))
    return judge(pool, SparseOnly().fuse(pool), relevant, top_k)


def part(name: str) -> Metric:
    return registry.find("metric", name)()


def test_it_is_described(name):
    is_described("metric", name, Metric)
    metric = part(name)
    assert getattr(metric, "label", ""), 'it has no label: write `label: ClassVar[str] = "Name@{k}"`'
    assert metric.source, "it does not say whose definition it is: write `source: ClassVar[str]`"
    low, high = metric.range
    assert low < high and metric.direction in (-1, 1), "`range` is (lowest, highest), `direction` +1 or -1 (less is better)"


def test_a_number_for_every_question(name):
    found = part(name).values(judged(), 5)
    queries = len(corpus().queries)
    assert isinstance(found, np.ndarray) and found.shape == (queries,), (
        f"values gives {getattr(found, 'shape', type(found))} for {queries} questions: give a number for each, no mean"
    )
    assert found.dtype == np.float64, f"values gives {found.dtype}: make it float64 (`judged.per_query` does)"


def test_nan_stands_where_there_is_no_gold_and_nowhere_else(name):
    for order in ("drawn", "best", "worst"):
        found, measured = part(name).values(judged(order), 5), judged(order).measured
        wrong = measured & ~np.isfinite(found)
        assert not wrong.any(), (
            f"{wrong.sum()} questions with gold have no value, and would be left out of the mean: give the value of a "
            "question whose evidence is not found, mostly 0"
        )
        wrong = ~measured & ~np.isnan(found)
        assert not wrong.any(), (
            f"{wrong.sum()} questions without gold have a value: put NaN where `judged.measured` is False "
            "(`judged.per_query` does)"
        )


def test_values_lie_in_the_range_that_it_states(name):
    metric = part(name)
    for order in ("drawn", "best", "worst"):
        for k in (1, 3, WIDTH, 50):
            found = metric.values(judged(order), k)
            found = found[~np.isnan(found)]
            low, high = metric.range
            assert (found >= low).all() and (found <= high).all(), (
                f"values reach from {found.min():g} to {found.max():g}, `range` says {low:g} to {high:g}: state the true range, "
                "or look at questions with several units in one chunk"
            )


def test_only_the_first_k_ranks_count(name):
    metric = part(name)
    for k in (1, 3, 7):
        whole, cut = metric.values(judged(), k), metric.values(judged(top_k=k), k)
        assert np.allclose(whole, cut, equal_nan=True), (
            f"what stands below rank {k} changes the value at k = {k}: count only ranks <= k"
        )
    assert not np.allclose(metric.values(judged(), 1), metric.values(judged(), 10), equal_nan=True), (
        "k changes nothing: count the first k ranks only"
    )


def test_a_better_ranking_is_not_worse(name):
    metric = part(name)
    for k in (1, 5, 10):
        best, drawn, worst = (metric.values(judged(order), k) * metric.direction for order in ("best", "drawn", "worst"))
        measured = judged().measured
        assert (best >= drawn - 1e-12)[measured].all() and (drawn >= worst - 1e-12)[measured].all(), (
            f"at k = {k} a ranking with all evidence on top is worse than a drawn one, or that worse than one without any: "
            "set `direction` to -1 where less is better"
        )
        assert best[measured].mean() > worst[measured].mean(), "finding all and finding nothing is the same: it measures nothing"


def test_a_question_is_measured_without_the_others(name):
    some = slice(7, 19)
    assert np.allclose(part(name).values(judged(), 5)[some], part(name).values(judged(rows=some), 5), equal_nan=True), (
        "a question's value changes with the questions beside it: sum by `judged.relevance.unit_row` or `judged.hit_row`"
    )


def test_what_is_judged_stays_as_it_is_and_the_same_comes_again(name):
    of = judged()
    before = copy.deepcopy({n: v for n, v in (vars(of) | vars(of.relevance)).items() if isinstance(v, np.ndarray)})
    first = part(name).values(of, 5).copy()
    for field, array in before.items():
        now = getattr(of, field, None) if hasattr(of, field) else getattr(of.relevance, field)
        assert np.array_equal(array, now), f"values writes into `{field}`, which the next metric reads: change a copy"
    assert np.array_equal(first, part(name).values(of, 5), equal_nan=True), "two calls give two values: draw nothing at random"


def test_no_question_gives_no_value(name):
    assert part(name).values(judged(rows=slice(0, 0)), 5).shape == (0,), "no question is no error: give an empty array"
