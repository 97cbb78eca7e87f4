"""People's agreement as a number of a paper: the labels go into the bundle without a text or a name, and the number follows from them."""

import hashlib
import json

import pytest

from core.__main__ import parse
from core.errors import WorkbenchError
from core.labs.papers import bundle as bundles
from core.labs.papers import opening, sources, verification
from core.labs.papers import paper as papers
from core.progress import drain
from core.records import plain
from core.workbench import Workbench
from tests.support.annotated import rating
from tests.support.labelled import by_place, labelled

LABELS = "labels/toy.json"


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = Workbench(tmp_path_factory.mktemp("home"))
    labelled(bench, rating(pilot=0, duplicates=2, attention=True), by_place)
    papers.create(bench, "Agreement", "small")
    for name in ("value", "low"):
        number = {"kind": "number", "name": name, "command": ["agreement", "toy"], "value": f"measures.0.{name}"}
        papers.add(bench, "small", number)
    return bench


@pytest.fixture(scope="module")
def made(bench):
    paper = papers.load(bench, "small")
    contents = drain(bundles.current(bench, paper))
    return bundles.whole(bench, paper, contents, {}, bundles.labels(bench, paper))


def results(bundle) -> dict[str, bool | None]:
    return {row.what: row.holds for row in drain(verification.verified(bundle))}


def changed(bundle, text: str) -> dict[str, bytes]:
    """With other labels, and a manifest that fits."""
    bundle = {**bundle, LABELS: text.encode()}
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in bundle.items() if name != opening.MANIFEST}
    return {**bundle, opening.MANIFEST: json.dumps({"format": 1, "sha256": sums}).encode()}


@pytest.mark.slow
def test_it_answers_as_the_verb_does(bench):
    answer = sources.answer(bench, ["agreement", "toy"])
    verb = plain(drain(parse(["agreement", "toy"]).work(bench)))
    assert answer["measures"][0]["value"] is not None and answer["annotators"] == 3
    assert answer == {name: verb[name] for name in answer}


@pytest.mark.slow
def test_a_bundle_of_agreement_holds_and_tells_no_text_and_no_name(made):
    assert results(made)["number value"] is True and results(made)["number low"] is True
    assert not [word for word in ("Ann", "Answer", "Evidence", "toy-") if word in made[LABELS].decode()]


@pytest.mark.slow
def test_another_label_is_named_by_what_no_longer_follows(made):
    record = json.loads(made[LABELS])
    unit, annotator, value = record["labels"][0]
    record["labels"][0] = [unit, annotator, (value + 1) % 2]
    told = results(changed(made, json.dumps(record)))
    assert told["number value"] is False
    assert results({**made, LABELS: json.dumps(record).encode()})[LABELS] is False
    assert results({name: data for name, data in made.items() if name != LABELS})["number value"] is False


SHAPES = {
    "no such unit": {"labels": [[99999, 0, 0]]},
    "no such annotator": {"labels": [[0, -1, 0]]},
    "no such category": {"labels": [[0, 0, 99]]},
    "between two categories": {"labels": [[0, 0, 0.5]]},
    "a word": {"labels": [[0, 0, "x"]]},
    "too many": {"annotators": 100_000, "items": [0] * 900_000},
    "no such level": {"level": "none"},
    "a field more": {"more": 1},
}


@pytest.mark.parametrize("change", SHAPES.values(), ids=SHAPES)
def test_labels_of_no_shape_are_no_answer(made, change):
    told = results(changed(made, json.dumps({**json.loads(made[LABELS]), **change})))
    assert told["number value"] is False


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "NaN", "[]"], ids=["empty", "cut", "deep", "NaN", "list"])
def test_damaged_labels_are_no_answer(made, text):
    assert results(changed(made, text))["number value"] is False


@pytest.mark.parametrize("study", ["../toy", "nobody", "/etc/passwd"])
def test_a_study_that_is_not_there_is_told(bench, study):
    with pytest.raises(WorkbenchError, match="no study"):
        papers.add(bench, "small", {"kind": "number", "name": "n", "command": ["agreement", study], "value": "units"})
