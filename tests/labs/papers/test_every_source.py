"""Every command that an item can come from: taken after looks, bundled and verified, and again after more looks; and each number of
a bundle, forged with whatever the bundle says of itself, is named."""

import copy
import json

import pytest

import core.__main__  # noqa: F401  # which knows all verbs
from core.cli.frame import VERBS
from core.jobs.verbs import as_recorded
from core.labs.experiments import book
from core.labs.experiments.experiment import made
from core.labs.papers import bundle as bundles
from core.labs.papers import checking, derived, sources, verification
from core.labs.papers import paper as papers
from core.labs.trials import comparison, looks
from core.progress import drain
from core.workbench import Workbench
from tests.labs.papers.test_bundle import sealed, wrong
from tests.support.annotated import rating
from tests.support.labelled import by_place, labelled
from tests.support.small_paper import CHART, three_trials
from tests.support.synthetic_trials import add_questions, add_trial

pytestmark = pytest.mark.slow

FACTORS = {"chunking.size_tokens": (64, 128), "fusion.weight": (0.2, 0.4, 0.6, 0.8)}
CHARTS = {  # name -> command as pages write it; A, B: trials
    "leaderboard": "leaderboard s --metric mrr",
    "coordinates": "leaderboard s --metric mrr --settings",
    "effects": "effects s --metric mrr",
    "cells": "effects s --metric mrr --cells chunking.size_tokens fusion.weight",
    "importance": "importance s --metric mrr",
    "frontier": "frontier --metric mrr --cost chunks --dataset tiny",
    "third": "frontier --metric mrr --cost latency_ms --third recall --dataset tiny",
    "study": "study-results s --metric mrr",
    "compared": "trials-compare A B C --metric mrr",
    "sides": "side-by-side A B --metric mrr",
    "left-out": "left-out A B --metric mrr",
    "table": "trials-table A B --metric mrr --metric recall",
}
COMPUTED = {  # name -> (kind, command, more)
    "shown": ("number", "show A", {"value": "metrics.mrr.mean"}),
    "gain": ("number", "compare A B --metric mrr", {"value": "difference"}),
    "cell": ("number", "trials-table A B --metric mrr", {"value": "rows.1.cells.mrr.p"}),
    "top": ("number", "leaderboard s --metric mrr", {"value": "leaderboard.0.mrr"}),
    "alpha": ("number", "agreement toy", {"value": "measures.0.value"}),
    "count": ("number", "sql 'SELECT count(*) AS n FROM rankings'", {"value": "0.n"}),
    "main": ("table", "trials-table A B --metric mrr --cost chunks", {}),
    "ranks": ("table", "leaderboard s --metric mrr --first 2", {}),
    "means": ("figure", "trials-table A B --metric mrr", {"drawing": "means"}),
    "gains": ("figure", "trials-table A B --metric mrr", {"drawing": "differences"}),
    "board": ("figure", "leaderboard s --metric mrr", {"drawing": "means"}),
}


def look(bench: Workbench, number: int) -> None:
    """So many recipes more were looked at on the questions, as by a slider."""
    for each in range(number):
        at = len(bench.pipeline.looks.of("tiny").rankings)
        bench.pipeline.looks.add("tiny", "tiny", "all", f"slider-{at}-{each}", f"recipe-{at}-{each}")


def words(bench: Workbench, command: str) -> str:
    trials = sorted(row["id"] for row in bench.trials())
    return " ".join(dict(zip("ABC", trials, strict=False)).get(word, word) for word in command.split(" "))


def charted(rows: list[dict]) -> dict:
    """A drawing of rows, whose points stand in them."""
    name = next((key for key, value in rows[0].items() if isinstance(value, str) and key != "trial"), "")
    numbers = [key for key, value in rows[0].items() if isinstance(value, float)]
    points = [row for row in rows if row[numbers[0]] is not None]
    trace = {"type": "scatter", "x": [row[numbers[0]] for row in points], "y": [row[name] for row in points], "name": "all"}
    return {"data": [trace], "layout": {}}


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = Workbench(tmp_path_factory.mktemp("home"))
    labelled(bench, rating(pilot=0, duplicates=2, attention=True), by_place)
    factors = [{"setting": name, "values": list(values)} for name, values in FACTORS.items()]
    book.save(bench, made({"id": "s", "base": {"corpus": {"dataset": "tiny"}, "fusion": "convex"}, "factors": factors}))
    questions = add_questions(bench.store)
    for size in FACTORS["chunking.size_tokens"]:
        for weight in FACTORS["fusion.weight"]:
            point = {"chunking.size_tokens": size, "fusion.weight": weight}
            add_trial(bench.store, questions, point, 0.3 + 0.5 * (size == 128), size + int(10 * weight), "s")
    look(bench, 5)
    return bench


