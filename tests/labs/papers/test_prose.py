"""Sentences that nobody wrote: they say half, difference, interval, p and verdict, and none stays of an item that was taken out."""

import pytest

from core.labs.papers import bundle as bundles
from core.labs.papers import documents, prose, text, verification
from core.labs.papers import paper as papers
from core.progress import drain
from core.workbench import Workbench, command_line
from tests.support.small_paper import HOSTILE
from tests.support.synthetic_trials import add_questions, add_trial

QUALITIES = (0.8, 0.85, 0.3)


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """A paper of three recipes: ranked on dev, tested on test, and compared as the page Trials does."""
    bench = Workbench(tmp_path_factory.mktemp("home"))
    of = {}
    for half in ("dev", "test"):
        asked = add_questions(bench.store, name=half, unanswerable=4 if half == "dev" else 0)
        settings = [{"corpus.questions": half, "fusion.weight": weight} for weight in (0.7, 0.4, 0.1)]
        of[half] = [
            add_trial(bench.store, asked, own, quality, seed)
            for seed, (own, quality) in enumerate(zip(settings, QUALITIES, strict=True))
        ]
    bench.describe(of["test"][2], name=HOSTILE)
    papers.create(bench, "Halves")
    ranked = command_line("leaderboard", "--only", *of["dev"], "--metric", "mrr")
    papers.add_table(bench, "halves", "recipes", ranked, "BM25 and others.")
    tested = ("trials", "table", *of["test"], "--metric", "mrr")
    papers.add(bench, "halves", {"kind": "table", "name": "on-test", "command": tested})
    papers.add(bench, "halves", {"kind": "figure", "name": "drawn", "command": tested, "drawing": "differences"})
    return bench, of


def compared(bench, of):
    """Taken from the page."""
    from core.labs.trials import comparison

    base, *others = comparison.some(bench, of["test"])
    names = dict(zip(of["test"], comparison.labels([base, *others]), strict=True))
    command = command_line("trials-compare", *of["test"], "--metric", "mrr")
    made = comparison.table(comparison.compare(bench, base, others, "mrr"), names, "MRR@10 minus another", command)
    return papers.add_page_table(bench, "halves", made)


def told(bench, paper):
    return prose.tellings(bench, paper, papers.showed(bench, paper))


def read(telling) -> list[str]:
    return [telling.plain(sentence.replace("{item}", "It")) for sentence in telling.sentences]


def test_each_table_says_its_half_and_each_difference_its_interval_p_and_verdict(halves):
    bench, _ = halves
    paper = papers.load(bench, "halves")
    dev, test, drawn = (read(told(bench, paper)[name]) for name in ("recipes", "on-test", "drawn"))
    assert dev[0].startswith("It compares 3 recipes on the 36 dev questions of tiny: ") and len(dev) == len(test) == 3
    cells = [row["cells"]["mrr"] for row in papers.taken(bench, "halves", "on-test").content["rows"]]
    low, high = (f"{cells[2][end]:.3f}".replace("-", "−") for end in ("difference_low", "difference_high"))
    size = f"{-cells[2]['difference']:.3f}"
    assert cells[2]["p"] < 0.001 and f" is {size} lower than that of " in test[2]
    assert test[2].endswith(f" (95% interval {low} to {high}, Holm-corrected p &lt; 0.001): the difference is significant.")
    assert f"Holm-corrected p = {cells[1]['p']:.3f}): the difference is not significant." in test[1]
    assert "<script" not in test[2] and "40 test questions of tiny" in drawn[0]


def test_many_differences_are_counted(halves):
    bench, _ = halves
    paper = papers.load(bench, "halves")
    content = papers.taken(bench, "halves", "on-test").content
    wide = {**content, "rows": content["rows"] + [{**content["rows"][2], "name": f"r{n}"} for n in range(3)]}
    telling = prose.telling(paper.item("on-test"), wide, {})
    assert read(telling)[1].startswith("Of the 5 differences from ") and read(telling)[1].endswith(", 4 are significant.")


def test_the_abstract_is_drafted_of_the_same_macros_until_one_is_written(halves):
    bench, _ = halves
    paper = papers.load(bench, "halves")
    tex = documents.abstract_tex(paper, told(bench, paper))
    assert tex.startswith(r"Of \tabRecipesRecipes{} compared on \tabRecipesQuestions{}, ") and tex.count("\n") == 3
    assert r"On the \tabOnTestQuestions{}, the \tabOnTestMeasure{} of \tabOnTestArmOne{} is \tabOnTestRelationOne{} that" in tex
    assert "On the 40 test questions of tiny, the MRR@10 of " in documents.abstract_html(paper, told(bench, paper), {})
    own = paper.model_copy(update={"abstract": "Ours."})
    assert documents.abstract_tex(own, told(bench, own)) == "Ours.\n"
    dev = paper.model_copy(update={"items": paper.items[:1]})
    assert not documents.abstract_tex(dev, told(bench, dev)), "without test questions nothing is concluded"


@pytest.mark.slow
def test_the_bundle_holds_and_a_changed_verdict_is_named(halves):
    bench, of = halves
    compared(bench, of)
    paper = papers.load(bench, "halves")
    made = bundles.whole(bench, paper, drain(bundles.current(bench, paper)), {}, bundles.records(bench, paper))
    assert rb"\input{text/abstract}" in made["main.tex"] and made["numbers.tex"].count(b"{not significant}") >= 2
    assert [row for row in drain(verification.verified(made)) if row.holds is False] == []
    changed = {**made, "numbers.tex": made["numbers.tex"].replace(b"{not significant}", b"{significant}", 1)}
    changed["text/abstract.tex"] = made["text/abstract.tex"].replace(b"is ", b"is not ", 1)
    wrong = [row.what for row in drain(verification.verified(changed)) if row.holds is False]
    assert {"numbers.tex", "text/abstract.tex"} <= {*wrong}


@pytest.mark.slow
def test_the_methods_say_of_each_item_that_is_left_by_which_test_its_p_are(halves):
    bench, of = halves
    item = compared(bench, of)
    whole = papers.load(bench, "halves")

    def methods(*names: str) -> str:
        paper = whole.model_copy(update={"items": tuple(whole.item(name) for name in names)})
        return text.texts(bench, paper, papers.showed(bench, paper))["text/methods.tex"]

    left = methods("recipes", item.name)
    assert rf"The p values of Table~\ref{{tab:{item.name}}} are from the paired sign-flip permutation test" in left
    assert r"The p values of Table~\ref{tab:recipes} are from paired t tests" in left and "benjamini1995" in left
    assert "permutation test" not in methods("recipes") and "on-test" not in left
    assert "t tests" not in methods("on-test") and "p values" not in methods("drawn"), "a figure of differences shows no p"


def test_recipes_of_the_same_mean_share_the_best():
    def said(*means) -> str:
        rows = [{"name": f"r{n}", "cells": {"mrr": {"mean": mean, "p": None}}} for n, mean in enumerate(means)]
        column = {"name": "mrr", "label": "MRR", "unit": "", "direction": 1}
        content = {"columns": [column], "rows": rows, "reference": "r0", "tests": 0, "questions": 9, "confidence": 0.95}
        return read(prose.telling(papers.PaperTable(name="t"), content, {}))[0].partition(": ")[2]

    assert said(0.4, 0.5, 0.5) == "r1 and r2 share the best MRR (0.500)." and said(0.4, None) == "r0 has the best MRR (0.400)."
    assert said(0.5, 0.5, 0.5, 0.5) == "4 of them share the best MRR (0.500)."
