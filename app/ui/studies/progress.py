"""Who is how far in a round, the links that annotators are sent, and the hand-over of those who leave."""

from collections.abc import Sequence
from html import escape
from statistics import median
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, tables, ways
from app.ui.studies.desk import Desk
from app.ui.studies.next_box import change_round, confirm
from app.ui.studies.words import ROUNDS, whose_turn
from core.annotation import rounds, standing, tokens
from core.annotation.assignment import HandOver
from core.report.table import Column, Table

ASKS_AGAIN_S = 5.0  # for labels that others give
AT_ONCE = 12  # annotators in sight: public labels have hundreds


def people(desk: Desk) -> None:
    st.fragment(_progress, run_every=ASKS_AGAIN_S if desk.standing.open else None)(desk)
    if desk.standing.open:  # not in the fragment: a token is shown until something else is clicked
        links(desk, list(desk.frozen.study.at_work(desk.frozen.round)))


def _progress(desk: Desk) -> None:
    """Each annotator with what is done, of many at a press; looks again by itself."""
    with cards.calm():
        workbench, frozen = session.workbench(), desk.frozen
        rows, attention = standing.progress(workbench, frozen), standing.attention(workbench, frozen)
        if desk.standing.open and not any(person.assigned - person.done for person in rows):
            st.rerun()
        alike, main = standing.alike(workbench, frozen), frozen._replace(round="main")
        _team(desk, rows, bool(alike))
        # whose labels are decided on in adjudication: what is known of them is not forgotten
        judges = standing.progress(workbench, main) if frozen.round == "adjudication" else []
        place = st.container()
        if (many := len(rows) + len(judges)) > AT_ONCE:
            place = st.expander(f"All {many:,} annotators", key=f"{frozen.study.id}/annotators", on_change="rerun")
            if not place.open:
                return
        with place:
            seen = standing.attention(workbench, main) if judges else {}
            for person in judges:
                _line(person, seen.get(person.annotator), "main round")
            _lines(desk, rows, attention, alike)


def _lines(desk: Desk, rows: list[standing.AnnotatorProgress], attention: dict[str, Any], alike: dict[str, Any]) -> None:
    frozen, turn = desk.frozen, whose_turn(desk)
    for person in rows:
        gone = person.annotator not in frozen.study.at_work(frozen.round)
        link, more = _line(person, attention.get(person.annotator), "stopped" if gone else "", alike.get(person.annotator))
        if gone:
            continue
        if turn is None or person.annotator != turn.annotator:  # the blue button is for that one
            label, who = "Label" if person.done < person.assigned else "Look", person.annotator
            ways.link("label_answers", label, "edit", link, study=frozen.study.id, annotator=who)
        if person.done < person.assigned and more.button(
            "Hand over",
            key=f"{frozen.study.id}/leave.{person.annotator}",
            type="tertiary",
            icon=":material/move_item:",
            help="This person left: their open items go to the others. First shows which items go to whom.",
        ):
            st.session_state.design_leaver = person.annotator
            st.rerun()


def _team(desk: Desk, rows: list[standing.AnnotatorProgress], agreement: bool) -> None:
    """All of them together: what is done, what is left, and when agreement is shown."""
    left, longest = [row for row in rows if row.assigned > row.done], longest_left(rows)
    waits = not agreement and desk.frozen.round != "adjudication" and bool(left)
    rule = "Agreement is shown once everything is labelled, as the frozen stop rule requires" if waits else ""
    words = [
        f"{sum(row.done for row in rows):,} of {cards.count(sum(row.assigned for row in rows), 'screen')} labelled",
        f"{len(rows) - len(left):,} of {cards.count(len(rows), 'annotator')} done",
        f"about {cards.duration(longest)} of work left for the slowest" if longest else "",
        rule if desk.frozen.study.stop.kind == "all_labelled" else "",
    ]
    cards.status_strip(words)


def longest_left(rows: Sequence[standing.AnnotatorProgress]) -> float:
    """Seconds of work of whoever has most left, at their own pace; at the median pace of the others before their first label. 0: nobody
    has one."""
    paces = [row.seconds_median for row in rows if row.seconds_median]
    usual = median(paces) if paces else 0.0
    return max(((row.assigned - row.done) * (row.seconds_median or usual) for row in rows), default=0.0)


