"""The desk at which answers are labelled: one item, one question about it at a time, one key to answer it.

What is asked of an item is a list of steps: each sentence, then how helpful the answer is, in studies of pairs last the
preference. A key answers the step on the screen and goes on to the next open one; a key pressed before the next screen
stood counts for nothing. All of it runs in one fragment, from labels in memory, and the buttons stay the same widgets from
item to item, so that the focus stays on the one that was pressed. The answer's words are a small component of our own,
because no widget lets words of a running text be clicked. In adjudication what the annotators said stands beside what they
differ in, without their names; what all of them said stands already.
"""

import hashlib
import json
import re
import secrets
import statistics
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from app import session
from app.ui import cards, evidence
from core.annotation import saving, standing, versions, worklist
from core.annotation.assignment import assignment
from core.annotation.disputes import disputed
from core.annotation.labels import Label, Span, blank, complete
from core.annotation.rubric import Rubric
from core.annotation.screen import Screen, shown
from core.annotation.sentences import words
from core.annotation.study import Item, Study
from core.errors import WorkbenchError
from core.files import write_whole

IDLE_S = 120.0  # a longer pause between two keys counts as this much
MOST_S = 24 * 3600.0  # a window says that it showed an item
SKIMMED = 0.25  # of the time that reading takes: faster than skimming
REST_S = 300.0  # a pause that counts as a break
FULL, UNSEEN = 68, "\u200b"  # characters in a line of a file that somebody broke; takes a place and no room
PACED = 5  # items until a median says something
BREAK_S = 40 * 60.0  # of work: then a break is proposed
LOOK_S = 60.0  # between two looks whether the study was revised
HERE = Path(__file__).parent
STARS = ("1 star, useless", "2 stars", "3 stars", "4 stars", "5 stars, all asked")
PREFERENCES = (("left", "A is better"), ("tie", "Tie"), ("right", "B is better"))
# action -> (its key unless the annotator chose another, what it does); the buttons first, then what the answer's script does
ACTIONS = {
    "undo": ("u", "Undo"), "back": ("b", "Back"), "skip": ("s", "Skip"), "next": ("n", "Next unlabelled"),
    "cannot": ("x", "Cannot judge the item"), "earlier": ("k", "Sentence before"), "later": ("j", "Sentence after"),
    "words": ("e", "Mark wrong words"), "find": ("f", "Find in the evidence"), "comment": ("m", "Comment"),
    "guidelines": ("g", "Guidelines"),
}  # fmt: skip
SCRIPTED = ("earlier", "later", "words", "find", "comment", "guidelines")  # what the script of the answer does
DESIGN, AGREE = "../pages/design_study.py", "../pages/measure_agreement.py"
ICONS = {"undo": "undo", "back": "arrow_back", "skip": "arrow_forward", "next": "skip_next", "cannot": "block"}
BUTTON_KEY = r"[abd-qs-z0-9]|f[1-9]|up|down|left|right|home|end"  # c and r belong to the browser
SPARE = (*"1234567890abdefghijklmnopqstuvwxyz", *(f"f{n}" for n in range(1, 10)))

GONE = (
    "No connection to Groundwork. What this page called saved is safe; keys pressed now answer nothing. The page goes on by itself "
    "once Groundwork is back; if you were writing a comment, look at it again then."
)


class Step(NamedTuple):
    """One thing asked of an item. response: its place in the item, not on the screen."""

    kind: str  # "sentence", "helpful", "preference"
    response: int = 0
    sentence: int = 0


# What is asked, and answered -----------------------------------------------------------------------------------------


def steps(study: Study, item: Item, order: tuple[int, ...]) -> tuple[Step, ...]:
    """In the order of the screen."""
    found: list[Step] = []
    for place in order:
        if "sentences" in study.ask:
            found += [Step("sentence", place, number) for number in range(len(item.responses[place].sentences))]
        if "helpful" in study.ask:
            found.append(Step("helpful", place))
    return (*found, Step("preference")) if "preference" in study.ask and len(order) == 2 else tuple(found)


def value(label: Label, step: Step) -> Any:
    if step.kind == "sentence":
        return label.sentences[step.response][step.sentence]
    return label.helpful[step.response] if step.kind == "helpful" else label.preference


def answered(label: Label, step: Step, given: Any) -> Label:
    """The label with this step answered; an answer takes "cannot judge" of the whole item back."""
    if step.kind == "preference":
        change: dict[str, Any] = {"preference": given}
    elif step.kind == "helpful":
        change = {"helpful": _put(label.helpful, step.response, given)}
    else:
        row = _put(label.sentences[step.response], step.sentence, given)
        change = {"sentences": _put(label.sentences, step.response, row)}
    return label.model_copy(update={**change, "cannot_judge": False})


def next_open(asked: tuple[Step, ...], label: Label, after: int = -1) -> int | None:
    """The next step without an answer, going on from `after` and round to the start."""
    return next(
        (at for at in (*range(after + 1, len(asked)), *range(after + 1)) if at < len(asked) and value(label, asked[at]) is None),
        None,
    )


