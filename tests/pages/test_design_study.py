"""The page Study design: a whole draft to start from, lists drawn anew, rounds frozen in order, and every state in words."""

import io
import re
import zipfile

import pytest
import streamlit as st

from app.ui.studies import export
from app.ui.studies.progress import longest_left
from core.annotation import checking, draft, latest, power, rounds, standing, versions
from core.annotation import stored_answers as answers
from core.annotation.assignment import assignment
from core.annotation.draft import start
from core.annotation.pilot import from_pilot
from core.annotation.rubric import default_rubric, old_titles, with_titles
from core.annotation.study import altered, plain
from core.annotation.tokens import may_label
from core.config import TrialConfig, with_settings
from core.jobs.jobs import Job
from tests.support.annotated import judge as judged
from tests.support.annotated import rating
from tests.support.design_page import add_answers, judge, keys, open_page, press, sound, started, the_study, words
from tests.support.screen import html


def test_the_work_left_counts_annotators_who_have_not_begun():
    begun, waits = standing.AnnotatorProgress("Ann", 1, 2, 0, 40.0, "now"), standing.AnnotatorProgress("Ben", 0, 3, 0, None, "")
    assert longest_left([begun, waits]) == 120.0, "three screens at the pace of the other"
    assert longest_left([begun._replace(done=2), waits]) == 120.0 and longest_left([waits]) == 0.0


@pytest.mark.slow
def test_without_answers_a_job_asks_questions_names_its_recipe_and_start_stays_while_a_second_goes_on(bench, monkeypatch):
    begun, asked = [], []
    monkeypatch.setattr(bench.jobs, "start", lambda arguments, label, *_: asked.append(arguments) or begun.append(label) or "job")
    app = open_page()
    assert "no stored answers" in html(app) and "start_study" not in keys(app)
    sound(next(b for b in app.button if b.label == "Answer the questions").click().run())
    assert asked[0][:3] == ["answer-questions", "--ask", "40"] and "python-reference" in begun.pop()
    app.session_state["recipes"] = {"current": with_settings(TrialConfig(), {"fusion": "sparse_only"})}
    app = sound(app.number_input(key="answer_count").set_value(12).run())
    assert "BM25" in html(app) and "the same on every page and for every recipe" in words(app)
    sound(next(b for b in app.button if b.label == "Answer the questions").click().run())
    assert begun == ["Answering 12 questions of python-reference: BM25, defaults"]
    add_answers(bench, 20)
    run = Job("j1", begun[0], ("answer-questions", "--count", "12"), "running", 0.0)
    monkeypatch.setattr(bench.jobs, "list", lambda: [run])
    monkeypatch.setattr(bench.jobs, "get", lambda id: run)
    app = open_page()
    assert "Answering 12 questions" in html(app)
    start = next(button for button in app.button if button.key == "start_study")
    assert start.proto.type == "primary"
    monkeypatch.setattr(bench.jobs, "list", lambda: [run.__class__(**{**vars(run), "status": "done"})])
    app = press(open_page("Items"), "start_study")
    assert app.number_input(key="answer_count").value == 12, "as many as the last run"