def _line(person: standing.AnnotatorProgress, seen: Any, first: str, alike: standing.SameLabels | None = None) -> Any:
    """How far an annotator is, with room for what can be done at the right."""
    name, bar, *room = st.columns([2, 4, 1.3, 1.7], vertical_alignment="center")
    name.html(f'<div class="gw gw-who">{escape(person.annotator)}</div>')
    share = person.done / person.assigned if person.assigned else 1.0
    words = [
        first,
        f"{person.done:,} of {cards.count(person.assigned, 'screen')}",
        f"{person.partial:,} begun" if person.partial else "",
        f"{person.bulk:,} in bulk" if person.bulk else "",
        f"agrees with others on {alike.same:,} of {alike.shared:,} shared labels" if alike else "",
        "" if person.seconds_median is None else f"median {_clock(person.seconds_median)} an item",
    ]
    text = escape(" · ".join(filter(None, words)))
    if seen and seen.asked:
        score = f"{seen.right} of {cards.count(seen.asked, 'known sentence')} right"
        text += f' · <span class="gw-warn">{score}: look at these labels first</span>' if seen.careless else f" · {score}"
    bar.html(
        f'<div class="gw gw-job"><div class="gw-bar"><i style="width:{share:.1%}"></i></div>'
        f'<div class="gw-small">{text}</div></div>'
    )
    return room


def _clock(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else cards.duration(seconds)


@st.dialog("Hand over what is open")
def hand_over(desk: Desk, handover: HandOver) -> None:
    """Who gets how many items, before they do."""
    round_name, name = desk.frozen.round, cards.plain(handover.annotator)
    st.write(
        f"**{name}** leaves the {ROUNDS[round_name].lower()} round. {cards.count(handover.kept, 'item')} labelled so far stay as "
        "they are."
    )
    if handover.given:
        rows = [{"Goes to": who, "Open items": number} for who, number in handover.given.items()]
        tables.draw(Table("given", [*map(Column, ("Goes to", "Open items"))], rows))
    if handover.short:
        rest = (
            "left undecided"
            if round_name == "adjudication"
            else "which leaves them one label short: all others have them already"
        )
        st.warning(f"{cards.count(handover.short, 'open item')} can go to nobody, {rest}.", icon=":material/info:")
    more = " and is not in the plan of the main round any more" if round_name == "pilot" else ""
    st.write(
        f"{name} can label no more in this round{more}. The study gets a new version that says so; labels given "
        "before stay valid."
    )
    confirm("Hand over", "move_item", "hand_over_now", change_round, rounds.hand_over, desk, handover.annotator)


def links(desk: Desk, names: list[str]) -> None:
    from urllib.parse import quote, urlsplit

    tokens = desk.frozen.study.tokens
    label = "Links and tokens to send" if tokens else "Links to send"
    issued = st.session_state.setdefault("issued", {})  # (study, name) -> token, until the list of links is closed
    with st.popover(label, icon=":material/link:", key="links_to_send", on_change=issued.clear), st.container(key="links"):
        place = urlsplit(st.context.url or "")
        if place.hostname in ("127.0.0.1", "localhost", "::1"):
            st.caption("These open on this machine only. For others start the app on an address that they can reach.")
        root = f"{place.scheme}://{place.netloc}{place.path.rpartition('/')[0]}" if place.netloc else ""
        for name in names:
            st.caption(cards.plain(name))
            st.code(f"{root}/label_answers?study={quote(desk.study.id)}&annotator={quote(name)}", language=None, wrap_lines=True)
            if tokens:
                key, about = f"{desk.study.id}/token.{name}", "An earlier token of this person is no longer valid."
                cards.press("New token", "key", key, _issue, desk, name, help=about)
                if token := issued.get((desk.study.id, name)):
                    st.code(token, language=None)
                    st.caption("Shown until this list is closed: copy it now. Only its hash is kept.")


def _issue(desk: Desk, name: str) -> None:
    st.session_state.issued[desk.study.id, name] = tokens.issue_token(session.workbench(), desk.study.id, name)
