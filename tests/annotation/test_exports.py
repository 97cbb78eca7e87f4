"""Labels as files: out and back, what an import may do, and files without their study."""

import csv
import io
import json
import shutil
from collections import Counter

import numpy as np
import pytest

from core.annotation import checking, exports, imports, label_files, latest, rounds, saving, worklist
from core.annotation.assignment import assignment
from core.annotation.formats import exchange
from core.annotation.label_table import LabelTable, table
from core.annotation.labels import Span, blank, complete
from core.annotation.versions import Frozen
from core.errors import WorkbenchError
from core.workbench import Workbench
from tests.support.annotated import frozen_study, judge, judge_all, pairs, rating


def read_table(path, part="sentences", round_name=""):
    """The labels of a file as statistics take them; adjudicators' only if asked for."""
    found = label_files.read_file(path)
    if isinstance(found, LabelTable):
        return found
    return table(
        found[0], (one for one in found[1] if (one.round == round_name if round_name else one.round != "adjudication")), part
    )


@pytest.mark.parametrize("name", ["labels.jsonl", "labels.csv", "label_studio.json"])
def test_an_export_goes_into_an_empty_store_and_back(workbench, tmp_path, name):
    frozen = frozen_study(workbench, duplicates=1, attention=True)
    judge_all(
        workbench, frozen, comment="<script>alert('x')</script>, \"quoted\"\nΩ😀", spans=(Span(response=0, first=1, last=3),)
    )
    manifest = exports.export(workbench, "toy", folder=tmp_path / "out")
    told = json.loads((tmp_path / "out/manifest.json").read_text())
    assert told["hash"] == frozen.hash and told["counts"]["labels"] == manifest.counts["complete"] > 20
    assert {file["name"] for file in told["files"]} >= {"study.json", name}
    other = Workbench(tmp_path / "other")
    design = json.loads((tmp_path / "out/study.json").read_text())["design"]
    rounds.freeze(other, type(frozen.study).model_validate(design), "main")
    assert imports.import_labels(other, "toy", tmp_path / "out" / name)[:2] == (manifest.counts["labels"], 0)
    plain = {one.id: one.model_copy(update={"origin": ""}) for one in latest.labels(other, "toy")}
    assert plain == {one.id: one for one in latest.labels(workbench, "toy")}
    assert imports.import_labels(other, "toy", tmp_path / "out" / name)[:2] == (0, manifest.counts["labels"])
    values = table(frozen.study, latest.labels(workbench, "toy")).values
    for file in ("", name):
        np.testing.assert_array_equal(read_table(tmp_path / "out" / file).values, values)


def test_the_tidy_table_says_what_was_judged_and_is_read_for_agreement(workbench, tmp_path):
    frozen = frozen_study(workbench, duplicates=1, attention=True)
    judge_all(workbench, frozen, comment="=1+1", seconds=2.5)
    manifest = exports.export(workbench, "toy", folder=tmp_path)
    rows = list(csv.DictReader((tmp_path / label_files.TIDY).open(newline="")))
    study, labels = frozen.study, latest.labels(workbench, "toy")
    assert len(rows) == sum(len(one.sentences[0]) + 1 for one in labels)
    assert Counter(row["kind"] for row in rows).keys() == {"item", "repeat", "attention"}
    plain = [row for row in rows if row["kind"] == "item"]
    assert {int(row["no"]) for row in plain} == set(range(1, 13)) and not any(
        row["no"] for row in rows if row["kind"] == "attention"
    )
    for row in rows:
        item = study.item(row["item"])
        assert (row["question"], row["system"], row["comment"]) == (item.question, item.responses[0].system, "'=1+1")
        assert (row["text"] in item.responses[0].text) and row["seconds"] == "2.5" and row["annotator"] in study.annotators
        assert row["label"] == ("supported" if row["part"] == "sentence" else "4")
    again = next(row for row in rows if row["kind"] == "repeat")
    assert again["no"] in {row["no"] for row in plain if row["question"] == again["question"]}
    wanted = table(study, labels).values
    np.testing.assert_array_equal(read_table(tmp_path / label_files.TIDY).values, wanted)
    counts = manifest.counts
    assert (counts["items"], counts["repeats"], counts["attention items"]) == (12, 1, 10)
    assert counts["sentence labels"] == sum(row["part"] == "sentence" for row in plain) == 48
    assert not (tmp_path / "dpo.jsonl").exists() and exports.usual(pairs()) == exports.FORMATS


