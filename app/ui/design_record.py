"""The page Study design after the draft: the step under way and its one button, who is how far, the record, and files.

Whoever leaves hands the open items over, and a round can be ended before it is done. What is frozen can be checked at any
time; labels leave and enter as files or through a Label Studio server.
"""

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, cells, jobs
from app.ui.design_tabs import (
    Desk,
    drawings,
    fitted,
    looks_of,
    noun,
    now,
    outdated,
    parts,
    put,
    put_in_force,
    repeating,
    rows,
    usual_goal,
)
from core.annotation import checking, exports, imports, label_files, latest, power, rounds, standing, tokens, versions
from core.annotation.assignment import HandOver, loads
from core.annotation.pilot import from_pilot
from core.annotation.rubric import FOLDER
from core.annotation.study import plain, study_hash, systems_of
from core.errors import WorkbenchError

LABEL, AGREE = "../pages/label_answers.py", "../pages/measure_agreement.py"
ROUNDS = {"": "All rounds", "pilot": "Pilot", "main": "Main", "adjudication": "Adjudication"}
FORMATS = {"jsonl": "JSONL", "csv": "CSV", "label_studio": "Label Studio", "dpo": "DPO pairs"}

ASKS_AGAIN_S = 5.0  # for labels that others give
STYLE = """<style>
ol.gw-steps { display: flex; gap: .5rem; list-style: none; margin: 0 !important; padding: 0 !important; }
.gw-steps li { flex: 1; min-width: 0; margin: 0 !important; border-top: 3px solid var(--gw-line); padding: .35rem 0 0;
  color: var(--gw-muted); font-size: .9rem; }
.gw-steps li.done { border-color: var(--gw-accent); }
.gw-steps li.now { border-color: var(--gw-accent); color: inherit; font-weight: 600; }
.gw-steps small { display: block; font-weight: 400; font-size: .76rem; color: var(--gw-muted); line-height: 1.35; }
.st-key-next_buttons { flex-direction: row-reverse; justify-content: flex-start; }
.gw-who { font-size: .88rem; overflow-wrap: anywhere; }
.gw-warn { color: var(--gw-bad); }
.st-key-links .stCode pre { padding-right: 3rem; }
.st-key-links .stCode > div { opacity: 1 !important; visibility: visible !important; }
@media (max-width: 1100px) {
  :is(.st-key-design_items, .st-key-design_rubric, .st-key-design_people, .st-key-design_power, .st-key-design_record, .st-key-next_head)
    > div > .stHorizontalBlock > .stColumn { min-width: 100%; }
  .st-key-design_power > div > .stHorizontalBlock { flex-wrap: wrap-reverse; }
}
</style>"""


def stepper(desk: Desk) -> None:
    """Where the study stands."""
    study, now = desk.study, standing.STEPS.index(desk.standing.step)
    pilot, main = (len(plain(study.items, name)) for name in ("pilot", "main"))
    skipped = now > 1 and not any(one.round == "pilot" for one in versions.history(session.workbench(), study.id))
    notes = {
        "Draft": f"{len(study.annotators)} annotators",
        "Pilot": "skipped" if skipped else f"{pilot:,} items",
        "Revise": "skipped" if skipped else f"rubric {desk.frozen.study.rubric.version}{', the next in work' * desk.revision}",
        "Main": f"{main:,} items" if main else "items to draw",
        "Adjudicate": _disputed(desk) if now >= 3 else "",
        "Analyse": "",
    }
    marks = "".join(
        f'<li class="{"done" if n < now else "now" if n == now else ""}"{" aria-current=step" if n == now else ""}>'
        f"{'✓ ' if n < now else ''}{step}<small>{notes[step]}</small></li>"
        for n, step in enumerate(standing.STEPS)
    )
    st.html(f'{STYLE}<ol class="gw gw-steps" aria-label="Steps of the study">{marks}</ol>')


def _disputed(desk: Desk) -> str:
    count, left = desk.standing.disputed, desk.standing.undecided
    return f"{count - left:,} of {count:,} decided" if desk.frozen.round == "adjudication" else f"{count:,} disputed"


