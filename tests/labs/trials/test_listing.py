"""Long lists asked of the database: the same trials, names and groups as whole trials in memory give."""

import pytest

from core.evaluation.metric import headlines
from core.labs.trials import comparison, listing
from core.workbench import Workbench
from tests.support.synthetic_trials import add_failed, add_questions, add_trial
from tests.support.whole_trials import matching, numbered_repeats


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = Workbench(tmp_path_factory.mktemp("home"))
    store, first, other = bench.store, add_questions(bench.store), add_questions(bench.store, name="other", dataset="Other")
    base = add_trial(store, first, seed=1)
    add_trial(store, first, seed=1)
    add_trial(store, first, {"fusion.weight": 0.5, "sparse.k1": 0.9}, 0.1, 2, sweep="a")
    add_trial(store, first, {"fusion.part": "rrf"}, 0.9, 3, sweep="a")
    add_trial(store, first, {"evaluation.k": 5}, seed=4, sweep="a")
    add_trial(store, other, seed=5, fingerprints={"corpus": "docs"})
    add_failed(store, reason="It could not be loaded: 100% lost_memory")
    bench.describe(base, name="Début", note="where it 'began'", tags=["paper", "ünusual"])
    return bench


FILTERS = [
    {},
    {"text": "rrf"},
    {"text": "weight k1"},
    {"text": "DÉBUT began'"},
    {"text": "ünusual"},
    {"text": "100% lost_"},
    {"text": "defaults"},
    {"text": "nothing has this"},
    {"dataset": "Other"},
    {"status": "failed"},
    {"sweep": "a", "text": "K1"},
    {"tag": "paper"},
    {"tag": "none"},
]


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
def test_a_filter_leaves_the_same_trials_as_in_memory(bench, wanted):
    expected = matching(comparison.trials(bench), **wanted)
    narrowed = listing.everything(bench).matching(**wanted)
    assert narrowed.ids == [trial.id for trial in expected] and len(narrowed) == len(expected)
    assert list(narrowed) == expected


def test_a_row_says_what_the_trial_says(bench):
    everything, stored = listing.everything(bench), comparison.trials(bench)
    repeats = numbered_repeats(stored)
    for row, trial in zip(everything.table(headlines()), stored, strict=True):
        told = ("id", "created", "title", "name", "made_name", "status", "reason", "sweep", "k", "n", "total")
        assert [row[name] for name in told] == [getattr(trial, name) for name in told]
        assert row["corpus"] == trial.stages.get("corpus", trial.dataset) and row["tags"] == ", ".join(trial.tags)
        assert {name: row[name] for name in headlines() if row[name] is not None} == {
            name: mean for name, mean in trial.metrics.items() if name in headlines()
        }
        assert {name: row[name] for name in ("latency_ms", "chunks")} == {
            name: trial.costs[name].value if name in trial.costs else None for name in ("latency_ms", "chunks")
        }
        assert everything.repeat(trial.id) == repeats.get(trial.id)


def test_pages_and_slices_are_parts_of_the_whole(bench):
    everything = listing.everything(bench)
    whole = everything.table(headlines())
    assert [*everything.table(headlines(), 0, 4), *everything.table(headlines(), 4, 4)] == whole
    assert everything[1:3] == comparison.trials(bench)[1:3] and everything[-1] == comparison.trials(bench)[-1]


def test_groups_are_those_of_memory_and_the_last_repeats_the_newest(bench):
    everything, named = listing.everything(bench), comparison.named_groups(comparison.trials(bench))
    assert list(everything.groups()) == list(named)
    for name, group in everything.groups().items():
        assert everything.of_group(group).ids == [trial.id for trial in named[name]]
        assert everything.groups_of(everything.of_group(group).ids) == {group}
    first = comparison.trials(bench)[-1].id
    assert set(everything.ids) - set(everything.last_repeats().ids) == {first}
    assert first in everything.last_repeats().along([first]).ids
    assert everything.having("ndcg_linear", "latency_ms").ids == [t.id for t in comparison.trials(bench) if t.metrics]


def test_the_summary_is_of_all_trials_and_follows_what_is_stored(bench):
    summary = listing.everything(bench).matching(text="nothing").summary()
    assert (summary.trials, summary.failed, summary.tags) == (7, 1, ["paper", "ünusual"])
    assert summary.datasets == ["Other", "tiny"] and summary.statuses == ["failed", "ok"]
    assert summary.sweeps == {"a": "sparse k1 × fusion × evaluation k, 3 trials"}
    for asked in ("a", "sparse k1 × fusion × evaluation k, 3 trials", "sparse k1 × fusion × evaluation k, 1 trial"):
        assert summary.sweep_named(asked) == "a", "also by the name of before it had more trials"
    several = summary._replace(sweeps={"a": "Ours, 3 trials, 2026-01-01 10:00:00", "b": "Ours, 3 trials, 2026-01-02 10:00:00"})
    assert several.sweep_named("Ours, 2 trials, 2026-01-02 10:00:00") == "b"
    assert several.sweep_named("Ours, 3 trials") == several.sweep_named("nothing") == ""
    own = Workbench(bench.home)
    bench.describe(listing.everything(bench).ids[0], tags=["new"])
    assert "new" in listing.everything(own).summary().tags and "new" in listing.everything(bench).summary().tags
