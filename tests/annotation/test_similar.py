"""Sentences labelled together: which are offered, what is recorded, and what that means for speed."""

import pytest

from core.agreement.annotators import speeds
from core.annotation import latest, rounds, similar, standing
from core.annotation.assignment import assignment
from core.annotation.labels import blank
from core.annotation.saving import label
from core.annotation.steps import Step, answered
from core.annotation.study import StopRule, Study
from core.annotation.worklist import Worklist
from core.errors import WorkbenchError
from core.progress import drain
from core.workbench import Workbench
from tests.support.annotated import LetterCounts, judge, judge_all, rating


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setattr(similar, "judge_tools", lambda *_: LetterCounts())
    return Workbench(tmp_path)


def test_the_nearest_sentences_are_of_other_plain_items(bench):
    frozen = rounds.freeze(bench, rating(ask=("sentences",), bulk=True, duplicates=3, attention=True), "main")
    study = frozen.study
    mine = assignment(study, "main")["Ann"]
    for name in mine:
        rows = drain(similar.nearest(bench, frozen, "Ann", study.item(name), Step("sentence", 0, 0)))
        assert rows and all(study.item(row.item).plain and row.item in mine and row.item != name for row in rows)
        assert study.item(name).duplicate_of not in [row.item for row in rows]
        assert [row.cosine for row in rows] == sorted((row.cosine for row in rows), reverse=True)
        assert all(row.cosine == pytest.approx(1) for row in rows if row.equal)


def test_labels_given_together_say_so_until_one_is_given_on_its_own(bench):
    frozen = rounds.freeze(bench, rating(ask=("sentences",), bulk=True), "main")
    work = Worklist(bench, frozen, "Ann")
    first, second = [item for item in work.items if frozen.study.item(item).plain][:2]
    step = Step("sentence", 0, 0)
    saved = work.save_together("supported", [(first, step), (first, Step("sentence", 0, 1)), (second, step)])
    assert list(saved) == [first, second] and work.complete(first) and not work.complete(second)
    assert work.label(first).bulk == ((0, 0), (0, 1)) and work.label(second).sentences == (("supported", None),)
    assert not work.save_together("contradicted", [(first, step)]), "what was answered stays"
    assert standing.progress(bench, frozen)[0].bulk == 3
    [stored] = bench.store.query("SELECT bulk FROM current_labels WHERE item = ?", [second])
    assert stored["bulk"] == "[[0, 0]]"
    work.save(answered(work.label(first), step, "contradicted").model_copy(update={"seconds": 7.0}))
    assert work.label(first).bulk == ((0, 1),) and work.median_seconds(1) is None, "no time of what was given in bulk"
    work.save(answered(work.label(first), Step("sentence", 0, 1), "supported"))
    assert not work.label(first).bulk and work.median_seconds(1) == 7.0
    assert list(speeds(latest.labels(bench, "toy"))) == ["Ann"]


def test_the_setting_is_in_the_hash_only_where_it_is_on():
    plain = rating().model_dump(mode="json")
    assert "bulk" not in plain and Study.model_validate(plain) == rating()
    assert rating(bulk=True).model_dump(mode="json")["bulk"] is True


def test_a_place_that_is_not_there_is_refused(bench):
    frozen = rounds.freeze(bench, rating(ask=("sentences",)), "main")
    item = frozen.study.item(Worklist(bench, frozen, "Ann").items[0])
    wrong = blank(frozen.study, "main", item, "Ann").model_copy(update={"bulk": ((0, 99),)})
    with pytest.raises(WorkbenchError, match="not in the item"):
        label(bench, frozen, wrong)


def test_agreement_is_told_when_the_frozen_rule_lets_it_be_seen(bench):
    for name, stop in (("all", StopRule()), ("alpha", StopRule(kind="alpha", value=0.8))):
        frozen = rounds.freeze(bench, rating(id=name, pilot=0, stop=stop), "main")
        judge(bench, frozen, "Ann", Worklist(bench, frozen, "Ann").items[0])
        assert not standing.alike(bench, frozen), "nothing is shared yet"
        first = next(item for item in Worklist(bench, frozen, "Ben").items if item in Worklist(bench, frozen, "Ann").items)
        judge(bench, frozen, "Ann", first)
        judge(bench, frozen, "Ben", first, "contradicted")
        shown = standing.alike(bench, frozen)
        assert not shown if name == "all" else (shown["Ann"].same, shown["Ann"].shared) == (0, 2)
        judge_all(bench, frozen)
        shown = standing.alike(bench, frozen)
        assert shown.keys() == {"Ann", "Ben", "Cy"} and shown["Cy"].same == shown["Cy"].shared > shown["Ann"].same