def test_what_was_answered_before_cannot_judge_is_no_row_of_the_tidy_table(workbench, tmp_path):
    frozen = frozen_study(workbench)
    judge_all(workbench, frozen)
    label = latest.labels(workbench, "toy")[0]
    saving.label(workbench, frozen, label.model_copy(update={"id": "", "cannot_judge": True}))
    told = exports.export(workbench, "toy", folder=tmp_path).counts["sentence labels"]
    rows = [row for row in csv.DictReader((tmp_path / label_files.TIDY).open(newline="")) if row["annotator"] == label.annotator]
    assert [row["part"] for row in rows if row["item"] == label.item] == ["cannot_judge"]
    assert told == int((~np.isnan(table(frozen.study, latest.labels(workbench, "toy")).values)).sum())


def test_what_was_edited_in_label_studio_replaces_our_label(workbench, tmp_path):
    frozen = frozen_study(workbench)
    item = worklist.Worklist(workbench, frozen, "Ann").next_open()
    first = judge(workbench, frozen, "Ann", item)
    exports.export(workbench, "toy", folder=tmp_path)
    tasks = json.loads((tmp_path / "label_studio.json").read_text())
    task = next(task for task in tasks if task["annotations"])
    region = next(one for one in task["annotations"][0]["result"] if one["from_name"] == "sentence_1")
    region["value"]["labels"] = ["contradicted"]
    fresh = {"completed_by": {"id": 7, "email": "ben@example.org"}, "lead_time": 9.5, "result": [region]}
    wanted = next(
        task for task in tasks if task["data"]["item"] in worklist.items_of(frozen, "Ben") and task["data"]["item"] != item
    )
    wanted["annotations"].append({**fresh, "result": [{**region, "value": {**region["value"], "start": 2, "end": 9}}]})
    (tmp_path / "edited.json").write_text(json.dumps(tasks))
    with pytest.raises(label_files.ImportProblems, match=r"ben@example\.org"):
        imports.import_labels(workbench, "toy", tmp_path / "edited.json")
    names = {"ben@example.org": "Ben"}
    with pytest.raises(label_files.ImportProblems, match=r"has a different label of item .* here"):
        imports.import_labels(workbench, "toy", tmp_path / "edited.json", names=names)
    found = imports.import_labels(workbench, "toy", tmp_path / "edited.json", names=names, replace=True)
    assert found == (2, 0, (), 1, 0, 0)
    now = latest.current(workbench, frozen, "Ann", item)
    assert now.sentences[0][0] == "contradicted" and now.replaces == first.id
    theirs = latest.current(workbench, frozen, "Ben", wanted["data"]["item"])
    assert theirs.sentences[0][0] == "contradicted" and theirs.seconds == 9.5 and not complete(frozen.study, theirs)


def test_pairs_for_preference_training(workbench, tmp_path):
    frozen = rounds.freeze(
        workbench,
        pairs(per_item=3).model_copy(
            update={"items": tuple(item.model_copy(update={"round": "main"}) for item in pairs().items)}
        ),
        "main",
    )
    first, second, third = (item.id for item in frozen.study.items[:3])
    for who, choice in zip(frozen.study.annotators, ("b", "b", "a"), strict=True):
        judge(workbench, frozen, who, first, preference=choice)
        judge(workbench, frozen, who, second, preference="tie")
    judge(workbench, frozen, "Ann", third, cannot_judge=True)
    exports.export(workbench, "ab", ["dpo"], tmp_path)
    [pair] = [json.loads(line) for line in (tmp_path / "dpo.jsonl").read_text().splitlines()]
    item = frozen.study.item(first)
    assert (pair["chosen"], pair["rejected"]) == (item.responses[1].text, item.responses[0].text)
    assert (pair["votes"], pair["against"], pair["ties"]) == (2, 1, 0) and pair["prompt"].endswith(f"Question: {item.question}")


