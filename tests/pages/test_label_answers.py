"""The page Label answers: what a key does, what is kept, who may come in, and that text stays text."""

import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from app.ui.evidence import marked
from app.ui.labelling import answer, desk, evidence, questions, votes
from app.ui.labelling.keys import default_keys, keep_settings, key_problem, settings, settings_file
from core.annotation import latest, rounds, saving, steps, tokens, versions
from core.annotation.assignment import assignment
from core.annotation.drawing import Candidate, draw
from core.annotation.labels import Span, blank
from core.annotation.rubric import default_rubric
from core.annotation.screen import shown
from core.annotation.study import Passage
from core.workbench import Workbench
from tests.support.annotated import judge, pairs, rating

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


def desk_of(app: AppTest) -> desk.Desk:
    return app.session_state["label_desk"]


def said(app: AppTest) -> str:
    return " ".join(e.value for e in [*app.info, *app.error, *app.warning])


def html(app: AppTest) -> str:
    return " ".join(e.proto.body for e in app.get("html"))


def box(app: AppTest):
    return next(t for t in app.text_input if (t.key or "").startswith("label_comment"))


def write(app: AppTest, text: str) -> None:
    box(app).set_value(text).run()
    assert not app.exception


# What a key means ----------------------------------------------------------------------------------------------------


def test_a_screen_answered_faster_than_it_can_be_read_is_told():
    study = rating(1, 0, annotators=("Ann",), per_item=1)
    [item] = study.items
    open_label = blank(study, "main", item, "Ann")
    done = open_label.model_copy(update={"sentences": (("supported",) * len(open_label.sentences[0]),), "helpful": (4,)})
    reading_s = steps.reading_seconds(item)
    fast, slow = (SimpleNamespace(study=study, seconds={item.id: share * reading_s}) for share in (0.2, 0.3))
    assert desk.too_fast(fast, item.id, False, done).startswith("The last screen took you")
    assert desk.too_fast(slow, item.id, False, done) == ""
    assert desk.too_fast(fast, item.id, False, open_label) == desk.too_fast(fast, item.id, True, done) == ""


def test_equal_sentences_of_one_answer_are_labelled_at_once(tmp_path):
    text = "It loops. It ends here. It  loops. It loops."
    one = Candidate(
        "a", "system", "toy", "What does it do?", text, (Passage(document_id="d", start=0, end=1, text="It loops."),), ()
    )
    study = rating(1, 0, annotators=("Ann",), per_item=1).model_copy(update={"items": draw([one], 1)})
    [item] = study.items
    asked, label = steps.steps(study, item, (0,)), blank(study, "main", item, "Ann")
    first = steps.answered(label, asked[1], "partly")
    assert [asked.index(step) for step in steps.equal_open(item, asked, label, 0)] == [2, 3]
    assert steps.equal_open(item, asked, first, 1) == [], "no other sentence says this"
    third = steps.answered(label, asked[2], "contradicted")
    assert [asked.index(step) for step in steps.equal_open(item, asked, third, 0)] == [3], "what was said stands"
    assert steps.reading_seconds(item) == pytest.approx(60 / 238 * len(text.split()))


def test_steps_follow_the_screen_and_end_with_the_preference():
    study = pairs(ask=("sentences", "helpful", "preference"))
    asked = steps.steps(study, study.items[0], (1, 0))
    kinds = [(step.kind, step.response) for step in asked]
    assert kinds[0] == ("sentence", 1) and kinds[-1] == ("preference", 0)
    assert kinds.index(("helpful", 1)) < kinds.index(("sentence", 0)) < kinds.index(("helpful", 0))


def test_an_answer_changes_its_place_only_and_the_next_open_step_goes_round():
    study = rating()
    item = study.items[0]
    asked, label = steps.steps(study, item, (0,)), blank(study, "main", item, "Ann")
    last = steps.answered(label, asked[-1], 4)
    assert last.helpful == (4,) and last.sentences == label.sentences
    assert steps.next_open(asked, last, len(asked) - 1) == 0
    for step in asked[:-1]:
        last = steps.answered(last, step, "partly")
    assert steps.next_open(asked, last) is None


