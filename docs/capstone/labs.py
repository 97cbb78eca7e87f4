"""Sections of what labs record: lives of a memory, indexes, stores, learnt preferences, a service under load. Their records go into the
bundle, and tables are read from them by `sql`."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from core.workbench import as_options
from docs.capstone.items import Finding, Told, table
from docs.capstone.running import Outcomes, Step


class LabPlan(NamedTuple):
    """command: of the lab, in which {datasets} is the folder of the data sets. rows: the table that it records, and which rows are its own.
    columns, tail: SQL of what is printed of them, and how that is grouped and ordered. found: SQL of its differences, each
    with a finding's fields."""

    name: str
    title: str
    minutes: float
    command: tuple[str, ...]
    rows: str
    columns: str
    tail: str
    text: str
    caption: str
    found: str = ""

    @property
    def shown(self) -> str:
        return shlex.join(["sql", f"SELECT {self.columns} FROM {self.rows} {self.tail}"])


def lines_of(lab: str) -> str:
    """What a lab's command recorded last."""
    return f"lab_rows WHERE lab = '{lab}' AND id = (SELECT max(id) FROM lab_rows WHERE lab = '{lab}')"


class Cell(NamedTuple):
    """Of such lines. words: its heading. digits: decimals of a number; None: as it stands. times: what the number is multiplied by."""

    name: str
    words: str
    digits: int | None = None
    times: float = 1

    @property
    def column(self) -> str:
        value = f"cells->>'{self.name}'"
        if self.digits is not None:
            value = f"round(CAST({value} AS DOUBLE) * {self.times}, {self.digits})"
        return f'{value} AS "{self.words}"'


def columns(*cells: Cell) -> str:
    return ", ".join(cell.column for cell in cells)


LIFE = "memory_lives WHERE id = (SELECT max(id) FROM memory_lives WHERE seed = 100)"


def _lives(share: str, words: str, sign: int = 1) -> str:
    """The memory that forgets minus the one that keeps all, of a share of questions. sign: -1 where less is better."""
    of = f"equivalence->'tests'->'{share}'"
    difference, *ends = (f"{sign} * CAST({of}->>'{name}' AS DOUBLE)" for name in ("difference", "low", "high"))
    return (
        f"SELECT 'A memory that forgets against one that keeps all, after 26 simulated weeks' AS what, '{words}' AS measure, "
        f"{difference} AS difference, least({', '.join(ends)}) AS low, greatest({', '.join(ends)}) AS high, "
        f"CAST({of}->>'p' AS DOUBLE) AS p, questions AS n FROM {LIFE} AND arm = 'selective'"
    )


