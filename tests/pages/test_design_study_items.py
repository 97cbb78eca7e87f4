"""The page Study design: systems and items, drawn anew at every click."""

from dataclasses import replace

import pytest

from core.annotation import draft, rounds, system_names
from core.annotation import stored_answers as answers
from core.annotation.study import altered, plain, systems_of
from core.config import TrialConfig, with_settings
from tests.support.design_page import add_answers, facts, keys, open_page, press, sound, started, the_study, words
from tests.support.screen import html


@pytest.mark.slow
def test_every_click_on_the_items_draws_the_exact_list_anew(bench):
    app = started(bench, "Items")
    assert "&lt;b&gt;" in html(app) and "<b>0</b>" not in html(app)
    seen = next(e.proto.body for e in app.get("html") if "gw-passage" in e.proto.body)
    assert "small" not in seen, "annotators see no system"
    before = the_study(bench).study
    table = lambda app: next(d.value for d in app.dataframe if "No." in d.value.columns)  # noqa: E731
    assert len(table(app)) == len(before.round_items("pilot")) == 36
    assert "30 items, 3 repeats, 3 attention items" in words(app)
    numbers = list(table(app)["No."])
    assert numbers[:30] == [str(n) for n in range(1, 31)] and numbers.count("known") == 3
    assert sum(number.endswith(" again") for number in numbers) == 3
    key = "faithfulness/draw."
    app = sound(app.number_input(key=f"{key}pilot").set_value(12).run())
    assert len(table(app)) == 12 + 1 + 2, "a tenth comes twice, and there is an attention item for ten"
    app = sound(app.number_input(key=f"{key}main").set_value(900).run())
    assert app.number_input(key=f"{key}main").value == 28, "as many as there are answers"
    first = list(table(app)["Question"])
    app = sound(app.number_input(key=f"{key}seed").set_value(5).run())
    assert list(table(app)["Question"]) != first
    app = sound(app.number_input(key=f"{key}seed").set_value(0).run())
    assert list(table(app)["Question"]) == first
    app = sound(app.toggle(key=f"{key}attention").set_value(False).run())
    assert "known" not in set(table(app)["No."])
    assert the_study(bench).study == before, "a draft is recorded when asked for"
    app = press(app, "save_draft")
    assert len(plain(the_study(bench).study.items)) == 40 and "save_draft" not in keys(app)


@pytest.mark.slow
def test_an_answer_that_repeats_itself_is_left_out_by_one_press_and_one_round_is_enough(bench):
    add_answers(bench, 12, (0.0,))
    given = {"question": "Why?", "text": "The answer is: this. " * 5, "finish_reason": "stop", "model": "small.gguf", "hits": []}
    bench.store.add("answer", given | {"config": TrialConfig().model_dump(mode="json")})
    rounds.save(bench, draft.start(bench).study)
    app = open_page("Items")
    assert "5 times" in words(app) and len(plain(the_study(bench).study.items)) == 13
    assert "5 times" in words(press(app, "freeze"))
    app = press(app, "leave_out.items")
    assert "5 times" not in words(app) and app.number_input(key="faithfulness/draw.pilot").value == 12
    assert "main round decides" in words(app)
    app = press(app, "one_round")
    assert app.number_input(key="faithfulness/draw.pilot").value == 0
    assert app.number_input(key="faithfulness/draw.main").value == 12 and "Freeze the main" in {b.label for b in app.button}


def test_a_paired_draft_loses_the_whole_question(bench):
    add_answers(bench)
    study = draft.start(bench).study
    first = plain(study.items)[0]
    left = draft.without(study, [first.id])
    assert draft.paired(study) and draft.paired(left)
    assert len(plain(study.items)) - len(plain(left.items)) == 2
    assert first.question not in {item.question for item in left.items if not item.attention}


@pytest.mark.slow
def test_pairs_draw_questions_that_two_systems_answered(bench):
    app = started(bench)
    app = sound(app.text_area(key="faithfulness/question").set_value("My own?").run())
    app = sound(app.radio(key="faithfulness/kind").set_value("pairs").run())
    assert "sign test" in app.text_area(key="faithfulness/test").value
    assert app.text_area(key="faithfulness/question").value == "My own?", "what was written stays"
    app = press(app, "save_draft")
    study = the_study(bench).study
    assert study.ask == ("preference",) and {len(item.responses) for item in study.items} == {2}
    assert len(plain(study.items)) == 20


