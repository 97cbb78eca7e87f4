"""Variance components: what a number's variance comes from, whether a gain is above it, and what would settle it."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, cells, charts, forms, jobs, tables
from app.ui.scores.sources import Shown
from core.errors import WorkbenchError
from core.labs.scores import answer_file, behind
from core.labs.trials import noise as lab
from core.labs.trials.noise import Repeated
from core.workbench import command_line, one_phase

JUDGE, TRIALS, SAMPLES, FILE = "A judge's runs on these answers", "A recipe under other seeds", "Samples of answers", "A CSV file"
MOST = 20_000  # values of a table that is read while the page waits
FORM = 'One row per value: a column "value", and a column for each of up to four factors, such as question, seed, judge, build.'


def draw(shown: Shown | None) -> None:
    able = [] if shown is None else [each for each in shown.answers.measured if behind.spread(each.scores)]
    options = [*([JUDGE] if able else []), TRIALS, SAMPLES, FILE]
    if st.session_state.get("repeats_of") not in (None, *options):
        del st.session_state.repeats_of
    source = forms.one_of("Repeats", options, "repeats_of")
    workbench, dataset = session.workbench(), session.config().corpus.dataset
    readers: dict[str, Callable[[], tuple[Repeated, list[str]] | None]] = {
        JUDGE: lambda: of_runs(able),
        TRIALS: lambda: (lab.of_trials(workbench, dataset=dataset), ["--trials", "--dataset", dataset]),
        SAMPLES: lambda: (lab.of_samples(workbench, dataset), ["--samples", "--dataset", dataset]),
        FILE: of_file,
    }
    try:
        read = readers[source]()
    except WorkbenchError as error:
        cards.empty("Where the noise comes from", f"{error.what} {error.todo}")
        return
    if read is None:
        return
    repeated, words = read
    questions, *others = repeated.factors
    st.caption(cards.plain(f"Values: {repeated.what}; {len(repeated.values):,} of them, by {questions} and {', '.join(others)}."))
    gain, planned, shared, differences = asked(repeated)
    extra = [] if gain is None else ["--gain", f"{gain:g}"]
    extra += ["--planned", *planned] if planned else []
    extra += ["--shared", *shared] if shared else []
    command = ["noise-budget", *words, *extra, *(["--differences"] if differences else [])]
    if len(repeated.values) > MOST:
        takes = one_phase(cards.count(len(repeated.values), "value"), units=len(repeated.values))
        jobs.start_button(f"Decompose {len(repeated.values):,} values", command, "Variance components", takes)
        job = jobs.latest(command)
        if job and job.status == "done" and isinstance(job.result, dict):
            results(job.result, command)
        return
    record = lab.remembered(workbench, repeated, gain, planned, shared, differences)
    results(record, command)


def of_runs(able: list) -> tuple[Repeated, list[str]]:
    """Of a judge that the user chooses; a file of its runs is what the command reads."""
    by_name = {each.measure.part: each for each in able}
    name = st.selectbox("Judge", list(by_name), format_func=lambda part: by_name[part].measure.label, key="noise_of", width=300)
    repeated = lab.of_runs(by_name[name])
    rows = [
        {"answer": answer, "run": run, "value": "" if value != value else value}
        for answer, run, value in zip(*repeated.factors.values(), repeated.values.tolist(), strict=True)
    ]
    return repeated, [str(answer_file.receive(session.workbench().home, cells.to_csv(rows).encode()))]


def of_file() -> tuple[Repeated, list[str]] | None:
    sent = st.file_uploader("A table of repeats", ["csv"], key="noise_file", help=FORM)
    if sent is None:
        cards.empty("Variance components of your table", FORM)
        return None
    path = answer_file.receive(session.workbench().home, sent.getvalue())
    return lab.of_file(path), [str(path)]


def asked(repeated: Repeated) -> tuple[float | None, list[str], list[str], bool]:
    """The gain, the measurement that is planned, what both systems share."""
    _, *others = repeated.factors
    counts = {name: len(set(levels)) for name, levels in repeated.factors.items()}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        gain = st.number_input(
            "Gain", value=None, key="noise_gain", placeholder="none", format="%.4g", width=130, help="A difference of two means."
        )
        levels = {
            name: st.number_input(
                f"Planned: {name}",
                1,
                1_000_000,
                count,
                key=f"noise_planned/{name}/{count}",
                width=150,
                help="Number of levels in the measurement.",
            )
            for name, count in counts.items()
        }
        shared = st.pills("Shared by both systems", others, selection_mode="multi", key="noise_shared") if others else []
        differences = st.toggle(
            "Differences", key="noise_differences", help="The values already are differences of two systems: nothing cancels."
        )
    planned = [f"{name}={level}" for name, level in levels.items() if level != counts[name]]
    return gain or None, planned, list(shared or ()), differences


def results(record: dict[str, Any], command: list[str]) -> None:
    """The verdict in words, then a bar a component with its interval."""
    if record["verdict"]:
        above = "above the noise" in record["verdict"]
        (st.success if above else st.warning)(cards.plain(record["verdict"]), icon=":material/balance:")
    else:
        st.caption("Enter a gain to see whether it is above this noise, and what would settle it.")
    rows, made = record["components"], lab.component_table(record, command_line(*command))
    names = [row["component"] for row in rows]
    charts.show(
        charts.figure(
            charts.bars(
                names,
                {"standard deviation": [row["standard deviation"] for row in rows]},
                errors={"standard deviation": [(row["low"], row["high"]) for row in rows]},
                horizontal=True,
            ),
            "Standard deviation, in the measure's unit",
            height=90 + 34 * len(rows),
            legend=False,
        ),
        "noise_budget",
        data=rows,
        title=made.title,
        caption=f"{record['of']}: mean {record['mean']:.3f}, n {record['values']:,}, unmeasured {record['unmeasured']:,}; 95% intervals",
        method="Variance components, all factors random and crossed; intervals by an inverted parametric bootstrap test",
        command=made.command,
    )
    tables.draw(made)
    if record["notes"]:
        st.caption(cards.plain(f"{record['notes'][:1].upper()}{record['notes'][1:]}."))
