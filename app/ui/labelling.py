"""The desk at which answers are labelled: one item, one question about it at a time, one key to answer it.

What is asked of an item is a list of steps: each sentence, then how helpful the answer is, in studies of pairs last the
preference. A key answers the step on the screen and goes on to the next open one; a key pressed before the next screen
stood counts for nothing. All of it runs in one fragment, from labels in memory, and the buttons stay the same widgets from
item to item: to mount five new ones costs the browser as much as all the rest. The answer's words are a small component
of our own, because no widget lets words of a running text be clicked.
"""

import hashlib
import json
import os
import re
import statistics
import time
from collections.abc import Callable
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from app import session
from app.ui import cards, evidence
from core import annotation_lab as lab
from core.annotation.labels import Label, Span, blank, complete
from core.annotation.study import Item, Rubric, Shown, Study, assignment, shown, words
from core.errors import WorkbenchError

IDLE_S = 120.0  # a longer pause between two keys counts as this much
REST_S = 300.0  # a pause that counts as a break
BREAK_S = 40 * 60.0  # of work: then a break is proposed
LOOK_S = 60.0  # between two looks whether the study was revised
HERE = Path(__file__).parent
STARS = tuple(f"{n} of 5" for n in range(1, 6))
PREFERENCES = (("left", "A is better"), ("tie", "Tie"), ("right", "B is better"))
# action -> (its key unless the annotator chose another, what it does); the buttons first, then what the answer's script does
ACTIONS = {
    "undo": ("u", "Undo"), "back": ("b", "Back"), "skip": ("s", "Skip"), "next": ("n", "Next unlabelled"),
    "cannot": ("x", "Cannot judge the item"), "earlier": ("k", "Sentence before"), "later": ("j", "Sentence after"),
    "words": ("e", "Mark wrong words"), "find": ("f", "Find in the evidence"), "comment": ("m", "Comment"),
    "guidelines": ("g", "Guidelines"),
}  # fmt: skip
SCRIPTED = ("earlier", "later", "words", "find", "comment", "guidelines")  # what the script of the answer does
ICONS = {"undo": "undo", "back": "arrow_back", "skip": "arrow_forward", "next": "skip_next", "cannot": "block"}
BUTTON_KEY = r"[abd-qs-z0-9]|f[1-9]|up|down|left|right|home|end"  # c and r belong to the browser


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
    return next((at for at in (*range(after + 1, len(asked)), *range(after + 1))
                 if at < len(asked) and value(label, asked[at]) is None), None)  # fmt: skip


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
    """Where the text searched for stands, upper and lower case alike."""
    find = find.strip()
    pattern = re.compile(re.escape(find), re.IGNORECASE) if find else None
    return [evidence.Mark(*match.span(), "found") for match in pattern.finditer(passage)] if pattern else []


def _put(row: tuple, place: int, given: Any) -> tuple:
    return (*row[:place], given, *row[place + 1 :])


# Keys, which each annotator may choose -------------------------------------------------------------------------------


def default_keys(rubric: Rubric) -> dict[str, str]:
    """Action -> key. answer1 … are the places of the answer row, whatever stands there."""
    rows = {f"answer{n}": str(n) for n in range(1, max(5, len(rubric.labels)) + 1)}
    named = {
        f"answer{n}": one.key.lower()
        for n, one in enumerate(rubric.labels, 1)
        if re.fullmatch(BUTTON_KEY, one.key.lower())
    }
    return {**rows, **named, **{name: key for name, (key, _) in ACTIONS.items()}}


def key_problem(keys: dict[str, str]) -> str:
    """Why these keys cannot be used; empty: they can."""
    for name, key in keys.items():
        if not re.fullmatch(BUTTON_KEY, key):
            return f"“{key}” cannot be a key: take a letter but c and r, a digit, f1 to f9, or up, down, left, right, home, end."
        if other := next((one for one, taken in keys.items() if taken == key and one != name), ""):
            return f"“{key}” would do two things: {key_title(name)}, and {key_title(other)}."
    return ""


def key_title(name: str) -> str:
    return ACTIONS[name][1] if name in ACTIONS else f"Answer {name.removeprefix('answer')}"


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
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    fresh.write_text(json.dumps(chosen), "utf-8")
    fresh.replace(path)


