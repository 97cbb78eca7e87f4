"""The frozen question answered: the plan's own test on the plan's own measure, and undecided where the ties decide."""

import pytest

from core.agreement import plan, sources, systems, views
from core.annotation import draft, rounds, saving
from core.annotation.assignment import assignment
from core.annotation.labels import blank
from core.statistics.proportion import wilson
from tests.support.annotated import pairs, rating

ABOVE = draft.DEFAULTS["rating"] | draft.ONE_SYSTEM
TWO = ("Ann", "Ben")


def labelled(workbench, study, name, round_name="main", people=None, left=0):
    """Frozen and labelled: name(annotator, item, sentence). left: screens of each that stay open."""
    frozen = rounds.freeze(workbench, study, round_name)
    for who, ids in assignment(study, round_name).items():
        for item_id in ids[: len(ids) - left]:
            item = study.item(item_id)
            given = {"helpful": (4,) * len(item.responses), "seconds": 9.0}
            given |= {"sentences": tuple(tuple(name(who, item, n) for n in range(len(one.sentences))) for one in item.responses)}
            if item.attention:
                given["sentences"] = (item.expected,)
            if study.kind == "pairs":
                given = {"preference": name(who, item, 0), "seconds": 9.0}
            saving.label(workbench, frozen, blank(study, round_name, item, who).model_copy(update=given))
    return frozen


def of_one_system(**changes):
    """A study of the first system alone, by two people, under the plan of a new draft."""
    given = rating(40, pilot=0, annotators=TWO, **{**ABOVE, **changes})
    items = tuple(item for item in given.items if item.responses[0].system == "system 0")
    return given.model_copy(update={"items": items})


def number(item) -> int:
    return int(item.question.split()[-1].rstrip("?"))


def test_a_threshold_is_met_or_not_met_by_the_planned_interval(workbench):
    labelled(workbench, of_one_system(), lambda who, item, n: "supported" if number(item) % 5 else "partly")
    found = plan.verdict(sources.open_study(workbench, "toy"), "main")
    [row] = found.rows
    assert found.state == "met" and row.value == pytest.approx(0.8) and row.low > 0.5 and (row.units, row.items) == (40, 20)
    assert found.agreed.ties == 0 and row.least is None and found.confidence == 0.95


def test_labels_that_are_all_the_same_do_not_meet_every_threshold(workbench):
    """Of 20 answers whose share is 0.9 all are supported in 12 of 100 studies: a bootstrap says 1.000 to 1.000."""
    test = "95% interval of the share, by bootstrap over items: it lies above 0.9."
    labelled(workbench, of_one_system(test=test), lambda who, item, n: "supported")
    found = plan.verdict(sources.open_study(workbench, "toy"), "main")
    [row] = found.rows
    assert found.state == "not met" and (row.value, row.high) == (1, 1) and row.low == wilson(20, 20).low < 0.9


def test_a_share_of_half_is_not_above_half(workbench):
    labelled(workbench, of_one_system(), lambda who, item, n: "supported" if number(item) % 2 else "partly")
    assert plan.verdict(sources.open_study(workbench, "toy"), "main").state == "not met"


def test_ties_that_could_turn_the_verdict_leave_it_open_and_adjudication_closes_it(workbench):
    study = of_one_system()
    split = {"Ann": "supported", "Ben": "partly"}
    labelled(
        workbench, study, lambda who, item, n: "supported" if number(item) < 8 else "partly" if number(item) < 10 else split[who]
    )
    source = sources.open_study(workbench, "toy")
    found = plan.verdict(source, "main")
    [row] = found.rows
    assert found.state == "open" and found.agreed.ties == 20 and row.value == pytest.approx(0.8)
    assert (row.least, row.most) == pytest.approx((0.4, 0.9)) and "depends on them" in found.why
    table = sources.table_of(source, "sentences", "main")
    [system] = systems.rates(source, "sentences", table, found.agreed, ("supported",)).systems
    assert system.bounds == pytest.approx((row.least, row.most))  # the tab Consensus says the same

    frozen = rounds.open_adjudication(workbench, "toy", ["Edith"])
    for item_id in frozen.study.disputed:
        item = frozen.study.item(item_id)
        label = blank(frozen.study, "adjudication", item, "Edith")
        saving.label(
            workbench,
            frozen,
            label.model_copy(update={"sentences": tuple(("partly",) * len(one) for one in label.sentences), "helpful": (4,)}),
        )
    source = sources.open_study(workbench, "toy")
    assert views.methods(source, sources.table_of(source, "sentences", "main"))[0] == "adjudicated"
    found = plan.verdict(source, "main")
    assert found.state == "not met" and found.agreed.adjudicated == 20 and found.rows[0].value == pytest.approx(0.4)


