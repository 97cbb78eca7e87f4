"""A system is asked each question once, by whichever way; what it says is recorded, read back, and drawn for people."""

import pytest

from core.annotation.drawing import draw
from core.annotation.stored_answers import read_candidates
from core.errors import WorkbenchError
from core.labs.scores import sets
from core.labs.systems import asking
from core.labs.systems.over_http import http_system
from core.progress import drain
from core.serving.service import Service
from core.store.batches import BatchRecords
from tests.serving.test_watching import FREE
from tests.support import served
from tests.support.failing import QUESTIONS, recipe
from tests.support.fake_endpoint import serving
from tests.support.foreign_rag import BODY, PLACES, answered, foreign, said

template, serve = served.template, served.serve


class Counting:
    """A callable that counts."""

    def __init__(self, fails=()) -> None:
        self.asked, self.fails = [], fails

    def __call__(self, question):
        self.asked.append(question)
        if question in self.fails:
            raise RuntimeError("no such index")
        return answered(question)


def of(bench, name: str) -> dict[str, asking.SystemTake]:
    return asking.takes(bench, name, "towns", [each["question"] for each in QUESTIONS])


def test_a_question_is_asked_once_and_again_only_where_that_is_said(bench):
    system = Counting()
    first = drain(asking.ask_system(bench, recipe(), "mine", system, 3))
    assert (first.questions, first.answered, first.now) == (3, 3, 3) and len(system.asked) == 3
    more = drain(asking.ask_system(bench, recipe(), "mine", system, 5))
    assert (more.answered, more.now) == (5, 2), "a larger draw holds the smaller"
    assert system.asked == [query.text for query in asking.draw(bench.corpus(recipe()), 0, 5)]
    drain(asking.ask_system(bench, recipe(), "mine", system, 2, again=True))
    assert len(system.asked) == 7 and sorted(each.take for each in of(bench, "mine").values()) == [1, 1, 1, 2, 2]
    assert asking.systems(bench, "towns") == {"mine": 5} and asking.systems(bench, "silent") == {}
    [row] = bench.store.query("SELECT count(*) AS n, count(DISTINCT question) AS questions FROM system_answers WHERE take < 3")
    assert row == {"n": 7, "questions": 5}
    stored = BatchRecords(bench.home).read(asking.KIND, [asking._key("mine", "towns", system.asked[0], 2)])
    [value] = stored.values()
    assert value["answer"] == answered(system.asked[0])[0] and value["how"] == {"speaks": "python"}


def test_what_fails_is_left_for_the_next_time_and_three_in_a_row_end_it(bench):
    texts = [query.text for query in asking.draw(bench.corpus(recipe()), 0, 6)]
    with pytest.raises(WorkbenchError, match="did not answer 1 of 6 questions: RuntimeError: no such index") as told:
        drain(asking.ask_system(bench, recipe(), "mine", Counting(fails=texts[1:2]), 6))
    assert "recorded" in told.value.todo and len(of(bench, "mine")) == 5
    healthy = Counting()
    drain(asking.ask_system(bench, recipe(), "mine", healthy, 6))
    assert healthy.asked == texts[1:2]
    broken = Counting(fails=texts)
    with pytest.raises(WorkbenchError, match="did not answer 3 of 3 questions"):
        drain(asking.ask_system(bench, recipe(), "other", broken, 6))
    assert len(broken.asked) == 3 and not of(bench, "other")


def test_a_stopped_run_has_recorded_what_came_in(bench):
    system = Counting()
    steps = asking.ask_system(bench, recipe(), "mine", system, 6)
    while len(system.asked) < 3:
        next(steps)
    steps.close()
    assert len(of(bench, "mine")) == 3


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * 81, "--again"])
def test_a_name_is_a_line(bench, name):
    with pytest.raises(WorkbenchError, match="a name of one line"):
        drain(asking.ask_system(bench, recipe(), name, Counting(), 1))


def test_any_json_is_read_by_its_mapping_and_the_question_stands_where_the_body_says(bench):
    with serving(said(foreign)) as server:
        system = http_system(server.url + "/ask", "json", body=BODY, places=PLACES)
        drain(asking.ask_system(bench, recipe(), "theirs", system, 2))
        assert [(path, list(body)) for path, _, body in server.requests] == [("/ask", ["q"])] * 2
    for question, take in of(bench, "theirs").items():
        answer, [own, other] = answered(question)
        assert take.reply.answer == answer and take.reply.seconds > 0
        assert [(each.text, each.document) for each in take.reply.passages] == [
            (own["text"], own["document"]),
            (other["text"], ""),
        ]
    elsewhere = http_system("http://127.0.0.1:9/ask", "json", body=BODY, places=PLACES)
    with pytest.raises(WorkbenchError, match="asked in another way before"):
        drain(asking.ask_system(bench, recipe(), "theirs", elsewhere, 2))


def test_chat_completions_have_an_answer_and_no_passages(bench):
    chat = {"choices": [{"message": {"role": "assistant", "content": "At five."}}]}
    with serving(said(chat)) as server:
        drain(asking.ask_system(bench, recipe(), "chat", http_system(server.url + "/v1/", "openai", "m-1"), 1))
        [(path, _, body)] = server.requests
    [(question, take)] = of(bench, "chat").items()
    assert path == "/v1/chat/completions" and body == {"model": "m-1", "messages": [{"role": "user", "content": question}]}
    assert take.reply.answer == "At five." and take.reply.passages is None


def test_another_recipe_that_is_served_needs_no_mapping(bench, reader, serve):
    client = serve(Service(bench, recipe(), "towns"), FREE)
    drain(asking.ask_system(bench, recipe(), "served", http_system(str(client.base_url).rstrip("/")), 2))
    for question, take in of(bench, "served").items():
        reply = client.post("/answer", json={"question": question}).json()
        assert take.reply.answer == reply["answer"]
        told = [(each["document"], each["start"], each["end"], each["text"]) for each in reply["passages"]]
        assert told == [(each.document, each.start, each.end, each.text) for each in take.reply.passages]


def test_its_answers_can_be_drawn_for_people_and_scored_as_stored_ones(bench):
    drain(asking.ask_system(bench, recipe(), "mine", Counting(), 4))
    drain(asking.ask_system(bench, recipe(), "mine", lambda question: ("Anew.", ["A passage"]), 1, again=True))
    drain(asking.ask_system(bench, recipe(), "finds", lambda question: ["A passage"], 4))
    every = read_candidates(bench, "towns")
    assert [each.system for each in every] == ["mine"] * 4, "a retriever has nothing to judge"
    [anew] = [each for each in every if each.text == "Anew."]
    assert [each.text for each in anew.passages] == ["A passage"]
    items = draw(every, 3)
    assert {item.responses[0].system for item in items} == {"mine"} and len({item.question for item in items}) == 3
    assert len(sets.stored(bench, "towns")["mine"]) == 4 and read_candidates(bench, "silent") == []


def test_what_asking_takes_is_told_by_what_it_took(bench):
    corpus = bench.corpus(recipe())
    assert asking.cost(bench, "mine", corpus, 0, 4).words == "4 questions, not measured here yet"
    drain(asking.ask_system(bench, recipe(), "mine", Counting(), 3))
    assert asking.cost(bench, "mine", corpus, 0, 3) is None, "nothing is left"
    left, again = (asking.cost(bench, "mine", corpus, 0, 4, again=every).phases[0] for every in (False, True))
    assert left.what == "1 question" and again.what == "4 questions" and again.seconds.high >= left.seconds.high > 0
