"""Agreement: how far can labels be trusted, what do they say of the systems, and can a machine stand in for people?"""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import streamlit as st

from app import session
from app.ui import agreement_tabs as tabs
from app.ui import cards
from core.agreement import cannot_judge, plan, sources, views
from core.annotation import checking, label_table, versions
from core.annotation.formats.alone import WITHOUT
from core.annotation.study import CANNOT

UPLOAD, QAGS = "Upload files", sources.QAGS.as_posix()
DESIGN = "../pages/design_study.py"
ROUNDS = {"pilot": "Pilot", "main": "Main", "": "All"}
TABS = {
    "Agreement": tabs.agreement,
    "By annotator": tabs.people,
    "By item": tabs.items,
    "As labels come in": tabs.growing,
    "Consensus": tabs.consensus_tab,
    "People against machines": tabs.machines,
}
STATES = {"met": "Met", "not met": "Not met", "split": "Met in part", "open": "Not decidable yet", "own": "To be read by you"}
STYLE = """<style>
.gw-plan { display: grid; grid-template-columns: minmax(0, 1fr) minmax(14rem, max-content); gap: .4rem 2rem; align-items: start; }
.gw-plan.rows { grid-template-columns: 1fr; }
.gw-plan p { margin: 0 0 .2rem; }
.gw-plan .said { font-size: 1.05rem; font-weight: 600; line-height: 1.35; }
.gw-plan .state { display: inline-block; margin-left: .5rem; padding: 0 .55rem; border: 1px solid currentColor; border-radius: 1rem;
  font-size: .78rem; font-weight: 600; line-height: 1.55; white-space: nowrap; vertical-align: .1em; color: var(--gw-muted); }
.gw-plan .state.met { color: var(--gw-good); }
.gw-plan .state.not { color: var(--gw-bad); }
.gw-plan table { border-collapse: collapse; }
.gw-plan td { padding: 0 0 .15rem 1rem; text-align: right; white-space: nowrap; font-size: .82rem; color: var(--gw-muted); border: 0; }
.gw-plan td:first-child { padding-left: 0; text-align: left; }
@media (max-width: 1100px) {
  .gw-plan { grid-template-columns: 1fr; }
  .gw-plan .state { display: block; width: fit-content; margin: .2rem 0; }
}
</style>"""


def page() -> None:
    question = "How far do annotators agree, what do they say together, and can a machine stand in for them?"
    cards.page_title("Agreement", question)
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
    if (source := choose(row)) is None:
        return
    round = chosen_round(row, source)
    if name := st.session_state.agreement_stored:
        with row:
            st.page_link(DESIGN, label="Study design", icon=":material/assignment:", query_params={"study": name})
    if source.study is not None and not source.rounds:
        if cards.empty(
            "Agreement among annotators",
            "Nobody has labelled anything in this study yet.",
            "Open the study",
            icon=":material/assignment:",
        ):
            st.switch_page(DESIGN, query_params={"study": name} if name else None)
        return
    if source.study is not None and source.study.question == WITHOUT:
        st.caption(WITHOUT)
    planned(source, round)
    numbers_first = st.container()  # what was judged, and how it is read, is chosen below
    if (view := read(source, round)) is None:
        return
    with numbers_first:
        tabs.headline_cards(view)
    careless(view)
    drawn = st.tabs(list(TABS), key="view", on_change="rerun", bind="query-params")
    for tab, draw in zip(drawn, TABS.values(), strict=True):
        if tab.open:
            with tab:
                draw(view)


# What is looked at ---------------------------------------------------------------------------------------------------


