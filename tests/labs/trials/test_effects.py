"""Main effects and interactions: against statsmodels' least squares with blocks, and by hand where the design is whole."""

import itertools
import json

import numpy as np
import pytest

from core.__main__ import main
from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.labs.trials import effects, values
from core.labs.trials.comparison import Trial
from core.labs.trials.values import RecipeScores
from core.statistics.paired import paired_difference
from core.workbench import Workbench
from tests.support.synthetic_trials import add_questions, add_trial


def trial(number: int, settings: dict) -> Trial:
    config = with_settings(TrialConfig(), settings).model_dump(mode="json")
    return Trial(f"{number:026d}", None, "tiny", "ok", "", "", config, str(number), "q", "c", {"mrr": 0.5}, 30, 30, {})


def measured(settings: list[dict], table: np.ndarray) -> RecipeScores:
    recipes = [trial(number, changed) for number, changed in enumerate(settings)]
    places = np.arange(table.shape[1])
    return RecipeScores("mrr", recipes, [[t] for t in recipes], table, np.full(len(recipes), np.nan), places, table.shape[1])


GRID = [
    {"chunking.size_tokens": size, "fusion.weight": weight, "evaluation.k": 10}
    for size, weight in itertools.product((64, 128, 256), (0.3, 0.7))
]


def grid_scores(rows=range(6), questions=30):
    rng = np.random.default_rng(0)
    table = rng.random((len(GRID), questions)) * 0.4 + rng.random(questions)[None, :] * 0.3
    table += np.array([{64: 0.0, 128: 0.1, 256: 0.05}[row["chunking.size_tokens"]] for row in GRID])[:, None]
    table += np.array([0.2 * (row["fusion.weight"] == 0.7) * (row["chunking.size_tokens"] == 256) for row in GRID])[:, None]
    return measured([GRID[row] for row in rows], table[list(rows)])


def test_in_a_whole_grid_a_level_has_the_mean_of_its_trials_and_intervals_are_the_paired_ones():
    scores = grid_scores()
    result = effects._effects(scores)
    size, weight = (next(e for e in result.main if e.setting == name) for name in ("chunking.size_tokens", "fusion.weight"))
    own = scores.values.reshape(3, 2, -1)
    assert [level.mean for level in size.levels] == pytest.approx(own.mean(axis=(1, 2)).tolist())
    [paired] = paired_difference(own[:, 1].mean(axis=0), own[:, 0].mean(axis=0))
    high = weight.levels[1]
    assert high.change[:3] == pytest.approx(paired[:3])
    assert [level.recipes for level in size.levels] == [2, 2, 2] and size.levels[0].change is None
    assert [level.name for level in size.levels] == ["64", "128", "256"]
    assert size.title == "chunking size"


def test_an_interaction_is_the_difference_of_differences():
    scores = grid_scores()
    own = scores.values.reshape(3, 2, -1)
    by_hand = {
        size: ((own[i, 1] - own[0, 1]) - (own[i, 0] - own[0, 0])).mean() for i, size in enumerate(("64", "128", "256")) if i
    }
    rows = effects._effects(scores).interactions
    assert {row.levels[0]: row.gap.difference for row in rows} == pytest.approx(by_hand)
    assert (
        rows[0].levels == ("256", "64", "0.7", "0.3") and rows[0].gap.p_holm < 0.05 and rows[0].gap.low < 0.2 < rows[0].gap.high
    )


def test_an_unbalanced_design_has_the_least_squares_of_statsmodels_with_questions_as_blocks():
    pandas, formula = pytest.importorskip("pandas"), pytest.importorskip("statsmodels.formula.api")
    scores = grid_scores([0, 1, 2, 4, 5])  # one cell of the grid is missing
    long = pandas.DataFrame(
        [
            {
                "size": str(t.settings["chunking.size_tokens"]),
                "weight": str(t.settings["fusion.weight"]),
                "question": f"q{q}",
                "y": y,
            }
            for t, row in zip(scores.recipes, scores.values, strict=True)
            for q, y in enumerate(row)
        ]
    )
    fit = formula.ols("y ~ C(size, Treatment('64')) + C(weight, Treatment('0.3')) + C(question)", long).fit()
    main = {e.setting: e.levels for e in effects._effects(scores).main}
    for level in main["chunking.size_tokens"][1:]:
        assert level.change.difference == pytest.approx(fit.params[f"C(size, Treatment('64'))[T.{level.name}]"])
    assert main["fusion.weight"][1].change.difference == pytest.approx(fit.params["C(weight, Treatment('0.3'))[T.0.7]"])


def test_a_setting_that_one_part_has_is_compared_within_it_and_the_parts_over_it():
    settings = [{"fusion.part": "rrf"}, *({"fusion.part": "convex", "fusion.weight": w} for w in (0.3, 0.7))]
    table = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.7], [0.6, 0.7, 0.9]])
    main = {e.setting: e.levels for e in effects._effects(measured(settings, table)).main}
    assert set(main) == {"fusion.part", "fusion.weight"}
    assert [level.name for level in main["fusion.part"]] == [
        "Hybrid convex",
        "Hybrid RRF",
    ]  # by name, whatever was measured first
    assert main["fusion.part"][1].change.difference == pytest.approx(table[0].mean() - table[1:].mean())
    low, high = main["fusion.weight"]
    assert low.mean == pytest.approx(table[1].mean()) and high.change.difference == pytest.approx((table[2] - table[1]).mean())


