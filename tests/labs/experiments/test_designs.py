"""Designs that say their points beforehand: which points they are, which are one, and which are left out."""

import json

import numpy as np
import pytest

from core.__main__ import main
from core.config import fingerprint, with_settings
from core.errors import WorkbenchError
from core.labs.experiments import designs
from core.labs.experiments.experiment import Experiment, made, written


def study(*factors, design=None, **more) -> Experiment:
    return made({"factors": list(factors), "design": design or {}, **more})


def values(setting, *listed, **more) -> dict:
    return {"setting": setting, "values": list(listed), **more}


WEIGHT, TOP = values("fusion.weight", 0.2, 0.8), values("retrieval.top_k", 5, 10, 15)


def test_a_grid_is_the_base_and_all_combinations_the_last_factor_changing_first():
    made = designs.points(study(WEIGHT, TOP))
    crossed = [{"fusion.weight": weight, "retrieval.top_k": top} for weight in (0.2, 0.8) for top in (5, 10, 15)]
    assert made == ([{}, *crossed], [])


def test_a_point_that_is_the_base_is_not_measured_twice():
    made = designs.points(study(values("retrieval.top_k", 5, 20), base={"retrieval": {"top_k": 20}}))
    assert made.settings == [{"retrieval.top_k": 20}, {"retrieval.top_k": 5}]  # the base first, by its words


def test_each_factor_alone_from_the_base():
    made = designs.points(study(WEIGHT, TOP, design={"kind": "one_at_a_time"}))
    assert made.settings == [{}, *({"fusion.weight": w} for w in (0.2, 0.8)), *({"retrieval.top_k": k} for k in (5, 10, 15))]


def test_a_setting_is_varied_only_where_its_part_is_in_use():
    made = designs.points(study(values("fusion", "sparse_only", "rrf", {"part": "convex", "normalisation": "z_score"}), WEIGHT))
    assert [settings.get("fusion.weight") for settings in made.settings[1:]] == [None, 0.2, 0.8, 0.2, 0.8]
    assert made.left_out == []


def test_conditions_hold_at_the_point_not_in_the_base():
    when = values("sparse.k1", 0.9, 1.5, when={"fusion.part": ["sparse_only"], "retrieval.top_k": [5]})
    made = designs.points(study(when, values("fusion.part", "sparse_only", "dense_only"), values("retrieval.top_k", 5, 10)))
    varied = [settings for settings in made.settings if "sparse.k1" in settings]
    assert len(made.settings) == 1 + 3 + 2 and len(varied) == 2
    assert all(settings["fusion.part"] == "sparse_only" and settings["retrieval.top_k"] == 5 for settings in varied)
    assert list(varied[0]) == ["sparse.k1", "fusion.part", "retrieval.top_k"]  # in the order of the factors


def test_a_condition_on_the_base_and_on_a_mapping_of_a_part_holds():
    inside = values("fusion.weight", 0.2, when={"fusion": [{"part": "rrf"}], "retrieval.top_k": [7]})
    fusions = values("fusion", {"part": "rrf", "constant": 10}, "convex")
    made = designs.points(study(inside, fusions, base={"retrieval": {"top_k": 7}}))
    assert [settings.get("fusion.weight") for settings in made.settings] == [None, 0.2, None][: len(made.settings)]


def test_what_no_point_varies_and_what_is_no_recipe_is_told():
    never = values("sparse.k1", 0.9, when={"fusion.part": ["rrf"]})
    made = designs.points(study(never, values("fusion.weight", 0.5, 7), values("retrieval.top_k", 0)))
    assert made.left_out[-1] == ({"sparse.k1": [0.9]}, "no point fulfils the conditions under which it is varied")
    reasons = dict((settings["fusion.weight"], why) for settings, why in made.left_out[:-1])
    assert reasons[0.5] == "Top k must be at least 1" and "ense weight must be at most 1" in reasons[7]
    assert made.settings == [{}]


def test_repeats_differ_in_their_seed():
    made = designs.points(study(WEIGHT, repeats=3, base={"seed": 7}))
    assert made.settings[:3] == [{}, {"seed": 8}, {"seed": 9}] and len(made.settings) == 9
    assert made.settings[3:6] == [{"fusion.weight": 0.2} | more for more in ({}, {"seed": 8}, {"seed": 9})]


