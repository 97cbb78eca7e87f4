"""What is asked of the database is what whole trials in memory give, in stores of random trials."""

import random

import pytest

from core.errors import WorkbenchError
from core.labs.trials import choice, comparison, listing, membership, values
from core.labs.trials.comparison import Trial
from core.workbench import Workbench
from tests.support.synthetic_trials import add_failed, add_questions, add_trial
from tests.support.whole_trials import matching

SWEEPS, DATASETS = ("", "a", "b"), ("tiny", "other")


@pytest.fixture(scope="module", params=range(2))
def bench(request, tmp_path_factory):
    """Recipes of a few values, so that many are equal, on dev and test, at two depths, of two corpora; some failed."""
    bench, draw = Workbench(tmp_path_factory.mktemp("home")), random.Random(request.param)
    sets = {
        (dataset, part, n): add_questions(bench.store, n, f"{dataset} {part} {n}", dataset, first=first)
        for dataset in DATASETS
        for part, first in (("dev", 0), ("test", 40))
        for n in (8, 12)
    }
    for number in range(36):
        (dataset, part, _), asked = draw.choice([*sets.items()])
        settings = {
            "corpus.dataset": dataset,
            "corpus.questions": part,
            "fusion.weight": draw.choice((0.2, 0.5)),
            "evaluation.k": draw.choice((10, 10, 10, 5)),
            "seed": draw.choice((0, 0, 1)),
        }
        add_trial(bench.store, asked, settings, draw.choice((0.3, 0.6, 0.9)), number, draw.choice(SWEEPS))
        if draw.random() < 0.1:
            add_failed(bench.store, dataset=dataset)
    return bench


def selected(stored: list[Trial], sweep: str, dataset: str, only: set[str], part: str) -> tuple[str, list[Trial]] | None:
    """As `values.select`, of whole trials."""
    chosen = [t for t in matching(stored, dataset, sweep=sweep) if not only or t.id in only]
    named = comparison.named_groups(t for t in chosen if part in ("", t.settings.get("corpus.questions")))
    if not named:
        return None
    largest, *_ = named.items()
    alike = [item for item in named.items() if item[1][0].group[1:] == largest[1][0].group[1:]]
    return max(alike, key=lambda item: item[1][0].total) if part else largest


@pytest.mark.slow
@pytest.mark.parametrize("part", ["", "dev", "test"])
def test_the_largest_group_is_that_of_memory(bench, part):
    stored, draw = comparison.trials(bench), random.Random(part)
    for sweep in SWEEPS:
        for dataset in ("", *DATASETS, "none"):
            for only in (set(), {trial.id for trial in draw.sample(stored, 9)}):
                if expected := selected(stored, sweep, dataset, only, part):
                    assert values.select(bench, sweep, dataset, only, part=part) == expected
                else:
                    with pytest.raises(WorkbenchError, match="has no measured trial"):
                        values.select(bench, sweep, dataset, only, part=part)


@pytest.mark.slow
def test_the_last_repeats_of_any_filter_are_those_of_memory_and_are_counted_alike(bench):
    everything = listing.everything(bench)
    for wanted in ({}, {"sweep": "a"}, {"dataset": "other"}, {"status": "failed"}, {"text": "k1 weight"}, {"text": "nothing"}):
        stored = matching(comparison.trials(bench), **wanted)
        last = {trial.equal: trial.id for trial in reversed(stored) if trial.metrics}.values()
        expected = [trial.id for trial in stored if not trial.metrics or trial.id in last]
        narrowed = everything.matching(**wanted)
        assert narrowed.last_repeats().ids == expected
        assert narrowed.recipes == len(expected) == len(narrowed.last_repeats()) == narrowed.last_repeats().recipes
        for group in narrowed.groups().values():
            of = narrowed.last_repeats().of_group(group)
            assert of.last_repeats().ids == narrowed.of_group(group).last_repeats().ids
            best = sorted(of, key=lambda trial: trial.id, reverse=True)
            best = sorted(best, key=lambda trial: -trial.metrics["ndcg_linear"])[:3]
            assert set(of.best("ndcg_linear", 3).ids) == {trial.id for trial in best}


@pytest.mark.slow
@pytest.mark.parametrize("cost", ["latency_ms", "total_ms", "chunks"])
def test_the_frontier_is_of_the_trials_of_memory(bench, cost):
    stored = comparison.trials(bench)
    chosen = {trial.id for trial in random.Random(cost).sample(stored, 12)}
    for dataset, only in (("", set()), ("tiny", set()), ("other", chosen)):
        expected = []
        for name, of in comparison.named_groups(t for t in stored if dataset in ("", t.dataset)).items():
            last = {trial.equal: trial for trial in reversed(of)}.values()
            looked = [trial for trial in of if trial.id in only] if only else last
            expected += [(name, trial.id, trial.metrics["ndcg_linear"]) for trial in looked]
        rows = membership.frontier(bench, "ndcg_linear", cost, dataset, only)
        assert sorted((row["questions"], row["trial"], row["ndcg_linear"]) for row in rows) == sorted(expected)


class InMemory:
    """What `choice` asks of the listing, of whole trials."""

    def __init__(self, bench) -> None:
        self.stored = comparison.trials(bench)

    def of_recipes(self, keys) -> list[Trial]:
        wanted = set(keys)
        return [trial for trial in self.stored if values.recipe_key(trial) in wanted]

    def last_asked(self, question_sets) -> str:
        return next((trial.questions for trial in self.stored if trial.questions in question_sets), "")


@pytest.mark.slow
def test_a_recipe_is_looked_for_on_test_by_all_but_seed_and_questions(bench):
    measured = [trial for trial in comparison.trials(bench) if trial.metrics]
    dev, test = ([t for t in measured if t.settings["corpus.questions"] == part] for part in ("dev", "test"))
    for trial in dev:
        same = [other for other in test if values.recipe_key(other, choice.SAME) == values.recipe_key(trial, choice.SAME)]
        assert [t.id for t in listing.everything(bench).of_recipes([choice.on_test_key(trial)]) if t.metrics] == [
            t.id for t in same
        ]


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_winner_is_reported_on_the_test_trials_of_memory(bench, monkeypatch, dataset):
    dev = values.select(bench, dataset=dataset, part="dev")[1]
    for base in (dev[0].id, dev[-1].id):
        told = choice.record(bench, choice.choice(bench, dev, "ndcg_linear", base))
        with monkeypatch.context() as patched:
            patched.setattr(choice, "everything", InMemory)
            assert told == choice.record(bench, choice.choice(bench, dev, "ndcg_linear", base))