def next_step(desk: Desk) -> None:
    """What to do now, with the one button that does it."""
    with st.container(border=True, key="next_step"):
        {
            "Draft": _draft,
            "Pilot": _labelling,
            "Revise": _revise,
            "Main": _labelling,
            "Adjudicate": _adjudicate,
            "Analyse": _analyse,
        }[desk.standing.step](desk)
        if desk.frozen.hash and desk.standing.people:
            _people(desk)
    if name := st.session_state.pop("design_leaver", ""):
        with cards.calm():  # asked here: after the click the dialog itself runs once more, and then there is nothing to hand over
            _hand_over(desk, rounds.handing_over(session.workbench(), desk.study.id, name))


@contextmanager
def _next(title: str, text: str) -> Iterator[None]:
    """What to do and why; the buttons that do it come inside, the blue one first: it stands at the right."""
    with st.container(key="next_head"):
        left, right = st.columns(2, vertical_alignment="center")
        left.html(
            f'<div class="gw"><div class="gw-strong">Next: {escape(title)}</div><div class="gw-small">{escape(text)}</div></div>'
        )
        with right, st.container(horizontal=True, vertical_alignment="center", gap="small", key="next_buttons"):
            yield


def missing(desk: Desk, round: str) -> list[str]:
    """What a study needs before this round can be frozen."""
    study = desk.study
    return [
        text
        for text, wanted in [
            ("items: draw them on the tab Items", not plain(study.items, round)),
            ("a question: say it on the tab Plan", not study.question.strip()),
            ("a primary measure: say it on the tab Plan", not study.measure.strip()),
            ("names of annotators that differ: on the tab People", f"{study.id}/annotators?" in st.session_state),
            (f"{study.per_item} annotators: name them on the tab People", len(study.annotators) < study.per_item),
            (
                "a decision on the changed rubric: put it in force or discard it, on the tab Rubric",
                desk.piloted and desk.revision,
            ),
        ]
        if wanted
    ]


def _draft(desk: Desk) -> None:
    pilot, main = (plain(desk.study.items, name) for name in ("pilot", "main"))
    round = "pilot" if pilot or not main else "main"
    lacks, told = missing(desk, round), ""
    if not lacks:
        screens, who = loads(desk.study, round), cards.count(len(desk.study.annotators), "annotator")
        sizes = [one.items + one.repeats + one.attention for one in screens]
        most = screens[sizes.index(max(sizes))]
        upto = "" if len({one[1:] for one in screens}) == 1 else "up to "
        told = f"Everything is filled in: {who}, {upto}{max(sizes):,} screens each: {_parts(*most[1:])}."
    with _next(
        f"look through the tabs, then freeze the {round}",
        f"Still missing: {'; '.join(lacks)}."
        if lacks
        else f"{told} Change what you like below first. Once frozen, the round can be labelled.",
    ):
        if st.button(f"Freeze the {round}", type="primary", icon=":material/lock:", key="freeze", disabled=bool(lacks)):
            _freeze(desk, round)
        hint = "Freezes the main round at once: nobody has tried the rubric then."
        if (
            round == "pilot"
            and main
            and st.button("Skip the pilot", type="tertiary", key="skip_pilot", help=hint, disabled=bool(missing(desk, "main")))
        ):
            _freeze(desk, "main")
        _keep(desk)


def _parts(items: int, repeats: int, attention: int) -> str:
    """ "30 items, 3 repeats, 5 attention items"."""
    parts = [(items, "item"), (repeats, "repeat"), (attention, "attention item")]
    return ", ".join(cards.count(number, what) for number, what in parts if number)


def _keep(desk: Desk) -> None:
    """A draft's changes are recorded when asked for."""
    if not desk.changed:
        return
    if desk.frozen.round == "draft":
        st.button("Save draft", icon=":material/save:", key="save_draft", on_click=_save, args=(desk,))
    st.button("Discard", type="tertiary", key="discard", on_click=_discard, args=(desk,), help="Back to what is recorded.")


def _save(desk: Desk) -> None:
    try:
        rounds.save(session.workbench(), now(desk).study)
    except WorkbenchError as error:
        st.session_state.design_problem = error.what


def _discard(desk: Desk) -> None:
    put(desk, desk.frozen.study)
    drawings().pop(desk.study.id, None)


