"""What searches gave before is given again, within its room, and says so."""

import math
import threading

import numpy as np
import pytest

from core.config import with_settings
from core.pipeline import retrieving
from core.progress import drain
from core.serving.asking import ServiceState, caches_table
from core.serving.search_caches import RERANKING, SEARCH, BoundedCache, CacheUse, QuestionSteps, search_caches
from core.serving.service import ServedQuestion, Service
from core.serving.spans import Recorder, SpanBuffer
from core.serving.web import ServiceLimits
from tests.support.failing import recipe

LUND, GENT = "When does the market of Lund open?", "When does the market of Gent open?"
FREE = ServiceLimits(rate=1e6, burst=1_000_000)
RERANKED = {"fusion.part": "rrf", "rerank.part": "mmr"}


def test_a_cache_holds_so_many_bytes_the_latest_used_last():
    cache = BoundedCache(3_500)
    for name in "abc":
        cache.put(name, np.zeros(125))  # of 1,000 bytes
    assert cache.get("a") is not None
    cache.put("d", np.zeros(125))
    assert [name for name in "abcd" if cache.get(name) is not None] == ["a", "c", "d"]
    cache.put("a", np.zeros(250))  # in its own place
    assert [name for name in "acd" if cache.get(name) is not None] == ["a", "d"]
    cache.put("e", np.zeros(1_000))  # larger than the room
    assert cache.use.entries == 0 and cache.use.misses == 6


def test_what_was_put_under_another_stamp_is_gone():
    cache = BoundedCache()
    cache.put("a", 1, "old")
    assert cache.get("a", "old") == 1 and cache.get("a", "new") is None and cache.get("a", "old") is None
    assert cache.use == CacheUse(1, 1, 0)


def test_a_value_that_leaves_the_cache_stays_with_the_search_that_met_it():
    caches = search_caches()
    entry = ("dense", "key", "Who?")
    QuestionSteps(caches)[entry] = "candidates", 12.0
    steps = QuestionSteps(caches)
    assert entry in steps
    caches["retrieval"].get(entry, "another stamp")
    assert steps[entry] == ("candidates", 0.0) and list(steps.hits) == ["retrieval"]
    assert entry not in QuestionSteps(caches)


def test_many_threads_lose_no_count():
    cache = BoundedCache(1_000)

    def work():
        for number in range(300):
            cache.put(number % 7, "text", str(number % 2))
            cache.get(number % 7, str(number % 2))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cache.put("last", 1, "end")
    assert cache.use.misses == 1201 and cache.use.entries == 1 and cache.use.hits <= 1200


def test_a_question_asked_again_takes_vector_candidates_and_scores_of_before(bench, reader):
    service = Service(bench, with_settings(recipe(), RERANKED))
    service.open()
    service.missing or service.search(LUND, 5)
    uses = [{name: use.misses for name, use in service.cache_uses().items()}]
    service.searches[SEARCH].get("", "emptied")
    assert service.search(LUND, 5)["cached"] is False
    uses.append({name: use.misses for name, use in service.cache_uses().items()})
    hits = service.cache_uses()
    assert hits["embedding"].hits >= 1 and hits["retrieval"].hits >= 2 and hits[RERANKING].hits >= 1
    assert [uses[1][name] - uses[0][name] for name in ("embedding", "retrieval", RERANKING, SEARCH)] == [0, 0, 0, 1]


def test_the_ranking_is_the_same_with_and_without_what_was_remembered(bench, reader):
    config = with_settings(recipe(), RERANKED)
    caches = search_caches()
    rankings = [bench.search(config, LUND), *(bench.search(config, LUND, QuestionSteps(caches)) for _ in range(2))]
    assert rankings[0] == rankings[1] == rankings[2] and rankings[0]