def test_a_cell_runs_no_formula_and_comes_back(workbench, tmp_path):
    frozen = frozen_study(workbench)
    for item, comment in zip(
        worklist.items_of(frozen, "Ann"), ("=1+1", "'=1", "@x", "-a", "'tis", "\t+", "+" * 200_000), strict=False
    ):
        judge(workbench, frozen, "Ann", item, comment=comment)
    before = latest.labels(workbench, "toy")
    text = exchange.to_csv(before)
    assert not any(cell[:1] in ("=", "+", "-", "@", "\t", "\r") for row in csv.reader(io.StringIO(text)) for cell in row)
    parsed = exchange.from_csv(text, "f", frozen.study, "main")
    assert [one for _, one in parsed.labels] == before and parsed.problems == []
    lines = text.splitlines(keepends=True)
    shuffled = lines[0] + "".join(sorted(lines[1:]))  # as a spreadsheet leaves it
    parsed = exchange.from_csv(shuffled, "f", frozen.study, "main")
    assert {one.id: one for _, one in parsed.labels} == {one.id: one for one in before}


# What an import may do ------------------------------------------------------------------------------------------------


def given(frozen, who, item, name="supported", **changes):
    """A label as a file has it."""
    item = frozen.study.item(item)
    names = tuple((name,) * len(one.sentences) for one in item.responses)
    return blank(frozen.study, frozen.round, item, who).model_copy(update={"sentences": names, "helpful": (4,), **changes})


def imported(workbench, tmp_path, content, name="labels.jsonl", **options):
    text = content if isinstance(content, str) else exchange.to_jsonl(content)
    (tmp_path / name).write_text(text)
    return imports.import_labels(workbench, "toy", tmp_path / name, **options)


def test_ids_of_other_programs_decide_nothing(workbench, tmp_path):
    frozen = frozen_study(workbench)
    one, two, three = worklist.items_of(frozen, "Ann")[:3]
    rows = [given(frozen, "Ann", one, id="1"), given(frozen, "Ann", two, id="1"), given(frozen, "Ann", three, id="zzz")]
    assert imported(workbench, tmp_path, rows).added == 3 == len(latest.labels(workbench, "toy"))
    for item in (one, three):
        label = judge(workbench, frozen, "Ann", item, "contradicted")
        assert latest.current(workbench, frozen, "Ann", item) == label
    late = given(frozen, "Ann", two, "partly", id="z" * 26)  # of our form, of a time to come
    assert imported(workbench, tmp_path, [late], replace=True).replaced == 1
    assert latest.current(workbench, frozen, "Ann", two).id < "z" * 26
    table = f"id,item,annotator,number,value\n7,{two},Ann,1,supported\n8,{two},Ann,2,supported\n"
    assert imported(workbench, tmp_path, table, "t.csv", replace=True).replaced == 1, "an id for each row is none of a label"


def test_what_an_import_would_replace_needs_a_word(workbench, tmp_path):
    frozen = frozen_study(workbench)
    mine = worklist.items_of(frozen, "Ann")
    labels = [judge(workbench, frozen, "Ann", item) for item in mine[:2]]
    for name, content in (("e.jsonl", exchange.to_jsonl(labels)), ("e.csv", exchange.to_csv(labels))):
        edited = content.replace("supported", "contradicted", 1)
        with pytest.raises(label_files.ImportProblems, match="has a different label") as caught:
            imported(workbench, tmp_path, edited, name)
        assert [one.line for one in caught.value.problems] == [1 + name.endswith("csv")]
        assert latest.labels(workbench, "toy") == labels
        found = imported(workbench, tmp_path, edited, name, keep_good=True)
        assert found[:2] == (0, 1) and len(found.problems) == 1 and latest.labels(workbench, "toy") == labels
    found = imported(workbench, tmp_path, edited, name, replace=True)
    assert found == (1, 1, (), 1, 0, 0)
    now = latest.current(workbench, frozen, "Ann", mine[0])
    assert now.sentences[0][0] == "contradicted" and now.replaces == labels[0].id and now.origin == "e.csv"
    assert imported(workbench, tmp_path, edited, name)[:2] == (0, 2), "known from now on"
    judge(workbench, frozen, "Ann", mine[0], "partly")
    assert imported(workbench, tmp_path, edited, name) == (0, 2, (), 0, 0, 1), "also once it was changed here"
    assert latest.current(workbench, frozen, "Ann", mine[0]).sentences[0][0] == "partly"
    assert (
        checking.check(workbench, "toy").ok
        and "1 of 4 label records came from files" in checking.check(workbench, "toy").notes[0]
    )