def equal_open(item: Item, asked: tuple[Step, ...], label: Label, at: int) -> list[Step]:
    """The open sentences of the same answer that say, word for word, what the one at `at` says: same words, same evidence."""

    def said(step: Step) -> str:
        response = item.responses[step.response]
        return " ".join(response.text[slice(*response.sentences[step.sentence])].split())

    here = asked[at]
    return [
        step
        for place, step in enumerate(asked)
        if place != at
        and here.kind == step.kind == "sentence"
        and step.response == here.response
        and value(label, step) is None
        and said(step) == said(here)
    ]


def reading_seconds(item: Item) -> float:
    """What reading the answer takes, at 238 words a minute (Brysbaert 2019, silent reading of non-fiction)."""
    return 60 / 238 * sum(len(one.text.split()) for one in item.responses)


def agreed(votes: Sequence[Label], step: Step) -> Any:
    """What all said of this; None: they differ, or one of them could not judge the item."""
    given = {value(label, step) for label in votes} - {None} if not any(label.cannot_judge for label in votes) else ()
    return given.pop() if len(given) == 1 else None


def wrong_words(label: Label, response: int) -> set[int]:
    return {word for span in label.spans if span.response == response for word in range(span.first, span.last)}


def toggled(label: Label, response: int, word: int) -> Label:
    """The label with this word marked wrong, or no longer; words side by side are one error."""
    marked = sorted(wrong_words(label, response) ^ {word})
    first = [n for n in marked if n - 1 not in marked]
    last = [n + 1 for n in marked if n + 1 not in marked]
    others = [span for span in label.spans if span.response != response]
    runs = [Span(response=response, first=a, last=b) for a, b in zip(first, last, strict=True)]
    return label.model_copy(update={"spans": tuple(sorted((*others, *runs), key=lambda s: (s.response, s.first)))})


def shared(passage: str, said: str) -> list[evidence.Mark]:
    """Phrases that both have: runs of at least two of the same words, not of common words alone."""
    ours = [word.lower() for word in re.findall(r"\w+", said)]
    pairs, found, run = set(pairwise(ours)), [], []
    there = list(re.finditer(r"\w+", passage))
    for one, after in pairwise([*there, None]):
        run = run or [one]
        if after is not None and (one.group().lower(), after.group().lower()) in pairs:
            run.append(after)
            continue
        rare = sum(match.group().lower() not in evidence.COMMON for match in run)
        if len(run) > 1 and rare >= (2 if len(run) == 2 else 1):
            found.append(evidence.Mark(run[0].start(), run[-1].end(), "shared"))
        run = []
    return found


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
        first, gap, old = (re.match(r"\s*(\S*)", one) for one in (line, line, before))
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


def _put(row: tuple, place: int, given: Any) -> tuple:
    return (*row[:place], given, *row[place + 1 :])


# Keys, which each annotator may choose -------------------------------------------------------------------------------


def default_keys(rubric: Rubric) -> dict[str, str]:
    """Action -> key. answer1 … are the labels of the rubric, rank1 … stars and preferences: two rows that never stand together."""
    actions, taken = {name: key for name, (key, _) in ACTIONS.items()}, [key for key, _ in ACTIONS.values()]
    for one in rubric.labels:  # a key that cannot be, or that another has, gives way to a free one
        wanted = one.key.lower()
        taken.append(wanted if re.fullmatch(BUTTON_KEY, wanted) and wanted not in taken else "")
    spare = (key for key in SPARE if key not in taken)
    rows = {f"answer{n}": key or next(spare, "") for n, key in enumerate(taken[len(actions) :], 1)}
    return {**rows, **{f"rank{n}": str(n) for n in range(1, 6)}, **actions}


def _row(name: str) -> str:
    return name.rstrip("0123456789")


def key_problem(keys: dict[str, str]) -> str:
    """Why these keys cannot be used; empty: they can."""
    for name, key in keys.items():
        if not re.fullmatch(BUTTON_KEY, key):
            return f"“{key}” cannot be a key: take a letter but c and r, a digit, f1 to f9, or up, down, left, right, home, end."
        together = [one for one in keys if one != name and {_row(one), _row(name)} != {"answer", "rank"}]
        if other := next((one for one in together if keys[one] == key), ""):
            return f"“{key}” would do two things: {key_title(name)}, and {key_title(other)}."
    return ""


def key_title(name: str) -> str:
    titles = {"answer": "Label", "rank": "Stars or preference"}
    return ACTIONS[name][1] if name in ACTIONS else f"{titles[_row(name)]}, {name.removeprefix(_row(name))}"


def settings(rubric: Rubric, annotator: str) -> dict[str, Any]:
    """{"keys": …, "go_on": …} as this annotator left them."""
    kept: dict[str, Any] = {}
    try:
        kept = json.loads(_settings_file(annotator).read_text("utf-8"))
        keys = {**default_keys(rubric), **{k: v for k, v in kept["keys"].items() if k in default_keys(rubric)}}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        keys = default_keys(rubric)
    return {"keys": default_keys(rubric) if key_problem(keys) else keys, "go_on": kept.get("go_on", True) is True}


def keep_settings(annotator: str, chosen: dict[str, Any]) -> None:
    path = _settings_file(annotator)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(chosen), "The keys")