@pytest.mark.parametrize("fusion, read", [("rrf", [4]), ("sparse_only", [])])
def test_questions_answered_side_by_side_are_read_so_and_rank_as_alone(bench, reader, monkeypatch, fusion, read):
    config, texts = with_settings(recipe(), {"fusion.part": fusion}), [f"{LUND} {number}" for number in range(4)]
    alone, together, encode = [bench.search(config, text) for text in texts], [], retrieving.encode_all

    def counted(part, wanted, query=False):
        together.append(len(wanted))
        return encode(part, wanted, query)

    monkeypatch.setattr(retrieving, "encode_all", counted)
    service = Service(bench, config)
    asked = [ServedQuestion(text, math.inf, True) for text in texts]
    replies = drain(service.replies(asked))
    assert together == read and [reply["way"] for reply in replies] == ["local"] * 4
    expected = [
        [(hit.document_id, hit.start) for hit in hits[: len(reply["passages"])]]
        for hits, reply in zip(alone, replies, strict=True)
    ]
    assert [[(each["document"], each["start"]) for each in reply["passages"]] for reply in replies] == expected
    drain(service.replies(asked))
    assert together == read


def test_a_search_made_before_is_answered_again_without_a_turn_and_told(bench, reader, serve):
    delivered = []
    recorder = Recorder({"test": SpanBuffer(lambda batch, dropped: delivered.extend(batch) or 0)})
    service = Service(bench, recipe(), "towns")
    client = serve(service, ServiceLimits(rate=1e-6, burst=3), recorder=recorder)
    first, again = (client.post("/search", json={"question": GENT, "k": 2}).json() for _ in range(2))
    assert (first["cached"], again["cached"]) == (False, True) and first["passages"] == again["passages"]
    assert first["trace"] != again["trace"]
    other = client.post("/search", json={"question": GENT, "k": 1}).json()
    assert other["cached"] is False and len(other["passages"]) == 1
    assert client.post("/search", json={"question": GENT, "k": 2}).status_code == 429  # a rate is a rate
    use = client.get("/ready").json()["caches"]["search"]
    assert use == {"hits": 2, "misses": 2, "entries": 2}
    assert 'groundwork_cache_total{cache="search",outcome="hit"} 2.0' in client.get("/metrics").text
    recorder.close()
    [whole] = [span for span in delivered if span.trace == again["trace"]]
    assert whole.name == "/search" and whole.attributes["cached"] is True
    [search] = [span for span in delivered if span.trace == other["trace"] and span.name == "search"]
    assert search.attributes["query"] == GENT


@pytest.mark.parametrize("body, type_, status", [
    (b'{"question": "a", "k": 0}', "application/json", 422), (b"{", "application/json", 422), (b'{"question": "a"}', "text/plain", 422),
])  # fmt: skip
def test_what_is_no_search_is_told_as_ever(bench, reader, serve, body, type_, status):
    client = serve(Service(bench, recipe(), "towns"), FREE)
    assert client.post("/search", content=body, headers={"content-type": type_}).status_code == status
    assert client.get("/search").status_code == 405


def test_an_answer_given_before_does_not_wait_for_those_at_work(bench, reader, serve):
    service = Service(bench, recipe(), "towns")
    client = serve(service, FREE)
    client.post("/answer", json={"question": LUND})
    entered, go, search = threading.Event(), threading.Event(), service.workbench.search

    def slow(*args):
        entered.set()
        go.wait(60)
        return search(*args)

    service.workbench.search = slow
    working = threading.Thread(target=lambda: client.post("/answer", json={"question": GENT}))
    working.start()
    entered.wait(60)
    assert client.post("/answer", json={"question": LUND}).json()["way"] == "cached"
    go.set()
    working.join()
    assert client.get("/ready").json()["caches"]["answer"] == {"hits": 1, "misses": 2, "entries": 2}


def test_the_table_of_caches_leaves_out_what_was_never_looked_up_and_gives_tokens_no_interval():
    caches = {
        "answer": {"hits": 3, "misses": 1, "entries": 1},
        "search": {"hits": 0, "misses": 0, "entries": 0},
        "prefix": {"hits": 80, "misses": 20, "entries": 0},
    }
    answers, prompts = caches_table(ServiceState(True, caches=caches)).rows
    assert answers == {"cache": "Answers", "asked": 4, "share": 0.75, "bounds": "30.1% to 95.4%", "entries": 1}
    assert prompts["cache"] == "Prompts (tokens)" and prompts["share"] == 0.8 and not prompts["bounds"]