@pytest.mark.slow
def test_a_newcomer_goes_from_answers_to_an_analysed_pilot_by_the_one_button(bench, monkeypatch):
    add_answers(bench)
    app = press(open_page(), "start_study")
    draft = the_study(bench)
    assert draft.round == "draft" and len(plain(draft.study.items, "pilot")) == 30 and len(draft.study.annotators) == 2
    assert "Everything is filled in" in html(app) and "aria-current=step>Draft" in html(app)
    app = press(press(app, "freeze"), "freeze_now")
    pilot = the_study(bench)
    assert pilot.round == "pilot" and pilot.hash[:12] in words(app) and "Next: label the pilot" in html(app)
    links = [link.proto for link in app.get("page_link")]
    assert sum("annotator=Annotator" in link.query_string for link in links) == 1, "the other one has the blue button"
    gone = []
    monkeypatch.setattr(st, "switch_page", lambda page, query_params: gone.append((page, query_params)))
    app = press(app, "label")
    assert gone == [("../pages/label_answers.py", {"study": "faithfulness", "annotator": "Annotator 1"})]
    judge(bench, pilot, lambda who, item: "partly" if who.endswith("2") and item.id < "5" else "supported")
    app = sound(app.run())
    assert "Next: see how far the annotators agree" in html(app) and "Alpha" in html(app)
    app = press(app, "agreement")
    assert gone[-1][1] == {"source": "faithfulness", "of_round": "pilot"}
    app = press(sound(app.run()), "to_rubric")
    assert "Next: make the rubric clearer" in html(app) and app.session_state["section"] == "Rubric"


@pytest.mark.slow
def test_agreement_is_offered_once_the_frozen_stop_rule_lets_it_be_seen(bench):
    add_answers(bench, 10, (0.0,))
    press(open_page(), "start_study")
    pilot = rounds.freeze(bench, the_study(bench).study, "pilot")
    for item in assignment(pilot.study, "pilot")["Annotator 1"]:
        judged(bench, pilot, "Annotator 1", item)
    app = open_page()
    assert "as the frozen stop rule requires" in html(app) and "agreement" not in keys(app)
    judge(bench, pilot)
    assert "agreement" in keys(sound(app.run()))


@pytest.mark.slow
def test_answers_of_the_corpus_in_use_are_counted_as_a_draft_takes_them(bench):
    add_answers(bench, 5, (0.0,))
    other = with_settings(TrialConfig(), {"corpus.dataset": "python-api"}).model_dump(mode="json")
    bench.store.add("answer", {"question": "Else?", "text": "So.", "model": "small.gguf", "config": other, "hits": []})
    app = open_page()
    assert "5 answers of 1 system can be judged" in html(app)
    press(app, "start_study")
    assert len(plain(the_study(bench).study.items, "pilot")) == 5


@pytest.mark.slow
def test_people_are_balanced_and_two_of_one_name_are_refused(bench):
    app = started(bench, "People")
    app = sound(app.text_area(key="faithfulness/annotators").set_value("A\nB\nC\n").run())
    loads = next(d.value for d in app.dataframe if "Screens" in d.value.columns)
    assert (
        list(loads["Annotator"]) == ["A", "B", "C"]
        and loads["Items"].sum() == 60
        and loads["Items"].max() - loads["Items"].min() <= 1
    )
    app = sound(app.text_area(key="faithfulness/annotators").set_value("A\na").run())
    assert "a appears twice" in words(app) and app.text_area(key="faithfulness/annotators").value == "A\na"
    assert "different names for all annotators" in html(app), "nothing is frozen under names that were not taken"
    app.session_state["section"] = "Plan"
    app = sound(app.run())
    app.session_state["section"] = "People"
    app = sound(app.run())
    assert app.text_area(key="faithfulness/annotators").value == "A\na", "what was typed is kept"
    app = sound(app.text_area(key="faithfulness/annotators").set_value("A\nB").run())
    assert "twice" not in words(app)
    app = sound(app.number_input(key="faithfulness/per_item").set_value(7).run())
    assert "Still missing: 7 annotators" in html(app) and next(b for b in app.button if b.key == "freeze").disabled