def choose(row: Any) -> sources.LabelSource | None:
    """The labels to look at: of a stored study, a known file, or files from this browser. Own labels come first."""
    workbench, state = session.workbench(), st.session_state
    studies = {one.study.id: one.study.title or one.study.id for one in versions.studies(workbench)}
    files = sources.known_files()
    labelled = [id for id in studies if workbench.store.labels.current(id)]
    own = [*labelled, *(id for id in studies if id not in labelled)]
    options = [*own, *sorted(files, key=lambda name: name == QAGS), UPLOAD]
    usual = labelled[0] if labelled else QAGS if QAGS in files else options[0]
    if "study" in st.query_params:  # as the other pages name it
        st.query_params["source"] = st.query_params.pop("study")
    asked = st.query_params.get("source", "")
    if asked and asked.casefold() not in {one.casefold() for one in options}:
        st.warning(
            cards.plain(f"The address asks for the labels of “{asked}”, which are not here. Shown are others."),
            icon=":material/link_off:",
        )

    def titled(name: str) -> str:
        if name in studies:
            same = sum(title == studies[name] for title in studies.values()) > 1
            return f"{studies[name]} ({name})" if same else studies[name]
        return "Example: QAGS CNN/DailyMail" if name == QAGS else name.replace("annotations/", "Export: ")

    name = addressed(
        "source", options, usual, lambda key: row.selectbox("Labels of", options, key=key, width=320, format_func=titled)
    )
    state.agreement_stored = name if name in studies else ""
    if name == UPLOAD:
        return upload()
    digest = sources.digest_of(workbench, name) if name in studies else str(files[name].stat().st_mtime_ns)
    kept = state.get("agreement_source")
    if kept is None or kept[:2] != (name, digest):
        with st.spinner("Reading the labels", show_time=True):
            found = sources.open_study(workbench, name) if name in studies else sources.open_file(files[name], name)
        kept = state.agreement_source = (name, digest, found)
    if name == QAGS:
        example(kept[2], not labelled)
    return kept[2]


def addressed(key: str, options: Sequence[str], usual: str, draw: Callable[[str], str | None]) -> str:
    """A choice that stands in the address by its name, whatever is shown for it; the usual one only where it was chosen. Nothing is
    written on arrival: that would make a step in the browser's history from which there is no way back."""
    state, asked = st.session_state, st.query_params.get(key, "")
    if asked != state.get(f"{key}_told") or key not in state:
        state[key] = {one.casefold(): one for one in options}.get(asked.casefold(), usual)
    if state[key] not in options:
        state[key] = usual
    value = draw(key) or usual
    if value.casefold() != asked.casefold() and (asked or value != usual):
        st.query_params[key] = value
    state[f"{key}_told"] = st.query_params.get(key, "")
    return value


def chosen_round(row: Any, source: sources.LabelSource) -> str:
    """The round, also where there is one: whoever reads the page has to know which it is."""
    rounds = list(source.rounds)
    if source.study is None or not rounds:
        return ""
    if len(rounds) == 1 and not st.session_state.agreement_stored:  # a file: it has no other
        return rounds[0]
    return addressed(
        "of_round",
        rounds,
        rounds[0],
        lambda key: row.segmented_control("Round", rounds, key=key, required=True, format_func=ROUNDS.get),
    )


def example(source: sources.LabelSource, alone: bool) -> None:
    """Says that these are nobody's own labels."""
    found = source.plain or sources.table_of(source, source.parts[0], source.rounds[0])
    what = (
        f"an example, QAGS (Wang, Cho and Lewis 2020): {len(found.items):,} sentences of machine-written summaries, judged by "
        f"{len(found.annotators):,} crowd workers."
    )
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.caption(f"No study of yours has labels yet. Shown is {what}" if alone else f"This is {what}", width="stretch")
        if alone and st.button("Design a study", icon=":material/assignment:", key="to_design"):
            st.switch_page(DESIGN)


def upload() -> sources.LabelSource | None:
    types = ["jsonl", "json", "csv"]
    files = st.file_uploader("Files", types, True, key="labels_files", label_visibility="collapsed")
    if files:
        return sources.open_upload([(file.name, file.getvalue()) for file in files])
    if cards.empty(
        "Agreement among annotators",
        "It is read from a study whose answers were labelled here, or from files: a CSV with the "
        "columns item, annotator and value, a file of QAGS, or an export of Groundwork or Label Studio together with its "
        "study.json. Uploaded labels are not stored.",
        "Design a study",
        icon=":material/assignment:",
    ):
        st.switch_page(DESIGN)
    return None


