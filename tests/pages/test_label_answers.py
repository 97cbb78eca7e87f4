"""The page Label answers: what a key does, what is kept, who may come in, and that text stays text."""

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from app.ui import evidence, labelling
from core import annotation_lab as lab
from core.annotation.labels import blank
from core.annotation.study import assignment, default_rubric, shown
from core.workbench import Workbench
from tests.annotated import pairs, rating

MAIN = Path(__file__).parents[2] / "app" / "main.py"


@pytest.fixture
def bench(tmp_path, monkeypatch):
    bench = Workbench(tmp_path)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    return bench


def open_page(**address: str) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=60)
    app.switch_page("../pages/label_answers.py")
    for key, value in address.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


def press(app: AppTest, start: str) -> AppTest:
    button = next(b for b in app.button if b.key and b.key.startswith(start))
    button.click().run()
    assert not app.exception
    return app


def give(app: AppTest, number: int) -> AppTest:
    """The answer button with this number, whatever is asked."""
    button = next(b for b in app.button if b.key and b.key.startswith("give/") and b.key.endswith(f"/{number}"))
    button.click().run()
    assert not app.exception
    return app


def desk(app: AppTest) -> labelling.Desk:
    return app.session_state["label_desk"]


def said(app: AppTest) -> str:
    return " ".join(e.value for e in [*app.info, *app.error, *app.warning])


def html(app: AppTest) -> str:
    return " ".join(e.proto.body for e in app.get("html"))


# What a key means ----------------------------------------------------------------------------------------------------


def test_steps_follow_the_screen_and_end_with_the_preference():
    study = pairs(ask=("sentences", "helpful", "preference"))
    asked = labelling.steps(study, study.items[0], (1, 0))
    kinds = [(step.kind, step.response) for step in asked]
    assert kinds[0] == ("sentence", 1) and kinds[-1] == ("preference", 0)
    assert kinds.index(("helpful", 1)) < kinds.index(("sentence", 0)) < kinds.index(("helpful", 0))


def test_an_answer_changes_its_place_only_and_the_next_open_step_goes_round():
    study = rating()
    item = study.items[0]
    asked, label = labelling.steps(study, item, (0,)), blank(study, "main", item, "Ann")
    last = labelling.answered(label, asked[-1], 4)
    assert last.helpful == (4,) and last.sentences == label.sentences
    assert labelling.next_open(asked, last, len(asked) - 1) == 0
    for step in asked[:-1]:
        last = labelling.answered(last, step, "partly")
    assert labelling.next_open(asked, last) is None


def test_words_marked_side_by_side_are_one_error():
    study = rating()
    label = blank(study, "main", study.items[0], "Ann")
    for word in (3, 1, 2, 6, 6, 8):
        label = labelling.toggled(label, 0, word)
    assert [(span.first, span.last) for span in label.spans] == [(1, 4), (8, 9)]
    assert [(s.first, s.last) for s in labelling.toggled(label, 0, 2).spans] == [(1, 2), (3, 4), (8, 9)]


def test_shared_phrases_are_found_and_common_words_alone_are_none():
    passage = "The exit method will be called, and it is not of the kind that a caller sees."
    marks = labelling.shared(passage, "Then the EXIT method will be called: it is the best of the lot.")
    assert [passage[m.start : m.end] for m in marks] == ["The exit method will be called"]
    assert labelling.shared("", "words") == labelling.shared("words", "") == []


def test_search_takes_the_text_literally():
    assert [m.start for m in labelling.hits("a.b (A.B) axb", " a.b ")] == [0, 5]
    assert labelling.hits("abc", "  ") == []
    assert "<b>" not in evidence.marked("<b>", labelling.hits("<b>", "<b>"))


@pytest.mark.parametrize("key", ["c", "r", "", "1", "ab", "ctrl+w", "é", "<"])
def test_keys_that_cannot_be_are_refused(key):
    keys = {**labelling.default_keys(default_rubric()), "undo": key}
    assert labelling.key_problem(keys)


def test_usual_keys_are_the_rubrics_and_fit():
    keys = labelling.default_keys(default_rubric())
    assert labelling.key_problem(keys) == "" and [keys[f"answer{n}"] for n in range(1, 6)] == list("12345")


# The desk ------------------------------------------------------------------------------------------------------------


def test_without_a_study_the_page_says_what_is_missing(bench):
    app = open_page()
    assert "No study is open" in html(app)


