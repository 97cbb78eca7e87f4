"""Variance components: analysis of variance where nothing is missing, planted components found again, and what settles a gain."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from core.statistics.noise import FEW, noise_budget, settled, verdict

PLANTED = {"question": 0.3, "seed": 0.03, "judge": 0.08, "question × seed": 0.15, "question × judge": 0.1, "rest": 0.1}


def table(rng, questions: int, seeds: int, judges: int, missing: float = 0.0, effect=None, **planted):
    """Values with their factors; effect draws standard effects."""
    draw, sizes = effect or rng.standard_normal, PLANTED | planted
    q, s, j = (axis.ravel() for axis in np.meshgrid(*map(np.arange, (questions, seeds, judges)), indexing="ij"))
    values = 0.5 + sizes["question"] * draw(questions)[q] + sizes["seed"] * draw(seeds)[s] + sizes["judge"] * draw(judges)[j]
    values = values + sizes["question × seed"] * draw((questions, seeds))[q, s]
    values = values + sizes["question × judge"] * draw((questions, judges))[q, j] + sizes["rest"] * draw(len(q))
    kept = rng.random(len(q)) >= missing
    return values[kept], {"question": q[kept], "seed": s[kept], "judge": j[kept]}


def variances(budget) -> dict[str, float]:
    return {each.name: each.variance for each in budget.components}


def test_with_no_cell_missing_it_is_the_analysis_of_variance():
    values, factors = table(np.random.default_rng(1), 30, 4, 3)
    frame = pd.DataFrame({"y": values, **factors})
    square = anova_lm(ols("y ~ C(question)*C(seed) + C(question)*C(judge) + C(seed)*C(judge)", frame).fit())
    square = (square["sum_sq"] / square["df"]).to_dict()
    rest = square["Residual"]
    both = {
        pair: square[f"C({pair[0]}):C({pair[1]})"] for pair in (("question", "seed"), ("question", "judge"), ("seed", "judge"))
    }
    alone = {name: square[f"C({name})"] for name in factors}
    wanted = {
        "question × seed": (both["question", "seed"] - rest) / 3,
        "question × judge": (both["question", "judge"] - rest) / 4,
        "seed × judge": (both["seed", "judge"] - rest) / 30,
        "question": (alone["question"] - both["question", "seed"] - both["question", "judge"] + rest) / 12,
        "seed": (alone["seed"] - both["question", "seed"] - both["seed", "judge"] + rest) / 90,
        "judge": (alone["judge"] - both["question", "judge"] - both["seed", "judge"] + rest) / 120,
        "rest": rest,
    }
    assert variances(noise_budget(values, factors)) == pytest.approx({k: max(0, v) for k, v in wanted.items()}, abs=1e-10)


def test_one_factor_is_the_textbooks():
    """Snedecor and Cochran 1989, table 13.3.1: calcium in 4 determinations of 4 turnip leaves; 0.0724 and 0.0066."""
    leaves = [[3.28, 3.09, 3.03, 3.03], [3.52, 3.48, 3.38, 3.38], [2.88, 2.80, 2.81, 2.76], [3.34, 3.38, 3.23, 3.26]]
    budget = noise_budget(np.ravel(leaves), {"leaf": np.repeat(range(4), 4)})
    assert variances(budget) == pytest.approx({"leaf": 0.0724, "rest": 0.0066}, abs=5e-5)
    leaf = budget.of("leaf")
    assert leaf.low < 0.0724 < leaf.high and leaf.high > 5 * 0.0724, "four leaves say little"


def test_missing_cells_leave_the_estimates_unbiased():
    rng, sums = np.random.default_rng(2), []
    for _ in range(60):
        sums.append(variances(noise_budget(*table(rng, 40, 3, 3, missing=0.3), draws=20)))
    for name, size in PLANTED.items():
        own = np.array([each[name] for each in sums])
        if name != "seed":  # so small that estimates below 0, told as 0, lift the mean
            assert own.mean() == pytest.approx(size**2, abs=4 * own.std() / np.sqrt(60)), name


@pytest.mark.slow
def test_planted_components_lie_within_their_intervals():
    rng, held = np.random.default_rng(3), {name: [] for name in PLANTED}
    for _ in range(400):
        budget = noise_budget(*table(rng, 40, 4, 3, missing=0.1), draws=200)
        for name, size in PLANTED.items():
            held[name].append(budget.of(name).low <= size**2 <= budget.of(name).high)
    for name, inside in held.items():
        assert 0.92 <= np.mean(inside) <= 0.98, (name, np.mean(inside))


def test_planted_components_lie_within_their_intervals_mostly():
    rng, held = np.random.default_rng(3), []
    for _ in range(12):
        budget = noise_budget(*table(rng, 25, 3, 3, missing=0.1), draws=100)
        held += [budget.of(name).low <= size**2 <= budget.of(name).high for name, size in PLANTED.items()]
    assert np.mean(held) >= 0.88


def test_what_cannot_be_told_apart_is_told():
    values, factors = table(np.random.default_rng(4), 20, 3, 1)
    budget = noise_budget(values, factors)
    assert budget.levels["judge"] == 1 and "judge has 1 level: it is left out" in budget.notes
    assert "question × seed cannot be told apart, and is part of the rest" in budget.notes
    again = noise_budget(np.tile(values, 2), {name: np.tile(level, 2) for name, level in factors.items()})
    assert again.of("question × seed") is not None and again.of("rest").variance == pytest.approx(0, abs=1e-12)
    aliased = noise_budget(values, {"question": factors["question"], "seed": factors["seed"], "build": factors["seed"] * 7})
    assert any(note.startswith("build cannot be told apart") for note in aliased.notes)


@pytest.mark.parametrize("values", [[], [0.3], [np.nan, 0.2, np.nan], [0.1, 0.2, 0.3]])
def test_too_little_is_told(values):
    budget = noise_budget(np.array(values, float), {"question": ["same"] * len(values)})
    assert budget.components == [] and budget.notes[-1] == FEW and budget.total == len(values)


def test_values_that_do_not_vary_have_no_noise_and_none_is_unmeasured():
    budget = noise_budget(np.array([0.5] * 6 + [np.nan]), {"question": [1, 1, 2, 2, 3, 3, 3]})
    assert set(variances(budget).values()) == {0.0} and (budget.n, budget.total) == (6, 7)
    with pytest.raises(ValueError):
        noise_budget(np.zeros(3), {})


def gains(rng, budget, planned, gain, runs=4000):
    """The share of simulated comparisons of two systems whose difference is off by more than the gain."""
    questions, judges = planned["question"], planned["judge"]
    sizes = {each.name: each.deviation for each in budget.components}
    off = []
    for _ in range(runs):
        two = [
            sizes["judge"] * rng.standard_normal(judges).mean()
            + sizes["question × judge"] * rng.standard_normal((questions, judges)).mean()
            + sizes["rest"] * rng.standard_normal((questions, judges)).mean()
            for _ in range(2)
        ]
        off.append(abs(two[0] - two[1]) > gain)
    return np.mean(off)


def test_the_repeats_and_questions_it_asks_for_settle_the_gain():
    rng = np.random.default_rng(5)
    values, factors = table(rng, 60, 1, 3, seed=0, **{"question × seed": 0.0, "judge": 0.02, "question × judge": 0.3})
    budget = noise_budget(np.tile(values, 2), {n: np.tile(f, 2) for n, f in factors.items() if n != "seed"})
    plan = {"question": 60, "judge": 1}
    now = settled(budget, 0.06, plan)
    assert not now.above and now.source == "judge"
    for wider in ({"question": 60, "judge": now.repeats["judge"]}, {"question": now.questions, "judge": 1}):
        assert settled(budget, 0.06, wider).above or settled(budget, 0.06, wider).noise == pytest.approx(0.06)
        fewer = {name: number - (number != plan[name]) for name, number in wider.items()}
        assert not settled(budget, 0.06, fewer).above
    assert gains(rng, budget, plan, now.noise) == pytest.approx(0.05, abs=0.015)
    said = verdict(now, budget)
    assert said.startswith("The gain of 0.060 is below the noise of a difference, ") and "would settle it" in said
    (low, high), (fewest, _) = now.ranges["judge"], now.ranges["question"]
    assert low <= now.repeats["judge"] and fewest <= now.questions and now.noise_range[0] < now.noise < now.noise_range[1]
    span = f"({low:,} to {high:,})" if high is not None else f"({low:,} or more)"
    assert f"{now.repeats['judge']:,} {span} levels of judge or {now.questions:,} ({fewest:,} " in said


@pytest.mark.slow
def test_the_numbers_that_would_settle_it_lie_within_their_intervals():
    """Of a gain of 0.03 with judges of each system's own, and of 0.01 where both share them, so that questions settle it."""
    rng, inside = np.random.default_rng(8), {"judge": [], "question": []}
    plain = {"seed": 0.0, "question × seed": 0.0, "judge": 0.03}
    plan, sizes = {"question": 60, "judge": 5}, PLANTED | plain
    for _ in range(200):
        values, factors = table(rng, 60, 2, 5, **plain)  # two values a cell
        budget = noise_budget(values, {name: factors[name] for name in ("question", "judge")}, draws=200)
        planted = [
            each._replace(variance=sizes[each.name] ** 2, low=sizes[each.name] ** 2, high=sizes[each.name] ** 2)
            for each in budget.components
        ]
        for name, gain, shared in (("judge", 0.03, ()), ("question", 0.01, ("judge",))):
            true = settled(budget._replace(components=planted), gain, plan, shared)
            low, high = settled(budget, gain, plan, shared).ranges[name]
            number = true.questions if name == "question" else true.repeats["judge"]
            assert number is not None
            inside[name].append(low is not None and low <= number <= (np.inf if high is None else high))
    assert all(np.mean(held) >= 0.95 for held in inside.values()), {name: np.mean(held) for name, held in inside.items()}


