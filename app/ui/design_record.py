"""The page Study design after the draft: the step under way and its one button, who is how far, the record, and files.

What is frozen can be checked at any time; labels leave and enter as files or through a Label Studio server.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, jobs
from app.ui.design_tabs import LOOKS, Desk, rows
from core import annotation_lab as lab
from core import design_lab as design
from core.annotation.study import study_hash
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
@media (max-width: 1100px) {
  :is(.st-key-design_rubric, .st-key-design_power, .st-key-design_record) > div > .stHorizontalBlock > .stColumn { min-width: 100%; }
}
</style>"""


def stepper(desk: Desk) -> None:
    """Where the study stands."""
    study, now = desk.study, design.STEPS.index(desk.standing.step)
    pilot, main = (len(design.plain(study.items, name)) for name in ("pilot", "main"))
    skipped = now > 1 and not any(one.round == "pilot" for one in lab.history(session.workbench(), study.id))
    notes = {"Draft": f"{len(study.annotators)} annotators", "Pilot": "skipped" if skipped else f"{pilot:,} items",
             "Revise": "skipped" if skipped else f"rubric {study.rubric.version}", "Main": f"{main:,} items" if main else "items to draw",
             "Adjudicate": f"{desk.standing.disputed:,} disputed" if now >= 3 else "", "Analyse": ""}  # fmt: skip
    marks = "".join(f'<li class="{"done" if n < now else "now" if n == now else ""}"{" aria-current=step" if n == now else ""}>'
                    f"{'✓ ' if n < now else ''}{step}<small>{notes[step]}</small></li>" for n, step in enumerate(design.STEPS))  # fmt: skip
    st.html(f'{STYLE}<ol class="gw gw-steps" aria-label="Steps of the study">{marks}</ol>')


def next_step(desk: Desk) -> None:
    """What to do now, with the one button that does it."""
    with st.container(border=True, key="next_step"):
        {"Draft": _draft, "Pilot": _labelling, "Revise": _revise, "Main": _labelling, "Adjudicate": _adjudicate,
         "Analyse": _analyse}[desk.standing.step](desk)  # fmt: skip
        if desk.frozen.hash and desk.standing.people:
            _people(desk)


@contextmanager
def _next(title: str, text: str) -> Iterator[None]:
    """What to do and why; the buttons that do it come inside."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="next_head"):
        st.html(f'<div class="gw"><div class="gw-strong">Next: {escape(title)}</div><div class="gw-small">{escape(text)}</div></div>',
                width="stretch")  # fmt: skip
        yield


def missing(desk: Desk, round: str) -> list[str]:
    """What a study needs before this round can be frozen."""
    study = desk.study
    return [text for text, wanted in [
        ("items: draw them on the tab Items", not design.plain(study.items, round)),
        ("a question: say it on the tab Plan", not study.question.strip()),
        ("a primary measure: say it on the tab Plan", not study.measure.strip()),
        (f"{study.per_item} annotators: name them on the tab People", len(study.annotators) < study.per_item),
        ("a decision on the changed rubric: put it in force or discard it, on the tab Rubric", desk.piloted and desk.revision),
    ] if wanted]  # fmt: skip


def _draft(desk: Desk) -> None:
    pilot, main = (design.plain(desk.study.items, name) for name in ("pilot", "main"))
    round = "pilot" if pilot or not main else "main"
    lacks, screens = missing(desk, round), 0
    if not lacks:
        screens = max((one.items + one.repeats + one.attention for one in design.loads(desk.study, round)), default=0)
    with _next(f"look through the tabs, then freeze the {round}",
         f"Still missing: {'; '.join(lacks)}." if lacks else
         f"Everything is filled in: {len(pilot or main):,} items, {len(desk.study.annotators)} annotators with up to {screens:,} screens. "
         "Change what you like below first. Once frozen, the round can be labelled."):  # fmt: skip
        if st.button(f"Freeze the {round}", type="primary", icon=":material/lock:", key="freeze", disabled=bool(lacks)):
            _freeze(desk, round)
        hint = "Freezes the main round at once: nobody has tried the rubric then."
        if round == "pilot" and main and st.button("Skip the pilot", type="tertiary", key="skip_pilot", help=hint):
            _freeze(desk, "main")
        _keep(desk)


def _keep(desk: Desk) -> None:
    """A draft's changes are recorded when asked for."""
    if not desk.changed:
        return
    if desk.frozen.round == "draft":
        st.button("Save draft", icon=":material/save:", key="save_draft", on_click=_save, args=(desk,))
    st.button("Discard changes", type="tertiary", key="discard", on_click=_discard, args=(desk,))


