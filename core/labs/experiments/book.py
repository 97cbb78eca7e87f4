"""The experiments of a workbench: saved in versions, listed, archived, found again.

A version is a record of the journal that never changes; the last one counts. Versions are numbered from 1 as their
records follow each other, so of merged journals by time. Trials belong to an experiment by their `sweep`, its id.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from core.comparison.comparison import Rules
from core.config import difference, fingerprint
from core.errors import WorkbenchError
from core.evaluation.metric import judges
from core.files import hold
from core.labs.experiments.experiment import Experiment, made
from core.labs.experiments.older import DEFAULTS, completed
from core.labs.trials.comparison import direction, label, some
from core.statistics.bootstrap import Interval
from core.workbench import Workbench

# of halving only the round on the most questions: a mean of few is high by chance; repeats of a recipe are one, as the best of seeds
# is high by chance too; of other documents or depth, as an earlier version had them, it is another number; of equal means the first to be
# measured, which leads the leaderboard too
BEST = """WITH measured AS (
      SELECT sweep, id, coalesce(nullif(name, ''), made_name, id) AS title, metric, k, mean, num_queries, direction,
        coalesce(recipe_fingerprint, id) AS own
      FROM (SELECT unnest($1) AS sweep, unnest($2) AS judged, unnest($3) AS half, unnest($4) AS direction,
        unnest($5) AS its_corpus, unnest($6) AS its_k, unnest($7) AS its_overlap)
      JOIN trials USING (sweep) JOIN trial_metrics ON trial_id = id
      WHERE status = 'ok' AND mean IS NOT NULL AND split_part(metric, '@', 1) = judged AND config->>'$.corpus.questions' = half
        AND (its_corpus = '' OR dataset = its_corpus AND coalesce(k, its_k) = its_k AND coalesce(overlap, its_overlap) = its_overlap)
      QUALIFY row_number() OVER (PARTITION BY sweep, own, questions_fingerprint, metric, seed ORDER BY id DESC) = 1)
    SELECT sweep, arg_max(title, id) AS title, list(id ORDER BY id DESC) AS ids, metric, max(k) AS k,
      count(*) OVER (PARTITION BY sweep, num_queries) AS recipes
    FROM measured GROUP BY sweep, own, num_queries, metric, direction
    QUALIFY row_number() OVER (PARTITION BY sweep ORDER BY num_queries DESC, round(direction * avg(mean), 12) DESC, min(id)) = 1"""


class Version(NamedTuple):
    """An experiment as it stood. number: from 1. id: of its record."""

    number: int
    id: str
    created: str
    experiment: Experiment


class Shelved(NamedTuple):
    """An experiment in the list. version: the last. trials: how many by status. last_run: of the newest trial (UTC), or None."""

    experiment: Experiment
    version: int
    created: str
    trials: dict[str, int]
    last_run: datetime | None


class Best(NamedTuple):
    """The recipe of an experiment with the best mean on the questions that the choice is made on. metric: "nDCG@10"; recipes: how many
    were measured on these questions."""

    title: str
    metric: str
    interval: Interval  # of the mean over questions
    recipes: int

    @property
    def mean(self) -> float:
        return self.interval.mean


class Change(NamedTuple):
    """A setting of an experiment in two versions; None where it is not there."""

    setting: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.setting} {_words(self.before)} → {_words(self.after)}"


def save(workbench: Workbench, experiment: Experiment) -> int:
    """Makes it the version that counts; returns its number. What is as the last one was is no new version."""
    document = experiment.model_dump(mode="json")
    with hold(workbench.home / "locks" / "experiments", purpose="recording an experiment", seconds=10):
        records = _records(workbench, experiment.id)
        try:
            if records and _same(_read(workbench, records[-1]).experiment, experiment):
                return len(records)
        except WorkbenchError as error:  # what cannot be read is replaced, and stays in its record
            workbench.store.note(str(error))
        created = datetime.now(UTC).isoformat()
        payload = {"experiment": experiment.id, "created": created, "defaults": DEFAULTS, "document": document}
        workbench.store.add("experiment", payload, after=records[-1] if records else "")
    return len(records) + 1


def create(workbench: Workbench, title: str, **fields: Any) -> Experiment:
    """A new experiment under an id made of its title."""
    experiment = made({"title": _title(title), **fields})
    if experiment.id in latest(workbench):
        raise WorkbenchError(
            f"There is already an experiment '{experiment.id}'.", todo="Give it another title, or save a new version of that one."
        )
    save(workbench, experiment)
    return experiment


def describe(workbench: Workbench, name: str, **fields: Any) -> int:
    """Changes its title, question, note or tags; the number of the version."""
    return _changed(workbench, name, **fields | ({"title": _title(fields["title"])} if "title" in fields else {}))


def _title(words: str) -> str:
    if not (title := " ".join(words.split())):
        raise WorkbenchError("The experiment has no title.", todo="Say in a few words what it varies.")
    return title


def load(workbench: Workbench, name: str, version: int | None = None) -> Experiment:
    """An experiment by its id, in its last version or an earlier one."""
    records = _records(workbench, name)
    if not records:
        raise WorkbenchError(f"There is no experiment '{name}'.", todo="`python -m core experiment list` shows them.")
    if version is not None and not 1 <= version <= len(records):
        raise WorkbenchError(f"The experiment '{name}' has no version {version}.", todo=f"It has 1 to {len(records)}.")
    return _read(workbench, records[(version or 0) - 1]).experiment


def versions(workbench: Workbench, name: str) -> list[Version]:
    """All versions that can be read, the oldest first."""
    load(workbench, name)
    read = []
    for number, record_id in enumerate(_records(workbench, name), 1):
        try:
            read.append(_read(workbench, record_id)._replace(number=number))
        except WorkbenchError as error:
            workbench.store.note(str(error))
    return read


def changes(before: Experiment, after: Experiment) -> list[Change]:
    """What differs between two versions: of the base recipe by setting, of the factors by the setting that they vary."""
    old, new = _flat(before), _flat(after)
    return [Change(name, old.get(name), new.get(name)) for name in {**old, **new} if old.get(name) != new.get(name)]


def experiments(workbench: Workbench, archived: bool = False) -> list[Shelved]:
    """The experiments in their last version, the one worked on last first. archived: those that are, instead."""
    rows = workbench.store.query(
        "SELECT sweep, status, count(*) AS trials, max(created) AS last_run FROM trials WHERE sweep <> '' GROUP BY ALL"
    )
    counts: dict[str, dict[str, int]] = {}
    runs: dict[str, datetime] = {}
    for row in rows:
        counts.setdefault(row["sweep"], {})[row["status"]] = row["trials"]
        runs[row["sweep"]] = max(runs.get(row["sweep"], row["last_run"]), row["last_run"])
    listed = [
        Shelved(version.experiment, version.number, version.created, counts.get(name, {}), runs.get(name))
        for name, version in latest(workbench).items()
        if version.experiment.archived == archived
    ]
    return sorted(listed, key=lambda row: max(row.created[:26], row.last_run.isoformat() if row.last_run else ""), reverse=True)


def best(workbench: Workbench, listed: Sequence[Experiment]) -> dict[str, Best]:
    """id -> its best, of those that have measured one by their first metric."""
    judged = {of.id: next(filter(judges, of.metrics), "") for of in listed}
    asked = [of for of in listed if judged[of.id]]
    bases = [of.recipe for of in asked]
    columns = [
        [of.id for of in asked],
        [judged[of.id] for of in asked],
        [of.choose_on for of in asked],
        [direction(judged[of.id]) for of in asked],
        [base.corpus.dataset if of.factors else "" for of, base in zip(asked, bases, strict=True)],  # a folder holds any trials
        [base.evaluation.k for base in bases],
        [base.evaluation.overlap for base in bases],
    ]
    rows = workbench.store.query(BEST, columns) if asked else []
    return {
        row["sweep"]: Best(row["title"], label(judged[row["sweep"]], row["k"]), _interval(workbench, row), row["recipes"])
        for row in rows
    }


def _interval(workbench: Workbench, row: dict[str, Any]) -> Interval:
    """Of a recipe's mean over its repeats, by the rules that the newest was measured by; computed once."""

    def computed() -> Interval:
        [trial] = some(workbench, row["ids"][:1])
        sql = "SELECT coalesce(value, 'nan'::DOUBLE) AS value FROM scores WHERE trial_id = ? AND metric = ?"  # NULL: unmeasured
        rules = trial.config["evaluation"]["resamples"], trial.config["evaluation"]["confidence"], trial.config["seed"]
        repeats = [workbench.store.columns(sql, [trial_id, row["metric"]])["value"] for trial_id in row["ids"]]
        return Rules(*rules).mean(np.mean(repeats, axis=0))

    return workbench.pipeline.remember("interval of the best", fingerprint(row["ids"], row["metric"]), computed)