def test_settings_that_always_change_together_are_one_and_what_is_confounded_is_not_told():
    pairs = [{"chunking.size_tokens": s, "chunking.overlap_tokens": s // 8} for s in (64, 128)]
    [effect] = effects._effects(measured(pairs, np.array([[0.1, 0.2], [0.3, 0.5]]))).main
    assert effect.title == "chunking size with chunking overlap"
    # each level of the one in one trial with a level of its own of the other, but for one pair
    mixed = [{"chunking.size_tokens": s, "fusion.weight": w} for s, w in ((64, 0.1), (64, 0.2), (128, 0.3))]
    result = effects._effects(measured(mixed, np.array([[0.1, 0.2], [0.3, 0.5], [0.3, 0.5]])))
    main = {e.setting: e.levels for e in result.main}
    assert main["fusion.weight"][1].change.difference == pytest.approx(0.25)  # 0.2 minus 0.1, at one size
    assert main["fusion.weight"][2].change is None and main["chunking.size_tokens"][1].change is None
    assert not result.interactions


def conditional() -> list[dict]:
    """A grid of sizes, fusions and, under one of these alone, candidates."""
    fusions = [{"fusion.part": "convex"}, *({"fusion.part": "rrf", "retrieval.candidates": n} for n in (50, 200))]
    return [{"chunking.size_tokens": size, **fusion} for size in (64, 128) for fusion in fusions]


def test_a_setting_varied_under_one_part_of_another_stage_is_compared_under_it():
    table = np.random.default_rng(1).random((6, 40))
    main = {e.setting: e.levels for e in effects._effects(measured(conditional(), table)).main}
    few, many = main["retrieval.candidates"]
    assert (few.name, many.name) == ("50", "200") and few.recipes == many.recipes == 2
    assert many.change.difference == pytest.approx((table[[2, 5]] - table[[1, 4]]).mean())
    rrf = main["fusion.part"][1]
    assert rrf.change.difference == pytest.approx(table[[1, 2, 4, 5]].mean() - table[[0, 3]].mean())


def test_a_base_beside_the_grid_is_left_out_where_it_hides_the_effects():
    base = {"chunking.size_tokens": 96, "chunking.overlap_tokens": 8, "fusion.weight": 0.1}
    grid = [
        {"chunking.size_tokens": s, "chunking.overlap_tokens": s // 4, "fusion.weight": w} for s in (64, 128) for w in (0.3, 0.7)
    ]
    table = np.random.default_rng(2).random((5, 40))
    whole, alone = effects._effects(measured([base, *grid], table)), effects._effects(measured(grid, table[1:]))
    assert (whole.left_out, whole.recipes) == (1, 4) and whole.main == alone.main
    one_at_a_time = [{"fusion.weight": 0.7, "chunking.size_tokens": s} for s in (64, 128, 256)] + [{"fusion.weight": 0.3}]
    assert not effects._effects(measured(one_at_a_time, table[:4])).left_out


def test_numbers_with_many_values_are_put_into_ranges():
    settings = [{"fusion.weight": round(0.05 * i, 2)} for i in range(20)]
    [effect] = effects._effects(measured(settings, np.random.default_rng(0).random((20, 5)))).main
    assert [level.name for level in effect.levels] == ["0 to 0.2", "0.25 to 0.45", "0.5 to 0.7", "0.75 to 0.95"]
    assert [level.recipes for level in effect.levels] == [5, 5, 5, 5]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    store = Workbench(home).store
    questions = add_questions(store)
    for number, settings in enumerate(GRID):
        add_trial(store, questions, settings, 0.3 + 0.1 * number, number, "s")
    add_trial(store, add_questions(store, name="few", n=5), {}, sweep="alone")
    return home


@pytest.mark.slow
def test_the_command_prints_effects_interactions_and_cells(home, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(home))
    assert main(["effects", "s", "--cells", "fusion.weight", "chunking.size_tokens", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    bench = Workbench(home)
    members = values.select(bench, "s")[1]
    assert record["main effects"] == effects.rows(effects.effects(bench, members, "ndcg_linear"))
    assert len(record["interactions"]) == 2 and len(record["cells"]) == 6
    table = values.scores(bench, members, "ndcg_linear")
    own = {
        (t.settings["fusion.weight"], t.settings["chunking.size_tokens"]): row.mean()
        for t, row in zip(table.recipes, table.values, strict=True)
    }
    cells = {(float(c["first"]), int(c["second"])): c["mean"] for c in record["cells"]}
    assert cells == pytest.approx(own)  # two settings in all: a pair's mean is its trial's
    assert main(["effects", "alone"]) == 1 and "do not differ" in capsys.readouterr().err
    assert main(["effects", "s", "--cells", "fusion.weight", "seed"]) == 1


def test_cells_of_one_setting_with_itself_are_refused(home):
    bench = Workbench(home)
    with pytest.raises(WorkbenchError, match="not two settings"):
        effects.cells(bench, values.select(bench, "s")[1], "mrr", "fusion.weight", "fusion.weight")


def test_each_recipe_has_the_value_that_it_has_where_all_are_asked_for():
    settings = [{"chunking.part": "sentence", "chunking.size_tokens": 96}, {"chunking.size_tokens": 254}]
    recipes = measured(settings, np.zeros((2, 3))).recipes
    [parts] = effects.varied(recipes, ranges=False)
    assert "chunking.size_tokens" not in parts.name  # told by the part
    [whole, *_] = effects.varied(recipes, ranges=False, whole=True)
    assert "none" not in whole.levels and (whole.level >= 0).all()
