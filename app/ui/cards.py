"""Metric cards, the status strip, and the states a page can be in. All text is escaped."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from html import escape
from typing import Any, NamedTuple

import streamlit as st

from core import progress
from core.errors import WorkbenchError, missing_package
from core.report.table import minus

LONG = 280  # characters of a question shown as a heading
count, duration = progress.counted, progress.duration


class Delta(NamedTuple):
    """A difference to the baseline: the mean difference, its interval and the p value of the paired test."""

    value: float
    low: float | None  # None: no interval, `note` says why
    high: float | None
    p: float | None = None
    caution: str = ""  # why the two cannot be compared as they are: the difference has then no colour
    note: str = ""  # stands in the interval's place


def delta_of(paired: Any, caution: str = "") -> Delta | None:
    """A paired difference (`Paired`) for a card; None where nothing was paired."""
    if paired is None or paired.difference is None:
        return None
    if not paired.wins + paired.losses:
        note = "the same on every question" if paired.n > 1 else "one question"
        return Delta(paired.difference, None, None, None, caution, f"{note}, n {paired.n:,}")
    few = f"{paired.note}, n {paired.n:,}" if paired.low is None else ""
    return Delta(paired.difference, paired.low, paired.high, paired.p, caution, few)


class Card(NamedTuple):
    """One number with its uncertainty. value None: could not be measured, `note` says why."""

    label: str
    value: float | None
    interval: tuple[float, float] | None = None
    delta: Delta | None = None
    n: int | None = None
    of: int | None = None  # coverage: n of so many; equal to n where all could be measured
    unit: str = ""
    digits: int = 3
    direction: int = 1  # 1: higher is better, -1: lower is better, 0: neither
    note: str = ""
    help: str = ""


def row(cards: Iterable[Card]) -> None:
    st.html(f'<div class="gw gw-cards">{"".join(map(card_html, cards))}</div>')


def in_sight(*rows: Iterable[Card]) -> None:
    """Each row of cards in a line, which stays at the top of the window once the cards are scrolled out of it: a knob
    further down is turned with its effect in sight. style.css shows it only then. Once a page, behind the cards."""
    lines = "".join(f"<div>{''.join(map(_line_html, row))}{_cautions_html(row)}</div>" for row in map(list, rows))
    with st.container(key="in_sight"):
        st.html(f'<div class="gw gw-sight" aria-hidden="true">{lines}</div>')


def _cautions_html(row: Iterable[Card]) -> str:
    """What holds for several differences of a line is told once."""
    told = dict.fromkeys(card.delta.caution for card in row if card.delta and card.delta.caution)
    return "".join(f"<span><small>{escape(caution)}</small></span>" for caution in told)


def _line_html(card: Card) -> str:
    """Label, value and difference of a card."""
    if card.value is None:
        return f"<span><small>{escape(card.label)}</small> <b>\u2013</b></span>"
    unit, change = f" <small>{escape(card.unit)}</small>" if card.unit else "", ""
    if card.delta:
        change = f' <i class="gw-delta {_style(card)}"><b>{_number(card, card.delta.value, "+")}</b></i>'
    spread = ""
    if card.interval:
        spread = f' <small class="gw-spread">[{_number(card, card.interval[0])}, {_number(card, card.interval[1])}]</small>'
    return f"<span><small>{escape(card.label)}</small> <b>{_number(card, card.value)}</b>{unit}{change or spread}</span>"


def _number(card: Card, value: float, sign: str = "") -> str:
    return minus(f"{value:{sign},.{card.digits}f}")


def _style(card: Card) -> str:
    """Whether the difference is told apart from none, and which way: the class of its colour."""
    d = card.delta
    if d.caution or d.low is None or not (d.low > 0 or d.high < 0):
        return ""
    return "up" if d.value * card.direction > 0 else "down"


class Line(NamedTuple):
    """A line of a card, for whoever draws it: HTML here, a component of ours in the browser."""

    style: str  # its class
    pieces: list[tuple[str, str]]  # (tag, text); the tag "" for plain text, "small" for a unit
    about: str = ""  # shown where the mouse rests on it


def lines(card: Card) -> list[Line]:
    number, small = partial(_number, card), lambda text: Line("gw-small", [("", text)])
    arrow = {1: " \u2191", -1: " \u2193"}.get(card.direction, "")
    made = [Line("gw-label", [("", f"{card.label}{arrow}")], card.help or card.label)]
    if card.value is None:
        return [*made, Line("gw-value", [("", "\u2013")]), small(card.note or "not measured")]
    made.append(Line("gw-value", [("", number(card.value))] + ([("small", card.unit)] if card.unit else [])))
    if card.interval:
        made.append(small(f"{number(card.interval[0])} to {number(card.interval[1])}"))
    if card.n is not None:
        made.append(small(f"n {card.n:,}" if card.of in (None, card.n) else f"n {card.n:,} of {card.of:,}"))
    if card.note:
        made.append(small(card.note))
    if d := card.delta:
        style = _style(card)
        arrow = "" if not style else "\u25b2 " if d.value > 0 else "\u25bc "
        p = "" if d.p is None else ", p\u00a0<\u00a00.001" if d.p < 0.001 else f", p\u00a0{d.p:.3f}"
        spread = [("span", f"[{number(d.low)}, {number(d.high)}]"), ("", " ")] if d.low is not None else []
        change = [("b", f"{arrow}{number(d.value, '+')}"), ("", " "), *spread, ("", f"vs baseline{p}")]
        made.append(Line(f"gw-delta {style}", change))
        made += [small(text) for text in (d.note, d.caution) if text]
    return made


def card_html(card: Card) -> str:
    return f'<div class="gw-card">{"".join(map(_drawn, lines(card)))}</div>'


def _drawn(line: Line) -> str:
    pieces = "".join(f"<{tag}>{escape(text)}</{tag}>" if tag else escape(text) for tag, text in line.pieces)
    about = f' title="{escape(line.about)}"' if line.about else ""
    return f'<div class="{line.style}"{about}>{pieces}</div>'


def status_strip(facts: Iterable[str]) -> None:
    """Short facts on one line: corpus and size, questions, device, time of the last computation."""
    st.html('<div class="gw gw-strip">' + "".join(f"<span>{escape(f)}</span>" for f in facts if f) + "</div>")


def facts(pairs: Iterable[tuple[str, str]]) -> None:
    """Label and value, one a line."""
    rows = "".join(f"<dt>{escape(k)}</dt><dd>{escape(str(v))}</dd>" for k, v in pairs if v not in ("", None))
    st.html(f'<dl class="gw gw-facts">{rows}</dl>')


def empty(
    what: str, why: str, button: str = "", *, key: str = "", icon: str | None = None, kind: str = "primary", **event
) -> bool:
    """What will be here, why it is not, and the one button that fills it. True when the button was pressed. why: an error's
    words may name a command between backticks. kind: secondary beside the page's own primary button."""
    said = re.sub("`([^`]+)`", r"<code>\1</code>", escape(why))
    st.html(f'<div class="gw gw-empty"><h4>{escape(what)}</h4><p>{said}</p></div>')
    return bool(button) and st.button(button, key=key or f"empty/{what}", icon=icon, type=kind, **event)


