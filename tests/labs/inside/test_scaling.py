"""Scaling: parameters are those of the model, the law foretells what it has not seen, and trainings are made once."""

import numpy as np
import pytest

from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.inside import scaling as lab
from core.labs.inside.scaling import ScaledRun
from core.progress import drain
from core.statistics.scaling import ScalingLaw
from tests.support.failing import failing, recipe


@pytest.mark.parametrize("width", [32, 64])
def test_parameters_are_those_of_the_model_without_its_embedding(width):
    from core.scratch.models import moe

    [config] = lab.configs({}, [width], [10], [0])
    model = moe.build(config, 300)
    whole = sum(weight.numel() for weight in model.parameters())
    assert lab.parameters(config) == whole - model.embed_tokens.weight.numel()


@pytest.mark.parametrize("name", ["experts", "balance_weight", "width", "steps", "seed"])
def test_a_setting_that_the_study_sets_itself_is_refused_and_not_ignored(name):
    with pytest.raises(WorkbenchError, match=f"sets '{name}' itself"):
        lab.configs({"layers": 1, name: 1}, [32], [10], [0])


@pytest.mark.parametrize("widths, steps", [([32, 64], [10, 20]), ([32], [10, 20, 30, 40, 50, 60])])
def test_nothing_is_trained_where_no_law_could_be_fitted(widths, steps):
    with pytest.raises(WorkbenchError, match="No law can be fitted: a law needs 6 trainings"):
        next(lab.study(None, TrialConfig(), lab.configs({}, widths, steps, [0])))


@pytest.mark.slow
def test_the_largest_is_foretold_and_the_next_is_told():
    law, draw = ScalingLaw(1.0, 60.0, 0.4, 200.0, 0.4), np.random.default_rng(0)
    runs = [
        ScaledRun(0, n, d, 6.0 * n * d, float(law.loss(n, d)) * float(np.exp(draw.normal(0, 0.002))))
        for n in (10_000, 40_000, 160_000, 640_000)
        for d in (100_000, 400_000, 1_600_000, 6_400_000)
    ]
    made = lab.fitted(runs, TrialConfig())
    assert made.largest.parameters == 640_000 and made.largest.tokens == 6_400_000
    assert made.foretold[0] == pytest.approx(made.largest.loss, rel=0.05)
    assert made.next_parameters == 2_560_000 and made.next_tokens == 12_800_000
    assert made.ahead[0] < made.largest.loss and made.ahead[1] <= made.ahead[0] <= made.ahead[2]
    told = lab.record(made)
    assert [row["parameter"] for row in told["law"]] == ["e", "a", "alpha", "b", "beta"] and len(told["trainings"]) == 16
    with pytest.raises(WorkbenchError, match="No law"):
        lab.fitted(runs[:3], TrialConfig())


@pytest.mark.slow
def test_trainings_are_made_once(tmp_path):
    bench = failing(tmp_path / "home")
    wanted = lab.configs({"layers": 1, "batch": 4, "context": 16, "vocabulary": 300}, [32, 64], [2, 4, 8], [0])
    made = drain(lab.study(bench, recipe(), wanted))
    assert len(made.runs) == 6 and all(run.loss > 0 for run in made.runs)
    steps = [step.message for step in lab.study(bench, recipe(), wanted)]
    assert not any("loss" in message for message in steps)