def test_a_source_that_is_read_again_overwrites_nothing(workbench, tmp_path):
    frozen = frozen_study(workbench)
    item = worklist.Worklist(workbench, frozen, "Ann").next_open()
    first = exchange.to_jsonl([given(frozen, "Ann", item)])
    assert imported(workbench, tmp_path, first).added == 1
    mine = judge(workbench, frozen, "Ann", item, "contradicted")
    assert mine.origin == "" and imported(workbench, tmp_path, first) == (0, 1, (), 0, 0, 1)
    news = first.replace("supported", "partly")
    assert imported(workbench, tmp_path, news, replace=True).replaced == 1
    assert imported(workbench, tmp_path, first, replace=True).replaced == 1, "changed back at the source"
    for _ in range(4):
        saving.undo(workbench, frozen, item, "Ann")
    assert latest.current(workbench, frozen, "Ann", item) is None
    assert imported(workbench, tmp_path, first).changed == 1 and latest.current(workbench, frozen, "Ann", item) is None
    assert imported(workbench, tmp_path, first, replace=True).added == 1
    assert latest.current(workbench, frozen, "Ann", item).sentences[0][0] == "supported"


def test_what_a_file_does_not_speak_of_stays(workbench, tmp_path):
    frozen = frozen_study(workbench)
    item = worklist.Worklist(workbench, frozen, "Ann").next_open()
    sentences = f"item,annotator,number,value\n{item},Ann,2,partly\n{item},Ann,1,supported\n"
    stars = f"item,annotator,part,value\n{item},Ann,helpful,4\n"
    assert imported(workbench, tmp_path, sentences, "s.csv") == (1, 0, (), 0, 0, 0)
    assert imported(workbench, tmp_path, stars, "s.csv") == (1, 0, (), 0, 1, 0)
    for content in (sentences, stars):
        assert imported(workbench, tmp_path, content, "s.csv")[:2] == (0, 1)
    both = latest.current(workbench, frozen, "Ann", item)
    assert (both.sentences, both.helpful) == ((("supported", "partly"),), (4,)) and complete(frozen.study, both)
    one = f"item,annotator,number,value\n{item},Ann,1,contradicted\n"
    with pytest.raises(label_files.ImportProblems, match="has a different label"):
        imported(workbench, tmp_path, one, "s.csv")
    imported(workbench, tmp_path, one, "s.csv", replace=True)
    now = latest.current(workbench, frozen, "Ann", item)
    assert (now.sentences, now.helpful) == ((("contradicted", "partly"),), (4,))


def test_labels_from_outside_the_design_are_refused(workbench, tmp_path):
    frozen = frozen_study(workbench)
    other = next(one.id for one in frozen.study.items if one.id not in worklist.items_of(frozen, "Ann"))
    with pytest.raises(label_files.ImportProblems, match="not assigned to 'Ann'"):
        imported(workbench, tmp_path, [given(frozen, "Ann", other)])
    assert latest.labels(workbench, "toy") == []


# Files without their study --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["labels.jsonl", "labels.csv", "label_studio.json"])
def test_labels_of_another_study_of_the_same_items_are_refused(workbench, tmp_path, name):
    frozen = frozen_study(workbench)
    judge_all(workbench, frozen)
    exports.export(workbench, "toy", folder=tmp_path)
    if name == "label_studio.json":  # labelled there
        tasks = json.loads((tmp_path / name).read_text())
        for task in tasks:
            task["annotations"] = [
                {"completed_by": "Ann", "result": [each for each in label["result"] if each["from_name"] != "record"]}
                for label in task["annotations"][:1]
            ]
        (tmp_path / name).write_text(json.dumps(tasks))
    rounds.freeze(workbench, frozen.study.model_copy(update={"id": "again", "question": "And in a year?"}), "main")
    with pytest.raises(label_files.ImportProblems, match="is a label of the study 'toy', not of 'again'"):
        imports.import_labels(workbench, "again", tmp_path / name)
    assert not latest.labels_there(workbench, "again")


