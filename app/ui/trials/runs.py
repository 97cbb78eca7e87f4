"""Runs in TREC's format on the page: uploaded ones and ticked trials, measured, compared and fused, and a trial as such a run."""

import gzip
from collections.abc import Sequence
from typing import Any, NamedTuple

import streamlit as st

from app import session
from app.ui import cards, charts, dots, forms, tables
from app.ui.export import download
from core import registry
from core.config import PartConfig
from core.errors import WorkbenchError
from core.labs.runs import measuring, trec
from core.labs.runs.sent import SentFile, kept_report, named_apart, sent_judgements, sent_run
from core.labs.runs.trials import run_of
from core.labs.trials import comparison
from core.labs.trials.comparison import Trial
from core.records import Query
from core.workbench import as_options, command_line

DEPTH = 1000  # documents of a question in a file
NONE = "none"
TIES = {"id": "larger id first, as trec_eval", "file": "order of the file"}


class Read(NamedTuple):
    """A run with the word that names it in a command."""

    run: trec.TrecRun
    word: str
    key: str  # another one where its content is another


class Judged(NamedTuple):
    """Questions with graded documents. before: the command that writes them as a file."""

    questions: tuple[Query, ...]
    notes: tuple[str, ...]
    word: str
    key: str
    before: str = ""


def draw(ticked: list[Trial]) -> None:
    """ticked: the trials that are chosen in the table."""
    left, right = st.columns(2, gap="medium")
    files = left.file_uploader("Runs, plain or .gz", accept_multiple_files=True, key="run_files", help=trec.FORM)
    qrels = right.file_uploader("Judgements (qrels), plain or .gz", key="qrels_file", help="A line: question 0 document grade.")
    measured = {trial.id: trial for trial in ticked if trial.metrics}
    joined = st.multiselect(
        "Ticked trials beside them",
        list(measured),
        format_func=dict(zip(measured, comparison.labels([*measured.values()]), strict=True)).get,
        key="runs_of_trials",
        disabled=not measured,
        placeholder="Trials that are ticked in the table" if measured else "Tick trials in the table to set them beside runs",
    )
    ties = forms.one_of("Equal scores", TIES, "run_ties")
    runs = _read(files, [measured[trial] for trial in joined], ties)
    judged = _judged(qrels, runs, joined)
    if not runs or judged is None:
        return (
            cards.empty(
                "Runs of any system, measured and compared",
                "Give one run or more in TREC's format (question Q0 document rank score tag) and the judgements of their topics "
                "(question 0 document grade). Only ids are needed, no corpus. Uploaded files are not stored. The button “As a "
                "run” of a trial exports such a run.",
            )
            and None
        )
    fusion = _fusion(len(runs))
    words = st.multiselect(
        "Metrics", measuring.METRICS, measuring.METRICS, accept_new_options=True, key="run_metrics", help="NAME@DEPTH: map@1000"
    )
    try:
        measures = [measuring.measure_of(word) for word in words or measuring.METRICS]
        _report(runs, judged, measures, fusion, ties)
    except WorkbenchError as error:
        cards.problem(error)


def _read(files: Sequence[Any], trials: Sequence[Trial], ties: trec.Ties) -> list[Read]:
    """What can be read; a file that cannot is told with its line, and the others stand."""
    workbench, read = session.workbench(), []
    for file in (SentFile(file.name, file.getvalue()) for file in files):
        try:
            read.append(Read(sent_run(workbench, file, ties), file.safe, file.digest))
        except WorkbenchError as error:
            cards.problem(error)
    read += [Read(run_of(workbench, trial.id)[0]._replace(name=trial.title), trial.id, trial.id) for trial in trials]
    named = named_apart([each.run for each in read])
    return [each._replace(run=run) for each, run in zip(read, named, strict=True)]


def _judged(file: Any, runs: Sequence[Read], trials: Sequence[str]) -> Judged | None:
    """The file's, or where there is none the questions of the first trial."""
    workbench = session.workbench()
    if file is None:
        if not trials:
            if runs:
                st.info("Give the judgements of these runs' topics too.", icon=":material/rule:")
            return None
        first = command_line("run-file", trials[0], "run.txt", "--qrels", "qrels.txt")
        return Judged(run_of(workbench, trials[0])[1], (), "qrels.txt", trials[0], first)
    sent = SentFile(file.name, file.getvalue())
    try:
        return Judged(*sent_judgements(workbench, sent), sent.safe, sent.digest)
    except WorkbenchError as error:
        cards.problem(error)
        return None