@pytest.mark.slow
def test_systems_are_compared_on_the_same_questions_unless_they_share_too_few(bench):
    app = started(bench, "Items")
    study = the_study(bench).study
    assert draft.paired(study) and "questions that all systems answered" in study.test
    assert app.selectbox(key="faithfulness/draw.by").value == "question" and "Pilot 15 questions × 2 systems" in words(app)
    app = sound(app.number_input(key="faithfulness/draw.pilot").set_value(13).run())
    assert app.number_input(key="faithfulness/draw.pilot").value == 12 and "6 questions × 2" in words(app)
    power = open_page("Power", study="faithfulness")
    assert power.selectbox(key="goal").value == "difference" and "not drawn in pairs" not in words(power)
    app = sound(app.selectbox(key="faithfulness/draw.by").set_value("system").run())
    assert "questions ×" not in words(app)
    app = press(app, "save_draft")
    assert "not drawn in pairs" in words(open_page("Power", study="faithfulness"))
    later = the_study(bench).study
    assert "questions that all" not in later.test and draft.drawing_of(later, answers.candidates(bench)).by == "system"
    assert draft.drawing_of(study, answers.candidates(bench)).by == "question"


@pytest.mark.slow
def test_what_a_cancelled_job_left_is_no_system_of_the_draft(bench):
    add_answers(bench, 2, (0.3,))
    add_answers(bench, 20)
    names = list(system_names.systems(answers.candidates(bench)))
    assert names == [f"small, Hybrid convex, {what}" for what in ("defaults", "temperature 0.7", "temperature 0.3")]
    app = press(open_page("Items"), "start_study")
    study = the_study(bench).study
    assert set(systems_of(study)) == set(names[:2]) and draft.paired(study)
    assert "Left out" in words(app) and " temperature 0.3 with 2 answers" in words(app)
    assert set(app.dataframe[0].value["System"]) == {"Hybrid convex, defaults", "Hybrid convex, temperature 0.7", ""}
    app = sound(app.multiselect(key="faithfulness/draw.systems").set_value(names).run())
    assert "Left out" not in words(app), "it can be taken all the same"
    app = press(app, "save_draft")
    assert set(systems_of(the_study(bench).study)) == set(names)


@pytest.mark.slow
def test_the_number_that_is_wished_comes_back_with_the_answers_for_it(bench):
    add_answers(bench, 40)
    one, two = system_names.systems(answers.candidates(bench))
    app = press(open_page("Items"), "start_study")
    assert app.number_input(key="faithfulness/draw.main").value == 50 and "80 items 2 systems" in facts(app)
    app = sound(app.multiselect(key="faithfulness/draw.systems").set_value([one]).run())
    assert app.number_input(key="faithfulness/draw.main").value == 10 and "40 items 1 system" in facts(app)
    app = open_page("Items", study="faithfulness")  # another window
    app = sound(app.multiselect(key="faithfulness/draw.systems").set_value([one, two]).run())
    assert app.number_input(key="faithfulness/draw.main").value == 50
    assert app.selectbox(key="faithfulness/draw.by").value == "question" and "80 items 2 systems" in facts(app)
    app = sound(app.number_input(key="faithfulness/draw.main").set_value(20).run())
    app = sound(app.multiselect(key="faithfulness/draw.systems").set_value([one]).run())
    app = sound(app.multiselect(key="faithfulness/draw.systems").set_value([]).run())
    assert app.number_input(key="faithfulness/draw.main").value == 20


def test_names_are_cut_so_that_no_two_look_alike():
    from app.ui.dots import CUT, cuts

    long = [f"A model with a long name, temperature {t}, 2 passages, fusion rrf" for t in (0.1, 0.2)]
    found = cuts([*long, "short"])
    assert len(set(found.values())) == 3 and found["short"] == "short" and "0.1" in found[long[0]]
    assert len(cuts([long[0]])[long[0]]) <= CUT


