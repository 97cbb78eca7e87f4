"""Kept answers: a changed context is answered anew and no other, by one prompt once, and what is stopped goes on."""

import json
import shutil

import numpy as np
import pytest

from core.config import with_settings
from core.errors import TooLate, WorkbenchError
from core.generation.llama_engine import LlamaCpp
from core.generation.model_texts import BATCH
from core.generation.openai_compatible import OpenAICompatible
from core.generation.protocol import Generated
from core.labs.answers import answering as lab
from core.labs.answers import to_judge
from core.progress import drain
from core.records import Gold, Query
from core.store import batches
from core.workbench import Workbench
from tests.support.failing import QUESTIONS, failing, recipe

MANY = [
    f"{first}{second}" for first in ("Ber", "Lun", "Mar", "Nor", "Os", "Ta") for second in ("by", "dal", "holm", "nes", "vik")
]
TEXTS = {
    f"{t}.txt": f"{t} has {n} mills and its market opens at {n % 9 + 1}." + " There is a mill." * (n % 5)
    for n, t in enumerate(MANY)
}
ASKED = [
    {
        "id": t,
        "question": f"When does the market of {t} open{f', {t} and not {MANY[n - 1]}' * (n % 2)}?",
        "document": t,
        "answer": f"at {n % 9 + 1}",
    }
    for n, t in enumerate(MANY)
]
SETTINGS = {"corpus.dataset": "towns", "fusion.part": "sparse_only", "context.passages": 2}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    rows = "\n".join(
        json.dumps({"id": name, "text": text}) for name, text in TEXTS.items()
    )  # a file is read in a process of its own
    bench, asked = Workbench(home), "\n".join(map(json.dumps, ASKED))
    drain(bench.library.ingest("towns", [("towns.jsonl", rows.encode())], ("questions.jsonl", asked.encode())))
    drain(bench.prepare(many()))
    return home


def many(**settings: object):
    return with_settings(recipe(), {"chunking.part": "recursive", "chunking.size_tokens": 64} | SETTINGS | settings)


def at(bench: Workbench, config, count: int = 99) -> lab.AnswerSet:
    return lab.answer_set(bench, bench.evaluate(config), count)


def test_a_larger_draw_holds_the_smaller_and_only_who_can_be_judged():
    queries = [Query(str(n), "?", answers=("a",) * (n % 2), answerable=n != 4) for n in range(9)]
    assert lab.drawn(queries, 3, 2) == lab.drawn(queries, 3, 5)[:2] and sorted(lab.drawn(queries, 3, 9)) == [1, 3, 4, 5, 7]
    bare = [Query(str(n), "?") for n in range(4)]
    assert sorted(lab.drawn(bare, 0, 9)) == [0, 1, 2, 3], "without references all are asked"


def test_n_changed_contexts_write_n_answers_and_no_more(bench, reader):
    first = drain(lab.answer_questions(bench, many(), 20))
    assert len(reader.prompts) == len(set(reader.prompts)) == 20 and all(first.answers)
    changed = many(**{"sparse.b": 0.0})
    before, after = at(bench, many(), 20), at(bench, changed, 20)
    assert before.answers == first.answers
    differ = [a.key != b.key for a, b in zip(before.askings, after.askings, strict=True)]
    told = lab.cost(bench, changed, after.askings)
    assert 0 < told.answers == sum(differ) < 20 and told.seconds is not None
    # a setting that changes no prompt is another context, and the same messages
    for config, most in (
        (changed, told.answers),
        (many(**{"context.max_tokens": 1300}), 0),
        (many(**{"context.threshold": 0.2}), 0),
    ):
        asked = len(reader.prompts)
        made = drain(lab.answer_questions(bench, config, 20))
        assert len(reader.prompts) - asked == most and all(made.answers)
        assert lab.cost(bench, config, made.askings).answers == 0
    assert len(reader.prompts) == len(set(reader.prompts))
    for settings in ({"generation.temperature": 0.5}, {"generation.model": "/another.gguf"}, {"generation.logprobs": 3}):
        assert at(bench, many(**settings), 5).answers == (None,) * 5, settings
    assert at(bench, many(**{"generation.threads": 1}), 20).answers == first.answers, "what changes no text asks nothing anew"