def test_words_marked_side_by_side_are_one_error():
    study = rating()
    label = blank(study, "main", study.items[0], "Ann")
    for word in (3, 1, 2, 6, 6, 8):
        label = steps.toggled(label, 0, word)
    assert [(span.first, span.last) for span in label.spans] == [(1, 4), (8, 9)]
    assert [(s.first, s.last) for s in steps.toggled(label, 0, 2).spans] == [(1, 2), (3, 4), (8, 9)]


def test_shared_phrases_are_found_and_common_words_alone_are_none():
    passage = "The exit method will be called, and it is not of the kind that a caller sees."
    marks = evidence.shared(passage, "Then the EXIT method will be called: it is the best of the lot.")
    assert [passage[m.start : m.end] for m in marks] == ["The exit method will be called"]
    assert evidence.shared("", "words") == evidence.shared("words", "") == []


def test_search_takes_the_text_literally():
    assert [m.start for m in evidence.hits("a.b (A.B) axb", " a.b ")] == [0, 5]
    assert evidence.hits("abc", "  ") == []
    assert [(m.start, m.end) for m in evidence.hits("Two\n  words and two words", "two words")] == [(0, 11), (16, 25)]
    assert "<b>" not in marked("<b>", evidence.hits("<b>", "<b>"))


def test_lines_broken_for_their_length_are_joined_and_nothing_moves():
    long = "A line that somebody broke after eighty characters, as one does in a file of text,"
    text = f"{long}\nand here it goes on.\nx = 1\n    y = 2\n\n{long}\n1. one\n- two"
    assert evidence.flowing(text) == f"{long} and here it goes on.\nx = 1\n    y = 2\n\n{long}\n1. one\n- two"
    inside = f"a\nword that the passage cut, and then\n\n   {long}\n   it is indented\n   x"
    flown = evidence.flowing(inside)
    assert len(flown) == len(inside) and flown.startswith("a word") and flown.count("\n") == 3
    assert flown.replace(evidence.UNSEEN, "").endswith(f"   {long} it is indented\n   x")


def test_a_heading_that_says_the_title_again_is_left_out():
    assert evidence.untitled("Names\n*****\n\nText.", "Names") == "Text."
    assert evidence.untitled("# Names\n\nText.", "Names") == "Text."
    for text in ("Names are\n\nText.", "Names\nText.", "Text.\n\nNames\n"):
        assert evidence.untitled(text, "Names") == text
    assert evidence.untitled("\n\nText.", "") == "\n\nText."


@pytest.mark.parametrize("key", ["c", "r", "", "1", "ab", "ctrl+w", "é", "<"])
def test_keys_that_cannot_be_are_refused(key):
    keys = {**default_keys(default_rubric()), "undo": key}
    assert key_problem(keys)


def test_usual_keys_are_the_rubrics_and_fit():
    keys = default_keys(default_rubric())
    assert key_problem(keys) == "" and [keys[f"answer{n}"] for n in range(1, 6)] == list("12345")


@pytest.mark.parametrize("wanted", ["1345", "usnx", "cr11", "11111", "ab" * 7, ["enter"] * 20])
def test_whatever_keys_a_rubric_has_stars_are_their_number_and_no_key_does_two_things(wanted):
    rubric = default_rubric()
    labels = [rubric.labels[0].model_copy(update={"name": f"n{n}", "key": key}) for n, key in enumerate(wanted)]
    keys = default_keys(rubric.model_copy(update={"labels": tuple(labels)}))
    assert key_problem(keys) == "" and [keys[f"rank{n}"] for n in range(1, 6)] == list("12345")
    assert len({keys[f"answer{n}"] for n in range(1, len(wanted) + 1)}) == len(wanted)


# The desk ------------------------------------------------------------------------------------------------------------


def test_without_a_study_the_page_says_what_is_missing(bench):
    app = open_page()
    assert "No study is open" in html(app)


def test_a_draft_is_not_offered(bench):
    rounds.save(bench, rating())
    assert "No study is open" in html(open_page(study="toy", annotator="Ann"))