def _settings_file(annotator: str) -> Path:
    name = hashlib.sha256(annotator.encode()).hexdigest()[:16]
    return session.workbench().home / "annotation" / "keys" / f"{name}.json"


# Where one is --------------------------------------------------------------------------------------------------------


class Desk:
    """An annotator at work in one window. What is on the screen and since when; the labels themselves stand in the store."""

    def __init__(self, frozen: versions.Frozen, annotator: str) -> None:
        self.frozen, self.annotator = frozen, annotator
        self.name = secrets.token_hex(4)  # in its buttons' keys: a click on those of before a restart answers nothing
        self.mine = assignment(frozen.study, frozen.round)[annotator]
        self.since: float | None = time.monotonic()  # the last sign of life; None: the tab is hidden
        self.worked_s = 0.0  # since the last break
        self.looked = time.monotonic()
        self.note, self.error, self.saved = "", None, ""
        self.seconds: dict[str, float] = {}  # item -> what it took so far, in this window and before
        self.comments: dict[str, str] = {}  # item -> the comment that its box shows
        self.act, self.heard = "", ("", -1)  # for screen readers: what is to be told; item and step that were
        self.screens = 0  # drawn so far
        self.seen = self.records()
        here = st.query_params.get("item", "")  # what the window showed before a reload
        self.open(here if self.to_do(here) else worklist.resume(session.workbench(), frozen, annotator) or "")

    @property
    def study(self) -> Study:
        return self.frozen.study

    def given(self) -> dict[str, dict[str, Any]]:
        """Item -> the latest record of this annotator, also a withdrawn one."""
        found = session.workbench().store.labels.current(self.study.id)
        places = ((self.frozen.round, item, self.annotator) for item in self.mine)  # what others labelled is not looked at
        return {place[1]: found[place] for place in places if place in found}

    def to_do(self, item: str) -> bool:
        return item in self.mine and not self.given().get(item, {}).get("complete")

    def records(self) -> dict[str, str]:
        return {item: one["id"] for item, one in self.given().items()}

    def open(self, item: str) -> None:
        """Goes to an item, at its first open step; "" is the end."""
        self.item, self.at = item, 0
        if item:
            label = self.label()
            self.seconds[item] = max(self.seconds.get(item, 0.0), label.seconds or 0.0)
            self.at = next_open(self.asked(), label) or 0
        st.session_state["label_find"] = ""

    def view(self) -> Screen:
        return shown(self.study, self.study.item(self.item), self.annotator)

    def asked(self) -> tuple[Step, ...]:
        """In the order in which it is asked: what the annotators differ in comes first."""
        found, votes = steps(self.study, self.study.item(self.item), self.view().order), self.votes()
        return tuple(sorted(found, key=lambda step: agreed(votes, step) is not None))

    def votes(self, item: str = "") -> list[Label]:
        """In adjudication what the annotators said of an item, in an order that tells nobody who said it; else nothing."""
        if self.frozen.round != "adjudication":
            return []
        item, store = item or self.item, session.workbench().store.labels
        found = [store.one(self.study.id, "main", item, name) for name in self.study.annotators]
        given = [_as_label(one) for one in found if one and one["complete"] and not one.get("withdrawn")]
        return sorted(given, key=lambda one: hashlib.sha256(f"{item}/{one.id}".encode()).digest())

    def label(self, item: str = "") -> Label:
        item = item or self.item
        return worklist.current(session.workbench(), self.frozen, self.annotator, item) or self.fresh(item)

    def fresh(self, item: str) -> Label:
        """Nothing is answered yet, but for what all annotators said."""
        what, votes = self.study.item(item), self.votes(item)
        label = blank(self.study, self.frozen.round, what, self.annotator)
        for step in steps(self.study, what, tuple(range(len(what.responses)))) if votes else ():
            if (same := agreed(votes, step)) is not None:
                label = answered(label, step, same)
        return label

    def tick(self) -> None:
        """Counts the time since the last sign of life, a long pause only in part."""
        now = time.monotonic()
        if self.since is not None:
            gap = now - self.since
            if self.item:
                self.seconds[self.item] += min(gap, IDLE_S)
            self.worked_s = 0.0 if gap > REST_S else self.worked_s + gap
        self.since = now

    def save(self, label: Label) -> None:
        seconds = round(self.seconds[label.item], 1) if label.item in self.seconds else label.seconds
        self.known(saving.label(session.workbench(), self.frozen, label.model_copy(update={"seconds": seconds})))

    def known(self, saved: Label) -> None:
        """Another window of the same person may have saved meanwhile: all is kept, and this window says so."""
        now = self.records()
        changed = {item for item, id in now.items() if id not in (self.seen.get(item), saved.id)}
        if saved.replaces != self.seen.get(saved.item, ""):
            changed.add(saved.item)
        if changed:
            self.note = (
                f"You label in another window too: {cards.count(len(changed), 'item')} changed there meanwhile. Everything is "
                "kept, this window shows the latest."
            )
        self.seen, self.saved, self.act = now, time.strftime("%H:%M:%S"), "Saved."