@st.dialog("Freeze this round", width="large")
def _freeze(desk: Desk, round: str) -> None:
    """The exact list and the hash, shown before they hold."""
    study = desk.study
    st.write(
        "Freezing fixes question, hypothesis, measure, test, stop rule, rubric and this list under a hash, by which anybody can check "
        "later that nothing was changed. Then the round can be labelled."
        + (" After the pilot, rubric and plan can still be changed." if round == "pilot" else "")
    )
    names = ", ".join(study.annotators[:6]) + (" …" if len(study.annotators) > 6 else "")
    cards.facts(
        [
            ("Question", study.question),
            ("Hypothesis", study.hypothesis or "none"),
            ("Measure", study.measure),
            ("Test", study.test or "none"),
            ("Annotators", f"{names}; {study.per_item} an item"),
            ("Rubric", f"version {study.rubric.version}"),
            ("Hash", study_hash(study, round)),
        ]
    )
    if any(re.fullmatch(r"Annotator \d+", name) for name in study.annotators):
        st.warning(
            "Names such as Annotator 1 are placeholders. The real ones are written on the tab People, and cannot be changed "
            "for a round that is frozen.",
            icon=":material/info:",
        )
    if not (desk.piloted and desk.revision):
        outdated(desk, "freeze")
    repeating(desk, round, "freeze")
    items = len(plain(study.items, round))
    st.caption(f"{round.capitalize()} round: {parts(study, round)}")
    cells.show(rows(study, round), height=240, key="freeze_list", **looks_of(study, room=1.9))
    _confirm(f"Freeze {cards.count(items, 'item')}", "lock", "freeze_now", _freeze_now, desk, round)


def _confirm(label: str, icon: str, key: str, what: Any, *given: Any) -> None:
    """The foot of a dialog: do it, or not; both close it."""
    with st.container(horizontal=True, gap="small"):
        done = st.button(label, type="primary", icon=f":material/{icon}:", key=key, on_click=what, args=given)
        if st.button("Cancel", type="tertiary", key=f"{key}/cancel") or done:
            st.rerun()


def _freeze_now(desk: Desk, round: str) -> None:
    try:
        rounds.freeze(session.workbench(), desk.study, round)
    except WorkbenchError as error:
        st.session_state.design_problem = f"{error.what} {error.todo}"
        return
    st.session_state.design_note = f"The {round} round is frozen and can be labelled."


def _go(page: str, **address: str) -> None:
    st.switch_page(page, query_params=address)


def _labelling(desk: Desk) -> None:
    standing, round, who = desk.standing, desk.frozen.round, _turn(desk)
    begun = sum(one.done for one in standing.people)
    where = {"pilot": "the pilot", "main": "the main round", "adjudication": "what is disputed"}[round]
    with _next(
        f"label {where}",
        f"{begun:,} of {cards.count(begun + standing.open, 'screen')} are labelled. Choose whose turn it is "
        f"below, or send everybody the link of their own.{_alone(desk)}",
    ):
        if st.button(f"Label as {cards.plain(who.annotator)}", type="primary", icon=":material/edit:", key="label"):
            _go(LABEL, study=desk.study.id, annotator=who.annotator)
        _look(desk)
        _keep(desk)
        if st.button(
            "End the round",
            type="tertiary",
            key="close",
            help="For a round that will not be finished: what is labelled so far is what there is.",
        ):
            _close(desk)


def _alone(desk: Desk) -> str:
    several = len(desk.frozen.study.at_work(desk.frozen.round)) > 1
    return " Do not talk about items before the round is done." if several else ""


def _turn(desk: Desk) -> Any:
    """Who labels next: whoever has begun, with the least done; None where all is done."""
    left = [one for one in desk.standing.people if one.done < one.assigned]
    return max(left, key=lambda one: (one.partial + one.done > 0, -one.done), default=None)


def unlabelled(desk: Desk) -> str:
    """What has fewer labels than the design wants, in a sentence; "" where nothing has."""
    wanted, standing = desk.frozen.study.per_item, desk.standing
    told = [
        f"{cards.count(items, 'item')} {'has' if items == 1 else 'have'} {cards.count(labels, 'label') if labels else 'no label'}"
        for labels, items in standing.short.items()
    ]
    said = f"{' and '.join(told)} instead of {wanted:,}. " if told else ""
    if standing.undecided:
        said += f"{cards.count(standing.undecided, 'disputed item')} {'is' if standing.undecided == 1 else 'are'} undecided. "
    return said


@st.dialog("End the round")
def _close(desk: Desk) -> None:
    """What stays without labels, before it does."""
    after = {
        "pilot": "The pilot can be analysed, and the main round frozen, with the labels there are.",
        "main": "Adjudication and analysis follow, with the labels there are.",
        "adjudication": "What nobody decided counts as the majority of the annotators says.",
    }
    st.write(f"{cards.count(desk.standing.open, 'screen')} of this round would stay open: {unlabelled(desk)}")
    st.write(
        f"Nobody can label in it any more. {after[desk.frozen.round]} The record says that the round was ended before it was "
        "done."
    )
    _confirm("End the round", "block", "close_now", _change, rounds.close, desk)


