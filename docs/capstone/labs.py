"""Sections of what labs record: lives of a memory, settings of an index, a service under load. Their records go into the bundle, and
tables are read from them by `sql`."""

import shlex
from collections.abc import Sequence
from typing import NamedTuple

from docs.capstone.items import Told, table
from docs.capstone.running import Outcomes, Step


class LabPlan(NamedTuple):
    """command: of the lab. of: the table that it records, and which rows are its own. columns: SQL of what is printed."""

    name: str
    title: str
    minutes: float
    command: tuple[str, ...]
    of: str
    columns: str
    text: str
    caption: str

    def query(self, columns: str) -> str:
        return f"SELECT {columns} FROM {self.of}"


LIVES = LabPlan(
    "memory-lives",
    "Whether a memory that forgets stays consistent",
    15,
    ("memory", "simulate", "--seed", "100"),
    "memory_lives WHERE seed = 100 ORDER BY arm",
    'arm, stored AS "facts", current AS "current value", current_low AS low, current_high AS high, stale, stale_low AS "stale low", '
    'stale_high AS "stale high", cascade AS "derived follows", questions',
    "A life of 26 weeks is simulated in which facts are stated, restated, changed and ended, without a model. One memory adds all that is "
    "said; the other takes up what is new, lets a new value supersede the old one, and forgets by a half-life of use ({memory-lives}). "
    "Asked at the end, the share of questions whose five best facts state the current value and the share whose first fact states an "
    "earlier one say whether forgetting costs recall, and what it saves in stale answers.",
    "What two memories know after the same 26 simulated weeks, with 95% intervals.",
)


def indexes(corpus: str, words: str, minutes: float) -> LabPlan:
    """Indexes over one corpus. words: what its documents are."""
    kinds = "exact,faiss_hnsw,faiss_ivf,faiss_ivf_pq,faiss_sq"
    return LabPlan(
        "indexes",
        "What an approximate index saves",
        minutes,
        ("index", "sweep", "--dataset", corpus, "--set", "chunking.part=whole_document", "--grid", f"index.part={kinds}"),
        f"index_points WHERE status = 'ok' AND dataset = '{corpus}' ORDER BY p50_us",
        'part AS index, recall AS "Recall@k", p50_us / 1000 AS "median ms", p95_us / 1000 AS "p95 ms", build_s AS "build s", '
        'memory_bytes / 1e6 AS "MB"',
        f"Over the vectors of {words} the same questions are searched in indexes of five kinds ({{indexes}}). Recall is against exact "
        "search. What is saved in milliseconds has to be held against the milliseconds of encoding the question.",
        f"Indexes over the vectors of {words}: recall against exact search, time of a question, size.",
    )


def steps(plans: Sequence[LabPlan]) -> list[Step]:
    """Of each lab its run, and the records that it left."""
    made = []
    for plan in plans:
        made.append(Step(plan.name, plan.minutes, lambda outcomes, of=plan: of.command))
        ids = ["sql", f"SELECT DISTINCT id FROM ({plan.query('*')}) ORDER BY id"]
        made.append(Step(f"{plan.name}-records", 0.1, lambda outcomes, of=ids: of, lambda rows: bool(rows), (plan.name,)))
    return made


def told(plan: LabPlan, outcomes: Outcomes) -> Told | None:
    if f"{plan.name}-records" not in outcomes:
        return None
    records = [row["id"] for row in outcomes[f"{plan.name}-records"]]
    return Told(
        plan.title, plan.text, [table(plan.name, shlex.join(["sql", plan.query(plan.columns)]), plan.caption, records)], []
    )