@pytest.mark.slow
def test_the_rubric_is_revised_after_the_pilot_and_keeps_its_history(bench):
    app = started(bench, "Rubric")
    rounds.freeze(bench, the_study(bench).study, "pilot")
    app = sound(app.run())
    app = sound(app.text_area(key="faithfulness/rubric.guidelines").set_value("Shorter.").run())
    assert next(b for b in app.button if b.key == "revise").disabled and the_study(bench).study.rubric == default_rubric()
    judge(bench, the_study(bench))
    app = sound(app.run())
    assert "Next: describe what it changes, and put version 2 of the rubric in force" in html(app)
    assert "rubric 1, the next in work" in html(app) and "freeze" not in keys(app), "no button that is dead without a word"
    app.session_state["section"] = "Power"
    app = press(sound(app.run()), "to_rubric")
    assert app.session_state["section"] == "Rubric"
    app = sound(app.text_input(key="faithfulness/rubric.changed").set_value("They were too long.").run())
    assert "Next: put version 2 of the rubric in force" in html(app)
    app = press(app, "put_in_force")
    revised = the_study(bench).study
    assert "put version" not in html(app) and "freeze" in keys(app)
    assert [one.version for one in revised.rubrics] == [1, 2] and revised.rubric.guidelines == "Shorter."
    assert "They were too long" in " ".join(e.label for e in app.expander) and any("+Shorter." in c.value for c in app.code)


@pytest.mark.slow
def test_a_renamed_label_stays_renamed_and_the_guidelines_follow_by_one_press(bench):
    app = started(bench, "Rubric")
    title, example = "faithfulness/label.not_in_context.title", "faithfulness/example.3.label"
    before = next(one for one in app.selectbox if one.key.startswith(example))
    assert before.value == "not_in_context"
    app = sound(app.text_input(key=title).set_value("Not in passages").run())
    assert before.key not in {one.key for one in app.selectbox}, "a browser would send the old title for it again"
    assert next(one for one in app.selectbox if one.key.startswith(example)).value == "not_in_context"
    assert "still say “Not in the context”, and the label is now called “Not in passages”" in words(app)
    for tab in ("Plan", "Rubric"):
        app.session_state["section"] = tab
        app = sound(app.run())
        assert "Not changed" not in words(app)
    assert "still say “Not in the context”" in words(press(app, "freeze"))
    app = press(app, "replace_titles.rubric")
    guidelines = app.text_area(key="faithfulness/rubric.guidelines").value
    assert "**Not in passages**: the passages" in guidelines and "not in the context" not in guidelines.lower()
    assert "contradicted before not in passages, before" in guidelines and "still say" not in words(app)
    app = sound(app.text_input(key=title).set_value("Nowhere there").run())
    assert "still say “Not in passages”" in words(app)
    app = press(app, "faithfulness/label.supported.")
    assert "Not changed" in words(app) and "supported" in words(app), "an example uses it"
    app = press(app, "add_label")
    assert app.text_input(key="faithfulness/label.label_1.title").value == "Label 1"


def test_the_title_of_one_label_inside_anothers_is_not_an_old_one():
    rubric = default_rubric()
    first = rubric.labels[0].model_copy(update={"title": "Backed"})
    guidelines = "**Supported** and **Partly supported**, if supported by it."
    new = rubric.model_copy(update={"labels": (first, *rubric.labels[1:]), "guidelines": guidelines})
    old = old_titles(new, [rubric])
    assert old == {"Supported": "Backed"}
    assert with_titles(new, old) == "**Backed** and **Partly supported**, if supported by it."


@pytest.mark.slow
def test_the_main_round_is_drawn_from_what_the_pilot_has_not_shown_then_adjudicated(bench):
    app = started(bench)
    study = the_study(bench).study
    few = draft.redraw(answers.read_candidates(bench), study, draft.Drawing(pilot=6, main=0, repeats=0, attention=False)).study
    pilot = rounds.freeze(bench, few, "pilot")
    judge(bench, pilot)
    app = open_page("Items", study="faithfulness")
    assert "Still missing" not in html(app) and next(b for b in app.button if b.key == "freeze").disabled, "nothing is drawn"
    app = sound(app.number_input(key="faithfulness/draw.main").set_value(8).run())
    app = press(press(app, "freeze"), "freeze_now")
    main = the_study(bench)
    asked = [
        {(one.system, item.question) for item in plain(main.study.items, name) for one in item.responses}
        for name in ("pilot", "main")
    ]
    assert main.round == "main" and not asked[0] & asked[1] and len(asked[1]) == 8
    judge(bench, main, lambda who, item: "supported" if who.endswith("1") else "contradicted")
    app = sound(app.run())
    assert "Next: decide 8 disputed items" in html(app)
    app = press(app, "adjudicate")
    last = the_study(bench)
    assert last.round == "adjudication" and 'gw-who">Adjudicator<' in html(app)
    judge(bench, last)
    assert "Next: analyse the study" in html(sound(app.run()))


