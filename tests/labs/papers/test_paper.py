"""A paper's document: items taken, moved, removed; each computed by the words of its command; a change of the store is told."""

import json

import pytest

from core.__main__ import parse
from core.errors import WorkbenchError
from core.labs.papers import bundle as bundles
from core.labs.papers import checking, derived, numbers, shelf, sources
from core.labs.papers import paper as papers
from core.progress import drain
from core.records import plain
from core.workbench import Workbench
from tests.support.small_paper import CHART, small_paper, three_trials
from tests.support.synthetic_trials import add_failed, add_questions, add_trial


@pytest.fixture
def bench(tmp_path):
    return Workbench(tmp_path)


@pytest.mark.slow
def test_items_come_in_their_order_and_are_moved_replaced_and_removed(bench):
    base, better, _ = small_paper(bench)
    assert [item.name for item in papers.load(bench, "small").items] == ["main", "gain", "gain-p", "recall-10"]
    papers.move(bench, "small", "recall-10", 1)
    papers.remove(bench, "small", "gain-p")
    # by the end of an id: what is kept is the whole of it
    papers.add(bench, "small", {"kind": "number", "name": "gain", "command": ["show", better[-8:]], "value": "metrics.mrr.n"})
    paper = papers.load(bench, "small")
    assert [item.name for item in paper.items] == ["recall-10", "main", "gain"]
    assert paper.item("gain").command == ("trials", "show", better) and paper.item("gain").trials == (better,)
    assert papers.taken(bench, "small", "gain").content == 39
    assert papers.read(papers.written(paper)) == paper
    assert paper.trials == sorted(three for three in paper.item("main").trials) and base in paper.trials
    with pytest.raises(WorkbenchError, match="has no item 'gain-p'"):
        papers.move(bench, "small", "gain-p", 1)
    with pytest.raises(WorkbenchError, match="cannot be read"):
        papers.taken(bench, "small", "gain-p")


def test_papers_whose_titles_have_no_latin_letters_are_not_one(bench):
    titles = ["混合检索", "重排序", "Гибридный поиск", "2024 results", "2025 results", "a" * 55, "a" * 56]
    assert len({papers.create(bench, title).id for title in titles}) == len(titles)
    assert papers.create(bench, "Small results").id == "small-results"
    papers.add_table(bench, "重排序", "mean", f"trials table {three_trials(bench)[0]}")
    assert [papers.load(bench, name).title for name in papers.names(bench) if papers.load(bench, name).items] == ["重排序"]
    assert len(papers.names(bench)) == len(titles) + 1, "found again by its title"


def test_no_two_numbers_have_one_macro(bench):
    trial, number = three_trials(bench)[0], {"kind": "number", "value": "metrics.mrr.mean"}
    papers.create(bench, "Macros", "macros")
    papers.add(bench, "macros", {**number, "name": "gain-1", "command": ["show", trial]})
    with pytest.raises(WorkbenchError, match=r"'gain-one' would be called as 'gain-1' is: \\resGainOne"):
        papers.add(bench, "macros", {**number, "name": "gain-one", "command": ["show", trial]})
    papers.add(bench, "macros", {**number, "name": "gain-1", "command": ["show", trial]})  # in place of itself
    assert len(papers.load(bench, "macros").items) == 1


@pytest.mark.slow
def test_an_item_answers_what_its_command_prints(bench):
    small_paper(bench)
    for item in papers.load(bench, "small").items:
        call = parse([*item.command, "--json"])
        assert plain(call.work(bench)) == sources.answer(bench, item.command)


@pytest.mark.slow
def test_sql_answers_as_the_verb_does(bench):
    [trial, *_] = three_trials(bench)
    words = ("sql", "SELECT metric, avg(value) AS mean FROM scores GROUP BY metric ORDER BY metric")
    assert plain(parse(words).work(bench)) == sources.answer(bench, words)
    papers.create(bench, "Small")
    number = {"kind": "number", "name": "mean", "command": words, "value": "mrr@10.mean"}
    with pytest.raises(WorkbenchError, match="on which trials"):
        papers.add(bench, "small", number)
    papers.add(bench, "small", {**number, "trials": [trial]})
    assert 0 < papers.taken(bench, "small", "mean").content < 1


