"""Article: written on evidence, sent back or let out by the gate, decided by a person, published; and the gate against people."""

import os
from html import escape
from pathlib import Path
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, charts, jobs, tables
from app.ui.cards import Card
from app.ui.export import download
from core.articles import against_people
from core.articles.publishing import HTML, MARKDOWN, paragraphs
from core.articles.shown import article_row, articles_table, gate_table, sentences_table
from core.articles.steps import Article, articles
from core.articles.writing import LONGEST_TOPIC, due
from core.config import build
from core.judging.gate import DIMENSIONS, LEAST, LEAST_MEAN, MOST_REVISIONS
from core.labs.answers.answering import alike
from core.report.table import MEAN, between
from core.workbench import Rough, command_line, one_phase

WHY = (
    "Sentences of the corpus are gathered for a topic, and the model rewrites each; measures send back what the sentences do "
    f"not support, and after {MOST_REVISIONS} revisions a person decides."
)
QAGS = "qags/mturk_cnndm.jsonl"


def draw() -> None:
    workbench = session.workbench()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        topic = st.text_input(
            "Topic", key="article_topic", max_chars=LONGEST_TOPIC, placeholder="A subject that the corpus covers"
        )
    if topic.strip():
        arguments = ["articles", "write", topic.strip(), *workbench.arguments(session.config())]
        takes = one_phase("some 8 sentences, four drafts at most", units=1, like=alike(session.config().generation))
        jobs.start_button("Write", arguments, f"Article: {topic.strip():.40}", takes, place="write")
    else:
        st.caption("Give a topic and press Enter: the time that the article takes is shown before it is written.")
    made = articles(workbench)
    if made:
        st.caption("Click an article to read it, to decide on it or to publish it.")
        chosen = tables.choose(articles_table([article_row(each) for each in made]), [each.id for each in made], param="article")
        if chosen is not None:
            with tables.opened():
                opened(workbench, made[chosen])
    else:
        cards.empty("No article yet", WHY)
    with st.expander("How often the gate decides as people do", key="article_gate", on_change="rerun") as box:
        if box.open:
            gate(workbench)


def opened(workbench: Any, made: Article) -> None:
    cards.question_title(made.topic)
    if due(made):
        go_on(made)
    if not made.draft:
        return st.info(f"{made.state.capitalize()}." + " No sentence of the corpus comes near the topic." * (not made.notes))
    if made.gate:
        verdict(made)
        cards.row(
            Card(name.replace("_", " ").capitalize(), made.gate["means"][name], unit="of 5", digits=2, help=required(name))
            for name in DIMENSIONS
        )
        st.caption(
            f"Required: at least 3 in technical accuracy and calibration, a mean of {LEAST_MEAN:g}, and every sentence borne out."
        )
    for some in paragraphs(made):
        said = " ".join(f"{escape(text)} <small>[{number}]</small>" for _, text, number in some)
        st.html(f'<div class="gw gw-passage">{said}</div>')
    tables.draw(sentences_table(made, command_line("articles", "show", made.id)))
    if made.publication:
        return published(made)
    if made.may_be_published:
        return publish(workbench, made)
    if made.gate and not made.decision:
        return decide(made)
    return None


def go_on(made: Article) -> None:
    """The press for one that was stopped, by its own recipe; none while another job is at articles, maybe at this one."""
    arguments = ("articles", "write", made.id)
    others = [job for job in session.workbench().jobs.list() if job.arguments != arguments]
    if not any(job.alive and job.arguments[:1] == arguments[:1] for job in others):
        takes = one_phase("the steps that are left", units=1, like=alike(build(made.config).generation))
        jobs.start_button("Go on", list(arguments), f"Article: {made.topic:.40}", takes, place="on")


def verdict(made: Article) -> None:
    """What the gate said of the last draft, and why."""
    told = f"Draft {made.revisions + 1}: {made.state}"
    if not made.gate["reasons"]:
        return st.caption(f"{told}.")
    reasons = f"The gate does not accept it: {'; '.join(made.gate['reasons'])}."
    if not (said := made.decision):
        return st.warning(cards.plain(f"{told}. {reasons}"), icon=":material/gavel:")
    does = "Accepted" if said["out"] else "Sent back"
    return st.caption(cards.plain(f"{told}. {reasons} {does} by {said['who']}: {said['why']}"))


