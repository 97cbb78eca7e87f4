"""Studies: balanced, blind, reproducible, and what cannot be is refused."""

from collections import Counter

import pytest
from pydantic import ValidationError

from core.annotation.assignment import assignment, handed_over
from core.annotation.attention import attention_score
from core.annotation.disputes import disputed
from core.annotation.drawing import Candidate, attention_items, draw, draw_pairs, with_attention, with_duplicates
from core.annotation.label_table import table
from core.annotation.labels import Span, blank, complete, problems, standing
from core.annotation.rubric import Rubric, default_rubric
from core.annotation.screen import shown
from core.annotation.sentences import sentences, words
from core.annotation.study import Left, Passage, Study, study_hash
from core.config import valid
from core.errors import WorkbenchError
from tests.support.annotated import candidates, pairs, rating


def filled(study, item, who, name="supported", **changes):
    item = study.item(item) if isinstance(item, str) else item
    given = {"sentences": tuple((name,) * len(one.sentences) for one in item.responses), "helpful": (4,) * len(item.responses)}
    return blank(study, "main", item, who).model_copy(update={**given, **changes})


def test_a_draw_is_stratified_and_the_same_again():
    found = candidates(30, 3)
    items = draw(found, 12, pilot=6, seed=3)
    assert items == draw(list(reversed(found)), 12, pilot=6, seed=3) != draw(found, 12, pilot=6, seed=4)
    assert Counter(item.stratum for item in items) == {f"system {s}": 4 for s in range(3)}
    assert Counter(item.stratum for item in items if item.round == "pilot") == {f"system {s}": 2 for s in range(3)}
    uneven = [one for one in found if one.system != "system 2"] + [one for one in found if one.system == "system 2"][:3]
    assert Counter(i.stratum for i in draw(uneven, 21)) == {"system 0": 9, "system 1": 9, "system 2": 3}
    assert Counter(i.stratum for i in draw(uneven, 21, allocation="proportional")) == {
        "system 0": 10,
        "system 1": 10,
        "system 2": 1,
    }
    with pytest.raises(WorkbenchError, match="91 items"):
        draw(found, 91)


def test_a_paired_draw_takes_whole_questions_that_all_systems_answered():
    found = [one for one in candidates(30, 3) if one.source != "record-2-007"]
    items = draw(found, 23, by="question", pilot=8, seed=3)
    assert items == draw(list(reversed(found)), 23, by="question", pilot=8, seed=3)
    assert len(items) == 21 and sum(item.round == "pilot" for item in items) == 6, "down to whole questions"
    asked = {}
    for item in items:
        asked.setdefault((item.question, item.round), []).append(item.responses[0].system)
    assert len(asked) == 7 and all(sorted(those) == ["system 0", "system 1", "system 2"] for those in asked.values())
    assert "What is 7?" not in {item.question for item in draw(found, 87, by="question")}
    with pytest.raises(WorkbenchError, match="29 questions that all 3 systems answered"):
        draw(found, 90, by="question")
    with pytest.raises(WorkbenchError, match="a question has 3"):
        draw(found, 2, by="question")


def test_a_paired_draw_is_spread_over_corpora():
    found = [one._replace(dataset="b" if q % 3 else "a") for q, one in enumerate(candidates(30, 1))]
    found += [one._replace(system="other", source=f"{one.source}x") for one in found]
    for allocation, sizes in (("equal", {"a": 12, "b": 12}), ("proportional", {"a": 8, "b": 16})):
        items = draw(found, 24, by="question", allocation=allocation)
        assert Counter(item.stratum for item in items) == sizes
    lost = [one._replace(dataset="c") if one.system == "other" else one for one in found]
    with pytest.raises(WorkbenchError, match="0 questions"):  # the same words in another corpus are another question
        draw(lost, 2, by="question")