def test_keys_label_an_item_and_go_on_and_all_of_it_is_stored(bench):
    frozen = rounds.freeze(bench, rating(), "main")
    app = open_page(study="toy", annotator="Ann")
    mine = assignment(frozen.study, "main")["Ann"]
    assert desk_of(app).item == mine[0]
    give(app, 1)
    assert latest.current(bench, frozen, "Ann", mine[0]).sentences[0][0] == "supported", "autosaved before the item is whole"
    give(app, 3)
    assert desk_of(app).item == mine[0], "the whole answer is still to be judged"
    give(app, 5)
    label = latest.current(bench, frozen, "Ann", mine[0])
    assert label.sentences == (("supported", "contradicted"),) and label.helpful == (5,) and label.seconds is not None
    assert desk_of(app).item == mine[1]
    press(app, "way/back")
    assert desk_of(app).item == mine[0]
    press(app, "way/next")
    assert desk_of(app).item == mine[1]
    press(app, "way/skip")
    assert desk_of(app).item == mine[2]


def test_undo_takes_back_across_items_step_by_step(bench):
    frozen = rounds.freeze(bench, rating(ask=("sentences",)), "main")
    app = open_page(study="toy", annotator="Ann")
    first, second = assignment(frozen.study, "main")["Ann"][:2]
    give(give(app, 1), 2)
    assert desk_of(app).item == second
    press(app, "way/undo")
    assert desk_of(app).item == first and desk_of(app).at == 1
    assert latest.current(bench, frozen, "Ann", first).sentences == (("supported", None),)
    press(app, "way/undo")
    assert latest.current(bench, frozen, "Ann", first) is None
    press(app, "way/undo")
    assert "nothing to undo" in said(app)
    assert len(bench.store.labels.all("toy")) == 4, "every step stays in the record"


def test_a_comment_is_taken_back_as_a_whole_and_its_box_follows(bench):
    frozen = rounds.freeze(bench, rating(ask=("sentences",)), "main")
    app = open_page(study="toy", annotator="Ann")
    item = desk_of(app).item
    give(app, 1)
    for text in ("first", "first words", "first words, then more"):  # saved at each pause
        write(app, text)
    press(app, "way/undo")
    label = latest.current(bench, frozen, "Ann", item)
    assert label.comment == box(app).value == "" and label.sentences == (("supported", None),)
    write(app, "again")
    give(app, 2)
    assert latest.current(bench, frozen, "Ann", item).comment == "again"
    press(app, "way/undo")
    assert box(app).value == "again" and desk_of(app).at == 1
    press(app, "way/undo")
    press(app, "way/undo")
    assert latest.current(bench, frozen, "Ann", item) is None and box(app).value == ""
    write(app, "of nothing")
    write(app, "of nothing yet")
    press(app, "way/undo")
    assert latest.current(bench, frozen, "Ann", item) is None and box(app).value == ""


def test_a_comment_of_another_window_is_shown_and_kept(bench):
    frozen = rounds.freeze(bench, rating(), "main")
    one, other = open_page(study="toy", annotator="Ann"), open_page(study="toy", annotator="Ann")
    item = desk_of(one).item
    write(one, "from the first")
    write(other, "from the second")
    assert "another window" in said(other)
    assert latest.current(bench, frozen, "Ann", item).comment == box(other).value == "from the first / from the second"
    give(one, 1)
    assert "another window" in said(one) and box(one).value == "from the first / from the second"
    assert latest.current(bench, frozen, "Ann", item).comment == "from the first / from the second"


def test_a_new_window_goes_on_where_the_old_one_was(bench):
    frozen = rounds.freeze(bench, rating(), "main")
    app = open_page(study="toy", annotator="Ann")
    give(press(app, "way/skip"), 2)
    here = desk_of(app).item
    again = open_page(study="toy", annotator="Ann")
    assert desk_of(again).item == here and desk_of(again).at == 1
    assert latest.current(bench, frozen, "Ann", here).sentences == (("partly", None),)


def test_a_second_window_is_told_and_nothing_is_lost(bench):
    frozen = rounds.freeze(bench, rating(), "main")
    one, other = open_page(study="toy", annotator="Ann"), open_page(study="toy", annotator="Ann")
    item = desk_of(one).item
    give(other, 1)
    give(press(one, "way/skip"), 4)
    assert "another window" in said(one)
    assert latest.current(bench, frozen, "Ann", item).sentences == (("supported", None),)
    give(one, 4)
    assert "another window" not in said(one)


