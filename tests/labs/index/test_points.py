"""The index lab's verbs on a small corpus: points stored and read back, sweeps over builds, and what a setting costs."""

from typing import ClassVar, Literal

import numpy as np
import pytest

from core import registry
from core.config import TrialConfig, code_version, with_settings
from core.errors import WorkbenchError
from core.evaluation.metric import headlines
from core.index.exact import Exact
from core.index.protocol import Index
from core.labs.index import cost, measuring, points, reference
from core.progress import Running, drain
from core.statistics.equivalence import tost
from core.store.index_points import stored_measurement
from core.workbench import Workbench
from tests.support.small_corpora import THINGS, WAYS

ASKED = ["From what is {} made?", "Where was {} first seen?", "When does {} break?", "How does the price of {} change?"]
BUILDS: list[int] = []  # the values of `stride` that were built


class Sieve(Index):
    """Finds `keep` percent of the rows, which ones depends on `stride`; 13 is a setting that fails."""

    query_settings: ClassVar[tuple[str, ...]] = ("keep",)
    part: Literal["sieve"] = "sieve"
    stride: int = 1
    keep: int = 100

    def build(self, vectors, folder):
        if self.stride == 7:
            raise WorkbenchError("stride = 7 is not possible here: there are too few vectors.", where="index.stride")
        BUILDS.append(self.stride)
        return Sieved(vectors, self)


class Sieved:
    disk_bytes = 0

    def __init__(self, vectors, part):
        self._inside, self._numbers = Exact(metric=part.metric).build(vectors, None), np.arange(len(vectors))
        self._part, self.memory_bytes = part, vectors.nbytes

    def search(self, queries, depth, tie_order=None, *, settings=None, among=None):
        if settings.keep == 13:
            raise ValueError("thirteen")
        n = len(self._numbers)
        kept = (self._numbers * self._part.stride) % n * 100 < settings.keep * n
        return self._inside.search(queries, depth, tie_order, among=kept)


@pytest.fixture(scope="module", autouse=True)
def sieve():
    registry.parts("index")
    registry._parts["index"]["sieve"] = Sieve
    yield
    del registry._parts["index"]["sieve"]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    questions = home / "questions.csv"
    lines = [
        (f"{thing}.txt", f"{thing.capitalize()} {way}.", asked.format(thing))
        for thing in THINGS
        for way, asked in zip(WAYS, ASKED, strict=True)
    ]
    questions.write_text(
        "id,question,document,answer\n" + "".join(f"q{i},{asked},{name},{text}\n" for i, (name, text, asked) in enumerate(lines))
    )
    files = [(f"{thing}.txt", "\n\n".join(f"{thing.capitalize()} {way}." for way in WAYS).encode()) for thing in THINGS]
    workbench = Workbench(home)
    assert all(status.status == "ok" for status in drain(workbench.library.ingest("things", files, questions)))
    return workbench


@pytest.fixture(scope="module")
def recipe():
    return with_settings(
        TrialConfig(),
        {
            "corpus.dataset": "things",
            "chunking.part": "sentence",
            "chunking.size_tokens": 16,
            "index.part": "sieve",
            "evaluation.k": 5,
            "retrieval.top_k": 10,
            "retrieval.candidates": 30,
        },
    )


def at(recipe, keep):
    return with_settings(recipe, {"index.keep": keep})


@pytest.mark.slow
def test_a_measured_point_is_stored_with_its_raw_values(bench, recipe):
    point = drain(measuring.measure_point(bench, at(recipe, 60)))
    assert (point.part, point.build, point.query, point.k, point.num_queries) == ("sieve", {"stride": 1}, {"keep": 60}, 5, 48)
    assert point.label == "sieve, keep 60" and point.here and point.status == "ok"
    assert 0 < point.recall < 1.0 and point.p99_us is None  # of 48 questions there is no 99th percentile
    assert point.build_s > 0 and point.memory_per_vector == 4 * point.dim and point.disk_per_vector == 0
    [stored] = [p for p in drain(points.stored(bench, recipe)) if p.id == point.id]
    for axis in points.AXES:
        assert getattr(stored, axis) == getattr(point, axis), axis
    assert stored.identity == point.identity and stored.raw is None
    raw = stored_measurement(bench.store.journal.read(stored.id).payload)
    assert np.array_equal(raw.chunk, point.raw.chunk) and raw.chunk.shape == (48, 5) and len(raw.single_us) == 48
    assert drain(bench.store.verify()).ok and "ids" not in points.rows([stored])[0]


