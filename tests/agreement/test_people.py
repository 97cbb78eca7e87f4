"""The verbs behind the page Agreement: sources, consensus, systems, preferences, machines, the corrected headline."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from core.agreement import (
    annotators,
    cannot_judge,
    coefficients,
    consensus,
    disputed_units,
    headline,
    machines,
    preferences,
    sources,
    systems,
    views,
)
from core.agreement.machines import Facing
from core.annotation import exports, latest, rounds, saving, versions
from core.annotation.assignment import assignment
from core.annotation.labels import blank
from core.annotation.study import CANNOT, StopRule
from core.errors import WorkbenchError
from core.judging.containment import containments
from core.progress import drain
from core.workbench import Workbench
from tests.support.annotated import pairs, rating

QAGS = Path(os.environ.get("GROUNDWORK_DATASETS", Path(__file__).parents[2] / "../shared/datasets")) / sources.QAGS
CSV = "item,annotator,value\n1,Ann,yes\n1,Ben,yes\n2,Ann,no\n2,Ben,yes\n3,Ann,no\n3,Ben,no\n"


@pytest.fixture
def workbench(tmp_path):
    return Workbench(tmp_path / "data")


def labelled(workbench, study, say):
    """say(annotator, item number) -> what changes in a blank label."""
    frozen = rounds.freeze(workbench, study, "main")
    for number, item in enumerate(study.round_items("main")):
        for who, mine in assignment(study, "main").items():
            if item.id in mine:
                label = blank(study, "main", item, who)
                given = say(who, number)
                if isinstance(given, str):
                    given = {"sentences": tuple((given,) * len(one) for one in label.sentences), "helpful": (3 + number % 3,)}
                saving.label(workbench, frozen, label.model_copy(update={"seconds": 9.0, **given}))
    return frozen


def by_place(who, number):
    return "partly" if number % 3 == 0 or (who == "Cy" and number % 2) else "supported"


@pytest.fixture(scope="module")
def qags():
    if not QAGS.is_file():
        pytest.skip(f"QAGS is not at {QAGS}; set GROUNDWORK_DATASETS.")
    source = sources.open_file(QAGS)
    return source, sources.table_of(source, "sentences", "main")


def test_qags_has_its_known_answers(qags):
    source, found = qags
    overview = drain(coefficients.overview(found, resamples=500))
    alpha = overview.measures[0]
    assert alpha.value == pytest.approx(0.5135, abs=5e-5) and alpha.low < alpha.value < alpha.high
    assert (alpha.low, alpha.high) == pytest.approx((0.454, 0.572), abs=0.01)  # 0.459 to 0.566 if sentences were independent
    assert (overview.units, overview.items, alpha.drawn) == (714, 235, 235)
    assert sources.drawn(source.study, 235) == "235 answers"
    assert overview.words[alpha.name] == "not reliable enough to draw conclusions" and dict(overview.shares)["yes"] == 1543
    agreed = consensus.consensus(source, "sentences", found)
    scores = drain(machines.containment(source, "sentences", found))
    faced = machines.facing(source, "sentences", found, agreed, ("yes",), scores, whole=True)
    judged = drain(machines.judge(faced, True, resamples=200))
    three = next(one for one in judged.machines if one.name == "3-gram containment")
    assert three.pearson.value == pytest.approx(0.706, abs=5e-4) and three.n == 235
    assert three.roc.auc.mean > 0.75 and judged.baseline.mean < judged.ceiling.value
    assert three.threshold.fitted_on + three.threshold.tested_on == 235
    beside = three.beside
    assert beside.person.value > beside.machine.value and beside.difference.low < beside.difference.value < beside.difference.high
    assert beside.difference.value == pytest.approx(beside.machine.value - beside.person.value)
    assert three.beside_pearson.person.value == pytest.approx(judged.ceiling_pearson.value)


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


def test_a_stored_study_and_its_export_say_the_same(workbench, tmp_path):
    labelled(workbench, rating(pilot=0), by_place)
    stored = sources.open_study(workbench, "toy")
    exports.export(workbench, "toy", folder=tmp_path / "out")
    files = [sources.open_file(tmp_path / "out" / name) for name in ("labels.jsonl", "labels.csv", "label_studio.json")]
    uploaded = sources.open_upload([(name, (tmp_path / "out" / name).read_bytes()) for name in ("study.json", "labels.csv")])
    values = sources.table_of(stored, "sentences", "main").values
    for source in (*files, uploaded):
        np.testing.assert_array_equal(sources.table_of(source, "sentences", "main").values, values)
    assert stored.parts == ("sentences", "helpful") and stored.rounds == ("main",)
    assert stored.digest == sources.digest_of(workbench, "toy")
    frozen = versions.load(workbench, "toy")
    first = stored.labels[0]
    saving.label(workbench, frozen, first.model_copy(update={"comment": "again"}))
    assert stored.digest != sources.digest_of(workbench, "toy")


def test_uploads_keep_no_path_and_tell_what_is_missing():
    found = sources.open_upload([("../../etc/plain.csv", CSV.encode())])
    assert found.name == "plain.csv" and sources.table_of(found, "sentences", "").categories == ("no", "yes")
    with pytest.raises(WorkbenchError, match="0 files of labels"):
        sources.open_upload([("study.json", json.dumps({"design": {}}).encode())])
    with pytest.raises(WorkbenchError, match="columns") as problem:
        sources.open_upload([("x.csv", b"a,b\n1,2\n")])
    assert "/tmp" not in str(problem.value)


def test_stars_can_be_read_at_other_levels(workbench):
    labelled(workbench, rating(pilot=0), by_place)
    source = sources.open_study(workbench, "toy")
    stars = sources.table_of(source, "helpful", "main")
    assert sources.levels(stars) == ("interval", "ratio", "ordinal", "nominal")
    ordinal = sources.table_of(source, "helpful", "main", "ordinal")
    assert ordinal.categories == ("1", "2", "3", "4", "5")
    np.testing.assert_array_equal(ordinal.values + 1, stars.values)
    with pytest.raises(WorkbenchError, match="level"):
        sources.table_of(source, "sentences", "main", "ordinal")


def test_each_annotator_beside_the_others(workbench):
    study = rating(15, pilot=0, duplicates=4, attention=True, per_item=3)
    labelled(workbench, study, lambda who, number: "partly" if who == "Cy" and number % 4 else by_place("Ann", number))
    source = sources.open_study(workbench, "toy")
    found = drain(annotators.people(source, "sentences", "main", sources.table_of(source, "sentences", "main")))
    rows = {row.name: row for row in found.rows}
    assert max(rows, key=lambda name: rows[name].left_out.change) == "Cy" == min(rows, key=lambda name: rows[name].ability)
    assert rows["Ann"].self_agreement.n == 8 and rows["Ann"].attention.asked > 0 and rows["Ann"].speed.median == 9.0
    assert rows["Ann"].drift is not None and found.timed and found.twice.n == 24
    assert found.matrix[0, 1] == pytest.approx(1.0) and found.matrix[0, 2] < 0.5
    disputed = disputed_units.most_disputed(sources.table_of(source, "sentences", "main"))
    assert disputed and {who for who, _ in disputed[0].labels} == {"Ann", "Ben", "Cy"} and disputed[0].text


def test_the_stop_rule_is_looked_at_from_thirty_answers_on(workbench):
    labelled(workbench, rating(40, pilot=0, per_item=3), by_place)
    found = sources.table_of(sources.open_study(workbench, "toy"), "sentences", "main")
    wide = drain(coefficients.growing(found, StopRule(kind="half_width", value=0.9), resamples=100))
    at = dict(wide.points)
    # answers: there are two sentences of each
    assert at[wide.stop_at].drawn >= 30 and all(one.drawn < 30 for n, one in wide.points if n < wide.stop_at)
    assert drain(coefficients.growing(found, StopRule(kind="alpha", value=1.0), resamples=100)).stop_at is None


def test_adjudication_decides_over_the_majority(workbench):
    study = rating(10, pilot=0, per_item=2)
    people = {"Ann": "supported", "Ben": "partly", "Cy": "supported"}
    labelled(workbench, study, lambda who, number: people[who])
    frozen = rounds.open_adjudication(workbench, "toy", ["Ed"])
    for id in frozen.study.disputed:
        label = blank(frozen.study, "adjudication", frozen.study.item(id), "Ed")
        given = {"sentences": tuple(("contradicted",) * len(one) for one in label.sentences), "helpful": (1,)}
        saving.label(workbench, frozen, label.model_copy(update=given))
    source = sources.open_study(workbench, "toy")
    found = sources.table_of(source, "sentences", "main")
    assert "Ed" not in found.annotators and views.methods(source, found) == ["adjudicated", "majority"]
    tied = consensus.consensus(source, "sentences", found)
    ruled = consensus.consensus(source, "sentences", found, "adjudicated")
    assert tied.ties == ruled.adjudicated > 0 and ruled.ties == 0
    assert {sources.named(found, ruled.values[i]) for i in np.flatnonzero(np.isnan(tied.values))} == {"contradicted"}
    stars = sources.table_of(source, "helpful", "main")
    assert consensus.consensus(source, "helpful", stars).values.min() >= 3  # the annotators' means
    with pytest.raises(WorkbenchError, match="categories"):
        consensus.consensus(source, "helpful", stars, "dawid_skene")


def test_systems_are_paired_by_question(workbench):
    study = rating(40, pilot=0, per_item=2)
    names = [item.responses[0].system for item in study.items]
    labelled(workbench, study, lambda who, number: "supported" if names[number] == "system 1" or number % 4 == 0 else "partly")
    source = sources.open_study(workbench, "toy")
    found = sources.table_of(source, "sentences", "main")
    compared = systems.rates(source, "sentences", found, consensus.consensus(source, "sentences", found), ("supported",))
    by_name = {one.name: one for one in compared.systems}
    assert by_name["system 1"].share.mean == 1 and by_name["system 0"].share.mean < 0.7
    assert by_name["system 0"].whole.n == by_name["system 0"].answers == 20
    [difference] = compared.differences
    assert difference.paired.n == 20 and abs(difference.paired.difference) > 0.3 and difference.p_holm < 0.01


def test_preferences_are_of_systems_and_bias_of_places(workbench):
    study = pairs(12)
    labelled(workbench, study, lambda who, number: {"sentences": (), "preference": ("a", "a", "b", "tie")[number % 4]})
    source = sources.open_study(workbench, "ab")
    found = sources.table_of(source, "preference", "main")
    result = preferences.preferences(source, "main", found, consensus.consensus(source, "preference", found))
    [duel] = result.duels
    assert (duel.sign.wins, duel.sign.losses, duel.sign.ties) == (6, 3, 3) and duel.a == study.items[0].responses[0].system
    assert result.strengths.strengths[0].mean > result.strengths.strengths[1].mean
    first = [one.preference == "ab"[one.order[0]] for one in source.labels if one.preference != "tie"]
    assert result.position.share.mean == pytest.approx(np.mean(first)) and result.position.share.n == len(first)


def test_a_judges_scores_are_read_by_unit():
    found = sources.table_of(sources.open_upload([("x.csv", CSV.encode())]), "sentences", "")
    judge = machines.read_scores("unit,score\n1,0.9\n3,0.1\n2,\n", found, "judge.csv")
    assert judge.name == "judge" and judge.scores[0] == 0.9 and np.isnan(judge.scores[1])
    for text in ("a,b\n1,2\n", "unit,score\n9,0.5\n", "unit,score\n1,2\n", "unit,score\n1,nan\n", "unit,score\n1,x\n"):
        with pytest.raises(WorkbenchError):
            machines.read_scores(text, found, "judge.csv")


def test_alpha_has_one_interval_on_every_page(workbench):
    from core.annotation import standing

    study = rating(20, pilot=0, per_item=3, seed=5)
    labelled(workbench, study, by_place)
    source = sources.open_study(workbench, "toy")
    found = sources.table_of(source, "sentences", "main")
    alpha = drain(coefficients.overview(found)).measures[0]
    assert alpha.drawn == 20 and alpha.items == 40
    assert alpha == standing.agreed(study, source.labels)
    assert alpha == drain(coefficients.growing(found, StopRule())).points[-1][1]


def test_an_answer_with_a_tied_or_unjudged_sentence_is_neither_faithful_nor_not(workbench):
    study = rating(12, pilot=0, per_item=2, annotators=("Ann", "Ben"))
    labelled(workbench, study, lambda who, number: "supported")
    frozen = versions.load(workbench, "toy")
    items = list(study.round_items("main"))
    for who in ("Ann", "Ben"):
        for number, item in enumerate(items[:5]):  # the second sentence: tied twice, judged by nobody twice, once by both as no
            second = {
                0: "partly" if who == "Ann" else "supported",
                1: "partly" if who == "Ben" else "supported",
                2: "cannot_judge",
                3: "cannot_judge",
                4: "partly",
            }[number]
            given = latest.current(workbench, frozen, who, item.id)
            saving.label(workbench, frozen, given.model_copy(update={"sentences": (("supported", second),)}))
    source = sources.open_study(workbench, "toy")
    found = sources.table_of(source, "sentences", "main")
    agreed = consensus.consensus(source, "sentences", found)
    compared = systems.rates(source, "sentences", found, agreed, ("supported",))
    judged = machines.facing(source, "sentences", found, agreed, ("supported",), [], whole=True)
    assert len(judged.positive) == 12 and np.isnan(judged.positive).sum() == 4 and np.nanmean(judged.positive) == 7 / 8
    assert (sum(one.whole.n for one in compared.systems), sum(one.whole.total for one in compared.systems)) == (8, 12)
    assert sum(one.whole.mean * one.whole.n for one in compared.systems) == pytest.approx(7)
    assert all(one.bounds[0] <= one.share.mean <= one.bounds[1] for one in compared.systems)
    assert sum(np.diff(one.bounds)[0] * one.share.total for one in compared.systems) == pytest.approx(2)  # tied sentences
    assert all(one.share.low < one.share.mean for one in compared.systems)  # also where all is supported


def test_a_share_of_all_has_an_interval_of_some_width(workbench):
    labelled(workbench, rating(15, pilot=0), lambda who, number: "supported")
    source = sources.open_study(workbench, "toy")
    found = sources.table_of(source, "sentences", "main")
    for one in systems.rates(source, "sentences", found, consensus.consensus(source, "sentences", found), ("supported",)).systems:
        assert one.share.mean == one.share.high == 1 and one.share.low < 0.8 and one.share.low == one.whole.low


def test_good_stars_are_the_many_at_every_level(workbench):
    labelled(workbench, rating(30, pilot=0), lambda who, number: {"sentences": (), "helpful": ((1, 5, 4)[number % 3],)})
    source = sources.open_study(workbench, "toy")
    for level, yes in (("", ("4",)), ("ordinal", ("4", "5")), ("nominal", ("4", "5"))):
        found = sources.table_of(source, "helpful", "main", level)
        assert views.usual_positive(found) == yes
        agreed = consensus.consensus(source, "helpful", found, views.methods(source, found)[0])
        assert np.nanmean(consensus.is_positive(found, agreed.values, yes)) == pytest.approx(2 / 3)
    for values, yes in (("0,1", ("1",)), ("1,2,3", ("3",)), ("1,4,5", ("4",))):
        rows = "".join(f"{n},Ann,{value}\n" for n, value in enumerate(values.split(",")))
        assert views.usual_positive(sources.open_upload([("x.csv", f"item,annotator,value\n{rows}".encode())]).plain) == yes


def test_ordinal_numbers_of_a_file_keep_the_steps_that_nobody_used():
    rows = "".join(
        f"{n},{who},{value}\n"
        for n, pair in enumerate(("12", "55", "21", "15", "22"))
        for who, value in zip("ab", pair, strict=True)
    )
    source = sources.open_upload([("x.csv", f"item,annotator,value\n{rows}".encode())])
    assert sources.table_of(source, "sentences", "", "ordinal").categories == ("1", "2", "3", "4", "5")
    assert sources.table_of(source, "sentences", "", "nominal").categories == ("1", "2", "5")


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


def test_what_nobody_could_judge_is_counted_and_a_label_against_it_is_a_dispute(workbench):
    study = rating(12, pilot=0, per_item=2, annotators=("Ann", "Ben"), duplicates=2)
    labelled(
        workbench,
        study,
        lambda who, number: {
            "helpful": (4,),
            "sentences": ((CANNOT if number < 3 else "supported", CANNOT if number == 5 and who == "Ben" else "partly"),),
        },
    )
    source = sources.open_study(workbench, "toy")
    found, cannot = sources.table_of(source, "sentences", "main"), cannot_judge.cannot_judge(source, "sentences", "main")
    plain = [item for item in study.round_items("main") if item.plain]
    assert all(study.item(name.partition("/")[0]).plain for name in cannot), "repeats are no units of their own"
    by_both = sum(who == ("Ann", "Ben") for who in cannot.values())
    assert cannot_judge.judged_by_nobody(found, cannot) == by_both > 0 and len(found.items) + by_both == 2 * len(plain)
    assert not disputed_units.most_disputed(found)
    [one] = disputed_units.most_disputed(found, cannot=cannot)
    assert dict(one.labels) == {"Ann": "partly", "Ben": CANNOT} and one.spread == 1.0
    stars = sources.table_of(source, "helpful", "main")
    assert not disputed_units.most_disputed(stars, cannot=cannot_judge.cannot_judge(source, "helpful", "main"))


def test_decided_are_only_units_that_needed_it(workbench):
    study = rating(6, pilot=0, per_item=2, annotators=("Ann", "Ben"))
    labelled(
        workbench,
        study,
        lambda who, number: {
            "helpful": (4,),
            "sentences": (
                (
                    "supported",
                    "partly" if who == "Ben" and number < 3 else CANNOT if who == "Ben" and number == 3 else "supported",
                ),
            ),
        },
    )
    frozen = rounds.open_adjudication(workbench, "toy", ["Ed"])
    assert len(frozen.study.disputed) == 4
    for place, id in enumerate(frozen.study.disputed):
        label = blank(frozen.study, "adjudication", frozen.study.item(id), "Ed")
        first = "contradicted" if place == 0 else "supported"  # departs from what both said
        saving.label(workbench, frozen, label.model_copy(update={"sentences": ((first, "supported"),), "helpful": (4,)}))
    source = sources.open_study(workbench, "toy")
    ruled = consensus.consensus(source, "sentences", sources.table_of(source, "sentences", "main"), "adjudicated")
    assert ruled.adjudicated == 4 + 1 and ruled.ties == 0


def test_the_word_for_alpha_is_that_of_its_value():
    from core.statistics.agreement.coefficient import Agreement

    alpha = Agreement("Krippendorff's alpha, nominal", 0.784, 0.665, 0.891, 70, 140)
    assert coefficients.word(alpha) == "tentative conclusions only; its interval reaches from not reliable to reliable"
    assert (
        coefficients.word_of(alpha) == "tentative conclusions only" and coefficients.reaches(alpha) == "not reliable to reliable"
    )
    assert coefficients.word(alpha._replace(low=0.7, high=0.79)) == "tentative conclusions only"
    assert coefficients.word(Agreement("Percent agreement", 0.9, 0.8, 1.0, 70, 140)) == ""


def test_a_difference_of_systems_is_that_of_their_shares(workbench):
    """Answers of unequal length and with ties: what is subtracted is what stands in the table above."""
    from core.annotation.drawing import Candidate, draw

    pool = [
        Candidate(
            f"r{s}-{q}", f"system {s}", "toy", f"What is {q}?", " ".join(f"Claim {n} of {q}." for n in range(1 + (q + s) % 4))
        )
        for q in range(30)
        for s in range(2)
    ]
    study = rating(pilot=0, annotators=("Ann", "Ben")).model_copy(update={"items": draw(pool, 60, "question")})
    rng = np.random.default_rng(0)
    labelled(workbench, study, lambda who, number: "supported" if rng.random() < 0.7 else "partly")
    source = sources.open_study(workbench, "toy")
    found = sources.table_of(source, "sentences", "main")
    compared = systems.rates(source, "sentences", found, consensus.consensus(source, "sentences", found), ("supported",))
    shares, [one] = {row.name: row.share.mean for row in compared.systems}, compared.differences
    assert one.paired.difference == pytest.approx(shares[one.a] - shares[one.b]) and compared.undecided > 0
    assert one.paired.low < one.paired.difference < one.paired.high and 0 < one.paired.p <= 1


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
    from core.annotation.drawing import draw
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


def test_labels_are_read_as_asked(workbench):
    labelled(workbench, rating(pilot=0, per_item=3), by_place)
    source = sources.open_study(workbench, "toy")
    usual = views.read(source)
    assert (usual.part, usual.round, usual.method, usual.positive) == ("sentences", "main", "majority", ("supported",))
    assert usual.command("--machines") == "python -m core agreement toy --machines"
    view = views.read(source, "helpful", level="ordinal", method="dawid_skene", positive=("5",))
    assert view.command() == "python -m core agreement toy --part helpful --level ordinal --consensus dawid_skene --yes 5"
    for wrong in ({"part": "preference"}, {"round": "pilot"}, {"level": "ratio"}, {"method": "mean"}, {"positive": ("good",)}):
        with pytest.raises(WorkbenchError):
            views.read(source, **wrong)
    with pytest.raises(WorkbenchError, match="no number"):
        views.read(source, "helpful", positive=("good",))


@pytest.mark.parametrize("goal", ["difference", "means", "rate", "alpha"])
def test_the_planner_says_on_the_command_line_what_its_page_says(goal, tmp_path, monkeypatch, capsys):
    from core.__main__ import main
    from core.annotation import power

    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    values = power.ASSUMED[goal] | {"target": 0.7 if goal in ("difference", "means") else 0.12}
    found = drain(power.curves(goal, values, 90, 3, studies=200))
    assert (
        main(
            [
                "power",
                goal,
                "--set",
                f"target={values['target']}",
                "--items",
                "90",
                "--annotators",
                "2",
                "3",
                "--simulate",
                "--json",
            ]
        )
        == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert told["values"] == values and [one["annotators"] for one in told["designs"]] == [2, 3]
    assert [one["needed"] for one in told["designs"]] == [found.needed[2], found.needed[3]]
    assert told["designs"][1]["formula"] == pytest.approx(found.at)
    assert all(one["simulated"] == pytest.approx(one["formula"], abs=0.035) for one in told["designs"])
    assert main(["power", goal, "--annotators", "3"]) == 0 and "items needed" in capsys.readouterr().out
    for wrong in (["--set", "nothing=1"], ["--set", "target=much"]):
        assert main(["power", goal, *wrong]) == 1 and "Assumed are" in capsys.readouterr().err


def test_sentences_of_a_file_belong_to_its_items():
    rows = "".join(
        f"{n},{s},{who},{'yes' if (n + s * (who == 'b')) % 3 else 'no'}\n" for n in range(30) for s in (1, 2, 3) for who in "ab"
    )
    found = sources.open_upload([("x.csv", f"item,sentence,annotator,value\n{rows}".encode())])
    alpha = drain(coefficients.overview(sources.table_of(found, "sentences", ""))).measures[0]
    assert (alpha.items, alpha.drawn) == (90, 30) and sources.drawn(found.study, 30) == "30 items"
    plain = sources.open_upload([("x.csv", CSV.encode())])
    assert drain(coefficients.overview(sources.table_of(plain, "sentences", ""))).measures[0].drawn == 3