LIVES = LabPlan(
    "memory-lives",
    "Whether a memory that forgets stays consistent",
    1,
    ("memory", "simulate", "--seed", "100"),
    LIFE,
    'arm, stored AS "facts", current AS "current value", current_low AS low, current_high AS high, stale, stale_low AS "stale low", '
    'stale_high AS "stale high", cascade AS "derived follows", questions',
    "ORDER BY arm",
    "A life of 26 weeks is simulated in which facts are stated, restated, changed and ended, without a model. One memory adds all that is "
    "said; the other takes up what is new, lets a new value supersede the old one, and forgets by a half-life of use ({memory-lives}). "
    "Asked at the end, the share of questions whose five best facts state the current value and the share whose first fact states an "
    "earlier one say whether forgetting costs recall, and what it saves in stale answers.",
    "What two memories know after the same 26 simulated weeks, with 95% intervals.",
    found=f"{_lives('current', 'the current value among the first five facts')} UNION ALL "
    + _lives("stale", "no earlier value as the first fact", -1),
)
PAIRS = "{datasets}/qa_feedback/dev_feedback.json.gz"
REWARD = LabPlan(
    "reward",
    "Whether a reward model knows what people prefer",
    10,
    ("heads", "train-reward", "capstone-reward", "--file", PAIRS, "--train", "learning_rate=0.0005"),
    lines_of("train-reward"),
    columns(Cell("measure", "measure"), Cell("value", "value", 3), Cell("low", "low", 3), Cell("high", "high", 3)),
    "ORDER BY 1",
    "A reward model is trained on answers of which people preferred one (Wu et al. 2023), and judged on pairs of questions that it did not "
    "learn from ({reward}). Its accuracy is the share of pairs whose preferred answer it scores higher.",
    "A reward model of answers on held-out pairs, with 95% intervals.",
)
DPO = LabPlan(
    "dpo",
    "Help against factuality when preferences are learnt",
    60,
    (
        *("adapters", "dpo-experiment", "capstone-dpo", "--file", PAIRS),
        *("--grid", "beta=0.05,0.1,0.2", "--grid", "train_examples=64,256"),
        *as_options("--train", {"max_steps": 32, "evaluate_every": 16, "batch_size": 4, "prompt_characters": 400, "samples": 0}),
        *as_options("--train", {"max_tokens": 300, "answer_tokens": 120, "validation_examples": 16}),
        *as_options("--train", {"test_examples": 100, "test_prompts": 30}),
    ),
    lines_of("dpo-experiment"),
    columns(
        Cell("beta", "beta"),
        Cell("pairs", "pairs"),
        Cell("best step", "best step"),
        Cell("accuracy", "accuracy", 3),
        Cell("accuracy low", "low", 3),
        Cell("accuracy high", "high", 3),
        Cell("chosen", "preferred, nats", 2),
        Cell("f1 difference", "F1, difference", 3),
        Cell("f1 low", "F1 low", 3),
        Cell("f1 high", "F1 high", 3),
        Cell("in_the_prompt before", "in passages before", 3),
        Cell("in_the_prompt after", "in passages after", 3),
    ),
    "ORDER BY CAST(cells->>'pairs' AS INTEGER), CAST(cells->>'beta' AS DOUBLE)",
    "The model is trained by direct preference optimisation on the same pairs, over three values of beta and two numbers of pairs, in as "
    "many steps each ({dpo}). What is gained in help is the difference of token F1 with the preferred answers; what is lost in factuality "
    "shows in the share of an answer's word trigrams that stand in its passages. A log-likelihood of the preferred answers that fell, "
    "below 0 nats, is the known sign of a training that went too far. Best step 0: none was better than the start on the "
    "validation pairs, so the model before training stands in that row.",
    "Direct preference optimisation by beta and number of pairs: held-out pairs and greedy answers, before and after; 95% intervals.",
    found="SELECT 'DPO with beta ' || (cells->>'beta') || ' on ' || (cells->>'pairs') || ' pairs against the model before it' AS what, "
    "'token F1 with the preferred answers' AS measure, "
    + ", ".join(f"CAST(cells->>'f1 {name}' AS DOUBLE) AS {name}" for name in ("difference", "low", "high", "p", "n"))
    + f" FROM {lines_of('dpo-experiment')} AND CAST(cells->>'best step' AS INTEGER) > 0 "
    "ORDER BY CAST(cells->>'pairs' AS INTEGER), CAST(cells->>'beta' AS DOUBLE)",
)
STORES = LabPlan(
    "stores",
    "Which store of vectors",
    20,
    (
        *("stores", "measure", "--dataset", "medquad", "--set", "chunking.part=whole_document"),
        *("--sizes", "16407", "--writers", "1", "--repeats", "3"),
    ),
    "store_measurements WHERE size = 16407 AND below IS NULL",
    "title AS store, "
    + ", ".join(
        f"round(max(value) FILTER (quantity = '{name}'), {digits}) AS \"{words}\""
        for name, digits, words in (
            ("recall", 3, "Recall@10"),
            ("search_p50", 2, "median ms"),
            ("search_p99", 2, "p99 ms"),
            ("load", 1, "load s"),
            ("bytes", 0, "bytes a row"),
        )
    ),
    "GROUP BY title ORDER BY 3",
    "The vectors of 16,407 documents are searched in each store, tuned to find at least 95% of the true first ten ({stores}). The stores "
    "run on the machine that asks them, so that no network is in these times.",
    "Stores over the same 16,407 vectors, each at a recall@10 of at least 0.95 where it reaches that.",
)