def test_pairs_hold_one_answer_of_each_system_to_the_same_question():
    for item in draw_pairs(candidates(), "system 1", "system 0", 20):
        assert [one.system for one in item.responses] == ["system 1", "system 0"]
        assert all(one.text.startswith(f"Answer {item.question[8:-1]} of") for one in item.responses)
    for a, b, count in (("system 0", "system 1", 21), ("system 0", "system 0", 1), ("system 0", "nobody", 1)):
        with pytest.raises(WorkbenchError):
            draw_pairs(candidates(), a, b, count)


def test_loads_differ_by_at_most_one_and_duplicates_follow_their_originals():
    study = rating(count=40, pilot=10, duplicates=6, attention=True)
    for round_name, size in (("pilot", 10), ("main", 30)):
        given = assignment(study, round_name)
        loads = [len(items) for items in given.values()]
        assert max(loads) - min(loads) <= 1
        counts = Counter(item_id for items in given.values() for item_id in items)
        twins = {item.id: item.duplicate_of for item in study.round_items(round_name) if item.duplicate_of}
        plain = [item for item in study.round_items(round_name) if not item.attention]
        assert len(plain) - len(twins) == size and all(counts[item.id] == 2 for item in plain)
        assert all(counts[item.id] == 3 for item in study.items if item.attention)
        for items in given.values():
            assert all(items.index(twins[item_id]) < items.index(item_id) for item_id in items if item_id in twins)
    assert assignment(rating(seed=1), "main") != assignment(rating(), "main") == assignment(rating(), "main")


def test_every_two_annotators_meet():
    study = rating(count=40, pilot=0, annotators=("a", "b", "c", "d"))
    met = Counter(
        tuple(sorted(who for who, items in assignment(study, "main").items() if item.id in items)) for item in study.items
    )
    assert len(met) == 6 and max(met.values()) - min(met.values()) <= 2


def leave(study, who, kept, round_name="main"):
    return study.model_validate({**study.model_dump(), "left": [*study.left, Left(annotator=who, round=round_name, kept=kept)]})