@st.dialog("Hand over what is open")
def _hand_over(desk: Desk, found: HandOver) -> None:
    """Who gets how many items, before they do."""
    round, name = desk.frozen.round, cards.plain(found.annotator)
    st.write(
        f"**{name}** leaves the {ROUNDS[round].lower()} round. {cards.count(found.kept, 'item')} labelled so far stay as they are."
    )
    if found.given:
        cells.show(
            [{"Goes to": who, "Open items": number} for who, number in found.given.items()],
            hide_index=True,
            height="content",
            key="given",
        )
    if found.short:
        rest = (
            "left undecided" if round == "adjudication" else "left with a label fewer than planned: all others have them already"
        )
        st.warning(f"{cards.count(found.short, 'open item')} can go to nobody, {rest}.", icon=":material/info:")
    more = " and is not in the plan of the main round any more" if round == "pilot" else ""
    st.write(
        f"{name} can label no more in this round{more}. The study gets a new version that says so; labels given "
        "before stay valid."
    )
    _confirm("Hand over", "move_item", "hand_over_now", _change, rounds.hand_over, desk, found.annotator)


def _change(what: Any, desk: Desk, *given: str) -> None:
    """Callback: a new version of the round in use."""
    try:
        frozen = what(session.workbench(), desk.study.id, *given)
    except WorkbenchError as error:
        st.session_state.design_problem = f"{error.what} {error.todo}"
        return
    st.session_state.design_note = f"Recorded as version {frozen.version}, frozen as {frozen.hash[:12]}."


def _look(desk: Desk, label: str = "Agreement so far", **more: Any) -> None:
    """A way to the agreement page, once there is something on it."""
    round = {"adjudication": "main"}.get(desk.frozen.round, desk.frozen.round)
    if desk.standing.agreement is not None and st.button(label, icon=":material/handshake:", key="agreement", **more):
        st.session_state.setdefault("analysed", set()).add((desk.study.id, round))
        _go(AGREE, source=desk.study.id, of_round=round)


def alpha_words(desk: Desk) -> str:
    """What the labels of the round say of the rubric, in a sentence."""
    from core.agreement import coefficients, sources

    found = desk.standing.agreement
    if found is None:
        return ""
    if found.value is None:
        return f"Alpha is {found.note}."
    interval = "" if found.low is None else f", 95% interval {found.low:.3f} to {found.high:.3f}"
    unit = {"sentences": "sentence", "helpful": "answer", "preference": "pair"}[desk.study.ask[0]]
    of = f" of {sources.drawn(desk.study, found.drawn)}" if unit == "sentence" else ""
    by = "both" if len(desk.frozen.study.annotators) == 2 else "two or more"
    judged = f"{cards.count(found.items, unit)}{of} judged by {by}"
    return f"Alpha {found.value:.3f}{interval}, {judged}: {coefficients.word(found)}.".replace("-0.", "−0.").replace("-1.", "−1.")


def _revise(desk: Desk) -> None:
    seen = (desk.study.id, "pilot") in st.session_state.get("analysed", ())
    lacks, value = missing(desk, "main"), desk.standing.agreement and desk.standing.agreement.value
    unclear = value is not None and value < standing.TENTATIVE and len(desk.frozen.study.rubrics) == 1
    drawn, new = len(plain(desk.study.items, "main")), desk.study.rubric
    items = f"Still missing: {'; '.join(lacks)}." if lacks else f"{cards.count(drawn, 'main item')} drawn{needed_words(desk)}."
    if desk.revision:
        said = f"You have begun version {new.version} of the rubric. The main round waits until it is put in force, or discarded."
        title = f"{'' if new.changed else 'say what it changes, and '}put version {new.version} of the rubric in force"
    elif not seen:
        said = f"{_ended(desk)}{alpha_words(desk)} Differences show where the rubric is unclear."
        title = "see how far the annotators agree"
    elif unclear:
        said = f"{alpha_words(desk)} Say in it what the annotators read differently, so that the main round fares better."
        title = "make the rubric clearer"
    else:
        said = f"{alpha_words(desk)} {items} Or stop here: the pilot's labels can be exported."
        title = "freeze the main round"
    with _next(title, said):
        if desk.revision or (seen and unclear):
            if desk.revision and new.changed:
                st.button(
                    f"Put version {new.version} in force",
                    type="primary",
                    icon=":material/gavel:",
                    key="put_in_force",
                    on_click=put_in_force,
                    args=(desk,),
                )
            else:
                st.button(
                    "Say it on the tab Rubric" if desk.revision else "Revise the rubric",
                    type="primary",
                    icon=":material/edit_note:",
                    key="to_rubric",
                    on_click=_open,
                    args=("Rubric",),
                )
        elif not seen:
            _look(desk, "Analyse the pilot", type="primary")
        look = "primary" if seen and not unclear else "secondary"
        if not desk.revision and st.button(
            "Freeze the main round", type=look, icon=":material/lock:", key="freeze", disabled=bool(lacks)
        ):
            _freeze(desk, "main")
        if seen:
            _look(desk, "Agreement of the pilot", type="tertiary")
        st.button("Export", type="tertiary", key="to_record", on_click=_open, args=("Record",))
        _keep(desk)


