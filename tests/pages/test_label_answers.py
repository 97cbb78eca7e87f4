"""The page Label answers: what a key does, what is kept, who may come in, and that text stays text."""

import time

import pytest

from app.ui.labelling import answer, desk, questions
from app.ui.labelling.keys import default_keys, keep_settings, settings, settings_file
from core.annotation import latest, rounds, tokens
from core.annotation.assignment import assignment
from core.annotation.drawing import Candidate, draw
from core.annotation.rubric import default_rubric
from core.annotation.screen import shown
from core.annotation.study import Passage
from tests.support.annotated import LetterCounts, judge, pairs, rating
from tests.support.label_page import box, desk_of, give, html, links, open_page, press, said, write


def test_without_a_study_the_page_says_so_and_a_draft_is_not_offered(bench):
    assert "No study is open" in html(open_page())
    rounds.save(bench, rating())
    app = open_page(study="toy", annotator="Ann")
    assert "No study is open" in html(app) and "no open study “toy”" in app.warning[0].value


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_what_another_window_did_is_told_and_nothing_is_lost(bench):
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
    give(press(one, "way/skip"), 4)
    item = desk_of(one).item
    one, other = open_page(study="toy", annotator="Ann"), open_page(study="toy", annotator="Ann")
    assert desk_of(other).item == desk_of(one).item == item and desk_of(one).at == 1, "a new window goes on where the old one was"
    assert latest.current(bench, frozen, "Ann", item).sentences == (("not_in_context", None),)
    give(other, 1)
    give(press(one, "way/skip"), 4)
    assert "another window" in said(one)
    assert latest.current(bench, frozen, "Ann", item).sentences == (("not_in_context", "supported"),)
    give(one, 4)
    assert "another window" not in said(one)


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_door_of_a_finished_study_leads_to_agreement_and_offers_only_a_look(bench, monkeypatch):
    rounds.freeze(bench, rating(), "main")
    start = next(button for button in open_page().button if button.key == "label_start")
    assert (start.label, start.proto.type) == ("Start labelling", "primary")
    monkeypatch.setattr("app.ui.labelling.door.how_far", lambda workbench, frozen: (True, "main round, all labelled"))
    app = open_page()
    start = next(button for button in app.button if button.key == "label_start")
    assert (start.label, start.proto.type) == ("Look at the labels", "secondary")
    assert any("The study is finished" in each.value for each in app.caption)


@pytest.mark.slow
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
        ({"study": "toy", "annotator": "Eve"}, "not an annotator"),
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
    names = next(box for box in app.selectbox if box.label == "Your name")
    assert "has left" in said(app) and names.options == ["Ben", "Cy"]
    assert "Main round, 0 of 16 screens labelled." in [caption.value for caption in app.caption]
    names.set_value("Ben").run()
    assert any(caption.value.endswith("screens for you in this round.") for caption in app.caption)


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
    for useless in ('{"keys": {"undo": "c"}}', '["u"]', '{"keys"'):
        settings_file("Ann").write_text(useless, "utf-8")
        assert settings(default_rubric(), "Ann") == settings(default_rubric(), "Ben"), "what cannot be used is left aside"


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


def test_the_end_is_reached_and_can_be_looked_through(bench):
    frozen = rounds.freeze(bench, rating(2, 0, annotators=("Ann", "Ben"), ask=("helpful",)), "main")
    app = open_page(study="toy", annotator="Ann")
    give(give(app, 3), 4)
    assert "All screens are labelled" in html(app) and desk_of(app).item == ""
    press(app, "way/back")
    assert desk_of(app).item == assignment(frozen.study, "main")["Ann"][-1]