def _save(desk: Desk) -> None:
    try:
        lab.save(session.workbench(), desk.study)
    except WorkbenchError as error:
        st.session_state.design_problem = error.what


def _discard(desk: Desk) -> None:
    st.session_state.designs.pop(desk.study.id, None)
    st.session_state.pop(f"{desk.study.id}/drawing", None)


@st.dialog("Freeze this round", width="large")
def _freeze(desk: Desk, round: str) -> None:
    """The exact list and the hash, shown before they hold."""
    study = desk.study
    st.write("From now on the round can be labelled. Question, hypothesis, measure, test, stop rule, rubric and this list are stamped "
             "with a hash: whether any of it was changed later can be checked by anybody."
             + (" After the pilot, rubric and plan can still be changed." if round == "pilot" else ""))  # fmt: skip
    names = ", ".join(study.annotators[:6]) + (" …" if len(study.annotators) > 6 else "")
    cards.facts([("Question", study.question), ("Hypothesis", study.hypothesis or "none"), ("Measure", study.measure),
                 ("Test", study.test or "none"), ("Annotators", f"{names}; {study.per_item} an item"),
                 ("Rubric", f"version {study.rubric.version}"),                 ("Hash", study_hash(study, round))])  # fmt: skip
    table = rows(study, round)
    st.caption(f"{len(table):,} entries of the {round} round, repeats and attention items among them")
    st.dataframe(table, hide_index=True, height=240, key="freeze_list", column_config=LOOKS)
    if st.button(f"Freeze {len(table):,} entries", type="primary", icon=":material/lock:", key="freeze_now",
                 on_click=_freeze_now, args=(desk, round)):  # fmt: skip
        st.rerun()  # closes the dialog


def _freeze_now(desk: Desk, round: str) -> None:
    try:
        frozen = lab.freeze(session.workbench(), desk.study, round)
    except WorkbenchError as error:
        st.session_state.design_problem = f"{error.what} {error.todo}"
        return
    _discard(desk)
    st.session_state.design_note = f"Frozen as {frozen.hash[:12]}. The {round} round can be labelled."


def _go(page: str, **address: str) -> None:
    st.switch_page(page, query_params=address)


def _labelling(desk: Desk) -> None:
    standing, round = desk.standing, desk.frozen.round
    who = max(
        (one for one in standing.people if one.done < one.assigned),
        key=lambda one: (one.partial + one.done > 0, -one.done),
    )
    begun = sum(one.done for one in standing.people)
    where = {"pilot": "the pilot", "main": "the main round", "adjudication": "what is disputed"}[round]
    with _next(f"label {where}", f"{begun:,} of {begun + standing.open:,} labels are there. Choose whose turn it is below, or send "
         "everybody the link of their own. Do not talk about items before the round is done."):  # fmt: skip
        if st.button(f"Label as {cards.plain(who.annotator)}", type="primary", icon=":material/edit:", key="label"):
            _go(LABEL, study=desk.study.id, annotator=who.annotator)
        _look(desk)
        _keep(desk)


def _look(desk: Desk, label: str = "Agreement so far", **more: Any) -> None:
    """A way to the agreement page, once there is something on it."""
    round = {"adjudication": "main"}.get(desk.frozen.round, desk.frozen.round)
    if desk.standing.agreement is not None and st.button(label, icon=":material/handshake:", key="agreement", **more):
        st.session_state.setdefault("analysed", set()).add((desk.study.id, round))
        _go(AGREE, source=desk.study.id, of_round=round)


def alpha_words(desk: Desk) -> str:
    """What the labels of the round say of the rubric, in a sentence."""
    from core.statistics.agreement.words import krippendorff_words

    found = desk.standing.agreement
    if found is None:
        return ""
    if found.value is None:
        return f"Alpha is {found.note}."
    interval = "" if found.low is None else f", 95% interval {found.low:.2f} to {found.high:.2f}"
    return f"Alpha {found.value:.2f}{interval}, {found.items:,} units: {krippendorff_words(found.value)}."


