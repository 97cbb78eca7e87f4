"""People against machines: beside a person, and in the share of faithful answers among all."""

import numpy as np
import pytest

from core.agreement import consensus, headline, machines, sources
from core.agreement.machines import Facing
from core.annotation.drawing import draw
from core.annotation.stored_answers import read_candidates
from core.errors import WorkbenchError
from core.judging.containment import containments
from core.progress import drain
from core.store.batches import BatchRecords
from tests.support.annotated import rating
from tests.support.labelled import by_place, labelled

CSV = "item,annotator,value\n1,Ann,yes\n1,Ben,yes\n2,Ann,no\n2,Ben,yes\n3,Ann,no\n3,Ben,no\n"


def test_the_headline_meets_the_truth_that_it_was_not_shown(qags):
    source, found = qags
    agreed, scores = consensus.consensus(source, "sentences", found), drain(machines.containment(source, "sentences", found))
    faced = machines.facing(source, "sentences", found, agreed, ("yes",), scores, whole=True)
    held = [headline.headline(faced, "3-gram containment", 120, seed=seed) for seed in range(20)]
    assert all(one.truth == pytest.approx(113 / 235) for one in held)
    powered = [one.methods[0] for one in held]
    assert np.mean([one.low <= 113 / 235 <= one.high for one in powered]) >= 0.9
    assert np.mean([one.high - one.low for one in powered]) < np.mean(
        [one.human_only.high - one.human_only.low for one in powered]
    )
    assert all(one.machine_only.low > 113 / 235 for one in powered)  # uncorrected, the machine is far off


def faced(yes, machines, strata=None, people=None):
    """Answers with people's verdict, each an item of its own."""
    people = yes[:, None] if people is None else people
    n = len(yes)
    return Facing(yes, yes, people, people, machines, ["all"] * n, [""] * n, np.arange(n), strata or [""] * n)


def test_a_machine_no_better_than_chance_is_refused():
    rng = np.random.default_rng(0)
    yes = (rng.random(200) < 0.6).astype(float)
    given = faced(yes, [machines.Machine("noise", rng.random(200))])
    found = headline.headline(given, "noise", 60)
    assert [one.value for one in found.methods] == [None, None]
    assert all(one.note.startswith("refused") for one in found.methods)


def test_containment_is_of_the_passage_that_has_most():
    passages = ["The tide gauge is read every six minutes.", "Clean the well in spring."]
    assert containments(["The tide gauge is read [1].", "Clean it.", "Clean the gauge every day."], passages) == [1.0, 0.0, 0.0]
    assert containments(["Clean the gauge."], passages, 1) == [2 / 3] and containments(["x"], []) == [0.0]


def test_a_judges_scores_are_read_by_unit():
    found = sources.table_of(sources.open_upload([("x.csv", CSV.encode())]), "sentences", "")
    judge = machines.read_scores("unit,score\n1,0.9\n3,0.1\n2,\n", found, "judge.csv")
    assert judge.name == "judge" and judge.scores[0] == 0.9 and np.isnan(judge.scores[1])
    for text in ("a,b\n1,2\n", "unit,score\n9,0.5\n", "unit,score\n1,2\n", "unit,score\n1,nan\n", "unit,score\n1,x\n"):
        with pytest.raises(WorkbenchError):
            machines.read_scores(text, found, "judge.csv")
    with pytest.raises(WorkbenchError, match="unit '1' stands here again after line 2") as twice:
        machines.read_scores("unit,score\n1,0.9\n3,0.1\n1,0.2\n", found, "judge.csv")
    assert twice.value.where == "judge.csv:4"


def test_a_person_and_a_machine_are_held_against_the_same():
    """A machine as good as every person is neither better nor worse, on stars and on verdicts, with two people and with three."""
    rng = np.random.default_rng(1)
    for people in (2, 3):
        truth = rng.integers(0, 2, 3000)
        said = np.where(rng.random((3000, people + 1)) < 0.8, truth[:, None], 1 - truth[:, None]).astype(float)
        labels, machine = said[:, :people], said[:, people]
        majority = np.where(labels.mean(axis=1) == 0.5, np.nan, (labels.mean(axis=1) > 0.5).astype(float))
        found = drain(
            machines.judge(faced(majority, [machines.Machine("like a person", machine)], people=labels), False, resamples=200)
        )
        one = found.machines[0]
        for both in (one.beside, one.beside_pearson):
            assert both.difference.low < 0 < both.difference.high and abs(both.difference.value) < 0.03
        assert abs(one.threshold.accuracy.mean - found.ceiling.value) > 0.03  # against the consensus they are not comparable