@pytest.mark.parametrize("decided", [False, True], ids=["main", "adjudication"])
def test_a_key_looks_at_the_labels_once_and_makes_up_a_screen_once(bench, monkeypatch, decided):
    people = {"annotators": ("Ann", "Ben"), "per_item": 2}
    if decided:
        differing(bench, rating(3, 0, **people), *SAID)
    else:
        rounds.freeze(bench, rating(3, 0, **people), "main")
    app, counts = open_page(study="toy", annotator="Judge" if decided else "Ann"), Counter()

    def counted(name, work):
        return lambda *given: counts.update([name]) or work(*given)

    monkeypatch.setattr(bench.store.labels, "_sizes", counted("looks", bench.store.labels._sizes))
    monkeypatch.setattr(desk, "shown", counted("screens", desk.shown))
    monkeypatch.setattr(questions, "question_of", counted("questions", questions.question_of))
    before = desk_of(app).item
    for _ in range(2 if decided else 3):  # within an item, and on to the next
        counts.clear()
        screens = int(desk_of(app).at + 1 == len(desk_of(app).sheet.steps) or decided)
        give(app, 2)
        assert counts == Counter(looks=1, screens=screens, questions=int(bool(desk_of(app).item)))
    assert desk_of(app).item != before


def test_a_key_of_an_earlier_screen_counts_for_nothing(bench):
    rounds.freeze(bench, rating(), "main")
    app = open_page(study="toy", annotator="Ann")
    one = desk_of(app)
    before = one.item
    one.open(one.mine[1])
    desk.give(one, before, 0, "contradicted")
    desk.mark(one, before, 0, 0)
    desk.cannot(one, before)
    assert bench.store.labels.all("toy") == []


def test_words_comment_and_cannot_judge_are_saved(bench):
    frozen = rounds.freeze(bench, rating(), "main")
    app = open_page(study="toy", annotator="Ann")
    one, item = desk_of(app), desk_of(app).item
    desk.mark(one, item, 0, 1)
    desk.mark(one, item, 0, 2)
    write(app, "  unclear: <i>which</i>?  ")
    label = latest.current(bench, frozen, "Ann", item)
    assert label.comment == "unclear: <i>which</i>?" and [(s.first, s.last) for s in label.spans] == [(1, 3)]
    press(app, "way/cannot")
    assert latest.current(bench, frozen, "Ann", item).cannot_judge
    assert desk_of(app).item != item, "it counts as labelled"


def test_the_preference_is_of_the_answer_not_of_its_side(bench):
    frozen = rounds.freeze(bench, pairs(), "main")
    app = open_page(study="ab", annotator="Ann")
    seen = {}
    for _ in range(5):
        item = desk_of(app).item
        give(app, 1)
        seen[item] = shown(frozen.study, frozen.study.item(item), "Ann").order[0]
    assert {0, 1} == set(seen.values()), "both orders occur"
    for item, left in seen.items():
        assert latest.current(bench, frozen, "Ann", item).preference == "ab"[left]


def test_text_of_models_and_documents_is_never_markup(bench):
    rounds.freeze(bench, rating(), "main")
    app = open_page(study="toy", annotator="Ann")
    assert "<b>" in desk_of(app).sheet.screen.responses[0].text
    data = html(app)
    assert "<b>0</b>" not in data and "<b>1</b>" not in data
    assert "gold 0" not in data and "system" not in data, "the known answer and the system are hidden"


def test_a_passage_without_a_title_does_not_show_its_document(bench):
    study = rating(1, 0, attention=True)
    bare = [
        item.model_copy(
            update={
                "responses": tuple(
                    one.model_copy(
                        update={
                            "passages": tuple(p.model_copy(update={"title": "", "document_id": "secret-1"}) for p in one.passages)
                        }
                    )
                    for one in item.responses
                )
            }
        )
        for item in study.items
    ]
    rounds.freeze(bench, rating(items=tuple(bare)), "main")
    assert "Evidence" in html(app := open_page(study="toy", annotator="Ann")) and "secret-1" not in html(app)


def test_a_clicked_word_belongs_to_the_answer_at_its_place(bench):
    frozen = rounds.freeze(bench, pairs(ask=("sentences", "preference")), "main")
    app = open_page(study="ab", annotator="Ann")
    one = desk_of(app)
    for item in one.mine[:6]:
        one.open(item)
        desk.do(one, answer.clicked, {"item": item, "place": 1, "word": 2})
        order = shown(frozen.study, frozen.study.item(item), "Ann").order
        assert [span.response for span in latest.current(bench, frozen, "Ann", item).spans] == [order[1]]