def test_a_draft_is_not_offered(bench):
    lab.save(bench, rating())
    assert "No study is open" in html(open_page(study="toy", annotator="Ann"))


def test_keys_label_an_item_and_go_on_and_all_of_it_is_stored(bench):
    frozen = lab.freeze(bench, rating(), "main")
    app = open_page(study="toy", annotator="Ann")
    mine = assignment(frozen.study, "main")["Ann"]
    assert desk(app).item == mine[0]
    give(app, 1)
    assert lab.current(bench, frozen, "Ann", mine[0]).sentences[0][0] == "supported", (
        "autosaved before the item is whole"
    )
    give(app, 3)
    assert desk(app).item == mine[0], "the whole answer is still to be judged"
    give(app, 5)
    label = lab.current(bench, frozen, "Ann", mine[0])
    assert label.sentences == (("supported", "contradicted"),) and label.helpful == (5,) and label.seconds is not None
    assert desk(app).item == mine[1]
    press(app, "way/back")
    assert desk(app).item == mine[0]
    press(app, "way/next")
    assert desk(app).item == mine[1]
    press(app, "way/skip")
    assert desk(app).item == mine[2]


def test_undo_takes_back_across_items_step_by_step(bench):
    frozen = lab.freeze(bench, rating(ask=("sentences",)), "main")
    app = open_page(study="toy", annotator="Ann")
    first, second = assignment(frozen.study, "main")["Ann"][:2]
    give(give(app, 1), 2)
    assert desk(app).item == second
    press(app, "way/undo")
    assert desk(app).item == first and desk(app).at == 1
    assert lab.current(bench, frozen, "Ann", first).sentences == (("supported", None),)
    press(app, "way/undo")
    assert lab.current(bench, frozen, "Ann", first) is None
    press(app, "way/undo")
    assert "nothing to undo" in said(app)
    assert len(bench.store.labels.all("toy")) == 4, "every step stays in the record"


def test_a_new_window_goes_on_where_the_old_one_was(bench):
    frozen = lab.freeze(bench, rating(), "main")
    app = open_page(study="toy", annotator="Ann")
    give(press(app, "way/skip"), 2)
    here = desk(app).item
    again = open_page(study="toy", annotator="Ann")
    assert desk(again).item == here and desk(again).at == 1
    assert lab.current(bench, frozen, "Ann", here).sentences == (("partly", None),)


def test_a_second_window_is_told_and_nothing_is_lost(bench):
    frozen = lab.freeze(bench, rating(), "main")
    one, other = open_page(study="toy", annotator="Ann"), open_page(study="toy", annotator="Ann")
    item = desk(one).item
    give(other, 1)
    give(press(one, "way/skip"), 4)
    assert "another window" in said(one)
    assert lab.current(bench, frozen, "Ann", item).sentences == (("supported", None),)
    give(one, 4)
    assert "another window" not in said(one)


def test_a_key_of_an_earlier_screen_counts_for_nothing(bench):
    lab.freeze(bench, rating(), "main")
    app = open_page(study="toy", annotator="Ann")
    one = desk(app)
    before = one.item
    one.open(one.mine[1])
    labelling.give(one, before, 0, "contradicted")
    labelling.mark(one, before, 0, 0)
    labelling.cannot(one, before)
    assert bench.store.labels.all("toy") == []


def test_words_comment_and_cannot_judge_are_saved(bench):
    frozen = lab.freeze(bench, rating(), "main")
    app = open_page(study="toy", annotator="Ann")
    one, item = desk(app), desk(app).item
    labelling.mark(one, item, 0, 1)
    labelling.mark(one, item, 0, 2)
    next(t for t in app.text_input if (t.key or "").startswith("label_comment")).set_value(
        "  unclear: <i>which</i>?  "
    ).run()
    label = lab.current(bench, frozen, "Ann", item)
    assert label.comment == "unclear: <i>which</i>?" and [(s.first, s.last) for s in label.spans] == [(1, 3)]
    press(app, "way/cannot")
    assert lab.current(bench, frozen, "Ann", item).cannot_judge
    assert desk(app).item != item, "it counts as labelled"


def test_the_preference_is_of_the_answer_not_of_its_side(bench):
    frozen = lab.freeze(bench, pairs(), "main")
    app = open_page(study="ab", annotator="Ann")
    seen = {}
    for _ in range(5):
        item = desk(app).item
        give(app, 1)
        seen[item] = shown(frozen.study, frozen.study.item(item), "Ann").order[0]
    assert {0, 1} == set(seen.values()), "both orders occur"
    for item, left in seen.items():
        assert lab.current(bench, frozen, "Ann", item).preference == "ab"[left]


