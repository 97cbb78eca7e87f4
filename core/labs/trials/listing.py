"""Long lists of stored trials: which of them a filter leaves, a page of them at a time, and what is told of all.

All of it is asked of the database, so that a hundred thousand trials are listed as fast as a hundred; recipes are read of
those alone that are looked at.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from core.config import FIELDS, fingerprint
from core.errors import WorkbenchError
from core.evaluation.metric import measures_among
from core.labs.experiments import book
from core.labs.trials.comparison import COSTS, Trial, direction, setting_name, some
from core.workbench import Workbench

SPELT = 30_000  # trials that are named in what is asked of them
AT_ONCE = 1_000  # trials read together where all are
EQUAL = "config_fingerprint, questions_fingerprint, corpus_fingerprint, k, overlap"  # as `Trial.equal`
GROUP = "concat_ws(' ', coalesce(questions_fingerprint, ''), coalesce(corpus_fingerprint, ''), k, overlap)"  # as `Trial.group`
WORK = f"concat_ws(' ', {GROUP}, coalesce(work, id), coalesce(dataset, ''))"  # of trials that take the same time, but for chance
TIMED = {  # cost that is a time -> the trials that it was measured of
    "latency_ms": "SELECT trial_id, value, low, high, n FROM trial_costs WHERE cost = 'latency_ms'",
    "total_ms": "SELECT id AS trial_id, total_ms AS value, NULL::DOUBLE AS low, NULL::DOUBLE AS high, NULL::INTEGER AS n "
    "FROM trials WHERE status = 'ok'",
}
AMONG = (
    "id IN (SELECT unnest(string_split(?, ' ')))"  # thousands of ids in one text are bound and told apart sooner than in a list
)
TITLE = "coalesce(nullif(name, ''), made_name, '')"
CORPUS = "coalesce(nullif(corpus, ''), dataset, '')"
COUNTED = re.compile(r", [\d,]+ trials?\b")  # in the name of a sweep
NEWEST = ("plain", "created", False)
PLAINLY = {"title": f"lower({TITLE})", "corpus": f"lower({CORPUS})", "note": "lower(nullif(note, ''))"}  # else by id: by age
SORTED = {  # kind of what else a list is sorted by -> of each trial `sorted_id`, and its number or text
    "metric": "SELECT trial_id AS sorted_id, max(mean) AS number, NULL::VARCHAR AS text FROM trial_metrics "
    "WHERE split_part(metric, '@', 1) = '{name}' GROUP BY trial_id",
    "cost": "SELECT trial_id AS sorted_id, max(value) AS number, NULL::VARCHAR AS text FROM (SELECT * FROM trial_costs "
    "UNION ALL BY NAME SELECT id AS trial_id, 'total_ms' AS cost, total_ms AS value FROM trials) WHERE cost = '{name}' GROUP BY trial_id",
    "setting": "SELECT trial_id AS sorted_id, try_cast(value AS DOUBLE) AS number, value AS text FROM settings "
    "WHERE setting = '{name}'",
}
SAID = f"lower(concat_ws(' ', id, dataset, {TITLE}, recipe, status, reason, note, array_to_string(tags, ' ')))"


class TrialsSummary(NamedTuple):
    """What is said of all stored trials."""

    trials: int
    failed: int
    datasets: list[str]
    statuses: list[str]
    tags: list[str]
    sweeps: dict[str, str]  # sweep -> its name, newest first

    def sweep_named(self, words: str) -> str:
        """The sweep of this id or name, whose number of trials may have changed since; "" where it is none, or may be several."""
        named = [
            sweep for sweep, name in self.sweeps.items() if words == sweep or COUNTED.sub("", words) == COUNTED.sub("", name)
        ]
        return named[0] if len(named) == 1 else ""


class Listing(Sequence[Trial]):
    """The trials that a condition leaves, newest first. As a sequence it reads whole trials, so many at a time."""

    def __init__(
        self, workbench: Workbench, state: str, where: str = "true", params: Sequence[Any] = (), *, last: bool = False
    ) -> None:
        self._workbench, self._state, self._where, self._params = workbench, state, where, list(params)
        self._last = last  # whether it holds one of equal recipes at most

    def __len__(self) -> int:
        if "ids" in self.__dict__:
            return len(self.ids)
        return self._asked(f"SELECT count(*) AS n FROM trials WHERE {self._where}")[0]["n"]

    @property
    def recipes(self) -> int:
        """How many trials `last_repeats` leaves: told without looking for them."""
        return self._asked(
            f"""SELECT coalesce(sum(if(had, 1, n)), 0)::BIGINT AS n FROM (SELECT measured > 0 AS had, count(*) AS n FROM trials
            WHERE {self._where} GROUP BY had, {EQUAL})"""
        )[0]["n"]

    @property
    def measures(self) -> list[str]:
        """The measures of answers that some of them have."""
        rows = self._asked(
            f"""SELECT DISTINCT split_part(metric, '@', 1) AS name FROM trial_metrics
            WHERE trial_id IN (SELECT id FROM trials WHERE ({self._where}) AND costs->>'answers' IS NOT NULL)"""
        )
        return measures_among(row["name"] for row in rows)

    def __getitem__(self, place: Any) -> Any:
        wanted = self.ids[place]
        return some(self._workbench, wanted) if isinstance(place, slice) else some(self._workbench, [wanted])[0]

    def __iter__(self) -> Iterator[Trial]:
        for start in range(0, len(self.ids), AT_ONCE):
            yield from self[start : start + AT_ONCE]

    @cached_property
    def ids(self) -> list[str]:
        return [row["id"] for row in self._asked(f"SELECT id FROM trials WHERE {self._where} ORDER BY id DESC")]

    @property
    def key(self) -> str:
        """Identity of the condition."""
        return fingerprint(self._where, self._params)

    @property
    def stamp(self) -> str:
        """Identity of what it holds now."""
        return fingerprint(self._state, self.key)

    def narrowed(self, where: str, *params: Any) -> "Listing":
        """Those of them for which this holds too."""
        return Listing(self._workbench, self._state, f"({self._where}) AND {where}", [*self._params, *params], last=self._last)

    def along(self, ids: Collection[str]) -> "Listing":
        """These trials too."""
        if not ids:
            return self
        return Listing(self._workbench, self._state, f"(({self._where}) OR {AMONG})", [*self._params, " ".join(ids)])

    def among(self, ids: Iterable[str]) -> "Listing":
        return self.narrowed(AMONG, " ".join(ids))

    def asked(self, part: str) -> "Listing":
        """Those on the dev, or on the test questions."""
        return self.narrowed("config->>'$.corpus.questions' = ?", part)

    def matching(self, dataset="", status="", sweep="", text="", tag="") -> "Listing":
        """Those of this corpus, status, sweep and tag that hold every word of the text in what is said of them."""
        matched = self
        for column, value in {"dataset": dataset, "status": status, "sweep": sweep}.items():
            matched = matched.narrowed(f"{column} = ?", value) if value else matched
        matched = matched.narrowed("list_contains(tags, ?)", tag) if tag else matched
        for word in text.lower().split():
            matched = matched.narrowed(f"contains({SAID}, ?)", word)
        return matched.named() if text.split() else matched

    def named(self) -> "Listing":
        """The same, looked for once and named in each of the questions that follow, unless they are too many."""
        return self if len(self) > SPELT else self._of(self.ids)

    def _of(self, ids: list[str]) -> "Listing":
        """These of its trials, newest first."""
        listed = Listing(self._workbench, self._state, AMONG, [" ".join(ids)], last=self._last)
        listed.ids = ids
        return listed

    def last_repeats(self) -> "Listing":
        """Of equal recipes the newest alone."""
        if self._last:
            return self
        newest = f"SELECT max(id) FROM trials WHERE measured > 0 AND ({self._where}) GROUP BY {EQUAL}"
        where = f"(({self._where}) AND measured = 0 OR id IN ({newest}))"
        return Listing(self._workbench, self._state, where, [*self._params, *self._params], last=True)

    def of_recipes(self, keys: Iterable[str]) -> "Listing":
        """Those of these recipes, the seed aside."""
        return self.narrowed("recipe_fingerprint IN (SELECT unnest(?::VARCHAR[]))", list(keys))

    def last_asked(self, question_sets: Collection[str]) -> str:
        """Of these sets of questions that of the newest trial, "" where none was asked."""
        rows = self._asked(
            f"""SELECT questions_fingerprint AS asked FROM trials WHERE {self._where}
            AND questions_fingerprint IN (SELECT unnest(?::VARCHAR[])) ORDER BY id DESC LIMIT 1""",
            sorted(question_sets),
        )
        return rows[0]["asked"] if rows else ""

    def of_group(self, group: str) -> "Listing":
        return self.narrowed(f"measured > 0 AND {GROUP} = ?", group)

    def having(self, metric: str, cost: str) -> "Listing":
        """Those with this metric and this cost; of a time, where a trial that did the same work was timed."""
        rated = self.narrowed("id IN (SELECT trial_id FROM trial_metrics WHERE n > 0 AND split_part(metric, '@', 1) = ?)", metric)
        if times := TIMED.get(cost):
            return rated.narrowed(f"{WORK} IN (SELECT {WORK} FROM trials JOIN ({times}) ON trial_id = id)")
        return rated.narrowed("id IN (SELECT trial_id FROM trial_costs WHERE cost = ?)", cost)

    def best(self, metric: str, most: int) -> "Listing":
        """So many of them, by their mean."""
        order = "DESC" if direction(metric) > 0 else "ASC"
        rows = self._asked(
            f"""SELECT trial_id FROM trial_metrics WHERE trial_id IN (SELECT id FROM trials WHERE {self._where})
            AND n > 0 AND split_part(metric, '@', 1) = ? ORDER BY mean {order}, trial_id DESC LIMIT ?""",
            metric,
            most,
        )
        return self._of(sorted((row["trial_id"] for row in rows), reverse=True))

    def sweep(self) -> str:
        """The one that all of them are of, "" where they are of several or of none."""
        rows = self._asked(f"SELECT DISTINCT coalesce(sweep, '') AS sweep FROM trials WHERE {self._where} LIMIT 2")
        return rows[0]["sweep"] if len(rows) == 1 else ""

    def groups(self) -> dict[str, str]:
        """Name -> group of the measured trials, largest first: "xquad-en, 1,190 questions, k 10". Only within one are means
        comparable."""
        named: dict[str, str] = {}
        for row in self._asked(
            f"""WITH named AS (SELECT {GROUP} AS its_group, count(*) AS n, max(id) AS newest FROM trials
              WHERE measured > 0 AND ({self._where}) GROUP BY its_group)
            SELECT its_group, {CORPUS} AS corpus, coalesce(k, 0) AS k,
            (SELECT max(total) FROM trial_metrics WHERE trial_id = newest) AS total
            FROM named JOIN trials ON id = newest ORDER BY n DESC, newest DESC"""
        ):
            name = f"{row['corpus']}, {row['total']:,} questions, k {row['k']}"
            while name in named:  # another version of the corpus, or another rule of relevance
                name += ", other"
            named[name] = row["its_group"]
        return named

    def groups_of(self, ids: Iterable[str]) -> set[str]:
        """Groups of these trials."""
        return {
            row["its_group"]
            for row in self._asked(f"SELECT DISTINCT {GROUP} AS its_group FROM trials WHERE {AMONG}", " ".join(ids), whole=True)
        }

    def table(
        self,
        metrics: Sequence[str],
        start: int = 0,
        most: int | None = None,
        settings: Sequence[str] = (),
        order: tuple[str, str, bool] = NEWEST,
    ) -> list[dict[str, Any]]:
        """What a list shows of each, a row a trial: what is told of it in `trials`, its `title`, `its_group`, `total` questions,
        the metrics' means, its costs, these settings as text, and which `repeat` it is `of_repeats` (None where there is one).
        order: (kind of what it is sorted by, its name, whether the smallest come first); the newest of equals come first."""
        means = "".join(f", max(mean) FILTER (split_part(metric, '@', 1) = '{name}') AS {name}" for name in metrics)
        own = "".join(f""", max(value) FILTER (setting = '{name}') AS "{name}\"""" for name in settings)
        kind, by, way = order[0], order[1], "ASC" if order[2] else "DESC"
        first = f"number {way} NULLS LAST, text {way} NULLS LAST, id DESC"
        among = f"(SELECT *, NULL::DOUBLE AS number, {PLAINLY.get(by, 'id')} AS text FROM trials WHERE {self._where})"
        if kind in SORTED:
            among = f"(SELECT * FROM trials WHERE {self._where}) LEFT JOIN ({SORTED[kind].format(name=by)}) ON sorted_id = id"
        spent = ", ".join(f"max(value) FILTER (cost = '{cost}') AS {cost}" for cost in COSTS if cost != "total_ms")
        return self._asked(
            f"""WITH listed AS (SELECT *, row_number() OVER (ORDER BY {first}) AS place FROM {among} ORDER BY place LIMIT ? OFFSET ?),
            equal AS (SELECT id, row_number() OVER (PARTITION BY {EQUAL} ORDER BY id) AS repeat,
              count(*) OVER (PARTITION BY {EQUAL}) AS of_repeats FROM trials WHERE measured > 0
              AND config_fingerprint IN (SELECT config_fingerprint FROM listed)),
            means AS (SELECT trial_id, max(total) AS asked{means} FROM trial_metrics
              WHERE trial_id IN (SELECT id FROM listed) GROUP BY trial_id),
            spent AS (SELECT trial_id, {spent} FROM trial_costs
              WHERE trial_id IN (SELECT id FROM listed) GROUP BY trial_id),
            own AS (SELECT trial_id{own} FROM settings WHERE trial_id IN (SELECT id FROM listed) GROUP BY trial_id)
            SELECT listed.id, created, {TITLE} AS title, coalesce(name, '') AS name, coalesce(made_name, '') AS made_name,
            coalesce(status, '') AS status, coalesce(reason, '') AS reason, coalesce(sweep, '') AS sweep,
            {CORPUS} AS corpus, coalesce(k, 0) AS k, coalesce(array_to_string(tags, ', '), '') AS tags,
            coalesce(note, '') AS note, total_ms, measured AS n, coalesce(asked, num_queries, 0) AS total, {GROUP} AS its_group,
            means.* EXCLUDE (trial_id, asked), spent.* EXCLUDE (trial_id), own.* EXCLUDE (trial_id), repeat,
            of_repeats FROM listed LEFT JOIN means ON means.trial_id = listed.id LEFT JOIN spent ON spent.trial_id = listed.id
            LEFT JOIN own ON own.trial_id = listed.id
            LEFT JOIN equal ON equal.id = listed.id AND of_repeats > 1 ORDER BY listed.place""",
            len(self) if most is None else most,
            start,
            remembered=most is not None,
        )

    def repeat(self, trial: str) -> tuple[int, int] | None:
        """Which repeat this trial is, of how many, the oldest first; None where its recipe was measured once."""
        rows = self.narrowed("id = ?", trial).table((), 0, 1)
        return (rows[0]["repeat"], rows[0]["of_repeats"]) if rows and rows[0]["repeat"] else None

    def summary(self) -> TrialsSummary:
        """Of all stored trials, whatever this list holds."""
        [row] = self._asked(
            """SELECT count(*) AS n, count(*) FILTER (status IS DISTINCT FROM 'ok') AS failed,
            list(DISTINCT coalesce(dataset, '')) AS datasets, list(DISTINCT coalesce(status, '')) AS statuses,
            (SELECT list(DISTINCT tag) FROM (SELECT unnest(tags) AS tag FROM trials)) AS tags FROM trials""",
            whole=True,
        )
        return TrialsSummary(
            row["n"],
            row["failed"],
            sorted(row["datasets"] or ()),
            sorted(row["statuses"] or ()),
            sorted(row["tags"] or ()),
            self._sweeps(),
        )

    def _sweeps(self) -> dict[str, str]:
        """sweep -> its name, that of its experiment or the settings it varied, and how many trials it has."""
        rows = self._asked(
            """SELECT sweep, count(*) AS n, min(created) AS started FROM trials WHERE sweep <> '' GROUP BY sweep ORDER BY max(id) DESC""",
            whole=True,
        )
        varied = self._asked(
            """WITH recipes AS (SELECT sweep, max(id) AS id FROM trials WHERE sweep <> ''
              GROUP BY sweep, coalesce(nullif(config_fingerprint, ''), id)),
            swept AS (SELECT id, sweep, count(*) OVER (PARTITION BY sweep) AS n FROM recipes)
            SELECT sweep, setting FROM settings JOIN swept ON swept.id = trial_id GROUP BY sweep, setting
            HAVING min(value) <> max(value) OR count(*) < any_value(n) ORDER BY min(settings.rowid)""",
            whole=True,
        )
        different = defaultdict(list)
        for row in varied:
            different[row["sweep"]].append(row["setting"])
        stages, names, titles = list(FIELDS), {}, book.titles(self._workbench)
        for row in rows:
            settings = sorted(
                different[row["sweep"]], key=lambda name: stages.index(s) if (s := name.split(".")[0]) in stages else len(stages)
            )
            names[row["sweep"]] = sweep_name(settings, row["n"], titles.get(row["sweep"], ""))
        count = Counter(names.values())
        started = {row["sweep"]: f", {row['started']:%Y-%m-%d %H:%M:%S}" for row in rows}
        return {sweep: name + started[sweep] * (count[name] > 1) for sweep, name in names.items()}

    def _asked(self, sql: str, *params: Any, whole: bool = False, remembered: bool = True) -> list[dict[str, Any]]:
        """Rows, remembered as long as the trials and what is said of them stay, unless told not to. whole: asks of all trials."""
        own = [*([] if whole else self._params), *params]
        if not remembered:
            return self._workbench.store.query(sql, own)
        key = fingerprint(self._state, sql, own)
        return self._workbench.pipeline.remember("listing", key, lambda: self._workbench.store.query(sql, own))


