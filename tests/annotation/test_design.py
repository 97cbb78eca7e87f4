"""The stop rule that ends a round, and what a pilot says of the size of the main round."""

import numpy as np
import pytest

from core.agreement import annotators, coefficients, consensus, sources, views
from core.annotation import power, standing
from core.annotation.assignment import assignment
from core.annotation.labels import blank
from core.annotation.pilot import from_pilot
from core.annotation.rubric import Category, Rubric
from core.annotation.study import StopRule
from core.errors import WorkbenchError
from core.progress import drain
from core.statistics.agreement.growth import FEWEST
from tests.support.annotated import pairs, rating


def labels_of(study, round_name, say, most=None):
    """say(annotator, item number) -> names of the labels of an item's two sentences; of the first `most` items."""
    given = []
    for number, item in enumerate(study.round_items(round_name)[:most]):
        for who, mine in assignment(study, round_name).items():
            if item.id in mine:
                name = say(who, number)
                given.append(blank(study, round_name, item, who).model_copy(update={"sentences": (name,), "helpful": (3,)}))
    return given


def test_the_rule_that_ends_a_round_is_the_one_that_is_drawn():
    study = rating(40, pilot=0, per_item=2, stop=StopRule(kind="half_width", value=0.1))
    alike = [("supported", "partly")[n % 2] for n in range(40)]
    for most, ends in ((3, False), (FEWEST - 1, False), (FEWEST, True), (40, True)):
        given = labels_of(study, "main", lambda who, n: (alike[n],) * 2, most)
        assert bool(standing.stop_reached(study, standing.agreed(study, given))) == ends, most
    value = study.model_copy(update={"stop": StopRule(kind="alpha", value=0.9)})
    few = labels_of(value, "main", lambda who, n: (alike[n],) * 2, 10)
    assert standing.stop_reached(value, standing.agreed(value, few)) == ""
    rng = np.random.default_rng(0)
    noisy = labels_of(study, "main", lambda who, n: ("supported" if rng.random() < 0.7 else "partly",) * 2)
    source = sources.LabelSource("toy", "", study, tuple(noisy))
    last = drain(coefficients.growing(sources.table_of(source, "sentences", "main"), study.stop)).points[-1][1]
    assert standing.agreed(study, noisy) == last and last.drawn == 40  # resamples, seed and answers are the same


def test_two_labels_an_item_give_no_abilities():
    study = rating(12, pilot=0, per_item=2)
    given = labels_of(study, "main", lambda who, n: ("partly" if who == "Cy" or n % 3 else "supported",) * 2)
    source = sources.LabelSource("toy", "", study, tuple(given))
    found = sources.table_of(source, "sentences", "main")
    assert "dawid_skene" not in views.methods(source, found)
    assert all(row.ability is None for row in drain(annotators.people(source, "sentences", "main", found)).rows)
    for ask in (
        lambda: views.read(source, method="dawid_skene"),
        lambda: consensus.consensus(source, "sentences", found, "dawid_skene"),
    ):
        with pytest.raises(WorkbenchError, match="no item has three labels"):
            ask()


@pytest.mark.slow
def test_errors_of_annotators_are_taken_out_of_the_pilots_rate():
    rng, rate, accuracy = np.random.default_rng(1), 0.75, 0.8
    study = rating(40, pilot=40, per_item=3)
    truth = rng.random(40) < rate

    def say(who, number):
        yes = truth[number] == (rng.random() < accuracy)
        return ("supported" if yes else "contradicted",) * 2

    found = []
    for _ in range(60):
        truth = rng.random(40) < rate
        values = from_pilot(study, labels_of(study, "pilot", say)).values["difference"]
        found.append([values["rate"], values["accuracy"], values["discordant"]])
        assert values["discordant"] == pytest.approx(2 * values["rate"] * (1 - values["rate"]), abs=2e-3)
    assert np.mean(found, axis=0)[:2] == pytest.approx([rate, accuracy], abs=0.03)


def test_a_pilot_of_mere_chance_tells_no_rate():
    study = rating(8, pilot=8, per_item=2)
    given = labels_of(study, "pilot", lambda who, n: ("supported" if n % 2 == (who < "Bo") else "partly",) * 2)
    for at, label in enumerate(given):  # the two of an item always differ
        given[at] = label.model_copy(update={"sentences": (("supported", "partly")[at % 2 : at % 2 + 1] * 2,)})
    assert "difference" not in from_pilot(study, given).values


def test_a_pilot_says_the_same_wherever_the_rubric_has_its_yes():
    told = []
    for names in (("supported", "unsupported"), ("unsupported", "supported")):
        rubric = Rubric(labels=tuple(Category(name=name, title=name) for name in names))
        study = rating(20, pilot=20, per_item=2, rubrics=(rubric,))
        given = labels_of(study, "pilot", lambda who, n: ("supported" if n % 5 else "unsupported",) * 2)
        told.append(from_pilot(study, given))
    assert told[0] == told[1] and told[1].values["difference"]["rate"] == told[1].values["rate"]["rate"] == 0.8


def test_the_two_answers_of_a_pair_count_each_in_a_pilot():
    study = pairs(12, ask=("sentences", "preference"))
    study = study.model_copy(update={"items": tuple(item.model_copy(update={"round": "pilot"}) for item in study.items)})
    said = {"sentences": (("supported",) * 2, ("partly",) * 2), "preference": "a"}
    given = [blank(study, "pilot", item, who).model_copy(update=said) for item in study.items for who in ("Ann", "Ben")]
    told = from_pilot(study, given)
    assert told.values["difference"] == {"rate": 0.5, "accuracy": 1.0, "discordant": 0.5}
    assert told.why["difference"].startswith("24 answers")


@pytest.mark.slow
@pytest.mark.parametrize("frequent", [0.6, 0.95])
def test_items_for_an_interval_of_alpha_are_enough_when_simulated(frequent):
    values = power.ASSUMED["alpha"] | {"alpha": 0.9, "frequent": frequent}
    found = drain(power.curves("alpha", values, 100, 2, studies=500))
    formula, simulation = power.predictors("alpha", values, 2)
    assert formula(found.needed[2]) <= 0.1 and simulation(found.needed[2], 4000, 1) < 0.12
    assert simulation(round(0.8 * found.needed[2]), 4000, 1) > 0.1


@pytest.mark.parametrize(
    ("goal", "odd"),
    [
        ("difference", {"accuracy": 0.3}),
        ("difference", {"level": 2.0}),
        ("difference", {"target": -1.0}),
        ("means", {"sd_items": -1.0}),
        ("rate", {"alpha": 2.0}),
        ("rate", {"alpha": float("nan")}),
        ("alpha", {"categories": 10**400}),
    ],
)
def test_a_value_that_cannot_be_is_refused(goal, odd):
    power.check_values(goal, power.ASSUMED[goal])
    with pytest.raises(WorkbenchError, match=f"{min(odd)} is "):
        power.check_values(goal, power.ASSUMED[goal] | odd)
