"""What is here, what was tried last, and where to start?"""

import json
import subprocess
import sys
from pathlib import Path

import streamlit as st

from app import session
from app.ui import cards, cells, forms, jobs
from app.ui.cells import cut
from core.labs.trials import comparison

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
    ("design_study", "Have people judge answers", "A blind study, planned and frozen, with agreement measured.", "edit_note"),
)
WHAT = (
    "A research workbench for retrieval-augmented generation: change any step between a document and an answer, and see at once, "
    "with its uncertainty, what that does to what is found and what is answered."
)
FROM = {"built-in": "built in", "downloadable": "downloaded", "local": "own data folder", "own": "own documents"}


@st.cache_resource(show_spinner=False)
def doctor() -> subprocess.Popen:
    """The doctor, in a process of its own: it loads engines that the first page can do without."""
    return subprocess.Popen(
        [sys.executable, "-m", "core", "doctor", "--kept", "--json"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
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
            f"**Not prepared yet.** Still to do: {plan.what}{time}. After that every slider answers at once.", width="stretch"
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
    """Those on this machine; what could be downloaded opens on a click."""
    current, every = session.config().corpus.dataset, session.workbench().datasets()
    here = [s for s in every if s.present or s.kind != "downloadable"]
    absent = [s for s in every if s not in here]
    number = st.column_config.NumberColumn(format="localized", width=84)
    columns = {"Documents": number, "Questions": number, "Corpus": st.column_config.TextColumn(width=236)}
    rows = [
        {
            "Corpus": cut(s.title or s.name, 30),
            "Documents": s.documents,
            "Questions": s.questions,
            "From": ("in use, " if s.name == current else "") + FROM[s.kind] if s.present else s.note,
        }
        for s in here
    ]
    cells.show(
        rows, hide_index=True, key="corpora", placeholder="–", height="content" if len(rows) <= 12 else 460, column_config=columns
    )
    if absent:
        with st.expander(f"{len(absent)} public data sets to download", icon=":material/download:"):
            cells.show(
                [{"Corpus": cut(s.title or s.name, 30), "Documents": s.documents, "Questions": s.questions} for s in absent],
                hide_index=True,
                key="absent_corpora",
                placeholder="–",
                height="content",
                column_config=columns,
            )
            st.page_link("../pages/browse_corpus.py", label="Download on the page Corpus", icon=":material/menu_book:")


def trials() -> None:
    found = comparison.trials(session.workbench(), 8)
    if not found:
        cards.empty("No trials yet", "A trial is a recipe with everything it measured. Save one on the page Search, live.")
        return
    depths, several = {t.k for t in found if t.metrics}, len({t.dataset for t in found}) > 1
    head = comparison.label("ndcg_linear", depths.pop() if len(depths) == 1 else "k")
    table = [
        {
            "Trial": cut(t.title, 36),
            head: t.metrics.get("ndcg_linear"),
            "n": t.n or None,
            "When": t.created,
            **({"Corpus": cut(t.dataset, 20)} if several else {}),
            **({"Status": t.status} if any(one.status != "ok" for one in found) else {}),
        }
        for t in found
    ]
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    cells.show(
        table,
        hide_index=True,
        key="last_trials",
        placeholder="–",
        column_config={
            "Trial": text(width=236, help="Its name, or what differs from the default recipe."),
            head: number(format="%.3f", width=84),
            "n": number(format="localized", width=52, help="Questions measured."),
            "When": st.column_config.DatetimeColumn(format="D MMM, HH:mm", width=104, timezone=st.context.timezone),
            "Corpus": text(width=140),
            "Status": text(width=80),
        },
    )
    st.page_link("../pages/compare_trials.py", label="All trials, compared", icon=":material/compare_arrows:")


def studies() -> None:
    """Where the last studies stand; nothing, and nothing loaded, while there is none."""
    workbench = session.workbench()
    if not workbench.store.studies():
        return
    from core.annotation import versions

    st.subheader("Last studies", anchor=False)
    for one in versions.studies(workbench)[:3]:
        done = "a draft, not frozen yet"
        if one.round != "draft":
            given = workbench.store.labels.current(one.study.id).items()
            whole = sum(label["complete"] for (round, _, _), label in given if round == one.round)
            done = f"{one.round} round, {cards.count(whole, 'labelled screen')}"
        with st.container(horizontal=True, vertical_alignment="center"):
            st.page_link(
                "../pages/design_study.py",
                label=cards.plain(one.study.title or one.study.id),
                icon=":material/edit_note:",
                query_params={"study": one.study.id},
                width="content",
            )
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
            ["all that is needed is here" if not bad else f"{bad} to repair", f"{absent} optional absent" if absent else ""]
        )
        with st.expander("What this machine offers", icon=":material/monitor_heart:", expanded=bool(bad)):
            st.html(f'<table class="gw gw-table">{lines}</table>')


recipe = session.config()
cards.page_title("Groundwork", WHAT)
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