def test_answers_outlive_the_cache(bench, reader):
    bench.pipeline.cache.cap_bytes = 20_000
    recipes = [many(), many(**{"context.passages": 1})]
    first = [drain(lab.answer_questions(bench, recipe, 30)).answers for recipe in recipes]
    asked = len(reader.prompts)
    for delete in (False, True):
        if delete:
            shutil.rmtree(bench.home / "cache")
        batches._of_home.clear()  # as another process
        fresh = Workbench(bench.home)
        assert [at(fresh, recipe, 30).answers for recipe in recipes] == first, f"the cache deleted: {delete}"
        assert [drain(lab.answer_questions(fresh, recipe, 30)).answers for recipe in recipes] == first
    assert len(reader.prompts) == asked, "nothing is asked twice"
    [row] = fresh.store.query("SELECT count(DISTINCT key) AS answers, count(DISTINCT question) AS questions FROM set_answers")
    assert row == {"answers": 60, "questions": 30}


def test_the_contexts_are_told_without_a_model_as_the_whole_ranking_tells_them(bench, reader, monkeypatch):
    def fails(*_):
        raise AssertionError("a model was loaded")

    for name in ("load", "generate", "generate_many", "count_tokens", "holds"):
        monkeypatch.setattr(LlamaCpp, name, fails)
    for settings in (
        {},
        {"context.duplicates": 0.9},
        {"retrieval.top_k": 1},
        {"fusion.part": "sparse_only", "context.passages": 5},
    ):
        evaluation = bench.evaluate(many(**settings))
        rows, asker = lab.drawn(evaluation.corpus.queries, 0, 9), lab.Asker(evaluation.run)
        slow = [asker.over(evaluation.corpus.queries[row].text, bench.hits(evaluation, row)) for row in rows]
        quick = lab.askings(bench, evaluation, rows)
        assert [(a.key, a.asks, list(a.hits())) for a in quick] == [(a.key, a.asks, list(a.hits())) for a in slow]


def test_what_is_stopped_keeps_its_whole_batches_and_goes_on(bench, reader):
    work = lab.answer_questions(bench, many(), 30)
    while len(reader.prompts) < BATCH + 2:
        next(work)
    work.close()
    assert sum(each is not None for each in at(bench, many(), 30).answers) == BATCH
    fresh = Workbench(bench.home)
    made = drain(lab.answer_questions(fresh, many(), 30))
    assert all(made.answers) and len(reader.prompts) == 30 + 2, "only what was not whole is asked again"
    assert made.answers == at(Workbench(bench.home), many(), 30).answers
    # batches follow the draw, so that what is known at any moment is drawn at random, too
    first = {query.text for query in made.queries[:BATCH]}
    assert all(any(text in prompt for text in first) for prompt in reader.prompts[:BATCH])


def test_what_a_study_of_people_has_answered_counts_on_the_other_pages(bench, reader):
    drain(to_judge.answer_questions(bench, many(), 5))
    known = at(bench, many(), 30)
    assert [each is not None for each in known.answers] == [True] * 5 + [False] * 25, "the same draw"
    stored = {row["question"] for row in bench.store.query("SELECT question FROM answers")}
    assert stored == {query.text for query in known.queries[:5]}
    asked = len(reader.prompts)
    drain(lab.answer_questions(bench, many(), 5))
    assert len(reader.prompts) == asked, "nothing is asked twice"


@pytest.mark.parametrize("changed", [{"order": "best_last"}, {"compress": 0.5}, {"hand_on": "neighbours"}])
def test_a_second_run_of_several_prompts_reads_the_very_prompts_of_the_first(bench, reader, changed):
    config, question = many(**{"answering.part": "ircot", "context": changed}), "When does the market of Lunnes open?"
    made = drain(bench.ask(config, question))
    before = [*reader.prompts]
    _, comparison = drain(bench.ask_again(config, question, made))
    assert reader.prompts[len(before) :] == before and len(before) > 2
    assert comparison.changed == () and comparison.share == 1