def test_text_of_models_and_documents_is_never_markup(bench):
    lab.freeze(bench, rating(), "main")
    app = open_page(study="toy", annotator="Ann")
    assert "<b>" in desk(app).view().responses[0].text
    data = html(app)
    assert "<b>0</b>" not in data and "<b>1</b>" not in data
    assert "gold 0" not in data and "system" not in data, "the known answer and the system are hidden"


def test_names_and_tokens(bench):
    frozen = lab.freeze(bench, rating(tokens=True), "main")
    token = lab.issue_token(bench, "toy", "Ann")
    assert "label_desk" not in open_page(study="toy", annotator="Eve").session_state
    assert "label_desk" not in open_page(study="toy", annotator="Ann", token="wrong").session_state
    assert desk(open_page(study="toy", annotator="Ann", token=token)).annotator == "Ann"
    app = open_page(study="toy", annotator="Ann")
    app.text_input[0].set_value("wrong").run()
    press(app, "label_start")
    assert "does not belong" in said(app)
    app.text_input[0].set_value(token).run()
    press(app, "label_start")
    assert desk(app).frozen.id == frozen.id and "token" not in app.query_params


def test_each_annotator_keeps_keys_of_their_own(bench):
    lab.freeze(bench, rating(), "main")
    keys = {**labelling.default_keys(default_rubric()), "undo": "z", "answer1": "a"}
    labelling.keep_settings("Ann", {"keys": keys, "go_on": False})
    app = open_page(study="toy", annotator="Ann")
    shortcuts = {b.key.split("/")[0] + b.key[-1]: b.proto.shortcut for b in app.button if b.key and "/" in b.key}
    assert shortcuts["give1"] == "a"
    assert next(b for b in app.button if b.key == "way/undo").proto.shortcut == "z"
    first = desk(app).item
    give(give(give(app, 1), 1), 1)
    assert desk(app).item == first, "it does not go on by itself"
    assert labelling.settings(default_rubric(), "Ben")["keys"]["undo"] == "u"
    labelling._settings_file("Ann").write_text('{"keys": {"undo": "c"}}', "utf-8")
    assert labelling.settings(default_rubric(), "Ann")["keys"]["undo"] == "u", "what cannot be used is left aside"


def test_the_clock_leaves_pauses_out(bench, monkeypatch):
    lab.freeze(bench, rating(), "main")
    now = [1000.0]
    monkeypatch.setattr(labelling.time, "monotonic", lambda: now[0])
    one = desk(open_page(study="toy", annotator="Ann"))

    def after(seconds):
        now[0] += seconds
        one.tick()
        return one.spent_s

    assert after(10) == 10
    assert after(3600) == 10 + labelling.IDLE_S and one.worked_s == 0.0
    labelling._tab(one, "hidden")
    now[0] += 50
    labelling._tab(one, "shown")
    assert after(5) == 15 + labelling.IDLE_S


def test_the_end_is_reached_and_can_be_looked_through(bench):
    frozen = lab.freeze(bench, rating(2, 0, annotators=("Ann", "Ben"), ask=("helpful",)), "main")
    app = open_page(study="toy", annotator="Ann")
    give(give(app, 3), 4)
    assert "All items are labelled" in html(app) and desk(app).item == ""
    press(app, "way/back")
    assert desk(app).item == assignment(frozen.study, "main")["Ann"][-1]


def test_a_disk_that_is_full_is_told_and_the_screen_stays(bench, monkeypatch):
    lab.freeze(bench, rating(), "main")
    app = open_page(study="toy", annotator="Ann")
    here = desk(app).item

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bench.store.labels, "_append", full)
    give(app, 1)
    assert "could not be recorded" in said(app) and (desk(app).item, desk(app).at) == (here, 0)
    monkeypatch.undo()


def test_a_key_reads_no_database(bench, monkeypatch):
    lab.freeze(bench, rating(), "main")
    app = open_page(study="toy", annotator="Ann")
    one = desk(app)
    monkeypatch.setattr(bench.store, "query", lambda *_: pytest.fail("the database was asked"))
    started = time.monotonic()
    one.looked = started
    labelling._do(one, labelling.give, one.item, one.at, "supported")
    assert one.error is None and one.at == 1