def _settings_file(annotator: str) -> Path:
    name = hashlib.sha256(annotator.encode()).hexdigest()[:16]
    return session.workbench().home / "annotation" / "keys" / f"{name}.json"


# Where one is --------------------------------------------------------------------------------------------------------


class Desk:
    """An annotator at work in one window. What is on the screen and since when; the labels themselves stand in the store."""

    def __init__(self, frozen: lab.Frozen, annotator: str) -> None:
        self.frozen, self.annotator = frozen, annotator
        self.mine = assignment(frozen.study, frozen.round)[annotator]
        self.since: float | None = time.monotonic()  # the last sign of life; None: the tab is hidden
        self.worked_s = 0.0  # since the last break
        self.looked = time.monotonic()
        self.note, self.error, self.saved = "", None, ""
        self.screens = 0  # drawn so far
        self.seen = max((one["id"] for one in self.given().values()), default="")  # latest label this window knows of
        self.open(lab.resume(session.workbench(), frozen, annotator) or "")

    @property
    def study(self) -> Study:
        return self.frozen.study

    def given(self) -> dict[str, dict[str, Any]]:
        """Item -> the latest record of this annotator, also a withdrawn one."""
        found = session.workbench().store.labels.current(self.study.id)
        return {item: one for (round, item, name), one in found.items()
                if name == self.annotator and round == self.frozen.round}  # fmt: skip

    def open(self, item: str) -> None:
        """Goes to an item, at its first open step; "" is the end."""
        self.item, self.at, self.spent_s, self.before_s = item, 0, 0.0, 0.0
        if item:
            label = self.label()
            self.before_s, self.at = label.seconds or 0.0, next_open(self.asked(), label) or 0
        st.session_state["label_find"] = ""

    def view(self) -> Shown:
        return shown(self.study, self.study.item(self.item), self.annotator)

    def asked(self) -> tuple[Step, ...]:
        return steps(self.study, self.study.item(self.item), self.view().order)

    def label(self, item: str = "") -> Label:
        item = item or self.item
        found = lab.current(session.workbench(), self.frozen, self.annotator, item)
        return found or blank(self.study, self.frozen.round, self.study.item(item), self.annotator)

    def tick(self) -> None:
        """Counts the time since the last sign of life, a long pause only in part."""
        now = time.monotonic()
        if self.since is not None:
            gap = now - self.since
            self.spent_s += min(gap, IDLE_S)
            self.worked_s = 0.0 if gap > REST_S else self.worked_s + gap
        self.since = now

    def save(self, label: Label) -> Label:
        seconds = round(self.before_s + self.spent_s, 1) if label.item == self.item else label.seconds
        saved = lab.label(session.workbench(), self.frozen, label.model_copy(update={"seconds": seconds}))
        self.known(saved)
        return saved

    def known(self, saved: Label) -> None:
        """Another window of the same person may have saved meanwhile: all is kept, and this window says so."""
        others = [one for one in self.given().values() if self.seen < one["id"] != saved.id]
        if others:
            self.note = (f"You label in another window too: {cards.count(len(others), 'item')} changed there meanwhile. Everything is "
                         "kept, this window shows the latest.")  # fmt: skip
        self.seen, self.saved = saved.id, time.strftime("%H:%M:%S")


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
    was_whole = complete(desk.study, before)
    label = desk.save(answered(before, asked[at], answer))
    follow = next_open(asked, label, at)
    if follow is None and was_whole and at + 1 < len(asked):  # looking through what was answered already
        follow = at + 1
    _go_on(desk, at if follow is None else follow, follow is None)


def cannot(desk: Desk, item: str) -> None:
    if item == desk.item:
        label = desk.label()
        desk.save(label.model_copy(update={"cannot_judge": not label.cannot_judge}))
        _go_on(desk, desk.at, not label.cannot_judge)


def _go_on(desk: Desk, at: int, whole: bool) -> None:
    desk.at = at
    if whole and st.session_state["label_settings"]["go_on"]:
        desk.open(lab.next_unlabelled(session.workbench(), desk.frozen, desk.annotator, desk.item) or "")