def press(label: str, icon: str, key: str, act: Callable[..., Any], *arguments: Any, **look: Any) -> None:
    """A button, and what it calls before the page runs again. icon: a name of Material's, "" for none; look: as st.button takes it."""
    st.button(label, key=key, icon=f":material/{icon}:" if icon else None, on_click=act, args=arguments, **look)


def not_there(what: str, asked: str, where: str = "here", instead: str = "") -> None:
    """Says that what the address names is not there. instead: a sentence on what is to be done or seen."""
    told = f"The address asks for the {what} “{asked}”, which is not {where}. {instead}"
    st.warning(plain(told.rstrip()), icon=":material/link_off:")


def elsewhere(key: str, asked: str, where: str = "in this corpus", instead: str = "") -> None:
    """The same once: it is taken out of the address."""
    not_there(key, asked, where, instead)
    st.query_params.pop(key, None)


def tabs(views: Mapping[str, Callable[..., Any]], key: str, *arguments: Any) -> None:
    """A tab a view, of which only the open one draws, with what goes wrong in it. The address says which that is."""
    for tab, draw in zip(st.tabs(list(views), key=key, on_change="rerun", bind="query-params"), views.values(), strict=True):
        if tab.open:
            with tab, calm():
                draw(*arguments)


def problem(error: Exception) -> None:
    """A WorkbenchError on a page: what, where, what to do. No traceback."""
    what, where, todo = (getattr(error, name, "") for name in ("what", "where", "todo"))
    # escaped for markdown too: the text may quote a file or a model
    head, _, rest = (what or str(error)).partition("\n")
    fence = "`" * (
        3 + max(map(len, re.findall("`+", rest)), default=0)
    )  # what has lines, such as a caret under a word, keeps them
    lines = [
        f"**{plain(head)}**",
        f"{fence}text\n{rest.strip(chr(10))}\n{fence}" if rest.strip() else "",
        f"Where: {plain(where)}" if where else "",
        plain(todo),
    ]
    st.error("\n\n".join(filter(None, lines)), icon=":material/error:")