def test_an_answer_to_judge_that_the_deadline_cut_is_asked_for_again(bench, reader):
    reader.ends = "deadline"
    drain(to_judge.answer_questions(bench, many(), 2))
    assert at(bench, many(), 2).answers == (None, None), "cut, it is no answer of the recipe"
    reader.ends = "stop"
    drain(to_judge.answer_questions(bench, many(), 2))
    assert all(at(bench, many(), 2).answers)
    ends = bench.store.query("SELECT finish_reason, count(*) AS n FROM answers GROUP BY ALL ORDER BY ALL")
    assert [tuple(row.values()) for row in ends] == [("deadline", 2), ("stop", 2)]


def test_questions_without_a_similar_passage_are_answered_in_their_turn(bench, reader, monkeypatch):
    """Else the first answers would all be those that know nothing, and the mean of what is answered so far lower than it is."""
    real = lab.askings
    monkeypatch.setattr(lab, "askings", lambda *a: tuple(each._replace(asks=n % 3 > 0) for n, each in enumerate(real(*a))))
    work = lab.answer_questions(bench, many(), 30)
    while len(reader.prompts) < BATCH + 1:
        next(work)
    work.close()
    there = [each is not None for each in at(bench, many(), 30).answers]
    assert there == sorted(there, reverse=True) and sum(there) >= BATCH, "no gap"


def test_a_passage_that_does_not_fit_is_its_questions_failure(bench, reader, monkeypatch):
    monkeypatch.setattr(LlamaCpp, "count_tokens", lambda self, text: 2000 if "Berby" in text else 1)
    made = drain(lab.answer_questions(bench, many(), 99))
    failed = [q.id for q, a in zip(made.queries, made.answers, strict=True) if "best passage alone has" in a.finish_reason]
    assert failed == ["Berby"] and len([1 for each in made.answers if each.finish_reason == "stop"]) == 29


@pytest.mark.slow
def test_a_case_holds_what_its_answer_can_be_held_against(tmp_path, reader):
    bench = failing(tmp_path)
    made = drain(lab.answer_questions(bench, recipe(), len(QUESTIONS)))
    table = dict(zip([query.id for query in made.queries], lab.cases(made, range(len(made.rows))), strict=True))
    case = table["answered"]
    assert case.answer == "The market of Lund opens at five." and case.references == ("opens at five",) and case.units == 1
    place = case.passages.index("The market of Lund opens at five.")
    assert case.covered[place] == {0} and sum(map(len, case.covered)) == 1 and case.answerable
    assert not any(table["unretrieved"].covered) and table["unretrieved"].units == 1
    assert table["declined"].answerable is False and table["declined"].units == 0


def test_an_answer_of_several_prompts_is_kept_too(bench, reader, monkeypatch):
    config = many(**{"answering.part": "per_passage"})
    made = drain(lab.answer_questions(bench, config, 3))
    asked = len(reader.prompts)
    assert all(made.answers) and asked >= 3 and at(bench, config, 3).answers == made.answers
    drain(lab.answer_questions(bench, config, 3))
    assert len(reader.prompts) == asked


def test_answers_are_priced_by_the_texts_that_their_way_takes_and_by_those_that_were_written_that_way(bench, reader):
    def price(part: str, number: int = 10, what: str = ""):
        return lab.answers_phase(bench, many(**{"answering.part": part}), number, what)

    one, alone = (price(part, 1, "the answer") for part in ("one_prompt", "per_passage"))
    assert (one.what, alone.what) == ("the answer", "the answer, up to 3 model calls")
    assert alone.seconds.low == one.seconds.low and alone.seconds.high == 3 * one.seconds.high and not alone.seconds.measured
    plain, quick = price("one_prompt"), price("reader")
    assert price("per_passage").what == "10 answers, up to 3 model calls each" and price("per_passage", 0).seconds is None
    assert quick.what == plain.what == "10 answers" and quick.seconds.high < plain.seconds.high and not quick.memory_bytes
    drain(lab.answer_questions(bench, many(**{"answering.part": "per_passage"}), 12))
    assert price("per_passage").seconds.measured and not price("one_prompt").seconds.measured
    drain(lab.answer_questions(bench, many(), 12))
    assert price("one_prompt").seconds.measured


