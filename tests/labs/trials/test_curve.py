"""One setting over its range: what is valid, what is at hand, what it costs, and what equal context judges."""

import json

import numpy as np
import pytest

from core import __main__ as command_line
from core.comparison import comparison
from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.labs.trials import curve as setting_curve
from core.progress import Running, drain
from core.reranking.cross_encoder import CrossEncoder
from core.statistics.corrections import holm
from core.workbench import Phase, Plan
from tests.support.small_corpora import with_towns

TOWNS = ("Lund", "Gent", "Pisa", "Bari", "Metz", "Cork", "Brno", "Linz")
FILL = "Rain fell on the hills and the river rose slowly behind the old bridge. " * 4
TEXTS = {
    f"{town}.txt": f"{FILL}The market of {town} opens at {hour} and closes late. {FILL}Near it stands the mill of {town}."
    for hour, town in enumerate(TOWNS, 5)
}
QUESTIONS = [
    {
        "id": f"q{hour}",
        "question": f"When does the market of {town} open?",
        "document": f"{town}.txt",
        "answer": f"opens at {hour} and closes late",
    }
    for hour, town in enumerate(TOWNS, 5)
]
QUESTIONS += [
    {"id": "rain", "question": "What fell on the hills?", "document": "Pisa.txt", "answer": "near it stands the mill of Pisa"}
]
SIZE = "chunking.size_tokens"


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return with_towns(tmp_path_factory.mktemp("home"), TEXTS, QUESTIONS)


def recipe(**settings) -> TrialConfig:
    given = {
        "corpus.dataset": "towns",
        "fusion.part": "sparse_only",
        "chunking.size_tokens": 24,
        "chunking.overlap_tokens": 8,
        "evaluation.k": 3,
    }
    return with_settings(TrialConfig(), given | settings)


@pytest.mark.slow
def test_values_that_are_not_valid_are_named_with_the_reason(bench):
    found = setting_curve.values(bench, recipe(), SIZE, [8, 16, 24])
    assert found.ready == [16, 24] and found.missing == []
    assert found.invalid == {"The overlap (8 tokens) has to be below the size": [8]}


@pytest.mark.slow
def test_values_that_are_not_embedded_are_missing_and_never_embedded(bench, monkeypatch):
    whole = type(bench).plan
    monkeypatch.setattr(
        type(bench),
        "plan",
        lambda self, recipe: (
            whole(self, recipe)
            if getattr(recipe, "config", recipe).chunking.size_tokens != 16
            else Plan(False, (Phase("embedding 900 texts"),))
        ),
    )
    found = setting_curve.values(bench, recipe(), SIZE, [16, 24, 32])
    assert found.missing == [16] and found.ready == [24, 32] and found.estimate is None


@pytest.mark.slow
def test_what_a_reranker_still_has_to_read_is_no_moment(bench, monkeypatch):
    run = bench.resolve(recipe(**{"fusion": "sparse_only", "rerank": "cross_encoder", "rerank.depth": 1}))
    bench.evaluate(run)
    bench.pipeline.last_ms["reranked"] = 0.1  # as in a process that found all it asked for on disk
    read = []
    monkeypatch.setattr(CrossEncoder, "read", lambda part, pairs: read.append(pairs))
    monkeypatch.setattr("core.pipeline.speed.estimate", lambda *_: None)  # nobody knows how long it takes
    assert setting_curve.slow_ms(bench, run, "rerank.depth", [1, 5]) > setting_curve.AT_ONCE_MS
    assert setting_curve.slow_ms(bench, run, "rerank.weight", [0.5, 0.9]) < setting_curve.AT_ONCE_MS  # of what was read
    assert not read


def test_the_first_k_chunks_cost_what_their_tokens_are(bench):
    config = recipe()
    [point] = drain(setting_curve.curve(bench, config, SIZE, [24]))
    found, chunks = bench.evaluate(config), drain(bench.pipeline.chunks(bench.resolve(config)))
    ids = {(d, s, e): t for d, s, e, t in zip(*(column.tolist() for column in vars(chunks).values()), strict=True)}
    place = {document.id: i for i, document in enumerate(found.corpus.documents)}
    spent = [
        sum(ids[place[hit.document_id], hit.start, hit.end] for hit in bench.hits(found, row)[:3])
        for row, measured in enumerate(found.judged.measured)
        if measured
    ]
    assert point.context_tokens == pytest.approx(np.mean(spent)) and point.intervals == found.intervals


@pytest.mark.parametrize("budget", [7, 24, 60])
def test_equal_context_is_the_ranking_read_token_by_token(bench, budget):
    """Against the plain reading: tokens are taken one after the other until the budget is spent."""
    config = recipe(**{"evaluation.overlap": 1.0})
    found, corpus = bench.evaluate(config), bench.corpus(config)
    chunks, tools = drain(bench.pipeline.chunks(bench.resolve(config))), bench.pipeline.tools(bench.resolve(config))
    values, filled = setting_curve.at_budget(bench, found, chunks, budget)
    place = {document.id: i for i, document in enumerate(corpus.documents)}
    for row, query in enumerate(corpus.queries):
        left, read = budget, []
        for hit in bench.hits(bench.evaluate(recipe(**{"evaluation.overlap": 1.0, "retrieval.top_k": 100})), row):
            offsets = tools.token_offsets(corpus.documents[place[hit.document_id]].text)
            inside = [(s, e) for s, e in offsets.tolist() if hit.start <= s < hit.end][:left]
            left -= len(inside)
            if inside:
                read.append((hit.document_id, inside[0][0], inside[-1][1]))
        # with overlap 1 a chunk counts where it lies within the evidence or holds it whole
        hits = [
            any(d == g.document_id and (s <= g.start and g.end <= e or g.start <= s and e <= g.end) for d, s, e in read)
            for g in query.gold
        ]
        assert filled[row] == budget - left, query.id
        np.testing.assert_equal(values["hit"][row], float(max(hits)) if hits else np.nan, query.id)


