"""Playground: the request of a trace answered again with another prompt or setting, on its passages, beside others like it."""

from typing import Any

import streamlit as st

from app import session
from app.ui import cards, evidence, forms, jobs, tables
from app.ui.answers.prompt_editor import MEANINGS
from core.config import difference
from core.context.template import BUILT_IN
from core.errors import WorkbenchError
from core.labs.answers.prompt import template_difference, template_texts
from core.report.table import Column, Table
from core.serving import rerun as lab
from core.serving import rerun_plan, rerun_verdict
from core.serving.inputs import RequestInput
from core.serving.stored_spans import TraceSearch
from core.workbench import as_options, command_line

TITLE = "Playground: answer it again with something changed"
TRACES, SEEDS = 20, 3
ANSWERS = (Column("question", width=260), Column("before", width=400), Column("after", width=400))
WHY = "New answers of a service record their prompt; so do traces of other programs that contain their prompt's messages."


def draw(trace: str, service: str) -> None:
    """service: the program that recorded it, of whose traces others are taken."""
    box = st.expander(TITLE, icon=":material/science:", key="playground", on_change="rerun")
    if box.open:
        with box:
            _playground(trace, service)


def _playground(trace: str, service: str) -> None:
    workbench = session.workbench()
    each = rerun_plan.rerunnable(workbench, trace)
    if isinstance(each, str):
        return cards.empty("This trace cannot be run again", f"{each[:1].upper()}{each[1:]}. {WHY}")
    with st.popover("The prompt as it was sent", icon=":material/description:"):
        for message in rerun_plan.prompt_of(workbench, each):
            st.caption(cards.plain(message["role"]))
            st.code(message["content"], language=None, wrap_lines=True)
    change = _change(each)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        latest = st.number_input(
            "Traces", 1, rerun_plan.MOST_TRACES, TRACES, key="rerun_traces", width=130, help="This, and the newest."
        )
        seeds = st.number_input("Seeds", 1, rerun_plan.MOST_SEEDS, SEEDS, key="rerun_seeds", width=110)
        about = "The difference that matters to you: the number of traces needed to detect it is shown beside each measure."
        size = st.number_input(
            "Difference to detect", 0.005, 1.0, rerun_verdict.SIZE, 0.01, key="rerun_size", width=170, help=about
        )
    if change.words:
        _start(each, change, int(latest), int(seeds), service)
    else:
        st.caption("Change the prompt or a setting to see its cost here.")
    _results(workbench, each, float(size))


def _change(each: RequestInput) -> rerun_plan.RerunChange:
    """What the widgets say."""
    if each.recipe is None:
        before = next((message["content"] for message in each.messages if message["role"] == "system"), "")
        system = st.text_area("System message", before, key=f"rerun_system/{each.trace}", height=110)
        return rerun_plan.RerunChange(_settings(each, ("generation",)), None if system == before else system)
    settings: dict[str, Any] = {}
    if each.passages is not None:
        before = template_texts(each.recipe.context)["template"]
        meanings = "\n".join(f"- \\${name}: {meaning}" for name, meaning in MEANINGS["template"].items())
        text = st.text_area("Prompt", before, key=f"rerun_template/{each.trace}", height=190, max_chars=4000, help=meanings)
        if text != before:
            evidence.show(evidence.difference_html(template_difference(before, text)))
            settings["context.template"] = "" if text == BUILT_IN["template"] else text
    return rerun_plan.RerunChange(settings | _settings(each, ("generation", "context", "answering")))


def _settings(each: RequestInput, stages: tuple[str, ...]) -> dict[str, Any]:
    """Of those that are picked the ones that say something else than the recipe."""
    recipe, changed = each.recipe or session.config(), {}
    knobs = {f"{stage}.{knob.name}": knob for stage in stages for knob in forms.knobs(type(getattr(recipe, stage)))}
    named = {name: f"{forms.title(name.partition('.')[0])}: {knob.label}" for name, knob in knobs.items() if knob.kind != "texts"}
    picked = st.multiselect("Settings to change", list(named), key=f"rerun_settings/{each.trace}", format_func=named.get)
    for name in picked:
        stage, _, field = name.partition(".")
        before = getattr(getattr(recipe, stage), field)
        value = forms.kept_widget(knobs[name], f"rerun/{each.trace}/{name}", before)
        changed |= {} if value == before else {name: value}
    return changed


def _start(each: RequestInput, change: rerun_plan.RerunChange, latest: int, seeds: int, service: str) -> None:
    workbench, author = session.workbench(), session.config()
    try:
        plan = rerun_plan.planned(
            workbench, [each.trace], change, seeds, latest, TraceSearch(service=service), author if each.recipe is None else None
        )
        takes = lab.rerun_cost(workbench, plan)
    except WorkbenchError as error:
        return cards.problem(error)
    arguments = ["serving", "rerun", each.trace, "--latest", str(latest), "--service", service, "--seeds", str(seeds)]
    arguments += as_options("--set", dict(change.settings))
    arguments += [] if change.system is None else [f"--system={change.system}"]
    if each.recipe is None:
        own = {name: value for name, value in difference(author).items() if name.partition(".")[0] in rerun_plan.OF_PROMPTS}
        arguments += as_options("--by", own)
    jobs.start_button("Answer again", arguments, "Answering again", takes, icon=":material/replay:", place="rerun")
    told = [f"{cards.count(len(plan.inputs), 'trace')} that asked different things"]
    if plan.seeds < seeds:
        told.append("one seed, as greedy decoding does not depend on it")
    told += [f"{count:,} left out, for {why}" for why, count in plan.left_out.items()]
    st.caption(cards.plain("; ".join(told) + "."))


def _results(workbench: Any, each: RequestInput, size: float) -> None:
    every = {made.id: made for made in lab.reruns(workbench, each.trace)}
    if not every:
        return
    look = {"format_func": lambda name: cards.plain(every[name].name), "key": f"rerun_shown/{each.trace}"}
    made = every[st.selectbox("What was tried", list(every), **look)]
    told = rerun_verdict.verdict(made, lab.tried(workbench, made), size)
    _answers(each, made)
    first, *others = rerun_verdict.sentences(told)
    st.markdown(cards.plain(first))
    tables.sentences(others)
    tables.draw(rerun_verdict.table(told, command=command_line("serving", "show-rerun", made.id, "--difference", f"{size:g}")))
    st.caption("The number of traces is planned from the spread of these: with few traces it is rough.")


def _answers(each: RequestInput, made: lab.Rerun) -> None:
    """This trace's answers by their words, and those of the others that changed."""
    seeds = [str(number) for number in range(1, made.seeds + 1)]
    at = 0 if made.seeds == 1 else seeds.index(forms.one_of("Seed", seeds, f"rerun_seed/{made.id}"))
    row = next(row for row in made.rows if row["trace"] == each.trace)
    st.caption("This answer before and after. Struck out: only before. Underlined: only after.")
    evidence.show(evidence.difference_html(template_difference(row["before_answers"][at], row["after_answers"][at])))
    if each.said:
        st.caption("As it was recorded")
        st.text(each.said)
    answers = [
        {"question": row["question"], "before": row["before_answers"][at], "after": row["after_answers"][at]} for row in made.rows
    ]
    if changed := [row for row in answers if row["before"] != row["after"]]:
        tables.draw(Table("rerun_answers", ANSWERS, changed, "Answers that changed"), f"rerun_answers/{made.id}/{at}", rows=4)