def _revise(desk: Desk) -> None:
    seen = (desk.study.id, "pilot") in st.session_state.get("analysed", ())
    if not seen:
        said = f"The pilot is labelled. {alpha_words(desk)} Differences show where the rubric is unclear."
        with _next("see how far the annotators agree", said):
            _look(desk, "Analyse the pilot", type="primary")
            if st.button(
                "Freeze the main round", icon=":material/lock:", key="freeze", disabled=bool(missing(desk, "main"))
            ):
                _freeze(desk, "main")
            _keep(desk)
        return
    lacks, value = missing(desk, "main"), desk.standing.agreement and desk.standing.agreement.value
    unclear = value is not None and value < design.TENTATIVE and len(desk.frozen.study.rubrics) == 1
    items = (
        f"Still missing: {'; '.join(lacks)}."
        if lacks
        else f"{len(design.plain(desk.study.items, 'main')):,} items are drawn."
    )
    said = ("Say in it what the annotators read differently, so that the main round fares better." if unclear else
            f"The tab Power says how many items the main round needs. {items}")  # fmt: skip
    with _next("make the rubric clearer" if unclear else "freeze the main round", f"{alpha_words(desk)} {said}"):
        if unclear:
            st.button(
                "Revise the rubric",
                type="primary",
                icon=":material/edit_note:",
                key="to_rubric",
                on_click=_open,
                args=("Rubric",),
            )
        look = "secondary" if unclear else "primary"
        if st.button("Freeze the main round", type=look, icon=":material/lock:", key="freeze", disabled=bool(lacks)):
            _freeze(desk, "main")
        _look(desk, "Agreement of the pilot", type="tertiary")
        _keep(desk)


def _open(tab: str) -> None:
    st.session_state.view = tab


def _adjudicate(desk: Desk) -> None:
    if desk.frozen.round == "adjudication":
        return _labelling(desk)
    count = desk.standing.disputed
    ended = (
        f"The stop rule ends the labelling: {desk.standing.stopped}. "
        if desk.standing.stopped
        else "The main round is labelled. "
    )
    with _next(f"decide {cards.count(count, 'disputed item')}", f"{ended}{alpha_words(desk)} Somebody who knows the rubric decides where "
         "they differ; the annotators' labels stay as they are."):  # fmt: skip
        names = st.text_input("Adjudicators, with commas between", "Adjudicator", key="adjudicators", width=280)
        people = [name.strip() for name in names.split(",") if name.strip()]
        if st.button(
            "Open adjudication", type="primary", icon=":material/gavel:", key="adjudicate", disabled=not people
        ):
            lab.open_adjudication(session.workbench(), desk.study.id, people)
            st.rerun()
        _look(desk, "Analyse without it")


def _analyse(desk: Desk) -> None:
    ended = (
        f"The stop rule ends the labelling: {desk.standing.stopped}. " if desk.standing.stopped else "All is labelled. "
    )
    with _next("analyse the study", f"{ended}{alpha_words(desk)} Export the labels on the tab Record."):
        _look(desk, "Analyse", type="primary")


# --- people in a round -----------------------------------------------------------------------------------------------


def _people(desk: Desk) -> None:
    st.fragment(_progress, run_every=ASKS_AGAIN_S if desk.standing.open else None)(desk)


def _progress(desk: Desk) -> None:
    """Each annotator with what is done; looks again by itself."""
    with cards.calm():
        workbench, frozen = session.workbench(), desk.frozen
        found, attention = lab.progress(workbench, frozen), design.attention(workbench, frozen)
        if desk.standing.open and not any(one.assigned - one.done for one in found):
            st.rerun()
        for one in found:
            name, bar, link = st.columns([2, 4, 1.6], vertical_alignment="center")
            name.text(one.annotator)
            share = one.done / one.assigned if one.assigned else 1.0
            words = [f"{one.done:,} of {one.assigned:,}", f"{one.partial:,} begun" if one.partial else "",
                     "" if one.seconds_median is None else f"median {cards.duration(one.seconds_median)} an item"]  # fmt: skip
            if (seen := attention.get(one.annotator)) and seen.asked:
                words.append(f"attention {seen.right} of {seen.asked} right")
            text = escape(" · ".join(filter(None, words)))
            bar.html(
                f'<div class="gw gw-job"><div class="gw-bar"><i style="width:{share:.1%}"></i></div>'
                f'<div class="gw-small">{text}</div></div>'
            )
            link.page_link(LABEL, label="Label" if one.done < one.assigned else "Look", icon=":material/edit:",
                           query_params={"study": frozen.study.id, "annotator": one.annotator})  # fmt: skip
        if desk.standing.open:
            _links(desk, [one.annotator for one in found])