@pytest.mark.slow
def test_the_stop_rule_ends_the_main_round(bench):
    add_answers(bench, 30)
    draft = start(bench).study
    rule = {
        "stop": {"kind": "alpha", "value": 0.5},
        "items": tuple(one.model_copy(update={"round": "main"}) for one in draft.items),
    }
    frozen = rounds.freeze(bench, altered(draft, rule), "main")
    for who in frozen.study.annotators:
        for item in plain(frozen.study.items)[:34]:
            judged(bench, frozen, who, item.id, "supported" if item.id < "8" else "partly")
    here = standing.standing(bench, frozen)
    assert here.short == {0: 26} and here.open and here.agreement.value == 1 and here.step == "Analyse" and "0.5" in here.stopped
    app = open_page(study="faithfulness")
    assert "stop rule ends" in html(app) and "26 items have no label instead of 2" in html(app)


@pytest.mark.slow
def test_a_plan_for_the_main_round_is_there_again_in_another_browser(bench):
    app = started(bench)
    pilot = rounds.freeze(bench, the_study(bench).study, "pilot")
    app = sound(app.run())
    assert "saved at once" in words(app)
    app = press(sound(app.text_area(key="faithfulness/hypothesis").set_value("Later.").run()), "discard")
    assert versions.planned(bench, "faithfulness") is None and app.text_area(key="faithfulness/hypothesis").value != "Later."
    app = sound(app.text_area(key="faithfulness/hypothesis").set_value("The second is better.").run())
    app = sound(app.selectbox(key="faithfulness/stop").set_value("alpha").run())
    app.session_state["section"] = "People"
    app = sound(app.run())
    app = sound(app.text_area(key="faithfulness/annotators").set_value("Ann\nBen\nCy").run())
    app.session_state["section"] = "Items"
    app = sound(app.run())
    app = sound(app.number_input(key="faithfulness/draw.main").set_value(4).run())
    again = open_page("Plan", study="faithfulness")
    assert again.text_area(key="faithfulness/hypothesis").value == "The second is better."
    assert again.selectbox(key="faithfulness/stop").value == "alpha" and "discard" in keys(again)
    planned = versions.planned(bench, "faithfulness")
    assert planned.annotators == ("Ann", "Ben", "Cy") and len(plain(planned.items, "main")) == 4
    assert the_study(bench).id == pilot.id, "the pilot is labelled as it was frozen"
    judge(bench, pilot)
    main = press(press(sound(again.run()), "freeze"), "freeze_now")
    frozen = the_study(bench)
    assert frozen.round == "main" and frozen.study == planned and "main round is frozen" in words(main)


