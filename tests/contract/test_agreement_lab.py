"""The verbs behind the page Agreement: sources, consensus, systems, preferences, machines, the corrected headline."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from core import agreement_lab as lab
from core import annotation_lab
from core.annotation.labels import blank
from core.annotation.study import StopRule
from core.errors import WorkbenchError
from core.generation.support import containments
from core.pipeline import drain
from core.workbench import Workbench
from tests.annotated import pairs, rating

QAGS = Path(os.environ.get("GROUNDWORK_DATASETS", Path(__file__).parents[2] / "../shared/datasets")) / lab.QAGS
CSV = "item,annotator,value\n1,Ann,yes\n1,Ben,yes\n2,Ann,no\n2,Ben,yes\n3,Ann,no\n3,Ben,no\n"


@pytest.fixture
def workbench(tmp_path):
    return Workbench(tmp_path / "data")


def labelled(workbench, study, say):
    """say(annotator, item number) -> what changes in a blank label."""
    frozen = annotation_lab.freeze(workbench, study, "main")
    for number, item in enumerate(study.round_items("main")):
        for who, mine in annotation_lab.assignment(study, "main").items():
            if item.id in mine:
                label = blank(study, "main", item, who)
                given = say(who, number)
                if isinstance(given, str):
                    given = {
                        "sentences": tuple((given,) * len(one) for one in label.sentences),
                        "helpful": (3 + number % 3,),
                    }
                annotation_lab.label(workbench, frozen, label.model_copy(update={"seconds": 9.0, **given}))
    return frozen


def by_place(who, number):
    return "partly" if number % 3 == 0 or (who == "Cy" and number % 2) else "supported"


@pytest.fixture(scope="module")
def qags():
    if not QAGS.is_file():
        pytest.skip(f"QAGS is not at {QAGS}; set GROUNDWORK_DATASETS.")
    source = lab.open_file(QAGS)
    return source, lab.table_of(source, "sentences", "main")


def test_qags_has_its_known_answers(qags):
    source, found = qags
    overview = drain(lab.overview(found, resamples=500))
    alpha = overview.measures[0]
    assert alpha.value == pytest.approx(0.5135, abs=5e-5) and alpha.low < alpha.value < alpha.high
    assert (alpha.low, alpha.high) == pytest.approx((0.459, 0.566), abs=0.01)
    assert (
        overview.words[alpha.name] == "not reliable enough to draw conclusions" and dict(overview.shares)["yes"] == 1543
    )
    agreed = lab.consensus(source, "sentences", found)
    scores = drain(lab.machines(source, "sentences", found))
    faced = lab.facing(source, "sentences", found, agreed, ("yes",), scores, whole=True)
    judged = drain(lab.judge(faced, True, resamples=200))
    three = next(one for one in judged.machines if one.name == "3-gram containment")
    assert three.pearson.value == pytest.approx(0.706, abs=5e-4) and three.n == 235
    assert three.roc.auc.mean > 0.75 and judged.baseline.mean < judged.ceiling.value
    assert three.threshold.fitted_on + three.threshold.tested_on == 235


def test_the_headline_meets_the_truth_that_it_was_not_shown(qags):
    source, found = qags
    agreed, scores = lab.consensus(source, "sentences", found), drain(lab.machines(source, "sentences", found))
    faced = lab.facing(source, "sentences", found, agreed, ("yes",), scores, whole=True)
    held = [lab.headline(faced, "3-gram containment", 120, seed=seed) for seed in range(20)]
    assert all(one.truth == pytest.approx(113 / 235) for one in held)
    powered = [one.methods[0] for one in held]
    assert np.mean([one.low <= 113 / 235 <= one.high for one in powered]) >= 0.9
    assert np.mean([one.high - one.low for one in powered]) < np.mean(
        [one.human_only.high - one.human_only.low for one in powered]
    )
    assert all(one.machine_only.low > 113 / 235 for one in powered)  # uncorrected, the machine is far off


def test_a_machine_no_better_than_chance_is_refused():
    rng = np.random.default_rng(0)
    yes = (rng.random(200) < 0.6).astype(float)
    given = lab.Facing(yes, yes, yes[:, None], [lab.Machine("noise", rng.random(200))], ["all"] * 200, [""] * 200)
    found = lab.headline(given, "noise", 60)
    assert [one.value for one in found.methods] == [None, None]
    assert all(one.note.startswith("refused") for one in found.methods)


def test_containment_is_of_the_passage_that_has_most():
    passages = ["The tide gauge is read every six minutes.", "Clean the well in spring."]
    assert containments(["The tide gauge is read [1].", "Clean it.", "Clean the gauge every day."], passages) == [
        1.0,
        0.0,
        0.0,
    ]
    assert containments(["Clean the gauge."], passages, 1) == [2 / 3] and containments(["x"], []) == [0.0]


def test_a_stored_study_and_its_export_say_the_same(workbench, tmp_path):
    labelled(workbench, rating(pilot=0), by_place)
    stored = lab.open_study(workbench, "toy")
    annotation_lab.export(workbench, "toy", folder=tmp_path / "out")
    files = [lab.open_file(tmp_path / "out" / name) for name in ("labels.jsonl", "labels.csv", "label_studio.json")]
    uploaded = lab.open_upload(
        [(name, (tmp_path / "out" / name).read_bytes()) for name in ("study.json", "labels.csv")]
    )
    values = lab.table_of(stored, "sentences", "main").values
    for source in (*files, uploaded):
        np.testing.assert_array_equal(lab.table_of(source, "sentences", "main").values, values)
    assert stored.parts == ("sentences", "helpful") and stored.rounds == ("main",)
    assert stored.digest == lab.digest_of(workbench, "toy")
    frozen = annotation_lab.load(workbench, "toy")
    first = stored.labels[0]
    annotation_lab.label(workbench, frozen, first.model_copy(update={"comment": "again"}))
    assert stored.digest != lab.digest_of(workbench, "toy")


def test_uploads_keep_no_path_and_tell_what_is_missing():
    found = lab.open_upload([("../../etc/plain.csv", CSV.encode())])
    assert found.name == "plain.csv" and lab.table_of(found, "sentences", "").categories == ("no", "yes")
    with pytest.raises(WorkbenchError, match="0 files of labels"):
        lab.open_upload([("study.json", json.dumps({"design": {}}).encode())])
    with pytest.raises(WorkbenchError, match="columns") as problem:
        lab.open_upload([("x.csv", b"a,b\n1,2\n")])
    assert "/tmp" not in str(problem.value)


def test_stars_can_be_read_at_other_levels(workbench):
    labelled(workbench, rating(pilot=0), by_place)
    source = lab.open_study(workbench, "toy")
    stars = lab.table_of(source, "helpful", "main")
    assert lab.levels(stars) == ("interval", "ratio", "ordinal", "nominal")
    ordinal = lab.table_of(source, "helpful", "main", "ordinal")
    assert ordinal.categories == ("1", "2", "3", "4", "5")
    np.testing.assert_array_equal(ordinal.values + 1, stars.values)
    with pytest.raises(WorkbenchError, match="level"):
        lab.table_of(source, "sentences", "main", "ordinal")


def test_each_annotator_beside_the_others(workbench):
    study = rating(15, pilot=0, duplicates=4, attention=True, per_item=3)
    labelled(workbench, study, lambda who, number: "partly" if who == "Cy" and number % 4 else by_place("Ann", number))
    source = lab.open_study(workbench, "toy")
    found = drain(lab.people(source, "sentences", "main", lab.table_of(source, "sentences", "main")))
    rows = {row.name: row for row in found.rows}
    assert (
        max(rows, key=lambda name: rows[name].left_out.change) == "Cy" == min(rows, key=lambda name: rows[name].ability)
    )
    assert rows["Ann"].self_agreement.n == 8 and rows["Ann"].attention.asked > 0 and rows["Ann"].speed.median == 9.0
    assert rows["Ann"].drift is not None and found.timed and found.twice.n == 24
    assert found.matrix[0, 1] == pytest.approx(1.0) and found.matrix[0, 2] < 0.5
    disputed = lab.most_disputed(lab.table_of(source, "sentences", "main"))
    assert disputed and {who for who, _ in disputed[0].labels} == {"Ann", "Ben", "Cy"} and disputed[0].text


def test_the_stop_rule_is_looked_at_from_thirty_units_on(workbench):
    labelled(workbench, rating(24, pilot=0, per_item=3), by_place)
    found = lab.table_of(lab.open_study(workbench, "toy"), "sentences", "main")
    wide = drain(lab.growing(found, StopRule(kind="half_width", value=0.9), resamples=100))
    at = dict(wide.points)
    assert at[wide.stop_at].items >= 30 and all(one.items < 30 for n, one in wide.points if n < wide.stop_at)
    assert drain(lab.growing(found, StopRule(kind="alpha", value=1.0), resamples=100)).stop_at is None


def test_adjudication_decides_over_the_majority(workbench):
    study = rating(10, pilot=0, per_item=2)
    people = {"Ann": "supported", "Ben": "partly", "Cy": "supported"}
    labelled(workbench, study, lambda who, number: people[who])
    frozen = annotation_lab.open_adjudication(workbench, "toy", ["Ed"])
    for id in frozen.study.disputed:
        label = blank(frozen.study, "adjudication", frozen.study.item(id), "Ed")
        given = {"sentences": tuple(("contradicted",) * len(one) for one in label.sentences), "helpful": (1,)}
        annotation_lab.label(workbench, frozen, label.model_copy(update=given))
    source = lab.open_study(workbench, "toy")
    found = lab.table_of(source, "sentences", "main")
    assert "Ed" not in found.annotators and lab.methods(source, found) == ["majority", "adjudicated", "dawid_skene"]
    tied = lab.consensus(source, "sentences", found)
    ruled = lab.consensus(source, "sentences", found, "adjudicated")
    assert tied.ties == ruled.adjudicated > 0 and ruled.ties == 0
    assert {lab.named(found, ruled.values[i]) for i in np.flatnonzero(np.isnan(tied.values))} == {"contradicted"}
    stars = lab.table_of(source, "helpful", "main")
    assert lab.consensus(source, "helpful", stars).values.min() >= 3  # the annotators' means
    with pytest.raises(WorkbenchError, match="categories"):
        lab.consensus(source, "helpful", stars, "dawid_skene")


def test_systems_are_paired_by_question(workbench):
    study = rating(40, pilot=0, per_item=2)
    systems = [item.responses[0].system for item in study.items]
    labelled(
        workbench,
        study,
        lambda who, number: "supported" if systems[number] == "system 1" or number % 4 == 0 else "partly",
    )
    source = lab.open_study(workbench, "toy")
    found = lab.table_of(source, "sentences", "main")
    rates = lab.rates(source, "sentences", found, lab.consensus(source, "sentences", found), ("supported",))
    by_name = {one.name: one for one in rates.systems}
    assert by_name["system 1"].share.mean == 1 and by_name["system 0"].share.mean < 0.7
    assert by_name["system 0"].whole.n == by_name["system 0"].answers == 20
    [difference] = rates.differences
    assert difference.paired.n == 20 and abs(difference.paired.difference) > 0.3 and difference.p_holm < 0.01


def test_preferences_are_of_systems_and_bias_of_places(workbench):
    study = pairs(12)
    labelled(workbench, study, lambda who, number: {"sentences": (), "preference": ("a", "a", "b", "tie")[number % 4]})
    source = lab.open_study(workbench, "ab")
    found = lab.table_of(source, "preference", "main")
    result = lab.preferences(source, "main", found, lab.consensus(source, "preference", found))
    [duel] = result.duels
    assert (duel.sign.wins, duel.sign.losses, duel.sign.ties) == (6, 3, 3) and duel.a == study.items[0].responses[
        0
    ].system
    assert result.strengths.strengths[0].mean > result.strengths.strengths[1].mean
    first = [one.preference == "ab"[one.order[0]] for one in source.labels if one.preference != "tie"]
    assert result.position.share.mean == pytest.approx(np.mean(first)) and result.position.share.n == len(first)


def test_a_judges_scores_are_read_by_unit():
    found = lab.table_of(lab.open_upload([("x.csv", CSV.encode())]), "sentences", "")
    judge = lab.read_scores("unit,score\n1,0.9\n3,0.1\n2,\n", found, "judge.csv")
    assert judge.name == "judge" and judge.scores[0] == 0.9 and np.isnan(judge.scores[1])
    for text in ("a,b\n1,2\n", "unit,score\n9,0.5\n", "unit,score\n1,2\n", "unit,score\n1,nan\n", "unit,score\n1,x\n"):
        with pytest.raises(WorkbenchError):
            lab.read_scores(text, found, "judge.csv")