@pytest.fixture(scope="module")
def paper(bench):
    papers.create(bench, "All")
    trials = sorted(row["id"] for row in bench.trials())
    for name, (kind, command, more) in COMPUTED.items():
        fields = {"kind": kind, "name": name, "command": sources.split(words(bench, command)), **more}
        papers.add(bench, "all", fields | ({"trials": trials} if name == "count" else {}))
    for name, command in CHARTS.items():
        typed = sources.split(words(bench, command))
        for number, rows in enumerate(derived.derived(bench, typed, [{"trial": trial} for trial in trials]).tables):
            if rows and any(isinstance(value, float) for value in rows[0].values()):
                papers.add_chart(
                    bench, "all", f"{name}-{number or 'a'}", charted(rows), rows, "python -m core " + words(bench, command)
                )
    return papers.load(bench, "all")


def whole(bench) -> dict[str, bytes]:
    paper = papers.load(bench, "all")
    showed = drain(bundles.current(bench, paper))
    raw = bundles.records(bench, paper) | bundles.labels(bench, paper)
    return dict(bundles.whole(bench, paper, showed, {}, raw))


def test_every_command_of_an_item_is_tried(paper):
    tried = {as_recorded(item.command)[0] for item in paper.items}
    assert tried == derived.VERBS.keys() | sources.SOURCES.keys()
    assert all(item.command for item in paper.items), "each chart follows from its command"


def test_a_bundle_of_all_is_made_and_verifies_whatever_is_looked_at_since(bench, paper, tmp_path):
    for more in (0, 40):
        look(bench, more)
        results = drain(checking.check(bench, "all"))
        assert not [row for row in results if row.holds is False], results
        left = [row.what for row in drain(verification.verified(whole(bench))) if not row.holds]
        assert left == ["drawing of coordinates-a"], left


def test_looks_are_part_of_the_item_and_what_was_looked_at_since_is_told(bench, paper):
    look(bench, 3)
    showed, now = papers.taken(bench, "all", "compared-a"), looks.counted(bench, "tiny").looked
    [then] = showed.looked
    assert then.looked == len(then.recipes) == 8 + 5 < now
    row = showed.content["data"][0]
    assert [row[name] for name in comparison.OF_LOOKS] == [each[0] for each in looks.corrected([row["p"]], then.looked)] or row[
        "p"
    ] is None
    told = {each.what: each.told for each in drain(checking.check(bench, "all"))}["figure compared-a"]
    assert f"count the 13 recipes that had been compared when it was taken; now there are {now}" in told
    methods = whole(bench)["text/methods.tex"].decode()
    assert "Recipes compared in all, reported here or not: 13 on tiny (all questions)." in methods


def test_a_chart_taken_before_looks_were_kept_is_told_and_bundled(bench, paper):
    showed = papers.taken(bench, "all", "compared-a")
    papers.put_back(bench, "all", paper.item("compared-a"), showed._replace(looked=()), 1)
    try:
        results = {row.what: row for row in drain(verification.verified(whole(bench)))}
        assert results["figure compared-a"].holds
        unchecked = results["p (all looks) and q (all looks) of compared-a"]
        assert unchecked.holds is None and "does not say how many recipes" in unchecked.told
    finally:
        papers.put_back(bench, "all", paper.item("compared-a"), showed, 1)


def test_a_chart_of_any_other_command_is_bundled_and_told_as_not_checked(tmp_path):
    """Whatever page it is of: rows that no command gives, and none at all."""
    bench = Workbench(tmp_path)
    trial, *_ = three_trials(bench)
    of_trials = derived.VERBS.keys() | sources.SOURCES.keys()
    names = sorted({*of_trials, *sorted(verb.key for verb in VERBS.values() if " " not in verb.key)[::9]})
    for place, name in enumerate(names):
        rows = [{"k": 1, "recall": 0.5}] if place % 2 else []
        papers.add_chart(bench, "any", name, CHART, rows, f"python -m core {name} {trial} --metric mrr")
    paper = papers.load(bench, "any")
    showed = drain(bundles.current(bench, paper))
    results = drain(verification.verified(bundles.whole(bench, paper, showed, {}, bundles.records(bench, paper))))
    assert not [row for row in results if row.holds is False]
    assert sum(row.holds is None and row.what.startswith("figure ") for row in results) == len(names) == len(paper.items)