def test_all_intervals_of_a_table_have_the_level_that_it_says(bench):
    questions = add_questions(bench.store)
    wide, narrow = (add_trial(bench.store, questions, {"evaluation.confidence": level}, 0.6, 1) for level in (0.99, 0.8))
    table = sources.answer(bench, ("trials-table", wide, narrow, "--metric", "mrr"))
    first, second = (row["cells"]["mrr"] for row in table["rows"])
    assert table["confidence"] == 0.99 and (first["low"], first["high"]) == (second["low"], second["high"])


def test_a_figure_of_nothing_is_refused(bench):
    trial, other, _ = three_trials(bench)
    papers.create(bench, "Small")
    figure = {"kind": "figure", "name": "gap", "drawing": "differences"}
    with pytest.raises(WorkbenchError, match="no differences to draw"):
        papers.add(bench, "small", {**figure, "command": ["trials-table", trial, "--metric", "mrr"]})
    papers.add(bench, "small", {**figure, "command": ["trials-table", trial, other, "--metric", "mrr"]})
    papers.add(bench, "small", {**figure, "name": "mean", "drawing": "means", "command": ["trials-table", trial]})


def test_words_of_a_paper_are_taken_as_they_are_typed(bench):
    papers.create(bench, "Small")
    papers.add_text(bench, "small", "Words")
    said = {"title": "Hybrid search: a study # 2", "authors": "A: B & C", "abstract": "# Aim", "serif": "false"}
    paper = parse(["paper", "change", "small", *(word for name in said for word in ("--set", f"{name}={said[name]}"))]).work(
        bench
    )
    assert {name: paper[name] for name in said} == said | {"serif": False}
    parse(["paper", "change", "small", "text", "--set", "text=# Results: all = 1"]).work(bench)
    parse(["paper", "change", "small", "--set", "title=2024"]).work(bench)
    paper = papers.load(bench, "small")
    assert paper.title == "2024" and paper.item("text").text == "# Results: all = 1"
    with pytest.raises(WorkbenchError, match="no figure, table or number is called so") as error:
        papers.add_text(bench, "small", "It gained {zzz}")
    assert "list settings" not in error.value.todo, "which has no field of a paper"


def test_a_table_of_sql_may_hold_times(bench):
    trials = three_trials(bench)
    papers.create(bench, "Small")
    words = ("sql", "SELECT id, created FROM trials ORDER BY id")
    papers.add(bench, "small", {"kind": "table", "name": "when", "command": words, "trials": trials})
    rows = papers.taken(bench, "small", "when").content["data"]
    assert [row["created"] for row in rows] == [str(row[1]) for row in bench.sql(words[1]).rows]
    assert [row.holds for row in drain(checking.check(bench, "small"))] == [True]


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("run", "cannot be computed by 'run'"),
        ("trials frontier", "cannot be computed by 'trials frontier'"),
        ("rebuild", "cannot be computed"),
        ("show", "takes 1 to 1 words"),
        ("compare a", "takes 2 to 2 words"),
        ("show a --job x", "takes no --job"),
        ("compare a b --k 0", "whole number from 1"),
        ("compare a b --k 99999999999999999999", "whole number from 1"),
        ("compare a b --k ²", "whole number from 1"),
        ("compare a b --metric", "or it has no value"),
    ],
)
def test_other_words_are_refused_before_anything_runs(words, what):
    with pytest.raises(WorkbenchError, match=what):
        sources.parsed(words.split())


def test_an_item_from_before_verbs_had_subjects_keeps_its_words_and_is_computed_by_them():
    """Else what its bundle printed would not be what its item gives."""
    old, new = ("compare", "a", "b", "--metric", "mrr"), ("trials", "compare", "a", "b", "--metric", "mrr")
    assert sources.parsed(old) == sources.parsed(new) and sources.shown(old) == "python -m core compare a b --metric mrr --json"
    assert derived.able(("leaderboard", "s")) and derived.able(("trials", "leaderboard", "s"))
    with pytest.raises(WorkbenchError, match="cannot be computed by 'recipe sweep'"):
        sources.parsed(("recipe", "sweep"))


def test_a_typed_command_is_split_as_a_shell_does():
    assert sources.split("python -m core sql 'SELECT 1' --json") == ("sql", "SELECT 1")
    assert sources.split("compare a b") == ("trials", "compare", "a", "b") == sources.split("python -m core trials compare a b")
    with pytest.raises(WorkbenchError, match="cannot be read"):
        sources.split("sql 'SELECT")