def check_corpus(workbench: Workbench, name: str) -> None:
    """Raises where neither a corpus nor any stored trial is of this name; "" is every one."""
    if name and not everything(workbench).matching(name) and name not in {status.name for status in workbench.datasets()}:
        raise WorkbenchError(f"There is no corpus '{name}'.", where="--dataset", todo="`python -m core corpus list` lists them.")


def everything(workbench: Workbench) -> Listing:
    """All stored trials, and what people said of them, as they are now."""
    [state] = workbench.store.query(
        """SELECT count(*) AS n, max(id) AS last, sum(measured) AS measured, (SELECT max(id) FROM trial_notes) AS note,
        (SELECT count(*) FROM trial_notes) AS notes FROM trials"""
    )
    return Listing(workbench, fingerprint(state))


def sweep_name(settings: Sequence[str], trials: int, title: str = "") -> str:
    """As in "fusion weight × k, 12 trials", of the settings that a sweep varied; title: of its experiment."""
    parts = {name.split(".")[0] for name in settings if name.endswith(".part")}  # their knobs differ with them
    varied = [setting_name(name) for name in settings if name.endswith(".part") or name.split(".")[0] not in parts]
    what = " × ".join(varied[:3]) + f" and {len(varied) - 3} more" * (len(varied) > 3) or "one recipe"
    return f"{title or what}, {trials:,} trial{'s' * (trials != 1)}"
