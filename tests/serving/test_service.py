"""A recipe over HTTP: its ways of answering, what a client is told, who is let in, and what ends when it leaves."""

import json
import socket
import threading
import time
from types import SimpleNamespace

import pytest

from core.config import with_settings
from core.errors import WorkbenchError
from core.generation.llama_engine import LlamaCpp
from core.generation.openai_compatible import OpenAICompatible
from core.generation.protocol import Generated
from core.progress import drain
from core.records import Progress
from core.serving.admission import Breaker
from core.serving.keys import Keys
from core.serving.routing import Router
from core.serving.service import ServedQuestion, Service
from core.serving.spans import Recorder, SpanBuffer
from core.serving.web import ServiceLimits
from tests.support.failing import TEXTS, recipe
from tests.support.fake_endpoint import events, hang, serving, status, stream

LUND = "When does the market of Lund open?"
FREE = ServiceLimits(rate=1e6, burst=1_000_000)


@pytest.fixture
def service(bench, reader):
    return Service(bench, recipe(), "towns")


def remote(url, **settings):
    return with_settings(recipe(), {"generation": {"part": "openai_compatible", "base_url": url, "model": "m-1"}, **settings})


def leave(client, begun, **asked) -> None:
    """Asks, and goes once the work has begun."""
    body = json.dumps({"question": LUND, **asked}).encode()
    with socket.create_connection((client.base_url.host, client.base_url.port)) as own:
        own.sendall(b"POST /answer HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        own.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        assert begun.wait(60)


def sent_events(response) -> list[tuple[str, dict]]:
    blocks = [block.split("\n") for block in response.text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


def test_an_answer_comes_with_recipe_passages_citations_and_the_way_it_took(service, serve):
    client = serve(service, FREE)
    response = client.post("/answer", json={"question": LUND})
    made = response.json()
    assert response.status_code == 200 and response.headers["x-groundwork-way"] == made["way"] == "local"
    assert made["answer"] == TEXTS["Lund.txt"] and made["recipe"] == service.recipe and made["tried"] == []
    assert made["passages"][0]["document"] == "Lund.txt" and made["passages"][0]["text"] == TEXTS["Lund.txt"]
    assert [passage["number"] for passage in made["passages"]] == [1, 2]
    assert (
        made["ms"]["retrieval"]
        <= made["ms"]["work"]
        == pytest.approx(float(response.headers["server-timing"][len("work;dur=") :]), abs=0.001)
    )


def test_the_same_question_is_answered_from_the_cache_and_anew_where_that_is_asked(service, serve, reader):
    client = serve(service, FREE)
    first, second = (client.post("/answer", json={"question": text}).json() for text in (LUND, f" {LUND}  "))
    assert (first["way"], second["way"]) == ("local", "cached") and second["answer"] == first["answer"]
    assert second["cache"]["similarity"] == 1.0 and len(reader.prompts) == 1
    assert first["tokens"]["prompt"] and second["tokens"] == {"prompt": 0, "answer": 0}, "no model read or wrote any"
    assert "generation" in first["ms"] and second["ms"].keys() <= {"cache", "work"}, "its own time, not that of the first call"
    assert client.post("/answer", json={"question": LUND, "fresh": True}).json()["way"] == "local"


def test_an_answer_from_the_cache_costs_nothing_again(service, serve):
    client = serve(service, FREE)
    made = client.post("/answer", json={"question": LUND}).json()
    service.cache.put(LUND, service.stamp(), {**made, "cost_usd": 0.02})
    told = client.post("/answer", json={"question": LUND}).json()
    assert made["cost_usd"] is None and (told["way"], told["cost_usd"]) == ("cached", 0.0)


def test_what_nobody_thought_of_is_told_as_json_and_counted(service, serve, monkeypatch):
    client = serve(service, FREE)
    broken = lambda *_: (_ for _ in ()).throw(RuntimeError("here"))  # noqa: E731
    monkeypatch.setattr(service.workbench, "search", broken)
    monkeypatch.setattr(service.workbench, "ask", broken)
    for path, body in (("/search", {}), ("/answer", {}), ("/answer", {"stream": True})):
        response = client.post(path, json={"question": LUND, **body}, headers={"connection": "close"})
        assert (response.status_code, response.json()) == (500, {"error": "The service is at fault: RuntimeError."})
    assert 'requests_total{path="/answer",status="500",way=""} 2.0' in client.get("/metrics").text


def test_a_body_that_is_not_said_to_be_json_is_told_how_to_send_it(service, serve):
    form = {"content-type": "application/x-www-form-urlencoded"}  # as curl --data says
    response = serve(service, FREE).post("/answer", content=json.dumps({"question": LUND}), headers=form)
    assert response.status_code == 422 and "content-type: application/json" in response.json()["error"]


def test_a_question_in_other_words_takes_the_answer_where_that_is_asked_for(bench, reader, serve):
    client = serve(Service(bench, recipe(), "towns", similarity=0.9), FREE)
    asked = [LUND, "When does the Lund market open", "when does the market of Lund open"]
    first, _, again = (client.post("/answer", json={"question": question}).json() for question in asked)
    assert (first["way"], again["way"]) == ("local", "cached") and again["cache"]["question"] == LUND
    assert 0.9 <= again["cache"]["similarity"] < 1.000001 and again["answer"] == first["answer"]


def test_events_tell_the_text_then_the_whole_reply(service, serve):
    told = sent_events(serve(service, FREE).post("/answer", json={"question": LUND, "stream": True}))
    assert told[-1][0] == "answer" and told[-1][1]["answer"] == TEXTS["Lund.txt"]


def test_what_is_asked_together_is_answered_side_by_side(service, serve, reader):
    client, replies = serve(service, FREE), []
    entered, go = threading.Event(), threading.Event()
    search = service.workbench.search

    def slow(*args):
        entered.set()
        go.wait(60)
        return search(*args)

    service.workbench.search = slow
    asked = [f"When does the market of {town} open?" for town in ("Lund", "Gent", "Lund or Gent", "Gent or Lund")]
    threads = [
        threading.Thread(target=lambda q=q: replies.append(client.post("/answer", json={"question": q}).json())) for q in asked
    ]
    threads[0].start()
    entered.wait(60)
    for thread in threads[1:]:
        thread.start()
    while client.get("/metrics").text.find("groundwork_running 4.0") < 0:
        time.sleep(0.01)
    go.set()
    for thread in threads:
        thread.join()
    assert {reply["question"] for reply in replies} == set(asked) and all(reply["way"] == "local" for reply in replies)
    assert client.get("/ready").json()["batches"] == {"1": 1, "3": 1}


def test_a_question_whose_deadline_passes_in_line_waits_no_longer(service, serve, monkeypatch):
    entered, go = threading.Event(), threading.Event()

    def slow(self, *args, **settings):
        entered.set()
        while not go.wait(0.02):
            yield Progress(0, 1, "writing")
        raise WorkbenchError("It broke.")

    monkeypatch.setattr(LlamaCpp, "generate_many", slow)
    client = serve(service, FREE)
    busy = threading.Thread(target=lambda: client.post("/answer", json={"question": LUND}))
    busy.start()
    entered.wait(60)
    made = client.post("/answer", json={"question": "When does the market of Gent open?", "deadline_s": 0.2})
    assert not go.is_set() and (made.status_code, made.json()["way"]) == (206, "passages")
    go.set()
    busy.join()


def test_search_gives_the_passages_alone(service, serve, reader):
    made = serve(service, FREE).post("/search", json={"question": LUND, "k": 1}).json()
    assert [passage["document"] for passage in made["passages"]] == ["Lund.txt"] and not reader.prompts


def test_a_failing_engine_leaves_the_passages_and_its_breaker_opens(service, serve, reader):
    reader.fails = "failed: no memory"
    client = serve(service, FREE)
    response = client.post("/answer", json={"question": LUND})
    made = response.json()
    assert response.status_code == 206 and made["way"] == "passages" and made["answer"] == ""
    assert made["passages"][0]["document"] == "Lund.txt" and "no memory" in made["tried"][0]["why"]


def test_a_remote_engine_that_fails_is_replaced_by_the_model_of_this_machine(bench, reader, serve, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    with serving(status(400, "overloaded")) as endpoint:
        service = Service(bench, remote(endpoint.url))
        client = serve(service, FREE)
        made = [client.post("/answer", json={"question": LUND, "fresh": True}).json() for _ in range(5)]
        assert [each["way"] for each in made] == ["local"] * 5
        assert "overloaded" in made[0]["tried"][0]["why"] and "rests" in made[4]["tried"][0]["why"]
        assert client.get("/ready").json()["breakers"] == {"remote": "open", "local": "closed"}
        tried = len(endpoint.requests)
        client.post("/answer", json={"question": LUND, "fresh": True})
        assert len(endpoint.requests) == tried  # it rests


def test_a_remote_engine_that_hangs_is_skipped_after_three_questions_whoever_waits_for_a_whole_reply(
    bench, reader, serve, monkeypatch
):
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    with serving(hang) as endpoint:
        service = Service(bench, remote(endpoint.url))
        client = serve(service, FREE)
        body = {"question": LUND, "fresh": True, "deadline_s": 0.5}
        late = [client.post("/answer", json=body).json()["way"] for _ in range(3)]
        assert late == ["passages"] * 3 and client.get("/ready").json()["breakers"] == {"remote": "open", "local": "closed"}
        tried = len(endpoint.requests)
        assert client.post("/answer", json=body | {"deadline_s": 60}).json()["way"] == "local" and len(endpoint.requests) == tried
        service.rungs[0].breaker.succeeded()
        left = ServedQuestion(LUND, time.perf_counter() + 60, True)
        for number, _ in enumerate(service.replies([left])):
            if number > 3:
                left.gone.set()
        assert service.rungs[0].breaker._failures == 0, "its client left, it did not fail"


def test_what_stood_in_for_a_remote_engine_is_not_given_again_once_it_answers(bench, reader, serve, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    failing, works = status(400, "overloaded"), stream(events("openai", "At ", "five [1]."))
    with serving(failing, works, works) as endpoint:
        client = serve(Service(bench, remote(endpoint.url)), FREE)
        made = [client.post("/answer", json={"question": LUND}) for _ in range(3)]
    assert [(each.status_code, each.json()["way"]) for each in made] == [(200, "local"), (200, "remote"), (200, "cached")]
    assert made[2].json()["answer"] == "At five [1]." and made[2].json()["tried"] == []


def test_a_remote_engine_answers_and_streams(bench, reader, serve, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    with serving(stream(events("openai", "At ", "five [1]."))) as endpoint:
        client = serve(Service(bench, remote(endpoint.url)), FREE)
        made = client.post("/answer", json={"question": LUND}).json()
        assert made["way"] == "remote" and made["answer"] == "At five [1]."
        assert [passage["document"] for passage in made["citations"]] == ["Lund.txt"]
        told = sent_events(client.post("/answer", json={"question": LUND, "stream": True, "fresh": True}))
        assert "".join(said["text"] for name, said in told if name == "text") == "At five [1]."


def test_without_engine_and_passages_an_old_answer_then_an_honest_refusal(service, serve, monkeypatch):
    client = serve(service, FREE)
    before = client.post("/answer", json={"question": LUND}).json()

    def broken(*_):
        yield from ()
        raise WorkbenchError("The index cannot be read.")

    monkeypatch.setattr(service.workbench, "_search", broken)
    held = client.post("/answer", json={"question": LUND, "fresh": True})
    assert held.status_code == 203 and held.json()["way"] == "cached" and held.json()["answer"] == before["answer"]
    none = client.post("/answer", json={"question": "When does the market of Gent open?"})
    assert none.status_code == 503 and "index cannot be read" in none.json()["error"]
    told = sent_events(client.post("/answer", json={"question": LUND, "fresh": True, "stream": True}))
    assert told[-1][1]["way"] == "cached"


def test_a_refusal_says_that_the_deadline_passed_and_that_nothing_was_found(service):
    service.open()
    [refused] = drain(service.replies([ServedQuestion("Qwxyz?", time.perf_counter())]))
    assert refused.status == 503 and "deadline passed" in str(refused) and "passages: None was found" in str(refused)


def test_what_was_said_over_another_corpus_is_never_said_again(service, serve, bench):
    client = serve(service, FREE)
    old = client.post("/answer", json={"question": LUND}).json()
    files = [(name, text.replace("five", "noon").encode()) for name, text in TEXTS.items()]
    drain(bench.library.ingest("towns", files, None))
    new = [client.post("/answer", json={"question": LUND}).json()["answer"] for _ in range(20)]
    assert "five" in old["answer"] and all("noon" in answer for answer in new)


def test_a_failed_answer_within_a_batch_counts_for_the_breaker(service, serve, reader, monkeypatch):
    monkeypatch.setattr(service, "_written", lambda rung, run, asked: played(asked))
    states = []

    def played(asked):
        yield
        reasons = ["failed: no memory" if "Gent" in each.text else "stop" for each in asked]
        return {each: {"answer": "", "finish_reason": why, "way": "local"} for each, why in zip(asked, reasons, strict=True)}

    def ask(*texts):
        drain(service.replies([ServedQuestion(text, time.perf_counter() + 9, True) for text in texts]))
        states.append(service.rungs[0].breaker.state)

    serve(service, FREE)
    ask("Gent 1", "Gent 2")
    ask("Lund")  # in a row no more
    ask("Gent 1", "Gent 2", "Lund", "Gent 3")
    ask("Gent 1", "Gent 2")
    assert states == ["closed", "closed", "closed", "open"]


def test_one_answer_that_a_remote_engine_owes_takes_no_other_of_its_batch_along(bench, reader, serve, monkeypatch):
    def generate(part, messages, seed=0, deadline_s=120.0):
        yield ""
        owes = "Gent" in messages[-1]["content"].rpartition("Question: ")[2]
        return Generated("" if owes else "At five [1].", "failed: HTTP 503" if owes else "stop", "", 9, 0, 9, 1.0, 2.0, "m-1", "")

    monkeypatch.setattr(OpenAICompatible, "generate", generate)
    service = Service(bench, remote("http://127.0.0.1:9/v1"))
    serve(service, FREE)
    asked = [ServedQuestion(f"When does the market of {town} open?", time.perf_counter() + 60, True) for town in ("Gent", "Lund")]
    made = drain(service.replies(asked))
    assert [each["way"] for each in made] == ["local", "remote"] and "HTTP 503" in made[0]["tried"][0]["why"]
    assert made[1]["answer"] == "At five [1]." and made[1]["tried"] == []


def test_a_question_that_does_not_fit_is_no_failure_of_the_engine(service, serve, reader, monkeypatch):
    reader.fails = "failed: The prompt has 9,000 tokens, and the window 512."
    monkeypatch.setattr(LlamaCpp, "holds", lambda self, messages: False)
    monkeypatch.setattr(LlamaCpp, "read", lambda self, messages: SimpleNamespace(tokens=[0] * 9000))
    client = serve(service, FREE)
    for streams in (False, True) * 3:
        made = client.post("/answer", json={"question": LUND, "fresh": True, "stream": streams})
        assert "The prompt has 9,000 tokens" in made.text
    assert client.get("/ready").json()["breakers"] == {"local": "closed"}


@pytest.mark.parametrize("text", [r"When\ud800?", r"a\u0000b", r"\u0000"])
def test_half_a_character_and_a_nul_are_refused_in_words(service, serve, text):
    client, told = serve(service, FREE), {"content-type": "application/json"}
    for path in ("/answer", "/search", "/classify"):
        for more in ("", ', "stream": true') if path == "/answer" else ("",):
            response = client.post(path, content=f'{{"question": "{text}"{more}}}', headers=told)
            assert response.status_code == 422 and response.json()["error"].startswith("question: "), response.text
    for more in ("", ', "stream": true'):
        body = f'{{"messages": [{{"role": "user", "content": "{text}"}}]{more}}}'
        response = client.post("/v1/chat/completions", content=body, headers=told)
        assert response.status_code == 422 and "messages/0/content" in response.json()["error"]["message"]


def test_a_stream_that_ends_before_its_first_piece_is_counted_once(service, serve, monkeypatch):
    begun, go = threading.Event(), threading.Event()

    def generate(self, messages, seed=0, deadline_s=120.0):
        begun.set()
        while not go.wait(0.01):
            if go.is_set():
                yield "word "
        raise WorkbenchError("The model is gone.")

    monkeypatch.setattr(LlamaCpp, "generate", generate)
    client = serve(service, FREE)
    leave(client, begun, stream=True)
    go.set()
    left = 'groundwork_requests_total{path="/answer",status="499",way="stream"} 1.0'
    deadline = time.monotonic() + 60
    while left not in (told := client.get("/metrics").text):
        assert time.monotonic() < deadline, told
        time.sleep(0.02)
    assert 'groundwork_seconds_count{path="/answer"} 1.0' in told
    chat = {"messages": [{"role": "user", "content": LUND}], "stream": True}
    for path, body in (("/answer", {"question": LUND, "stream": True, "deadline_s": 1e-9}), ("/v1/chat/completions", chat)):
        status = client.post(path, json=body).status_code
        lines = [
            line
            for line in client.get("/metrics").text.splitlines()
            if f'requests_total{{path="{path}",status="{status}"' in line
        ]
        assert sum(float(line.split()[-1]) for line in lines) == 1.0, lines


TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize("header, continued", [
    (f"00-{TRACE}-{SPAN}-01", True), (f"01-{TRACE}-{SPAN}-01-more", True), (f"ff-{TRACE}-{SPAN}-01", False),
    (f"00-{'0' * 32}-{SPAN}-01", False), (f"00-{TRACE}-{'0' * 16}-01", False), (f"00-{TRACE.upper()}-{SPAN}-01", False), ("x", False),
])  # fmt: skip
def test_a_caller_s_trace_is_continued(service, serve, header, continued):
    delivered = []
    recorder = Recorder({"test": SpanBuffer(lambda batch, dropped: delivered.extend(batch) or 0)})
    client = serve(service, FREE, recorder=recorder)
    told = [client.post("/search", json={"question": LUND}, headers={"traceparent": header}).json()["trace"] for _ in range(2)]
    assert 'groundwork_spans_total{destination="test",outcome="dropped"} 0.0' in client.get("/metrics").text
    recorder.close()
    wholes = [span for span in delivered if span.name == "/search"]
    assert [span.trace for span in wholes] == told and (told == [TRACE] * 2) == continued
    assert {span.parent for span in wholes} == {SPAN if continued else ""}


def test_the_description_for_programs_has_examples(service, serve):
    told = serve(service, FREE).get("/openapi.json").json()
    assert {"/answer", "/search", "/v1/chat/completions", "/ready", "/metrics"} <= told["paths"].keys()
    assert told["components"]["schemas"]["AnswerBody"]["properties"]["question"]["examples"]


@pytest.mark.parametrize(
    "body, why",
    [
        (b"{", "JSON"),
        (b'{"question": ""}', "question"),
        (b'{"question": "  "}', "question"),
        (b'{"question": "a", "typo": 1}', "typo"),
        (b'{"question": "\xff"}', "parsing"),
        (b'{"question": "a", "deadline_s": NaN}', "deadline_s"),
        (b'{"question": 5}', "question"),
    ],
)
def test_a_bad_body_is_refused_with_its_place(service, serve, body, why):
    response = serve(service, FREE).post("/answer", content=body, headers={"content-type": "application/json"})
    assert response.status_code in (400, 422) and why in response.json()["error"]


def test_addresses_that_are_guessed_make_no_series_of_their_own(service, serve):
    client = serve(service, FREE)
    assert [client.get(f"/guess{number}").status_code for number in range(5)] == [404] * 5
    told = client.get("/metrics").text
    assert 'groundwork_requests_total{path="other",status="404",way=""} 5.0' in told and "guess" not in told


def test_too_large_a_body_and_too_fast_a_client_are_refused(service, serve):
    client = serve(service, ServiceLimits(rate=0.001, burst=2))
    large = client.post("/answer", content=b" " * 200_000, headers={"content-type": "application/json"})
    assert large.status_code == 413
    answers = [client.post("/search", json={"question": LUND}) for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429] and int(answers[-1].headers["retry-after"]) > 1


def test_only_a_valid_key_opens_and_none_is_stored_or_shown(service, serve, bench):
    keys = Keys(bench.home)
    valid, late, gone = keys.make("ada"), keys.make("bob", days=1e-9), keys.make("eve")
    keys.revoke("eve")
    client = serve(service, FREE, keys)
    asked = {
        key: client.post("/search", json={"question": LUND}, headers={"authorization": f"Bearer {key}"} if key else {})
        for key in (valid, late, gone, "gw-other", "")
    }
    assert [each.status_code for each in asked.values()] == [200, 401, 401, 401, 401]
    assert "expired" in asked[late].json()["error"] and "revoked" in asked[gone].json()["error"]
    assert not any(key in keys.path.read_text() for key in (valid, late, gone))
    keys.revoke("ada")  # heard of at once
    assert client.post("/search", json={"question": LUND}, headers={"authorization": f"Bearer {valid}"}).status_code == 401


def test_without_keys_a_web_page_of_another_name_reaches_nothing(service, serve, bench):
    client = serve(service, FREE)
    asked = {"json": {"question": LUND}, "headers": {"host": "evil.example:8600"}}
    refused = client.post("/search", **asked)
    assert refused.status_code == 403 and "not 'evil.example'" in refused.text
    assert client.post("/search", **asked | {"headers": {"host": f"LOCALHOST:{client.base_url.port}"}}).status_code == 200
    keys = Keys(bench.home)
    asked["headers"]["authorization"] = f"Bearer {keys.make('a')}"
    assert serve(service, FREE, keys=keys).post("/search", **asked).status_code == 200, "a proxy's name, with a key"


def test_keys_that_are_made_at_once_are_all_there(tmp_path):
    start, names = threading.Barrier(8), [f"client {number}" for number in range(8)]
    threads = [threading.Thread(target=lambda name=name: start.wait() + 1 and Keys(tmp_path).make(name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {entry["name"] for entry in Keys(tmp_path).entries().values()} == {*names}


@pytest.mark.parametrize("streams", [False, True])
def test_a_client_that_leaves_ends_the_work(service, serve, monkeypatch, streams):
    steps, begun, ended = [], threading.Event(), threading.Event()

    def generate(self, messages, seed=0, deadline_s=120.0):
        try:
            while True:
                steps.append(time.perf_counter())
                begun.set()
                time.sleep(0.01)
                yield "word "
        finally:
            ended.set()

    def generate_many(self, prompts, seeds=None, deadline_s=120.0, batch=8):
        for _ in generate(self, prompts[0]):
            yield Progress(0, 1, "writing")

    monkeypatch.setattr(LlamaCpp, "generate", generate)
    monkeypatch.setattr(LlamaCpp, "generate_many", generate_many)
    client = serve(service, FREE)
    if streams:
        with client.stream("POST", "/answer", json={"question": LUND, "stream": True}) as response:
            next(response.iter_text())
    else:
        leave(client, begun)
    left = time.perf_counter()
    assert ended.wait(30), "long before the deadline"
    assert sum(step > left for step in steps) <= 25  # a quarter of a second's, which a busy machine writes in more
    while "groundwork_running 0.0" not in client.get("/metrics").text:
        time.sleep(0.01)


def test_a_router_sends_a_question_to_the_corpus_the_model_alone_or_nobody(bench, reader, serve):
    routes = {LUND: "corpus", "Who wrote Faust?": "closed_book", "How is a bomb made?": "refuse", "Tell a joke": "chat"}
    router = Router("routes", lambda asked: [routes[question] for question in asked], 0.91)
    served = Service(bench, recipe(), "towns", router=router)
    client = serve(served, FREE)
    told = [client.post("/classify", json={"question": question}).json()["route"] for question in routes]
    assert told == ["corpus", "closed_book", "refuse", "corpus"]
    made = {question: client.post("/answer", json={"question": question}).json() for question in routes}
    assert made[LUND]["passages"] and not made["Who wrote Faust?"]["passages"]
    [faust] = [prompt for prompt in reader.prompts if "Faust" in prompt]
    assert "numbered passages" not in faust
    assert made["How is a bomb made?"]["way"] == "refused" and not any("bomb" in prompt for prompt in reader.prompts)
    for question in list(routes)[1:3]:
        told = sent_events(client.post("/answer", json={"question": question, "stream": True, "fresh": True}))
        assert told[-1][1]["route"] == routes[question]
    misses = served.cache.use.misses
    client.post("/answer", json={"question": "How is a bomb made?", "stream": True})
    assert served.cache.use.misses == misses + 1, "looked up once, and counted once"


def test_each_request_leaves_a_trace_of_what_was_done_for_it(bench, service, serve):
    delivered = []
    recorder = Recorder({"test": SpanBuffer(lambda batch, dropped: delivered.extend(batch) or 0)})
    client = serve(service, FREE, recorder=recorder)
    told = [client.post("/answer", json={"question": LUND}).json(), client.post("/search", json={"question": LUND}).json()]
    told.append(sent_events(client.post("/answer", json={"question": LUND, "stream": True, "fresh": True}))[-1][1])
    assert client.post("/classify", json={"question": LUND}).status_code == 404
    assert recorder.close()["test"].delivered == len(delivered)
    names = {made["trace"]: [span.name for span in delivered if span.trace == made["trace"]] for made in told}
    assert list(names.values()) == [
        ["/answer", "wait", "search", "write"],
        ["/search", "wait", "search"],
        ["/answer", "wait", "search", "write"],
    ]
    for span in delivered:
        whole = next(each for each in delivered if each.trace == span.trace and not each.parent)
        assert whole.start_ns <= span.start_ns <= span.end_ns <= whole.end_ns
    failed = [span for span in delivered if span.status == "error"]
    assert [(span.name, span.message[:3]) for span in failed] == [("/classify", "404")]


def test_without_a_router_nothing_is_classified(service, serve):
    assert serve(service, FREE).post("/classify", json={"question": LUND}).status_code == 404


def test_a_breaker_lets_one_try_after_its_rest(monkeypatch):
    now = [0.0]
    breaker = Breaker(2, 10.0, lambda: now[0])
    breaker.failed()
    assert breaker.lets_in()
    breaker.failed()
    assert not breaker.lets_in() and breaker.state == "open"
    now[0] = 10.0
    assert breaker.lets_in() and not breaker.lets_in()
    breaker.succeeded()
    assert breaker.state == "closed"