def test_names_and_tokens(bench):
    frozen = rounds.freeze(bench, rating(tokens=True), "main")
    token = tokens.issue_token(bench, "toy", "Ann")
    assert "label_desk" not in open_page(study="toy", annotator="Eve").session_state
    assert "label_desk" not in open_page(study="toy", annotator="Ann", token="wrong").session_state
    assert desk_of(open_page(study="toy", annotator="Ann", token=token)).annotator == "Ann"
    app = open_page(study="toy", annotator="Ann")
    app.text_input[0].set_value("wrong")
    press(app, "label_start")
    assert "does not belong" in said(app)
    app.text_input[0].set_value(token)
    press(app, "label_start")
    assert desk_of(app).frozen.id == frozen.id and app.query_params["token"] == token, "a reload asks for nothing"


@pytest.mark.parametrize(
    "address, why",
    [
        ({"study": "gone", "annotator": "Ann"}, "no open study"),
        ({"study": "toy", "annotator": "Eve"}, "no annotator"),
        ({"study": "toy", "annotator": "Ann", "token": "old"}, "does not belong"),
    ],
)
def test_a_link_that_leads_nowhere_says_why(bench, address, why):
    rounds.freeze(bench, rating(tokens=True), "main")
    assert why in said(open_page(**address))


def test_whoever_left_is_told_and_offered_no_more(bench):
    rounds.freeze(bench, rating(), "main")
    rounds.hand_over(bench, "toy", "Ann")
    app = open_page(study="toy", annotator="Ann")
    assert "has left" in said(app) and app.selectbox[1].options == ["Ben", "Cy"]


def test_each_annotator_keeps_keys_of_their_own(bench):
    rounds.freeze(bench, rating(), "main")
    keys = {**default_keys(default_rubric()), "undo": "z", "answer1": "a"}
    keep_settings("Ann", {"keys": keys, "go_on": False})
    app = open_page(study="toy", annotator="Ann")
    shortcuts = {b.key.split("/")[0] + b.key[-1]: b.proto.shortcut for b in app.button if b.key and "/" in b.key}
    assert shortcuts["give1"] == "a"
    assert next(b for b in app.button if (b.key or "").startswith("way/undo")).proto.shortcut == "z"
    first = desk_of(app).item
    give(give(give(app, 1), 1), 1)
    assert desk_of(app).item == first, "it does not go on by itself"
    assert settings(default_rubric(), "Ben")["keys"]["undo"] == "u"
    settings_file("Ann").write_text('{"keys": {"undo": "c"}}', "utf-8")
    assert settings(default_rubric(), "Ann")["keys"]["undo"] == "u", "what cannot be used is left aside"


def test_the_clock_leaves_pauses_out(bench, monkeypatch):
    rounds.freeze(bench, rating(), "main")
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    one = desk_of(open_page(study="toy", annotator="Ann"))

    def after(seconds):
        now[0] += seconds
        one.tick()
        return one.seconds[one.item]

    assert after(10) == 10
    assert after(3600) == 10 + desk.IDLE_S and one.worked_s == 0.0
    answer.tab_turned(one, "hidden")
    now[0] += 50
    answer.tab_turned(one, "shown")
    assert after(5) == 15 + desk.IDLE_S
    first = one.item
    desk.walk(one, 1)
    assert after(7) == 7
    desk.walk(one, -1)
    assert one.item == first and after(1) == 16 + desk.IDLE_S, "reading before a skip counts too"


def links(app: AppTest) -> dict[str, str]:
    return {link.proto.label: f"{link.proto.page}?{link.proto.query_string}" for link in app.get("page_link")}


def test_the_end_is_reached_and_can_be_looked_through(bench):
    frozen = rounds.freeze(bench, rating(2, 0, annotators=("Ann", "Ben"), ask=("helpful",)), "main")
    app = open_page(study="toy", annotator="Ann")
    give(give(app, 3), 4)
    assert "All screens are labelled" in html(app) and desk_of(app).item == ""
    press(app, "way/back")
    assert desk_of(app).item == assignment(frozen.study, "main")["Ann"][-1]


