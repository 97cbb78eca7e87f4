"""Facts: listed or looked for by a question; one with its versions and derivations, and the press that forgets it."""

from datetime import UTC, datetime
from typing import Any

import streamlit as st

from app.ui import cards, jobs, tables
from app.ui.export import download
from core.errors import WorkbenchError
from core.memory.facts import Fact, FactDraft
from core.memory.forgetting import choice, exported, forget_cost
from core.memory.shown import fact_row, facts_table, hit_rows, hits_table, place_of
from core.memory.store import FactStore, memory_of
from core.report.table import Column, Table

MOST = 500
BECAME = {
    "new": "Remembered",
    "duplicate": "It was remembered already",
    "update": "Remembered, in the place of the value before",
    "history": "Remembered as an earlier version",
}
WHY = (
    "Agents write facts with `write_memory`, and people with `python -m core memory write` or the form above: a subject, an attribute of "
    "it and its value. A new value replaces the old one, and facts derived from the old one are marked as stale."
)
VERSIONS = (
    Column("text", "Version", width=420),
    Column("since", "Holds since (UTC)", width=170),
    Column("ended", "Ended (UTC)", width=170),
)


def draw(workbench: Any) -> None:
    store = memory_of(workbench)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        question = st.text_input("Question", key="memory_question", placeholder="The latest facts", max_chars=500)
        stale = st.toggle(
            "Stale", key="memory_stale", help="Only facts that may no longer hold.", disabled=bool(question.strip())
        )
    with st.expander("Write a fact"):
        write(store)
    if question.strip():
        hits = store.read(question, 10, counted=False)
        facts, drawn = [hit.fact for hit in hits], hits_table(hit_rows(store, hits))
    else:
        facts = store.facts(MOST, stale=stale)
        drawn = facts_table(map(fact_row, facts))
    if (asked := st.query_params.get("fact", "")) and not store.history(asked):
        instead = "It may have been forgotten: ask a question above, or choose another fact."
        cards.elsewhere("fact", asked, "in the memory", instead)
    if not facts:
        cards.empty("Nothing is remembered" if not stale else "No fact is stale", WHY)
        return
    chosen = tables.choose(drawn, [fact.id for fact in facts], param="fact")
    if chosen is not None:
        with tables.opened():
            opened(workbench, store, facts[chosen])


def write(store: FactStore) -> None:
    keys = {name: f"memory_write/{name}" for name in ("subject", "attribute", "value", "text")}
    with st.form("memory_write", border=False):
        with st.container(horizontal=True):
            st.text_input("Subject", key=keys["subject"], max_chars=100)
            st.text_input("Attribute", key=keys["attribute"], max_chars=100)
            st.text_input("Value", key=keys["value"], max_chars=300)
        st.text_input("Sentence", key=keys["text"], placeholder="empty: made from these three", max_chars=500)
        st.slider("Importance", 0.0, 1.0, 0.5, 0.05, key="memory_write/importance")
        st.form_submit_button("Write", icon=":material/edit_note:", on_click=_written, args=(store, keys))
    wrong, right = st.session_state.pop("memory_written", ("", ""))
    if wrong:
        st.error(wrong, icon=":material/error:")
    elif right:
        st.success(right)


def _written(store: FactStore, keys: dict[str, str]) -> None:
    """Before the page is drawn, which then counts the fact, too; what is refused stays in the form."""
    state = st.session_state
    draft = FactDraft(
        **{name: state[key] for name, key in keys.items()}, source="a person", importance=state["memory_write/importance"]
    )
    try:
        written = store.write(draft)
    except WorkbenchError as error:
        state.memory_written = cards.plain(error.what), ""
        return
    also = f", {cards.count(len(written.stale), 'fact')} stale by it" if written.stale else ""
    state.memory_written = "", f"{BECAME[written.outcome]}{also}."
    state.update(dict.fromkeys(keys.values(), ""))


def opened(workbench: Any, store: FactStore, fact: Fact) -> None:
    cards.question_title(fact.text)
    if because := store.because(fact):
        now = store.followed(fact)
        st.warning(cards.plain(because + (f" By its sources today: {now}." if now else "")), icon=":material/history:")
    derivation = store.derivation(fact.id)
    cards.facts(
        [
            ("Id", fact.id),
            ("Source", " ".join(filter(None, (fact.source, place_of(fact))))),
            ("Used", f"{cards.count(fact.uses, 'time')}{f', last {said_at(fact.last_use)} UTC' if fact.last_use else ''}"),
            ("Derived from", " · ".join(each.text for each in derivation.parents)),
            ("Led to", " · ".join(each.text for each in derivation.children)),
        ]
    )
    versions = [{"text": each.text, "since": said_at(each.time), "ended": said_at(each.ended)} for each in store.history(fact.id)]
    tables.draw(Table("memory_versions", VERSIONS, versions, "Versions"), offered=False)
    with st.expander("Forget it", key=f"forget/{fact.id}", on_change="rerun") as box:
        if box.open:
            forget(workbench, store, fact)


def forget(workbench: Any, store: FactStore, fact: Fact) -> None:
    """What would go, and the press; a job reads every file of the data folder before and after."""
    derived = st.toggle("Also facts derived from it", key="forget_derived")
    told = choice(store, [fact.id], derived=derived)
    st.caption(
        f"{cards.count(len(told.facts), 'fact')} would be deleted from every file, with all versions. This cannot be undone."
    )
    for facts, words in ((told.derived, "Derived from it, would become stale"), (told.mentioning, "Says the same, would stay")):
        for each in facts[:10]:
            st.caption(cards.plain(f"{words}: {each.text}"))
    with st.container(horizontal=True):
        who = st.text_input("Requested by", key="forget_who", max_chars=100)
        why = st.text_input(
            "Why", key="forget_why", max_chars=200, help="Stays in the record: do not repeat what is to be forgotten."
        )
    if not (who.strip() and why.strip()):
        return st.caption("The record says who, when and why, but not what was forgotten.")
    arguments = ["memory", "forget", fact.id, "--who", who, "--why", why, *(["--derived"] if derived else [])]
    jobs.start_button(
        "Forget, and prove it", arguments, "Forgetting", forget_cost(workbench), icon=":material/delete_forever:", place="forget"
    )
    if fact.subject:
        about = exported(workbench, fact.subject)
        download(f"All about {cards.plain(fact.subject)}", as_json(about), "about.json")


def as_json(value: Any) -> str:
    import json

    return json.dumps(value, indent=1, ensure_ascii=False)


def said_at(seconds: float | None) -> str:
    """A moment in words, in UTC; "" for none, and for what no calendar has."""
    if seconds is None or abs(seconds) > 2e11:
        return ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