def test_no_label_comes_in_before_its_round_is_frozen(workbench, tmp_path):
    study = rating(pilot=4)
    early = [given(Frozen("", study, "main", "", 1, ""), who, items[0]) for who, items in assignment(study, "main").items()]
    for step in (rounds.save, lambda bench, draft: rounds.freeze(bench, draft, "pilot")):
        step(workbench, study)
        with pytest.raises(label_files.ImportProblems, match="main round of 'toy' is not frozen yet"):
            imported(workbench, tmp_path, early)
    rounds.freeze(workbench, study, "main")
    assert imported(workbench, tmp_path, early).added == 3


def exported(workbench, tmp_path):
    frozen = frozen_study(workbench)
    names = ("supported", "partly", "contradicted", "cannot_judge")
    for n, who in enumerate(frozen.study.annotators):
        for m, item in enumerate(worklist.items_of(frozen, who)):
            judge(workbench, frozen, who, item, names[(m * n + m) % 4], helpful=(1 + m % 5,), comment="fine", cannot_judge=m == 3)
    last = rounds.open_adjudication(workbench, "toy", ["Dora"])
    for item in last.study.disputed:
        judge(workbench, last, "Dora", item)
    exports.export(workbench, "toy", folder=tmp_path / "out")
    return tmp_path / "out"


@pytest.mark.parametrize("name", ["labels.jsonl", "labels.csv", "label_studio.json"])
def test_an_export_is_read_the_same_without_its_study(workbench, tmp_path, name):
    folder = exported(workbench, tmp_path)
    (tmp_path / "alone").mkdir()
    shutil.copy(folder / name, tmp_path / "alone")
    for part in ("sentences", "helpful"):
        for round_name in ("", "adjudication"):
            ours, alone = read_table(folder, part, round_name), read_table(tmp_path / "alone" / name, part, round_name)
            assert (alone.annotators, alone.categories, alone.level) == (ours.annotators, ours.categories, ours.level)
            assert dict(zip(ours.items, map(str, ours.values), strict=True)) == dict(
                zip(alone.items, map(str, alone.values), strict=True)
            )
    study, _ = label_files.read_file(tmp_path / "alone" / name)
    assert "cannot be distinguished" in study.question


def test_a_folder_is_read_as_its_manifest_says(workbench, tmp_path):
    frozen = frozen_study(workbench)
    one, two = worklist.items_of(frozen, "Ann")[:2]
    judge(workbench, frozen, "Ann", one)
    exports.export(workbench, "toy", exports.FORMATS, tmp_path / "out")
    (tmp_path / "out/dpo.jsonl").write_text("edited by somebody")
    judge(workbench, frozen, "Ann", two)
    exports.export(workbench, "toy", ["csv"], tmp_path / "out")
    there = {path.name for path in (tmp_path / "out").iterdir()}
    assert there == {"study.json", "labels.csv", label_files.TIDY, "manifest.json", "dpo.jsonl"}, (
        "what nobody touched is taken away"
    )
    assert len(label_files.read_file(tmp_path / "out")[1]) == 2
    changed = (tmp_path / "out/labels.csv").read_text().replace("supported", "partly")
    (tmp_path / "out/labels.csv").write_text(changed)
    with pytest.raises(WorkbenchError, match="checksum"):
        label_files.read_file(tmp_path / "out")
    (tmp_path / "out/manifest.json").unlink()
    assert len(label_files.read_file(tmp_path / "out")[1]) == 2, "without a manifest it is read as it is"
    plan = json.loads((tmp_path / "out/study.json").read_text())
    plan["design"]["hypothesis"] = "known afterwards"
    (tmp_path / "out/study.json").write_text(json.dumps(plan))
    with pytest.raises(WorkbenchError, match="not what was frozen"):
        label_files.read_file(tmp_path / "out")
    for broken in ('{"design":', "[]", '{"name": "another tool"}', '{"design": 3, "round": "main"}'):
        (tmp_path / "out/study.json").write_text(broken)
        with pytest.raises(WorkbenchError):
            label_files.read_file(tmp_path / "out")


