"""What stands beside a result, its recipe, its command and its depth, is of that result, also where an older one is shown."""

from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import session
from app.ui import charts, jobs
from app.ui.encoders import training
from app.ui.inside import attention
from core.config import TrialConfig, with_settings
from core.records import Progress
from core.workbench import Workbench


@pytest.fixture
def shown(monkeypatch, tmp_path):
    """What the charts are drawn with."""
    every, bench = [], Workbench(tmp_path)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    monkeypatch.setattr(charts, "show", lambda shape, name, **look: every.append(look | {"shape": shape}))
    monkeypatch.setattr(jobs, "price", lambda *_: None)
    return every


def latency() -> None:
    from app import session
    from app.ui.search import latency_chart

    latency_chart.draw(session.config())


def test_an_older_result_is_exported_with_its_own_recipe(shown, monkeypatch):
    def timed(self, config):
        yield Progress(1, 1, "timed")
        return {"total": [1.0] * 30}

    monkeypatch.setattr(Workbench, "latency", timed)
    app = AppTest.from_function(latency, default_timeout=300).run()
    app.button(key="do/latency").click().run()
    assert not app.exception and shown[-1]["config"] == TrialConfig()
    app.session_state["recipes"] = {"current": with_settings(TrialConfig(), {"evaluation.k": 5})}
    assert app.run() and shown[-1]["config"].evaluation.k == 5, "it does not depend on the depth: it is of this recipe, too"
    app.session_state["recipes"] = {"current": with_settings(TrialConfig(), {"evaluation.k": 5, "retrieval.candidates": 60})}
    app.run()
    assert "results of the previous recipe" in app.caption[0].value and not app.exception
    assert shown[-1]["config"].retrieval == TrialConfig().retrieval and "candidates" not in shown[-1]["command"]


def cached() -> None:
    import streamlit as st

    from app import session
    from app.ui.inside import cache

    st.session_state["inspect_cache"] = {("towns", 128, 8): "the run"}
    st.session_state["of"] = cache.measured(session.config(), ("towns", 256, 8), 256, 8)


def test_the_last_measurement_of_the_cache_stands_with_what_it_is_of(shown):
    app = AppTest.from_function(cached, default_timeout=300).run()
    assert app.session_state["of"] == (("towns", 128, 8), "the run") and "last measurement" in app.caption[0].value


def test_a_chart_of_heads_is_exported_with_layer_head_and_question(shown, monkeypatch):
    share = SimpleNamespace(parts=("question", "first token", "rest"), entropy_bits=np.zeros((1, 2)), mass=np.zeros((1, 2, 3)))
    monkeypatch.setattr(attention, "attention_share", lambda *_: share)
    looked = SimpleNamespace(
        maps=np.ones((1, 2, 3, 3)) / 3, tokens=["a", "b", "c"], spans={"question": (1, 2)}, question="When?", text="abc"
    )
    attention.heads(looked, 2, 0, 1, "python -m core inside attention")
    about = {"question": "When?", "layer": 0, "head": 1, "looking_token": 2}
    assert [look["config"] for look in shown] == [about] * 3


def test_curves_of_a_training_are_named_by_the_depth_it_was_judged_at(shown, monkeypatch):
    monkeypatch.setattr(session, "config", lambda: with_settings(TrialConfig(), {"evaluation.k": 3}))
    log = [{"kind": "step", "step": 1, "loss": 0.5}]
    log += [{"kind": "evaluation", "step": at, "ndcg": 0.4, "recall": 0.5, "mrr": 0.3} for at in (0, 1)]
    for more, depth in (((10,), 10), ((), "k")):
        training.draw_curves("mine", log, *more)
        names = [trace["name"] for trace in shown[-1]["shape"]["data"] if trace.get("name")]
        assert names and all(name.endswith(f"@{depth}") for name in names)


def sides() -> None:
    from types import SimpleNamespace
    from unittest.mock import patch

    import streamlit as st

    from app import session
    from app.ui.sampling import sides
    from core.labs.sampling.sides import Side

    def written(*_):
        yield from ()
        return [Side("This chain", "", "It opens at five [2].", "stop", 9, 3.0, 2.0, 1.0)]

    st.session_state.setdefault("chain", "greedy")
    prompt, *hits = st.session_state["prompt"].split()
    replaced = {"presets": lambda *_: {"Deterministic": "greedy"}, "engines": lambda *_: {}, "written_sides": written}
    with patch.multiple(sides, **replaced):
        sides.side_by_side(session.config(), SimpleNamespace(key=prompt, hits=hits), 8)


def test_citations_written_over_another_prompt_are_of_its_passages(shown):
    app = AppTest.from_function(sides, default_timeout=300)
    app.session_state["prompt"] = "question first second"
    app.run().button(key="do/sides").click().run()
    app.session_state["prompt"] = "text"
    app.run()
    drawn = "".join(element.proto.body for element in app.get("html"))
    assert not app.exception and any("of another prompt" in caption.value for caption in app.caption)
    assert '<span class="gw-chip">2</span>' in drawn and "bad" not in drawn