@pytest.mark.slow
@pytest.mark.parametrize("round_name, next_", [("pilot", "freeze the main round"), ("main", "1 disputed item decided")])
def test_the_end_says_what_comes_next_and_leads_there(bench, round_name, next_):
    design = rating(2, 2 if round_name == "pilot" else 0, annotators=("Ann", "Ben"), per_item=2, ask=("helpful",))
    rounds.freeze(bench, design, round_name)
    app = open_page(study="toy", annotator="Ann")
    give(give(app, 3), 3)
    assert "Ben still has 2 screens to label" in html(app)
    led = [link for link in links(app).values() if "toy" in link]
    assert led and not any("source=toy" in link for link in led), "nobody sees the others' labels who can still change their own"
    app = open_page(study="toy", annotator="Ben")
    give(give(app, 3), 5)
    assert next_ in html(app) and "study=toy" in links(app)["Study design"]
    assert links(app)["Agreement"].endswith(f"?source=toy&of_round={round_name}")


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_guidelines_of_somebody_elses_study_load_no_picture(bench):
    hostile = "# How\n\n!!![x](http://127.0.0.1:9/a.png) and [a link](http://127.0.0.1:9)"
    rubric = default_rubric().model_copy(update={"guidelines": hostile})
    rounds.freeze(bench, rating(rubrics=(rubric,)), "main")
    app = press(open_page(study="toy", annotator="Ann"), "label_guidelines")
    shown = " ".join(one.value for one in app.markdown)
    assert "#### How" in shown and "[a link]" in shown and "![" not in shown


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_key_reads_no_database(bench, monkeypatch):
    rounds.freeze(bench, rating(), "main")
    app = open_page(study="toy", annotator="Ann")
    one = desk_of(app)
    monkeypatch.setattr(bench.store, "query", lambda *_: pytest.fail("the database was asked"))
    started = time.monotonic()
    one.looked = started
    desk.do(one, desk.give, one.item, one.at, "supported")
    assert one.error is None and one.at == 1


def labels(app) -> list[str]:
    return [box.label for box in app.selectbox]


@pytest.mark.slow
def test_an_annotator_of_an_earlier_round_is_thanked_and_asked_for_nothing(bench):
    frozen = rounds.freeze(bench, rating(2, 0, annotators=("Ann", "Ben"), per_item=2), "main")
    for who, name in (("Ann", "supported"), ("Ben", "partly")):
        for item in assignment(frozen.study, "main")[who]:
            judge(bench, frozen, who, item, name)
    rounds.open_adjudication(bench, "toy", ["Judge"])
    app = open_page(study="toy", annotator="Ann")
    assert "Your labels are complete, thank you" in html(app) and "Your name" not in labels(app) and not app.warning
    stranger = open_page(study="toy", annotator="Eve")
    assert "not an annotator of the adjudication" in said(stranger) and "Your name" in labels(stranger)


@pytest.mark.slow
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


@pytest.mark.slow
def test_similar_sentences_are_ticked_labelled_together_and_taken_back(bench, monkeypatch):
    rounds.freeze(bench, rating(ask=("sentences",)), "main")
    assert "label_similar" not in str(open_page(study="toy", annotator="Ann").get("expander")), "not in this study's design"
    frozen = rounds.freeze(bench, rating(id="alike", ask=("sentences",), bulk=True), "main")
    monkeypatch.setattr("core.annotation.similar.judge_tools", lambda *_: LetterCounts())
    app = open_page(study="alike", annotator="Ann")
    item = desk_of(app).item
    app.session_state["label_similar"] = True
    app.run()
    box = next(box for box in app.checkbox if box.key.startswith("alike/"))
    other = box.key.split("/")[3]
    box.check().run()
    press(app, "together/" + desk_of(app).name + "/2")
    name = frozen.study.names[1]
    assert latest.current(bench, frozen, "Ann", item).sentences[0][0] == name
    together = latest.current(bench, frozen, "Ann", other)
    assert name in together.sentences[0] and len(together.bulk) == 1 and "Also given on 1 other screen" in said(app)
    press(app, "together/" + desk_of(app).name + "/back")
    assert latest.current(bench, frozen, "Ann", other) is None and not desk_of(app).together