def test_a_judge_of_one_level_cannot_be_outvoted_by_questions():
    values, factors = table(np.random.default_rng(6), 60, 1, 4, **{"judge": 0.2})
    budget = noise_budget(values, {name: factors[name] for name in ("question", "judge")})
    outcome = settled(budget, 0.02, {"judge": 1})
    assert outcome.questions is None and outcome.repeats["judge"] > 4
    shared = settled(budget, 0.02, {"judge": 1}, shared=["judge"])
    assert shared.noise < outcome.noise and shared.questions is not None, "one judge for both: its level cancels"


def test_of_differences_nothing_cancels():
    rng = np.random.default_rng(7)
    per_question = rng.normal(0.05, 0.3, 100)
    budget = noise_budget(np.repeat(per_question, 2) + rng.normal(0, 1e-3, 200), {"question": np.repeat(range(100), 2)})
    outcome = settled(budget, 0.05, differences=True)
    assert outcome.noise == pytest.approx(1.96 * per_question.std(ddof=1) / 10, rel=1e-3)
    assert outcome.source == "question" and outcome.questions == pytest.approx((1.96 * per_question.std() / 0.05) ** 2, rel=0.03)
    assert "above" in verdict(settled(budget, 0.5, differences=True), budget)
    assert settled(budget, 0.0).questions is None and "no number of questions" in verdict(settled(budget, 0.0), budget)