def _do(desk: Desk, what: Callable[..., None], *given: Any) -> None:
    """A callback: what goes wrong is told on the page, and nothing moves."""
    desk.note, desk.error = "", None
    desk.tick()
    try:
        what(desk, *given)
    except WorkbenchError as error:
        desk.error = error


def give(desk: Desk, item: str, at: int, answer: Any) -> None:
    """Answers a step and goes on to the next open one, in the item or after it."""
    if (item, at) != (desk.item, desk.at):
        return
    asked, before = desk.asked(), desk.label()
    if asked[at].kind == "preference":  # left and right are places on the screen
        answer = "tie" if answer == "tie" else "ab"[desk.view().order[("left", "right").index(answer)]]
    was_whole, label = complete(desk.study, before), answered(before, asked[at], answer)
    for step in (same := equal_open(desk.study.item(item), asked, before, at)):
        label = answered(label, step, answer)
    desk.save(label)
    desk.note = " ".join(filter(None, [desk.note, also_given(len(same)), too_fast(desk, item, was_whole, label)]))
    follow = next_open(asked, label, at)
    if follow is None and was_whole and at + 1 < len(asked):  # looking through what was answered already
        follow = at + 1
    _go_on(desk, at if follow is None else follow, follow is None)


def also_given(number: int) -> str:
    return f"Also given to {cards.count(number, 'equal sentence')} of this answer." if number else ""


def too_fast(desk: Desk, item: str, was_whole: bool, label: Label) -> str:
    """A word to somebody who has just answered a screen faster than it can be read."""
    took, reading_s = desk.seconds.get(item), reading_seconds(desk.study.item(item))
    if took is None or was_whole or not complete(desk.study, label) or took >= SKIMMED * reading_s:
        return ""
    return f"The last screen took you {took:.1f} s; reading its answer alone takes about {reading_s:.0f} s. Back shows it again."


def cannot(desk: Desk, item: str) -> None:
    if item == desk.item:
        label = desk.label()
        desk.save(label.model_copy(update={"cannot_judge": not label.cannot_judge}))
        _go_on(desk, desk.at, not label.cannot_judge)


def _go_on(desk: Desk, at: int, whole: bool) -> None:
    desk.at = at
    if whole and st.session_state["label_settings"]["go_on"]:
        desk.open(worklist.next_unlabelled(session.workbench(), desk.frozen, desk.annotator, desk.item) or "")


def mark(desk: Desk, item: str, response: int, word: int) -> None:
    if item == desk.item:
        desk.save(toggled(desk.label(), response, word))


def comment(desk: Desk, item: str, key: str) -> None:
    write(desk, item, st.session_state[key])


def write(desk: Desk, item: str, text: str) -> None:
    label, said = desk.label(item), text.strip()
    before, desk.comments[item] = desk.comments.get(item, ""), said
    if said == label.comment:
        return
    if label.comment not in ("", before):  # another window wrote one: both are kept
        said = f"{label.comment} / {said}"
    desk.save(label.model_copy(update={"comment": said}))


def undo(desk: Desk) -> None:
    """Takes the last answer back: of this item, or of the one labelled last where this one has none. A comment is saved
    while it is written, and taken back as a whole."""
    given = {item: one for item, one in desk.given().items() if not one.get("withdrawn")}
    item = desk.item if desk.item in given else max(given, key=lambda one: given[one]["id"], default="")
    if not item:
        raise WorkbenchError("There is nothing to undo.")
    before = after = desk.label(item)
    while after is before or not (after.withdrawn or _done_with(desk, before, after)):
        after = saving.undo(session.workbench(), desk.frozen, item, desk.annotator)
        desk.known(after)
    if item != desk.item:
        desk.open(item)
    asked = desk.asked()
    desk.at = next((at for at, step in enumerate(asked) if value(before, step) != value(after, step)), desk.at)


def _done_with(desk: Desk, before: Label, after: Label) -> bool:
    """Whether more was taken back than some of a comment, or the next step back would."""
    return not _judged(before) == _judged(after) == _judged(_earlier(desk, after))


def _judged(label: Label) -> dict[str, Any]:
    return label.model_dump(include={"sentences", "spans", "helpful", "preference", "cannot_judge"})


def _earlier(desk: Desk, undone: Label) -> Label:
    """The state before the one that an undo brought back."""
    store = session.workbench().store.labels
    id = store.get(undone.restores)["replaces"]
    if not id:
        return blank(desk.study, desk.frozen.round, desk.study.item(undone.item), desk.annotator)
    return _as_label(store.get(id))


def _as_label(record: dict[str, Any]) -> Label:
    return Label.model_validate({name: given for name, given in record.items() if name in Label.model_fields})


def walk(desk: Desk, by: int) -> None:
    """To the neighbour in this annotator's order, labelled or not."""
    place = desk.mine.index(desk.item) + by if desk.item else len(desk.mine) - 1
    if not 0 <= place < len(desk.mine):
        desk.note = "This is the first screen." if by < 0 else "This is the last screen."
    else:
        desk.open(desk.mine[place])


def look(desk: Desk) -> None:
    """From the end back to the beginning."""
    desk.open(desk.mine[0])