def test_ties_that_change_nothing_leave_the_verdict(workbench):
    labelled(workbench, of_one_system(), lambda who, item, n: "partly" if number(item) == 3 and who == "Ben" else "supported")
    found = plan.verdict(sources.open_study(workbench, "toy"), "main")
    assert found.agreed.ties == 2 and found.state == "met"


@pytest.mark.slow
@pytest.mark.parametrize("test", ["Binomial model with random effects.", "One-sided sign test, level 5%."])
def test_ties_turn_no_test_that_is_left_to_the_reader(test):
    study = pairs(8, test=test, per_item=2, annotators=TWO)
    labels = [
        blank(study, "main", item, who).model_copy(update={"preference": preferred, "order": (0, 1)})
        for n, item in enumerate(study.items)
        for who, preferred in zip(TWO, "aa" if n % 2 else "ab", strict=True)
    ]
    told = plan.verdict(sources.LabelSource("two", "two", study, tuple(labels)), "main")
    assert told.agreed.ties == 4 and told.state == "own" and "own words" in told.why


def test_a_pilot_and_a_half_labelled_round_decide_nothing(workbench):
    study = rating(40, pilot=8, annotators=TWO, **ABOVE)
    labelled(workbench, study, lambda who, item, n: "supported", "pilot")
    found = plan.verdict(sources.open_study(workbench, "toy"), "pilot")
    assert found.state == "open" and "pilot" in found.why
    labelled(workbench, study, lambda who, item, n: "supported", left=3)
    source = sources.open_study(workbench, "toy")
    assert plan.screens(source, "main") == (58, 64)
    elsewhere = source.labels[-1].model_copy(update={"annotator": "somebody else"})
    assert plan.screens(source._replace(labels=(*source.labels, elsewhere)), "main") is None, "assigned elsewhere"
    found = plan.verdict(source, "main")
    assert found.state == "open" and "6 of 64 screens" in found.why and "so far: met" in found.why


@pytest.mark.parametrize("plan_of", [draft.SEVERAL, draft.PAIRED], ids=["apart", "paired"])
def test_a_difference_leaves_out_zero_or_does_not(workbench, plan_of):
    study = rating(40, pilot=0, per_item=3, **{**ABOVE, **plan_of})
    labelled(
        workbench,
        study,
        lambda who, item, n: "partly" if item.responses[0].system == "system 1" and number(item) % 2 else "supported",
    )
    source = sources.open_study(workbench, "toy")
    found = plan.verdict(source, "main")
    [row] = found.rows
    assert found.state == "met" and row.of_two and row.value == pytest.approx(0.5) and row.low > 0
    table = sources.table_of(source, "sentences", "main")  # the numbers of the tab Consensus
    rates = systems.rates(source, "sentences", table, found.agreed, ("supported",))
    shares = [one.share.mean for one in rates.systems]
    assert (row.value, row.low, row.high) == rates.differences[0].paired[:3]
    assert row.value == pytest.approx(shares[0] - shares[1]) and row.note == " − ".join(f"{one:.3f}" for one in shares)


def under(source, test):
    """The verdict, had the plan named this test."""
    return plan.verdict(source._replace(study=source.study.model_copy(update={"test": test})), "main")