@pytest.mark.slow
def test_stars_of_a_person_stand_beside_stars(workbench):
    rng = np.random.default_rng(0)
    own = {who: rng.integers(1, 6, 40) for who in ("Ann", "Ben", "Cy")}
    good = rng.integers(1, 6, 40)
    labelled(
        workbench,
        rating(40, pilot=0, per_item=3),
        lambda who, number: {"sentences": (), "helpful": (int(own[who][number] if number % 4 == 0 else good[number]),)},
    )
    source = sources.open_study(workbench, "toy")
    found = sources.table_of(source, "helpful", "main")
    copy = machines.Machine("copies Ann", (found.values[:, 0] - 1) / 4)
    given = machines.facing(
        source, "helpful", found, consensus.consensus(source, "helpful", found, "mean"), ("4",), [copy], False
    )
    both = drain(machines.judge(given, False, resamples=100)).machines[0].beside_pearson
    others = np.concatenate([np.delete(found.values, a, 1).mean(axis=1) for a in range(3)])
    assert both.person.value == pytest.approx(np.corrcoef(found.values.T.ravel(), others)[0, 1])
    assert abs(both.difference.value) < 0.2


@pytest.mark.slow
def test_unequal_strata_are_weighted_in_the_headline():
    """As many of each system were judged, and one has nine times as many answers: the truth is that of all answers."""
    held, truth = [], 0.9 * 0.9 + 0.1 * 0.4
    for seed in range(60):
        rng = np.random.default_rng(seed)
        size = {"a": 1800, "b": 200}
        yes = {name: rng.random(n) < {"a": 0.9, "b": 0.4}[name] for name, n in size.items()}
        score = {name: np.clip(rng.normal(0.3 + 0.4 * one, 0.2), 0, 1) for name, one in yes.items()}
        judged = np.concatenate([one[:100] for one in yes.values()]).astype(float)
        given = faced(
            judged, [machines.Machine("judge", np.concatenate([one[:100] for one in score.values()]))], ["a"] * 100 + ["b"] * 100
        )
        rest = headline.Unjudged(
            tuple("x" * 1800),
            ("",) * 1800,
            ("a",) * 1700 + ("b",) * 100,
            (machines.Machine("judge", np.concatenate([one[100:] for one in score.values()])),),
        )
        found = headline.headline(given, "judge", 0, rest)
        assert [(one.name, round(one.share, 6)) for one in found.strata] == [("a", 0.9), ("b", 0.1)] and found.truth is None
        held.append([one.value is None or one.low <= truth <= one.high for one in found.methods])
    assert all(one.methods[0].value is not None for one in found.strata) and (np.mean(held, axis=0) > 0.88).all()
    together = headline.headline(given._replace(strata=[""] * 200), "judge", 0, rest._replace(strata=("",) * 1800))
    plain = together.methods[0]
    assert plain.high < truth and found.methods[0].human_only.mean == pytest.approx(
        0.9 * judged[:100].mean() + 0.1 * judged[100:].mean()
    )


def test_a_stratum_judged_whole_is_what_people_said():
    rng = np.random.default_rng(1)
    yes = (rng.random(120) < 0.7).astype(float)
    given = faced(yes, [machines.Machine("judge", np.clip(yes * 0.5 + rng.random(120) * 0.5, 0, 1))], ["a"] * 60 + ["b"] * 60)
    other = (rng.random(200) < 0.7).astype(float)
    rest = headline.Unjudged(
        tuple("x" * 200),
        ("",) * 200,
        ("a",) * 200,
        (machines.Machine("judge", np.clip(other * 0.5 + rng.random(200) * 0.5, 0, 1)),),
    )
    found = headline.headline(given, "judge", 0, rest)
    assert found.strata[1].methods[0].value == yes[60:].mean() and found.methods[0].value is not None
    noise = headline.headline(given._replace(scores=[machines.Machine("judge", rng.random(120))]), "judge", 0, rest)
    assert noise.methods[0].value is None and noise.methods[0].note.startswith("refused")


def two_systems(rng, n, other, rates=(0.9, 0.6)):
    """n judged and `other` more answers of each of two systems, with a good machine's scores of all."""
    yes = [(rng.random(n) < rate).astype(float) for rate in rates]
    rest = [(rng.random(many) < rate).astype(float) for many, rate in zip(other, rates, strict=True)]

    def score(one):
        return np.clip(rng.normal(0.3 + 0.4 * one, 0.15), 0, 1)

    given = faced(np.concatenate(yes), [machines.Machine("judge", score(np.concatenate(yes)))], ["a"] * n + ["b"] * n)
    many = sum(other)
    return given, headline.Unjudged(
        tuple("x" * many),
        ("",) * many,
        ("a",) * other[0] + ("b",) * other[1],
        (machines.Machine("judge", score(np.concatenate(rest))),),
    )