def jump(desk: Desk) -> None:
    """To the next item that is not labelled."""
    follow = worklist.next_unlabelled(session.workbench(), desk.frozen, desk.annotator, desk.item)
    if follow == desk.item:
        desk.note = "All others are labelled: this is the last open screen."
    else:
        desk.open(follow or "")


# What is drawn -------------------------------------------------------------------------------------------------------


@st.cache_resource(show_spinner=False)
def _answer_component() -> Any:
    return st.components.v2.component(
        "groundwork.answer",
        isolate_styles=False,
        html='<div class="lab"></div><div class="lab-heard" role="status"></div>',
        js=(HERE / "labelling.js").read_text("utf-8"),
    )


def draw(desk: Desk) -> None:
    """The desk; only the fragment runs again at a key."""
    st.html(HERE / "labelling.css")
    st.fragment(_draw)(desk)


def _draw(desk: Desk) -> None:
    with cards.calm():
        desk.screens += 1
        if time.monotonic() - desk.looked > LOOK_S:  # a rubric may be revised while the pilot runs
            desk.looked = time.monotonic()
            if versions.load(session.workbench(), desk.study.id).id != desk.frozen.id:
                st.rerun()
        _progress(desk)
        _told(desk)
        if desk.item:
            _item(desk)
        else:
            _end(desk)
        _buttons(desk)


def _progress(desk: Desk) -> None:
    given = [one for one in desk.given().values() if one["complete"]]
    total, times = len(desk.mine), [one["seconds"] for one in given if one.get("seconds")]
    pace, done = (
        statistics.median(times) if len(times) >= PACED else 0.0,
        "decided" if desk.frozen.round == "adjudication" else "labelled",
    )
    facts = [
        f"Screen {desk.mine.index(desk.item) + 1:,} of {total:,}" if desk.item else "",
        f"{len(given):,} {done}",
        f"median {pace:.1f} s a screen" if pace else "",
        _left((total - len(given)) * pace),
        f"saved {desk.saved}" if desk.saved else "saved at every key",
    ]
    spans = "".join(f"<span>{escape(fact)}</span>" for fact in facts if fact)
    bar = f'role="progressbar" aria-label="Screens labelled" aria-valuemax="{total}" aria-valuenow="{len(given)}"'
    st.html(
        f'<div class="gw lab-progress" data-item="{escape(desk.item)}"><div class="gw-bar" {bar}>'
        f'<i style="width:{len(given) / total:.2%}"></i></div><div class="gw-strip">{spans}</div></div>'
    )


def _told(desk: Desk) -> None:
    """Messages, in places that are always there: what follows would be mounted anew if it moved, and miss the next key."""
    if desk.error:
        with st.empty():
            cards.problem(desk.error)
    else:
        st.empty()
    if desk.note:
        st.info(desk.note, icon=":material/info:")
    elif not desk.seen:
        st.info(_welcome(desk), icon=":material/info:")
    elif desk.worked_s > BREAK_S:
        st.info(
            "You have worked for 40 minutes. A short break keeps judgements even; your place is kept.", icon=":material/coffee:"
        )
    else:
        st.empty()


def _welcome(desk: Desk) -> str:
    """The first screen of somebody who has labelled nothing."""
    how = "Answer with the buttons or the keys on them; each answer is saved at once, and you can stop at any time."
    if desk.frozen.round == "adjudication":
        return (
            f"You decide {cards.count(len(desk.mine), 'item')} on which the annotators differ. What they differ in is marked and comes "
            "first, with what each of them said; what all of them said stands already and needs no answer. Names are not "
            f"shown, and a letter may stand for somebody else in the next item. {how}"
        )
    return (
        f"You have {cards.count(len(desk.mine), 'screen')}, one answer each. Read the guidelines first, then judge by the evidence "
        f"beside the answer alone. {how}"
    )


def _left(seconds: float) -> str:
    if seconds <= 0:
        return ""
    minutes = max(round(seconds / 60), 1)
    return f"about {minutes} min left" if minutes < 100 else f"about {round(minutes / 60)} h left"


def _item(desk: Desk) -> None:
    view, label, asked = desk.view(), desk.label(), desk.asked()
    st.html(f'<h2 class="gw lab-question">{escape(view.question)}</h2>')
    step = asked[desk.at]
    with st.container(key="lab_desk"):
        with st.container(key="lab_answer", gap="small"):
            _answer(desk, view, label, asked)
        with st.container(key="lab_evidence", gap="small"):
            _evidence(view, view.order.index(step.response) if step.kind != "preference" else None, step)
        with st.container(key="lab_comment", gap="small"):
            _remarks(desk)
            key = f"label_comment/{desk.item}"
            if key not in st.session_state or desk.comments[desk.item] != label.comment:  # undone, or written elsewhere
                st.session_state[key] = desk.comments[desk.item] = label.comment
            st.text_input(
                "Comment",
                key=key,
                live="400ms",
                placeholder="Why, where the guidelines do not decide",
                on_change=_do,
                args=(desk, comment, desk.item, key),
            )