# The study's own question --------------------------------------------------------------------------------------------


def planned(source: sources.LabelSource, round: str) -> None:
    """The frozen question and what the labels say to it, before anything that is exploration."""
    if source.study is None or not (source.study.hypothesis or source.study.test or st.session_state.agreement_stored):
        return  # a file without a plan
    found, study = tabs.kept_of(source, ("plan", round), lambda: plan.verdict(source, round)), source.study
    frozen = as_frozen(source)
    if found is None:
        return
    part = {"sentences": "sentences", "helpful": "answers", "preference": "pairs"}[found.part]
    with st.container(border=True, key="plan"):
        state = {"met": "met", "not met": "not"}.get(found.state, "")
        said, word = escape(study.hypothesis or study.question), STATES[found.state]
        texts = [
            f'<p class="said">{said}<span class="state {state}">{word}</span></p>',
            small(f"Plan: {study.measure}. {study.test}".strip()),
            small(f"{tied(found, part, source)} {found.why}".strip()),
            small(decided(source, found)),
            frozen,
        ]
        rows = " rows" if len(found.rows) > 1 else ""
        st.html(f'{STYLE}<div class="gw gw-plan{rows}"><div>{"".join(texts)}</div>{numbers(found, part, source)}</div>')


def small(text: str) -> str:
    return f'<p class="gw-small">{escape(text)}</p>' if text else ""


def numbers(found: plan.Verdict, part: str, source: sources.LabelSource) -> str:
    """One number large; of several systems or pairs a line each."""
    level, what = f"{found.confidence:.0%}", escape(found.measure[:1].upper() + found.measure[1:])
    if len(found.rows) == 1:
        [row] = found.rows
        planned = " by bootstrap, as planned" if plan.by_bootstrap(source.study) and found.part != "preference" else ""
        interval = "no interval" if row.low is None else f"{level} interval {signed(row.low)} to {signed(row.high)}{planned}"
        of = f"{row.units:,} {'decided pairs' if part == 'pairs' else part}" + (
            f" of {sources.drawn(source.study, row.items)}" if found.part == "sentences" else ""
        )
        value = "–" if row.value is None else signed(row.value)
        whose = small(named([row])[row.name]) if row.of_two or found.part == "preference" else ""
        return (
            f'<div style="max-width: 22rem"><div class="gw-small">{what}</div>{whose}<div class="gw-value">{value}</div>'
            f'<div class="gw-small">{interval}</div><div class="gw-small">{escape(of)}</div>{small(carried(found, part, source))}'
            f"{small(row.note)}</div>"
        )
    if not found.rows:
        return ""
    ties, names = any(row.least is not None for row in found.rows), named(found.rows)
    heads = [what, "", f"{level} interval", *(["as ties fall"] if ties else []), ""]
    lines = [
        [
            names[row.name],
            "–" if row.value is None else signed(row.value),
            between(row.low, row.high),
            *([between(row.least, row.most)] if ties else []),
            "" if row.met is None else "met" if row.met else "not met",
        ]
        for row in found.rows
    ]
    cells = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>" for line in lines)
    return f"<div><table><tr>{''.join(f'<td>{head}</td>' for head in heads)}</tr>{cells}</table></div>"


