"""Looks: each recipe counts once a question set, over processes, kills and refusals of the disk; dev and test are apart."""

import json

import pytest

from core import files
from core.__main__ import main
from core.config import TrialConfig, with_settings
from core.labs.trials import ablation, comparison, looks
from core.labs.trials import curve as setting_curve
from core.progress import drain
from core.store.looks import FOLDER, Looks
from core.workbench import Workbench
from tests.support.small_corpora import with_towns
from tests.support.synthetic_trials import add_questions, add_trial

TEXTS = {f"t{i}.txt": f"The market of place{i} opens at {i}. It rains." for i in range(12)}
ASKED = [
    {"id": f"q{i}", "question": f"When does place{i} open?", "document": f"t{i}.txt", "answer": f"opens at {i}"}
    for i in range(12)
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return with_towns(tmp_path_factory.mktemp("home"), TEXTS, ASKED)


def towns(**settings) -> TrialConfig:
    return with_settings(TrialConfig(), {"corpus.dataset": "towns", "fusion.part": "sparse_only", **settings})


@pytest.mark.slow
def test_each_recipe_counts_once_and_what_answers_from_it_not_at_all(bench):
    weights = [towns(**{"sparse.k1": k1}) for k1 in (0.8, 1.0, 1.2, 1.0)]
    asked = {bench.evaluate(recipe).run.questions for recipe in weights}
    [questions] = asked
    bench.evaluate(towns(**{"sparse.k1": 1.0, "generation.max_tokens": 7, "seed": 3}))
    bench.evaluate(towns(**{"sparse.k1": 1.0, "index.part": "exact", "context.passages": 2}))
    assert looks.counted(bench, questions).looked == 3
    assert looks.counted(Workbench(bench.home), questions).looked == 3, "another process reads the same"
    bench.evaluate(TrialConfig(corpus={"dataset": "silent"}, fusion="sparse_only"))
    assert {one.dataset for one in looks.every(bench)} == {"towns"}, "without evidence nothing is seen"


@pytest.mark.slow
def test_a_stored_trial_is_the_look_that_measured_it(bench):
    trial = drain(bench.run(towns(**{"sparse.k1": 1.9, "generation.max_tokens": 9})))
    questions = bench.show(trial)["questions_fingerprint"]
    before = looks.counted(bench, questions)
    assert before.stored == 1
    drain(bench.run(towns(**{"sparse.k1": 1.9, "generation.max_tokens": 9})))
    assert looks.counted(bench, questions) == before._replace(last=looks.counted(bench, questions).last)


@pytest.mark.slow
def test_what_is_computed_around_a_recipe_is_no_look(bench):
    recipe = towns(**{"sparse.k1": 1.4})
    questions = bench.evaluate(recipe).run.questions
    before = looks.counted(bench, questions)
    assert len(drain(setting_curve.curve(bench, recipe, "sparse.k1", [0.5, 0.7, 2.0, 2.5]))) == 4
    drain(ablation.ablate(bench, bench.resolve(recipe), "ndcg_linear"))
    drain(bench.evaluating(towns(**{"sparse.k1": 2.7})))
    drain(bench.run(recipe))
    assert looks.counted(bench, questions).looked == before.looked, (
        "a curve, an ablation, what goes on from rankings, a saved trial"
    )


def test_dev_and_test_are_apart_and_more_than_a_choice_on_test_is_warned_of(bench, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(bench.home))
    for k1 in (0.8, 1.0, 1.2):
        bench.evaluate(towns(**{"sparse.k1": k1, "corpus.questions": "test"}))
    for questions in ("dev", "all"):
        bench.evaluate(towns(**{"corpus.questions": questions}))
    assert main(["looks", "--dataset", "towns", "--json"]) == 0
    told = {row["questions"]: row for row in json.loads(capsys.readouterr().out)}
    assert told["test"]["compared"] == 3 and told["dev"]["compared"] == 1 and set(told) == {"all", "dev", "test"}
    assert "3 recipes were compared on these test questions" in told["test"]["warning"] and not told["dev"]["warning"]
    assert told["test"]["p below 5% (Holm)"] == 0.025


def test_trials_of_before_looks_were_counted_count(tmp_path):
    bench = Workbench(tmp_path)
    questions = add_questions(bench.store)
    for seed, weight in enumerate((0.1, 0.2, 0.2)):
        add_trial(bench.store, questions, {"fusion.weight": weight}, 0.5, seed)
    [one] = looks.every(bench)
    assert (one.looked, one.stored, one.first) == (2, 2, "")
    bench.pipeline.looks.add(one.questions, one.dataset, "all", "another", "recipe")
    reference, other, _ = comparison.trials(bench)
    compared = comparison.compare(bench, reference, [other])
    assert (compared.tried, compared.stored) == (3, 2)
    [row] = comparison.rows(compared, {other.id: "other"})
    assert row["p (all looks)"] == row["q (all looks)"] == min(1, 2 * row["p"])


def test_a_trial_that_is_merged_counts_though_it_is_older_than_the_newest_here(tmp_path):
    theirs, ours = Workbench(tmp_path / "theirs"), Workbench(tmp_path / "ours")
    merged = add_trial(theirs.store, add_questions(theirs.store), {"fusion.weight": 0.1})
    questions = add_questions(ours.store)
    add_trial(ours.store, questions, {"fusion.weight": 0.2})
    assert looks.counted(ours, questions["fingerprint"]).stored == 1
    ours.store.journal.put(merged, "trial", theirs.store.journal.listing()[merged].path.read_bytes())
    assert looks.counted(ours, questions["fingerprint"])[3:5] == (2, 2)


def test_two_processes_add_to_one_file_and_half_a_line_costs_itself(tmp_path):
    first, second = Looks(tmp_path), Looks(tmp_path)
    first.add("set", "corpus", "dev", "a", "a")
    second.add("set", "corpus", "dev", "b", "b")
    with open(tmp_path / "set.jsonl", "ab") as file:
        file.write(b'{"dataset": "cor')  # a writer was killed
    first.add("set", "corpus", "dev", "c", "c")
    (tmp_path / "other.jsonl").write_text('[1]\n{"ranking": 1}\n\n{"ranking": "x", "recipe": "y"}\n')
    for looked in (first.of("set"), second.of("set"), Looks(tmp_path).of("set")):
        assert looked.rankings == {"a", "b", "c"} and looked.unread == 1
    assert [(one.questions, one.unread) for one in Looks(tmp_path).all()] == [("set", 1), ("other", 2)]
    assert len((tmp_path / "set.jsonl").read_bytes().split()) and first.of("none").rankings == set()


def test_a_record_put_back_from_a_backup_is_read_anew(tmp_path):
    looked, path = Looks(tmp_path), tmp_path / "set.jsonl"
    looked.add("set", "corpus", "dev", "a", "a")
    before = path.read_bytes()
    looked.add("set", "corpus", "dev", "b", "b")
    path.write_bytes(before)
    assert Looks(tmp_path).of("set").rankings == {"a"}


def test_where_the_disk_refuses_they_count_until_the_end(tmp_path, monkeypatch):
    (tmp_path / FOLDER).write_text("a file where the folder should be")
    monkeypatch.setattr(files, "notices", [])
    looked = Looks(tmp_path / FOLDER)
    looked.add("set", "corpus", "dev", "a", "a")
    assert looked.of("set").rankings == {"a"} and "counted until the app is closed" in files.notices[0]
    assert [one.questions for one in looked.all()] == ["set"]


def test_a_sentence_says_what_is_left_of_p():
    counts = looks.Counted("set", "corpus", "dev", 51, 3, "2026-01-01T00:00:00", "2026-01-02T00:00:00")
    assert looks.sentence(counts, 0.01, "MRR@10") == (
        "You have compared 51 recipes on the dev questions. Corrected for all of them, the difference in MRR@10 has p = 0.500 "
        "(p = 0.010 by itself): no longer significant."
    )
    assert "has p = 0.005 (p < 0.001 by itself): still significant." in looks.sentence(counts, 0.0001, "MRR@10")
    assert looks.sentence(counts, None, "MRR@10") == "You have compared 51 recipes on the dev questions."
    assert looks.sentence(counts._replace(looked=1), 0.01, "MRR@10") == ""
    assert looks.corrected([0.01, None, 0.2], 51)[0] == pytest.approx([0.5, None, 1.0])
    assert looks.corrected([0.01, 0.02], 1)[1] == pytest.approx([0.02, 0.02]), "fewer looks than tests: the tests count"
