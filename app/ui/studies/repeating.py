"""Answers that say one sentence again and again, and the press that leaves them out."""

from collections import Counter
from typing import Any

import streamlit as st

from app.ui import cards, cells
from app.ui.studies.desk import Desk, now, put
from core.annotation import draft
from core.annotation.study import Study, plain

# an answer that says a sentence so often goes round in circles; a share of such answers to warn of
OFTEN, MANY = 3, 0.2


def circling(study: Study) -> list[Any]:
    """Items with an answer that says one sentence three times or more, the worst first."""
    most_said = {item.id: (_said_most(item), item) for item in plain(study.items)}
    return [item for (_, times), item in sorted(most_said.values(), key=lambda pair: -pair[0][1]) if times >= OFTEN]


def _said_most(item: Any) -> tuple[str, int]:
    """The sentence that an answer of the item says most often, and how often."""
    said = [Counter(response.text[start:end].strip() for start, end in response.sentences) for response in item.responses]
    return max((top for counter in said for top in counter.most_common(1)), key=lambda top: top[1], default=("", 0))


def repeating(desk: Desk, round_name: str = "", where: str = "items") -> None:
    """Answers that say one sentence again and again, and the press that leaves them out."""
    fixed = ("pilot",) if desk.piloted else ()
    odd = [item for item in circling(desk.study) if item.round not in fixed and round_name in ("", item.round)]
    if not odd:
        return
    text, times = _said_most(odd[0])
    what = "One answer says" if len(odd) == 1 else f"{len(odd):,} answers say one sentence {OFTEN} times or more, the worst"
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.caption(
            cards.plain(f"{what} “{cells.shortened(text, 420)}” {times:,} times, and each repetition has to be labelled."),
            width="stretch",
        )
        if st.button(
            "Leave it out" if len(odd) == 1 else f"Leave the {len(odd):,} out",
            key=f"leave_out.{where}",
            icon=":material/repeat:",
            help="Removes it from the list below, with its question if several systems answered it.",
            on_click=_leave_out,
            args=(desk, [item.id for item in odd]),
        ):
            st.rerun()  # a dialog around it closes: its list was changed


def _leave_out(desk: Desk, ids: list[str]) -> None:
    desk = now(desk)
    put(desk, draft.without(desk.study, [item_id for item_id in ids if desk.study.has(item_id)]))