def needed_words(desk: Desk) -> str:
    """How many main items the pilot's values ask for."""
    goal = usual_goal(desk.study)
    pilot = from_pilot(desk.frozen.study, latest.labels(session.workbench(), desk.study.id, "pilot")).values.get(goal)
    if pilot is None:
        return "; the tab Power says how many it needs"
    values = power.ASSUMED[goal] | fitted(goal, pilot, power.ASSUMED[goal].get("difference", 0.0))
    number = power.items_for(goal, values, desk.study.per_item)
    aim = f"a half-width of {values['target']:g}" if goal == "rate" else f"a power of {values['target']:g}"
    many = f"{number:,} {noun(goal)}" if number else f"more than 100,000 {noun(goal)}"
    return f"; for {aim} the pilot's values ask for {many}: see the tab Power"


def _open(tab: str) -> None:
    st.session_state.section = tab


def _adjudicate(desk: Desk) -> None:
    if desk.frozen.round == "adjudication":
        return _labelling(desk)
    count = desk.standing.disputed
    parts = " and ".join(
        cards.count(number, what) + " that not all could judge" * (what == "item")
        for what, number in desk.standing.differ.items()
    )
    with _next(
        f"decide {cards.count(count, 'disputed item')}",
        f"{_ended(desk)}{alpha_words(desk)} They differ in {parts}. Somebody who "
        "knows the rubric decides these; the labels so far stay as they are. Name who does, with commas between several.",
    ):
        place = st.container(width="content")
        names = st.text_input("Adjudicators", "Adjudicator", key="adjudicators", width=200, label_visibility="collapsed")
        people = [name.strip() for name in names.split(",") if name.strip()]
        if place.button("Open adjudication", type="primary", icon=":material/gavel:", key="adjudicate", disabled=not people):
            rounds.open_adjudication(session.workbench(), desk.study.id, people)
            st.rerun()
        _look(desk, "Analyse without it")


def _ended(desk: Desk) -> str:
    """Why labelling is over, and what it leaves open."""
    stopped, few = desk.standing.stopped, unlabelled(desk)
    why = f"The stop rule ends the labelling: {stopped}. " if stopped else "" if few else "All is labelled. "
    return why + few


def _analyse(desk: Desk) -> None:
    with _next("analyse the study", f"{_ended(desk)}{alpha_words(desk)}"):
        _look(desk, "Analyse", type="primary")
        st.button("Export labels", icon=":material/download:", key="to_record", on_click=_open, args=("Record",))


# --- people in a round -----------------------------------------------------------------------------------------------


def _people(desk: Desk) -> None:
    st.fragment(_progress, run_every=ASKS_AGAIN_S if desk.standing.open else None)(desk)
    if desk.standing.open:  # not in the fragment: a token is shown until something else is clicked
        _links(desk, list(desk.frozen.study.at_work(desk.frozen.round)))


