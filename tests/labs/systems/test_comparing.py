"""Systems against a recipe: each value is what the measures and metrics say of it, paired by question, corrected together."""

import json
import math

import numpy as np
import pytest

from core.__main__ import main
from core.errors import WorkbenchError
from core.labs.answers.answering import answer_questions, answer_set
from core.labs.systems import asking, comparing
from core.labs.systems.comparing import RECIPE
from core.progress import drain
from tests.support import served
from tests.support.failing import QUESTIONS, recipe
from tests.support.fake_endpoint import serving
from tests.support.foreign_rag import BODY, PLACES, answered, foreign, said
from tests.support.small_corpora import with_towns

template = served.template
NAMES = ("f1", "em", "recall", "mrr")


def compared(bench, system, names=NAMES, count=8, **settings):
    drain(asking.ask_system(bench, recipe(), "mine", system, count))
    return drain(comparing.compare(bench, recipe(**settings), ["mine"], count, names))


def test_a_system_that_says_what_the_recipe_says_differs_nowhere(bench, reader):
    evaluation = bench.evaluate(recipe())
    place = {query.text: row for row, query in enumerate(evaluation.corpus.queries)}

    def itself(question):
        hits = bench.hits(evaluation, place[question])
        said = dict(zip([query.text for query in own.queries], own.answers, strict=True))[question]
        return said.text, [{"text": hit.text, "document": hit.document_id, "start": hit.start, "end": hit.end} for hit in hits]

    drain(asking.ask_system(bench, recipe(), "first", lambda question: ["nothing"], 8))
    drain(comparing.compare(bench, recipe(), ["first"], 8, ["mrr"]))
    assert not reader.prompts, "who judges rankings alone needs no answers"
    drain(comparing.compare(bench, recipe(), ["first"], 8))
    assert not reader.prompts, "nor where the system gives none"
    own = drain(answer_questions(bench, recipe(), 8))
    made = compared(bench, itself, ())
    written = len(reader.prompts)
    names = [each.measure for each in made.comparison.differences.values()]
    assert {"f1", "em", "contains", "recall", "mrr", "ndcg_linear", "precision", "containment"} <= set(names)
    for name in ("f1", "em", "recall", "mrr", "ndcg_linear", "map", "hit", "precision"):
        assert np.array_equal(made.values["mine"][name], made.values[RECIPE][name], equal_nan=True), name
        assert made.comparison.of("mine", name).paired.difference == 0
    rows = list(answer_set(bench, evaluation, 8).rows)
    assert np.array_equal(made.values[RECIPE]["mrr"], evaluation.values["mrr"][rows], equal_nan=True)
    assert len(reader.prompts) == written and made.left.answers == 0


def test_differences_are_those_of_the_values_corrected_over_all(bench, reader):
    made = compared(bench, answered)
    queries = asking.draw(bench.corpus(recipe()), 0, 8)
    right = {"Lund": 1.0, "Pisa": 1.0, "Kiel": 1.0, "Riga": 1.0}
    for query, recall in zip(queries, made.values["mine"]["recall"], strict=True):
        named = next((town for town in right if town in query.text), None)
        assert math.isnan(recall) if not query.gold else recall == (1.0 if named else 0.0), query.text
    every = list(made.comparison.differences.values())
    assert [each.measure for each in every] == ["recall", "mrr", "f1", "em"]
    told = [each.paired.p for each in every if each.paired.p is not None]
    assert all(each.p_holm >= each.paired.p for each in every if each.p_holm is not None) and max(told) <= 1
    assert min(each.p_holm for each in every if each.p_holm is not None) == pytest.approx(min(1.0, len(told) * min(told)))
    for row in comparing.rows(made):
        assert row["difference"] == pytest.approx(row["its own"] - row["recipe"]), row["measure"]
    [said] = [line for line in comparing.sentences(made) if line.startswith("Of its")]
    assert said == "Of its 16 passages 8 stand in the corpus; 8 stand nowhere word for word and count as not relevant."
    assert any("2 passages at most, and rankings are judged at 10" in line for line in comparing.sentences(made))
    table = comparing.table(made, "command")
    assert {column.key for column in table.columns} <= set(table.rows[0]) and table.command == "command"


def test_a_repeated_passage_is_found_once_and_one_without_place_keeps_its_rank(bench, reader):
    text = "The market of Lund opens at five."
    made = compared(bench, lambda question: ["Nobody says this.", text, text, text], ["mrr", "precision", "recall"])
    [place] = [n for n, query in enumerate(asking.draw(bench.corpus(recipe()), 0, 8)) if "Lund" in query.text]
    own = made.values["mine"]
    assert own["mrr"][place] == 0.5 and own["recall"][place] == 1.0 and own["precision"][place] == pytest.approx(0.1)