@pytest.mark.slow
def test_a_quick_point_is_not_stored_and_finds_the_same(bench, recipe):
    full = drain(measuring.measure_point(bench, at(recipe, 50)))
    before = len(drain(points.stored(bench, recipe)))
    quick = drain(measuring.measure_point(bench, at(recipe, 50), quick=True))
    assert quick.id == "" and quick.recall == full.recall and len(drain(points.stored(bench, recipe))) == before


@pytest.mark.slow
def test_one_build_serves_all_its_query_settings_and_nothing_is_measured_twice(bench, recipe):
    BUILDS.clear()
    grid = {"index.stride": [3, 5], "index.keep": [20, 40, 100]}
    first = drain(measuring.sweep(bench, recipe, grid))
    assert [(p.build["stride"], p.query["keep"]) for p in first] == [(s, k) for s in (3, 5) for k in (20, 40, 100)]
    assert sorted(BUILDS) == [3, 5] and all(p.status == "ok" for p in first)
    assert first[2].recall == first[5].recall == 1.0 and first[0].recall < 1.0
    wider = drain(measuring.sweep(bench, recipe, {**grid, "index.keep": [20, 30, 40, 100]}))
    assert [p.id for p in wider if p.query["keep"] != 30] == [p.id for p in first] and sorted(BUILDS) == [3, 5]
    assert [p.id for p in drain(measuring.sweep(bench, recipe, grid))] == [p.id for p in first], "all are stored"
    again = drain(measuring.sweep(bench, recipe, {"index.stride": [3], "index.keep": [20]}, again=True))
    assert again[0].id != first[0].id and again[0].identity == first[0].identity
    assert len(points.latest([*first, *again])) == len(first)


def test_a_failing_setting_is_stored_with_its_reason_and_the_others_go_on(bench, recipe):
    found = drain(measuring.sweep(bench, recipe, {"index.stride": [7, 9], "index.keep": [13, 70]}))
    assert [p.status for p in found] == ["failed", "failed", "failed", "ok"]
    assert "stride = 7" in found[0].reason and found[2].reason == "ValueError: thirteen" and found[0].recall is None
    assert {p.id for p in found} <= {p.id for p in drain(points.stored(bench, recipe))}
    assert [p.id for p in points.frontier(found)] == [found[3].id]
    retried = drain(measuring.sweep(bench, recipe, {"index.stride": [9], "index.keep": [13, 70]}))
    assert retried[0].id != found[2].id and retried[1].id == found[3].id
    with pytest.raises(WorkbenchError, match="stride = 7"):
        drain(measuring.measure_point(bench, with_settings(recipe, {"index.stride": 7}), quick=True))


def test_a_cancelled_sweep_keeps_what_was_finished(bench, recipe):
    work = measuring.sweep(bench, recipe, {"index.stride": [31, 37], "index.keep": [10, 90]})
    for step in work:
        if step.done == 1:
            break
    work.close()
    kept = [p for p in drain(points.stored(bench, recipe)) if p.build["stride"] in (31, 37)]
    assert len(kept) == 2 and kept[0].build == kept[1].build


def test_points_of_other_code_machines_and_questions_are_told_apart(bench, recipe, monkeypatch):
    point = drain(measuring.measure_point(bench, at(recipe, 80)))
    payload = bench.store.journal.read(point.id).payload
    bench.store.add("index", {**payload, "machine": "another"})
    bench.store.add("index", {**payload, "code_version": "older"})
    bench.store.add("index", {**payload, "queries": "others"})
    same = [p for p in drain(points.stored(bench, recipe)) if p.query == {"keep": 80}]
    assert [(p.machine == "another", p.code_version == "older", p.here) for p in same] == [
        (False, False, True),
        (True, False, False),
        (False, True, False),
    ]
    assert len({p.identity for p in same}) == 3 and point.code_version == code_version(recipe.index)
    assert drain(points.stored(bench, with_settings(recipe, {"evaluation.k": 4}))) == []
    assert drain(points.stored(bench, with_settings(recipe, {"index.metric": "l2"}))) == []


