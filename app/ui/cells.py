"""st.dataframe with what its canvas does not do: long text ends in an ellipsis, and a negative number has a minus sign.

Only what is displayed changes. A cell still holds its whole text, which opens on a double click, and its number, by which the column
sorts; CSV has both as they are.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from math import ceil
from typing import Any

import streamlit as st

from core.report.table import P_VALUE, rows_csv
from core.report.table import written as number

TEXT_PX, PADDING_PX = 13.2, 18  # type of cells, and what stands around it in a column
CHAR = 0.6  # widths of letters in parts of the type's size, those of a wide font: with a narrow one some room is left
NARROW, WIDE = dict.fromkeys(" .,:;'|!iljtfrI()[]·-", 0.36), dict.fromkeys("mwMW@%…—", 0.95)
WIDTHS = {"small": 75, "medium": 200, "large": 400}
ROW_PX = 35
WIDEST_PX = 400  # of a column that names no width
LEAST_PX = 60  # of a beginning before what tells texts apart
MOST_ROWS = 5_000  # of a table of thousands shown at once: what a browser is sent for each click
# formats that the canvas writes otherwise: a zero with a plus, and 3.8e12 with all its zeros, wider and as if each were known
OWN = re.compile(rf"{P_VALUE}$|%\+|%(\.\d)?g")
MOST_CELLS = 250_000  # with texts to display; pandas refuses them above 262,144


def show(
    data: Any, column_config: dict[str, Any] | None = None, displayed: Mapping[str, Sequence[str]] | None = None, **options: Any
) -> Any:
    """As st.dataframe, with the same arguments; returns what it returns. displayed: column -> what stands for its numbers, by which it
    still sorts."""
    frame, looks = _fitted(data, dict(column_config or {}), displayed)
    return st.dataframe(frame, column_config=looks, **options)


def page_of(rows: Sequence[Any], key: str) -> Sequence[Any]:
    """Of very many rows those of the page that is chosen; all where they are no more than MOST_ROWS."""
    pages = -(-len(rows) // MOST_ROWS)
    page = st.pagination(pages, key=f"{key}/page") if pages > 1 else 1
    return rows[(page - 1) * MOST_ROWS : page * MOST_ROWS]


def clicked(frame: Any, rows: Sequence[int], key: str, *, height: int, **options: Any) -> int | None:
    """A table of these rows of a DataFrame, of very many a page; returns the row that was clicked. height: beyond which it scrolls."""
    some = page_of(rows, key)
    tall = ROW_PX * (len(some) + 1) > height
    picked = show(
        frame.iloc[some],
        hide_index=True,
        height=height if tall else "content",
        on_select="rerun",
        selection_mode="single-cell",
        key=f"{key}/{some[0] if some else 0}",
        **options,
    ).selection.cells
    return some[picked[0][0]] if picked and picked[0][0] < len(some) else None


def cut(text: str, length: int = 52) -> str:
    """The text in so many characters."""
    return text if len(text) <= length else text[: length - 1] + "…"


def to_csv(data: Any) -> str:
    """Rows (mappings, or a DataFrame) as CSV text. A cell that a spreadsheet would run as a formula is quoted."""
    return rows_csv(data.to_dict("records") if hasattr(data, "to_dict") else [dict(row) for row in data])


def with_ids(titles: Mapping[str, str]) -> dict[str, str]:
    """The titles by id, with the id where another one is called the same."""
    often = Counter(titles.values())
    return {own: f"{title} ({own})" if often[title] > 1 else title for own, title in titles.items()}


def room(texts: Iterable[str]) -> int:
    """The width of a column in which all of them have room, px."""
    return ceil(max((sum(map(_width, text)) for text in texts), default=0)) + PADDING_PX


@lru_cache(maxsize=20_000)
def shortened(text: str, width_px: float, tail: bool = False) -> str:
    """The text as far as it has room, with an ellipsis where something is missing: at the end, or before its tail."""
    room, used = width_px - PADDING_PX, 0.0
    if "\n" in text:
        text = " ".join(text.split())
    if len(text) * TEXT_PX <= room or sum(map(_width, text)) <= room:
        return text
    if tail:
        end = text[-max(4, int(room / TEXT_PX / CHAR / 3)) :]
        return shortened(text[: -len(end)], width_px - sum(map(_width, end))).removesuffix("…") + "…" + end
    for place, sign in enumerate(text):
        used += _width(sign)
        if used + _width("…") > room:
            return text[:place].rstrip() + "…"
    return text


class _Widths(dict):
    """Sign -> its width in pixels, thought about once: a table of a thousand rows asks for a hundred thousand."""

    def __missing__(self, sign: str) -> float:
        width = TEXT_PX * NARROW.get(sign, WIDE.get(sign, 0.72 if sign.isupper() else CHAR))
        return self.setdefault(sign, width)


_width = _Widths().__getitem__


@lru_cache(maxsize=20_000)
def _beginning(text: str) -> float:
    """The width of what a column would show of it at most."""
    return sum(map(_width, text[:120]))


def _fitted(data: Any, looks: dict[str, Any], told: Mapping[str, Sequence[str]] | None = None) -> tuple[Any, dict[str, Any]]:
    """The data with what its cells display, and the columns' looks."""
    import pandas as pd

    styled = hasattr(data, "data")
    frame = data.data if styled else data if isinstance(data, pd.DataFrame) else pd.DataFrame(data)
    if frame.size > MOST_CELLS:
        return frame, looks
    displayed: dict[int, list[str]] = {}
    for place, name in enumerate(frame.columns):
        values, look = frame[name].tolist(), dict(looks.get(name) or {})
        kind = (look.get("type_config") or {}).get("type", "")
        filled = [value for value in values if value is not None and value == value]
        if told and name in told:
            displayed[place] = list(told[name])
            look["type_config"] = {key: value for key, value in look["type_config"].items() if key != "format"}
        elif filled and kind in ("", "text") and all(isinstance(value, str) for value in filled):
            width = WIDTHS.get(look.get("width"), look.get("width"))
            if width is None:
                longest = max(map(_beginning, filled))
                width = ceil(min(WIDEST_PX, max(longest, TEXT_PX * CHAR * (len(str(name)) + 1)) + PADDING_PX))
                if longest + PADDING_PX > WIDEST_PX:
                    look["width"] = width
            short = _told_apart(dict.fromkeys(value for value in values if isinstance(value, str)), width)
            shown = [short.get(value, "") for value in values]
            if any(short != whole for short, whole in zip(shown, values, strict=True) if isinstance(whole, str)):
                displayed[place] = shown
        elif kind == "number" and (
            OWN.match(look["type_config"].get("format") or "")
            or any(isinstance(value, int | float) and value < 0 for value in filled)
        ):
            config = dict(look["type_config"])
            if pattern := config.pop("format", None):
                texts = {value: number(value, pattern) for value in set(filled)}
                displayed[place] = [texts.get(value, "") for value in values]
                look["type_config"] = config
        if look:
            looks[name] = look
    return (_display(data if styled else frame, displayed) if displayed else data), looks


