"""What labels say of annotators, items and systems: of stored studies, exports and files alike."""

import json

import numpy as np
import pytest

from core.agreement import (
    annotators,
    cannot_judge,
    coefficients,
    consensus,
    disputed_units,
    machines,
    plan,
    preferences,
    sources,
    systems,
    views,
)
from core.annotation import exports, latest, rounds, saving, versions
from core.annotation.labels import blank
from core.annotation.study import CANNOT, StopRule
from core.errors import WorkbenchError
from core.progress import drain
from tests.support.annotated import pairs, rating
from tests.support.labelled import by_place, labelled

CSV = "item,annotator,value\n1,Ann,yes\n1,Ben,yes\n2,Ann,no\n2,Ben,yes\n3,Ann,no\n3,Ben,no\n"


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


@pytest.mark.slow
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


@pytest.mark.slow
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
    for item_id in frozen.study.disputed:
        label = blank(frozen.study, "adjudication", frozen.study.item(item_id), "Ed")
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
    gone = next(one for one in source.labels if one.preference == "a").item
    back = tuple(one.model_copy(update={"cannot_judge": one.item == gone}) for one in source.labels)
    left = [one.preference == "ab"[one.order[0]] for one in back if one.preference != "tie" and one.item != gone]
    share = preferences.preferences(
        source._replace(labels=back), "main", found, consensus.consensus(source, "preference", found)
    )[3][0]
    assert share.mean == pytest.approx(np.mean(left)) and share.n == len(left) < len(first)


def test_systems_of_pairs_may_have_any_name(workbench):
    study = pairs(12)
    items = [
        item.model_copy(
            update={"responses": tuple(one.model_copy(update={"system": f"{one.system} | v2"}) for one in item.responses)}
        )
        for item in study.items
    ]
    labelled(
        workbench, study.model_copy(update={"items": tuple(items)}), lambda who, number: {"sentences": (), "preference": "a"}
    )
    source = sources.open_study(workbench, "ab")
    found = sources.table_of(source, "preference", "main")
    [duel] = preferences.preferences(source, "main", found, consensus.consensus(source, "preference", found)).duels
    assert (duel.a, duel.b, duel.sign.wins) == ("system 0 | v2", "system 1 | v2", 12)


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


@pytest.mark.parametrize(("many", "said"), [(90, ("interval", "ratio")), (150, ("interval",))])
def test_a_scale_is_offered_as_a_ratio_where_alpha_takes_its_values(many, said):
    rows = "".join(f"{n},a,{n + 0.25}\n{n},b,{n + 0.75}\n" for n in range(many))
    source = sources.open_upload([("x.csv", f"item,annotator,value\n{rows}".encode())])
    assert sources.levels(sources.table_of(source, "sentences", "")) == said
    for level in said:
        assert drain(coefficients.overview(views.read(source, level=level).table, 99)).measures[0].value > 0.9
    if "ratio" not in said:
        with pytest.raises(WorkbenchError, match="at the level 'ratio'"):
            views.read(source, level="ratio")


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
    for place, item_id in enumerate(frozen.study.disputed):
        label = blank(frozen.study, "adjudication", frozen.study.item(item_id), "Ed")
        first = "contradicted" if place == 0 else "supported"  # departs from what both said
        saving.label(workbench, frozen, label.model_copy(update={"sentences": ((first, "supported"),), "helpful": (4,)}))
    source = sources.open_study(workbench, "toy")
    ruled = consensus.consensus(source, "sentences", sources.table_of(source, "sentences", "main"), "adjudicated")
    assert ruled.adjudicated == 4 + 1 and ruled.ties == 0


def test_what_the_adjudicator_cannot_judge_counts_for_no_system(workbench):
    both = {"supported": ("supported",) * 2, "partly": ("partly",) * 2}
    labelled(  # two of three say so of each second item, and all of the others
        workbench,
        rating(8, pilot=0, per_item=3),
        lambda who, number: {"helpful": (4,), "sentences": (both["partly" if who == "Cy" and number % 2 else "supported"],)},
    )
    frozen = rounds.open_adjudication(workbench, "toy", ["Ed"])
    assert len(frozen.study.disputed) == 4
    for place, item_id in enumerate(frozen.study.disputed):
        label = blank(frozen.study, "adjudication", frozen.study.item(item_id), "Ed")
        said = {"cannot_judge": True} if place else {"sentences": (("partly", CANNOT),), "helpful": (4,)}
        saving.label(workbench, frozen, label.model_copy(update=said))
    source = sources.open_study(workbench, "toy")
    table = sources.table_of(source, "sentences", "main")
    ruled = consensus.consensus(source, "sentences", table, "adjudicated")
    named = [sources.named(table, value) for value in ruled.values]
    assert named.count("supported") == 8 and named.count("partly") == 1 and named.count("") == 7 == ruled.unjudged.sum()
    assert (ruled.adjudicated, ruled.ties) == (8, 0)
    found = systems.rates(source, "sentences", table, ruled, ("supported",)).systems
    assert sum(one.share.n for one in found) == 9 == sum(one.share.total for one in found)
    said = plan.verdict(source, "main")
    assert (said.units, said.judged_by_nobody, said.agreed.ties) == (9, 7, 0)
    assert sum(row.units for row in said.rows) == 9 and all(row.least is None for row in said.rows)
    assert plan.undecided(source) == 0


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


def test_labels_are_read_as_asked(workbench):
    labelled(workbench, rating(pilot=0, per_item=3), by_place)
    source = sources.open_study(workbench, "toy")
    usual = views.read(source)
    assert (usual.part, usual.round, usual.method, usual.positive) == ("sentences", "main", "majority", ("supported",))
    assert usual.command("--machines") == "python -m core annotate agreement toy --machines"
    view = views.read(source, "helpful", level="ordinal", method="dawid_skene", positive=("5",))
    assert (
        view.command() == "python -m core annotate agreement toy --part helpful --level ordinal --consensus dawid_skene --yes 5"
    )
    wrong = {"part": "preference", "round_name": "pilot", "level": "ratio", "method": "mean", "positive": ("good",)}
    for name, value in wrong.items():
        with pytest.raises(WorkbenchError):
            views.read(source, **{name: value})
    with pytest.raises(WorkbenchError, match="not a number"):
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