def served(corpus: str, words: str, rates: str, seconds: int, minutes: float, more: tuple[str, ...]) -> LabPlan:
    """Answers under load, one at a time and eight side by side. words: what the questions are about."""
    asked = ("--rate", rates, "--seconds", str(seconds), "--batch", "1,8", "--slo-ms", "10000", "--hour-usd", "0.1")
    return LabPlan(
        "served",
        "What a service bears",
        minutes,
        ("serving", "compare", "--dataset", corpus, *more, *asked),
        lines_of("serving-compare"),
        columns(
            Cell("rate", "requests/s"),
            Cell("arm", "service"),
            Cell("quality", "F1 in time", 3),
            Cell("quality low", "low", 3),
            Cell("quality high", "high", 3),
            Cell("good", "in time, %", 1, 100),
            Cell("p95_ms", "p95, s", 2, 0.001),
            Cell("throughput", "answers/s", 2),
            Cell("usd", "USD a million at this rate", 1, 1000),
        ),
        "ORDER BY CAST(cells->>'rate' AS DOUBLE), 2",
        f"The recipe is served over HTTP and asked questions about {words} at moments that do not wait for its answers ({{served}}). "
        "An answer after more than ten seconds counts 0. The cost of a million answers is that of a machine of 0.10 USD an hour, an "
        "assumption, at the throughput measured.",
        "The same requests to a service that writes one answer at a time and to one that writes eight side by side.",
    )


def indexes(corpus: str, words: str, minutes: float) -> LabPlan:
    """Indexes over one corpus. words: what its documents are."""
    kinds = "exact,faiss_hnsw,faiss_ivf,faiss_ivf_pq,faiss_sq"
    return LabPlan(
        "indexes",
        "What an approximate index saves",
        minutes,
        ("index", "sweep", "--dataset", corpus, "--set", "chunking.part=whole_document", "--grid", f"index.part={kinds}"),
        f"index_points WHERE status = 'ok' AND dataset = '{corpus}'",
        'part AS index, recall AS "Recall@k", p50_us / 1000 AS "median ms", p95_us / 1000 AS "p95 ms", build_s AS "build s", '
        'memory_bytes / 1e6 AS "MB"',
        "ORDER BY p50_us",
        f"Over the vectors of {words} the same questions are searched in indexes of five kinds ({{indexes}}). Recall is against exact "
        "search. What is saved in milliseconds has to be held against the milliseconds of encoding the question.",
        f"Indexes over the vectors of {words}: recall against exact search, time of a question, size.",
    )


def tuned(name: str, corpus: str) -> Step:
    """An adapter of the model as it was published, that learns from the dev half's questions of a corpus alone."""
    settings = {"rank": 8, "alpha": 16, "distractors": 2, "distractors_by": "retrieval", "without_gold": 0.1}
    length = {
        "max_steps": 40,
        "evaluate_every": 20,
        "learning_rate": 0.001,
        "max_tokens": 1024,
        "test_examples": 16,
        "samples": 0,
    }
    train = as_options("--train", settings | length)
    words = ["adapters", "train", name, "--dataset", corpus, "--set", "chunking.part=whole_document", *train]
    return Step(name, 25, lambda outcomes: words, instead=("adapters", "training", name))


def steps(plans: Sequence[LabPlan], datasets: Path) -> list[Step]:
    """Of each lab its run, the records that it left, and what it found."""
    made = []
    for plan in plans:
        command = [word.format(datasets=datasets) for word in plan.command]
        made.append(Step(plan.name, plan.minutes, lambda outcomes, of=command: of))
        ids = ["sql", f"SELECT DISTINCT id FROM {plan.rows} ORDER BY id"]
        made.append(Step(f"{plan.name}-records", 0.1, lambda outcomes, of=ids: of, bool, (plan.name,)))
        if plan.found:
            made.append(Step(f"{plan.name}-found", 0.1, lambda outcomes, of=["sql", plan.found]: of, bool, (plan.name,)))
    return made


def told(plan: LabPlan, outcomes: Outcomes) -> Told | None:
    if f"{plan.name}-records" not in outcomes:
        return None
    records = [row["id"] for row in outcomes[f"{plan.name}-records"]]
    return Told(plan.title, plan.text, [table(plan.name, plan.shown, plan.caption, records)], [])


def found(plan: LabPlan, outcomes: Outcomes) -> list[Finding]:
    """Its differences; none where it has not run."""
    command = f"python -m core {' '.join(plan.command).format(datasets='$GROUNDWORK_DATASETS')}"
    return [Finding(**row | {"n": int(row["n"])}, command=command) for row in outcomes.get(f"{plan.name}-found", ())]
