"""The evidence beside the answer, with what the sentence in question shares with it."""

import re
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import NamedTuple

import streamlit as st

from app.ui import cards, evidence
from core.annotation.screen import Screen
from core.annotation.steps import Step
from core.annotation.study import Passage

FULL, UNSEEN = 68, "\u200b"  # characters in a line of a file that somebody broke; takes a place and no room


def shared(passage: str, said: str) -> list[evidence.Mark]:
    """Phrases that both have: runs of at least two of the same words, not of common words alone."""
    ours = [word.lower() for word in re.findall(r"\w+", said)]
    pairs, marks, run = set(pairwise(ours)), [], []
    there = list(re.finditer(r"\w+", passage))
    for match, after in pairwise([*there, None]):
        run = run or [match]
        if after is not None and (match.group().lower(), after.group().lower()) in pairs:
            run.append(after)
            continue
        rare = sum(match.group().lower() not in evidence.COMMON for match in run)
        if len(run) > 1 and rare >= (2 if len(run) == 2 else 1):
            marks.append(evidence.Mark(run[0].start(), run[-1].end(), "shared"))
        run = []
    return marks


def hits(passage: str, find: str) -> list[evidence.Mark]:
    """Where the text searched for stands, upper and lower case alike, also across the end of a line."""
    pattern = re.compile(r"\s+".join(map(re.escape, find.split())), re.IGNORECASE)
    return [evidence.Mark(*match.span(), "found") for match in pattern.finditer(passage)] if pattern.pattern else []


def flowing(text: str) -> str:
    """The text with lines that were broken for their length alone joined again; every character keeps its place.

    Such a line has no room for the first word of the next one, which is indented alike. A passage may begin in the middle
    of a line."""
    lines = text.split("\n")
    room, done = min(max(map(len, lines)), FULL), lines[0]
    for number, (before, line) in enumerate(pairwise(lines)):
        first, gap, old = (re.match(r"\s*(\S*)", row) for row in (line, line, before))
        word, indent, table = first.group(1), gap.start(1), re.search(r"\S {3,}\S", f"{before}\n{line}")
        full = not table and indent == old.start(1) and len(before) + 1 + len(word) > room >= FULL // 2
        if (
            re.match(r"\*{0,2}[\w\"'(`]", word)
            and not re.match(r"\d+[.)]", word)
            and (full or (not number and word[0].islower()))
        ):
            done += f" {UNSEEN * indent}{line[indent:]}"
        else:
            done += f"\n{line}"
    return done


def untitled(text: str, title: str) -> str:
    """The passage without a heading that says its title once more."""
    heading = re.match(rf"\s*(?:#+ *)?{re.escape(title.strip())} *\n(?:([*=~^#\"-])\1+ *\n)?\s*\n", text)
    return text[heading.end() :] if heading and title.strip() else text


def draw(view: Screen, place: int | None, step: Step) -> None:
    """The passages of the answer in question, of both where they are compared, with what the sentence shares with them."""
    find = st.text_input(
        "Find in the evidence",
        key="label_find",
        type="search",
        live="200ms",
        label_visibility="collapsed",
        placeholder="Find in the evidence",
        icon=":material/search:",
    )
    same = len({response.passages for response in view.responses}) == 1
    body, passages = [], []
    for number, response in enumerate(view.responses):
        if (same and number != (place or 0)) or (not same and place is not None and number != place):
            continue
        said = response.text[slice(*response.sentences[step.sentence])] if step.kind == "sentence" else response.text
        marked = [_marked(passage, n, said, find) for n, passage in enumerate(response.passages, 1)]
        if not same:
            body.append(f'<h3 class="gw gw-small">Evidence of answer {"AB"[number]}</h3>')
        body += [passage.html for passage in marked]
        passages += marked
    st.html(
        f'<div class="gw gw-small">{_legend(passages, find.strip(), step)}</div><div class="lab-passages" role="region" '
        f'aria-label="Evidence" tabindex="0">{"".join(body) or "No evidence was given to this answer."}</div>'
    )


class Marked(NamedTuple):
    html: str
    hits: int  # places with the text searched for
    shares: bool  # a phrase with what is in question


def _marked(passage: Passage, number: int, said: str, find: str) -> Marked:
    text = untitled(passage.text, passage.title)
    searched, same_words = hits(text, find), shared(text, said)
    html = evidence.passage_html(
        flowing(text), title=passage.title, number=number, relevant=False, gold=[*same_words, *searched], cut=100_000
    )
    return Marked(html, len(searched), bool(same_words))


def _legend(passages: Sequence[Marked], find: str, step: Step) -> str:
    if find:
        return escape(f"{cards.count(sum(passage.hits for passage in passages), 'place')} with “{find}”")
    part = "sentence" if step.kind == "sentence" else "answer"
    shares = any(passage.shares for passage in passages)
    legend = f'; <span class="gw-shared">phrases shared with the {part}</span>' if shares else ""
    return f"{escape(cards.count(len(passages), 'passage'))}{legend}"