def required(dimension: str) -> str:
    return f"At least {LEAST[dimension]:g} is required." if dimension in LEAST else "Counts in the mean."


def decide(made: Article) -> None:
    """What a person says where the gate does not let it out."""
    with st.container(horizontal=True):
        who = st.text_input("Who decides", key="article_who", max_chars=100)
        why = st.text_input("Why", key="article_why", max_chars=300, help="Shown below the article.")
    if not (who.strip() and why.strip()):
        with st.container(horizontal=True, vertical_alignment="center"):
            for label, icon in {**({"Send back": "undo"} if made.gate["wrong"] else {}), "Accept it": "gavel"}.items():
                st.button(label, key=f"article/{label}", icon=f":material/{icon}:", disabled=True)
            return st.caption("Give a name and a reason to decide.")
    arguments = ["articles", "decide", made.id, "--who", who.strip(), "--why", why.strip()]
    with st.container(horizontal=True):
        if made.gate["wrong"]:
            wrong = len(made.gate["wrong"])
            again = one_phase(cards.count(wrong, "sentence"), units=wrong, like="back")
            jobs.start_button(
                "Send back", [*arguments, "--back"], "Article sent back", again, icon=":material/undo:", place="back"
            )
        takes = one_phase("a record", Rough(0.1, 1.0))
        jobs.start_button(
            "Accept it", arguments, "Article accepted", takes, icon=":material/gavel:", place="out", kind="secondary"
        )
    return None


def publish(workbench: Any, made: Article) -> None:
    folder = st.text_input("New folder", str(workbench.home / "articles" / made.id), key=f"article_folder/{made.id}")
    arguments = ["articles", "publish", made.id, folder]
    claims = len(made.draft)
    takes = one_phase(f"{cards.count(claims, 'claim')} checked once more", units=max(1, claims))
    jobs.start_button("Publish", arguments, "Publishing an article", takes, icon=":material/publish:", place="publish")


def published(made: Article) -> None:
    folder = Path(made.publication["folder"])
    st.success(cards.plain(f"Published in {folder}."), icon=":material/verified:")
    with st.container(horizontal=True):
        for name in (MARKDOWN, HTML):
            if (folder / name).is_file():
                download(name, (folder / name).read_bytes(), name)


def gate(workbench: Any) -> None:
    """The last measurement, and the press that makes one."""
    value = against_people.newest(workbench)
    file = Path(os.environ.get("GROUNDWORK_DATASETS", "")) / QAGS
    if value:
        auc = value["auc"]
        told = f"AUC {auc['mean']:.3f} ({between(auc['low'], auc['high'], MEAN) or 'no interval'})"
        if not value["tells"]:
            st.warning(
                f"{told}: this gate does not separate faithful drafts from others. Do not rely on it.", icon=":material/warning:"
            )
        command = command_line("articles", "gate", value["file"])
        charts.show(
            gate_chart(value),
            "article_gate",
            command=command,
            title="The gate's wrong decisions",
            caption="Against the technical accuracy required to accept a draft without confident hallucination; Wilson intervals.",
        )
        st.caption(
            cards.plain(
                f"{value['file']}: {value['drafts']:,} summaries as drafts, {value['faithful']:,} faithful by people. {told}; "
                f"r {value['r']['value']:.2f}, bias {value['bias']['mean']:+.2f} of five points."
            )
        )
        tables.draw(gate_table(value, command))
    elif file.is_file():
        arguments = ["articles", "gate", str(file), *workbench.arguments(session.config())]
        jobs.start_button("Measure", arguments, "The gate against people", one_phase("235 summaries", units=235), place="gate")
    else:
        st.caption(
            f"Put {QAGS} into the folder that GROUNDWORK_DATASETS names, or give the file to `python -m core articles gate`."
        )


def gate_chart(value: dict[str, Any]) -> charts.Figure:
    least, traces = [row["least"] for row in value["curve"]], []
    for place, (key, name) in enumerate({"false_pass": "False pass", "false_reject": "False reject"}.items()):
        some = [row[key] for row in value["curve"]]
        low, high = ([each[end] for each in some] for end in ("low", "high"))
        traces += charts.line(least, [each["mean"] for each in some], name=name, low=low, high=high, color=charts.COLORS[place])
    return charts.figure(traces, "Least technical accuracy", "Share of drafts")