@pytest.mark.parametrize("round, next_", [("pilot", "freeze the main round"), ("main", "1 disputed item decided")])
def test_the_end_says_what_comes_next_and_leads_there(bench, round, next_):
    design = rating(2, 2 if round == "pilot" else 0, annotators=("Ann", "Ben"), per_item=2, ask=("helpful",))
    rounds.freeze(bench, design, round)
    app = open_page(study="toy", annotator="Ann")
    give(give(app, 3), 3)
    assert "Ben still has 2 screens to label" in html(app)
    assert list(links(app)) == ["Study design"], "nobody sees the others' labels who can still change their own"
    app = open_page(study="toy", annotator="Ben")
    give(give(app, 3), 5)
    assert next_ in html(app) and "study=toy" in links(app)["Study design"]
    assert links(app)["Agreement"].endswith(f"?source=toy&of_round={round}")


def test_the_end_of_the_adjudication_leads_to_the_analysis(bench):
    rounds.freeze(bench, rating(1, 0, annotators=("Ann", "Ben"), per_item=2, ask=("helpful",)), "main")
    for who, stars in (("Ann", 1), ("Ben", 5)):
        give(open_page(study="toy", annotator=who), stars)
    rounds.open_adjudication(bench, "toy", ["Judge"])
    app = give(open_page(study="toy", annotator="Judge"), 2)
    assert "export the labels" in html(app) and links(app)["Agreement"].endswith("?source=toy&of_round=main")


def differing(bench, study, *said: dict) -> versions.Frozen:
    """A study in adjudication by Judge, after its annotators said this of each item."""
    frozen = rounds.freeze(bench, study, "main")
    for who, given in zip(frozen.study.annotators, said, strict=True):
        for item in frozen.study.items:
            saving.label(bench, frozen, blank(frozen.study, "main", item, who).model_copy(update=given))
    return rounds.open_adjudication(bench, study.id, ["Judge"])


def words_on_screen(app: AppTest) -> str:
    desk_ = desk_of(app)
    seen = questions.question_of(desk_, desk_.label())
    told = [who + " " + text for step in desk_.sheet.steps for who, _, text in votes.said_of(desk_.study, desk_.sheet, step)]
    return " ".join([html(app), said(app), seen.what, seen.why, *told])


SAID = (
    {"sentences": (("supported", "supported"),), "helpful": (4,), "spans": (Span(response=0, first=0, last=2),)},
    {"sentences": (("supported", "contradicted"),), "helpful": (4,), "comment": "the <b>second</b> is wrong"},
)


def test_the_adjudicator_sees_who_differs_in_what_without_names_and_decides_that_alone(bench):
    frozen = differing(bench, rating(1, 0, annotators=("Ann", "Ben"), per_item=2), *SAID)
    app, item = open_page(study="toy", annotator="Judge"), frozen.study.items[0].id
    one, seen = desk_of(app), words_on_screen(app)
    assert one.sheet.steps[one.at] == steps.Step("sentence", 0, 1), "what they differ in comes first"
    assert {text for _, _, text in votes.said_of(one.study, one.sheet, one.sheet.steps[0])} == {"Supported", "Contradicted"}
    assert "A: " in questions.question_of(one, one.label()).why and "B: " in questions.question_of(one, one.label()).why
    assert "Ann " not in seen and "Ben" not in seen and "A Supported" in seen
    assert "the &lt;b&gt;second&lt;/b&gt; is wrong" in seen and "wrong words: “Answer " in seen
    assert "1 item on which the annotators differ" in said(app)
    assert latest.current(bench, frozen, "Judge", item) is None, "to look is no decision"
    give(app, 2)
    label = latest.current(bench, frozen, "Judge", item)
    assert label.sentences == (("supported", "partly"),) and label.helpful == (4,), "what all said stands"
    assert one.item == "" and not label.comment and not label.spans, "one key decided the item"
    before = [record for record in bench.store.labels.all("toy") if record["round"] == "main"]
    assert len(before) == 2 and [record["sentences"] for record in before] == [list(map(list, s["sentences"])) for s in SAID]
    press(app, "way/undo")
    assert (one.item, one.at) == (item, 0) and latest.current(bench, frozen, "Judge", item) is None
    assert one.label().sentences == (("supported", None),)
    assert len(bench.store.labels.all("toy")) == 4, "every step stays in the record"