def _told_apart(texts: Iterable[str], width: float) -> dict[str, str]:
    """Text -> what is displayed of it: its beginning. Of those that begin alike their end, too; where they end alike as well, what
    follows the beginning that all of them have, and of that as much as has room."""
    short = {text: shortened(text, width) for text in texts}
    alike = _looking_the_same(short, short)
    short |= {text: shortened(text, width, tail=True) for text in alike}
    if _looking_the_same(short, alike):
        first, last = min(alike), max(alike)
        common = first[: next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]
        start = common.rfind(", ") + 1 or common.rfind(" ") + 1
        short |= {text: _from(text, start, width) for text in alike if start}
    return short


def _from(text: str, start: int, width: float) -> str:
    """What is displayed of it where what follows the start is to be seen."""
    rest = text[start:].lstrip()
    room = width - sum(map(_width, rest))
    return shortened(text[:start], room) + rest if room > LEAST_PX else "…" + shortened(rest, width - _width("…"))


def _looking_the_same(short: dict[str, str], texts: Iterable[str]) -> list[str]:
    """Those of the texts whose displayed one is another text's as well."""
    shown = Counter(short.values())
    return [text for text in texts if shown[short[text]] > 1]


def _display(data: Any, displayed: dict[int, list[str]]) -> Any:
    """A pandas Styler that displays these texts in these columns.

    Its own formatting visits every cell, which takes a fifth of a second for a thousand questions; Streamlit asks it for the
    displayed texts in `_translate`, so these are handed over there.
    """
    cells = [
        [{"id": f"row{row}_col{column}", "display_value": text} for row, text in enumerate(texts)]
        for column, texts in displayed.items()
    ]
    styler = data if hasattr(data, "data") else data.style
    own = styler._translate if styler is data else None

    def translate(*arguments: Any) -> dict[str, Any]:
        styles = own(*arguments).get("cellstyle", []) if own else []
        return {"body": cells, "cellstyle": styles}

    if own is None:
        styler._compute = lambda: styler
    styler._translate = translate
    return styler