def states_of(workbench, study, tests):
    """Test -> the state of the verdict, had the plan named it."""
    source = sources.open_study(workbench, study)
    return {test: under(source, test).state for test in tests}


def test_an_interval_has_the_confidence_that_the_plan_names(workbench):
    labelled(workbench, of_one_system(), lambda who, item, n: "supported" if number(item) % 5 else "partly")
    source = sources.open_study(workbench, "toy")
    named = {
        "99% bootstrap interval": 0.99,
        "90% Wilson CI": 0.9,
        "Interval of 80%": 0.8,
        "99 percent confidence interval": 0.99,
        "Bootstrap interval (99%)": 0.99,
        "Bootstrap interval, at a confidence level of 90%,": 0.9,
        "Interval": 0.95,
    }
    met = {said: under(source, f"{said} of the share: it lies above 50%.") for said in named}
    assert {said: told.confidence for said, told in met.items()} == named
    assert met["99% bootstrap interval"].rows[0].low < under(source, "Bootstrap interval: it lies above 50%.").rows[0].low


def test_a_plan_is_not_turned_round_by_words_that_are_not_understood(workbench):
    labelled(workbench, of_one_system(), lambda who, item, n: "supported" if number(item) % 5 else "partly")  # 0.8
    states = {
        "The interval lies above 50 percent.": "met",
        "It lies above 0.5, that is above 50%.": "met",
        "With more than 30 answers the interval lies above 0.5.": "own",
        "The interval lies above 0,5.": "own",
        "The interval is not below 0.95.": "own",
        "The share is no less than 0.6.": "own",
        "The interval doesn't lie above 0.9.": "own",
        "One-sided 95% interval: it lies above 0.5.": "own",
    }
    assert states_of(workbench, "toy", states) == states


def test_a_difference_is_decided_where_0_is_left_out_and_no_other_number(workbench):
    study = rating(40, pilot=0, per_item=3, **{**ABOVE, **draft.SEVERAL})
    labelled(workbench, study, lambda who, item, n: "partly" if item.responses[0].system == "system 1" else "supported")
    states = {
        "The interval of the difference excludes 0.": "met",
        "The interval of each share excludes 0.5.": "own",
        "The interval of the difference does not leave out 0.": "own",
    }
    assert states_of(workbench, "toy", states) == states


def test_pairs_are_decided_by_the_sign_test(workbench):
    labelled(workbench, pairs(12, **{k: v for k, v in draft.DEFAULTS["pairs"].items() if k != "ask"}), lambda who, item, n: "a")
    found = plan.verdict(sources.open_study(workbench, "ab"), "main")
    assert found.state == "met" and found.rows[0].value == 1.0 and "p < 0.001" in found.rows[0].note


def test_a_sign_test_is_held_to_the_level_that_the_plan_names(workbench):
    given = {name: value for name, value in draft.DEFAULTS["pairs"].items() if name != "ask"}
    labelled(workbench, pairs(7, **given), lambda who, item, n: "a")  # p is 2 / 2^7
    states = {
        "Sign test.": "met",
        "Sign test at p < 0.05.": "met",
        "Exact sign test, p below 0.01.": "not met",
        "Sign test at the 1% level.": "not met",
        "Sign test, alpha = .01.": "not met",
        "Sign test at a level of 0.05/3.": "own",
        "One-sided sign test, level 5%.": "own",
        "Sign test at the 99% level.": "own",
    }
    assert states_of(workbench, "ab", states) == states


@pytest.mark.parametrize(("said", "state"), [({"test": ""}, "own"), ({"test": "We shall see."}, "own"),
                                             ({"measure": "our own index"}, "own"),
                                             ({"test": "Binomial test, p below 0.05."}, "own"),
                                             ({"test": "Binomial test, p-value less than 5%; it lies above 0.5."}, "met"),
                                             ({"test": "90% interval: it lies below 0.95."}, "not met")])  # fmt: skip
