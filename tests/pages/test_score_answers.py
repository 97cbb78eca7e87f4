"""The page Score answers: the recipe's answers by a job, own files with their labels, what opens from a score."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.ui import jobs
from core.labs.answers import answering
from core.labs.answers.answering import answer_questions, answer_set
from core.labs.scores import judges, sets
from core.progress import drain
from tests.support.failing import RECIPE, prepared, recipe
from tests.support.screen import html, visit

LONG = "An answer that does not end. " * 400


template = prepared


def open_page(**address: str) -> AppTest:
    return visit("score_answers", {**RECIPE, **address})


def start(**address: str) -> AppTest:
    app = open_page(**address)
    assert not app.exception and not app.error, [each.value for each in (*app.exception, *app.error, *app.code)]
    return app


def by_key(elements, key: str):
    return next(each for each in elements if each.key == key)


def answers_table(app: AppTest) -> dict[str, list]:
    return app.dataframe[-1].value.to_dict("list")


@pytest.mark.slow
def test_a_recipe_without_answers_offers_a_job_that_answers_and_scores(bench, reader, started):
    app = start(scored="5")
    assert "answered none of these 5 questions" in html(app) and not reader.prompts
    [button] = [button for button in app.button if button.label.startswith("Write and score")]
    button.click().run()
    assert started == [["score-answers", "--ask", "5", *bench.arguments(recipe())]]


@pytest.mark.slow
def test_where_some_answers_are_known_one_button_writes_the_others_and_scores_all(bench, reader, started):
    drain(answer_questions(bench, recipe(), 5))
    app = start(scored="8")
    told = [each.value for each in app.caption if "5 of 8" in each.value]
    tail = "1 more without a passage similar enough (the model is not asked)."
    assert told == [f"5 of 8 questions answered, 2 answers to write, {tail}"]
    named = [button.label for button in app.button if button.key == "start/score-answers/"]
    assert named == ["Write and score 2 answers"]


@pytest.mark.slow
def test_from_no_stored_answer_a_press_leads_to_ask(bench, reader):
    app = start(source="Stored answers", view="Against people's labels")
    next(button for button in app.button if button.label == "Ask").click().run()
    assert not app.exception and "Score answers" not in [each.value for each in app.title]


@pytest.mark.slow
def test_known_answers_are_scored_and_open_their_passages(bench, reader, started):
    drain(answer_questions(bench, recipe(), 5))
    app = start(scored="5", measure="Token F1")
    assert "Token F1" in html(app)
    table = answers_table(app)
    assert len(table["Question"]) == 5 and "Token F1" in table
    values = [value for value in table["Token F1"] if value == value]
    assert values == sorted(values)
    first = answer_set(bench, bench.evaluate(recipe()), 5).queries[0]
    app = start(scored="5", answer=first.id)
    assert "gw-passage" in html(app) and any("All its scores" in each.label for each in app.expander)


@pytest.mark.slow
def test_where_references_are_sentences_one_press_asks_for_a_sentence(bench, reader, started, monkeypatch):
    drain(answer_questions(bench, recipe(), 5))
    app = start(scored="5")
    assert not [button for button in app.button if button.label == "Ask for a sentence"]
    monkeypatch.setattr("app.ui.scores.measures.lengths", lambda rows: (3.0, 17.0))
    app = start(scored="5")
    assert any("median reference has 17 words, the median answer 3" in each.value for each in app.caption)
    next(button for button in app.button if button.label == "Ask for a sentence").click().run()
    assert app.session_state["recipes"]["current"].context.length == "sentence" and not app.exception
    assert "answered none of these 5 questions" in html(app)


@pytest.mark.slow
def test_questions_of_which_the_model_is_not_asked_are_told(bench, reader, monkeypatch):
    cost = answering.cost
    monkeypatch.setattr(answering, "cost", lambda *asked: cost(*asked)._replace(answers=3, silent=2))
    app = start(scored="5")
    assert "2 have no passage similar enough, so the model is not asked" in html(app)
    assert [button for button in app.button if button.label == "Write and score 3 answers"]


@pytest.mark.slow
def test_stored_answers_are_those_of_ask(bench, reader, started):
    app = start(source="Stored answers")
    assert "No answer about towns is stored yet" in html(app)
    for question in ("When does the market of Lund open?", "When does the market of Pisa open?"):
        for _ in bench.ask(recipe(), question):
            pass
    app = start(source="Stored answers")
    assert len(answers_table(app)["Question"]) == 2 and by_key(app.selectbox, "system").options


@pytest.mark.slow
def test_from_a_stored_answer_its_prompt_and_its_repeats_are_reached(bench, reader, started):
    for _ in range(2):
        for _ in bench.ask(recipe(), "Which grade has Kiel?"):
            pass
    [row] = bench.store.query("SELECT max(id) AS id FROM answers WHERE question = 'Which grade has Kiel?'")
    app = start(source="Stored answers", answer=row["id"], measure="f1")
    assert any("Repeats: 1 other stored answer" in each.label for each in app.expander)
    assert "The grade of Kiel is A." in html(app)
    by_key(app.toggle, "own_prompt").set_value(True).run()
    assert any("Question: Which grade has Kiel?" in each.value for each in app.code) and not app.exception


@pytest.mark.slow
def test_a_judges_runs_and_prompts_open_beside_the_scores(bench, reader, started):
    asked = drain(answer_questions(bench, recipe(), 5))
    drain(sets.score_answers(bench, recipe(), 5, names=["rubric"]))
    app = start(scored="5", answer=asked.queries[0].id)
    assert any(each.label == "Judges: runs, spread and prompts (1)" for each in app.expander)
    assert "not JSON" in html(app) or any("not JSON" in each.value for each in app.caption)
    calls = len(reader.prompts)
    by_key(app.toggle, "judge_prompts").set_value(True).run()
    assert any("Judge an answer to a question" in each.value for each in app.code) and len(reader.prompts) == calls


@pytest.mark.slow
def test_by_entailment_the_citations_wait_for_a_job_that_is_told_so(bench, reader, started):
    drain(answer_questions(bench, recipe(), 5))
    app = start(scored="5", borne_by="entailment")
    assert any("Citation recall" in each.value and "run a model on each answer" in each.value for each in app.caption)
    [button] = [button for button in app.button if button.label.startswith("Score by") and "more measure" in button.label]
    button.click().run()
    assert "citation_recall.by=entailment" in started[0] and started[0][0] == "score-answers"


def uploaded(monkeypatch, *files: bytes) -> None:
    sent = [SimpleNamespace(name=f"my {n}.jsonl", getvalue=lambda data=data: data) for n, data in enumerate(files)]
    monkeypatch.setattr(st, "file_uploader", lambda *_, key, **__: sent if key == "answer_files" else None)


def lines(wrong_every: int = 2) -> bytes:
    rows = [
        {
            "question": f"What is <b>{number}</b>?",
            "passages": [f"The town of x{number} is old. " * 3, LONG],
            "answer": f"The <i>town</i> of {'nowhere' if number % wrong_every else f'x{number}'} is old. {LONG if number == 3 else ''}",
            "reference": f"x{number}",
            "label": int(number % wrong_every > 0),
            "domain": "ab"[number % 4 // 2],
            "spans": [[19, 26]] if number % wrong_every else [],
            "id": f"row{number}",
        }
        for number in range(48)
    ]
    return "\n".join(map(json.dumps, rows)).encode()


@pytest.mark.slow
def test_a_file_is_scored_its_broken_lines_told_and_another_one_compared(bench, started, monkeypatch):
    uploaded(monkeypatch, lines() + b"\n{broken", lines(3))
    app = start(source="A file", measure="contains", against="2. my 1.jsonl")
    assert any("1 line of 49 was skipped" in each.value and "49" in each.value for each in app.warning)
    assert len(answers_table(app)["Answer"]) == 48
    [box] = [each for each in app.selectbox if each.label == "Compared with"]
    box.select_index(1).run()
    assert not app.exception and "vs baseline" in html(app)
    app.query_params["answer"] = "row3"
    app.run()
    assert "&lt;i&gt;" in html(app) and "<i>town" not in html(app), "the text of a file is never markup"


@pytest.mark.slow
def test_labels_give_curves_thresholds_and_say_which_way_they_point(bench, started, monkeypatch):
    uploaded(monkeypatch, lines())
    app = start(source="A file", view="Against people's labels")
    assert any("taken to mean wrong, as the spans" in each.value for each in app.info)
    table = answers_table(app)
    assert "Token F1" in table["Measure"] and any(str(cell).startswith("1.000") for cell in table["AUC"])
    by_key(app.selectbox, "label_means").select("faithful").run()
    assert any("but the spans of wrong words say" in each.value for each in app.info)


@pytest.mark.slow
def test_a_file_without_labels_or_answers_says_what_it_needs(bench, started, monkeypatch):
    uploaded(monkeypatch, json.dumps({"question": "q", "passages": ["p"], "answer": "a"}).encode())
    app = start(source="A file", view="Against people's labels")
    assert "No answer here has a label" in html(app)
    uploaded(monkeypatch, b"")
    app = open_page(source="A file")
    assert not app.exception and "no answers" in app.error[0].value
    monkeypatch.setattr(st, "file_uploader", lambda *_, **__: [])
    assert "JSON lines" in html(start(source="A file"))


def judged_file(bench, monkeypatch) -> None:
    """Two uploaded answers that went through the gate, with a judge that writes no JSON."""
    data = "\n".join(json.dumps({"question": "q", "passages": ["p"], "answer": text}) for text in ("a", "b")).encode()
    uploaded(monkeypatch, data)
    path, _ = sets.received(bench, data)
    drain(judges.review(bench, recipe(), path, [recipe().generation], 2, 0.3))


@pytest.mark.slow
def test_the_gate_starts_a_job_and_shows_every_decision_on_these_answers(bench, reader, started, monkeypatch):
    judged_file(bench, monkeypatch)
    app = start(source="A file", view="Quality gate", answer="answers.jsonl:1")
    assert answers_table(app)["Verdict"] == ["Undecided", "Undecided"] and "not JSON" in html(app)
    by_key(app.text_area, "gate/judges").set_value("anthropic model=m\n\nopenai_compatible model=n").run()
    [button] = [button for button in app.button if button.label == "Judge 2 answers"]
    button.click().run()
    panel = ["--judge", "anthropic model=m", "--judge", "openai_compatible model=n", "--runs", "3", "--temperature", "0.3"]
    assert started[0][0] == "review" and started[0][2:8] == panel[:6] and started[0][2:10] == [*panel[:8]]


@pytest.mark.slow
def test_pairs_of_two_sets_are_judged_and_the_bias_is_told_in_words(bench, started, monkeypatch):
    rows = [{"question": f"q{n}", "passages": ["p"], "answer": "a" * (n + 1)} for n in range(3)]
    others = [row | {"answer": "b"} for row in rows[:2]] + [{"question": "else", "answer": "c"}]
    uploaded(monkeypatch, *("\n".join(map(json.dumps, some)).encode() for some in (rows, others)))
    bias = {"mean": 0.9, "low": 0.5, "high": 1.0, "n": 2, "total": 2, "note": ""}
    none = {"mean": None, "low": None, "high": None, "n": 0, "total": 2, "note": ""}
    judge = {"judge": "x m", "position": bias, "length": bias | {"low": -0.1}, "consistent": bias, "right": none}
    judge |= {"spread": 0.2, "unmeasured": {"prose": 1}, "measured": 11, "asked": 12}
    record = {"judges": [judge], "agreement": None, "panel": ["a", None]}
    done = SimpleNamespace(status="done", result=record, active=False)
    monkeypatch.setattr(jobs, "latest", lambda arguments: done if arguments[0] == "judge-bias" else None)
    app = start(source="A file", view="Judges on pairs")
    [box] = [each for each in app.selectbox if each.label == "Compared with"]
    box.select_index(1).run()
    told = " ".join(each.value for each in app.caption).replace("\\", "")
    assert "It prefers the first answer. A pair's runs lie 0.20 apart" in told and "prose: 1" in told
    assert answers_table(app)["Better"] == ["A", "Unmeasured"] and "undecided" in html(app)
    assert "A 1, Unmeasured 1" in told


@pytest.mark.slow
def test_a_noise_budget_reads_a_table_and_gives_its_verdict(bench, started, monkeypatch):
    app = start(view="Variance components")
    assert "has no measured trial" in html(app)
    rng = np.random.default_rng(0)
    table = "question,judge,value\n" + "\n".join(
        f"q{q},j{j},{rng.normal(0.5, 0.2):.4f}" for q in range(30) for j in range(3) for _ in range(2)
    )
    monkeypatch.setattr(st, "file_uploader", lambda *_, **__: SimpleNamespace(name="t.csv", getvalue=table.encode))
    by_key(app.get("button_group"), "repeats_of").set_value("A CSV file").run()
    assert {"question", "judge", "rest"} <= set(answers_table(app)["component"])
    by_key(app.number_input, "noise_gain").set_value(0.01).run()
    assert any("The gain of 0.010 is below the noise" in each.value for each in app.warning)
    monkeypatch.setattr(st, "file_uploader", lambda *_, **__: SimpleNamespace(name="t.csv", getvalue=lambda: b"a,b\n1,2"))
    app.run()
    assert "The table has no column" in html(app) and not app.exception


@pytest.mark.slow
def test_the_triad_stands_in_the_list_filters_it_and_opens_with_its_reasons(bench, reader, started):
    drain(answer_questions(bench, recipe(), 5))
    whole = answers_table(start(scored="5"))
    assert list(whole)[2:4] == ["Context relevance", "Groundedness"], "a judge has scored none: no answer relevance"
    low = answers_table(start(scored="5", low_in="Context relevance"))
    wanted = [value for value in whole["Context relevance"] if value < 0.5]
    assert sorted(low["Context relevance"]) == sorted(wanted) and len(wanted) < 5
    first = answer_set(bench, bench.evaluate(recipe()), 5).queries[0]
    shown = html(start(scored="5", answer=first.id))
    assert "passages hold gold evidence" in shown and "no scores by Ragas answer relevancy yet" in shown
