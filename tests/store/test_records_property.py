"""Whatever is acknowledged can be folded: one schema says both what is refused and what the tables hold."""

import json
from copy import deepcopy
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import WorkbenchError
from core.store.database import Store
from tests.store.test_odd_records_fault import ANSWER, EXPERIMENT, LABEL, STUDY, TRIAL
from tests.store.test_store import POINT, QUESTIONS
from tests.store.test_store_fault import drain

BASE = {
    "trial": TRIAL,
    "answer": ANSWER,
    "study": STUDY,
    "experiment": EXPERIMENT,
    "questions": QUESTIONS,
    "index": POINT,
    "label": LABEL,
    "trial_note": {"trial": "t", "name": "n", "note": "", "tags": ["x"]},
}
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=5),
    st.just("\ud800"),
    st.sampled_from(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01", [], {}, [[]], ["a", 1], {"a": {}}]),
    st.recursive(
        st.integers(), lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
)


@st.composite
def records(draw):
    kind = draw(st.sampled_from(sorted(BASE)))
    payload = deepcopy(BASE[kind])
    for _ in range(draw(st.integers(1, 2))):
        place = payload
        while True:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            key = draw(st.sampled_from([*keys, "created"] if isinstance(place, dict) else list(keys)))
            inner = place[key] if isinstance(place, list) or key in place else None
            if not isinstance(inner, (dict, list)) or not inner or draw(st.booleans()):
                place[key] = draw(ODD)
                break
            place = inner
    return kind, payload


@pytest.mark.slow
@settings(max_examples=6, suppress_health_check=list(HealthCheck))
@given(st.lists(records(), min_size=20, max_size=60))
def test_what_is_acknowledged_is_folded_and_what_is_not_leaves_nothing(made):
    with TemporaryDirectory() as home:
        store, kept = Store(home), set()
        for kind, payload in made:
            try:
                record_id = store.add_label(payload) if kind == "label" else store.add(kind, payload)
            except (WorkbenchError, KeyError, TypeError):
                continue
            kept.add(record_id)
        fresh = Store(home)
        inside = {row["id"] for row in fresh.query("SELECT id FROM folded UNION SELECT id FROM labels")}
        assert inside == kept and not fresh.told(), (fresh.told(), json.dumps(made, default=str)[:2000])
        report = drain(fresh.verify())
        assert report.ok, report.problems