def _letter(number: int, pair: bool) -> str:
    """A name for one who must not be known by name. In pairs A and B are answers."""
    letters = "PQRSTUVWXYZ" if pair else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return letters[number % len(letters)] + (str(number // len(letters) + 1) if number >= len(letters) else "")


def _said_of(desk: Desk, step: Step) -> list[tuple[str, Any, str]]:
    """Who, as a letter, what they said of a step, and that in words."""
    pair, found = len(desk.view().order) == 2, []
    titles = {one.name: one.title for rubric in desk.study.rubrics for one in rubric.labels}
    for number, vote in enumerate(desk.votes()):
        given = "cannot judge" if vote.cannot_judge else value(vote, step)
        if step.kind == "helpful" and isinstance(given, int):
            text = cards.count(given, "star")
        elif given in ("a", "b"):
            text = f"{'AB'[desk.view().order.index('ab'.index(given))]} is better"
        else:
            text = titles.get(given, str(given)).capitalize() if given is not None else ""
        if text:
            found.append((_letter(number, pair), given, text))
    return found


def _remarks(desk: Desk) -> None:
    """What the annotators of a disputed item wrote, and which words they marked."""
    votes, rows = desk.votes(), []
    item = desk.study.item(desk.item)
    for number, vote in enumerate(votes):
        told = [f"“{vote.comment}”"] if vote.comment else []
        for span in vote.spans:
            text = item.responses[span.response].text
            bounds = words(text)[span.first : span.last]
            told.append(f"wrong words: “{text[bounds[0][0] : bounds[-1][1]]}”")
        who = f"Annotator {_letter(number, len(item.responses) == 2)}"
        rows += [f"<div><b>{who}</b> {escape(one)}</div>" for one in told]
    if not rows:
        st.empty()  # so that the box under it stays the same widget
    else:
        st.html(f'<div class="gw lab-remarks" role="region" aria-label="Comments of the annotators">{"".join(rows)}</div>')


def _answer(desk: Desk, view: Screen, label: Label, asked: tuple[Step, ...]) -> None:
    """The answer, or both side by side: a row a sentence, its label beside it; words can be clicked."""
    titles = {one.name: (one.title, place) for place, one in enumerate(desk.study.rubric.labels)}
    places = {step: at for at, step in enumerate(asked)}
    keys = st.session_state["label_settings"]["keys"]
    tones, judged, answers = {name: tone for name, (_, tone) in titles.items()}, desk.votes(), []
    for number, (response, seen) in enumerate(zip(view.order, view.responses, strict=True)):
        wrong, rows, bounds = wrong_words(label, response), [], words(seen.text)
        starts = [begin for begin, _ in bounds]
        for sentence, (begin, until) in enumerate(_cover(seen.text, seen.sentences)):
            at = places.get(Step("sentence", response, sentence), -1)
            name = label.sentences[response][sentence] if at >= 0 else None
            title, tone = titles.get(name, (name or "", 4))
            inside = range(bisect_left(starts, begin), bisect_left(starts, until))
            step = Step("sentence", response, sentence)
            same = at >= 0 and agreed(judged, step) is not None
            votes = (
                []
                if not judged or same or at < 0
                else [[who, text, tones.get(given, 4)] for who, given, text in _said_of(desk, step)]
            )
            rows.append(
                {
                    "at": at,
                    "first": inside.start,
                    "words": [seen.text[slice(*bounds[n])] for n in inside],
                    "wrong": [n for n in inside if n in wrong],
                    "label": title,
                    "tone": tone,
                    "agreed": same,
                    "votes": votes,
                }
            )
        at, stars = places.get(Step("helpful", response), -1), label.helpful[response]
        rated = ", ".join(f"{who} {text}" for who, _, text in _said_of(desk, Step("helpful", response))) if at >= 0 else ""
        answers.append(
            {
                "title": f"Answer {'AB'[number]}" if len(view.order) == 2 else "Answer",
                "rows": rows,
                "helpful": at,
                "stars": f"helpful: {stars} of 5" if stars else f"helpful: {rated or 'not rated'}",
            }
        )
    prefers = "" if not label.preference or len(view.order) == 1 else label.preference
    if prefers in ("a", "b"):
        prefers = f"{'AB'[view.order.index('ab'.index(prefers))]} is better"
    state, row = st.session_state, "answer" if asked[desk.at].kind == "sentence" else "rank"
    bar = [keys[f"{row}{n}"] for n in range(1, len(_question(desk).choices) + 1)]
    _answer_component()(
        key="lab_words",
        height="content",
        data={
            "desk": desk.name,
            "screen": desk.screens,
            "said": _said(desk),
            "item": desk.item,
            "at": desk.at,
            "answers": answers,
            "steps": len(asked),
            "kind": asked[desk.at].kind,
            "find": state.get("label_find", ""),
            "bar": bar + [keys[name] for name in ICONS],
            "open": "not decided" if judged else "not labelled",
            "idle_s": IDLE_S,
            "seconds": desk.seconds.get(desk.item, 0.0),
            "comment": label.comment,
            "verdict": "Cannot judge" if label.cannot_judge else prefers.capitalize(),
            "keys": {name: keys[name] for name in SCRIPTED},
        },
        on_word_change=lambda: _do(desk, _clicked, state["lab_words"].word),
        on_step_change=lambda: _do(desk, _stepped, state["lab_words"].step),
        on_here_change=lambda: _do(desk, _here, state["lab_words"].here),
        on_typed_change=lambda: _do(desk, _typed, state["lab_words"].typed),
        on_spent_change=lambda: _do(desk, _spent, state["lab_words"].spent),
        on_tab_change=lambda: _tab(desk, state["lab_words"].tab),
    )


def _said(desk: Desk) -> str:
    """What a screen reader is told now: that a key was saved, and what is asked where that is new."""
    told, question, (item, _) = [desk.act], _question(desk), desk.heard
    if item != desk.item:
        told.append(f"Screen {desk.mine.index(desk.item) + 1:,} of {len(desk.mine):,}: {desk.view().question}")
    if desk.heard != (desk.item, desk.at):
        chosen = next((f"Labelled: {title}." for name, title in question.choices if name == question.now), "")
        told += [f"{question.what}: {question.said}" if question.said else f"{question.what}.", question.why, chosen]
    desk.act, desk.heard = "", (desk.item, desk.at)
    return " ".join(filter(None, told))


def _cover(text: str, sentences: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    """Each sentence with the text behind it that is none; what stands before the first belongs to it."""
    starts = [0, *(start for start, _ in sentences[1:])]
    return list(zip(starts, [*starts[1:], len(text)], strict=True)) if sentences else [(0, len(text))]


def _clicked(desk: Desk, given: dict[str, Any] | None) -> None:
    if given and given["item"] == desk.item:
        mark(desk, given["item"], desk.view().order[int(given["place"])], int(given["word"]))


def _stepped(desk: Desk, given: dict[str, Any] | None) -> None:
    if given and given["item"] == desk.item and 0 <= given["at"] < len(desk.asked()):
        desk.at = int(given["at"])


def _here(desk: Desk, item: str | None) -> None:
    """The window says what it showed when this desk was set up for it anew; its last key may have done with that."""
    if item and desk.to_do(item):
        desk.open(item)


def _typed(desk: Desk, given: dict[str, Any] | None) -> None:
    """What stands in the comment's box while it is being written, or stood there before a reload."""
    if not given or given["item"] not in desk.mine:
        return
    item, text = given["item"], given["text"].strip()
    kept = desk.label(item).comment
    if given["again"]:
        desk.comments[item] = kept  # what it went on from
    if text not in (kept, kept.split(" / ")[-1]):
        write(desk, item, text)
    if given["again"]:
        st.session_state[f"label_comment/{item}"] = desk.comments[item] = desk.label(item).comment


def _spent(desk: Desk, given: dict[str, Any] | None) -> None:
    """How long the window had shown the item before a reload; what was saved of it counts already."""
    if given and given["item"] in desk.mine and 0 < given["seconds"] < MOST_S:
        item, known = given["item"], desk.label(given["item"]).seconds or 0.0
        desk.seconds[item] = desk.seconds.get(item, known) + max(given["seconds"] - known, 0.0)


def _tab(desk: Desk, state: str | None) -> None:
    """A hidden tab stops the clock."""
    if state == "hidden":
        desk.tick()
        desk.since = None
    elif state == "shown":
        desk.since = time.monotonic()


def _evidence(view: Screen, place: int | None, step: Step) -> None:
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
    same = len({one.passages for one in view.responses}) == 1
    body, found, count, shares = [], 0, 0, False
    for number, one in enumerate(view.responses):
        if (same and number != (place or 0)) or (not same and place is not None and number != place):
            continue
        said = one.text[slice(*one.sentences[step.sentence])] if step.kind == "sentence" else one.text
        if not same:
            body.append(f'<h3 class="gw gw-small">Evidence of answer {"AB"[number]}</h3>')
        for n, passage in enumerate(one.passages, 1):
            count += 1
            text = untitled(passage.text, passage.title)
            searched, same_words = hits(text, find), shared(text, said)
            found, shares = found + len(searched), shares or bool(same_words)
            body.append(
                evidence.passage_html(
                    flowing(text), title=passage.title, number=n, relevant=False, gold=[*same_words, *searched], cut=100_000
                )
            )
    told = f"{cards.count(found, 'place')} with “{find.strip()}”" if find.strip() else cards.count(count, "passage")
    part = "sentence" if step.kind == "sentence" else "answer"
    legend = "" if find.strip() or not shares else f'; <span class="gw-shared">phrases shared with the {part}</span>'
    st.html(
        f'<div class="gw gw-small">{escape(told)}{legend}</div><div class="lab-passages" role="region" aria-label="Evidence" '
        f'tabindex="0">{"".join(body) or "No evidence was given to this answer."}</div>'
    )


def _end(desk: Desk) -> None:
    """Nothing is left to do here: what comes next in the study, and where."""
    waits = {
        one.annotator: one.assigned - one.done
        for one in standing.progress(session.workbench(), desk.frozen)
        if one.done < one.assigned
    }
    st.html('<div class="lab-heard" role="alert">That was your last screen.</div>')
    cards.empty(
        "All screens are labelled",
        f"Every one of your {len(desk.mine):,} screens has a label, and all are saved. "
        f"Thank you for your care. {_afterwards(desk, waits)}",
    )
    with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center", key="lab_next"):
        st.button("Look through your labels", icon=":material/visibility:", key="label_look", on_click=_do, args=(desk, look))
        if desk.study.tokens:  # sent to people who do not run the study: its pages say which system wrote what
            return
        study, round = desk.study.id, {"adjudication": "main"}.get(desk.frozen.round, desk.frozen.round)
        st.page_link(DESIGN, label="Study design", icon=":material/design_services:", query_params={"study": study})
        if not waits:  # who can still change their labels does not look at the others'
            st.page_link(AGREE, label="Agreement", icon=":material/handshake:", query_params={"source": study, "of_round": round})


def _afterwards(desk: Desk, waits: dict[str, int]) -> str:
    """What comes next in the study. waits: annotator -> items still open."""
    study, round = desk.study, desk.frozen.round
    if waits:
        first, *more = (f"{name} still has {cards.count(number, 'screen')} to label" for name, number in waits.items())
        others = f", as {'has one other' if len(more) == 1 else f'have {len(more):,} others'}" if more else ""
        return f"{first}{others}; then the study goes on on the page Study design."
    if round == "pilot":
        return (
            "The pilot is labelled. Next: read how far you agree, then revise the rubric where you differ and freeze the main round "
            "on the page Study design."
        )
    differ = disputed(study, worklist.labels(session.workbench(), study.id, "main")) if round == "main" else ()
    if differ:
        return f"The main round is labelled. Next: have {cards.count(len(differ), 'disputed item')} decided on the page Study design."
    return "The study is labelled. Next: read the agreement, then export the labels on the page Study design."


def _buttons(desk: Desk) -> None:
    """What can be done now, at the foot of the window; keys are printed on the buttons."""
    keys = st.session_state["label_settings"]["keys"]
    with st.container(key="lab_bar", gap="small"):
        if desk.item:
            _choices(desk, keys)
        with st.container(key="lab_ways", horizontal=True, gap="xsmall"):
            ways = {"undo": (undo,), "back": (walk, -1), "skip": (walk, 1), "next": (jump,), "cannot": (cannot, desk.item)}
            for name, given in ways.items():
                if desk.item or name in ("undo", "back"):
                    chosen = name == "cannot" and desk.label().cannot_judge
                    st.button(
                        ACTIONS[name][1],
                        key=f"way/{name}/{desk.name}",
                        shortcut=keys[name],
                        icon=f":material/{ICONS[name]}:",
                        type="primary" if chosen else "tertiary",
                        on_click=_do,
                        args=(desk, *given),
                    )


class Question(NamedTuple):
    """The step on the screen in words."""

    what: str
    why: str
    said: str  # the sentence in question, or ""
    choices: list[tuple[Any, str]]  # value, title
    now: Any


def _question(desk: Desk) -> Question:
    asked, view = desk.asked(), desk.view()
    step, pair = asked[desk.at], len(view.order) == 2
    which = f" {'AB'[view.order.index(step.response)]}" if pair else ""
    now, votes = value(desk.label(), step), desk.votes()
    differ = ", ".join(f"{who}: {text}" for who, _, text in _said_of(desk, step)) if votes else ""
    said = f"Annotators {differ}" if differ and agreed(votes, step) is None else "All annotators said this." if votes else ""
    if step.kind == "sentence":
        among = [one.sentence for one in asked if one.response == step.response and one.kind == "sentence"]
        begin, until = desk.study.item(desk.item).responses[step.response].sentences[step.sentence]
        return Question(
            f"Sentence {step.sentence + 1} of {len(among)}{f' of answer{which}' if pair else ''}",
            said or "Is it supported by the evidence?",
            desk.study.item(desk.item).responses[step.response].text[begin:until],
            [(one.name, one.title) for one in desk.study.rubric.labels],
            now,
        )
    if step.kind == "helpful":
        why = "How helpful is it to the person who asked, from 1 (useless) to 5 (all that was asked, well said)?"
        return Question(f"Answer{which}: helpful?" if said else f"Answer{which}", said or why, "", list(enumerate(STARS, 1)), now)
    places = {"a": view.order.index(0), "b": view.order.index(1)}
    now = ("left", "right")[places[now]] if now in places else now
    return Question("Both answers", said or "Which would you rather have been given?", "", list(PREFERENCES), now)


def _choices(desk: Desk, keys: dict[str, str]) -> None:
    question, step = _question(desk), desk.asked()[desk.at]
    st.html(
        f'<div class="gw lab-ask" data-place="{escape(desk.item)}/{desk.at}"><b>{question.what}</b> {question.why} '
        '<i class="lab-wait">Another question: the keys wait a moment.</i>'
        f'<div class="lab-said">{escape(question.said)}</div><div class="lab-gone" role="alert">{GONE}</div></div>'
    )
    with st.container(key=f"lab_choices_{step.kind}"):
        for number, (name, title) in enumerate(question.choices, 1):
            shortcut = keys[f"{'answer' if step.kind == 'sentence' else 'rank'}{number}"]
            st.button(
                cards.plain(title),
                key=f"give/{desk.name}/{number}",
                shortcut=shortcut or None,
                width="stretch",
                type="primary" if question.now == name else "secondary",
                on_click=_do,
                args=(desk, give, desk.item, desk.at, name),
            )