def mark(desk: Desk, item: str, response: int, word: int) -> None:
    if item == desk.item:
        desk.save(toggled(desk.label(), response, word))


def comment(desk: Desk, item: str, key: str) -> None:
    desk.save(desk.label(item).model_copy(update={"comment": st.session_state[key].strip()}))


def undo(desk: Desk) -> None:
    """Takes the last answer back: of this item, or of the one labelled last where this one has none."""
    given = {item: one for item, one in desk.given().items() if not one.get("withdrawn")}
    item = desk.item if desk.item in given else max(given, key=lambda one: given[one]["id"], default="")
    if not item:
        raise WorkbenchError("There is nothing to undo.")
    before = desk.label(item)
    saved = lab.undo(session.workbench(), desk.frozen, item, desk.annotator)
    desk.known(saved)
    if item != desk.item:
        desk.open(item)
    asked, after = desk.asked(), desk.label()
    desk.at = next((at for at, step in enumerate(asked) if value(before, step) != value(after, step)), desk.at)


def walk(desk: Desk, by: int) -> None:
    """To the neighbour in this annotator's order, labelled or not."""
    place = desk.mine.index(desk.item) + by if desk.item else len(desk.mine) - 1
    if not 0 <= place < len(desk.mine):
        desk.note = "This is the first item." if by < 0 else "This is the last item."
    else:
        desk.open(desk.mine[place])


def jump(desk: Desk) -> None:
    """To the next item that is not labelled."""
    follow = lab.next_unlabelled(session.workbench(), desk.frozen, desk.annotator, desk.item)
    if follow == desk.item:
        desk.note = "All others are labelled: this is the last open item."
    else:
        desk.open(follow or "")


# What is drawn -------------------------------------------------------------------------------------------------------


@st.cache_resource(show_spinner=False)
def _answer_component() -> Any:
    return st.components.v2.component("groundwork.answer", html='<div class="lab"></div>', isolate_styles=False,
                                      css=(HERE / "labelling.css").read_text("utf-8"),
                                      js=(HERE / "labelling.js").read_text("utf-8"))  # fmt: skip


def draw(desk: Desk) -> None:
    """The desk; only this runs again at a key."""
    st.fragment(_draw)(desk)


def _draw(desk: Desk) -> None:
    with cards.calm():
        desk.screens += 1
        if time.monotonic() - desk.looked > LOOK_S:  # a rubric may be revised while the pilot runs
            desk.looked = time.monotonic()
            if lab.load(session.workbench(), desk.study.id).id != desk.frozen.id:
                st.rerun()
        _progress(desk)
        if desk.error:
            cards.problem(desk.error)
        if desk.note or desk.worked_s > BREAK_S:
            st.info(desk.note or "You have worked for 40 minutes. A short break keeps judgements even; your place is kept.",
                    icon=":material/info:" if desk.note else ":material/coffee:")  # fmt: skip
        if desk.item:
            _item(desk)
        else:
            _end(desk)
        _buttons(desk)


def _progress(desk: Desk) -> None:
    given = [one for one in desk.given().values() if one["complete"]]
    total, times = len(desk.mine), [one["seconds"] for one in given if one.get("seconds")]
    pace = statistics.median(times) if times else 0.0
    left = (total - len(given)) * pace
    facts = [f"Item {desk.mine.index(desk.item) + 1:,} of {total:,}" if desk.item else "", f"{len(given):,} labelled",
             f"median {cards.duration(pace)} an item" if pace else "", f"about {cards.duration(left)} left" if left else "",
             f"saved {desk.saved}" if desk.saved else "saved at every key"]  # fmt: skip
    spans = "".join(f"<span>{escape(fact)}</span>" for fact in facts if fact)
    st.html(f'<div class="gw lab-progress" role="status" data-item="{escape(desk.item)}"><div class="gw-bar">'
            f'<i style="width:{len(given) / total:.2%}"></i></div><div class="gw-strip">{spans}</div></div>')  # fmt: skip