@pytest.mark.parametrize(("count", "duplicates"), [(8, 1), (10, 3), (4, 1), (2, 1), (6, 6), (30, 3)])
def test_a_repeat_comes_a_third_of_the_list_after_its_item(count, duplicates):
    for seed in range(40):
        study = rating(count=count, pilot=0, duplicates=duplicates, seed=seed, attention=count == 8)
        for mine in assignment(study, "main").values():
            far = [
                mine.index(item_id) - mine.index(study.item(item_id).duplicate_of)
                for item_id in mine
                if study.item(item_id).duplicate_of
            ]
            assert sorted(mine) == sorted(set(mine)) and all(gap >= len(mine) // 3 for gap in far), (seed, far, len(mine))


@pytest.mark.parametrize("round_name", ["pilot", "main"])
def test_what_somebody_left_open_goes_to_those_with_least_to_do(round_name):
    study = rating(count=40, pilot=16, duplicates=8, attention=True, annotators=("Ann", "Ben", "Cy", "Dee"))
    before = assignment(study, round_name)
    twins = {item.duplicate_of: item.id for item in study.items if item.duplicate_of}
    kept = before["Ben"][:5]
    after = leave(study, "Ben", kept, round_name)
    now = assignment(after, round_name)
    assert now["Ben"] == kept and now == assignment(leave(study, "Ben", kept, round_name), round_name)
    assert all(now[name][: len(before[name])] == before[name] for name in ("Ann", "Cy", "Dee")), "nothing moves"
    counts = Counter(item_id for items in now.values() for item_id in items)
    plain = [item for item in study.round_items(round_name) if not item.attention and not item.duplicate_of]
    assert all(counts[item.id] == 2 for item in plain) and all(len(set(mine)) == len(mine) for mine in now.values())
    for name in ("Ann", "Cy", "Dee"):
        new = now[name][len(before[name]) :]
        assert all(item_id in twins.values() or not study.item(item_id).attention for item_id in new)
        assert all(new.index(twins[item_id]) > new.index(item_id) for item_id in new if item_id in twins)
    loads = [len(now[name]) for name in ("Ann", "Cy", "Dee")]
    assert max(loads) - min(loads) <= 2 and after.at_work(round_name) == ("Ann", "Cy", "Dee")
    assert after.people(round_name) == study.annotators, "labels of the one who left can still be read in"
    found = handed_over(study, after.left[0])
    open_ = [
        item_id
        for item_id in before["Ben"]
        if item_id not in kept and not study.item(item_id).attention and not study.item(item_id).duplicate_of
    ]
    assert sum(found.given.values()) == len(open_) and found.short == 0
    assert assignment(study, round_name) == before


def test_an_item_that_all_others_have_is_left_with_fewer_labels():
    study = rating(annotators=("Ann", "Ben"), pilot=0)
    before = assignment(study, "main")
    after = leave(study, "Ben", before["Ben"][:3])
    assert assignment(after, "main") == {"Ann": before["Ann"], "Ben": before["Ben"][:3]}
    assert handed_over(study, after.left[0]) == ("Ben", 3, {}, 9)


def test_people_leave_one_after_the_other():
    study = rating(count=30, pilot=0, annotators=("Ann", "Ben", "Cy", "Dee"))
    first = leave(study, "Ben", assignment(study, "main")["Ben"][:4])
    second = leave(first, "Ann", assignment(first, "main")["Ann"][:6])
    now = assignment(second, "main")
    assert len(now["Ben"]) == 4 and len(now["Ann"]) == 6 and second.at_work("main") == ("Cy", "Dee")
    counts = Counter(item_id for items in now.values() for item_id in items)
    assert set(counts.values()) <= {1, 2} and not set(now["Ann"][6:])
    everybody = second
    for who in ("Cy", "Dee"):
        everybody = leave(everybody, who, assignment(everybody, "main")[who][:2])
    assert {who: len(mine) for who, mine in assignment(everybody, "main").items()} == {"Ann": 6, "Ben": 4, "Cy": 2, "Dee": 2}


def test_a_study_that_nobody_left_keeps_the_hash_it_had_before_one_could():
    study = rating()
    assert "left" not in study.model_dump(mode="json") and "left" in leave(study, "Ann", ()).model_dump(mode="json")
    assert study_hash(leave(study, "Ann", ()), "main") != study_hash(study, "main")
    with pytest.raises(WorkbenchError, match="no item nowhere"):
        valid(Study, {**study.model_dump(), "left": [{"annotator": "Ann", "round": "main", "kept": ["nowhere"]}]})


def test_annotators_see_no_system_no_source_and_their_own_order():
    study, orders = pairs(count=20), set()
    for item in study.items:
        for who in study.annotators:
            seen = shown(study, item, who)
            assert [one.text for one in seen.responses] == [item.responses[place].text for place in seen.order]
            assert not any(word in str(seen) for word in ("system", "record-", "gold"))
            orders.add((who, seen.order))
            assert seen == shown(study, item, who)
    assert len(orders) == 6  # both orders occur for each
    for who, mine in assignment(study, "main").items():
        turned = [shown(study, study.item(item_id), who).order == (1, 0) for item_id in mine]
        assert abs(2 * sum(turned) - len(turned)) <= 1, "half of the screens have the second answer first"
    after = leave(study, "Ben", assignment(study, "main")["Ben"][:3])
    assert all(
        shown(after, item, "Ann").order == shown(study, item, "Ann").order
        for item in study.items
        if item.id in assignment(study, "main")["Ann"]
    )
    revised = study.model_copy(update={"rubrics": (*study.rubrics, study.rubric.model_copy(update={"version": 2}))})
    assert shown(revised, study.items[0], "Ann").hash != shown(study, study.items[0], "Ann").hash


def test_a_duplicate_looks_like_any_item():
    study = rating(duplicates=2)
    twin = next(item for item in study.items if item.duplicate_of)
    assert twin.duplicate_of not in str(shown(study, twin, "Ann"))
    with pytest.raises(WorkbenchError):
        with_duplicates(study.items, 13)


@pytest.mark.parametrize("change", [
    {"hypothesis": "x"}, {"measure": "x"}, {"test": "x"}, {"seed": 1}, {"per_item": 1}, {"annotators": ("Ann", "Ben")},
    {"stop": {"kind": "alpha", "value": 0.8}}, {"ask": ("sentences",)}, {"items": ()},
    {"rubrics": (default_rubric().model_copy(update={"guidelines": "x"}),)},
])  # fmt: skip
def test_the_hash_covers_everything(change):
    study = rating()
    assert study_hash(study, "main") == study_hash(Study.model_validate_json(study.model_dump_json()), "main")
    assert study_hash(Study.model_validate({**study.model_dump(), **change}), "main") != study_hash(study, "main")
    assert study_hash(study, "pilot") != study_hash(study, "main")


@pytest.mark.parametrize(("change", "said"), [
    ({"id": "../up"}, "must match"), ({"annotators": ("Ann", "ann ")}, "same name"), ({"annotators": (" ",)}, "name"),
    ({"annotators": ("Jos\u00e9", "Jose\u0301")}, "look the same"), ({"annotators": ("Ann", "Ann\u200b")}, "look the same"),
    ({"annotators": ("\u200b",)}, "one line"), ({"annotators": ("A\u2028B",)}, "one line"),
    ({"kind": "pairs"}, "preference"), ({"ask": ()}, "nothing is asked"), ({"disputed": ("nowhere",)}, "no item nowhere"),
    ({"items": (*rating().items, rating().items[0])}, "same id"), ({"rubrics": ()}, "rubrics"), ({"colour": 1}, "colour"),
    ({"items": (rating().items[0].model_copy(update={"expected": ("supported", "purple")}),)}, "attention"),
])  # fmt: skip
def test_a_study_that_does_not_hold_together_is_refused(change, said):
    with pytest.raises(WorkbenchError, match=f"(?i){said}"):
        valid(Study, {**rating().model_dump(), **{k: v for k, v in change.items()}})


def test_a_rubric_names_its_labels_once():
    one = default_rubric().labels[0]
    with pytest.raises(ValidationError):
        Rubric(labels=(one, one))
    with pytest.raises(ValidationError, match="not in the rubric"):
        Rubric(labels=(one,), examples=default_rubric().examples)
    assert {example.label for example in default_rubric().examples} == {label.name for label in default_rubric().labels}


def test_too_few_annotators():
    with pytest.raises(WorkbenchError, match="4 annotators"):
        assignment(rating(per_item=4), "main")


def test_sentences_and_words_lie_in_the_text():
    text = "One, e.g. this. ... Two [1]!\n\nThree"
    assert [text[a:b] for a, b in sentences(text)][-2:] == ["Two [1]!", "Three"]
    assert [text[a:b] for a, b in words(text)] == text.split()
    assert sentences("…") == () and words("") == ()


def test_what_is_complete_and_what_does_not_fit():
    study, ab = rating(), pairs()
    item = study.items[0]
    empty, full = blank(study, "main", item, "Ann"), filled(study, item, "Ann")
    assert not complete(study, empty) and complete(study, full) and not problems(study, full)
    assert not complete(study, full.model_copy(update={"helpful": (None,)}))
    assert complete(study, empty.model_copy(update={"cannot_judge": True}))
    assert not complete(study, full.model_copy(update={"withdrawn": True}))
    assert not complete(ab, filled(ab, ab.items[0], "Ann")) and complete(ab, filled(ab, ab.items[0], "Ann", preference="tie"))
    length = len(words(item.responses[0].text))
    for change in (
        {"sentences": (("supported",),)},
        {"sentences": (("purple", None),)},
        {"helpful": (6,)},
        {"helpful": (1, 2)},
        {"spans": (Span(response=0, first=0, last=length + 1),)},
        {"spans": (Span(response=1, first=0, last=1),)},
        {"preference": "a"},
        {"order": (1,)},
        {"item": "nowhere"},
    ):
        assert problems(study, full.model_copy(update=change)), change
    assert not problems(study, full.model_copy(update={"spans": (Span(response=0, first=0, last=length),)}))


def test_disputes_and_attention():
    study = rating(duplicates=1, attention=True)
    a, b, c = study.items[:3]
    given = [
        filled(study, a, "Ann"),
        filled(study, a, "Ben"),
        filled(study, b, "Ann"),
        filled(study, b, "Ben", "partly"),
        filled(study, c, "Ann"),
        filled(study, c, "Ben", helpful=(2,)),
    ]
    assert disputed(study, given) == [b.id, c.id]
    trap = next(item for item in study.items if item.attention and len(item.expected) == 2)
    half = filled(study, trap, "Ann", sentences=((trap.expected[0], "partly"),))
    assert attention_score(study, [half, *given]) == {"Ann": (1, 2)}


def test_labels_as_a_table():
    study = rating(duplicates=1, attention=True)
    twin = next(item for item in study.items if item.duplicate_of)
    original, trap = study.item(twin.duplicate_of), study.items[-1]
    mixed = filled(
        study, original, "Ben", sentences=(("partly", "cannot_judge"),), seconds=7.0, created="2026-01-01T00:00:10+00:00"
    )
    given = [mixed, filled(study, original, "Ann"), filled(study, twin, "Ann"), filled(study, trap, "Ann")]
    found = table(study, given)
    assert found.annotators == ("Ann", "Ben") and found.items == (f"{original.id}/1", f"{original.id}/2")
    assert found.values[:, 0].tolist() == [0, 0] and found.values[0, 1] == 1 and found.values[1, 1] != found.values[1, 1]
    assert found.seconds[0, 1] == 7 and found.when[0, 1] % 100 == 10 and "cannot_judge" not in found.categories
    assert found.systems[0] == original.responses[0].system and found.texts[1].startswith("It has")
    assert table(study, given, duplicates=True).twins == ((0, 2), (1, 3))
    assert len(table(study, given, attention=True).items) == 2 + len(trap.expected)
    stars = table(study, given, "helpful")
    assert stars.values.tolist() == [[4, 4]] and stars.categories == () and stars.level == "interval"
    ab = pairs()
    liked = table(ab, [filled(ab, ab.items[0], "Ann", preference="b")], "preference")
    assert liked.values.tolist() == [[2]] and liked.categories == ("a", "tie", "b") and liked.systems == ("system 0 | system 1",)


def test_the_latest_label_stands_unless_withdrawn():
    study = rating()
    one, two = (filled(study, study.items[0], "Ann", id=label_id) for label_id in "12")
    assert standing([two, one]) == [two] and standing([one, two.model_copy(update={"withdrawn": True})]) == []


@pytest.mark.parametrize(("pilot", "main", "expected"), [(30, 100, (3, 5)), (8, 0, (1, 0)), (0, 9, (0, 1)), (60, 60, (5, 5))])
def test_no_attention_item_comes_in_both_rounds(pilot, main, expected):
    plain = draw(candidates(100), pilot + main, pilot=pilot)
    items = with_attention(plain, seed=1)
    mixed = [item for item in items if item.attention]
    assert tuple(sum(item.round == name for item in mixed) for name in ("pilot", "main")) == expected
    assert len({item.id for item in mixed}) == sum(expected) and items[: len(plain)] == plain
    assert items == with_attention(plain, seed=1) and (mixed == [] or items != with_attention(plain, seed=2))


def test_attention_items_have_a_label_for_each_sentence_and_do_not_give_themselves_away():
    assert len(attention_items()) == 10 == len({item.question for item in attention_items()})
    study = rating(attention=True)
    for item in attention_items():
        passages = item.responses[0].passages
        assert len(passages) == 3 and all(one.title and one.end == len(one.text) for one in passages)
        assert "attention" not in str(shown(study, item, "Ann"))
    for item in attention_items():
        assert len(item.expected) == len(item.responses[0].sentences) and item.attention and item.round == ""


RIVERS = ("Elbe", "Oder", "Rhine", "Loire", "Tiber", "Danube", "Volga", "Thames")
MORE = (
    "granite bridges carried pilgrims southward",
    "wooden barges brought barley downstream",
    "copper smelters used charcoal furnaces",
    "herons nested among flooded willows",
    "Roman engineers built seven aqueducts",
    "steamers towed timber past customs posts",
    "sturgeon were counted every spring",
    "printers dried parchment along wharves",
)


def with_passages(number: int = 8) -> list[Candidate]:
    """Of each river a passage of its own, with one whole sentence in its middle that stands by itself."""
    return [
        Candidate(
            f"a{n}",
            "system",
            "rivers",
            f"What is told of the {RIVERS[n]}?",
            "It is a river.",
            (
                Passage(
                    document_id=f"d{n}",
                    title=RIVERS[n],
                    start=0,
                    end=9,
                    text=f"half of a line. Along the {RIVERS[n]} {MORE[n]}. This is why.",
                ),
            ),
        )
        for n in range(number)
    ]


def test_attention_items_are_made_of_the_corpus():
    found = with_passages()
    items = draw(found[:6], 6, pilot=3)
    mixed = [item for item in with_attention(items, 4, candidates=found) if item.attention]
    assert [item.round for item in mixed] == ["pilot", "main"] and {item.question for item in mixed} == {
        one.question for one in found[6:]
    }
    for item in mixed:
        said, evidence = item.responses[0].text, [one.text for one in item.responses[0].passages]
        own = next(one for one in found if one.question == item.question).passages
        assert said in own[0].text and said.startswith("Along the ")
        assert any(said in text for text in evidence) == (item.expected == ("supported",))
    assert {item.expected for item in mixed} == {("supported",), ("not_in_context",)}
    assert with_attention(items, 4, candidates=found[::-1])[-2:] == tuple(mixed), "whatever order the answers come in"
    again = with_attention([*items, *mixed], 4, ("main",), found)
    assert again[-1].question not in {item.question for item in mixed}, "a question was met in the pilot"


def test_built_in_attention_items_stand_in_for_what_the_corpus_does_not_give():
    built_in, found = {item.question for item in attention_items()}, with_passages()
    items = draw(found, 8)
    for given in (
        {},
        {"candidates": [one._replace(passages=()) for one in found]},
        {"candidates": found, "labels": ("yes", "no")},
        {"candidates": found[:1]},
    ):
        taken = [item for item in with_attention(items, 1, ("main", "main"), **given) if item.attention]
        assert len(taken) == 2 and taken[-1].question in built_in


def test_no_list_begins_with_an_attention_item_and_older_studies_keep_their_order():
    plain = draw(candidates(100), 12, pilot=6)
    for seed in range(12):
        items = with_duplicates(plain, 4, seed)
        study = rating(items=with_attention(items, seed), seed=seed)
        for round_name in ("pilot", "main"):
            for mine in assignment(study, round_name).values():
                assert study.item(mine[0]).plain
                assert all(
                    mine.index(item.duplicate_of) < mine.index(item.id) for item in items if item.duplicate_of and item.id in mine
                )
    old = rating(items=(*plain, *(one.model_copy(update={"round": "main"}) for one in attention_items())))
    firsts = [old.model_copy(update={"seed": seed}) for seed in range(12)]
    assert any(study.item(assignment(study, "main")["Ann"][0]).attention for study in firsts)
