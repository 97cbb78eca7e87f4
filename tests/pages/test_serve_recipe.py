"""Serve: what is published, what is up, and what canaries say of it."""

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from core.jobs.jobs import Job
from core.progress import drain
from core.serving import stored_spans
from core.serving.publishing import KIND, publish, reached
from core.serving.service import Service
from core.serving.watching import ask_canaries
from core.store.batches import batches
from tests.serving.test_planning import loaded
from tests.serving.test_watching import FREE
from tests.support import served
from tests.support.failing import recipe
from tests.support.prices import prices
from tests.support.screen import visit

template, serve = served.template, served.serve


def opened(view: str = "Service", box: str = "", inner: str = "") -> AppTest:
    address = {"serve_view": view} | ({"watch_view": inner} if inner else {})
    return checked(visit("serve_recipe", address, **({box: True} if box else {})))


def checked(app: AppTest) -> AppTest:
    assert not app.exception and not any("unexpected" in each.value for each in app.error), [c.value for c in app.get("code")]
    return app


def words(app: AppTest) -> str:
    return " ".join(
        str(each.value) for kind in (app.markdown, app.caption, app.error, app.info, app.get("html")) for each in kind
    )


@pytest.fixture
def towns(bench, reader):
    return drain(publish(bench, recipe(), "towns", why="a test", measure="containment", replays=100))


def test_before_anything_is_published_the_page_says_what_a_publication_is_for(bench):
    assert "reveal a later loss" in words(opened())
    assert "Nothing is published or served yet" in words(opened("Watch"))
    assert "No load was measured yet" in words(opened("Load"))
    assert "No traces" in words(opened("Traces"))


def test_a_press_publishes_the_recipe_in_use_and_another_puts_it_up(bench, monkeypatch):
    started = []
    monkeypatch.setattr(type(bench.jobs), "start", lambda self, arguments, label, *_: started.append(arguments) or "job")
    app = opened()
    [publish] = [button for button in app.button if button.label == "Publish"]
    assert publish.disabled and publish.help == "Give it a name to publish it." and publish.help in words(app)
    app.text_input(key="publish_name").set_value("handbook").run()
    next(button for button in app.button if button.label == "Publish").click().run()
    next(button for button in app.button if button.label == "Start the service").click().run()
    assert started[0][:3] == ["serving", "publish", "handbook"] and started[1][0] == "serve"
    assert started[1][-2:] == ["--port", "8600"]


def test_what_its_gate_refused_is_told_and_not_resumed_but_may_be_published_anew(bench, monkeypatch):
    started = []
    monkeypatch.setattr(type(bench.jobs), "start", lambda self, arguments, label, *_: started.append(arguments) or "job")
    app = opened()
    app.text_input(key="publish_name").set_value("handbook").run()
    next(button for button in app.button if button.label == "Publish").click().run()
    why = "Faithfulness of 30 answers is 0.512 (0.401 to 0.623): its lower end is not at least 0.85."
    job = Job("a", "Publishing handbook", tuple(started[0]), "failed", 0.0, error=why, refused=True)
    monkeypatch.setattr(type(bench.jobs), "list", lambda self: [job])
    monkeypatch.setattr(type(bench.jobs), "get", lambda self, job_id: job)
    app = opened()
    app.text_input(key="publish_name").set_value("handbook").run()
    labels = [button.label for button in app.button]
    assert [text.value for text in app.text] == [why] and "Resume" not in labels and labels.count("Publish") == 1


def test_what_failed_says_why_and_what_runs_elsewhere_can_be_stopped(bench, monkeypatch):
    words_of = ["serve", *bench.arguments(session.defaults()), "--port"]
    some = {
        "a": Job("a", "Serving", (*words_of, "8600"), "failed", 0.0, error="Port 8600 cannot be listened on."),
        "b": Job("b", "Serving on port 8650", (*words_of, "8650"), "up", 0.0, message="Up here", started=1.0, heartbeat=9.0),
    }
    monkeypatch.setattr(type(bench.jobs), "list", lambda self: list(some.values()))
    monkeypatch.setattr(type(bench.jobs), "get", lambda self, job_id: some[job_id])
    app = opened()
    labels = [button.label for button in app.button]
    assert app.number_input(key="serve_port").value == 8650, "the page opens on what is up"
    assert labels.count("Stop") == 1 and "Resume" not in labels, "the one that runs there is shown once"
    app.number_input(key="serve_port").set_value(8600).run()
    assert [text.value for text in app.text] == ["Port 8600 cannot be listened on."]
    assert [button.label for button in app.button if button.label in ("Resume", "Stop", "Start the service")] == [
        "Resume",
        "Stop",
    ]