def from_other_bases(workbench: Workbench, experiment: Experiment) -> list[Shelved]:
    """The measured studies that vary the same settings on the same corpus, each from another base; the one worked on last first."""
    varied = {factor.setting for factor in experiment.factors}
    return [
        row
        for row in experiments(workbench)
        if row.experiment.id != experiment.id
        and row.trials.get("ok")
        and {factor.setting for factor in row.experiment.factors} == varied
        and row.experiment.recipe.corpus.dataset == experiment.recipe.corpus.dataset
    ]


def latest(workbench: Workbench) -> dict[str, Version]:
    """id -> the last version of every experiment, from the journal alone: milliseconds, and no query."""
    numbers: dict[str, int] = {}
    records: dict[str, str] = {}
    for row in workbench.store.experiments():
        numbers[row.experiment] = numbers.get(row.experiment, 0) + 1
        records[row.experiment] = row.id
    read = {}
    for name, record_id in records.items():
        try:
            read[name] = _read(workbench, record_id)._replace(number=numbers[name])
        except WorkbenchError as error:  # the others are there
            workbench.store.note(str(error))
    return read


def titles(workbench: Workbench) -> dict[str, str]:
    """id -> what people call it, of every experiment; milliseconds, and no query."""
    return {name: version.experiment.title or name for name, version in latest(workbench).items()}


