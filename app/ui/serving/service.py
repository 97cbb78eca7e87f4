"""What is up, how it is asked, and the presses that publish a recipe and put it up."""

import json
from datetime import datetime
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, jobs, tables
from core.report.table import DAY_TIME, MEAN, Column, Table, between
from core.serving.asking import ADDRESS, PORT, ServiceState, caches_table, service_state
from core.serving.publishing import LEAST, MEASURE, Publication, answer_cost, publications, reached
from core.serving.watching import watched

IN_USE = "The recipe in use"
CURL = """curl -s http://127.0.0.1:{port}/answer \\
  -H 'content-type: application/json' \\
  -d '{body}'"""
OPENAI = """from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:{port}/v1", api_key="none")
reply = client.chat.completions.create(
    model="{name}", messages=[{{"role": "user", "content": {question!r}}}])
print(reply.choices[0].message.content)"""


def draw() -> None:
    left, right = st.columns([1, 1], gap="large")
    with left:
        put_up()
    with right:
        publish()
    if listed := publications(session.workbench()):
        published(listed)


def put_up() -> None:
    st.subheader("Service", anchor=False)
    names = list(dict.fromkeys(each.name for each in publications(session.workbench())))
    if st.session_state.get("serve_names") != names:  # what was just published is what is served next
        st.session_state["serve_names"], st.session_state["serve_what"] = names, [*names, IN_USE][0]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox("What is served", [*names, IN_USE], key="serve_what")
        port = st.number_input("Port", 1024, 65535, PORT, key="serve_port", help="On this machine only: 127.0.0.1.", width=120)
    what = session.workbench().arguments(session.config()) if chosen == IN_USE else ["--published", chosen]
    arguments = ["serve", *what, "--port", str(port)]
    job = jobs.latest(arguments)
    if job and job.active:
        jobs.watch(job.id)
        st.fragment(up, run_every=2.0)(int(port))
    else:
        label = f"Serving {'the recipe in use' if chosen == IN_USE else chosen}"
        cards.press("Start the service", "dns", "put_up", session.workbench().jobs.start, arguments, label, type="primary")
        st.caption("It runs until it is stopped, even if this page is closed. Only programs on this machine can reach it.")


def address() -> str:
    """Of the service that is up by the page, else the usual one."""
    served = [job.arguments for job in jobs.active() if job.arguments[0] == "serve" and "--port" in job.arguments]
    return f"http://127.0.0.1:{served[0][served[0].index('--port') + 1]}" if served else ADDRESS


def up(port: int) -> None:
    """What the service says of itself, and how programs ask it."""
    with cards.calm():
        said = service_state(f"http://127.0.0.1:{port}")
        if not said.ready:
            return st.caption(f":material/hourglass_top: {cards.plain(said.why)}")
        cards.facts(facts(said))
        if (used := caches_table(said)).rows:
            tables.draw(used)
        question = said.question or "What does the with statement do?"
        shell, python = st.tabs(["Shell", "OpenAI client"])
        shell.code(
            CURL.format(port=port, body=json.dumps({"question": question}).replace("'", "'\\''")),
            language="bash",
            wrap_lines=True,
        )
        python.code(OPENAI.format(port=port, name=said.name, question=question), language="python")
        st.caption(
            f"All requests with their fields: http://127.0.0.1:{port}/docs · for Prometheus: http://127.0.0.1:{port}/metrics"
        )


def facts(said: ServiceState) -> list[tuple[str, str]]:
    ways = ", ".join(
        f"{way} {'works' if state == 'closed' else 'is paused after failures'}" for way, state in said.breakers.items()
    )
    batches = sum(said.batches.values())
    size = sum(int(size) * number for size, number in said.batches.items()) / batches if batches else 0.0
    return [
        ("Corpus", said.corpus),
        ("Model", ways),
        ("Answers held", f"{said.cached:,}"),
        ("Batches", f"{batches:,}, of {size:.1f} answers in the mean" if batches else "none yet"),
    ]


def publish() -> None:
    st.subheader("Publish the recipe in use", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name", key="publish_name", placeholder="handbook", max_chars=60)
        least = st.number_input(
            "Faithfulness, at least",
            0.0,
            1.0,
            LEAST,
            0.05,
            key="publish_least",
            width=180,
            help="The lower end of its 95% interval over 30 answers has to reach this.",
        )
    why = st.text_input(
        "Reason to publish it anyway",
        key="publish_why",
        placeholder="Needed only below that faithfulness",
        help="Kept in the record.",
    )
    st.caption("A published recipe has a name, its measured quality, and questions that reveal a later loss.")
    arguments = ["serving", "publish", name, "--measure", MEASURE, "--least", f"{least:g}"]
    arguments += [*(["--why", why] if why.strip() else []), *session.workbench().arguments(session.config())]
    takes = answer_cost(session.workbench(), session.config())
    lacking = "" if name.strip() else "Give it a name to publish it."
    look = {"icon": ":material/publish:", "place": "publish", "lacking": lacking}
    jobs.start_button("Publish", arguments, f"Publishing {name}", takes, **look)


def published(listed: list[Publication]) -> None:
    st.subheader("Published", anchor=False)
    columns = (
        Column("name", width=138),
        Column("corpus", width=126),
        Column("measure", width=96),
        Column("mean", "", MEAN),
        Column("interval", "95% interval"),
        Column("least", "Asked for", MEAN),
        Column("reached", help="Whether the whole interval is as good as what was asked for."),
        Column("why", "Reason", width=90),
        Column("canaries", "Canaries found", help="At publication: questions whose evidence was among the first k."),
        Column("since", "Asked since", help="What the same questions find now: the tab Watch, Canaries.", width=90),
        Column("created", "Published", DAY_TIME, width=105),
    )
    tables.draw(Table("published_recipes", columns, [row(each) for each in listed]))


def row(each: Publication) -> dict[str, Any]:
    number = sum(canary["found"] for canary in each.canaries)
    told = {"name": each.name, "corpus": each.config["corpus"]["dataset"], **each.gate}
    told |= {"interval": between(each.gate["low"], each.gate["high"], MEAN), "reached": "yes" if reached(each.gate) else "no"}
    told |= {"since": watched(session.workbench(), each).change, "created": datetime.fromisoformat(each.created)}
    return told | {"canaries": f"{number} of {len(each.canaries)}"}