def test_systems_that_were_drawn_alike_are_one_sample():
    """A pilot of 15 answers of each system: system by system the machine would be refused in half of the studies."""
    refused = np.zeros(2)
    for seed in range(30):
        found = headline.headline(*_named_judge(two_systems(np.random.default_rng(seed), 15, (985, 985))))
        assert not found.strata
        refused += [one.value is None for one in found.methods]
    assert refused[0] == 0 and refused[1] <= 4


def _named_judge(both):
    given, rest = both
    return given, "judge", 0, rest


def test_one_weak_stratum_does_not_refuse_all():
    rng = np.random.default_rng(3)
    given, rest = two_systems(rng, 40, (1800, 200), (0.7, 1.0))  # of b people said yes to all
    found = headline.headline(given, "judge", 0, rest)
    assert [one.name for one in found.strata] == ["a", "b"]
    for one, weak in zip(found.methods, found.strata[1].methods, strict=True):
        assert one.value is not None and weak.value == 1.0 and weak.low < 0.95 and weak.note.startswith("people alone")
        assert "b: people alone" in one.note and one.low < one.value < one.high
    known = np.array(given.strata) == "a"
    alone = given._replace(
        **{name: getattr(given, name)[known] for name in ("human", "positive", "people", "verdicts", "groups")},
        scores=[machines.Machine("judge", given.scores[0].scores[known])],
        strata=["a"] * 40,
        systems=["all"] * 40,
        datasets=[""] * 40,
    )
    found = headline.headline(alone, "judge", 0, rest)  # nobody judged b
    assert found.methods[0].value is not None and "nobody judged b" in found.methods[0].note


def test_a_judge_reads_answers_that_nobody_judged(workbench):
    found = sources.open_upload([("x.csv", CSV.encode())]).plain
    judge = machines.read_scores("unit,score\n1,0.9\n2,0.8\n3,0.1\nr1,0.7\n", found, "judge.csv", ("r1", "r2"))
    assert judge.more[0] == 0.7 and np.isnan(judge.more[1])
    rest = headline.with_scores(
        headline.Unjudged(("r1", "r2"), ("", ""), ("", "")), [judge, machines.Machine("words", judge.scores)]
    )
    assert rest.scores("words") is None and rest.scores("judge")[0] == 0.7
    assert machines.read_scores("unit,score\n1,0.9\n", found, "judge.csv", ("r1",)).more is None


def test_stored_answers_of_the_studys_corpora_are_unjudged(workbench, monkeypatch):
    from tests.support.annotated import candidates

    pool = [
        one._replace(dataset="other", source=f"o{one.source}", question=f"{one.question}?") for one in candidates()
    ] + candidates()
    study = rating(pilot=0).model_copy(update={"items": draw([one for one in pool if one.dataset == "toy"], 12, pilot=0)})
    labelled(workbench, study, by_place)
    monkeypatch.setattr("core.agreement.headline.read_candidates", lambda *_: pool)
    source = sources.open_study(workbench, "toy")._replace(datasets={item.id: "toy" for item in study.items})
    rest = drain(headline.unjudged(workbench, source))
    assert len(rest.names) == 40 - 12 and not any(name.startswith("o") for name in rest.names)
    assert set(rest.strata) == {"system 0", "system 1"} and len(rest.scores("1-gram containment")) == 28


def test_answers_of_another_system_that_nobody_judged_count_in_the_headline(workbench):
    told = {"system": "theirs", "dataset": "towns", "passages": [{"text": "Words.", "document": "d", "start": 0, "end": 6}]}
    answers = {f"k{n}": {**told, "question": f"What is {n}?", "answer": f"Words {n}. And more."} for n in range(30)}
    BatchRecords(workbench.home).add("system_answers", answers, {})
    labelled(workbench, rating(pilot=0).model_copy(update={"items": draw(read_candidates(workbench), 12)}), by_place)
    source = sources.open_study(workbench, "toy")
    assert set(source.datasets.values()) == {"towns"}
    BatchRecords(workbench.home).add("system_answers", {"k30": {**told, "question": "And?", "answer": "1.\n\n2.\n\n3."}}, {})
    rest = drain(headline.unjudged(workbench, source))
    assert len(rest.names) == 31 - 12
    lost = np.isnan(rest.scores("3-gram containment"))
    assert [rest.texts[place] for place in np.flatnonzero(lost)] == ["1.\n\n2.\n\n3."], "no sentence of it can be scored"