def between(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{signed(low)} to {signed(high)}"


def named(rows: Sequence[Any]) -> dict[str, str]:
    """Systems, or pairs of them, by as much of their names as tells them apart."""
    word = next((word for word in (" − ", " over ") if any(word in row.name for row in rows)), " − ")
    short = tabs.drawn.named(part for row in rows for part in row.name.split(word))
    return {row.name: word.join(short[part] for part in row.name.split(word)) for row in rows}


def signed(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def carried(found: plan.Verdict, part: str, source: sources.LabelSource) -> str:
    """How the units got their label: "2 agreed, 2 by one person only; 6 tied are left out"."""
    several = found.units - found.agreed.ties - found.alone
    if part == "pairs" or not (found.agreed.ties or found.alone):
        return ""
    majority = "agreed" if len(source.study.annotators) == 2 else "by majority"
    how = {"majority": majority, "mean": "by several"}.get(found.agreed.method, f"decided or {majority}")
    told = f"{several:,} {how}" + (f", {found.alone:,} by one person only" if found.alone else "")
    return told + (
        f"; {found.agreed.ties:,} tied {'is' if found.agreed.ties == 1 else 'are'} left out" if found.agreed.ties else ""
    )


def tied(found: plan.Verdict, part: str, source: sources.LabelSource) -> str:
    """What is not decided, and how far it could move the result."""
    if len(found.rows) != 1 and part != "pairs":
        told = carried(found, part, source)
        return f"{part.capitalize()}: {told}." if told else ""
    if not found.agreed.ties:
        return ""
    verb, of = ("is", "has") if found.agreed.ties == 1 else ("are", "have")
    ties = f"{found.agreed.ties:,} of {found.units:,} {part}"
    if part == "pairs":  # what a majority calls a tie is another thing
        return f"{ties} {of} no majority and {verb} left out."
    ties += f" {verb} tied and left out"
    if len(found.rows) == 1 and found.rows[0].least is not None:
        return f"{ties}: as they are decided, the result lies between {signed(found.rows[0].least)} and {signed(found.rows[0].most)}."
    return f"{ties}."


def decided(source: sources.LabelSource, found: plan.Verdict) -> str:
    people = source.study.adjudicators or tuple({one.annotator for one in source.labels if one.round == "adjudication"})
    by = {
        "majority": "the annotators' majority says",
        "mean": "the annotators' mean is",
        "adjudicated": f"{' or '.join(people)} decided, else the annotators' majority",
    }[found.agreed.method]
    each = " Each sentence counts the same" if found.part == "sentences" else " Each counts the same"
    nobody = f"; {found.judged_by_nobody:,} more that nobody could judge are left out" if found.judged_by_nobody else ""
    return f"A label is what {by}.{each}{nobody}. No setting below moves this."


def as_frozen(source: sources.LabelSource) -> str:
    """Whether plan and labels of a stored study are still what their hash says."""
    if not (name := st.session_state.agreement_stored):
        return ""
    found = tabs.kept_of(source, ("check",), lambda: checking.check(session.workbench(), name))
    if not found.ok:
        st.error(cards.plain(f"Plan or labels are not what was frozen. {' '.join(found.findings)}"), icon=":material/gpp_maybe:")
    if not (found.ok and found.hash):
        return ""
    anew = " Each round is frozen under a hash of its own, adjudication too." if source.ruled or source.rounds[1:] else ""
    return (
        f'<p class="gw-small" title="{escape(" ".join(found.notes))}">'
        f"Plan and labels are as frozen, hash {escape(found.hash[:12])}.{anew}</p>"
    )


def careless(view: views.View) -> None:
    """Whose labels to look at before anything is concluded."""
    if not (found := plan.careless(view.source, view.round)):
        return
    said = [
        f"{one.name} {one.attention.right} of {one.attention.asked}"
        + ("" if one.seconds is None or one.seconds >= 1 else f" (median {one.seconds:.1f} s an item)")
        for one in found
    ]
    st.warning(
        cards.plain(
            f"Known sentences of the attention items labelled right: {', '.join(said)}. Look at these labels before "
            "you rely on them."
        ),
        icon=":material/priority_high:",
    )


# How it is read ------------------------------------------------------------------------------------------------------


def read(source: sources.LabelSource, round: str) -> views.View | None:
    """How the labels are read: part, level, consensus, and what counts as yes."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        part = source.parts[0]
        if len(source.parts) > 1:
            part = (
                st.segmented_control(
                    "What was judged",
                    list(source.parts),
                    default=part,
                    key="part",
                    required=True,
                    bind="query-params",
                    format_func=sources.PARTS.get,
                )
                or part
            )
        found = sources.table_of(source, part, round)
        levels = list(sources.levels(found))
        level = one_of(
            "Scale",
            levels,
            "level",
            130,
            format_func=str.capitalize,
            help="Nominal: labels are alike or not. Ordinal: by rank. Interval, ratio: by distance.",
        )
        found = sources.table_of(source, part, round, level)
        method = one_of(
            "Consensus",
            views.methods(source, found),
            "consensus",
            190,
            format_func=views.METHODS.get,
            help="How several labels become one, for the tabs Consensus and People against machines.",
        )
        positive = () if part == "preference" else yes(source, found)
    if not found.items:
        cards.empty("Agreement among annotators", f"There are no labels of this part in the {round} round yet.")
        return None
    view = views.View(source, part, round, found, method, positive, "" if level == levels[0] else level)
    strip(view)
    return view


def one_of(title: str, options: list[str], key: str, width: int, **more) -> str:
    """A choice, where there is one."""
    if len(options) == 1:
        return options[0]
    return st.selectbox(title, options, key=key, width=width, bind="query-params", **more)


def yes(source: sources.LabelSource, found: label_table.LabelTable) -> tuple[str, ...]:
    """The labels that count as yes; of numbers the least."""
    usual = views.usual_positive(found)
    if not found.categories:
        least = st.number_input(
            "Counts as yes from", None, None, float(usual[0]), 0.5, key="yes_from", bind="query-params", width=160
        )
        return (f"{least:g}",)
    chosen = st.multiselect(
        "Labels that count as yes",
        list(found.categories),
        list(usual),
        key="yes",
        bind="query-params",
        width=320,
        help="A system's share is the share of these. Agreement keeps all labels apart.",
    )
    return tuple(chosen) or usual


def strip(view: views.View) -> None:
    found, labels, source = view.found, int((view.found.values == view.found.values).sum()), view.source
    there, facts = len(set(found.item_ids)), []
    if source.study is not None:
        drawn = plan.items_of(source, view.round)
        several = st.session_state.agreement_stored or any(one.round == "pilot" for one in source.study.items)
        facts = [
            *([f"{ROUNDS[view.round]} round"] if several else []),
            cards.count(there, "item") if there == drawn else f"{there:,} of {drawn:,} items",
        ]
    nobody = cannot_judge.judged_by_nobody(found, tabs.cannot_of(view))
    units = [] if source.study is not None and view.part != "sentences" else [f"{len(found.items) + nobody:,} {view.units}"]
    units += [f"{nobody:,} {view.units if not units else 'of them'} cannot be judged"] if nobody else []
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        cards.status_strip([*facts, *units, cards.count(len(found.annotators), "annotator"), cards.count(labels, "label")])
        with st.popover("Reproduce", icon=":material/terminal:"):
            st.caption("The command that computes the coefficients. The address of this page restores the view.")
            st.code(view.command(), language="bash", wrap_lines=True)
    if told := counted(view, nobody):
        st.caption(cards.plain(told))


def counted(view: views.View, nobody: int) -> str:
    """How the numbers of the page follow from one another; "" where everybody judged everything."""
    by = (view.found.values == view.found.values).sum(axis=1)
    cannot, labels, one = sum(map(len, tabs.cannot_of(view).values())), int(by.sum()), int((by == 1).sum())
    if not (cannot or one):
        return ""
    both = "both" if len(view.found.annotators) == 2 else "two or more"
    given = f"{labels + cannot:,} labels were given, {cannot:,} of them “{tabs.title(view, CANNOT)}”. " if cannot else ""
    parts = [
        f"{int((by > 1).sum()):,} judged by {both}",
        *([f"{one:,} by one person"] if one else []),
        *([f"{nobody:,} by nobody"] if nobody else []),
    ]
    return f"{given}Of {cards.count(len(by) + nobody, view.units.removesuffix('s'))}, {', '.join(parts[:-1])} and {parts[-1]}."


page()
