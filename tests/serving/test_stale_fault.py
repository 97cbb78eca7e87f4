"""A corpus that changes under a service: nothing that was searched or said over the old one is told again, however it came about."""

import threading

import httpx2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.progress import drain
from core.serving.search_caches import BoundedCache
from core.serving.service import Service
from core.serving.web import ServiceLimits
from tests.support.failing import TEXTS, recipe

LUND = "When does the market of Lund open?"
FREE = ServiceLimits(rate=1e6, burst=1_000_000)


def changed(bench, hour):
    files = [(name, text.replace("five", hour).encode()) for name, text in TEXTS.items()]
    drain(bench.library.ingest("towns", files, None))


@given(st.lists(st.tuples(st.sampled_from("gp"), st.integers(0, 3), st.sampled_from(["a", "b"])), max_size=40))
def test_no_value_is_given_under_another_stamp_than_its_own(steps):
    cache, stamp = BoundedCache(2_000), "a"
    for what, key, stamp in steps:
        if what == "p":
            cache.put(key, f"{stamp}{key}", stamp)
        assert (value := cache.get(key, stamp)) is None or value == f"{stamp}{key}"


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["noon", "dusk", "dawn"]), min_size=2, max_size=3))
def test_after_a_change_nothing_old_is_told(bench, reader, serve, hours):
    client = serve(Service(bench, recipe(), "towns"), FREE)
    for hour in hours:
        changed(bench, hour)
        for _ in range(5):
            passages = client.post("/search", json={"question": LUND, "k": 1}).json()["passages"]
            answer = client.post("/answer", json={"question": LUND}).json()["answer"]
            assert hour in passages[0]["text"] and hour in answer


def test_an_answer_that_was_being_written_when_the_corpus_changed_is_not_given_again(bench, reader, serve):
    service = Service(bench, recipe(), "towns")
    client, write = serve(service, FREE), service._told
    entered, go = threading.Event(), threading.Event()

    def slow(*args):
        entered.set()
        go.wait(60)
        return write(*args)

    service._told = slow
    old = []
    asking = threading.Thread(target=lambda: old.append(client.post("/answer", json={"question": LUND}).json()["answer"]))
    asking.start()
    entered.wait(60)
    changed(bench, "noon")
    go.set()
    asking.join()
    service._told = write
    assert "five" in old[0] and "noon" in client.post("/answer", json={"question": LUND}).json()["answer"]


def test_clients_side_by_side_are_told_nothing_old_after_the_change(bench, reader, serve):
    client = serve(Service(bench, recipe(), "towns"), FREE)
    client.post("/search", json={"question": LUND, "k": 1})
    over, stale, asked = threading.Event(), [], []

    def ask():
        with httpx2.Client(base_url=client.base_url, timeout=120) as own:
            for _ in iter(lambda: len(asked) < 60, False):
                late = over.is_set()
                text = own.post("/search", json={"question": LUND, "k": 1}).json()["passages"][0]["text"]
                if late:
                    asked.append(text)
                if late and "noon" not in text:
                    stale.append(text)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    changed(bench, "noon")
    over.set()
    for thread in threads:
        thread.join()
    assert len(asked) >= 60 and stale == []


def test_a_passage_says_that_its_file_changed_after_it_was_indexed(bench, reader, serve, tmp_path):
    file = tmp_path / "Lund.txt"
    file.write_text(TEXTS["Lund.txt"] + " Always.")
    drain(bench.library.ingest("towns", [file], None))
    client = serve(Service(bench, recipe(), "towns"), FREE)

    def told() -> set[str]:
        found, said = (client.post(path, json={"question": LUND}).json() for path in ("/search", "/answer"))
        return {
            each["stale"] for each in found["passages"] + said["passages"] + said["citations"] if each["document"] == "Lund.txt"
        }

    assert told() == {""}
    file.write_text("The market of Lund is closed for good.")
    [words] = told()  # also of replies that were given before
    assert words.startswith("the document changed after this was indexed (file of ")
    drain(bench.library.ingest("towns", [file], None))
    assert told() == {""}, "it is read anew"
