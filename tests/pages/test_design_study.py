"""The page Study design: a whole draft to start from, lists drawn anew, rounds frozen in order, and every state in words."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from app.ui import design_record
from core import annotation_lab as lab
from core import design_lab as design
from core.annotation.labels import blank
from core.annotation.study import default_rubric
from core.config import TrialConfig, with_settings
from core.workbench import Workbench

MAIN = Path(__file__).parents[2] / "app" / "main.py"


def add_answers(bench, questions=20, temperatures=(0.0, 0.7)):
    """Answers of as many systems as there are temperatures."""
    for temperature in temperatures:
        config = with_settings(TrialConfig(), {"generation.temperature": temperature}).model_dump(mode="json")
        for n in range(questions):
            bench.store.add("answer", {
                "question": f"What is {n}?", "text": f"It is <b>{n}</b>. So say I at {temperature}.", "finish_reason": "stop",
                "model": "small.gguf", "config": config,
                "hits": [{"document_id": "d", "title": "T", "start": 0, "end": 5, "text": f"It is {n}.", "rank": 1}]})  # fmt: skip


@pytest.fixture
def bench(tmp_path, monkeypatch):
    bench = Workbench(tmp_path)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    return bench


def judge(bench, frozen, name=lambda who, item: "supported"):
    """Everybody labels everything."""
    for who in frozen.study.people(frozen.round):
        while id := lab.next_unlabelled(bench, frozen, who):
            item = frozen.study.item(id)
            lab.label(bench, frozen, blank(frozen.study, frozen.round, item, who).model_copy(update={
                "sentences": tuple((name(who, item),) * len(one.sentences) for one in item.responses),
                "helpful": (4,) * len(item.responses), "seconds": 9.0}))  # fmt: skip


def open_page(view: str = "", **address: str) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=120)
    app.switch_page("../pages/design_study.py")
    for key, value in address.items():
        app.query_params[key] = value
    if view:
        app.session_state["view"] = view
    return sound(app.run())


def sound(app: AppTest) -> AppTest:
    assert not app.exception, app.exception[0].value
    assert "unexpected" not in " ".join(e.value for e in app.error), [c.value for c in app.code][-1]
    return app


def press(app: AppTest, key: str) -> AppTest:
    return sound(next(button for button in app.button if button.key == key).click().run())


def keys(app: AppTest) -> set[str]:
    return {button.key for button in app.button}


def html(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.get("html"))


def words(app: AppTest) -> str:
    told = [*app.caption, *app.warning, *app.error, *app.success, *app.info, *app.markdown]
    return html(app) + " ".join(element.value for element in told)


def the_study(bench, name="faithfulness") -> lab.Frozen:
    return lab.load(bench, name)


def started(bench, view: str = "") -> AppTest:
    add_answers(bench)
    lab.save(bench, design.start(bench).study)
    return open_page(view)


def test_without_answers_a_job_asks_questions(bench, monkeypatch):
    begun = []
    monkeypatch.setattr(bench.jobs, "start", lambda arguments, label: begun.append((arguments, label)) or "job")
    app = open_page()
    assert "no stored answers" in html(app) and "start_study" not in keys(app)
    sound(next(b for b in app.button if b.label == "Have them answered").click().run())
    assert begun[0][0][:3] == ["answer-questions", "--count", "40"] and "python-reference" in begun[0][1]


def test_a_newcomer_goes_from_answers_to_an_analysed_pilot_by_the_one_button(bench, monkeypatch):
    add_answers(bench)
    app = press(open_page(), "start_study")
    draft = the_study(bench)
    assert (
        draft.round == "draft"
        and len(design.plain(draft.study.items, "pilot")) == 30
        and len(draft.study.annotators) == 2
    )
    assert "Everything is filled in" in html(app) and "aria-current=step>Draft" in html(app)
    app = press(press(app, "freeze"), "freeze_now")
    pilot = the_study(bench)
    assert pilot.round == "pilot" and pilot.hash[:12] in words(app) and "Next: label the pilot" in html(app)
    links = [link.proto for link in app.get("page_link")]
    assert sum("annotator=Annotator" in link.query_string for link in links) == 2
    gone = []
    monkeypatch.setattr(design_record.st, "switch_page", lambda page, query_params: gone.append((page, query_params)))
    app = press(app, "label")
    assert gone == [("../pages/label_answers.py", {"study": "faithfulness", "annotator": "Annotator 1"})]
    judge(bench, pilot, lambda who, item: "partly" if who.endswith("2") and item.id < "5" else "supported")
    app = sound(app.run())
    assert "Next: see how far the annotators agree" in html(app) and "Alpha" in html(app)
    app = press(app, "agreement")
    assert gone[-1][1] == {"source": "faithfulness", "of_round": "pilot"}
    app = press(sound(app.run()), "to_rubric")
    assert "Next: make the rubric clearer" in html(app) and app.session_state["view"] == "Rubric"


def test_every_click_on_the_items_draws_the_exact_list_anew(bench):
    app = started(bench, "Items")
    before = the_study(bench).study
    table = lambda app: next(d.value for d in app.dataframe if "Kind" in d.value.columns)  # noqa: E731
    assert len(table(app)) == len(before.items) and set(table(app)["Round"]) == {"Pilot", "Main", "Both"}
    key = "faithfulness/draw."
    app = sound(app.number_input(key=f"{key}pilot").set_value(12).run())
    assert (table(app)["Round"] == "Pilot").sum() == 12 + 1, "a tenth comes twice"
    app = sound(app.number_input(key=f"{key}main").set_value(900).run())
    assert app.number_input(key=f"{key}main").value == 28, "as many as there are answers"
    first = list(table(app)["Question"])
    app = sound(app.number_input(key=f"{key}seed").set_value(5).run())
    assert list(table(app)["Question"]) != first
    app = sound(app.number_input(key=f"{key}seed").set_value(0).run())
    assert list(table(app)["Question"]) == first
    app = sound(app.toggle(key=f"{key}attention").set_value(False).run())
    assert "attention" not in set(table(app)["Kind"])
    assert the_study(bench).study == before, "a draft is recorded when asked for"
    app = press(app, "save_draft")
    assert len(design.plain(the_study(bench).study.items)) == 40 and "save_draft" not in keys(app)


def test_annotators_see_no_system_and_no_markup(bench):
    app = started(bench, "Items")
    inside = html(app)
    assert "&lt;b&gt;" in inside and "<b>0</b>" not in inside
    seen = next(e.proto.body for e in app.get("html") if "gw-passage" in e.proto.body)
    assert "small.gguf" not in seen


def test_pairs_draw_questions_that_two_systems_answered(bench):
    app = started(bench)
    app = sound(app.radio(key="faithfulness/kind").set_value("pairs").run())
    assert "sign test" in app.text_area(key="faithfulness/test").value
    app = press(app, "save_draft")
    study = the_study(bench).study
    assert study.ask == ("preference",) and {len(item.responses) for item in study.items} == {2}
    assert len(design.plain(study.items)) == 20


def test_texts_that_were_written_stay_when_the_kind_changes(bench):
    app = started(bench)
    app = sound(app.text_area(key="faithfulness/question").set_value("My own?").run())
    app = sound(app.radio(key="faithfulness/kind").set_value("pairs").run())
    assert app.text_area(key="faithfulness/question").value == "My own?"


def test_people_are_balanced_and_two_of_one_name_are_refused(bench):
    app = started(bench, "People")
    app = sound(app.text_area(key="faithfulness/annotators").set_value("A\nB\nC\n").run())
    loads = next(d.value for d in app.dataframe if "In all" in d.value.columns)
    assert (
        list(loads["Annotator"]) == ["A", "B", "C"]
        and loads["Items"].sum() == 60
        and loads["Items"].max() - loads["Items"].min() <= 1
    )
    app = sound(app.text_area(key="faithfulness/annotators").set_value("A\na").run())
    assert "same name" in words(app)
    app = sound(app.number_input(key="faithfulness/per_item").set_value(7).run())
    assert "Still missing: 7 annotators" in html(app) and next(b for b in app.button if b.key == "freeze").disabled


def test_the_rubric_is_revised_after_the_pilot_and_keeps_its_history(bench):
    app = started(bench, "Rubric")
    lab.freeze(bench, the_study(bench).study, "pilot")
    app = sound(app.run())
    app = sound(app.text_area(key="faithfulness/rubric.guidelines").set_value("Shorter.").run())
    assert (
        next(b for b in app.button if b.key == "revise").disabled and the_study(bench).study.rubric == default_rubric()
    )
    app = sound(app.text_input(key="faithfulness/rubric.changed").set_value("They were too long.").run())
    app = press(app, "revise")
    revised = the_study(bench).study
    assert [one.version for one in revised.rubrics] == [1, 2] and revised.rubric.guidelines == "Shorter."
    assert "They were too long" in " ".join(e.label for e in app.expander) and any(
        "+Shorter." in c.value for c in app.code
    )


def test_a_label_used_by_an_example_cannot_be_removed(bench):
    app = press(started(bench, "Rubric"), "faithfulness/label.supported.")
    assert "Not changed" in words(app) and "supported" in words(app)
    app = press(app, "add_label")
    assert app.text_input(key="faithfulness/label.label_1.title").value == "Label 1"


def test_the_main_round_is_drawn_from_what_the_pilot_has_not_shown_then_adjudicated(bench):
    app = started(bench)
    study = the_study(bench).study
    few = design.redraw(lab.candidates(bench), study, design.Drawing(pilot=6, main=0, repeats=0, attention=False)).study
    pilot = lab.freeze(bench, few, "pilot")
    judge(bench, pilot)
    app = open_page("Items", study="faithfulness")
    assert "Still missing" not in html(app) and next(b for b in app.button if b.key == "freeze").disabled, (
        "nothing is drawn"
    )
    app = sound(app.number_input(key="faithfulness/draw.main").set_value(8).run())
    app = press(press(app, "freeze"), "freeze_now")
    main = the_study(bench)
    asked = [{(one.system, item.question) for item in design.plain(main.study.items, name) for one in item.responses}
             for name in ("pilot", "main")]  # fmt: skip
    assert main.round == "main" and not asked[0] & asked[1] and len(asked[1]) == 8
    judge(bench, main, lambda who, item: "supported" if who.endswith("1") else "contradicted")
    app = sound(app.run())
    assert "Next: decide 8 disputed items" in html(app)
    app = press(app, "adjudicate")
    last = the_study(bench)
    assert last.round == "adjudication" and "Adjudicator" in [t.value for t in app.text]
    judge(bench, last)
    assert "Next: analyse the study" in html(sound(app.run()))


def test_the_stop_rule_ends_the_main_round(bench):
    started(bench)
    draft = the_study(bench).study
    rule = {"stop": {"kind": "alpha", "value": 0.5}}
    frozen = lab.freeze(bench, design.valid(design.Study, design.fields(draft) | rule), "main")
    for who in frozen.study.annotators:
        for id in lab.assignment(frozen.study, "main")[who][:10]:
            item = frozen.study.item(id)
            label = "supported" if item.id < "8" else "partly"
            lab.label(bench, frozen, blank(frozen.study, "main", item, who).model_copy(update={
                "sentences": tuple((label,) * len(one.sentences) for one in item.responses), "helpful": (3,)}))  # fmt: skip
    standing = design.standing(bench, frozen)
    assert standing.open and standing.agreement.value == 1 and standing.step == "Analyse" and "0.5" in standing.stopped
    assert "stop rule ends" in html(open_page(study="faithfulness"))


def test_a_changed_record_is_found(bench, monkeypatch):
    started(bench)
    lab.freeze(bench, the_study(bench).study, "pilot")
    app = press(open_page("Record", study="faithfulness"), "check")
    assert "are what their hashes say" in words(app)
    broken = lab.Check(False, "x", 3, ("Version 2 is not what its hash says.",))
    monkeypatch.setattr(design_record.lab, "check", lambda workbench, study: broken)
    assert "Version 2 is not what its hash says" in words(press(app, "check"))


def test_labels_leave_and_return_and_bad_rows_are_told_by_line(bench, tmp_path):
    started(bench)
    frozen = lab.freeze(bench, the_study(bench).study, "pilot")
    judge(bench, frozen)
    app = open_page("Record", study="faithfulness")
    app = sound(app.text_input(key="faithfulness/folder").set_value(str(tmp_path / "out")).run())
    app = press(app, "export_labels")
    files = next(d.value for d in app.dataframe if "SHA-256" in d.value.columns)
    assert {"study.json", "labels.jsonl", "labels.csv"} <= set(files["File"]) and (
        tmp_path / "out" / "manifest.json"
    ).exists()
    lines = (tmp_path / "out" / "labels.jsonl").read_text().splitlines()
    bad = "\n".join([lines[0], lines[1].replace('"supported"', '"nonsense"'), "{"]).encode()
    app = sound(app.file_uploader(key="faithfulness/import").set_value(("labels.jsonl", bad, "application/json")).run())
    app = press(app, "import_labels")
    problems = next(d.value for d in app.dataframe if "Line" in d.value.columns)
    assert list(problems["Line"]) == [2, 3] and "nothing was imported" in words(app)
    app = press(app, "import_good")
    assert re.search("0 labels added, 1 were here already, 2 rows left out", words(app))


def test_label_studio_is_a_job(bench, monkeypatch):
    started(bench)
    lab.freeze(bench, the_study(bench).study, "pilot")
    begun = []
    monkeypatch.setattr(bench.jobs, "start", lambda arguments, label: begun.append(arguments) or "job")
    app = open_page("Record", study="faithfulness")
    app = sound(app.text_input(key="label_studio_url").set_value("http://127.0.0.1:1").run())
    sound(next(b for b in app.button if b.label == "Push as a new project").click().run())
    app = sound(app.number_input(key="label_studio_project").set_value(3).run())
    app = sound(app.text_area(key="label_studio_names").set_value("me@here = Annotator 1").run())
    sound(next(b for b in app.button if b.label == "Pull its labels").click().run())
    assert begun == [["annotate", "push", "faithfulness", "--url", "http://127.0.0.1:1"],
                     ["annotate", "pull", "faithfulness", "3", "--url", "http://127.0.0.1:1", "--as", "me@here=Annotator 1"]]  # fmt: skip


def test_tokens_are_shown_once(bench):
    started(bench)
    draft = the_study(bench).study
    frozen = lab.freeze(bench, design.valid(design.Study, design.fields(draft) | {"tokens": True}), "pilot")
    app = press(open_page(study="faithfulness"), "faithfulness/token.Annotator 1")
    token = next(code.value for code in app.code if len(code.value) == 22)
    assert lab.may_label(bench, frozen, "Annotator 1", token) and "Shown once" in words(app)
    assert token not in [code.value for code in sound(app.run()).code]


def test_power_is_drawn_for_each_goal_and_used_for_the_main_round(bench):
    app = started(bench, "Power")
    for goal in design.GOALS:
        app = sound(app.selectbox(key="goal").set_value(goal).run())
        found = app.session_state["power_found"]
        assert len(found.simulated) == 6 and found.at is not None and found.needed[2]
        app = sound(app.number_input(key=f"faithfulness/power.{goal}.items").set_value(20).run())
    app = press(app, "use_design")
    assert "The main round has 10 items" in words(app) and "20 are wanted" in words(app), "40 answers, 30 in the pilot"


def test_power_values_that_contradict_each_other_are_told(bench):
    app = started(bench, "Power")
    app = sound(app.number_input(key="power.difference.discordant").set_value(0.05).run())
    assert "of the questions can have one right answer" in words(app)


def test_values_of_a_plan_come_from_the_pilot(bench):
    started(bench)
    frozen = lab.freeze(bench, the_study(bench).study, "pilot")
    judge(
        bench,
        frozen,
        lambda who, item: "partly" if item.id < "4" or (who.endswith("2") and item.id < "5") else "supported",
    )
    pilot = design.from_pilot(frozen.study, lab.labels(bench, "faithfulness"))
    assert set(pilot.values) == set(design.GOALS) and 0.5 < pilot.values["rate"]["rate"] < 0.95
    app = press(open_page("Power", study="faithfulness"), "from_pilot")
    assert app.number_input(key="power.difference.rate").value == pytest.approx(
        min(pilot.values["difference"]["rate"], 0.85), abs=0.001
    )
    assert "rough values" in words(app)


def test_an_unknown_study_in_the_address_opens_the_newest(bench):
    app = started(bench)
    assert open_page(study="nonsense").selectbox(key="study").value == "faithfulness"
    assert app.selectbox(key="study").value == "faithfulness"