def test_what_all_annotators_said_can_be_decided_otherwise(bench):
    frozen = differing(bench, rating(1, 0, annotators=("Ann", "Ben"), per_item=2), *SAID)
    one = desk_of(open_page(study="toy", annotator="Judge"))
    desk.do(one, answer.stepped, {"item": one.item, "at": 1})
    assert "All annotators said this" in questions.question_of(one, one.label()).why
    desk.do(one, desk.give, one.item, 1, "not_in_context")
    label = latest.current(bench, frozen, "Judge", one.item)
    assert label.sentences == (("not_in_context", None),) and one.at == 0, "and what they differ in is still open"


def test_in_pairs_the_annotators_are_no_answers_and_a_preference_is_told_by_its_side(bench):
    differing(bench, pairs(1, annotators=("Ann", "Ben"), per_item=2), {"preference": "a"}, {"preference": "tie"})
    one = desk_of(open_page(study="ab", annotator="Judge"))
    told = {text: who for who, _, text in votes.said_of(one.study, one.sheet, one.sheet.steps[0])}
    assert set(told) == {f"{'AB'[one.sheet.screen.order.index(0)]} is better", "Tie"} and set(told.values()) == {"P", "Q"}


def test_an_annotator_never_sees_what_others_said(bench):
    frozen = rounds.freeze(bench, rating(1, 0, annotators=("Ann", "Ben"), per_item=2), "main")
    item = frozen.study.items[0]
    saving.label(bench, frozen, blank(frozen.study, "main", item, "Ann").model_copy(update=SAID[1]))
    app = open_page(study="toy", annotator="Ben")
    assert desk_of(app).sheet.votes == [] and desk_of(app).label().sentences == ((None, None),)
    assert "second" not in html(app) and "Annotators" not in words_on_screen(app)


def test_the_address_leads_back_to_the_item_and_the_end_to_the_first(bench):
    frozen = rounds.freeze(bench, rating(ask=("helpful",)), "main")
    mine = assignment(frozen.study, "main")["Ann"]
    assert desk_of(open_page(study="toy", annotator="Ann", item=mine[2])).item == mine[2]
    app = open_page(study="toy", annotator="Ann", item="gone")
    assert desk_of(app).item == mine[0], "where to go on"
    for said_, item in ((mine[2], mine[2]), ("gone", mine[2]), (mine[0], mine[0])):  # after the server was started anew
        desk.do(desk_of(app), answer.shown_before, said_)
        assert desk_of(app).item == item
    for _ in mine:
        give(app, 3)
    assert desk_of(open_page(study="toy", annotator="Ann", item=mine[-1])).item == "", "a reload at the end stays there"
    press(app, "label_look")
    assert desk_of(app).item == mine[0]


def test_whoever_came_with_a_token_is_led_to_no_page_that_names_systems(bench):
    rounds.freeze(bench, rating(1, 0, annotators=("Ann", "Ben"), per_item=2, ask=("helpful",), tokens=True), "main")
    app = give(open_page(study="toy", annotator="Ann", token=tokens.issue_token(bench, "toy", "Ann")), 3)
    assert "All screens are labelled" in html(app) and "Study design" not in links(app)


def test_the_guidelines_stand_beside_the_item_until_they_are_closed(bench):
    rounds.freeze(bench, rating(), "main")
    app = open_page(study="toy", annotator="Ann")
    guide = default_rubric().guidelines.split("\n\n")[1][:40]
    assert not any(guide in one.value for one in app.markdown)
    press(app, "label_guidelines")
    assert any(guide in one.value for one in app.markdown)
    give(app, 1)
    assert any(guide in one.value for one in app.markdown), "they stay while one labels"
    press(app, "label_guide_close")
    assert not any(guide in one.value for one in app.markdown)


def test_guidelines_of_somebody_elses_study_load_no_picture(bench):
    hostile = "# How\n\n!!![x](http://127.0.0.1:9/a.png) and [a link](http://127.0.0.1:9)"
    rubric = default_rubric().model_copy(update={"guidelines": hostile})
    rounds.freeze(bench, rating(rubrics=(rubric,)), "main")
    app = press(open_page(study="toy", annotator="Ann"), "label_guidelines")
    shown = " ".join(one.value for one in app.markdown)
    assert "#### How" in shown and "[a link]" in shown and "![" not in shown