def forged(content, find=None):
    """The same with one number changed: the first float in it, or the one that `find` gives."""
    content = copy.deepcopy(content)
    if isinstance(content, int | float):
        return content + 1 if isinstance(content, int) else content + 0.01

    def change(part) -> bool:
        for key, value in part.items() if isinstance(part, dict) else enumerate(part):
            if isinstance(value, float) and value == value:
                part[key] = value + 0.01
                return True
            if isinstance(value, dict | list) and change(value):
                return True
        return False

    assert change(find(content) if find else content)
    return content


PLACES = {"a row": lambda content: content["data"], "the drawing": lambda content: content["figure"]["data"]}


def test_each_number_that_is_forged_is_named(bench, paper):
    """In an item with its checksum, and all that is written from it with the manifest: the records do not give it."""
    showed, raw = papers.showed(bench, paper), bundles.records(bench, paper) | bundles.labels(bench, paper)
    for item in paper.items:
        for place in PLACES.values() if item.kind == "figure" else (None,):
            content = forged(showed[item.name].content, place)
            changed = {**showed, item.name: showed[item.name]._replace(content=content)}
            if item.kind != "figure" or item.drawing == "" or place is PLACES["a row"]:
                result = checking.recomputed(bench, item, changed[item.name])
                assert result.holds is False or (derived.of_places(item.command) and place is PLACES["the drawing"]), item.name
    changed = {name: of._replace(content=forged(of.content)) for name, of in showed.items() if paper.item(name).kind == "number"}
    bundle = sealed(dict(bundles.whole(bench, paper, {**showed, **changed}, {}, raw)))
    assert set(wrong(bundle)) == {f"number {name}" for name in changed}


CLAIMS = {
    "no drawing": lambda fields: fields.pop("drawing", None),
    "another drawing": lambda fields: fields.update(drawing="differences"),
    "older claims": lambda fields: fields.update(derived=False, of_rows=False),
    "fewer trials": lambda fields: fields.update(trials=fields["trials"][:1]),
}


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_a_forged_figure_fails_whatever_it_says_of_itself(bench, paper, claim):
    names, showed, items = ("means", "leaderboard-a", "compared-a"), papers.showed(bench, paper), {}
    for name in names:
        fields = paper.item(name).model_dump(mode="json")
        claim(fields)
        items[name] = papers.PaperFigure(**fields)
    other = paper.model_copy(update={"items": tuple(items.get(item.name, item) for item in paper.items)})
    changed = dict(showed)
    for name in names:
        content = forged(forged(showed[name].content, PLACES["a row"]), PLACES["the drawing"])
        changed[name] = showed[name]._replace(content=content)
    raw = bundles.records(bench, paper) | bundles.labels(bench, paper)
    told = wrong(sealed(dict(bundles.whole(bench, other, changed, {}, raw))))
    assert {f"figure {name}" for name in names} <= told.keys()


def test_a_figure_without_its_command_is_told_as_not_checked(bench, paper):
    """A command of which nothing can be recomputed, or none, is all that a forger can do; it is no silent success."""
    for words in ((), ("curve", "--set", "a=b")):
        figure = paper.item("means").model_copy(update={"command": words, "drawing": ""})
        showed = papers.taken(bench, "all", "means")
        assert checking.recomputed(bench, figure, showed).holds is None


@pytest.mark.parametrize("change", [{"looked": 3}, {"recipes": []}, {"more": 1}], ids=["count", "list", "shape"])
def test_looks_that_do_not_fit_are_refused(bench, paper, change):
    place = bench.home / "papers/all/items/compared-a.json"
    before = place.read_text()
    record = json.loads(before)
    record["looked"][0].update(change)
    record["checksum"] = papers.checksum([record["content"], record["looked"]])
    place.write_text(json.dumps(record))
    try:
        results = {row.what: row for row in drain(checking.check(bench, "all"))}
        assert results["figure compared-a"].holds is False and "cannot be read" in results["figure compared-a"].told
    finally:
        place.write_text(before)