@contextmanager
def calm() -> Iterator[None]:
    """Whatever fails inside is told to the person and the app lives on. The frame has it around each page; a fragment
    that reruns by itself needs its own."""
    try:
        yield
    except WorkbenchError as error:
        problem(error)
    except ImportError as error:
        problem(missing_package(error))
    except Exception as error:
        if type(error).__module__.startswith("streamlit"):
            raise  # a fragment's failure, already shown
        import traceback

        st.error(
            f"**This page met an unexpected error ({plain(type(error).__name__)}).** The rest of the app works "
            "on, and nothing stored is affected.",
            icon=":material/error:",
        )
        with st.expander("Details, for a report"):
            st.code("".join(traceback.format_exception(error)), language="text", wrap_lines=True)


NOTHING = ":small[]"  # an empty element of Streamlit's: it is not seen or copied, and no pattern reaches across it
# what is replaced in the finished text, where no backslash helps: arrows and comparisons, names of emoji and icons, addresses
REPLACED = re.compile(
    r"(?<=<)(?=-)|(?<=-)(?=[->])|(?<=[<>~])(?==)|(?<=:)(?=[\w+-])|(?<=:)(?=//)|(?i:(?<=www)(?=\.))|(?=@[-\w]+\.[-\w])"
)
ESCAPED = re.compile(r"[\\`*_{}\[\]()#+!|<>$~:&]|^ ?[-=]|^ ?\d+\.(?=\s|$)", re.MULTILINE)


def plain(text: str) -> str:
    """Markdown that shows the text as it is: nothing is loaded, linked, replaced or set in another type.

    For titles, labels and captions: all that Streamlit reads as Markdown. Texts of more than a line go to st.text.
    """
    text = re.sub(r"[ \t]+", " ", re.sub(r"\r\n?", "\n", text).strip("\n"))  # four spaces would make it code
    pieces = (ESCAPED.sub(lambda match: f"{match[0][:-1]}\\{match[0][-1]}", piece) for piece in REPLACED.split(text))
    return NOTHING.join(pieces).replace("\n", "  \n")


FENCE = re.compile(r"^([ \t>*+.)\d-]*)(?:(`{3,})[^`\n]*|(~{3,})[^\n]*)$", re.MULTILINE)


def without_pictures(text: str) -> str:
    """Somebody else's Markdown, with its headings, lists and links, in which nothing is loaded from elsewhere.

    An invisible word joiner between ! and [ ends every picture, also after a backslash and within code; a block of code says
    no language, for a mermaid diagram may hold pictures too.
    """
    return FENCE.sub(lambda match: "".join(map(str, filter(None, match.groups()))), text).replace("![", "!\u2060[")


def question_title(text: str) -> None:
    """A question as a heading; a long one, up to a whole document in some data sets, is cut and opens on a click."""
    short = text if len(text) <= LONG else text[:LONG].rsplit(maxsplit=1)[0] + " …"
    st.subheader(plain(short), anchor=False)
    if short != text:
        with st.expander("The whole question"):
            st.text(text)


def size(num_bytes: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 1000 or unit == "GB":
            return f"{num_bytes:.0f} {unit}" if unit == "B" or num_bytes >= 10 else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1000
    return ""