RANGES = (
    {"setting": "fusion.weight", "low": 0.1, "high": 0.9},
    {"setting": "sparse.k1", "low": 0.01, "high": 2.0, "log": True},
    {"setting": "retrieval.top_k", "low": 4.5, "high": 24.5, "whole": True},
    values("retrieval.candidates", 50, 60, 70, 80),
)


def test_a_latin_hypercube_has_one_point_in_each_stratum_of_every_factor():
    made = designs.points(study(*RANGES, design={"kind": "latin", "trials": 20, "seed": 3}))
    points = made.settings[1:]
    assert len(points) == 20 and not made.left_out
    weights = np.array([settings["fusion.weight"] for settings in points])
    logs = np.log([settings["sparse.k1"] for settings in points])
    assert sorted(np.floor((weights - 0.1) / 0.8 * 20).astype(int)) == list(range(20))
    assert sorted(np.floor((logs - np.log(0.01)) / np.log(200) * 20).astype(int)) == list(range(20))
    assert sorted(settings["retrieval.top_k"] for settings in points) == list(range(5, 25))
    counts = np.unique([settings["retrieval.candidates"] for settings in points], return_counts=True)
    assert counts[1].tolist() == [5] * 4


@pytest.mark.parametrize("kind", ["latin", "random"])
def test_what_is_drawn_hangs_on_the_seed_alone(kind):
    def points(seed):
        return designs.points(study(*RANGES, design={"kind": kind, "trials": 8, "seed": seed})).settings

    assert points(1) == points(1) != points(2)
    for settings in points(1)[1:]:
        assert 0.1 <= settings["fusion.weight"] <= 0.9 and 0.01 <= settings["sparse.k1"] <= 2.0
        assert type(settings["retrieval.top_k"]) is int and type(settings["fusion.weight"]) is float


def test_random_points_that_fall_together_are_drawn_again_and_no_more_than_there_are():
    made = designs.points(study(WEIGHT, TOP, design={"kind": "random", "trials": 6}))
    assert len(made.settings) == 1 + 6
    made = designs.points(study(WEIGHT, TOP, design={"kind": "random", "trials": 50}))
    assert len(made.settings) == 1 + 6


def test_every_place_of_a_range_is_a_value_inside_it():
    for factor in study(*RANGES, design={"kind": "random"}).factors:
        ends = [designs.value_at(factor, place) for place in (0.0, 1 - 1e-12, 1.0)]
        if factor.values:
            assert ends == [50, 80, 80]
        else:
            assert factor.low <= ends[0] <= ends[1] <= ends[2] <= factor.high


def test_a_grid_too_large_is_refused_before_it_is_made():
    wide = [values(name, *(n / 1000 for n in range(1, 1000))) for name in ("sparse.k1", "sparse.b", "fusion.weight")]
    with pytest.raises(WorkbenchError, match="more than 10,000 points"):
        designs.points(study(*wide))


def test_without_factors_the_base_is_all():
    for kind in ("grid", "random", "latin", "one_at_a_time", "halving", "tpe"):
        assert designs.points(study(design={"kind": kind, "trials": 5})).settings == [{}]


def test_settings_that_are_the_same_recipe_by_other_words_are_one_point():
    base = made({}).recipe
    both = [{"fusion.part": "convex"}, {"fusion": {"part": "convex", "weight": base.fusion.weight}}]
    assert len({fingerprint(with_settings(base, settings)) for settings in both}) == 1
    assert len(designs.Space(made({})).distinct(both).settings) == 1


def test_the_command_tells_points_and_what_is_left_out(tmp_path, capsys):
    file = tmp_path / "study.yaml"
    file.write_text(written(study(values("fusion.weight", 0.2, 7), title="A")), "utf-8")
    assert main(["study-points", str(file), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["settings"] for row in rows] == [{}, {"fusion.weight": 0.2}, {"fusion.weight": 7}]
    assert [bool(row["left out"]) for row in rows] == [False, False, True]
    assert main(["study-points", str(tmp_path / "none.yaml")]) == 1 and "cannot be read" in capsys.readouterr().err


def test_the_command_tells_the_first_round_of_a_design_that_learns(tmp_path, capsys):
    file = tmp_path / "study.yaml"
    file.write_text(written(study(WEIGHT, design={"kind": "halving", "trials": 0, "first_questions": 20}, title="A")), "utf-8")
    assert main(["study-points", str(file), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["settings"], row["questions"]) for row in rows] == [({}, 20), *(({"fusion.weight": w}, 20) for w in (0.2, 0.8))]