def _fusion(count: int) -> PartConfig | None:
    """Of two runs or more a fusion part with its knobs."""
    parts = {name: part for name, part in registry.parts("fusion").items() if set(part().needs()) == set(measuring.RETRIEVERS)}
    if count < 2:
        return None
    name = st.selectbox(
        "Fused by",
        [NONE, *parts],
        key="run_fusion",
        format_func=forms.word,
        bind="query-params",
        help="Of two runs the first stands for the sparse ranking, the second for the dense one; of more each counts alike.",
    )
    if name in (None, NONE):
        return None
    part = parts[name]()
    settings = {}
    for knob in forms.knobs(parts[name]) if count == 2 else ():
        settings[knob.name] = forms.kept_widget(knob, f"run_fusion/{name}/{knob.name}", getattr(part, knob.name))
    return parts[name](**settings)


def _report(
    runs: list[Read], judged: Judged, measures: list[measuring.Measure], fusion: PartConfig | None, ties: trec.Ties
) -> None:
    workbench, own = session.workbench(), [each.run for each in runs]
    labels = list(dict.fromkeys(measure.label for measure in measures))
    left, right = st.columns(2)
    against = 0
    if len(runs) > 1:
        against = (
            left.selectbox("Compared with", range(len(runs)), format_func=lambda place: own[place].name, key="run_against") or 0
        )
    shown = right.selectbox("Metric of chart and tests", labels, key="run_metric")
    contents = [each.key for each in runs], judged.key, ties
    with st.spinner("Measuring the runs"):
        fused, record = kept_report(workbench, own, fusion, judged.questions, measures, against, contents)
    command = _command(runs, judged, measures, fusion, ties, against)
    cards.status_strip([cards.count(len(record["runs"]), "run"), f"{record['questions']:,} judged questions"])
    for note in filter(None, [*judged.notes, record["notes"]]):
        st.caption(cards.plain(note))
    _chart(record, shown, command)
    _tables(record, labels, shown, command)
    if fused:
        text = trec.run_text(fused, DEPTH)
        download("The fused run", text, "fused.run")
    st.code(command, language="bash", wrap_lines=True)
    st.caption("Replace the file names in the command by your paths.")


def _command(
    runs: list[Read], judged: Judged, measures: list[measuring.Measure], fusion: PartConfig | None, ties: trec.Ties, against: int
) -> str:
    """What prints the same; trials stand by their ids."""
    words = ["runs", *(each.word for each in runs), "--qrels", judged.word]
    if fusion:
        usual = type(fusion)().model_dump()
        changed = {name: value for name, value in fusion.model_dump().items() if value != usual[name]}
        words += ["--fuse", fusion.part, *as_options("--set", changed)]
    if tuple(f"{m.metric}@{m.k}" for m in measures) != measuring.METRICS:
        words += [word for m in measures for word in ("--metric", f"{m.metric}@{m.k}")]
    words += ["--against", str(against + 1)] if against else []
    words += ["--ties", ties] if ties != "id" else []
    return "\n".join(filter(None, [judged.before, command_line(*words)]))


def _chart(record: dict[str, Any], metric: str, command: str) -> None:
    rows = record["runs"]
    marks = [
        dots.Mark(charts.safe(row["run"]), row[metric], row[f"{metric} low"], row[f"{metric} high"], charts.look(place)[0])
        for place, row in enumerate(rows)
    ]
    charts.show(
        dots.marks(marks, metric),
        "runs",
        data=rows,
        command=command,
        title=f"Runs by {metric}",
        caption=f"mean with its 95% interval; n {record['questions']:,}",
        method="Intervals: 95% of each mean over questions, Wilson's or percentile bootstrap",
    )


def _tables(record: dict[str, Any], labels: list[str], metric: str, command: str) -> None:
    tables.draw(measuring.run_table(record, labels, command))
    compared = measuring.compared_table(record, metric, command)
    if compared.rows:
        st.markdown(f"**{cards.plain(compared.title)}**")
        tables.draw(compared, offered=False)
        tables.export(record["compared"], compared.name, compared)
        st.caption(f"p by a paired test, corrected by Holm over the {cards.count(len(compared.rows), 'difference')} shown.")


def as_run(trial: Trial) -> None:
    """A trial's rankings, and its questions' evidence, as files in TREC's format."""
    st.caption("Its documents, each with the score of its best chunk.")
    workbench, name = session.workbench(), trial.short
    download("Run", lambda: _packed(trec.run_text(run_of(workbench, trial.id)[0], DEPTH)), f"{name}.run.gz", "trial_run")
    download(
        "Judgements", lambda: _packed(trec.judgement_text(run_of(workbench, trial.id)[1])), f"{name}.qrels.gz", "trial_qrels"
    )
    st.code(command_line("run-file", trial.id, f"{name}.run.gz", "--qrels", f"{name}.qrels.gz"), language="bash", wrap_lines=True)


def _packed(text: str) -> bytes:
    return gzip.compress(text.encode("utf-8", "replace"), mtime=0)