def test_what_is_published_is_listed_with_its_gate(towns):
    table = opened().dataframe[0].value
    assert list(table["Name"]) == ["towns"] and list(table["Reason"]) == ["a test"]
    found = sum(each["found"] for each in towns.canaries)
    assert list(table["Canaries found"]) == [f"{found} of {len(towns.canaries)}"]
    low, high = towns.gate["low"], towns.gate["high"]
    [quality] = [title for title in table if title.endswith("(95% interval)")]
    assert list(table[quality]) == [f"{towns.gate['mean']:.3f} ({low:.3f} to {high:.3f})"]
    assert list(table["n"]) == [towns.gate["measured"]] and list(table["Gate"]) == ["lower bound ≥ 0.850"]
    assert list(table["Change since"]) == ["not asked"]
    assert list(table["Passed"]) == ["yes" if low >= towns.gate["least"] else "no"]


def test_who_serves_a_recipe_that_failed_its_gate_is_warned(bench, towns):
    failed = not reached(towns.gate)
    assert any("It did not pass its gate" in each.value for each in opened().warning) == failed
    high = towns._replace(name="high", gate=towns.gate | {"least": 1.0, "low": 0.4}, created="2031-01-01T00:00:00+00:00")
    batches(bench.home).keep(KIND, {high.key: high._asdict()})
    app = opened()
    assert app.selectbox(key="serve_what").value == "high"
    assert f"may be as low as 0.400 (n {towns.gate['measured']}); 1.000 was required" in app.warning[0].value
    assert next(button.proto.type for button in app.button if button.key == "put_up") == "secondary"
    assert app.dataframe[0].value["Passed"].iloc[0] == "no"


def test_a_loss_is_told_with_its_evidence(bench, towns, serve):
    service = Service(bench, recipe(), "towns")
    address, search = str(serve(service, FREE).base_url), service.search
    drain(ask_canaries(bench, towns, address))
    assert "no more than the noise" in words(opened("Watch", inner="Canaries"))
    assert list(opened().dataframe[0].value["Change since"]) == ["the same"]
    service.searched = lambda *_: None  # what is played was never searched
    service.search = lambda text, most: {**search(text, most), "passages": []}
    for _ in range(3):
        told = drain(ask_canaries(bench, towns, address))
    assert list(opened().dataframe[0].value["Change since"]) == [f"{told.lost.mean:.1%} lost: regression"]
    app = opened("Watch", inner="Canaries")
    assert app.error[0].value.startswith(f"{told.lost.mean:.1%}") and "Regression found" in app.error[0].value


def test_a_load_test_is_drawn_with_the_machines_that_more_would_take(bench):
    for rate in (1.0, 2.0):
        loaded(bench, rate, 200, ms=20.0)
    app = opened("Load", "needed")
    load, machines = (table.value for table in app.dataframe)
    assert list(load.iloc[:, 0]) == [1.0, 2.0] and list(machines["Machines"]) == [1, 1, 1, 1]
    assert "No capacity is shown for 99.0% answered within 500 ms" in words(app)  # 200 requests are too few for it


def test_rates_that_are_none_start_no_load_and_those_of_a_range_are_counted(bench):
    app = opened("Load")
    app.text_input(key="load_rates").set_value("1, abc").run()
    [press] = [button for button in app.button if button.label == "Measure load"]
    assert press.disabled and "'1,abc' is no grid of numbers" in words(app)
    app.text_input(key="load_rates").set_value("1:10:1").run()
    [press] = [button for button in app.button if button.label == "Measure load"]
    assert not press.disabled and any(each.startswith("10 rates") for each in prices(app))


def test_a_request_is_looked_into_and_held_against_its_peers(bench, towns, serve):
    recorder = stored_spans.recorder(bench.home)
    client = serve(Service(bench, recipe(), "towns"), FREE, recorder=recorder)
    traces = [
        client.post("/search", json={"question": f"When does the market of {town} open?"}).json()["trace"]
        for town in ("Lund", "Gent", "Pisa")
    ]
    recorder.close()
    app = visit("serve_recipe", {"serve_view": "Traces", "trace": traces[1]}, tail=True)
    assert not app.exception and not app.error, [each.value for each in app.get("code")]
    assert set(app.dataframe[0].value["Trace"]) == set(traces) and "/search > search" in list(app.dataframe[1].value["Stage"])