def _progress(desk: Desk) -> None:
    """Each annotator with what is done; looks again by itself."""
    with cards.calm():
        workbench, frozen = session.workbench(), desk.frozen
        found, attention = standing.progress(workbench, frozen), standing.attention(workbench, frozen)
        if desk.standing.open and not any(one.assigned - one.done for one in found):
            st.rerun()
        here, turn = frozen.study.at_work(frozen.round), _turn(desk)
        if frozen.round == "adjudication":  # whose labels are decided on: what is known of them is not forgotten
            main = frozen._replace(round="main")
            known = standing.attention(workbench, main)
            for one in standing.progress(workbench, main):
                _line(one, known.get(one.annotator), "main round")
        for one in found:
            gone = one.annotator not in here
            link, more = _line(one, attention.get(one.annotator), "stopped" if gone else "")
            if gone:
                continue
            if turn is None or one.annotator != turn.annotator:  # the blue button is for that one
                link.page_link(
                    LABEL,
                    label="Label" if one.done < one.assigned else "Look",
                    icon=":material/edit:",
                    query_params={"study": frozen.study.id, "annotator": one.annotator},
                )
            if one.done < one.assigned and more.button(
                "Hand over",
                key=f"{frozen.study.id}/leave.{one.annotator}",
                type="tertiary",
                icon=":material/move_item:",
                help="This person left: what they have not labelled goes to the others. Shows first what would go to whom.",
            ):
                st.session_state.design_leaver = one.annotator
                st.rerun()


def _line(one: standing.AnnotatorProgress, seen: Any, first: str) -> Any:
    """How far an annotator is, with room for what can be done at the right."""
    name, bar, *room = st.columns([2, 4, 1.3, 1.7], vertical_alignment="center")
    name.html(f'<div class="gw gw-who">{escape(one.annotator)}</div>')
    share = one.done / one.assigned if one.assigned else 1.0
    words = [
        first,
        f"{one.done:,} of {one.assigned:,}",
        f"{one.partial:,} begun" if one.partial else "",
        "" if one.seconds_median is None else f"median {_clock(one.seconds_median)} an item",
    ]
    text = escape(" · ".join(filter(None, words)))
    if seen and seen.asked:
        known = f"{seen.right} of {cards.count(seen.asked, 'known sentence')} right"
        text += f' · <span class="gw-warn">{known}: look at these labels first</span>' if seen.careless else f" · {known}"
    bar.html(
        f'<div class="gw gw-job"><div class="gw-bar"><i style="width:{share:.1%}"></i></div>'
        f'<div class="gw-small">{text}</div></div>'
    )
    return room


