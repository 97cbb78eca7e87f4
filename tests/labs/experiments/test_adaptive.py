"""Designs that learn: the points hang on the document and what was measured, not on who measured when, or how often it was killed."""

import random

import numpy as np
import pytest

from core.config import fingerprint
from core.errors import WorkbenchError
from core.labs.experiments.adaptive import Adaptive, Wanted, adaptive, rungs
from core.labs.experiments.experiment import Experiment, made

FACTORS = [
    {"setting": "fusion", "values": ["sparse_only", "rrf", "convex"]},
    {"setting": "fusion.weight", "low": 0.0, "high": 1.0},
    {"setting": "retrieval.candidates", "values": [20, 50, 100, 200]},
    {"setting": "sparse.k1", "low": 0.1, "high": 3.0, "log": True},
    {"setting": "retrieval.top_k", "low": 5, "high": 30, "whole": True, "when": {"fusion": ["rrf"]}},
]
QUESTIONS = 400


def study(kind, **more) -> Experiment:
    design = {"kind": kind, "trials": 24, **more.pop("design", {})}
    metrics = ["ndcg_linear", "latency_ms"] if kind == "nsga2" else ["ndcg_linear"]
    return made({"factors": FACTORS, "design": design, "metrics": metrics} | more)


def measured(wanted: Wanted) -> dict[str, float] | None:
    """A smooth toy: best at weight 0.7 and k1 1.2; points with sparse_only and 20 candidates fail."""
    settings = wanted.settings
    if settings.get("fusion") == "sparse_only" and settings.get("retrieval.candidates") == 20:
        return None
    weight, k1 = settings.get("fusion.weight", 0.0), settings.get("sparse.k1", 1.5)
    noise = np.random.default_rng(int(fingerprint(settings, wanted.questions), 16) % 2**32).normal(0, 0.02)
    return {
        "ndcg_linear": 0.8 - (weight - 0.7) ** 2 - (k1 - 1.2) ** 2 / 20 + noise,
        "latency_ms": settings.get("retrieval.top_k", 20) / 2,
    }


def by_question(wanted: Wanted) -> np.ndarray | None:
    values = measured(wanted)
    if values is None:
        return None
    table = np.random.default_rng(0).normal(0, 0.3, QUESTIONS) + values["ndcg_linear"]  # questions as hard for all
    own = np.random.default_rng(int(fingerprint(wanted.settings), 16) % 2**32).normal(0, 0.05, QUESTIONS)
    return (table + own)[: wanted.questions or None]


def tell(design: Adaptive, wanted: Wanted) -> None:
    design.tell(wanted, measured(wanted), by_question(wanted))


def driven(design: Adaptive, workers=1, seed=0, most=10_000) -> list[Wanted]:
    """All that is asked for, measured by so many workers that end in any order; stopped after so many."""
    rng, under_way, points = random.Random(seed), [], []
    while not design.done and len(points) < most:
        under_way += design.ask(workers - len(under_way)) if len(under_way) < workers else []
        assert under_way, "neither asks nor ends"
        wanted = under_way.pop(rng.randrange(len(under_way)))
        tell(design, wanted)
        points.append(wanted)
    return points


def names(points: list[Wanted]) -> list[str]:
    return sorted(fingerprint(wanted.settings, wanted.questions) for wanted in points)