def test_a_place_in_an_answer_is_named_or_the_error_says_what_is_there(bench):
    [trial, *_] = three_trials(bench)
    result = sources.answer(bench, ("show", trial))
    assert sources.look_up(result, "metrics.mrr.mean") in [row["mean"] for row in result["metrics"] if row["metric"] == "mrr"]
    assert sources.look_up(result, "config.evaluation.k") == 10
    for path, what in [
        ("metrics.mrr", "no single value"),
        ("metrics.bleu.mean", "'bleu' names nothing"),
        ("metrics.²", "'²' names nothing"),
        ("", "no single value"),
    ]:
        with pytest.raises(WorkbenchError, match=what):
            sources.look_up(result, path)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"kind": "number", "name": "A b"}, "must match"),
        ({"kind": "number", "name": "../x"}, "must match"),
        ({"kind": "movie", "name": "a"}, "movie"),
        ({"kind": "figure", "name": "a", "width_mm": 1e9}, "at most 400"),
        ({"kind": "table", "name": "a", "trials": ["../../etc"]}, "must match"),
        ({"kind": "table", "name": "a", "unknown": 1}, "no setting 'unknown'"),
    ],
)
def test_items_that_are_none_are_refused_in_words(bench, fields, what):
    papers.create(bench, "Small")
    with pytest.raises(WorkbenchError, match=what):
        papers.add(bench, "small", fields)
    assert papers.load(bench, "small").items == ()


def test_documents_that_are_none_are_refused_in_words(bench):
    for text, what in [
        ("[1", "cannot be read"),
        ("- a", "no mapping"),
        ("id: '../x'", "must match"),
        ("id: a\nitems: 3", "items"),
    ]:
        with pytest.raises(WorkbenchError, match=what):
            papers.read(text)
    twice = "id: a\nitems:\n- {kind: number, name: a}\n- {kind: number, name: a}\n"
    with pytest.raises(WorkbenchError, match="Two items are called a"):
        papers.read(twice)
    papers.create(bench, "Small")
    with pytest.raises(WorkbenchError, match="already a paper"):
        papers.create(bench, "Small")
    for name in ("../papers", "none"):
        with pytest.raises(WorkbenchError, match=r"no name of a paper|There is no paper"):
            papers.load(bench, name)


@pytest.mark.slow
def test_the_check_holds_until_the_store_has_moved_on(bench):
    trials = small_paper(bench)
    words = ("sql", "SELECT count(*) AS trials FROM trials")
    papers.add(bench, "small", {"kind": "number", "name": "tried", "command": words, "value": "0.trials", "trials": trials})
    results = drain(checking.check(bench, "small"))
    assert [row.holds for row in results] == [True] * 5
    add_trial(bench.store, add_questions(bench.store), {"sparse.k1": 0.7}, seed=9)
    bench.describe(trials[0], name="The base")
    results = {row.what: row for row in drain(checking.check(bench, "small"))}
    assert results["number tried"] == ("number tried", False, "3 recorded, 4 recomputed")
    assert not results["table main"].holds and "The base recomputed" in results["table main"].told
    assert all(row.holds for what, row in results.items() if what not in ("number tried", "table main"))
    papers.take_again(bench, "small")
    assert all(row.holds for row in drain(checking.check(bench, "small")))


def test_an_item_whose_trial_is_gone_is_named_where_all_are_taken_again(bench):
    trial, other, _ = three_trials(bench)
    papers.create(bench, "Gone")
    for name, rests_on in (("first", other), ("second", trial)):
        number = {"kind": "number", "name": name, "command": ["show", rests_on], "value": "metrics.mrr.mean"}
        papers.add(bench, "gone", number)
    bench.store.journal.listing()[trial].path.unlink()
    with pytest.raises(WorkbenchError, match="'second' cannot be computed anew: No trial has") as error:
        papers.take_again(Workbench(bench.home), "gone")
    assert "paper remove gone second" in error.value.todo
    with pytest.raises(WorkbenchError, match=r"1 of 2 items are stale.*lists them\. \["):
        drain(bundles.current(Workbench(bench.home), papers.load(bench, "gone")))


@pytest.mark.slow
def test_what_an_item_showed_cannot_be_changed_unseen(bench, tmp_path):
    small_paper(bench)
    place = tmp_path / "papers/small/items/gain.json"
    record = json.loads(place.read_text())
    place.write_text(json.dumps({**record, "content": 0.5}))
    results = {row.what: row for row in drain(checking.check(bench, "small"))}
    assert not results["number gain"].holds and "was changed" in results["number gain"].told
    # with a checksum of its own it is another number than the command's
    place.write_text(papers.packed(papers.Taken(0.5)))
    results = {row.what: row for row in drain(checking.check(bench, "small"))}
    assert not results["number gain"].holds and "0.5 recorded" in results["number gain"].told
    place.write_bytes(b"[" * 100_000)
    assert not {row.what: row for row in drain(checking.check(bench, "small"))}["number gain"].holds