@pytest.mark.slow
def test_one_who_left_hands_over_and_it_says_first_what_goes_to_whom(bench):
    started(bench)
    draft = the_study(bench).study
    frozen = rounds.freeze(bench, altered(draft, {"annotators": ("Ann", "Ben", "Cy")}), "pilot")
    for item_id in assignment(frozen.study, "pilot")["Ben"][:6]:
        judged(bench, frozen, "Ben", item_id)
    app = press(open_page(study="faithfulness"), "faithfulness/leave.Ben")
    told = rounds.handing_over(bench, "faithfulness", "Ben")
    table = next(d.value for d in app.dataframe if "Goes to" in d.value.columns)
    assert dict(zip(table["Goes to"], table["Open items"], strict=True)) == told.given and len(told.given) == 2
    assert "Ben" in words(app) and "not in the plan of the main round" in words(app) and the_study(bench).id == frozen.id
    app = press(app, "hand_over_now")
    assert the_study(bench).study.left[0].annotator == "Ben" and "stopped · 6 of 6" in html(app)
    assert versions.planned(bench, "faithfulness").annotators == ("Ann", "Cy") and "faithfulness/leave.Ben" not in keys(app)
    app.session_state["section"] = "Record"
    app = press(sound(app.run()), "check")
    assert "match their hashes" in words(app) and "Ben left the pilot round" in words(app)


@pytest.mark.slow
def test_a_round_that_will_not_be_finished_is_ended_and_what_is_missing_said(bench):
    started(bench)
    frozen = rounds.freeze(bench, the_study(bench).study, "main")
    items = plain(frozen.study.round_items("main"))
    for who, some in (("Annotator 1", items), ("Annotator 2", items[:3])):
        for item in some:
            name = "supported" if who.endswith("1") or item.id != items[0].id else "contradicted"
            judged(bench, frozen, who, item.id, name)
    app = open_page(study="faithfulness")
    assert "Next: label the main round" in html(app)
    app = press(press(app, "faithfulness/leave.Annotator 2"), "close")
    assert "7 items have 1 label instead of 2" in words(app) and the_study(bench).id == frozen.id
    app = press(app, "close_now")
    assert "Next: decide 1 disputed item" in html(app) and "7 items have 1 label instead of 2" in html(app)
    app = press(app, "adjudicate")
    app = press(press(app, "close"), "close_now")
    assert "Next: analyse the study" in html(app) and "1 disputed item is undecided" in html(app) and "agreement" in keys(app)


@pytest.mark.slow
def test_carelessness_is_pointed_out(bench):
    started(bench)
    frozen = rounds.freeze(bench, the_study(bench).study, "pilot")
    judge(bench, frozen, lambda who, item: "not_in_context" if who.endswith("1") and item.attention else "supported")
    asked = sum(len(item.expected) for item in frozen.study.round_items("pilot"))
    right = [
        sum(name == label for item in frozen.study.round_items("pilot") for name in item.expected)
        for label in ("not_in_context", "supported")
    ]
    page = html(open_page(study="faithfulness"))
    assert all(f"{number} of {asked} known sentences right: look at these labels first" in page for number in right)


@pytest.mark.slow
def test_many_annotators_are_folded(bench, monkeypatch):
    monkeypatch.setattr("app.ui.studies.progress.AT_ONCE", 1)
    started(bench)
    frozen = rounds.freeze(bench, the_study(bench).study, "pilot")
    people, leaving = frozen.study.people("pilot"), f"{frozen.study.id}/leave."
    app = sound(open_page(study="faithfulness"))
    assert f"All {len(people)} annotators" in [each.label for each in app.expander] and leaving not in str(keys(app))
    monkeypatch.setattr("app.ui.studies.progress.AT_ONCE", len(people))
    assert leaving in str(keys(open_page(study="faithfulness")))