def archive(workbench: Workbench, name: str) -> int:
    """Takes it out of the lists; its trials stay."""
    return _changed(workbench, name, archived=True)


def restore(workbench: Workbench, name: str) -> int:
    """Puts it back into the lists."""
    return _changed(workbench, name, archived=False)


def baseline(workbench: Workbench, name: str, trial: str) -> int:
    """Makes a trial the one that the others are compared with, by its id or name; "" makes it the base recipe's."""
    return _changed(workbench, name, baseline=workbench.trial_id(trial) if trial else "", against=None)


def _changed(workbench: Workbench, name: str, **fields: Any) -> int:
    return save(workbench, made(load(workbench, name).model_dump(mode="json") | fields))


def _records(workbench: Workbench, name: str) -> list[str]:
    return [row.id for row in workbench.store.experiments() if row.experiment == name]


def _read(workbench: Workbench, record_id: str) -> Version:
    """A version by its record, which never changes, so it is remembered; its number is not in it."""

    def read() -> Version:
        payload = workbench.store.journal.read(record_id).payload
        try:
            document = payload["document"]
            experiment = made(document if payload.get("defaults") else completed(document))
            if experiment.id != payload["experiment"]:
                raise ValueError(f"it is of '{payload['experiment']}', and holds '{experiment.id}'")
            return Version(0, record_id, str(payload["created"]), experiment)
        except (WorkbenchError, KeyError, TypeError, AttributeError, ValueError) as error:
            why = error.what if isinstance(error, WorkbenchError) else f"{type(error).__name__}: {error}"
            raise WorkbenchError(
                f"Record {record_id} holds no experiment that this version reads: {why}",
                todo="Save the experiment anew, or copy the file back from a backup.",
            ) from None

    return workbench.pipeline.remember("experiment", record_id, read)


def _same(before: Experiment, after: Experiment) -> bool:
    """To the letter: in Python 1 and True are equal, in a recipe they are not."""
    return json.dumps(before.model_dump(mode="json")) == json.dumps(after.model_dump(mode="json"))


def _words(value: Any) -> str:
    return "none" if value in (None, "", [], ()) else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _flat(experiment: Experiment) -> dict[str, Any]:
    """Dotted setting -> value; the base recipe as far as it differs from the defaults."""
    plain = experiment.model_dump(mode="json", exclude={"base", "factors"})
    flat = {name: value for name, value in plain.items() if not isinstance(value, dict)}
    flat |= {f"{name}.{key}": value for name, inner in plain.items() if isinstance(inner, dict) for key, value in inner.items()}
    flat |= {f"base.{setting}": value for setting, value in difference(experiment.recipe).items()}
    for factor in experiment.factors:
        flat[f"factors.{factor.setting}"] = factor.model_dump(mode="json", exclude_defaults=True, exclude={"setting"})
    return flat