def _item(desk: Desk) -> None:
    view, label, asked = desk.view(), desk.label(), desk.asked()
    step = asked[desk.at]
    st.html(f'<h2 class="gw lab-question">{escape(view.question)}</h2>')
    with st.container(key="lab_desk"):
        with st.container(key="lab_answer", gap="small"):
            _answer(desk, view, label, asked)
            key = f"label_comment/{desk.item}"
            st.session_state.setdefault(key, label.comment)
            st.text_input("Comment", key=key, live="400ms", placeholder="Why, where the guidelines do not decide",
                          on_change=_do, args=(desk, comment, desk.item, key))  # fmt: skip
        with st.container(key="lab_evidence", gap="small"):
            _evidence(view, view.order.index(step.response) if step.kind != "preference" else None, step)


def _answer(desk: Desk, view: Shown, label: Label, asked: tuple[Step, ...]) -> None:
    """The answer, or both side by side: a row a sentence, its label beside it; words can be clicked."""
    titles = {one.name: (one.title, place) for place, one in enumerate(desk.study.rubric.labels)}
    places = {step: at for at, step in enumerate(asked)}
    keys = st.session_state["label_settings"]["keys"]
    answers = []
    for number, (response, seen) in enumerate(zip(view.order, view.responses, strict=True)):
        wrong, rows = wrong_words(label, response), []
        for sentence, (begin, until) in enumerate(_cover(seen.text, seen.sentences)):
            at = places.get(Step("sentence", response, sentence), -1)
            name = label.sentences[response][sentence] if at >= 0 else None
            title, tone = titles.get(name, (name or "", 4))
            pieces = [
                [n, seen.text[a:b], n in wrong] for n, (a, b) in enumerate(words(seen.text)) if begin <= a < until
            ]
            rows.append({"at": at, "words": pieces, "label": title, "tone": tone})
        at, stars = places.get(Step("helpful", response), -1), label.helpful[response]
        answers.append({"title": f"Answer {'AB'[number]}" if len(view.order) == 2 else "Answer", "response": response, "rows": rows,
                        "helpful": at, "stars": f"helpful: {stars} of 5" if stars else "helpful: open"})  # fmt: skip
    prefers = "" if not label.preference or len(view.order) == 1 else label.preference
    if prefers in ("a", "b"):
        prefers = f"{'AB'[view.order.index('ab'.index(prefers))]} is better"
    state = st.session_state
    _answer_component()(
        key="lab_words", height="content",
        data={"screen": desk.screens, "item": desk.item, "at": desk.at, "answers": answers, "steps": len(asked),
              "find": state.get("label_find", ""), "bar": [key for name, key in keys.items() if name not in SCRIPTED],
              "verdict": "Cannot judge" if label.cannot_judge else prefers.capitalize(),
              "keys": {name: keys[name] for name in SCRIPTED}},
        on_word_change=lambda: _do(desk, _clicked, state["lab_words"].word),
        on_step_change=lambda: _do(desk, _stepped, state["lab_words"].step),
        on_tab_change=lambda: _tab(desk, state["lab_words"].tab),
    )  # fmt: skip