def _links(desk: Desk, names: list[str]) -> None:
    from urllib.parse import quote, urlsplit

    tokens = desk.frozen.study.tokens
    with st.popover("Links and tokens to send" if tokens else "Links to send", icon=":material/link:"):
        place = urlsplit(st.context.url or "")
        root = f"{place.scheme}://{place.netloc}{place.path.rpartition('/')[0]}" if place.netloc else ""
        for name in names:
            st.caption(cards.plain(name))
            st.code(
                f"{root}/label_answers?study={quote(desk.study.id)}&annotator={quote(name)}",
                language=None,
                wrap_lines=True,
            )
            if tokens:
                key = f"{desk.study.id}/token.{name}"
                if st.button(
                    "New token", key=key, icon=":material/key:", help="An earlier token of this person no longer holds."
                ):
                    st.code(lab.issue_token(session.workbench(), desk.study.id, name), language=None)
                    st.caption("Shown once: copy it now. Only its hash is kept.")


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
        return st.caption(
            "Nothing is frozen yet. Freezing stamps the plan, the rubric and the list of items with a hash."
        )
    cards.facts([("Round", ROUNDS[frozen.round]), ("Frozen", _when(frozen.created)), ("Hash", frozen.hash)])
    if st.button("Check it", icon=":material/verified:", key="check", help="Are records and labels what was frozen?"):
        with st.spinner("Reading every version and label", show_time=True):
            st.session_state.design_check = (frozen.id, lab.check(session.workbench(), frozen.study.id))
    id, found = st.session_state.get("design_check", ("", None))
    if id == frozen.id and found.ok:
        st.success(
            f"All versions are what their hashes say, and {cards.count(found.labels, 'label record')} fit them.",
            icon=":material/verified:",
        )
    elif id == frozen.id:
        st.error("The study is not what was frozen:\n\n" + "\n".join(f"- {cards.plain(text)}" for text in found.findings),
                 icon=":material/error:")  # fmt: skip


def _versions(desk: Desk) -> None:
    st.markdown("**Versions**")
    table = [{"No.": one.version, "Recorded": _when(one.created), "Round": one.round.capitalize(),
              "Items": len(one.study.items),              "Rubric": one.study.rubric.version, "Hash": one.hash[:12]}
             for one in reversed(lab.history(session.workbench(), desk.study.id))]  # fmt: skip
    st.dataframe(table, hide_index=True, height="content" if len(table) < 8 else 280, key="versions")
    with st.popover("On the command line", icon=":material/terminal:"):
        id = desk.study.id
        st.code("\n".join(f"python -m core annotate {words}" for words in (
            f"show {id}", f"freeze {id} pilot", f"progress {id}", f"check {id}", f"export {id}",
            f"import {id} FILE")), language="bash")  # fmt: skip


def _when(created: str) -> str:
    return created[:16].replace("T", " ") + " UTC"


def _export(desk: Desk) -> None:
    st.markdown("**Export**")
    id = desk.study.id
    formats = st.pills(
        "Formats",
        list(FORMATS),
        default=list(FORMATS),
        key="export_formats",
        format_func=FORMATS.get,
        selection_mode="multi",
    )
    one, two = st.columns([1, 2])
    round = one.selectbox("Round", list(ROUNDS), key="export_round", format_func=ROUNDS.get)
    folder = two.text_input(
        "Folder", f"annotations/{id}", key=f"{id}/folder", help="On the machine that runs Groundwork."
    )
    if st.button("Export", icon=":material/download:", key="export_labels", disabled=not formats or not folder.strip()):
        place = lab.FOLDER.parent / folder.strip()  # an absolute path stands for itself
        with st.spinner("Writing the files", show_time=True):
            st.session_state.design_export = (id, lab.export(session.workbench(), id, formats, place, round))
    kept, made = st.session_state.get("design_export", ("", None))
    if kept == id:
        told = ", ".join(f"{number:,} {what}" for what, number in made.counts.items())
        st.caption(f"{cards.plain(made.folder)}: {told}, and manifest.json with the checksums")
        st.dataframe([{"File": one["name"], "Size": cards.size(one["bytes"]), "SHA-256": one["sha256"]} for one in made.files],
                     hide_index=True, height="content", key="exported")  # fmt: skip


