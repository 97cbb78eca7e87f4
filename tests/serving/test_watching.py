"""A recipe is published through its gate; a service that lost what it found is told, with the deployment and the stage."""

import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest

from core import registry
from core.__main__ import parse
from core.config import with_settings
from core.errors import Refused, WorkbenchError
from core.progress import drain
from core.serving import asking, publishing, web
from core.serving.admission import RateLimit
from core.serving.publishing import Publication, publications, publish, published, recipe_of
from core.serving.service import Service
from core.serving.watching import ask_canaries, watched
from core.serving.web import ServiceLimits
from core.store.batches import batches
from tests.support.failing import QUESTIONS, TEXTS, recipe
from tests.support.small_corpora import with_towns

FREE = ServiceLimits(rate=1e6, burst=1_000_000)
WHY = "a test"


def test_a_recipe_goes_out_only_through_its_gate_or_with_the_reason_why_not(bench, reader):
    with pytest.raises(Refused, match="its lower end is not at least"):
        drain(publish(bench, recipe(), "towns", measure="containment", replays=100, least=1.01))
    with pytest.raises(WorkbenchError, match="its lower end is not at least"):
        drain(publish(bench, recipe(), "towns", measure="containment", replays=100, least=1.01, why=" "))
    assert publications(bench) == []
    made = drain(publish(bench, recipe(), "towns", measure="containment", replays=100, least=1.01, why=WHY))
    assert made.gate["why"] == WHY and made.gate["low"] < 1.01 and made.gate["measured"] > 0
    assert [published(bench, "towns")] == publications(bench) and recipe_of(made) == recipe()
    with pytest.raises(WorkbenchError, match="Published: towns"):
        published(bench, "other")


def test_a_measure_of_nothing_lets_nothing_out(bench, reader):
    with pytest.raises(WorkbenchError, match="0 answers is not measured"):
        drain(publish(bench, recipe(), "towns", measure="generator_probability", least=0.1))


@pytest.mark.parametrize("least, passes", [(1.0, True), (-0.1, False)])
def test_of_a_measure_of_which_less_is_better_the_upper_end_counts(bench, reader, least, passes):
    work = publish(bench, recipe(), "towns", measure="wrongly_abstained", replays=100, least=least)
    if passes:
        made = drain(work)
        assert made.gate["high"] <= least and made.gate["why"] == ""
    else:
        with pytest.raises(WorkbenchError, match=r"its upper end is not at most -0\.1"):
            drain(work)


def test_a_measure_of_which_neither_is_better_is_no_gate(bench, reader):
    [name, *_] = [name for name, part in registry.parts("measure").items() if not part.direction]
    with pytest.raises(WorkbenchError, match="it is no gate"):
        drain(publish(bench, recipe(), "towns", measure=name, replays=100))


def test_what_is_published_passes_where_its_interval_does(bench, reader):
    made = drain(publish(bench, recipe(), "towns", measure="containment", replays=100, least=0.0))
    assert made.gate["why"] == "" and {each["found"] for each in made.canaries} == {True, False}


def test_a_service_as_published_raises_no_alarm(bench, reader, serve):
    made = drain(publish(bench, recipe(), "towns", why=WHY, measure="containment", replays=100))
    client = serve(Service(bench, recipe(), "towns"), FREE)
    for _ in range(3):
        told = drain(ask_canaries(bench, made, str(client.base_url)))
    assert told.asked == 3 * sum(each["found"] for each in made.canaries) and told.alarm is None and told.lost.mean == 0.0
    assert "no more than the noise" in told.sentence


def test_a_question_that_is_longer_than_a_service_takes_is_no_canary(tmp_path, reader, serve):
    long = "When does the market of Gent open? " + "Please say it. " * 1000
    asked = [*QUESTIONS, {"id": "long", "question": long, "document": "Gent.txt", "answer": "opens at six"}]
    bench = with_towns(tmp_path, TEXTS, asked)
    made = drain(publish(bench, recipe(), "towns", why=WHY, measure="containment", replays=100))
    assert drain(ask_canaries(bench, made, str(serve(Service(bench, recipe(), "towns"), FREE).base_url))).asked > 1


def test_a_recipe_judged_deeper_than_a_service_answers_is_watched_as_deep_as_it_does(bench, reader, serve):
    deep = with_settings(recipe(), {"evaluation.k": 200})
    made = drain(publish(bench, deep, "towns", why=WHY, measure="containment", replays=100))
    client = serve(Service(bench, deep, "towns"), FREE)
    told = drain(ask_canaries(bench, made, str(client.base_url)))
    assert told.asked == sum(each["found"] for each in made.canaries) > 0 and told.lost.mean == 0.0


@pytest.mark.parametrize(
    "stage, settings",
    [("pool", {"fusion.part": "dense_only"}), ("chunks", {"chunking.size_tokens": 16}), ("sparse", {"sparse.b": 0.0})],
)
def test_a_regression_is_told_with_its_deployment_and_stage(bench, reader, serve, stage, settings):
    made = drain(publish(bench, recipe(), "towns", why=WHY, measure="containment", replays=100))
    good = serve(Service(bench, recipe(), "towns"), FREE)
    drain(ask_canaries(bench, made, str(good.base_url)))
    worse = Service(bench, with_settings(recipe(), settings), "towns")
    bad, nothing = serve(worse, FREE), worse.search
    worse.searched = lambda *_: None  # what is played was never searched
    worse.search = lambda text, most: {**nothing(text, most), "passages": []}  # however good the other recipe is
    for _ in range(20):
        told = drain(ask_canaries(bench, made, str(bad.base_url)))
        if told.alarm is not None:
            break
    assert told.alarm is not None and told.stage == stage
    assert told.since != "" and stage in told.sentence
    assert watched(bench, made) == told  # the next day