def _cover(text: str, sentences: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    """Each sentence with the text behind it that is none; what stands before the first belongs to it."""
    starts = [0, *(start for start, _ in sentences[1:])]
    return list(zip(starts, [*starts[1:], len(text)], strict=True)) if sentences else [(0, len(text))]


def _clicked(desk: Desk, given: dict[str, Any] | None) -> None:
    if given:
        mark(desk, given["item"], int(given["response"]), int(given["word"]))


def _stepped(desk: Desk, given: dict[str, Any] | None) -> None:
    if given and given["item"] == desk.item and 0 <= given["at"] < len(desk.asked()):
        desk.at = int(given["at"])


def _tab(desk: Desk, state: str | None) -> None:
    """A hidden tab stops the clock."""
    if state == "hidden":
        desk.tick()
        desk.since = None
    elif state == "shown":
        desk.since = time.monotonic()


def _evidence(view: Shown, place: int | None, step: Step) -> None:
    """The passages of the answer in question, of both where they are compared, with what the sentence shares with them."""
    find = st.text_input("Find in the evidence", key="label_find", type="search", live="200ms", label_visibility="collapsed",
                         placeholder="Find in the evidence", icon=":material/search:")  # fmt: skip
    same = len({one.passages for one in view.responses}) == 1
    body, found, count = [], 0, 0
    for number, one in enumerate(view.responses):
        if (same and number != (place or 0)) or (not same and place is not None and number != place):
            continue
        said = one.text[slice(*one.sentences[step.sentence])] if step.kind == "sentence" else one.text
        if not same:
            body.append(f'<h3 class="gw gw-small">Evidence of answer {"AB"[number]}</h3>')
        for n, passage in enumerate(one.passages, 1):
            count += 1
            searched = hits(passage.text, find)
            found += len(searched)
            body.append(evidence.passage_html(passage.text, title=passage.title or passage.document_id, number=n, relevant=False,
                                              gold=[*shared(passage.text, said), *searched], cut=100_000))  # fmt: skip
    told = f"{cards.count(found, 'place')} with “{find.strip()}”" if find.strip() else cards.count(count, "passage")
    part = "sentence" if step.kind == "sentence" else "answer"
    legend = "" if find.strip() else f'; <span class="gw-shared">words shared with the {part}</span>'
    st.html(f'<div class="gw gw-small">{escape(told)}{legend}</div><div class="lab-passages" role="region" aria-label="Evidence" '
            f'tabindex="0">{"".join(body) or "No evidence was given to this answer."}</div>')  # fmt: skip


def _end(desk: Desk) -> None:
    cards.empty("All items are labelled", f"Every one of your {len(desk.mine):,} items has a label, and all are saved. Go back to look "
                "at them again; thank you for your care.")  # fmt: skip


def _buttons(desk: Desk) -> None:
    """What can be done now, at the foot of the window; keys are printed on the buttons."""
    keys = st.session_state["label_settings"]["keys"]
    with st.container(key="lab_bar", gap="small"):
        if desk.item:
            _choices(desk, keys)
        with st.container(key="lab_ways", horizontal=True, gap="xsmall"):
            ways = {
                "undo": (undo,),
                "back": (walk, -1),
                "skip": (walk, 1),
                "next": (jump,),
                "cannot": (cannot, desk.item),
            }
            for name, given in ways.items():
                if desk.item or name in ("undo", "back"):
                    chosen = name == "cannot" and desk.label().cannot_judge
                    st.button(ACTIONS[name][1], key=f"way/{name}", shortcut=keys[name],
                              icon=f":material/{ICONS[name]}:", type="primary" if chosen else "tertiary", on_click=_do,
                              args=(desk, *given))  # fmt: skip


def _choices(desk: Desk, keys: dict[str, str]) -> None:
    asked, label, view = desk.asked(), desk.label(), desk.view()
    step, pair = asked[desk.at], len(view.order) == 2
    which = f" {'AB'[view.order.index(step.response)]}" if pair else ""
    now = value(label, step)
    if step.kind == "sentence":
        among = [one.sentence for one in asked if one.response == step.response and one.kind == "sentence"]
        what = f"Sentence {step.sentence + 1} of {len(among)}{f' of answer{which}' if pair else ''}"
        choices = [(one.name, one.title) for one in desk.study.rubric.labels]
        why = "Is it supported by the evidence?"
    elif step.kind == "helpful":
        what, choices = f"Answer{which}", list(enumerate(STARS, 1))
        why = "How helpful is it to the person who asked, from 1 (useless) to 5 (all that was asked, well said)?"
    else:
        what, why, choices = "Both answers", "Which would you rather have been given?", list(PREFERENCES)
        places = {"a": view.order.index(0), "b": view.order.index(1)}
        now = ("left", "right")[places[now]] if now in places else now
    said = ""
    if step.kind == "sentence":
        begin, until = desk.study.item(desk.item).responses[step.response].sentences[step.sentence]
        said = desk.study.item(desk.item).responses[step.response].text[begin:until]
    st.html(f'<div class="gw lab-ask" data-place="{escape(desk.item)}/{desk.at}"><b>{what}</b> {why}'
            f'<div class="lab-said" aria-hidden="true">{escape(said)}</div></div>')  # fmt: skip
    with st.container(key=f"lab_choices_{step.kind}"):
        for number, (name, title) in enumerate(choices, 1):
            st.button(cards.plain(title), key=f"give/{number}", shortcut=keys[f"answer{number}"],
                      width="stretch", type="primary" if now == name else "secondary", on_click=_do,
                      args=(desk, give, desk.item, desk.at, name))  # fmt: skip
