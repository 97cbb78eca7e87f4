"""Agents, view Memory: a fact is written, opened, forgotten; policies are drawn over a life."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.memory import recorded
from core.memory import store as stores
from core.memory.facts import FactDraft
from core.memory.forgetting import forget
from core.memory.life import LifeRules, lived
from core.memory.recorded import record_life
from core.memory.simulation import simulate, simulated
from core.progress import drain
from core.report.table import MEAN, between
from core.workbench import Workbench
from tests.support.remembered import by_words

MAIN = Path(__file__).parents[2] / "app" / "main.py"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    Workbench(home)
    return home


@pytest.fixture
def store(bench, monkeypatch):
    store = stores.FactStore(bench.home, by_words)
    monkeypatch.setitem(stores._of_home, bench.home.absolute(), store)
    monkeypatch.setattr(recorded, "bundled", by_words)
    return store


def opened(view: str, **address: str) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=120)
    app.switch_page("../pages/run_agent.py")
    for name, value in {"agents_view": "Memory", "memory_view": view, **address}.items():
        app.query_params[name] = value
    app = app.run()
    assert not app.exception and not any("unexpected" in each.value for each in app.error), [
        each.value for each in app.get("code")
    ]
    return app


def words(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.error, app.warning, app.success, app.text, app.get("html"))
    return " ".join(str(each.value) for kind in kinds for each in kind)


def test_a_fact_that_the_address_names_and_nobody_remembers_is_told(store):
    assert "fact “gone”, which is not in the memory" in words(opened("Facts", fact="gone"))
    old = store.write(FactDraft("", "pump K4", "firmware", "v1.0"))
    assert "fact “gone”, which is not in the memory" in words(opened("Facts", fact="gone"))
    store.write(FactDraft("", "pump K4", "firmware", "v2.0"))
    assert "address asks" not in words(opened("Facts", fact=old.id)), "an earlier version is remembered"


def test_a_fact_is_written_superseded_and_asked_for(store):
    assert "Nothing is remembered" in words(opened("Facts"))
    store.write(FactDraft("", "pump K4", "firmware", "v1.0"))
    update = store.write(FactDraft("", "pump K4", "firmware", "v2.0"))
    app = opened("Facts", fact=update.id)
    assert "1 fact, 1 earlier version" in words(app) and "1 earlier versions" not in words(app)
    assert [list(table.value.iloc[:, 0]) for table in app.dataframe] == [
        ["The firmware of pump K4 is v2.0."],
        ["The firmware of pump K4 is v1.0.", "The firmware of pump K4 is v2.0."],
    ]
    app.text_input(key="memory_question").set_value("pump firmware").run()
    assert list(app.dataframe[0].value["Fact"]) == ["The firmware of pump K4 is v2.0."]


def test_a_fact_is_written_on_the_page_counted_at_once_and_kept_in_the_form_where_it_is_refused(store):
    app = opened("Facts")

    def press(subject: str, attribute: str, value: str):
        for name, text in zip(("subject", "attribute", "value"), (subject, attribute, value), strict=True):
            app.text_input(key=f"memory_write/{name}").set_value(text)
        next(button for button in app.button if button.label == "Write").click().run()
        return words(app)

    said = press("pump K4", "", "")
    assert "A fact has a text, or a subject, an attribute and a value" in said and "0 facts" in said
    assert app.text_input(key="memory_write/subject").value == "pump K4", "what was refused can be mended"
    said = press("pump K4", "firmware", "v1.0")
    assert "Remembered." in said and "1 fact, 0 earlier versions" in said
    assert not app.text_input(key="memory_write/subject").value
    assert "It was remembered already." in press("pump K4", "firmware", "v1.0")
    assert "Remembered, in the place of the value before." in press("pump K4", "firmware", "v2.0")


def test_the_press_forgets_by_a_job_and_the_proof_is_told(bench, store, started):
    hall = store.write(FactDraft("", "pump K4", "hall", "hall Fir"))
    call = store.write(FactDraft("At pump K4 call hall Fir.", derived_from=(hall.id,)))
    app = opened("Facts", fact=hall.id)
    app.session_state[f"forget/{hall.id}"] = True
    app.run()
    assert "would become stale" in words(app) and call.id
    app.text_input(key="forget_who").set_value("the owner")
    app.text_input(key="forget_why").set_value("asked to").run()
    next(button for button in app.button if button.label == "Forget, and prove it").click().run()
    assert started == [["memory", "forget", hall.id, "--who", "the owner", "--why", "asked to"]]
    made = drain(forget(bench, "the owner", "asked to", [hall.id]))
    app = opened("Forgotten", forgetting=made.key)
    assert made.proven and "Nothing of 1 fact is left" in words(app)
    audit = app.dataframe[0].value
    assert list(audit["Why"]) == ["asked to"] and "Read (MB)" in audit
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", audit["When (UTC)"][0]), "as the versions of a fact say theirs"


def test_the_lab_draws_a_policy_beside_adding_all(bench, store, monkeypatch):
    assert "Nothing is simulated yet" in words(opened("Policy lab"))
    rules = LifeRules(weeks=9, machines=10, chatter=15, changed=0.1)
    monkeypatch.setattr(recorded, "lived", lambda _, seed: lived(rules, seed))
    drain(record_life(bench, 0))
    drain(simulate(bench, 0, 1, rules))
    app = opened("Policy lab")
    assert list(app.dataframe[0].value["Policy"]) == ["This policy", "Add all"]
    before = app.dataframe[0].value["Facts at the end"].tolist()
    app.select_slider(key="memory_budget").set_value(100).run()
    assert app.dataframe[0].value["Facts at the end"].tolist()[0] == 100 < before[0]
    lives = app.dataframe[1].value
    assert set(lives["Arm"]) == {"add-all", "selective"}
    for share in ("current", "stale", "cascade", "absence"):
        own = [between(row[f"{share}_low"], row[f"{share}_high"], MEAN) for row in simulated(bench)]
        assert lives[f"{share.capitalize()}, 95%"].tolist() == own, "each share with its own interval"