def _clock(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else cards.duration(seconds)


def _links(desk: Desk, names: list[str]) -> None:
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
                key = f"{desk.study.id}/token.{name}"
                st.button(
                    "New token",
                    key=key,
                    icon=":material/key:",
                    on_click=_issue,
                    args=(desk, name),
                    help="An earlier token of this person no longer holds.",
                )
                if token := issued.get((desk.study.id, name)):
                    st.code(token, language=None)
                    st.caption("Shown until this list is closed: copy it now. Only its hash is kept.")


def _issue(desk: Desk, name: str) -> None:
    st.session_state.issued[desk.study.id, name] = tokens.issue_token(session.workbench(), desk.study.id, name)


# --- record and files ------------------------------------------------------------------------------------------------


def record(desk: Desk) -> None:
    """What was frozen and when, whether it still holds, and labels as files."""
    left, right = st.columns(2, gap="large")
    with left:
        _preregistration(desk)
        _versions(desk)
    with right:
        if desk.frozen.hash:
            _export(desk)
            _import(desk)
            _label_studio(desk)
        else:
            st.caption("Labels can be exported and imported once a round is frozen.")


def _preregistration(desk: Desk) -> None:
    frozen = desk.frozen
    st.markdown("**Preregistration**")
    if not frozen.hash:
        return st.caption("Nothing is frozen yet. Freezing stamps the plan, the rubric and the list of items with a hash.")
    cards.facts([("Round", ROUNDS[frozen.round]), ("Frozen", _when(frozen.created)), ("Hash", frozen.hash)])
    if st.button("Check it", icon=":material/verified:", key="check", help="Are records and labels what was frozen?"):
        with st.spinner("Reading every version and label", show_time=True):
            st.session_state.design_check = (frozen.id, checking.check(session.workbench(), frozen.study.id))
    id, found = st.session_state.get("design_check", ("", None))
    if id == frozen.id and found.ok:
        st.success(
            f"All versions are what their hashes say, and {cards.count(found.labels, 'label record')} fit them.",
            icon=":material/verified:",
        )
    elif id == frozen.id:
        st.error(
            "The study is not what was frozen:\n\n" + "\n".join(f"- {cards.plain(text)}" for text in found.findings),
            icon=":material/error:",
        )
    if id == frozen.id and found.notes:
        st.caption("Recorded on the way:\n\n" + "\n".join(f"- {cards.plain(text)}" for text in found.notes))


def _versions(desk: Desk) -> None:
    st.markdown("**Versions**")
    table = [
        {
            "No.": one.version,
            "Recorded": _when(one.created),
            "Round": one.round.capitalize(),
            "Items": len(plain(one.study.items)),
            "Rubric": one.study.rubric.version,
            "Hash": one.hash[:12],
        }
        for one in reversed(versions.history(session.workbench(), desk.study.id))
    ]
    cells.show(table, hide_index=True, height="content" if len(table) < 8 else 280, key="versions")
    with st.popover("On the command line", icon=":material/terminal:"):
        id = desk.study.id
        st.code(
            "\n".join(
                f"python -m core annotate {words}"
                for words in (
                    f"show {id}",
                    f"freeze {id} pilot",
                    f"progress {id}",
                    f"hand-over {id} ANNOTATOR",
                    f"close {id}",
                    f"check {id}",
                    f"export {id}",
                    f"import {id} FILE",
                )
            ),
            language="bash",
        )


def _when(created: str) -> str:
    return created[:16].replace("T", " ") + " UTC"


def _export(desk: Desk) -> None:
    st.markdown("**Export**")
    id = desk.study.id
    offered = [name for name in FORMATS if name != "dpo" or len(systems_of(desk.study)) > 1]  # pairs need two answers
    one, two = st.columns([1, 2])
    round = one.selectbox("Round", list(ROUNDS), key="export_round", format_func=ROUNDS.get)
    usual = [name for name in offered if name in exports.usual(desk.study)]
    stars = "dpo" in offered and "dpo" not in usual
    formats = two.pills(
        "Formats",
        offered,
        default=usual,
        key=f"{id}/export_formats",
        format_func=FORMATS.get,
        selection_mode="multi",
        help="The DPO pairs of this study would rest on the stars alone: nobody chose between two answers." if stars else None,
    )
    st.download_button(
        "Download ZIP",
        _zipped(id, formats, round),
        f"{id}.zip",
        "application/zip",
        key="export_zip",
        type="primary",
        icon=":material/download:",
        disabled=not formats,
        on_click="ignore",
    )
    with st.expander("Or write the files into a folder", key=f"{id}/export_folder"):
        folder = st.text_input(
            "Folder on the machine that runs Groundwork",
            str(FOLDER / id),
            key=f"{id}/folder",
            help="It is made where it is not there.",
        )
        if st.button("Write", icon=":material/folder:", key="export_labels", disabled=not formats or not folder.strip()):
            place = FOLDER.parent / folder.strip()  # an absolute path stands for itself
            with st.spinner("Writing the files", show_time=True):
                st.session_state.design_export = (id, exports.export(session.workbench(), id, formats, place, round))
    kept, made = st.session_state.get("design_export", ("", None))
    if kept == id:
        told = ", ".join(f"{number:,} {what}" for what, number in made.counts.items())
        st.caption(f"{cards.plain(made.folder)}: {told}, and manifest.json with the checksums")
        cells.show(
            [{"File": one["name"], "Size": cards.size(one["bytes"])} for one in made.files],
            hide_index=True,
            height="content",
            key="exported",
        )


def _zipped(id: str, formats: list[str], round: str) -> Callable[[], bytes]:
    """The files of an export with their manifest, made at the click."""
    workbench = session.workbench()

    def made() -> bytes:
        import io
        import zipfile

        with tempfile.TemporaryDirectory() as folder, io.BytesIO() as file:
            exports.export(workbench, id, formats, Path(folder) / id, round)
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zip:
                for path in sorted((Path(folder) / id).iterdir()):
                    zip.write(path, f"{id}/{path.name}")
            return file.getvalue()

    return made


def _names(text: str) -> dict[str, str]:
    """Name in the file -> annotator, from lines "them = Annotator 1"."""
    pairs = (line.rpartition("=") for line in text.splitlines() if "=" in line)
    return {before.strip(): after.strip() for before, _, after in pairs if before.strip() and after.strip()}


def _import(desk: Desk) -> None:
    st.markdown("**Import**")
    id = desk.study.id
    given = st.file_uploader("Labels as JSONL, CSV or Label Studio's JSON", ["jsonl", "csv", "json"], key=f"{id}/import")
    names = st.text_area(
        "Names in the file, one a line: name = annotator",
        key=f"{id}/import.names",
        height=68,
        placeholder="label-studio-user = Annotator 1",
    )
    if given is None:
        return
    replace = st.checkbox(
        "Replace labels that say otherwise",
        key=f"{id}/import.replace",
        help="Without it they are told, and stay as they are. What a file does not speak of always stays.",
    )
    with st.container(horizontal=True, gap="small"):
        asked = st.button("Import", icon=":material/upload:", key="import_labels")
        known, problems = st.session_state.get("design_import", ("", ()))
        known = known == (id, given.file_id)
        good = known and problems and st.button("Import the good labels only", key="import_good")
    if asked or good:
        try:
            found = _imported(id, given, bool(good), _names(names), replace)
            st.session_state.design_import = ("", ())
            st.success(f"{_taken(found)}.", icon=":material/check:")
        except label_files.ImportProblems as error:
            st.session_state.design_import = ((id, given.file_id), error.problems)
            st.rerun()
    elif known and problems:
        st.error(
            f"{cards.count(len(problems), 'problem')}, so nothing was imported. Mend the file, or import the good labels only.",
            icon=":material/error:",
        )
        cells.show(
            [{"Line": one.line, "Problem": one.what, "What to do": one.todo} for one in problems],
            hide_index=True,
            height="content" if len(problems) < 8 else 280,
            key="import_problems",
        )


def _taken(found: imports.Imported) -> str:
    """What an import took and left, in words."""
    told = {"of them in place of others": found.replaced, "of them with what others had left open": found.completed}
    more = "".join(f", {number:,} {what}" for what, number in told.items() if number)
    since = f" ({found.changed:,} of them changed or taken back here since, and left so)" if found.changed else ""
    left = f", {cards.count(len(found.problems), 'row')} left out" if found.problems else ""
    return f"{cards.count(found.added, 'label')} added{more}, {found.known:,} were here already{since}{left}"


def _imported(study: str, given: Any, keep_good: bool, names: dict[str, str], replace: bool) -> imports.Imported:
    """The name of the file is the sender's text: only its ending is used."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"labels{Path(given.name).suffix.lower()[:6]}"
        path.write_bytes(given.getvalue())
        return imports.import_labels(session.workbench(), study, path, keep_good, names, replace)


def _label_studio(desk: Desk) -> None:
    with st.expander("Label Studio server"):
        st.caption("Another place to label in. Groundwork reads the key from LABEL_STUDIO_API_KEY and never stores it.")
        id = desk.study.id
        url = st.text_input(
            "Address", key="label_studio_url", placeholder="http://127.0.0.1:8080, or leave empty for LABEL_STUDIO_URL"
        )
        if "@" in url:  # a job's command line can be read by everybody on this machine
            st.error("The address holds a name or password. Leave it out: the key comes from LABEL_STUDIO_API_KEY.")
            return
        where = ["--url", url.strip()] if url.strip() else []
        sent = ["annotate", "push", id, *where]
        jobs.start_button("Push as a new project", sent, f"Pushing {id} to Label Studio", icon=":material/cloud_upload:")
        if (job := jobs.latest(sent)) and job.status == "done" and isinstance(job.result, dict):
            st.caption(
                cards.plain(f"Project {job.result.get('project')}, {job.result.get('tasks'):,} tasks, pushed {_ago(job)}.")
            )
        project = st.number_input(
            "Project to pull from", 0, 10_000_000, key="label_studio_project", help="The number in its address."
        )
        names = st.text_area("Names there, one a line: name = annotator", key="label_studio_names", height=68)
        good = st.toggle("Good labels only, if some have problems", key="label_studio_good")
        replace = st.toggle("Replace labels that say otherwise", key="label_studio_replace")
        mapped = [word for name, who in _names(names).items() for word in ("--as", f"{name}={who}")]
        taken = [
            "annotate",
            "pull",
            id,
            str(project),
            *where,
            *mapped,
            *(["--keep-good"] if good else []),
            *(["--replace"] if replace else []),
        ]
        if project:
            jobs.start_button("Pull its labels", taken, f"Pulling labels of {id}", icon=":material/cloud_download:")
        if project and (job := jobs.latest(taken)) and job.status == "done" and isinstance(job.result, dict):
            st.caption(f"{_taken(imports.Imported(**job.result))}; pulled {_ago(job)}.")


def _ago(job: Any) -> str:
    import time

    return f"{cards.duration(max(time.time() - (job.finished or job.created), 1))} ago"
