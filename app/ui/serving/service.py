"""What is up, how it is asked, and the presses that publish a recipe and put it up."""

import json
from datetime import datetime
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, jobs, tables
from core import registry
from core.report.table import DAY_TIME, MEAN, Column, Table, between, with_values
from core.serving.asking import ADDRESS, ServiceState, caches_table, service_state
from core.serving.publishing import LEAST, MEASURE, Publication, answer_cost, publications, reached, worse_end
from core.serving.publishing import published as latest
from core.serving.watching import watched

IN_USE = "The recipe in use"
BOUNDS = {"low": "lower bound ≥", "high": "upper bound ≤"}
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
        usual = int(address().rpartition(":")[2])  # of the one that is up: the page does not keep what was typed before
        port = st.number_input("Port", 1024, 65535, usual, key="serve_port", help="On this machine only: 127.0.0.1.", width=120)
    what = session.workbench().arguments(session.config()) if chosen == IN_USE else ["--published", chosen]
    arguments = ["serve", *what, "--port", str(port)]
    job = jobs.latest(arguments)
    if job and job.status not in ("done", "cancelled"):  # what failed says why, and may be resumed
        jobs.watch(job.id)
        if job.active:
            st.fragment(up, run_every=2.0)(int(port))
    else:
        below = chosen != IN_USE and told_if_below(chosen)
        label = f"Serving {f'a recipe of {session.config().corpus.dataset}' if chosen == IN_USE else chosen} on port {port}"
        cards.press(
            "Start the service",
            "dns",
            "put_up",
            session.workbench().jobs.start,
            arguments,
            label,
            type="secondary" if below else "primary",
        )
        st.caption("It runs until it is stopped, even if this page is closed. Only programs on this machine can reach it.")
    for other in served():  # of another recipe or port than those chosen here
        if job is None or other.id != job.id:
            jobs.watch(other.id)


def served() -> list[Any]:
    """The services that are up, or about to be."""
    return [job for job in jobs.active() if job.arguments[0] == "serve" and "--port" in job.arguments]


def told_if_below(name: str) -> bool:
    """What it means to serve a recipe that did not pass its gate; whether it did not."""
    gate = latest(session.workbench(), name).gate
    if reached(gate):
        return False
    side = worse_end(gate)
    end, label = gate[side], cards.plain(registry.lower(label_of(gate)))
    worst = "has no interval" if end is None else f"may be as {side} as {end:.3f}"
    told = f"It did not pass its gate: {label} {worst} (n {gate['measured']:,}); {gate['least']:.3f} was required."
    st.warning(told, icon=":material/warning:")
    return True


def address() -> str:
    """Of the service that is up by the page, else the usual one."""
    some = [job.arguments for job in served()]
    return f"http://127.0.0.1:{some[0][some[0].index('--port') + 1]}" if some else ADDRESS


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
    ways = "; ".join(
        f"{way}: {'works' if state == 'closed' else 'is paused after failures'}" for way, state in said.breakers.items()
    )
    batches = sum(said.batches.values())
    size = sum(int(size) * number for size, number in said.batches.items()) / batches if batches else 0.0
    return [
        ("Corpus", said.corpus),
        ("Model", ways),
        ("Cached answers", f"{said.cached:,}"),
        ("Batches", f"{batches:,}, of {size:.1f} answers in the mean" if batches else "none yet"),
    ]


def publish() -> None:
    st.subheader("Publish the recipe in use", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name", key="publish_name", placeholder="handbook", max_chars=60)
        least = st.number_input(
            "Faithfulness: lower 95% bound ≥",
            0.0,
            1.0,
            LEAST,
            0.05,
            key="publish_least",
            width=255,
            help="Not the mean: the lower end of the 95% interval over 30 answers has to reach this.",
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
    rows = [row(each) for each in listed]
    several = len({each["measure"] for each in rows}) > 1
    quality = "Quality" if several else rows[0]["measure"]
    columns = (
        Column("name"),
        *[Column("measure")] * several,
        Column("quality", f"{quality} (95% interval)"),
        Column("measured", "n", help="Answers that could be measured."),
        Column("gate", help="Which bound of the interval had to be how good; the mean does not count."),
        Column("passed", help="Whether that bound of the interval is as good."),
        Column(
            "canaries", "Canaries found", help="Canaries: questions with known evidence. Found: among the first k at publication."
        ),
        Column("since", "Change since", help="What the canaries that were found find now: the tab Watch, Canaries."),
        Column("created", "Published", DAY_TIME, width=110),
        *[Column("corpus")] * (len({each["corpus"] for each in rows}) > 1),
        Column("why", "Reason", help="Why it was published although its gate was not passed."),
    )
    tables.draw(Table("published_recipes", with_values(columns, rows), rows), pinned=True)


def row(each: Publication) -> dict[str, Any]:
    gate, hits = each.gate, sum(canary["found"] for canary in each.canaries)
    spread = between(gate["low"], gate["high"], MEAN) or "no interval"
    mean = "not measured" if gate["mean"] is None else f"{gate['mean']:.3f} ({spread})"
    told = {"name": each.name, "corpus": each.config["corpus"]["dataset"], **gate, "measure": label_of(gate)}
    told |= {
        "quality": mean,
        "gate": f"{BOUNDS[worse_end(gate)]} {gate['least']:.3f}",
        "passed": "yes" if reached(gate) else "no",
    }
    told |= {"since": watched(session.workbench(), each).change, "created": datetime.fromisoformat(each.created)}
    return told | {"canaries": f"{hits} of {len(each.canaries)}"}


def label_of(gate: dict[str, Any]) -> str:
    return registry.find("measure", gate["measure"]).label