def test_the_frontier_keeps_what_nothing_beats():
    def point(recall, qps, memory=None):
        nothing = dict.fromkeys(points.IndexPoint.__dataclass_fields__)
        return points.IndexPoint(**{**nothing, "recall": recall, "single_qps": qps, "memory_bytes": memory, "n": 1})

    found = [
        point(0.9, 100),
        point(0.8, 90),
        point(0.5, 200),
        point(0.9, 80),
        point(0.99, 10),
        point(None, None),
        point(0.5, 150),
    ]
    assert [(p.recall, p.single_qps) for p in points.frontier(found)] == [(0.5, 200), (0.9, 100), (0.99, 10)]
    sized = [point(0.9, 1, 50), point(0.8, 1, 60), point(0.7, 1, 20)]
    assert [p.recall for p in points.frontier(sized, "recall", "memory_per_vector")] == [0.7, 0.9]
    assert points.frontier([]) == []


# what a setting costs the answer


def test_a_setting_that_loses_nothing_costs_nothing_and_ranks_nothing_again(bench, recipe):
    found = drain(cost.answer_cost(bench, at(recipe, 100)))
    assert found.changed == 0 and found.recall.mean == 1.0 and found.questions == 48
    for ranked in (found.dense, found.fused):
        assert ranked.moved == 0
        for effect in ranked.effects.values():
            assert (effect.differences == 0).all() and effect.equivalence.verdict == "equal" and effect.equivalence.n == 48
    assert found.dense.effects["ndcg_linear"].sentence == "sieve, keep 100 equals exact in nDCG@5: no question's value changed"


@pytest.mark.parametrize("keep", [20, 60, 90])
def test_costs_are_those_of_evaluating_both_recipes_whole(bench, recipe, keep):
    """Only changed questions are ranked again, and still every value is what the whole evaluation gives."""
    config = at(recipe, keep)
    found = drain(cost.answer_cost(bench, config, margin_points=2.0))
    assert 0 < found.changed <= 48
    for fusion, ranked in (("dense_only", found.dense), (config.fusion.part, found.fused)):
        one = with_settings(config, {"fusion.part": fusion})
        here, exact = bench.evaluate(one), bench.evaluate(reference.exact_config(one))
        assert ranked.fusion == fusion
        for name, effect in ranked.effects.items():
            np.testing.assert_allclose(effect.differences, here.values[name] - exact.values[name], atol=1e-12)
            assert effect.equivalence == tost(effect.differences, 0.02, resamples=1000)
            assert effect.here - effect.exact == pytest.approx(effect.equivalence.difference)
            assert effect.paired.difference == pytest.approx(effect.equivalence.difference)
            assert effect.label.endswith("@5") and effect.sentence.startswith(f"sieve, keep {keep} ")
    assert found.recall.mean < 1.0 and found.recalls.shape == (48,)


def test_a_large_loss_is_called_worse_and_the_curve_falls_with_it(bench, recipe):
    steps = list(running := Running(cost.cost_curve(bench, recipe, {"index.keep": [10, 100]})))
    low, whole = curve = running.result
    effect = low.dense.effects["recall"]
    assert effect.equivalence.verdict == "lower" and "is worse than exact by" in effect.sentence
    assert whole.dense.effects["recall"].equivalence.verdict == "equal"
    rows = cost.cost_rows(curve)
    half = 2 * len(headlines())  # under the recipe's fusion, and dense alone
    assert len(rows) == 2 * half and {row["verdict"] for row in rows[half:]} == {"equal"} and steps[-1].total == 2


def test_answers_of_any_registered_metric_can_be_held_against_a_margin(bench, recipe):
    values = np.linspace(0, 1, 48)
    exact, here = {"precision": values}, {"precision": values - 0.001}
    effect = cost.effects_of(exact, here, recipe, 1.0, "ef_search 24")["precision"]
    assert effect.equivalence.verdict == "equal" and effect.exact - effect.here == pytest.approx(0.001)
    for margin in (0, -1, float("nan")):
        with pytest.raises(WorkbenchError, match="margin"):
            drain(cost.answer_cost(bench, recipe, margin_points=margin))