def test_by_its_texts_alone_a_ranking_is_judged_as_the_recipes_is_also_where_documents_repeat_each_other(tmp_path):
    text = "The market of {town} opens at {hour}. It rains there."
    texts = {f"{town}.txt": text.format(town=town, hour=hour) for hour, town in enumerate(("Lund", "Gent", "Pisa", "Kiel"), 5)}
    copies = {f"copy of {name}": text for name, text in texts.items() if name != "Kiel.txt"}
    asked = [
        {"id": town, "question": f"When does the market of {town} open?", "answer": f"opens at {hour}"}
        for hour, town in enumerate(("Lund", "Gent", "Pisa", "Kiel"), 5)
    ]
    bench = with_towns(tmp_path / "data", texts | copies, asked)
    words = recipe(**{"chunking.size_tokens": 16, "evaluation.overlap": 0.5})
    evaluation = bench.evaluate(words)
    row = {query.text: number for number, query in enumerate(evaluation.corpus.queries)}
    own = {text: [hit.text for hit in bench.hits(evaluation, number)] for text, number in row.items()}
    drain(asking.ask_system(bench, words, "texts", lambda question: own[question], 4))
    made = comparing.standing(bench, evaluation, ["texts"], 4)
    assert max(len(places) for places in made.arms[0].places[0]) == 2, "a document and its copy"
    assert any("of them in several places" in line for line in comparing.sentences(made))
    for name, values in made.values[RECIPE].items():
        assert np.array_equal(values, made.values["texts"][name], equal_nan=True) and not np.isnan(values).all(), name


def test_what_was_not_answered_is_left_out_and_told(bench, reader):
    drain(asking.ask_system(bench, recipe(), "mine", answered, 5))
    made = drain(comparing.compare(bench, recipe(), ["mine"], 8, ["f1", "mrr"]))
    assert np.isnan(made.values["mine"]["f1"]).sum() >= 3 and np.isnan(made.values["mine"]["mrr"]).sum() >= 3
    assert any("mine answered 5 of 8 questions" in line for line in comparing.sentences(made))
    with pytest.raises(WorkbenchError, match="'nobody' was asked none") as told:
        drain(comparing.compare(bench, recipe(), ["nobody"], 8))
    assert "mine" in told.value.todo
    with pytest.raises(WorkbenchError, match="colour"):
        drain(comparing.compare(bench, recipe(), ["mine"], 8, ["colour"]))


def test_passages_that_stand_nowhere_judge_no_ranking(bench, reader):
    made = compared(bench, lambda question: ("At five.", ["Not a word of it."]), ["f1", "mrr"])
    assert [each.measure for each in made.comparison.differences.values()] == ["f1"]
    assert any("no ranking is judged" in line for line in comparing.sentences(made))


def test_two_systems_share_a_family(bench, reader):
    drain(asking.ask_system(bench, recipe(), "mine", answered, 8))
    drain(asking.ask_system(bench, recipe(), "silent", lambda question: "", 8))
    made = drain(comparing.compare(bench, recipe(), ["mine", "silent"], 8, NAMES))
    expected = [("mine", "recall"), ("mine", "mrr"), ("mine", "f1"), ("mine", "em"), ("silent", "f1"), ("silent", "em")]
    assert [(each.arm, each.measure) for each in made.comparison.differences.values()] == expected
    assert "System" in [column.title for column in comparing.table(made).columns]


def test_what_takes_a_model_waits_for_the_job(bench, reader):
    drain(asking.ask_system(bench, recipe(), "mine", answered, 8))
    before = comparing.standing(bench, bench.evaluate(recipe()), ["mine"], 8)
    assert before.left.answers > 0 and not reader.prompts
    assert {row["of"] for row in comparing.rows(before)} == {"rankings"}, "the recipe has no answers yet"
    drain(comparing.compare(bench, recipe(), ["mine"], 8, ["f1", "mrr"]))
    after = comparing.standing(bench, bench.evaluate(recipe()), ["mine"], 8)
    assert after.left.answers == 0 and "f1" in after.values["mine"]
    waiting = {measure.part for measure in after.waiting}
    assert waiting and not waiting & set(after.values["mine"])


def test_from_the_command_line(bench, reader, capsys):
    with serving(said(foreign)) as server:
        words = ["systems", "ask", "theirs", "--url", server.url, "--speaks", "json", "--body", BODY, "--ask", "6"]
        words += [word for field, place in PLACES.items() for word in ("--map", f"{field}={place}")]
        assert main([*words, *bench.arguments(recipe()), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["questions"], told["answered"], told["now"]) == (6, 6, 6)
        assert main([*words, *bench.arguments(recipe()), "--json"]) == 0 and len(server.requests) == 6
        assert json.loads(capsys.readouterr().out)["now"] == 0
    assert main(["systems", "compare", "theirs", "--ask", "6", "--measure", "f1", *bench.arguments(recipe()), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["questions"] == 6 and [row["measure"] for row in told["compared"]] == ["f1"]
    assert main(["systems", "compare", "theirs", "--ask", "6", "--measure", "f1", *bench.arguments(recipe())]) == 0
    assert "theirs answered 6 of 6 questions" in capsys.readouterr().out
    assert main(["systems", "ask", "x", "--url", "http://127.0.0.1:9", "--map", "answer", *bench.arguments(recipe())]) == 1
    assert "has no =" in capsys.readouterr().err


def test_the_questions_of_both_are_the_same(bench):
    """An arm of a recipe and a system answer the same draw."""
    drawn = [query.text for query in asking.draw(bench.corpus(recipe()), 0, 5)]
    own = answer_set(bench, bench.evaluate(recipe()), 5)
    assert [query.text for query in own.queries] == drawn and len(QUESTIONS) == 8