@pytest.mark.slow
def test_a_trial_that_failed_gives_no_table_and_a_table_is_of_one_set_of_questions(bench):
    [trial, *_] = three_trials(bench)
    failed, other = add_failed(bench.store), add_trial(bench.store, add_questions(bench.store, name="b", dataset="b"))
    bare = add_trial(bench.store, add_questions(bench.store, n=1, name="bare", dataset="bare"))
    no_results = [(failed, "has no results: failed"), (bare, "has no results: it measured no question")]
    for second, what in [*no_results, (other, "answered other questions")]:
        with pytest.raises(WorkbenchError, match=what):
            sources.answer(bench, ("trials-table", trial, second))
    with pytest.raises(WorkbenchError, match="no metric 'bleu'"):
        sources.answer(bench, ("trials-table", trial, "--metric", "bleu"))
    with pytest.raises(WorkbenchError, match="no 'wage'"):
        sources.answer(bench, ("trials-table", trial, "--cost", "wage"))


def test_a_chart_of_a_page_makes_its_paper_where_there_is_none(bench):
    for title in ("On chunks", "on-chunks", "On: chunks!"):
        item = papers.add_chart(bench, title, "Recall@k", CHART, [{"k": 1}], "python -m core curve --set a='b", "What")
    assert shelf.names(bench) == ["on-chunks"] and papers.load(bench, "on-chunks").title == "On chunks"
    assert [each.name for each in papers.load(bench, "on-chunks").items] == ["recall-k", "recall-k-2", "recall-k-3"]
    assert item.command[-1] == "a='b" and item.trials == ()


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        ("plain", 0.12345, "0.123"),
        ("plain", -0.5, "−0.500"),
        ("plain", 1234, "1,234"),
        ("signed", 0.1, "+0.100"),
        ("signed", -0.1, "−0.100"),
        ("signed", -0.00001, "0.000"),
        ("plain", -0.00001, "0.000"),
        ("percent", 0.987, "98.700%"),
        ("percent", -0.053, "−5.300%"),
        ("p", 0.0001, "< 0.001"),
        ("p", 0.04, "0.040"),
        ("plain", None, "unmeasured"),
        ("plain", "rrf", "rrf"),
    ],
)
def test_numbers_are_written_as_they_are_read(form, value, text):
    assert numbers.written(papers.PaperNumber(name="a", form=form), value) == text


@pytest.mark.parametrize(("form", "text"), [("signed", "−0.200"), ("plain", "−0.200"), ("percent", "−20.000%")])
def test_a_unit_stands_as_it_was_given_behind_a_number_of_every_form(form, text):
    assert numbers.written(papers.PaperNumber(name="a", form=form, unit="F1-points"), -0.2) == f"{text} F1-points"


@pytest.mark.slow
def test_macros_have_letters_only_and_say_what_is_behind_them(bench):
    small_paper(bench)
    assert numbers.macro("gain-of-rrf-2") == r"\resGainOfRrfTwo"
    items = [item for item in papers.load(bench, "small").items if item.kind == "number"]
    values = {item.name: papers.taken(bench, "small", item.name).content for item in items}
    tex = numbers.to_tex(items, values)
    assert tex.count(r"\newcommand{\res") == 3 and r"\newcommand{\resRecallOneZero}{" in tex and r"\%}" in tex
    for record in json.loads(numbers.to_json(items, values)):
        assert record["checksum"] == papers.checksum(values[record["name"]]) and record["checksum"][:16] in tex
        assert record["trials"] and record["command"].startswith("python -m core ") and record["place"]


@pytest.mark.parametrize("title", ["", "   "])
def test_a_paper_without_a_title_is_refused(bench, title):
    with pytest.raises(WorkbenchError, match="no title"):
        papers.create(bench, title, "mine")
    papers.create(bench, "Mine")
    with pytest.raises(WorkbenchError, match="no title"):
        papers.change(bench, "mine", title=title)
    papers.change(bench, "mine", authors="A")
    assert (papers.load(bench, "mine").title, papers.load(bench, "mine").authors) == ("Mine", "A")