@pytest.mark.slow
def test_a_record_is_checked_and_labels_leave_and_return_by_files_and_label_studio(bench, tmp_path, monkeypatch):
    started(bench)
    frozen = rounds.freeze(bench, the_study(bench).study, "pilot")
    judge(bench, frozen)
    app = press(open_page("Record", study="faithfulness"), "check")
    assert "match their hashes" in words(app)
    broken = checking.Check(False, "x", 3, ("Version 2 does not match its hash.",))
    with monkeypatch.context() as patch:
        patch.setattr("core.annotation.checking.check", lambda workbench, study: broken)
        assert "Version 2 does not match its hash" in words(press(app, "check"))

    with zipfile.ZipFile(io.BytesIO(export._zipped(bench, "faithfulness", ["csv"], ""))) as file:
        assert sorted(file.namelist()) == [
            f"faithfulness/{name}" for name in ("judgements.csv", "labels.csv", "manifest.json", "study.json")
        ]
    app = sound(app.text_input(key="faithfulness/folder").set_value(str(tmp_path / "out")).run())
    app = press(app, "export_labels")
    files = next(d.value for d in app.dataframe if "File" in d.value.columns)
    assert {"study.json", "labels.jsonl", "labels.csv"} <= set(files["File"]) and (tmp_path / "out" / "manifest.json").exists()
    lines = (tmp_path / "out" / "labels.jsonl").read_text().splitlines()
    bad = "\n".join([lines[0], lines[1].replace('"supported"', '"nonsense"'), "{"]).encode()
    app = sound(app.file_uploader(key="faithfulness/import").set_value(("labels.jsonl", bad, "application/json")).run())
    app = press(app, "import_labels")
    problems = next(d.value for d in app.dataframe if "Line" in d.value.columns)
    assert list(problems["Line"]) == [2, 3] and "nothing was imported" in words(app)
    app = press(app, "import_good")
    assert re.search("0 labels added, 1 were here already, 2 rows left out", words(app))

    begun = []
    monkeypatch.setattr(bench.jobs, "start", lambda arguments, label, *_: begun.append(arguments) or "job")
    app = open_page("Record", study="faithfulness")
    app = sound(app.text_input(key="label_studio_url").set_value("http://127.0.0.1:1").run())
    sound(next(b for b in app.button if b.label == "Push as a new project").click().run())
    app = sound(app.number_input(key="label_studio_project").set_value(3).run())
    app = sound(app.text_area(key="label_studio_names").set_value("me@here = Annotator 1").run())
    sound(next(b for b in app.button if b.label == "Pull its labels").click().run())
    assert begun == [
        ["annotate", "push", "faithfulness", "--url", "http://127.0.0.1:1"],
        ["annotate", "pull", "faithfulness", "3", "--url", "http://127.0.0.1:1", "--as", "me@here=Annotator 1"],
    ]
    app = sound(app.text_input(key="label_studio_url").set_value("http://me:secret@127.0.0.1:1").run())
    assert "Leave it out" in app.error[0].value and not any(b.label == "Push as a new project" for b in app.button)


@pytest.mark.slow
def test_tokens_are_shown_until_the_list_is_closed(bench):
    started(bench)
    draft = the_study(bench).study
    frozen = rounds.freeze(bench, altered(draft, {"tokens": True}), "pilot")
    app = press(open_page(study="faithfulness"), "faithfulness/token.Annotator 1")
    token = next(code.value for code in app.code if len(code.value) == 22)
    assert may_label(bench, frozen, "Annotator 1", token) and "copy it now" in words(app)
    app = press(app, "faithfulness/token.Annotator 2")
    tokens = [code.value for code in app.code if len(code.value) == 22]
    assert len(tokens) == 2 and token in tokens, "reading one takes its time, and the page looks again by itself"
    app.session_state["issued"].clear()  # as closing the list does
    assert token not in [code.value for code in sound(app.run()).code]
    assert token not in [code.value for code in open_page(study="faithfulness").code]


@pytest.mark.slow
def test_power_is_drawn_for_each_goal_and_used_for_the_main_round(bench):
    app = started(bench, "Power")
    for goal in power.GOALS:
        app = sound(app.selectbox(key="goal").set_value(goal).run())
        found = app.session_state["power_found"]
        assert len(found.simulated) == 6 and found.at is not None and found.needed[2]
        app = sound(app.number_input(key=f"faithfulness/power.{goal}.items").set_value(20).run())
    app = press(app, "use_design")
    assert "The main round has 10 items" in words(app) and "20 are wanted" in words(app), "40 answers, 30 in the pilot"
    app = sound(app.selectbox(key="goal").set_value("difference").run())
    app = sound(app.number_input(key="faithfulness/power.difference.discordant").set_value(0.05).run())
    assert "of the questions can have one right answer" in words(app)


