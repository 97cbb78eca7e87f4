"""What is here, what was tried last, and where to start?"""

import json
import subprocess
import sys
from pathlib import Path

import streamlit as st

from app import session
from app.ui import cards, forms, jobs

ROOT = Path(__file__).resolve().parents[1]
STARTS = (
    (
        "search_live",
        "Move a slider, watch the metrics",
        "Recall, MRR and nDCG with their intervals, at once, on every question.",
        "tune",
    ),
    ("tune_chunks", "See where chunks cut", "Chunk boundaries and gold evidence in the text itself.", "content_cut"),
    ("ask_model", "Ask a question", "An answer from a local model, with citations that open the text.", "forum"),
    (
        "design_study",
        "Have people judge answers",
        "A blind study, planned and frozen, with agreement measured.",
        "edit_note",
    ),
)
METRIC_COLUMNS = (("ndcg_linear", "nDCG"),)


@st.cache_resource(show_spinner=False)
def doctor() -> subprocess.Popen:
    """The doctor, in a process of its own: it loads engines that the first page can do without."""
    return subprocess.Popen(
        [sys.executable, "-m", "core", "doctor", "--json"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


@st.cache_resource(show_spinner=False)
def findings() -> list[dict]:
    """Its report, once it is done: a few kB, which the pipe holds until they are read."""
    report = json.loads(doctor().stdout.read() or "[]")
    failed = {"name": "Doctor", "ok": False, "found": "gave no report", "todo": "Run make doctor to see why."}
    return report if isinstance(report, list) and report else [failed]


def prepare() -> None:
    """At the very first start the built-in corpus is prepared without being asked for."""
    workbench, recipe = session.workbench(), session.config()
    arguments, title = ["prepare", *workbench.arguments(recipe)], f"Preparing {recipe.corpus.dataset}"
    job = jobs.latest(arguments)
    if job and job.status != "done":
        jobs.watch(job.id)
        return
    plan = workbench.plan(recipe)
    if plan.live:
        return
    if not job and recipe == session.defaults():
        workbench.jobs.start(arguments, title)
        st.rerun()  # the sidebar, drawn before, shows it too
    with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        time = cards.about(plan.seconds)
        st.markdown(
            f"**Not prepared yet.** Still to do: {plan.what}{time}. After that every slider answers at once.",
            width="stretch",
        )
        jobs.start_button("Prepare", arguments, title)


def starts() -> None:
    there = [start for start in STARTS if (ROOT / "pages" / f"{start[0]}.py").exists()]
    with st.container(key="starts"):
        for column, (page, title, why, icon) in zip(st.columns(max(len(there), 1)), there, strict=False):
            with column.container(border=True, height="stretch"):
                st.page_link(f"../pages/{page}.py", label=f"**{title}**", icon=f":material/{icon}:")
                st.html(f'<div class="gw gw-small">{why}</div>')


def corpora() -> None:
    current = session.config().corpus.dataset
    states = {True: "here", False: "to download"}
    rows = [
        {
            "Corpus": s.title or s.name,
            "Documents": s.documents,
            "Questions": s.questions,
            "State": "in use" if s.name == current else states[s.present] if s.kind != "own" or s.present else s.note,
        }
        for s in session.workbench().datasets()
    ]
    st.dataframe(
        rows,
        hide_index=True,
        key="corpora",
        placeholder="–",
        height="content" if len(rows) <= 12 else 460,
        column_config={name: st.column_config.NumberColumn(format="localized") for name in ("Documents", "Questions")}
        | {"Corpus": st.column_config.TextColumn(width=240)},
    )


def trials() -> None:
    rows = session.workbench().trials(8)
    if not rows:
        cards.empty(
            "No trials yet", "A trial is a recipe with everything it measured. Save one on the page Search, live."
        )
        return
    table = []
    for row in rows:
        measured = {name.partition("@")[0]: value for name, value in (row["metrics"] or {}).items()}
        k = next((name.partition("@")[2] for name in row["metrics"] or {}), "")
        table.append({"When": row["created"], "Corpus": row["dataset"],
                      "Recipe": f"{row['chunking']} · {row['fusion']}".replace("_", " "),
                      **{label: measured.get(name) for name, label in METRIC_COLUMNS}, "k": k, "n": row["measured"],
                      **({} if row["status"] == "ok" else {"Status": row["status"]})})  # fmt: skip
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    st.dataframe(
        table, hide_index=True, key="last_trials", placeholder="–",
        column_config={
            "When": st.column_config.DatetimeColumn(format="D MMM, HH:mm", width=102), "Corpus": text(width=128), "Recipe": text(width=160),
            **{label: number(format="%.3f", width=55) for _, label in METRIC_COLUMNS},
            "k": text(width=30, help="Depth at which the rankings were judged."),
            "n": number(format="localized", width=44, help="Questions measured."),
        },
    )  # fmt: skip


def studies() -> None:
    """Where the last studies stand; nothing, and nothing loaded, while there is none."""
    workbench = session.workbench()
    if not workbench.store.studies():
        return
    from core import annotation_lab

    st.subheader("Last studies", anchor=False)
    for one in annotation_lab.studies(workbench)[:3]:
        done = "a draft, not frozen yet"
        if one.round != "draft":
            given = workbench.store.labels.current(one.study.id).items()
            whole = sum(label["complete"] for (round, _, _), label in given if round == one.round)
            done = f"{one.round} round, {cards.count(whole, 'labelled screen')}"
        with st.container(horizontal=True, vertical_alignment="center"):
            st.page_link("../pages/design_study.py", label=cards.plain(one.study.title or one.study.id), icon=":material/edit_note:",
                         query_params={"study": one.study.id}, width="content")  # fmt: skip
            st.html(f'<div class="gw gw-small">{done}</div>')


def show_health() -> None:
    with cards.calm():
        if doctor().poll() is None:
            st.html('<div class="gw gw-small">Looking at this machine …</div>')
            return
        if "health_seen" not in st.session_state:
            st.session_state["health_seen"] = True
            st.rerun()
        marks = {True: "✓", False: "!", None: "–"}
        lines = "".join(
            f"<tr><td>{marks[f['ok']]}</td><td>{cards.escape(f['name'])}</td><td>{cards.escape(f['found'])}"
            + (f'<div class="gw-small">{cards.escape(f["todo"])}</div>' if f["todo"] and f["ok"] is not True else "")
            + "</td></tr>"
            for f in findings()
        )
        bad = sum(f["ok"] is False for f in findings())
        absent = sum(f["ok"] is None for f in findings())
        cards.status_strip(
            [
                "all that is needed is here" if not bad else f"{bad} to repair",
                f"{absent} optional absent" if absent else "",
            ]
        )
        with st.expander("What this machine offers", icon=":material/monitor_heart:", expanded=bool(bad)):
            st.html(f'<table class="gw gw-table">{lines}</table>')


recipe = session.config()
cards.page_title("Groundwork", "What is here, what was tried last, and where to start.")
cards.status_strip([f"corpus {recipe.corpus.dataset}", forms.describe_recipe(recipe)])
with cards.calm():  # a corpus without documents leaves the rest of the page
    prepare()
if (chosen := st.query_params.get("job")) in {job.id for job in session.workbench().jobs.list()}:
    jobs.watch(chosen)
st.subheader("What to try first", anchor=False)
starts()
with st.container(key="stack"):
    left, right = st.columns(2, gap="large")
with left:
    st.subheader("Last trials", anchor=False)
    trials()
    with cards.calm():
        studies()
    st.subheader("Health", anchor=False)
    if jobs.active():  # the doctor loads engines: it would take the processor from what people wait for
        st.html('<div class="gw gw-small">Looked at once the running work is done.</div>')
    else:
        st.fragment(show_health, run_every=1.0 if doctor().poll() is None else None)()
with right:
    st.subheader("Corpora", anchor=False)
    corpora()