KINDS = ["tpe", "nsga2", "halving"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_points_are_the_same_whoever_measures_them_in_whatever_order(kind):
    alone = driven(adaptive(study(kind), QUESTIONS))
    assert alone[0].settings == {} or kind == "halving"
    assert names(driven(adaptive(study(kind), QUESTIONS), workers=7, seed=5)) == names(alone)
    assert len(set(names(alone))) == len(alone)  # none twice


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stop", [1, 6, 17])
def test_a_study_that_was_killed_goes_on_to_the_same_points(kind, stop):
    whole = driven(adaptive(study(kind, repeats=2), QUESTIONS), workers=3)
    begun = driven(adaptive(study(kind, repeats=2), QUESTIONS), workers=3, seed=stop, most=stop)
    again = adaptive(study(kind, repeats=2), QUESTIONS)
    for wanted in random.Random(stop).sample(begun, len(begun)):  # what is stored, in whatever order
        tell(again, wanted)
    rest = driven(again, workers=2, seed=9)
    assert not set(names(rest)) & set(names(begun)) and names(begun + rest) == names(whole)


@pytest.mark.parametrize("kind", ["tpe", "nsga2"])
def test_what_is_drawn_hangs_on_the_seed_and_counts_recipes(kind):
    points = driven(adaptive(study(kind), QUESTIONS))
    assert len(points) == 1 + 24  # the base beside them
    others = driven(adaptive(study(kind, design={"seed": 1}), QUESTIONS))
    assert names(points) != names(others)
    top = [wanted.settings for wanted in points if "retrieval.top_k" in wanted.settings]
    assert top and all(settings["fusion"] == "rrf" and 5 <= settings["retrieval.top_k"] <= 30 for settings in top)
    assert all("fusion.weight" not in wanted.settings for wanted in points if wanted.settings.get("fusion") == "sparse_only")


def test_a_space_smaller_than_the_trials_is_measured_once_and_ends():
    small = made({"factors": [{"setting": "fusion.weight", "values": [0.1, 0.2, 0.3]}], "design": {"kind": "tpe", "trials": 50}})
    assert names(driven(adaptive(small, 10))) == names([Wanted({}), *(Wanted({"fusion.weight": w}) for w in (0.1, 0.2, 0.3))])


def test_points_that_are_no_recipe_are_told_and_the_others_measured():
    wrong = made({"factors": [{"setting": "fusion.weight", "low": 0.5, "high": 1.5}], "design": {"kind": "tpe", "trials": 12}})
    design = adaptive(wrong, 10)
    points = driven(design)
    assert all(wanted.settings.get("fusion.weight", 1) <= 1 for wanted in points) and len(points) == 13
    assert design.left_out and all(settings["fusion.weight"] > 1 and "at most 1" in why for settings, why in design.left_out)


@pytest.mark.parametrize("kind", KINDS)
def test_a_study_whose_points_all_fail_ends(kind):
    design = adaptive(study(kind), QUESTIONS)
    for _ in range(500):
        if design.done:
            break
        for wanted in design.ask():
            design.tell(wanted, None if wanted.settings else {"ndcg_linear": float("nan")})
    assert design.done


def test_without_factors_the_base_is_measured_once():
    for kind in KINDS:
        assert driven(
            adaptive(made({"design": {"kind": kind}, "metrics": ["recall", "latency_ms"] if kind == "nsga2" else ["recall"]}), 10)
        ) == [Wanted({})]


def test_the_rounds_of_halving_are_those_of_the_paper():
    """Li et al. 2018, section 3: of 81 points a third goes on with three times the budget, to 1 with 81 times."""
    eighty_one = study("halving", design={"trials": 81, "first_questions": 5, "eta": 3})
    assert [tuple(rung) for rung in rungs(eighty_one, 81, 405)] == [(81, 5), (27, 15), (9, 45), (3, 135), (1, 0)]
    assert [tuple(rung) for rung in rungs(eighty_one, 81, 45)] == [(81, 5), (27, 15), (9, 0)]
    assert [tuple(rung) for rung in rungs(eighty_one, 81, 5)] == [(81, 0)] and rungs(eighty_one, 0, 405) == [(0, 0)]
    assert [tuple(rung) for rung in rungs(eighty_one, 10, 10_000)] == [(10, 5), (4, 15), (2, 45), (1, 0)]


def test_halving_keeps_the_best_and_the_base_and_says_who_is_not_told_apart():
    experiment = study("halving", design={"trials": 18, "first_questions": 40, "eta": 3})
    design = adaptive(experiment, QUESTIONS)
    points = driven(design, workers=4)
    by_round = {}
    for wanted in points:
        by_round.setdefault(wanted.questions, []).append(wanted)
    assert list(by_round) == [40, 120, 0] and all(Wanted({}, count) in of for count, of in by_round.items())
    first = sorted((w for w in by_round[40] if w.settings and measured(w)), key=lambda w: -measured(w)["ndcg_linear"])
    assert {fingerprint(w.settings) for w in first[:6]} == {fingerprint(w.settings) for w in by_round[120] if w.settings}
    assert len(design.selections) == 2 and [len(cut.stayed) for cut in design.selections] == [6, 2]
    cut = design.selections[0]
    assert cut.questions == 40 and all(settings in cut.left for settings in cut.tied)
    last, gap = by_question(Wanted(cut.stayed[-1], 40)), []
    for settings in cut.left:
        difference = last - by_question(Wanted(settings, 40))
        gap.append((abs(difference.mean()) / difference.std(ddof=1) * 40**0.5, settings in cut.tied))
    assert min(gap)[1] and not max(gap)[1]  # the nearest is not told apart, the farthest is


def test_the_last_bits_of_means_do_not_say_who_goes_on():
    factors = [{"setting": "retrieval.candidates", "values": list(range(20, 200, 20))}]
    asked = []
    for seed in range(4):  # a mean measured now and one that the store gives differ in the last bits
        rng, design = np.random.default_rng(seed), adaptive(study("halving", factors=factors, design={"trials": 0}), QUESTIONS)
        while not design.done:
            points = design.ask()
            for wanted in points:
                design.tell(wanted, {"ndcg_linear": 0.7 + rng.integers(-1, 2) * 1e-16})
        asked.append(names(points))
    assert asked.count(asked[0]) == 4


def test_a_halving_whose_questions_nobody_tells_claims_no_ties():
    design = adaptive(study("halving", design={"trials": 9, "first_questions": 40}), QUESTIONS)
    while not design.done:
        for wanted in design.ask():
            design.tell(wanted, measured(wanted))
    assert all(cut.tied == [] for cut in design.selections)


@pytest.mark.slow
def test_metrics_that_are_better_when_less_are_and_costs_are_made_small():
    experiment = study("nsga2", design={"trials": 60, "batch": 12})
    points = driven(adaptive(experiment, QUESTIONS))
    early, late = points[1:13], points[-12:]
    cost = [np.mean([measured(w)["latency_ms"] for w in part if measured(w)]) for part in (early, late)]
    assert len(points) == 61 and cost[1] <= cost[0]


def settling(design: Adaptive, means: dict[float, float], spread: float) -> list[Wanted]:
    """Driven with scores of these means by weight, whose questions differ by so much at random."""
    points = []
    while not design.done:
        for wanted in design.ask():
            weight = wanted.settings["fusion.weight"]
            table = np.random.default_rng(int(weight * 10)).normal(means[weight], spread, QUESTIONS)[: wanted.questions or None]
            design.tell(wanted, {"ndcg_linear": table.mean()}, table)
            points.append(wanted)
    return points


def settled_study(**design) -> Experiment:
    weights = [{"setting": "fusion.weight", "values": [0.1, 0.4, 0.7]}]  # 0.7 is the base's
    return made({"factors": weights, "settled": True, "design": {"first_questions": 40, **design}, "metrics": ["ndcg_linear"]})


def test_a_study_ends_when_its_question_is_settled():
    design = adaptive(settled_study(), QUESTIONS)
    points = settling(design, {0.1: 0.3, 0.4: 0.9, 0.7: 0.5}, 0.1)
    assert [wanted.questions for wanted in points] == [40] * 3 + [0] * 2
    assert [wanted.settings["fusion.weight"] for wanted in points[3:]] == [0.7, 0.4]  # the base beside the best
    assert (
        design.settled
        == "dense weight 0.4 differs significantly from all 2 others (40 questions, at 97.50%, its share of 95% over 2 looks)"
    )


def test_what_is_not_settled_is_asked_everything():
    equal = {0.1: 0.5, 0.4: 0.5, 0.7: 0.5}
    design = adaptive(settled_study(), QUESTIONS)
    assert [wanted.questions for wanted in settling(design, equal, 0.3)] == [40] * 3 + [120] * 3 + [0] * 3 and not design.settled
    halved = adaptive(settled_study(kind="halving", trials=0), QUESTIONS)
    assert [wanted.questions for wanted in settling(halved, equal, 0.3)] == [40] * 3 + [0] * 2 and not halved.settled
    with pytest.raises(WorkbenchError, match="never settled"):
        study("tpe", settled=True)