def test_at_equal_context_a_larger_size_buys_nothing_by_being_larger(bench):
    at_k = drain(setting_curve.curve(bench, recipe(), SIZE, [16, 64]))
    equal = drain(setting_curve.curve(bench, recipe(), SIZE, [16, 64], 40))
    assert at_k[1].context_tokens > 2 * at_k[0].context_tokens
    assert [point.context_tokens for point in equal] == [40, 40] and [point.full for point in equal] == [1, 1]
    assert "precision" not in equal[0].intervals


def test_values_are_compared_question_by_question_at_the_same_context(bench):
    found = drain(setting_curve.curve(bench, recipe(), SIZE, [16, 24, 64], 16))
    other = setting_curve.point_of(bench, recipe(**{SIZE: 16, "chunking.overlap_tokens": 0}), 16)
    compared = setting_curve.differences(bench, recipe(), found, other, "mrr")
    for point, one in zip(found, compared, strict=True):
        apart = point.values["mrr"] - other.values["mrr"]
        assert one.paired.difference == pytest.approx(np.nanmean(apart)) and one.paired.n == 8
    assert any(one.paired.difference for one in compared)
    p = [one.paired.p for one in compared]
    assert [one.p_holm for one in compared] == pytest.approx(holm(np.array(p)).tolist())
    assert setting_curve.differences(bench, recipe(), found, found[1], "mrr")[1] is None
    best, equal = setting_curve.best_and_equals(bench, recipe(), found, "mrr")
    tests = filter(None, setting_curve.differences(bench, recipe(), found, best, "mrr"))
    assert best is max(found, key=lambda point: point.intervals["mrr"].mean)
    assert setting_curve.highest([best, best._replace(value=0), best._replace(value=1)], "mrr").value == 0, (
        "of equal ones the middle"
    )
    assert equal == sum(one.p_holm >= 0.05 for one in tests)


def test_the_tests_of_a_curve_are_computed_once_while_it_stays_as_it_is(bench, monkeypatch):
    found = drain(setting_curve.curve(bench, recipe(), SIZE, [16, 24, 64]))
    asked = []
    counted = comparison.paired_difference
    monkeypatch.setattr(comparison, "paired_difference", lambda *a, **k: asked.append(1) or counted(*a, **k))
    first, again = (setting_curve.differences(bench, recipe(seed=7), found, found[0], "mrr") for _ in range(2))
    assert first == again and len(asked) == 1
    setting_curve.differences(bench, recipe(seed=8), found, found[0], "mrr")
    assert len(asked) == 2


def test_a_context_that_the_candidates_cannot_fill_is_told(bench):
    [point] = drain(setting_curve.curve(bench, recipe(**{"retrieval.candidates": 2}), SIZE, [24], 5000))
    assert point.full == 0 and point.context_tokens < 60


def test_the_command_line_prints_context_beside_the_metric(bench, monkeypatch, capsys):
    monkeypatch.setattr("core.workbench.Workbench", lambda: bench)
    words = [
        "curve",
        "--dataset",
        "towns",
        "--set",
        "fusion.part=sparse_only",
        "--set",
        "chunking.overlap_tokens=8",
        "--grid",
        f"{SIZE}=16,64",
        "--metric",
        "recall",
    ]
    assert command_line.main(words) == 0
    assert "context tokens" in capsys.readouterr().out
    assert command_line.main([*words, "--budget", "40", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["context_tokens"] for row in rows] == [40, 40] and {"recall", "recall low", "recall high"} < set(rows[0])
    assert "recall difference" not in rows[0]  # the recipe's own size is none of the values
    assert command_line.main([*words, "--budget", "40", "--against", f"{SIZE}=16", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["recall difference"] == 0 and rows[1]["recall difference"] == pytest.approx(
        rows[1]["recall"] - rows[0]["recall"]
    )
    assert command_line.main([*words, "--budget", "40", "--against", f"{SIZE}=16"]) == 0
    assert "recall difference" in capsys.readouterr().out
    assert command_line.main([*words, "--budget", "40", "--metric", "precision"]) == 1


def test_a_grid_is_prepared_without_the_values_that_are_not_valid(bench):
    running = Running(setting_curve.prepare(bench, recipe(), {SIZE: [8, 16, 32]}))
    said = [step.message for step in running]
    made = running.result
    assert said and all(one.startswith("size ") for one in said)
    assert [row[SIZE] for row in made] == [16, 32] and all(row["chunks"] for row in made)
    with pytest.raises(WorkbenchError):
        drain(setting_curve.prepare(bench, recipe(**{"corpus.dataset": "nowhere"}), {SIZE: [16]}))
