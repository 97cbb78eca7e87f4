"""The page Label answers in adjudication, and what a key costs there and elsewhere."""

from collections import Counter

import pytest

from app.ui.labelling import answer, desk, questions, votes
from core.annotation import latest, rounds, saving, steps
from core.annotation.labels import blank
from tests.support.annotated import pairs, rating
from tests.support.label_page import SAID, desk_of, differing, give, html, links, open_page, press, said, words_on_screen


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_end_of_the_adjudication_leads_to_the_analysis(bench):
    rounds.freeze(bench, rating(1, 0, annotators=("Ann", "Ben"), per_item=2, ask=("helpful",)), "main")
    for who, stars in (("Ann", 1), ("Ben", 5)):
        give(open_page(study="toy", annotator=who), stars)
    rounds.open_adjudication(bench, "toy", ["Judge"])
    app = give(open_page(study="toy", annotator="Judge"), 2)
    assert "export the labels" in html(app) and links(app)["Agreement"].endswith("?source=toy&of_round=main")


@pytest.mark.slow
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


@pytest.mark.slow
def test_what_all_annotators_said_can_be_decided_otherwise(bench):
    frozen = differing(bench, rating(1, 0, annotators=("Ann", "Ben"), per_item=2), *SAID)
    one = desk_of(open_page(study="toy", annotator="Judge"))
    desk.do(one, answer.stepped, {"item": one.item, "at": 1})
    assert "All annotators said this" in questions.question_of(one, one.label()).why
    desk.do(one, desk.give, one.item, 1, "not_in_context")
    label = latest.current(bench, frozen, "Judge", one.item)
    assert label.sentences == (("not_in_context", None),) and one.at == 0, "and what they differ in is still open"


@pytest.mark.slow
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
    assert "is wrong" not in html(app) and "Annotators" not in words_on_screen(app)