def test_what_a_screen_reader_is_told(bench):
    rounds.freeze(bench, rating(ask=("sentences",)), "main")
    one = desk_of(open_page(study="toy", annotator="Ann"))
    one.heard = ("", -1)
    first = answer.told_aloud(one, questions.question_of(one, one.label()))
    assert first.startswith("Screen 1 of ") and "Sentence 1 of 2: Answer" in first and "by the evidence?" in first
    assert answer.told_aloud(one, questions.question_of(one, one.label())) == "", "nothing is told twice"
    desk.do(one, desk.give, one.item, one.at, "supported")
    assert answer.told_aloud(one, questions.question_of(one, one.label())).startswith("Saved. Sentence 2 of 2: It has")
    desk.do(one, answer.stepped, {"item": one.item, "at": 0})
    assert answer.told_aloud(one, questions.question_of(one, one.label())).endswith("Labelled: Supported.")


def test_a_disk_that_is_full_is_told_and_the_screen_stays(bench, monkeypatch):
    rounds.freeze(bench, rating(), "main")
    app = open_page(study="toy", annotator="Ann")
    here = desk_of(app).item

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bench.store.labels, "_append", full)
    give(app, 1)
    assert "could not be recorded" in said(app) and (desk_of(app).item, desk_of(app).at) == (here, 0)
    monkeypatch.undo()


def test_a_key_reads_no_database(bench, monkeypatch):
    rounds.freeze(bench, rating(), "main")
    app = open_page(study="toy", annotator="Ann")
    one = desk_of(app)
    monkeypatch.setattr(bench.store, "query", lambda *_: pytest.fail("the database was asked"))
    started = time.monotonic()
    one.looked = started
    desk.do(one, desk.give, one.item, one.at, "supported")
    assert one.error is None and one.at == 1


def test_an_annotator_of_an_earlier_round_is_thanked_and_asked_for_nothing(bench):
    frozen = rounds.freeze(bench, rating(2, 0, annotators=("Ann", "Ben"), per_item=2), "main")
    for who, name in (("Ann", "supported"), ("Ben", "partly")):
        for item in assignment(frozen.study, "main")[who]:
            judge(bench, frozen, who, item, name)
    rounds.open_adjudication(bench, "toy", ["Judge"])
    app = open_page(study="toy", annotator="Ann")
    assert "Your labels are complete, thank you" in html(app) and not app.main.selectbox and not app.warning
    stranger = open_page(study="toy", annotator="Eve")
    assert "no annotator of the adjudication" in said(stranger) and stranger.main.selectbox


def test_the_legend_stands_only_where_a_phrase_is_marked(bench):
    rounds.freeze(bench, rating(), "main")
    app = open_page(study="toy", annotator="Ann")
    assert "shared with" not in html(app), "the answer and its evidence have no phrase in common"
    found = [
        Candidate(
            "a",
            "s",
            "toy",
            "Why?",
            "The upper bridge was opened in May.",
            (Passage(document_id="d", text="They say the upper bridge was opened late."),),
            (),
        )
    ]
    rounds.freeze(bench, rating(id="one").model_copy(update={"items": draw(found, 1)}), "main")
    assert "phrases shared with the sentence" in html(open_page(study="one", annotator="Ann"))


def test_a_draft_of_a_comment_that_is_there_already_is_not_written_twice(bench):
    rounds.freeze(bench, rating(), "main")
    app = open_page(study="toy", annotator="Ann")
    one = desk_of(app)
    write(app, "the first part")
    records = len(bench.store.labels.all("toy"))
    for text in ("the first part", " the first part "):
        answer.typed(one, {"item": one.item, "text": text, "again": False})
    assert len(bench.store.labels.all("toy")) == records
    answer.typed(one, {"item": one.item, "text": "the first part and more", "again": False})
    assert one.label().comment == "the first part and more"
    answer.typed(one, {"item": "of another study", "text": "x", "again": False})
    assert len(bench.store.labels.all("toy")) == records + 1
