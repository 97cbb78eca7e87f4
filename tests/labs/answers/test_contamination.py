"""Contamination: what was known by heart is found, what was not is not, and nothing is asked twice."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from core.__main__ import parse
from core.comparison.comparison import rules_of
from core.generation.torch_lm import Transformers
from core.judging.overlap import continued, copied_share
from core.labs.answers import contamination as lab
from core.labs.answers import rephrasing
from core.labs.answers.answering import CLOSED
from core.labs.answers.contamination import ContaminationArm
from core.labs.answers.rephrasing import Rephrasing
from core.labs.answers.results import result_of
from core.progress import drain
from core.queries.by_model import REPEATS
from core.records import plain
from core.statistics.corrections import holm
from core.workbench import Workbench
from tests.generation.test_torch_lm import tiny_model
from tests.support import failing
from tests.support.failing import RECIPE, Reader, read, recipe
from tests.support.small_corpora import with_towns

TOWNS = ("Lund", "Gent", "Metz", "Bari", "Cork", "Brno", "Linz", "Nice", "Graz", "Oslo")
HOURS = dict(zip(TOWNS, "one two three four five six seven eight nine ten".split(), strict=True))
TEXTS = {
    f"{town}.txt": f"The market of {town} opens at {HOURS[town]}. " + " ".join(f"{town}{n} is {n}." for n in range(60))
    for town in TOWNS
}
QUESTIONS = [
    {
        "id": town,
        "question": f"When does the market of {town} open?",
        "document": f"{town}.txt",
        "answer": f"opens at {HOURS[town]}",
    }
    for town in TOWNS
]
KNOWN = TOWNS[:4]  # by heart, in these very words
UNSAID = TOWNS[-1]  # has no rephrasing


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    drain(with_towns(home, TEXTS, QUESTIONS).prepare(recipe()))
    return home


class Contaminated(Reader):
    """Says by heart what it was trained on: four questions in their own words, and how every document goes on."""

    def answer(self, prompt: str) -> str:
        town = next((each for each in TOWNS if each in prompt.rsplit("\n", 3)[-1] or each in prompt.rsplit("Question: ")[-1]), "")
        if lab.CONTINUE in prompt:
            self.prompts.append(prompt)
            tokens = TEXTS[f"{town}.txt"].split()
            return " ".join(tokens[lab.HEAD : lab.HEAD + lab.TAIL])
        if "in other words" in prompt:
            self.prompts.append(prompt)
            return f"{'When does' if town == UNSAID else 'At which hour does'} the market of {town} open?"
        if CLOSED in prompt:
            self.prompts.append(prompt)
            return f"It opens at {HOURS[town]}." if town in KNOWN and "When" in prompt else "I like markets."
        return super().answer(prompt.replace("At which", ""))


@pytest.fixture
def reader(monkeypatch):
    read(monkeypatch)
    reader = Contaminated()
    monkeypatch.setattr(failing, "Reader", lambda: reader)
    read(monkeypatch)
    monkeypatch.setattr(rephrasing, "similarities", alike)
    return reader


def alike(workbench, config, pairs):
    yield from ()
    return [0.9 for _ in pairs]


def gap(made, condition: str, measure: str, subset: str = "all"):
    own, rephrased = (ContaminationArm(subset, condition, wording) for wording in lab.WORDINGS)
    return made.gaps.differences[own, rephrased, measure]


@pytest.mark.slow
def test_what_is_known_by_heart_is_found(bench, reader):
    made = drain(lab.probe_contamination(bench, recipe(), 99))
    assert len(made.items) == 10 and made.rephrased == 9 and made.fallbacks == {REPEATS: 1}
    assert {item.query.id for item in made.items if item.memorised} == set(KNOWN) and made.memorised.mean == 0.4
    closed = gap(made, "closed_book", "contains")
    assert made.gaps.means[closed.arm, "contains"].mean == pytest.approx(4 / 9)
    assert made.gaps.means[closed.base, "contains"].mean == 0.0
    assert closed.paired.difference == pytest.approx(4 / 9) and closed.paired.n == 9
    assert closed.paired.low is None and "too few" in closed.paired.note, "four of nine pairs differ"
    # over the evidence both wordings are answered alike, and leaving out what was right closed book is told there alone
    assert gap(made, "gold", "contains").paired.difference == 0.0
    assert gap(made, "gold", "contains", "unmemorised").paired.n == 5
    every = made.gaps.differences.values()
    assert {g.arm.condition for g in every if g.arm.subset == "unmemorised"} == {"gold"}
    p = [g.paired.p for g in every if g.arm.subset == "all"]
    assert [g.p_holm for g in every] == [*holm(np.array(p)), *[None] * (len(every) - len(p))]
    assert made.continuations.own.mean == 1.0 and made.continuations.paired.low > 0.1
    told = " ".join(lab.sentences(made, 0.95))
    assert "4 of 10 questions are answered right without any passage" in told and "more than chance" in told
    assert f"1 questions have none ({REPEATS}: 1)" in told and "written by the model under test" in told
    assert {row["id"]: row["rephrased"] for row in lab.item_rows(made)}[UNSAID] == ""


@pytest.mark.slow
def test_nothing_is_asked_twice_and_a_stopped_job_goes_on(bench, reader):
    made, cost = lab.standing(bench, recipe(), 99)
    assert (
        made is None
        and cost[:2] == (10, None)
        and [phase.what for phase in cost.phases] == ["10 rephrasings", "40 answers at most"]
    )
    work = lab.probe_contamination(bench, recipe(), 99)
    while not any(CLOSED in prompt for prompt in reader.prompts):
        next(work)
    work.close()
    assert lab.standing(bench, recipe(), 99)[1].answers
    made = drain(lab.probe_contamination(Workbench(bench.home), recipe(), 99))
    asked = len(reader.prompts)
    drafts = [prompt for prompt in reader.prompts if "in other words" in prompt]
    assert len(drafts) == rephrasing.DRAFTS * 10, "rephrasings are written once"
    told, left = lab.standing(Workbench(bench.home), recipe(), 99)
    assert left == lab.ContaminationCost(0, 0, ()) and lab.gap_rows(told) == lab.gap_rows(made) and len(reader.prompts) == asked


@pytest.mark.slow
def test_the_command_prints_what_the_lab_tells_and_saves_rephrasings_to_mend(bench, reader, tmp_path, capsys):
    path, words = tmp_path / "mend.jsonl", [f"{name}={value}" for name, value in RECIPE.items() if name != "corpus.dataset"]
    sets = [word for each in words for word in ("--set", each)]
    call = parse(["contamination", "--dataset", "towns", "--ask", "10", "--save", str(path), *sets])
    record = drain(call.work(bench))
    call.verb.show(record)
    made = drain(lab.probe_contamination(bench, recipe(), 10))
    assert record["told"] == lab.sentences(made, 0.95) and capsys.readouterr().out.endswith("\n".join(record["told"]) + "\n")
    assert record["gaps"] == plain(lab.gap_rows(made)) and json.loads(json.dumps(record, allow_nan=False))
    assert len(rephrasing.read_file(path)) == 20


def test_people_s_rephrasings_take_the_model_s_place(bench, reader, tmp_path):
    path = tmp_path / "mine.jsonl"
    lines = [{"question": q["question"], "rephrased": f"Tell me the hour of {q['id']}'s market."} for q in QUESTIONS[:6]]
    path.write_text("\n".join(map(json.dumps, [*lines, {"id": "Oslo", "rephrased": "When does the market of Oslo open"}])))
    made = drain(lab.probe_contamination(bench, recipe(), 99, path))
    assert made.by_hand and made.rephrased == 6 and made.fallbacks == {rephrasing.ABSENT: 4}
    assert not any("in other words" in prompt for prompt in reader.prompts)
    assert "written by people" in lab.limits(made)
    # what the job writes for editing is read again
    again = tmp_path / "again.jsonl"
    again.write_text("\n".join(map(json.dumps, lab.edit_lines(made))))
    assert sum(map(bool, rephrasing.read_file(again).values())) == 12, "by id and by question"


def test_of_the_drafts_that_keep_the_meaning_the_one_in_the_most_other_words_is_taken(bench, reader, monkeypatch):
    drafts = iter(["When does the market at Lund open?", "At which hour do traders of Lund begin?", "Who owns a mill?", "Lund."])
    monkeypatch.setattr(reader, "answer", lambda prompt: next(drafts))

    def cosines(workbench, config, pairs):
        yield from ()
        return [0.95, 0.8, 0.1][: len(pairs)]

    monkeypatch.setattr(rephrasing, "similarities", cosines)
    query = next(q for q in bench.evaluate(recipe()).corpus.queries if q.id == "Lund")
    [made] = drain(rephrasing.by_model(bench, recipe(), [query]))
    assert made == Rephrasing("At which hour do traders of Lund begin?", "", 0.8)
    monkeypatch.setattr(rephrasing, "MEANING", 0.99)
    assert drain(rephrasing.by_model(bench, recipe(), [query]))[0].text == ""


def test_overlap_by_hand():
    assert copied_share("the mill of Ryde was built in 1790", "they say the mill of Ryde was built in 1790 or so") == 1.0
    assert copied_share("a b c d e x", "a b c d e y") == 0.5
    assert np.isnan(copied_share("a b c d e", "a b c d e", question="a b c d e")) and np.isnan(copied_share("too short", "x"))
    assert continued("a b c", "a b c d e f") == 1.0 and continued("a x c", "a b c") == pytest.approx(2 / 3)
    assert np.isnan(continued("", "a"))


def test_the_least_likely_fifth():
    assert lab.least_likely([-1.0, -2.0, -3.0, -4.0, -10.0]) == (-4.0, -10.0)


def test_the_likelihoods_of_question_and_rephrasing_are_paired():
    made = lab._likelihood(rules_of(recipe()), [[-1.0, -2.0], [-2.0, -5.0], [-3.0, -4.0], [-3.0, -4.0]])
    assert made.mean.difference == 0.5 and made.lowest.difference == 1.5 and made.mean.n == 2
    assert (made.original, made.rephrased) == (-2.0, -2.5)


def test_a_question_that_the_window_does_not_hold_has_no_likelihood_and_the_others_have(tmp_path):
    part = Transformers(model=str(tiny_model(tmp_path)), context_tokens=256, own_process="no")
    draw = SimpleNamespace(
        workbench=SimpleNamespace(home=tmp_path / "home"), config=recipe().model_copy(update={"generation": part})
    )
    pairs = [(f"What is {n}?", f"Tell me of {n}.") for n in range(5)]
    pairs[3] = ("What is 3? " * 100, "Tell me of 3.")
    drain(lab._likelihoods(draw, pairs))
    recorded = result_of(draw.workbench, lab._likelihood_key(draw, pairs))
    assert [place for place, each in enumerate(recorded) if each is None] == [6]
    assert lab._likelihood(rules_of(recipe()), recorded).mean.n == 4 and lab._likelihood(rules_of(recipe()), [None, None]) is None
