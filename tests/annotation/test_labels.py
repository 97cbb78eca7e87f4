"""Labels: what counts as said, what is disputed, and what enters the tables of the statistics."""

import json
import time

import numpy as np
import pytest

from core.annotation.attention import attention_score
from core.annotation.disputes import disputed
from core.annotation.label_table import table
from core.annotation.labels import Label, blank, complete
from core.annotation.rubric import default_rubric
from core.annotation.sentences import sentences
from tests.support.annotated import rating


@pytest.mark.parametrize(
    "claims, between",
    [
        (["It rains.", "We stay in!"], " "),
        (["Do this:", "1. First step.", "2. Second step."], "\n"),
        (["- a is b", "- c is d", "* e is f"], "\n"),
        (["Dr. Smith met Mr. Jones at 5 p.m. in the U.S. on Jan. 5.", "They left."], " "),
        (["Use e.g. a list.", "Fig. 3 shows it."], " "),
        (["日本語です。", "二つ目です。"], ""),
        (["كيف حالك؟", "بخير."], " "),
        (["So:", "```\nX = 1.\nY = 2.\n\nZ = 3.\n```", "It ends."], "\n\n"),
        (["One [1].", "Two [2]!"], "\n\n"),
        (["```\nA. B\n```", "Done.", "| 1. | 2. Two |", "| a. B | c |", "End."], "\n"),
        (["42."], ""),
    ],
)
def test_claims_are_what_is_labelled(claims, between):
    text = between.join(claims)
    assert [text[a:b] for a, b in sentences(text)] == claims


@pytest.mark.parametrize("text", ["", "…", "...\n\n!", " - \n"])
def test_what_claims_nothing_is_no_sentence(text):
    assert sentences(text) == ()


@pytest.mark.parametrize("text", ["|a. B|\n" * 20_000, "```\nA. B\n```\nC. D\n" * 10_000])
def test_units_of_a_long_text_are_found_in_linear_time(text):
    started = time.process_time()
    assert len(sentences(text)) >= 20_000
    assert time.process_time() - started < 5


def test_a_number_of_a_list_is_no_claim_of_its_own():
    text = "Steps:\n\n1.\n\nOpen it.\n\n**2.**\n\nClose it. In 1998."
    assert [text[a:b] for a, b in sentences(text)] == ["Steps:", "Open it.", "Close it.", "In 1998."]
    assert "II." not in [text[a:b] for text in ["I. Start. II. Methods."] for a, b in sentences(text)]


def given(study, who: str, names: tuple = ("supported", "supported"), item: int = 0, **more) -> Label:
    empty = blank(study, "main", study.items[item], who)
    return empty.model_copy(update={"sentences": (names,), "helpful": (3,), **more})


def test_an_item_that_somebody_could_not_judge_holds_nothing_of_theirs():
    study = rating(2, 0)
    labels = [given(study, "Ann", cannot_judge=True), given(study, "Ben", ("contradicted", "partly"))]
    assert complete(study, labels[0])
    for part, units in (("sentences", 2), ("helpful", 1)):
        found = table(study, labels, part)
        assert found.annotators == ("Ben",) and found.values.shape == (units, 1)
    both = [given(study, who, names, cannot_judge=True) for who, names in (("Ann", ("partly",) * 2), ("Ben", ("supported",) * 2))]
    assert table(study, both).values.size == 0 and disputed(study, both) == []


def test_it_is_disputed_whether_an_item_can_be_judged():
    study = rating(2, 0)
    labels = [given(study, "Ann"), blank(study, "main", study.items[0], "Ben").model_copy(update={"cannot_judge": True})]
    assert disputed(study, labels) == [study.items[0].id]
    assert disputed(study, [given(study, "Ann"), given(study, "Ben")]) == []


def test_labels_of_an_earlier_rubric_stay_in_the_table():
    old = default_rubric()
    new = old.model_copy(
        update={"version": 2, "labels": tuple(one for one in old.labels if one.name != "partly"), "examples": ()}
    )
    before, after = rating(2, 0), rating(2, 0, rubrics=(old, new))
    labels = [given(before, "Ann", ("supported", "partly")), given(before, "Ben", ("supported", "supported"))]
    assert table(after, labels).categories == (*after.names[:-1], "partly")
    one, other = table(before, labels), table(after, labels)
    names = [[np.array(found.categories)[int(n)] for n in found.values.ravel()] for found in (one, other)]
    assert names[0] == names[1] == ["supported", "supported", "partly", "supported"]
    assert "partly" not in table(after, labels[1:]).categories, "only what was used"


@pytest.mark.parametrize("more", [{"sentences": ()}, {"sentences": (("supported",),)}, {"helpful": ()}, {"helpful": (None,)}])
def test_what_is_not_there_is_not_answered(more):
    study = rating(2, 0)
    assert complete(study, given(study, "Ann")) and not complete(study, given(study, "Ann", **more))


def test_labels_of_items_that_are_no_more_are_in_nobodys_way():
    study = rating(2, 0, attention=True)
    gone = given(study, "Ann", item=len(study.items) - 1)
    after = rating(2, 0)
    assert not after.has(gone.item) and not complete(after, gone)
    assert disputed(after, [gone]) == [] and attention_score(after, [gone]) == {} and table(after, [gone]).values.size == 0


def test_half_a_character_is_replaced_so_that_every_label_can_be_written():
    study = rating(2, 0)
    label = Label.model_validate({**given(study, "Ann").model_dump(), "comment": json.loads('"a \\ud83d b 😀"')})
    assert label.comment == "a \ufffd b 😀" and label.comment.encode()


def test_a_label_judges_unless_it_is_taken_back_or_says_that_it_cannot():
    label = Label(study="toy", round="main", item="a", annotator="Anna")
    for says in ({"withdrawn": True}, {"cannot_judge": True}):
        assert label.judges and not label.model_copy(update=says).judges
