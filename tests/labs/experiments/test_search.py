"""One search over experiments, trials, studies of people, questions and answers."""

import pytest

from core.errors import WorkbenchError
from core.labs.experiments import book
from core.labs.experiments.search import find
from core.workbench import Workbench
from tests.labs.experiments.test_book import sizes
from tests.store.test_odd_records_fault import ANSWER, STUDY
from tests.support.synthetic_trials import add_questions, add_trial


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = Workbench(tmp_path_factory.mktemp("search") / "data")
    questions = add_questions(bench.store)
    book.save(bench, sizes(note="Nothing yet."))
    book.save(bench, sizes(note="For the Ärzteblatt.", tags=["paper"]))
    trial = add_trial(bench.store, questions, {"fusion.part": "rrf", "chunking.size_tokens": 222})
    bench.describe(trial, "My best", "100% of <b>what</b> we have; it's 'quoted'", ["paper", "final"])
    add_trial(bench.store, questions, {"chunking.size_tokens": 64})
    bench.store.add("answer", {**ANSWER, "question": "What is quicksand?", "text": "Wet sand."})
    design = {"kind": "rating", "items": [], "title": "Faithful?", "question": "Which model invents?", "annotators": ["Zoe"]}
    bench.store.add("study", {**STUDY, "design": design})
    return bench


def hits(bench, words):
    return [(row.kind, row.title, row.where) for row in find(bench, words).rows]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("best", [("trial", "My best", ("title",))]),
        ("PAPER", [("experiment", "Chunk sizes", ("tags",)), ("trial", "My best", ("tags",))]),
        ("ÄRZTE", [("experiment", "Chunk sizes", ("note",))]),
        ("nothing", []),  # stood in an earlier version
        ("chunk be", [("experiment", "Chunk sizes", ("title", "name", "question")), ("trial", "My best", ("title", "name"))]),
        ("222", [("trial", "My best", ("name", "chunking.size_tokens"))]),
        ("22", [("trial", "My best", ("name",)), ("question", "What is 22 in tiny?", ("title", "name"))]),
        ("rrf final", [("trial", "My best", ("name", "tags", "fusion.part"))]),
        ("it's 'quoted'", [("trial", "My best", ("note",))]),
        ("100%", [("trial", "My best", ("note",))]),
        ("invents", [("study", "Faithful?", ("question",))]),
        ("zoe", [("study", "Faithful?", ("annotators",))]),
        ("quicksand", [("answer", "What is quicksand?", ("title",))]),
        ("wet", [("answer", "What is quicksand?", ("answer",))]),
        ("is 17 tiny", [("question", "What is 17 in tiny?", ("title", "name", "corpus"))]),
    ],
)
def test_every_word_is_found_wherever_it_stands(bench, words, expected):
    assert hits(bench, words) == expected


def test_a_kind_with_many_tells_how_many(bench):
    few = find(bench, "what is", most=3)
    assert few.totals == {"question": 40, "answer": 1} and len(few.rows) == 4
    assert (few.rows[0].title, few.rows[0].excerpt) == ("What is 0 in tiny?", "What is 0 in tiny?")
    [trial] = find(bench, "best").rows
    assert [(row.id, row.where) for row in find(bench, trial.id[-7:]).rows] == [(trial.id, ("id",))]


@pytest.mark.parametrize("words", ["", "   ", "a " * 13, "x" * 201])
def test_what_is_no_search_says_so(bench, words):
    with pytest.raises(WorkbenchError):
        find(bench, words)


@pytest.mark.parametrize("words", ["%", "'; DROP TABLE trials; --", "nan", "\\", "\x00", "1e999", "_", "\ud800"])
def test_odd_words_find_nothing_or_what_holds_them(bench, words):
    assert all(row.kind for row in find(bench, words).rows)