def _names(text: str) -> dict[str, str]:
    """Name in the file -> annotator, from lines "them = Annotator 1"."""
    pairs = (line.rpartition("=") for line in text.splitlines() if "=" in line)
    return {before.strip(): after.strip() for before, _, after in pairs if before.strip() and after.strip()}


def _import(desk: Desk) -> None:
    st.markdown("**Import**")
    id = desk.study.id
    given = st.file_uploader(
        "Labels as JSONL, CSV or Label Studio's JSON", ["jsonl", "csv", "json"], key=f"{id}/import"
    )
    names = st.text_area("Names in the file, one a line: name = annotator", key=f"{id}/import.names", height=68,
                         placeholder="label-studio-user = Annotator 1")  # fmt: skip
    if given is None:
        return
    with st.container(horizontal=True, gap="small"):
        asked = st.button("Import", icon=":material/upload:", key="import_labels")
        known, problems = st.session_state.get("design_import", ("", ()))
        known = known == (id, given.file_id)
        good = known and problems and st.button("Import the good labels only", key="import_good")
    if asked or good:
        try:
            found = _imported(id, given, bool(good), _names(names))
            st.session_state.design_import = ("", ())
            left = f", {cards.count(len(found.problems), 'row')} left out" if found.problems else ""
            st.success(
                f"{cards.count(found.added, 'label')} added, {found.known:,} were here already{left}.",
                icon=":material/check:",
            )
        except lab.ImportProblems as error:
            st.session_state.design_import = ((id, given.file_id), error.problems)
            st.rerun()
    elif known and problems:
        st.error(f"{cards.count(len(problems), 'problem')}, so nothing was imported. Mend the file, or import the good labels only.",
                 icon=":material/error:")  # fmt: skip
        st.dataframe([{"Line": one.line, "Problem": one.what, "What to do": one.todo} for one in problems], hide_index=True,
                     height="content" if len(problems) < 8 else 280, key="import_problems")  # fmt: skip


def _imported(study: str, given: Any, keep_good: bool, names: dict[str, str]) -> lab.Imported:
    """The name of the file is the sender's text: only its ending is used."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"labels{Path(given.name).suffix.lower()[:6]}"
        path.write_bytes(given.getvalue())
        return lab.import_labels(session.workbench(), study, path, keep_good, names)


def _label_studio(desk: Desk) -> None:
    with st.expander("Label Studio server"):
        st.caption("Another place to label in. Groundwork reads the key from LABEL_STUDIO_API_KEY and never stores it.")  # fmt: skip
        id = desk.study.id
        url = st.text_input(
            "Address", key="label_studio_url", placeholder="http://127.0.0.1:8080, or leave empty for LABEL_STUDIO_URL"
        )
        where = ["--url", url.strip()] if url.strip() else []
        sent = ["annotate", "push", id, *where]
        jobs.start_button(
            "Push as a new project", sent, f"Pushing {id} to Label Studio", icon=":material/cloud_upload:"
        )
        if (job := jobs.latest(sent)) and job.status == "done" and isinstance(job.result, dict):
            st.caption(f"Project {job.result.get('project')}, {job.result.get('tasks'):,} tasks, pushed {_ago(job)}.")
        project = st.number_input(
            "Project to pull from", 0, 10_000_000, key="label_studio_project", help="The number in its address."
        )
        names = st.text_area("Names there, one a line: name = annotator", key="label_studio_names", height=68)
        good = st.toggle("Good labels only, if some have problems", key="label_studio_good")
        mapped = [word for name, who in _names(names).items() for word in ("--as", f"{name}={who}")]
        taken = ["annotate", "pull", id, str(project), *where, *mapped, *(["--keep-good"] if good else [])]
        if project:
            jobs.start_button("Pull its labels", taken, f"Pulling labels of {id}", icon=":material/cloud_download:")
        if project and (job := jobs.latest(taken)) and job.status == "done":
            st.caption(f"Pulled {_ago(job)}.")


def _ago(job: Any) -> str:
    import time

    return f"{cards.duration(max(time.time() - (job.finished or job.created), 1))} ago"
