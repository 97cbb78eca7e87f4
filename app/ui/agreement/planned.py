"""The study's own question: the frozen plan, and what the labels say to it before anything that is exploration."""

from collections.abc import Sequence
from html import escape
from typing import Any

import streamlit as st

from app import session
from app.ui import cards
from app.ui.agreement import figures
from app.ui.agreement.results import compute_once_for
from core.agreement import plan, sources, views
from core.annotation import checking
from core.annotation.formats.alone import WITHOUT
from core.report.table import MEAN, between, written

STATES = {"met": "Met", "not met": "Not met", "split": "Met in part", "open": "Not decidable yet", "own": "For you to decide"}
STYLE = """<style>
.gw-plan { display: grid; grid-template-columns: minmax(0, 1fr) minmax(14rem, max-content); gap: .4rem 2rem; align-items: start; }
.gw-plan.rows { grid-template-columns: 1fr; }
.gw-plan p { margin: 0 0 .2rem; }
.gw-plan .said { font-size: 1.05rem; font-weight: 600; line-height: 1.35; }
.gw-plan .state { display: inline-block; padding: 0 .55rem; border: 1px solid currentColor; border-radius: 1rem;
  font-size: .78rem; font-weight: 600; line-height: 1.55; white-space: nowrap; vertical-align: .1em; color: var(--gw-muted); }
.gw-plan .state.met { color: var(--gw-good); }
.gw-plan .state.not { color: var(--gw-bad); }
.gw-plan table { border-collapse: collapse; }
.gw-plan td { padding: 0 0 .15rem 1rem; text-align: right; white-space: nowrap; font-size: .82rem; color: var(--gw-muted); border: 0; }
.gw-plan td:first-child { padding-left: 0; text-align: left; }
@media (max-width: 1100px) {
  .gw-plan { grid-template-columns: 1fr; }
  .gw-plan .state { display: block; width: fit-content; margin: .2rem 0; }
}
</style>"""


def planned(source: sources.LabelSource, round_name: str) -> None:
    """The frozen question and what the labels say to it, before anything that is exploration."""
    if source.study is not None and source.study.question == WITHOUT:
        st.caption(WITHOUT)
    if source.study is None or not (source.study.hypothesis or source.study.test or st.session_state.agreement_stored):
        return  # a file without a plan
    verdict, study = compute_once_for(source, ("plan", round_name), lambda: plan.verdict(source, round_name)), source.study
    frozen = as_frozen(source)
    if verdict is None:
        return
    part = {"sentences": "sentences", "helpful": "answers", "preference": "pairs"}[verdict.part]
    without = verdict.state == "own" and not study.test.strip()
    with st.container(border=True, key="plan"):
        state = {"met": "met", "not met": "not"}.get(verdict.state, "")
        said, word = escape(study.hypothesis or study.question), "No test planned" if without else STATES[verdict.state]
        texts = [
            f'<p class="said">{said} <span class="state {state}">{word}</span></p>',
            small(
                " ".join(
                    f"Plan: {ended(study.measure)} {ended(study.test)} {tied(verdict, part, source)} "
                    f"{'' if without else verdict.why}".split()
                )
            ),
            small(decided(source, verdict)),
            frozen,
        ]
        rows = " rows" if len(verdict.rows) > 1 else ""
        st.html(f'{STYLE}<div class="gw gw-plan{rows}"><div>{"".join(texts)}</div>{numbers(verdict, part, source)}</div>')


def ended(text: str) -> str:
    """What somebody typed, as a sentence among others."""
    text = text.strip()
    return text if not text or text[-1] in ".!?" else f"{text}."


def small(text: str) -> str:
    return f'<p class="gw-small">{escape(text)}</p>' if text else ""


def numbers(verdict: plan.Verdict, part: str, source: sources.LabelSource) -> str:
    """One number large; of several systems or pairs a line each."""
    level, what = f"{100 * verdict.confidence:g}%", escape(verdict.measure[:1].upper() + verdict.measure[1:])
    if len(verdict.rows) == 1:
        [row] = verdict.rows
        planned = " by bootstrap, as planned" if plan.by_bootstrap(source.study) and verdict.part != "preference" else ""
        if planned and not row.of_two and row.value in (0, 1):
            planned = " of Wilson: a bootstrap of labels that are all the same says nothing of others"
        interval = "no interval" if row.low is None else f"{level} interval {between(row.low, row.high, MEAN)}{planned}"
        of = f"{row.units:,} {'decided pairs' if part == 'pairs' else part}" + (
            f" of {sources.drawn(source.study, row.items)}" if verdict.part == "sentences" else ""
        )
        value = "–" if row.value is None else written(row.value, MEAN)
        whose = small(named([row])[row.name]) if row.of_two or verdict.part == "preference" else ""
        return (
            f'<div style="max-width: 22rem"><div class="gw-small">{what}</div>{whose}<div class="gw-value">{value}</div>'
            f'<div class="gw-small">{interval}</div><div class="gw-small">{escape(of)}</div>{small(carried(verdict, part, source))}'
            f"{small(row.note)}</div>"
        )
    if not verdict.rows:
        return ""
    ties, names = any(row.least is not None for row in verdict.rows), named(verdict.rows)
    heads = [what, "", f"{level} interval", *(["bounds over ties"] if ties else []), ""]
    lines = [
        [
            names[row.name],
            "–" if row.value is None else written(row.value, MEAN),
            between(row.low, row.high, MEAN),
            *([between(row.least, row.most, MEAN)] if ties else []),
            "" if row.met is None else "met" if row.met else "not met",
        ]
        for row in verdict.rows
    ]
    cells = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>" for line in lines)
    return f"<div><table><tr>{''.join(f'<td>{head}</td>' for head in heads)}</tr>{cells}</table></div>"


