"""Error budgets from spans: against windows counted by hand."""

import pytest

from core.errors import WorkbenchError
from core.serving.objectives import objectives, objectives_table
from core.serving.service import Service
from core.serving.stored_spans import recorder
from core.serving.web import ServiceLimits
from tests.support.failing import recipe
from tests.support.served_spans import record, request

HOUR = 3600.0


def test_a_calm_service_burns_nothing_and_an_outage_now_raises_the_fast_alerts(workbench):
    calm = [request(HOUR * hour + 1800) for hour in range(100)]
    record(workbench, *calm)
    rows = objectives(workbench, "towns")
    assert [row["objective"] for row in rows] == ["answered"] * 3 + ["in time"] * 3
    assert {(row["requests"], row["good"], row["used"], row["burning"], row["alerts"]) for row in rows} == {
        (100, 1.0, 0.0, False, 0)
    }
    record(workbench, *(request(60 + second, status=503) for second in range(4)))
    page, _, _, *in_time = objectives(workbench, "towns", target=0.9)
    assert page["used"] == pytest.approx(4 / 104 / 0.1) and page["requests"] == 104
    assert page["long_burn"] == pytest.approx(4 / 5 / 0.1) and page["short_burn"] == pytest.approx(10.0)
    assert not any(row["burning"] or row["alerts"] for row in in_time)
    fast = objectives(workbench, "towns", target=0.99)
    assert fast[0]["burning"] and fast[0]["severity"] == "page" and fast[0]["alerts"] == 1 and fast[0]["last"] is not None
    assert len(objectives_table(fast, 0.99, 5000.0).rows) == 6


def test_late_answers_burn_their_own_budget_and_what_the_client_did_burns_none(workbench):
    record(workbench, *(request(100 + n, ms=6000.0) for n in range(10)), *(request(200 + n) for n in range(10)))
    record(workbench, request(50, status=499), request(51, status=422), request(52, status=429, path="refused", requests=1000))
    answered, *_, in_time = objectives(workbench)
    assert (answered["requests"], answered["good"]) == (20, 1.0) and (in_time["requests"], in_time["good"]) == (20, 0.5)
    assert objectives(workbench, slo_ms=7000.0)[-1]["good"] == 1.0
    assert objectives(workbench, path="/search")[0]["requests"] == 0
    assert objectives(workbench, path="/search")[0]["good"] is None


def test_answers_from_the_ladders_lower_rungs_are_not_good(workbench):
    record(workbench, request(10, status=206, way="passages"), request(11, status=203, way="cached"), request(12))
    assert objectives(workbench)[0]["good"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("path", ["/search", "/answer"])
def test_a_service_whose_corpus_is_gone_is_not_called_good(bench, reader, serve, monkeypatch, path):
    own, served = recorder(bench.home), Service(bench, recipe(), "towns")
    client = serve(served, ServiceLimits(rate=1e6, burst=1000), recorder=own)

    def gone(*_):
        raise WorkbenchError("There is no corpus 'towns'.")

    monkeypatch.setattr(served, "stamp", gone)
    monkeypatch.setattr(bench, "resolve", gone)
    response = client.post(path, json={"question": "When does the market of Lund open?"})
    assert response.status_code == 503 and "no corpus" in response.json()["error"]
    own.close()
    answered = objectives(bench, "towns")[0]
    assert (answered["requests"], answered["good"]) == (1, 0.0)


def test_a_target_without_a_budget_is_refused(workbench):
    with pytest.raises(WorkbenchError, match="no budget"):
        objectives(workbench, target=1.0)


def test_a_budget_that_burns_at_just_the_rate_of_an_alert_is_told_as_one_now(workbench):
    """1 of 100 is bad where 1% may be: 0.01 / (1 - 0.99) is a rounding below 1."""
    record(workbench, *(request(3600 + place, status=503 if place == 50 else 200) for place in range(100)))
    *_, ticket = [row for row in objectives(workbench, target=0.99) if row["objective"] == "answered"]
    assert (ticket["rate"], ticket["alerts"], ticket["burning"]) == (1, 1, True)