def test_a_loss_after_a_long_good_time_is_told_though_its_share_has_no_interval(workbench):
    """Of 400 canaries none is lost, of the next 200 each second one: no one share fits both."""
    made = Publication("towns", "", "r", {}, {}, {"pool": "a"}, [], 0.005, 10, "2026-01-01T00:00:00+00:00")
    rows = {
        f"2026-01-02 {number:06}": {
            "publication": made.key,
            "deployment": "first" if number < 400 else "second",
            "stages": {"pool": "a" if number < 400 else "b"},
            "question": f"{number}?",
            "before": True,
            "now": number < 400 or number % 2 == 0,
            "ms": 1.0,
            "asked": "2026-01-02",
        }
        for number in range(600)
    }
    batches(workbench.home).keep("canary_answers", rows)
    told = watched(workbench, made)
    assert told.lost.mean == pytest.approx(100 / 600) and told.lost.low is None
    assert (told.since, told.stage) == ("second", "pool") and told.change == "16.7% lost: regression"
    assert told.sentence.startswith("16.7% of 600 canaries are lost (no one share fits them all). Regression found at canary 40")
    batches(workbench.home).keep("published_recipes", {made.key: made._asdict()})
    call = parse(["serving", "canaries", "towns", "--url", ""])
    shown = drain(call.work(workbench))
    assert f"at canary {shown['alarm']}; it began" in shown["sentence"] == told.sentence and not call.verb.healthy(shown)


def test_canaries_wait_where_a_service_lets_in_no_more(bench, reader, serve, monkeypatch):
    made = drain(publish(bench, recipe(), "towns", measure="containment", replays=100, why=WHY))
    waited = []  # by what the service takes for the time, however long an answer takes
    monkeypatch.setattr(web, "RateLimit", lambda rate, burst: RateLimit(rate, burst, lambda: sum(waited)))
    client = serve(Service(bench, recipe(), "towns"), ServiceLimits(rate=1, burst=1))
    monkeypatch.setattr(asking, "time", SimpleNamespace(sleep=waited.append))
    told = drain(ask_canaries(bench, made, str(client.base_url)))
    assert told.asked == sum(each["found"] for each in made.canaries) > 1 and told.alarm is None
    assert waited and set(waited) == {1.0}


def test_what_was_answered_before_a_service_broke_off_counts(bench, reader, serve, monkeypatch):
    made = drain(publish(bench, recipe(), "towns", why=WHY, measure="containment", replays=100))
    client, answered = serve(Service(bench, recipe(), "towns"), FREE), []

    def broken(client, method, path, **how):
        if len(answered) == 3:  # the question after ready and two canaries
            raise WorkbenchError("The service did not answer.")
        answered.append(path)
        return asking.replied(client, method, path, **how)

    monkeypatch.setattr("core.serving.watching.replied", broken)
    with pytest.raises(WorkbenchError, match="did not answer"):
        drain(ask_canaries(bench, made, str(client.base_url)))
    assert answered == ["/ready", "/search", "/search"] and watched(bench, made).asked == 2


def test_a_service_that_is_not_there_is_told(bench, reader):
    made = drain(publish(bench, recipe(), "towns", why=WHY, measure="containment", replays=100))
    with pytest.raises(WorkbenchError, match="did not answer /ready"):
        drain(ask_canaries(bench, made, "http://127.0.0.1:9"))
    with pytest.raises(WorkbenchError, match="is no address"):
        drain(ask_canaries(bench, made, "http://[::1"))
    assert not asking.service_state("http://[::1").ready


def test_a_service_of_another_name_is_not_asked(bench, reader, serve):
    made = drain(publish(bench, recipe(), "towns", why=WHY, measure="containment", replays=0))
    client = serve(Service(bench, recipe(), "villages"), FREE)
    with pytest.raises(WorkbenchError, match="'villages' is served, not 'towns'"):
        drain(ask_canaries(bench, made, str(client.base_url)))
    assert watched(bench, made).asked == 0


@pytest.mark.parametrize(
    "status, body", [(200, 1), (200, []), (200, {}), (404, {"detail": "Not Found"}), (404, []), (200, {"status": "ready"})]
)
def test_another_program_at_the_address_is_no_service(bench, reader, status, body):
    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_):
            pass

    made = drain(publish(bench, recipe(), "towns", why=WHY, measure="containment", replays=0))
    with HTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        with pytest.raises(WorkbenchError, match=r"no service of a recipe|answered /ready with 404"):
            drain(ask_canaries(bench, made, url))
        assert asking.service_state(url).ready == (body == {"status": "ready"})
        server.shutdown()


def test_a_key_that_cannot_be_sent_is_told(monkeypatch):
    monkeypatch.setenv(asking.KEY, "gw-\N{LEFT DOUBLE QUOTATION MARK}key")
    with pytest.raises(WorkbenchError, match="no key has"):
        asking.own_key()


def test_two_publications_of_one_name_in_one_second_both_stay(bench, reader, monkeypatch):
    times = (datetime(2026, 3, 1, 12, 0, 0, number, tzinfo=UTC) for number in (1, 2))
    monkeypatch.setattr(publishing, "datetime", SimpleNamespace(now=lambda zone: next(times)))
    first, second = (drain(publish(bench, recipe(), "towns", why=WHY, measure="containment", replays=0)) for _ in range(2))
    assert publications(bench) == [second, first]