def test_a_model_that_fails_is_told_and_the_rest_is_kept(bench, reader):
    reader.fails = "deadline"
    with pytest.raises(WorkbenchError, match="The model failed"):
        drain(lab.answer_questions(bench, many(), 20))
    assert at(bench, many(), 20).answers == (None,) * 20
    reader.fails = ""
    assert all(drain(lab.answer_questions(bench, many(), 20)).answers)


def test_an_answer_that_is_too_late_is_asked_for_again_and_the_others_are_kept(bench, reader, monkeypatch):
    config, late, true = many(**{"answering.part": "per_passage"}), ["slow"], lab.answer

    def answer(question, *args, **others):
        if late and others["answering"].part == "per_passage" and (late[0] == "slow" or late[0] == question):
            late[0] = question  # the first one
            raise TooLate("It was not computed before the deadline.")
        return (yield from true(question, *args, **others))

    monkeypatch.setattr(lab, "answer", answer)
    with pytest.raises(WorkbenchError, match=r"1 of 6 .* not written: It was not computed"):
        drain(lab.answer_questions(bench, config, 6))
    assert sum(said is None for said in at(bench, config, 6).answers) == 1
    late.clear()
    assert all(drain(lab.answer_questions(bench, config, 6)).answers)


@pytest.mark.parametrize("way", ["per_passage", "ircot"])
@pytest.mark.parametrize("late", ["deadline", "failed: no text before the deadline"])
def test_an_answer_that_the_deadline_cut_is_none_of_the_recipe_whatever_its_way(bench, reader, way, late):
    config, reader.fails = many(**{"answering.part": way}), late
    with pytest.raises(WorkbenchError, match=r"4 of 4 .* not written: .*deadline"):
        drain(lab.answer_questions(bench, config, 4))
    assert at(bench, config, 4).answers == (None,) * 4
    reader.fails = ""
    assert all(said.text for said in drain(lab.answer_questions(bench, config, 4)).answers)


def test_a_service_whose_model_writes_no_call_has_failed_and_one_that_breaks_off_may_answer_the_next_time(bench, monkeypatch):
    why = "failed: the connection broke off"

    def generate(self, messages, seed=0, deadline_s=120.0):
        yield ""
        return Generated("", why, "", 9, 0, 1, 1.0, 2.0, "m", "", cost_usd=0.0)

    monkeypatch.setattr(OpenAICompatible, "generate", generate)
    config = many(**{"generation.part": "openai_compatible", "answering.part": "react"})
    with pytest.raises(WorkbenchError, match="2 of 2 answers or more are not written: failed: the connection broke off"):
        drain(lab.answer_questions(bench, config, 2))
    assert at(bench, config, 2).answers == (None, None)
    why = "failed: not JSON: Expecting value"
    made = drain(lab.answer_questions(bench, config, 2))
    assert [said.finish_reason for said in made.answers] == [why, why]


def test_evidence_is_covered_by_the_rule_of_the_evaluation():
    assert lab.covers(("a", 0, 10), Gold("a", 5, 15), 0.5) and not lab.covers(("a", 0, 10), Gold("a", 5, 15), 0.6)
    assert not lab.covers(("a", 0, 5), Gold("a", 5, 9), 0.1) and not lab.covers(("b", 0, 10), Gold("a", 0, 10), 0.1)
    assert np.all([lab.covers(("a", 3, 4), Gold("a", 0, 10), 1.0)])


@pytest.mark.parametrize("model", ["none.gguf", "1:" + "59:" * 400, "a\0b", ""])
def test_what_is_no_file_of_a_model_holds_no_memory(model):
    part = LlamaCpp.model_construct(model=model)  # as a form has it before it is checked
    assert lab.model_bytes(part) == 0.0