def test_a_study_keeps_the_names_that_an_older_version_gave_its_systems(bench):
    add_answers(bench, 12)
    drawn = draft.start(bench, "Faithfulness")
    systems = list(systems_of(drawn.study))
    old = {name: f"small.Q4_1, old {place}" for place, name in enumerate(systems)}
    items = tuple(
        item.model_copy(update={"responses": tuple(one.model_copy(update={"system": old[one.system]}) for one in item.responses)})
        for item in drawn.study.items
        if not item.attention
    )
    study = altered(drawn.study, {"items": items})
    found = answers.candidates(bench, study)
    assert set(system_names.systems(found)) == set(old.values()) and set(system_names.systems(answers.candidates(bench))) == set(
        systems
    )
    again = draft.redraw(found, study, replace(draft.drawing_of(study, found), pilot=4))
    assert set(systems_of(again.study)) == set(old.values())


def test_two_systems_without_common_questions_are_drawn_apart(bench):
    add_answers(bench, 20, (0.0,))
    for n in range(100, 120):
        config = with_settings(TrialConfig(), {"generation.temperature": 0.9}).model_dump(mode="json")
        given = {"question": f"What is {n}?", "text": f"It is {n}.", "finish_reason": "stop", "model": "small.gguf", "hits": []}
        bench.store.add("answer", given | {"config": config})
    drawn = draft.start(bench)
    assert drawn.drawing.by == "system" and not draft.paired(drawn.study) and len(plain(drawn.study.items)) == 40
    none = draft.redraw(answers.candidates(bench), drawn.study, replace(drawn.drawing, by="question"))
    assert not none.study.items and none.available == 0


def test_settings_that_write_no_answer_make_no_system(bench):
    same = (
        {},
        {"corpus.questions": "dev"},
        {"corpus.dataset": "squad"},
        {"evaluation.resamples": 500},
        {"generation.threads": 3},
        {"seed": 4},
    )
    for number, settings in enumerate((*same, {"generation.temperature": 0.9}, {"context.passages": 5})):
        config = with_settings(TrialConfig(), settings).model_dump(mode="json")
        bench.store.add("answer", {"question": f"Why {number}?", "text": "So.", "model": "m.gguf", "config": config, "hits": []})
    assert sorted(system_names.systems(answers.read_candidates(bench)).values()) == [1, 1, 6]


@pytest.mark.slow
def test_it_says_how_many_questions_gave_an_answer_and_why_not_the_rest(bench):
    add_answers(bench, 3, (0.0,))
    config = TrialConfig().model_dump(mode="json")
    for question, text, reason in (
        ("What is 0?", "", "failed: no model"),
        ("Lost?", "", "failed: no model"),
        ("Far?", "No.", "abstained"),
        ("Empty?", " ... ", "stop"),
        ("Empty too?", "", "stop"),
    ):
        given = {"question": question, "text": text, "finish_reason": reason, "config": config, "hits": []}
        bench.store.add("answer", given)
    found = answers.asked(bench, answers.read_candidates(bench))
    assert found == (7, 3, {"empty": 2, "failed": 1, "abstained": 1}), "What is 0? was answered before"
    said = html(open_page())
    assert (
        "3 answers of 1 system can be judged" in said and "Of 7 questions asked, 2 returned an empty answer and 1 failed" in said
    )


@pytest.mark.slow
def test_side_by_side_waits_for_a_second_system_and_the_way_back_restores_the_items(bench):
    add_answers(bench, 20, (0.0,))
    rounds.save(bench, draft.start(bench).study)
    power = open_page("Power")
    assert power.selectbox(key="goal").value == "rate" and power.number_input(key="faithfulness/power.rate.items").value == 20
    app = open_page()
    assert app.radio(key="faithfulness/kind").disabled and "needs answers of two systems" in words(app)
    add_answers(bench, 12, (0.7,))
    app = sound(app.run())
    app = sound(app.radio(key="faithfulness/kind").set_value("pairs").run())
    assert "12 items" in html(app)
    app = sound(app.radio(key="faithfulness/kind").set_value("rating").run())
    assert "20 items" in html(app), "as many as before, not what was left of them"


@pytest.mark.slow
def test_answers_that_go_round_in_circles_are_pointed_out(bench):
    config = TrialConfig().model_dump(mode="json")
    for n in range(10):
        text = "So it is. " * 4 if n < 3 else f"It is {n}. It was."
        given = {"question": f"What is {n}?", "text": text, "finish_reason": "stop", "model": "small.gguf", "hits": []}
        bench.store.add("answer", given | {"config": config})
    rounds.save(bench, draft.start(bench).study)
    assert "3 of 10 answers say one sentence three times" in words(open_page("Items"))
