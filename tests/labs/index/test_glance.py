"""What the page Index shows beside the lab's points, on a small corpus: rankings, insides, grids, filters and words."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import plotly.graph_objects as go
import pytest

from app.ui import charts
from app.ui.index import figures
from core import registry
from core.cli.index import show_cost
from core.config import TrialConfig, with_settings
from core.evaluation.metric import headlines
from core.labs.index import fallback, glance, grids, inside, life, measuring, points, questions, reference, shadow
from core.labs.index.cost import answer_cost, cost_rows, costs_along
from core.labs.index.filtered import filters, groupings
from core.labs.index.points import about_setting, logit, point_of
from core.labs.index.shadow import SwitchReport
from core.progress import drain
from core.records import Chunks, Corpus, Document, Gold, Query
from core.scratch.indexes.inside import Graph, Lists, Reason, walk, where, why_missed
from core.statistics.proportion import unit_intervals
from core.workbench import Workbench
from tests.support.small_corpora import THINGS, WAYS, small_bert


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    workbench = Workbench(tmp_path_factory.mktemp("home"))
    files = [
        (f"{thing}-{number}.txt", f"The best {thing} {way}.".encode()) for thing in THINGS for number, way in enumerate(WAYS)
    ]
    asked = [
        {"id": f"q{i}", "question": f"What is known of {thing}?", "document": f"{thing}-0.txt", "answer": "old recipes"}
        for i, thing in enumerate(THINGS)
    ]
    for _ in workbench.library.ingest("things", files, ("questions.jsonl", "\n".join(map(json.dumps, asked)).encode())):
        pass
    return workbench


def recipe(part: str, **settings) -> TrialConfig:
    return with_settings(
        TrialConfig(),
        {
            "corpus.dataset": "things",
            "index.part": part,
            "evaluation.k": 4,
            "fusion": "dense_only",
            **{f"index.{name}": value for name, value in settings.items()},
        },
    )


@pytest.mark.slow
def test_a_glance_is_the_labs_point_and_is_measured_once(bench):
    config = recipe("faiss_ivf", nlist=8, nprobe=1)
    here = drain(glance.glance(bench, config, 1.0))
    point = drain(measuring.measure_point(bench, config, quick=True))
    assert not here.cached and here.point.recall == point.recall == here.recall.mean < 1
    assert drain(glance.glance(bench, config, 1.0)).cached
    wider = drain(glance.glance(bench, config, 2.0))
    assert wider.cached and wider.cost.margin_points == 2.0


@pytest.mark.slow
def test_rankings_side_by_side_say_what_the_index_missed(bench):
    config = recipe("faiss_ivf", nlist=8, nprobe=1)
    recalls = drain(answer_cost(bench, config)).recalls
    for row, recall in enumerate(recalls):
        exact, here = drain(questions.side_by_side(bench, config, row))
        assert len(exact) == 4 and sum(one.elsewhere is not None for one in exact) / 4 == pytest.approx(recall)
        for one in exact:
            if one.elsewhere:
                assert here[one.elsewhere - 1].hit.text == one.hit.text
    assert recalls.min() < 1


@pytest.mark.slow
def test_the_table_by_question_agrees_with_the_cost(bench):
    config = recipe("faiss_ivf", nlist=8, nprobe=1)
    cost, corpus = drain(answer_cost(bench, config)), bench.corpus(config)
    table = questions.by_question(cost, corpus, "ndcg_linear", fused=True)
    assert table["lost"] == [bool(r < 1) for r in cost.recalls] and len(table["question"]) == len(corpus.queries)
    worse = sum(outcome == "worse" for outcome in table["outcome"])
    assert worse == int((cost.fused.effects["ndcg_linear"].differences < -1e-12).sum())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "settings"),
    [("faiss_ivf", {}), ("faiss_ivf_pq", {"m": 16}), ("faiss_ivf_pq", {"m": 8, "opq": True}), ("faiss_disk", {})],
)
def test_lists_hold_every_vector_and_probing_all_of_them_compares_all(bench, part, settings):
    # few dimensions: OPQ learns a rotation from as many vectors at least
    config = with_settings(recipe(part, nlist=6, **settings), {"transform.projection": "pca", "transform.dimensions": 32})
    read = drain(inside.index_inside(bench, config))
    assert isinstance(read.structure, Lists) and sorted(np.unique(read.structure.cell)) == list(range(6))
    truth = np.argsort(-(read.vectors @ read.queries[0]), kind="stable")[:4]
    placed = where(read.structure, read.vectors, read.queries[0], 6, 4)
    assert all(one.probed for one in placed)
    scores = read.vectors @ read.queries[0]
    assert sorted(scores[[one.id for one in placed]]) == pytest.approx(sorted(scores[truth]), abs=1e-6)


@pytest.mark.parametrize("dimensions", [0, 24])
def test_the_graphs_walk_finds_what_the_index_finds(bench, dimensions):
    config = recipe("faiss_hnsw", m=4, ef_search=64, dimensions=dimensions)
    read = drain(inside.index_inside(bench, config))
    assert isinstance(read.structure, Graph) and len(read.structure.levels) == 48
    found = drain(bench.pipeline.dense(bench.resolve(config)))
    assert set(walk(read.structure, read.vectors, read.queries[3], 64, 4).ranking) == set(found.chunk[3, :4])
    assert drain(inside.index_inside(bench, recipe("hnswlib"))) is None


def test_the_walk_is_that_of_the_question_with_the_prefix_in_use(bench, tmp_path):
    small_bert(tmp_path / "model")
    encoder = {"part": "sentence_transformers", "model": str(tmp_path / "model")}
    bare, prefixed = (
        with_settings(recipe("faiss_hnsw"), {"embedding": encoder | {"query_prefix": some}}) for some in ("", "tea: ")
    )
    first, second = (drain(inside.index_inside(bench, config)).queries for config in (bare, prefixed))
    asked = drain(bench.pipeline.query_vectors(bench.resolve(prefixed)))
    assert np.allclose(second, asked, atol=1e-6) and not np.allclose(first, second, atol=1e-3)


def test_fallback_starts_at_the_index_and_ends_at_exact_search(bench):
    config = recipe("faiss_ivf", nlist=8, nprobe=1)
    curve = drain(fallback.exact_fallback(bench, config, "likeness", 100.0))
    assert curve[0].recall_after == pytest.approx(drain(glance.glance(bench, config, 1.0)).recall.mean)
    assert curve[-1].sent == 1 and curve[-1].recall_after == pytest.approx(1)


def test_default_grids_are_settings_that_can_be_built():
    for name, part in registry.parts("index").items():
        for dim, num in ((384, 16_000), (100, 60)):
            for setting, values in grids.default_grid(part(), num, dim).items():
                for value in values:
                    with_settings(TrialConfig(), {"index.part": name, f"index.{setting}": value})
    pieces = grids.default_grid(registry.find("index", "faiss_ivf_pq")(), 60, 100)
    assert all(100 % m == 0 for m in pieces["m"] if m) and max(pieces["nprobe"]) <= 31


def test_chunks_are_grouped_by_what_tells_documents_apart():
    documents = tuple(Document(f"{place}/{i}", "text", title=f"T{i}") for place in ("north", "south") for i in range(2))
    asked = tuple(Query(str(i), "?", (Gold(d.id, 0, 4),), group="ab"[i % 2]) for i, d in enumerate(documents))
    chunks = Chunks(np.array([0, 0, 1, 2, 3], np.int32), *(np.zeros(5, np.int32),) * 3)
    found = groupings(Corpus("c", documents, asked), chunks)
    assert found["source"] == ["north"] * 3 + ["south"] * 2
    assert found["document"] == ["T0 north/0", "T0 north/0", "T1 north/1", "T0 south/0", "T1 south/1"], "two of one title are two"
    assert found["type of question"] == ["a", "a", "b", "a", "b"]
    assert groupings(Corpus("c", documents, asked[:3]), chunks)["type of question"][-1] == "none asked"
    both = (*asked, Query("more", "?", (Gold(documents[0].id, 0, 4),), group="b"))
    assert "type of question" not in groupings(Corpus("c", documents, both), chunks)


def test_of_many_questions_some_of_every_subject_are_drawn():
    asked = np.repeat(np.arange(4), 250)[:, None]
    assert len(reference.drawn_of(asked, 200)) == 200 and set(reference.drawn_of(asked, 200).ravel()) == {0, 1, 2, 3}
    assert np.all(np.diff(reference.drawn_of(asked, 200).ravel()) >= 0) and reference.drawn_of(asked, 1000) is asked


def test_a_switch_is_told_in_sentences():
    report = SwitchReport(
        True, "", "old", "new", 300, 0, 0, np.array([0.5, 0.7]), 90, 60, 30, 2, 0, 40, 12, 0, 1.2, 9.0, 0.5, 0.1, 0.0
    )
    text = " ".join(shadow.switch_words(report))
    assert "60 by the old encoder and 30 by the new one: 2 without results, none failed" in text and "finds 60% too" in text
    assert "40 rows of the other encoder" in text and "met them 12 times among the nearest, and none answered with one" in text
    stayed = shadow.switch_words(report._replace(switched=False, reason="overlap@10 0.10 is below 0.5"))
    assert stayed[0] == "The old encoder stayed: overlap@10 0.10 is below 0.5."


@pytest.mark.slow
def test_the_charts_of_the_page_are_valid_plotly(bench):
    config = recipe("faiss_ivf", nlist=8, nprobe=1)
    drain(measuring.sweep(bench, config, {"index.nprobe": [1, 2, 8]}))
    kept, here = drain(points.stored(bench, config)), drain(glance.glance(bench, config, 1.0))
    for axis in points.AXES:
        figure = figures.points(kept, axis, here.point)
        go.Figure(figure)  # raises on a bad property
    assert {point for trace in figure["data"] for point in trace.get("customdata", ())} == {p.id for p in kept}
    costs = drain(costs_along(bench, config, [1, 2, 8], 1.0))
    drawn = figures.costs(costs, [1, 2, 8], "recall", "nprobe", 1, "dense only")
    go.Figure(drawn)
    names = {trace["name"] for trace in drawn["data"]}
    assert {"90% interval", "margin"} <= names and "95% interval" not in names
    read = drain(inside.index_inside(bench, recipe("faiss_hnsw")))
    path = walk(read.structure, read.vectors, read.queries[0], 8, 4)
    for figure in (figures.graph_layers(read.structure), figures.graph_degrees(read.structure), figures.walked(path)):
        go.Figure(figure)
    assert sum(row["leave"] for row in inside.link_rows(read.structure)) == 48
    curve = drain(fallback.exact_fallback(bench, config, "margin", 100.0))
    go.Figure(figures.fell_back(curve, curve[1], 4))
    lived = drain(life.life(bench, config, "mixed", 0.2, 2))
    again = drain(life.recorded(bench, config, "vectors"))
    assert again._replace(rounds=()) == lived._replace(rounds=()) and life.schedule(again, 0.01) == life.schedule(lived, 0.01)
    go.Figure(figures.churned(lived, 0.2))
    go.Figure(figures.churn_latency(lived))
    filtered = drain(filters(bench, config, None))
    assert charts.safe("<b>") == "&lt;b&gt;"
    go.Figure(figures.filtered(filtered, unit_intervals(np.column_stack([f.recall for f in filtered])), 4))


def test_large_indexes_are_left_to_a_job(bench, monkeypatch):
    config = recipe("faiss_ivf", nlist=5)
    run = bench.resolve(config)
    assert bench.index_plan(config).live
    monkeypatch.setattr("core.workbench.LIVE_INDEXED", 10)
    plan = bench.index_plan(config)
    assert not plan.live and [phase.what for phase in plan.phases] == ["building FAISS IVF of 48 vectors"]
    assert bench.pipeline.to_index(run) == 48
    assert bench.pipeline.to_index(run.of(recipe("exact"))) == 0 and bench.index_plan(recipe("exact")).live
    drain(bench.pipeline.index(run))
    assert bench.pipeline.to_index(run) == 0 and bench.index_plan(config).live


def test_preparing_builds_an_index_that_its_candidates_outlived(bench):
    config = recipe("faiss_ivf", nlist=6)
    run = bench.resolve(config)
    drain(bench.prepare(config))
    assert bench.pipeline.to_index(run) == 0
    shutil.rmtree(bench.pipeline.cache.folder / "index" / run.key("index"))
    bench.pipeline._memory.clear()
    assert bench.pipeline.dense_at_hand(run) and bench.pipeline.to_index(run) == 48
    drain(bench.prepare(config))
    assert bench.pipeline.to_index(run) == 0


def test_what_has_to_be_prepared_asks_the_index():
    silent = with_settings(TrialConfig(), {"fusion": "sparse_only"})
    assert glance.to_prepare(silent).fusion.needs() and "dense" in glance.to_prepare(silent).fusion.needs()
    assert grids.main_setting(SimpleNamespace(query_settings=("nprobe", "rescore"))) == "nprobe"


def test_recall_of_one_is_labelled_so_also_where_one_neighbour_was_asked_for():
    for neighbours in (1, 48, 10_000):
        axis = figures._recall_axis([SimpleNamespace(recall=1.0, neighbours=neighbours)])
        assert axis["ticktext"][0] == "1" and axis["tickvals"][0] == pytest.approx(logit(1.0, neighbours))


def test_a_setting_is_named_as_people_write_it():
    for settings, words in (
        ({"index": {"part": "faiss_sq", "bits": "4bit", "rescore": 2}}, "FAISS SQ, stored as 4 bits, rescore 2"),
        (
            {"index": {"part": "faiss_hnsw", "ef_search": 8}, "transform.quantise": "binary"},
            "FAISS HNSW, quantise binary, efSearch 8",
        ),
        ({"index": "exact", "transform.quantise": "opq", "transform.code_bytes": 16}, "Exact, quantise OPQ, code bytes 16"),
    ):
        assert point_of(about_setting(with_settings(TrialConfig(), settings), None)).label == words


def test_the_command_line_shows_the_sentences_of_a_cost_whole(bench, capsys):
    found = drain(answer_cost(bench, recipe("faiss_ivf", nlist=8, nprobe=1)))
    show_cost(cost_rows([found]))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("FAISS IVF, nlist 8, nprobe 1: recall ") and len(lines) == 1 + 2 * len(headlines())
    sentence = found.dense.effects["ndcg_linear"].sentence.removeprefix(found.subject).strip()
    assert f"  dense_only: {sentence}" in lines


@pytest.mark.parametrize("ef", [1, 2, 4, 16])
def test_the_walk_and_the_measured_search_find_the_same_for_every_question(bench, ef):
    """Also with a queue shorter than the results asked for: what is said under Inside is what was measured."""
    config = with_settings(recipe("faiss_hnsw", m=2, ef_search=ef), {"evaluation.k": 10})
    read, found = drain(inside.index_inside(bench, config)), drain(glance.glance(bench, config, 1.0))
    rows = questions.measured_rows(len(read.queries))
    for place, row in enumerate(rows):
        missed = [
            one for one in why_missed(read.structure, read.vectors, read.queries[row], ef, 10) if one.reason is not Reason.TIED
        ]
        assert found.point.raw.recall[place] == pytest.approx(1 - len(missed) / 10), row
