"""Arms on the same questions: differences are paired tests, families are corrected by Holm, and who measured nothing is told so."""

import numpy as np
import pytest

from core.comparison.comparison import Difference, Rules, by_arm, by_measure, compared, corrected, gaps, rules_of, spread
from core.config import TrialConfig, with_settings
from core.statistics.corrections import holm
from core.statistics.paired import paired_difference
from core.statistics.proportion import unit_intervals
from core.statistics.t_test import paired_t_p

RULES = Rules(500, 0.95, 3)
DRAW = np.random.default_rng(0)
F1 = np.where(DRAW.random(60) < 0.1, np.nan, DRAW.random(60))
ARMS = {
    "base": {"f1": F1 * 0.5, "em": np.round(F1)},
    "better": {"f1": F1 * 0.5 + 0.2, "em": np.round(F1)},
    "worse": {"f1": F1 * 0.5 - 0.1, "em": np.full(60, np.nan)},
}


def test_every_arm_is_held_against_the_base_by_every_measure():
    made = compared(ARMS, RULES, "base")
    assert list(made.differences) == [(arm, "base", name) for arm in ("better", "worse") for name in ("f1", "em")]
    for (arm, base, name), change in made.differences.items():
        [wanted] = paired_difference(ARMS[arm][name], ARMS[base][name], 500, 0.95, seed=3)
        assert change.paired == wanted and made.of(arm, name) is change
    assert made.means["base", "em"] == unit_intervals(ARMS["base"]["em"], 500, 0.95, 3)[0]
    assert made.of("base", "f1") is None, "the base has no difference"
    assert made.row("base") == spread("f1", made.means["base", "f1"]) | {"f1 difference": None, "f1 p (Holm)": None} | made.cells(
        "base", "em"
    )


def test_p_is_corrected_over_its_family_and_what_is_undefined_belongs_to_none():
    made = compared(ARMS, RULES, "base")
    tested = [change for change in made.differences.values() if change.paired.p is not None]
    assert len(tested) == 3 and made.of("worse", "em").p_holm is None, "it measured nothing"
    assert [change.p_holm for change in tested] == holm(np.array([change.paired.p for change in tested])).tolist()
    alone = compared(ARMS, RULES, "base", family=by_measure)
    assert alone.of("better", "em").p_holm == alone.of("better", "em").paired.p, "the only one of its measure"
    free = compared(ARMS, RULES, "base", family=lambda change: "f1" if change.measure == "f1" else None)
    assert free.of("better", "em").p_holm is None and free.of("better", "f1").p_holm == alone.of("better", "f1").p_holm


def test_pairs_may_have_several_bases_and_measures_without_bounds_no_mean():
    pairs = [("better", "base"), ("better", "worse"), ("worse", "base")]
    made = compared(ARMS, RULES, pairs=pairs, unbounded=["em"])
    assert [place[:2] for place in made.differences][::2] == pairs and {name for _, name in made.means} == {"f1"}
    assert compared(ARMS, RULES, "absent").differences == compared(ARMS, RULES).differences == {}
    assert by_arm(made.differences)["worse"]["f1"].base == "base"


def test_a_verdict_is_by_the_corrected_p_in_the_measures_direction():
    made = compared(ARMS, RULES, "base")
    up, down, none = made.of("better", "f1"), made.of("worse", "f1"), made.of("better", "em")
    assert (up.verdict(0.95), down.verdict(0.95), none.verdict(0.95)) == ("better", "worse", "not significant")
    assert up.verdict(0.95, direction=-1) == "worse" and down.verdict(0.95, ("higher", "lower")) == "lower"
    assert made.of("worse", "em").verdict(0.95) == "" and made.significant(0.95) == [up, down]
    assert up.p_holm < 0.001 and up.figures == f"+0.200 ({up.paired.between}), p < 0.001", "no p is 0"
    assert up._replace(p_holm=0.0123).figures == f"+0.200 ({up.paired.between}), p 0.012"
    assert made.findings(0.95, lambda change: change.arm, "none") == ["better", "worse"]
    assert made.findings(1.0, str, "none") == ["none"]
    assert up.columns("gap") == {"gap": up.paired.difference, "low": up.paired.low, "high": up.paired.high} | {
        "p": up.paired.p,
        "p (Holm)": up.p_holm,
    }


def test_two_that_share_no_question_have_no_difference():
    made = corrected({("a", "b", "f1"): None, ("c", "b", "f1"): RULES.difference(F1, F1 + 0.5)})
    assert made["a", "b", "f1"] == Difference("a", "b", "f1", None, None) and made["c", "b", "f1"].significant(0.95)
    assert set(made["a", "b", "f1"].columns().values()) == {None}


def test_many_arms_are_compared_in_one_pass_by_the_t_test():
    table = DRAW.normal(0.05, 0.2, (4, 50))
    made = gaps(table, RULES, [1, 3])
    assert [gap.p_holm is None for gap in made] == [True, False, True, False]
    assert [made[row].p_holm for row in (1, 3)] == holm(paired_t_p(table[[1, 3]])).tolist()
    assert made[2].difference == pytest.approx(table[2].mean()) and made[2].low < made[2].difference < made[2].high


def test_differences_that_are_rounding_are_none():
    for gap in gaps(np.random.default_rng(0).uniform(1e-17, 9e-17, (2, 40)), RULES, [0, 1]):
        assert gap == (0, 0, 0, 1)


def test_the_rules_are_those_of_the_recipe():
    recipe = with_settings(TrialConfig(), {"seed": 7, "evaluation.resamples": 200, "evaluation.confidence": 0.9})
    assert rules_of(recipe) == (200, 0.9, 7)