@pytest.mark.slow
def test_values_of_a_plan_come_from_the_pilot(bench):
    started(bench)
    frozen = rounds.freeze(bench, the_study(bench).study, "pilot")
    judge(bench, frozen, lambda who, item: "partly" if item.id < "4" or (who.endswith("2") and item.id < "5") else "supported")
    pilot = from_pilot(frozen.study, latest.labels(bench, "faithfulness"))
    assert set(pilot.values) == set(power.GOALS) and 0.5 < pilot.values["rate"]["rate"] < 0.95
    app = press(open_page("Power", study="faithfulness"), "from_pilot")
    assert app.number_input(key="faithfulness/power.difference.rate").value == pytest.approx(
        min(pilot.values["difference"]["rate"], 0.85), abs=0.001
    )
    assert "rough values" in words(app)
    told = words(app).replace("\\", "")
    assert "The plan's test: 95% interval of the difference" in told and "plans McNemar's exact test" in told
    share, whole = pilot.values["rate"]["rate"], pilot.values["difference"]["rate"]
    assert f"{share:.3f} of the sentences" in told and f"in {whole:.3f} of the answers" in told


@pytest.mark.slow
def test_two_windows_change_one_draft_and_both_changes_stay(bench):
    one, two = started(bench), open_page("Plan", study="faithfulness")
    two = sound(two.text_area(key="faithfulness/hypothesis").set_value("Mine.").run())
    one = sound(one.text_input(key="faithfulness/title").set_value("Theirs").run())
    one = press(one, "save_draft")
    two = sound(two.text_input(key="faithfulness/measure").set_value("share").run())
    assert (
        two.text_area(key="faithfulness/hypothesis").value == "Mine."
        and two.text_input(key="faithfulness/title").value == "Theirs"
    )
    assert open_page("Plan", study="faithfulness").text_input(key="faithfulness/measure").value == "share", (
        "nor does a reload lose it"
    )
    rounds.save(bench, altered(the_study(bench).study, {"test": "By a command."}))
    two = press(sound(two.run()), "save_draft")
    study = the_study(bench).study
    assert (study.title, study.hypothesis, study.measure, study.test) == ("Theirs", "Mine.", "share", "By a command.")


@pytest.mark.slow
def test_a_window_left_open_changes_nothing_once_the_main_round_is_frozen(bench):
    app = started(bench)
    frozen = rounds.freeze(bench, the_study(bench).study, "main")
    app = sound(app.text_input(key="faithfulness/title").set_value("Late").run())
    assert "frozen in another window" in words(app) and the_study(bench).id == frozen.id
    assert "Late" not in html(app)


@pytest.mark.slow
def test_an_address_of_a_study_that_is_not_here_says_so_until_one_is_chosen(bench):
    assert "“nothere”, which is not here. No study is" in open_page(study="nothere").warning[0].value
    for study_id in ("first", "second"):
        rounds.save(bench, rating(2, 0, id=study_id, title=study_id))
    app = open_page(study="nothere")
    assert "“nothere”, which is not here" in app.warning[0].value and app.selectbox(key="study").value == "second"
    app = sound(app.run())
    assert len(app.warning) == 1, "a rerun does not take it away"
    app = sound(app.selectbox(key="study").select("first").run())
    assert not app.warning


def test_a_job_slower_than_one_a_second_tells_the_time_of_each():
    from app.ui import jobs

    assert "16 s each" in jobs.pace(3, 12, 0, 48.0) and "/s" not in jobs.pace(3, 12, 0, 48.0)
    assert "310/s" in jobs.pace(310, 1000, 0, 1.0)
