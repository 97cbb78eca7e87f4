"""Charts of the pages Trials and Experiments, taken into a paper: their rows follow from trials, and what they draw from the rows."""

import copy
import itertools
import json

import pytest

from app import session
from app.ui import export
from core.labs.experiments import book
from core.labs.experiments.experiment import made
from core.labs.papers import bundle as bundles
from core.labs.papers import checking, derived, verification
from core.labs.papers import paper as papers
from core.progress import drain
from core.workbench import Workbench
from tests.support.screen import visit
from tests.support.synthetic_trials import add_questions, add_trial

pytestmark = pytest.mark.slow

POINTS = list(itertools.product((64, 128, 256), (0.3, 0.5, 0.7)))
PLACES = {  # tab and what of it -> whether all that is drawn stands in its rows
    "leaderboard": ("Leaderboard", {}, True),
    "quality-against-cost": ("Frontier", {"cost": "Chunks in the index"}, True),
    "quality-against-cost-2": ("Frontier", {"cost": "Median latency of a question", "third": "MRR@k"}, True),
    "main-effects": ("Effects", {}, True),
    "importance": ("Effects", {}, True),
    "interaction": ("Effects", {}, True),
    "parallel-coordinates": ("Parallel coordinates", {}, False),
    "differences": ("Side by side", {}, True),
    "won-and-lost": ("Side by side", {}, True),
    "trace": ("Side by side", {}, True),
    "left-out": ("Leave one article out", {}, True),
    "study": ("", {"study_view": "Factors"}, True),
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = Workbench(tmp_path_factory.mktemp("home"))
    questions = add_questions(bench.store)
    sizes, weights = (sorted({point[place] for point in POINTS}) for place in (0, 1))
    factors = [{"setting": "chunking.size_tokens", "values": sizes}, {"setting": "fusion.weight", "values": weights}]
    book.save(bench, made({"id": "s", "base": {"corpus": {"dataset": "tiny"}, "fusion": "convex"}, "factors": factors}))
    for number, (size, weight) in enumerate(POINTS):
        point = {"chunking.size_tokens": size, "fusion.weight": weight}
        add_trial(bench.store, questions, point, 0.3 + 0.5 * (size == 256), number, "s")
    look(bench, "before")
    return bench


def look(bench, when: str) -> None:
    """Recipes that nobody stored, as a slider leaves them."""
    for number in range(5):
        bench.pipeline.looks.add("tiny", "tiny", "all", f"{when}-{number}", f"{when}-{number}")


@pytest.fixture(scope="module")
def charts(bench):
    """name -> (chart, rows, command) as the pages hand them to their export menus."""
    taken = {}

    def kept(chart, name, *, data=None, command, **more):
        free = name if name not in taken else f"{name}-2"
        taken[free] = (copy.deepcopy(chart), data, command)

    ids = ",".join(row["id"] for row in bench.trials(2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "workbench", lambda: bench)
        patch.setattr(export, "menu", kept)
        looks = dict.fromkeys(json.dumps([tab, address]) for tab, address, _ in PLACES.values())
        for tab, address in map(json.loads, looks):
            many = {"trials": ids} if tab in ("Side by side", "Leave one article out") else {}
            app = (
                visit("compare_trials", {"together": tab, **many, **address})
                if tab
                else visit("run_study", {"study": "s", **address})
            )
            assert not app.exception and not app.error
    return taken


@pytest.fixture(scope="module")
def paper(bench, charts):
    papers.create(bench, "Charts")
    for name in PLACES:
        chart, rows, command = charts[name]
        papers.add_chart(bench, "charts", name, chart, [dict(row) for row in rows], command)
    return papers.load(bench, "charts")


def test_each_chart_follows_from_its_trials_also_in_a_bundle(bench, paper):
    for name, (_, _, of_rows) in PLACES.items():
        assert paper.item(name).command, name
        assert derived.of_places(paper.item(name).command) != of_rows, name
    look(bench, "since")
    contents = drain(bundles.current(bench, paper))
    bundle = bundles.whole(bench, paper, contents, {}, bundles.records(bench, paper))
    assert any(name.endswith(".experiment.jsonl.gz") for name in bundle)
    results = {row.what: row for row in drain(verification.verified(bundle))}
    assert {name: results[f"figure {name}"].holds for name in PLACES} == dict.fromkeys(PLACES, True)
    assert "places on scales" in results["drawing of parallel-coordinates"].told


def test_one_number_of_any_chart_is_named(bench, paper):
    for name, (_, _, of_rows) in PLACES.items():
        item, showed = paper.item(name), papers.taken(bench, "charts", name)
        changed = copy.deepcopy(showed)
        row = changed.content["data"][-1]
        column = next(column for column, value in row.items() if isinstance(value, float))
        row[column] += 0.001
        assert checking.recomputed(bench, item, changed).holds is False, name
        if of_rows:
            moved = copy.deepcopy(showed)
            numbers = [
                (trace, axis, at)
                for kind in (float, int)  # counts only where nothing else is drawn
                for trace in moved.content["figure"]["data"]
                for axis in "xy"
                for at, value in enumerate(trace.get(axis) or ())
                if isinstance(value, kind)
            ]
            trace, axis, at = numbers[0]
            trace[axis][at] += 0.001
            result = checking.recomputed(bench, item, moved)
            assert result.holds is False and "no row says it" in result.told, name


def test_names_of_two_systems_cannot_be_swapped_in_a_drawing(bench, paper):
    showed = papers.taken(bench, "charts", "leaderboard")
    names = showed.content["figure"]["data"][0]["y"]
    names[0], names[1] = names[1], names[0]
    assert "is drawn, and no row says it" in checking.recomputed(bench, paper.item("leaderboard"), showed).told


def test_a_study_that_went_on_makes_its_charts_stale(bench, paper):
    assert all(row.holds is not False for row in drain(checking.check(bench, "charts")))
    fewer = papers.PaperFigure(**{**paper.item("leaderboard").model_dump(), "trials": paper.item("leaderboard").trials[1:]})
    assert checking.recomputed(bench, fewer, papers.taken(bench, "charts", "leaderboard")).holds is False
    asked = {"fingerprint": "tiny", "dataset": "tiny", "queries": bench.store.questions("tiny")["queries"]}
    add_trial(bench.store, asked, {"chunking.size_tokens": 64, "fusion.weight": 0.9}, 0.1, 77, "s")
    told = {row.what: row.told for row in drain(checking.check(bench, "charts")) if row.holds is False}
    assert "1 new, 0 gone" in told["figure leaderboard"] and "figure study" in told and "figure trace" not in told