HEAD = "item,annotator,value\n"


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        (HEAD + "i,a,yes\ni,b\n", 3, "number of cells"),
        (HEAD + 'i,a,"yes\ni,b,no\n', 3, "no CSV"),
        (HEAD, 1, "no labels"),
        (HEAD + "i,,yes\n", 2, "no annotator"),
        (HEAD + ",a,yes\n", 2, "no item"),
        (HEAD + "i,a,1\ni,b,inf\n", 3, "'inf' is not a number"),
        (HEAD + "i,a,1\ni,b,NaN\n", 3, "'NaN' is not a number"),
        (HEAD + "i,a,Yes\ni,b,yes\n", 3, "'yes' stands as 'Yes' in line 2"),
        (HEAD + "i,a,yes\nj,A,yes\n", 3, "'A' stands as 'a' in line 2"),
        (HEAD + "i,a,yes\ni,a ,no\n", 3, "a second time, first in line 2"),
        ("item;annotator;value\n", 1, "columns"),
        ('{"item": "i", "annotator": "a", "value": 1}\n{"item": "i"}', 2, "not a JSON object"),
        ('[\n{"id": 1, "data": {"text": "x"}}]', 2, "no task of a study"),
        ('[\n{"data": {"item": "x", "order": 5}, "annotations": [{"completed_by": 1, "result": []}]}]', 2, "Label Studio writes"),
        ('[\n{"data": {"item": "x", "order": [1, "a"]}, "annotations": [{"completed_by": 1, "result": []}]}]', 2, "Label Studio"),
        ('{"item": "x", "annotator": "a", "helpful": 5}', 1, "helpful"),
    ],
)
def test_a_table_that_does_not_hold_together_is_told_by_line(tmp_path, content, line, said):
    (tmp_path / "f.csv").write_text(content)
    with pytest.raises(label_files.ImportProblems, match="in this file") as caught:
        label_files.read_file(tmp_path / "f.csv")
    assert caught.value.problems[0].line == line and said in caught.value.problems[0].what
    assert "keep-good" not in str(caught.value)


def test_a_table_of_another_program_is_known_by_whole_names_of_columns(tmp_path):
    (tmp_path / "theirs.csv").write_text("item,annotator,label,participant\n1,A,yes,x\n1,B,no,y\n2,A,yes,x\n")
    found = read_table(tmp_path / "theirs.csv")
    assert (found.items, found.annotators, found.categories) == (("1", "2"), ("A", "B"), ("no", "yes"))


def test_numbers_are_a_scale_and_two_of_them_are_categories(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text(HEAD + "i,a,0\ni,b, 1 \nj,a,1.0\nj,b,\n")
    found = label_files.read_file(path)
    assert (found.categories, found.level) == (("0", "1"), "nominal")
    np.testing.assert_array_equal(found.values, [[0, 1], [1, np.nan]])
    path.write_text(HEAD + "i,a,2\ni,b,1\nj,a,4.5\n")
    found = label_files.read_file(path)
    assert (found.categories, found.level) == ((), "interval") and found.values[1, 0] == 4.5
    path.write_text('{"item": "i", "annotator": "a", "value": "x"}\n{"item": "i", "annotator": "b", "value": null}')
    assert label_files.read_file(path).categories == ("x",)


@pytest.mark.parametrize("name", label_files.BESIDE)
def test_files_of_an_export_that_hold_no_labels_say_so(workbench, tmp_path, name):
    frozen = frozen_study(workbench)
    judge(workbench, frozen, "Ann", worklist.items_of(frozen, "Ann")[0])
    exports.export(workbench, "toy", exports.FORMATS, tmp_path / "out")
    with pytest.raises(WorkbenchError, match=f"{name} holds no labels") as caught:
        label_files.read_file(tmp_path / "out" / name)
    assert "Take the folder" in caught.value.todo
    with pytest.raises(WorkbenchError, match=r"no study\.json"):
        label_files.read_file(tmp_path)
    with pytest.raises(WorkbenchError, match="No such file"):
        label_files.read_file(tmp_path / "manifest.json")