def test_what_is_not_understood_is_left_to_the_reader(workbench, said, state):
    labelled(workbench, of_one_system(**said), lambda who, item, n: "supported")
    found = plan.verdict(sources.open_study(workbench, "toy"), "main")
    assert found.state == state
    assert "measure" not in said or not found.rows


@pytest.mark.parametrize(("ask", "measure", "state"), [(("sentences", "helpful"), "mean helpfulness", "met"),
                                                       (("helpful",), "mean stars", "met"),
                                                       (("sentences", "helpful"), "share of helpful answers, 4 or 5 stars", "own"),
                                                       (("helpful",), "share of answers with 4 or 5 stars", "own"),
                                                       (("helpful",), "share of supported sentences", "own")])  # fmt: skip
def test_a_mean_of_stars_is_no_share_of_answers(ask, measure, state):
    study = of_one_system(ask=ask, measure=measure, test="95% interval: it lies above 0.5.")
    labels = [
        blank(study, "main", item, who).model_copy(update={"helpful": (2 + n % 3,), "sentences": (("supported",) * 2,)})
        for n, item in enumerate(study.items)
        for who in TWO
    ]
    told = plan.verdict(sources.LabelSource("stars", "stars", study, tuple(labels)), "main")
    assert told.state == state and bool(told.rows) == (state == "met")


def test_who_misses_known_sentences_is_named(workbench):
    study = rating(10, pilot=0, attention=True, annotators=TWO)
    frozen = labelled(workbench, study, lambda who, item, n: "supported")
    for item in study.items:
        if item.attention:
            wrong = tuple("supported" if one != "supported" else "contradicted" for one in item.expected)
            label = blank(study, "main", item, "Ben").model_copy(update={"sentences": (wrong,), "helpful": (3,), "seconds": 0.4})
            saving.label(workbench, frozen, label)
    [one] = plan.careless(sources.open_study(workbench, "toy"), "main")
    assert one.name == "Ben" and one.attention.right == 0 and one.attention.asked > 0


def test_a_unit_has_the_number_of_the_studys_list(workbench):
    study = rating(6, pilot=0)
    labelled(workbench, study, lambda who, item, n: "supported")
    source = sources.open_study(workbench, "toy")
    table = sources.table_of(source, "sentences", "main")
    names = [plan.unit_name(source, name, item) for name, item in zip(table.items, table.item_ids, strict=True)]
    assert names[:3] == ["Item 1, sentence 1", "Item 1, sentence 2", "Item 2, sentence 1"]


def test_items_are_numbered_in_their_round_without_repeats_and_attention(workbench):
    study = rating(24, pilot=8, duplicates=4, attention=True)
    for round_name in ("pilot", "main"):
        plain = [item.id for item in study.round_items(round_name) if item.plain]
        names = [plan.unit_name(sources.LabelSource("", "", study), f"{item_id}/1", item_id) for item_id in plain]
        assert sorted(names, key=lambda name: int(name.split(",")[0][5:])) == [
            f"Item {number}, sentence 1" for number in range(1, len(plain) + 1)
        ]


@pytest.mark.slow
def test_what_is_left_to_decide_is_counted(workbench):
    labelled(
        workbench,
        rating(6, pilot=0, annotators=TWO),
        lambda who, item, n: "partly" if who == "Ben" and number(item) % 2 else "supported",
    )
    before = plan.undecided(sources.open_study(workbench, "toy"))
    frozen = rounds.open_adjudication(workbench, "toy", ["Edith"])
    assert before == len(frozen.study.disputed) > 1
    for left, item_id in enumerate(reversed(frozen.study.disputed), 1):
        label = blank(frozen.study, "adjudication", frozen.study.item(item_id), "Edith")
        given = {"sentences": tuple(("partly",) * len(one) for one in label.sentences), "helpful": (4,)}
        saving.label(workbench, frozen, label.model_copy(update=given))
        assert plan.undecided(sources.open_study(workbench, "toy")) == before - left
