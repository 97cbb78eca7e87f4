"""The questions of a band, and of the chosen one its evidence, what each rung answered, and what was retrieved."""

import streamlit as st

from app import session
from app.ui import cards, evidence, forms, tables, ways
from app.ui.failures.asking import Shown
from core.labs.answers.answering import KeptAnswer
from core.labs.failures import ladder as lab
from core.labs.failures.ladder import BANDS, RUNGS


def table(shown: Shown) -> int | None:
    """Returns the row of the question that was chosen."""
    ladder, bands = shown.ladder, shown.ladder.bands(shown.asked)
    pairs = lab.compared(ladder, shown.other, shown.asked)[0] if shown.other else {}
    st.subheader("By question", anchor=False)
    wanted, only, text = filters(bands, bool(pairs))
    rows = [
        row
        for row, band in bands.items()
        if wanted in ("", band)
        and text.lower() in ladder.corpus.queries[row].text.lower()
        and not (only and (row not in pairs or pairs[row][0] == pairs[row][1]))
    ]
    about = f" {BANDS[wanted].about}" if wanted else ""
    st.caption(f"{len(rows):,} of {len(bands):,} questions.{about} Click one for its evidence and the answers to it.")
    made = lab.question_table(ladder, shown.asked, pairs, rows, shown.command())
    place = tables.choose(made, [ladder.corpus.queries[row].id for row in rows])
    return None if place is None else rows[place]


def filters(bands: dict[int, str], compared: bool) -> tuple[str, bool, str]:
    """(band or "" for all, only what changed its band, words)."""
    there = [name for name in (*lab.ANSWERS, "reached") if name in bands.values()]
    offered = {"": "All", **{name: BANDS[name].title for name in there}}
    if st.session_state.get("band", "") not in offered:
        st.session_state.band = ""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = forms.one_of_many("Outcome", offered, "band", bind="query-params", width=230)
        only = compared and st.toggle("Changed only", key="changed_only", help="Another outcome under the pinned baseline.")
        text = st.text_input("Search the questions", key="failures_find", placeholder="words of a question", width=180)
    return wanted or "", bool(only), text


def opened(shown: Shown, row: int) -> None:
    """One question: why it stands in its band, its evidence, each rung's answer, and the passages."""
    ladder = shown.ladder
    query, band = ladder.corpus.queries[row], BANDS[ladder.bands(shown.asked)[row]]
    cards.question_title(query.text)
    answers = ", ".join(dict.fromkeys(query.answers)) or "none in this corpus"
    depth, rank = shown.config.context.passages, lab.rank_of(ladder.rank[row])
    place = f" Its first chunk is at rank {rank:,}; the context takes {depth:,}." if rank else ""
    st.text(f"{band.title}. {band.about}{place}\nGold answer: {' '.join(answers.split())}")
    with st.container(horizontal=True):
        ways.link("search_live", "Change its search", "tune", chosen=query.id)
        ways.link("ask_model", "Ask it", "forum", question=query.text)
        ways.link("compare_encoders", "On the encoder's map", "scatter_plot", view="Map", point=query.id)
    left, right = st.columns(2)
    with left:
        st.markdown("**Evidence**")
        record = lab.question_record(ladder, query.id)
        evidence.show(
            [
                evidence.passage_html(
                    gold["text"],
                    title=gold["document"],
                    facts=[f"characters {gold['start']:,} to {gold['end']:,}"],
                    query=query.text,
                    relevant=True,
                )
                for gold in record["evidence"][:EVIDENCE]
            ]
            or '<div class="gw gw-small">No document holds evidence for it.</div>'
        )
        for rung, answer in ladder.climbs.get(row, {}).items():
            said(RUNGS[rung], ladder.right(row, rung), answer)
    with right:
        st.markdown(f"**Final ranking**, of which the first {depth} are the context's passages")
        hits = session.workbench().hits(ladder.evaluation, row)
        listed = max(depth, LISTED)
        far = [hits[rank - 1]] if rank and listed < rank <= len(hits) else []  # the evidence, wherever it came
        evidence.show([evidence.hit_html(hit, gold=query.gold, query=query.text) for hit in hits[:listed] + far])


EVIDENCE, LISTED = 6, 6


def said(title: str, right: bool | None, answer: KeptAnswer) -> None:
    """A rung's answer with its verdict."""
    verdict = {True: ":green-badge[:material/check: right]", False: ":orange-badge[:material/close: wrong]"}.get(right, "")
    passages = f"{len(answer.passages)} passages" if answer.passages else "no passages"
    ended = "" if answer.finish_reason == "stop" else f", {answer.finish_reason}"
    st.markdown(f"**{title}** {verdict} :small[{cards.plain(passages + ended)}]")
    evidence.show(evidence.answer_html(answer.text, len(answer.passages)) if answer.text else "")
