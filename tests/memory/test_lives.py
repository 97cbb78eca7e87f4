"""A simulated life, what two memories know of it, and policies over it."""

from functools import partial

import numpy as np
import pytest

from core.memory import recorded, simulation
from core.memory.life import LifeRules, lived
from core.memory.policy import ADD_ALL, Policy, tried
from core.memory.recorded import arrays, record_life, recorded_life
from core.memory.simulation import simulate, simulated
from core.progress import Unready, drain
from core.workbench import Workbench
from tests.support.remembered import by_words

SMALL = LifeRules(weeks=10, machines=12, chatter=20, changed=0.1, ended=0.01)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setattr(recorded, "bundled", by_words)
    monkeypatch.setattr(simulation, "BUDGET", 220)
    return Workbench(tmp_path / "home")


def test_a_seed_is_a_life_and_its_values_are_told_before_they_are_asked():
    life, same = lived(SMALL, 3), lived(SMALL, 3)
    assert life == same != lived(SMALL, 4)
    assert {event.kind for event in life.events} == {"new", "change", "repeat", "end", "derived", "chatter"}
    for week, key, _, value in life.asked:
        said = [event for event in life.events if event.key == key and event.kind != "end" and event.week <= week]
        assert max(said, key=lambda event: event.since).value == value


def test_the_selective_memory_follows_changes_and_derivations(bench):
    rows = {row["arm"]: row for row in drain(simulate(bench, 1, 1, SMALL))}
    everything, selective = rows["add-all"], rows["selective"]
    assert everything["stored"] == everything["said"] and selective["stored"] <= 220
    assert selective["stale"] < everything["stale"] and selective["cascade"] > 0.8 and everything["cascade"] < 0.2
    assert selective["absence"] > everything["absence"] == 0.0
    assert {row["arm"] for row in simulated(bench)} == {"add-all", "selective"}


def test_lives_are_listed_by_when_they_were_simulated_whatever_their_seed(bench):
    for seed in (9, 10, 2):
        drain(simulate(bench, seed, 1, LifeRules(weeks=8, machines=4, chatter=2)))
    assert [row["seed"] for row in simulated(bench)] == [2, 2, 10, 10, 9, 9]


def test_a_policy_is_what_a_loop_over_the_life_says(bench):
    life = lived(SMALL, 5)
    made = arrays(life, by_words([event.text for event in life.events]), by_words([text for _, _, text, _ in life.asked]))
    whole = tried(made, ADD_ALL)
    assert whole.size.tolist() == [sum(event.week <= week for event in life.events) for week in whole.week]
    policy = tried(made, Policy(novelty=1.0, budget=0, half_life_days=1e5))
    assert policy.overall_stale.mean < whole.overall_stale.mean and policy.overall.mean >= whole.overall.mean
    assert tried(made, Policy(budget=50)).size.max() == 50
    drops = tried(made, Policy(novelty=0.8, supersedes=False, budget=0))
    assert drops.overall.mean < whole.overall.mean, "new values read like old ones"
    assert np.isfinite(made.relevance).all() and made.similar[0] == -1


def test_a_life_is_recorded_once(bench, monkeypatch):
    monkeypatch.setattr(recorded, "lived", partial(lambda rules, seed: lived(SMALL, seed)))
    with pytest.raises(Unready):
        recorded_life(bench, 2)
    first = drain(record_life(bench, 2))
    monkeypatch.setattr(recorded, "lived", None)
    assert np.array_equal(recorded_life(bench, 2).relevance, first.relevance)