def named(rows: Sequence[Any]) -> dict[str, str]:
    """Systems, or pairs of them, by as much of their names as tells them apart."""
    word = next((word for word in (" − ", " over ") if any(word in row.name for row in rows)), " − ")
    short = figures.named(part for row in rows for part in row.name.split(word))
    return {row.name: word.join(short[part] for part in row.name.split(word)) for row in rows}


def carried(verdict: plan.Verdict, part: str, source: sources.LabelSource) -> str:
    """How the units got their label: "2 agreed, 2 by one person only; 6 tied are left out"."""
    several = verdict.units - verdict.agreed.ties - verdict.alone
    if part == "pairs" or not (verdict.agreed.ties or verdict.alone):
        return ""
    majority = "agreed" if len(source.study.annotators) == 2 else "by majority"
    how = {"majority": majority, "mean": "by several"}.get(verdict.agreed.method, f"decided or {majority}")
    told = f"{several:,} {how}" + (f", {verdict.alone:,} by one person only" if verdict.alone else "")
    return told + (
        f"; {verdict.agreed.ties:,} tied {'is' if verdict.agreed.ties == 1 else 'are'} left out" if verdict.agreed.ties else ""
    )


def tied(verdict: plan.Verdict, part: str, source: sources.LabelSource) -> str:
    """What is not decided, and how far it could move the result."""
    if len(verdict.rows) != 1 and part != "pairs":
        told = carried(verdict, part, source)
        return f"{part.capitalize()}: {told}." if told else ""
    if not verdict.agreed.ties:
        return ""
    verb, of = ("is", "has") if verdict.agreed.ties == 1 else ("are", "have")
    ties = f"{verdict.agreed.ties:,} of {verdict.units:,} {part}"
    if part == "pairs":  # what a majority calls a tie is another thing
        return f"{ties} {of} no majority and {verb} left out."
    ties += f" {verb} tied and left out"
    if len(verdict.rows) == 1 and verdict.rows[0].least is not None:
        [row] = verdict.rows
        return f"{ties}: as they are decided, the result lies between {written(row.least, MEAN)} and {written(row.most, MEAN)}."
    return f"{ties}."


def decided(source: sources.LabelSource, verdict: plan.Verdict) -> str:
    people = source.study.adjudicators or tuple({label.annotator for label in source.labels if label.round == "adjudication"})
    by = {
        "majority": "the annotators' majority says",
        "mean": "the annotators' mean is",
        "adjudicated": f"{' or '.join(people)} decided, else the annotators' majority",
    }[verdict.agreed.method]
    each = " Each sentence counts the same" if verdict.part == "sentences" else " Each counts the same"
    who = "nobody, or not the adjudicator," if verdict.agreed.unjudged.any() else "nobody"
    nobody = f"; {verdict.judged_by_nobody:,} more that {who} could judge are left out" if verdict.judged_by_nobody else ""
    return f"A label is what {by}.{each}{nobody}. The settings below do not change this."


def as_frozen(source: sources.LabelSource) -> str:
    """Whether plan and labels of a stored study are still what their hash says."""
    if not (name := st.session_state.agreement_stored):
        return ""
    check = compute_once_for(source, ("check",), lambda: checking.check(session.workbench(), name))
    if not check.ok:
        st.error(cards.plain(f"Plan or labels are not what was frozen. {' '.join(check.findings)}"), icon=":material/gpp_maybe:")
    if not (check.ok and check.hash):
        return ""
    anew = " Each round is frozen under a hash of its own, adjudication too." if source.ruled or source.rounds[1:] else ""
    return (
        f'<p class="gw-small" title="{escape(" ".join(check.notes))}">'
        f"Plan and labels are as frozen, hash {escape(check.hash[:12])}.{anew}</p>"
    )


def careless(view: views.View) -> None:
    """Whose labels to look at before anything is concluded."""
    if not (people := plan.careless(view.source, view.round)):
        return
    said = [
        f"{person.name}: {person.attention.right} of {person.attention.asked}"
        + ("" if person.seconds is None or person.seconds >= 1 else f" (median {person.seconds:.1f} s an item)")
        for person in people
    ]
    st.warning(
        cards.plain(
            f"Known sentences of the attention items labelled right: {'; '.join(said)}. Check these labels before you rely on "
            "them."
        ),
        icon=":material/priority_high:",
    )
