"""Memory of facts: its speed, its writers, what it forgets, and what it knows at the end of a simulated life.

    python -m benchmarks.memory [--quick] [--only=speed,lives]

Each section is recorded as soon as it is measured; --only measures these anew. speed: 100,000 facts, then 2,000 single writes, each on the
disk, and 2,000 reads of five facts, with the bundled encoder's time and without. writers: four processes write at once. forget: 1,000
sentinels among 100,000 facts are forgotten, with their proof; half of them stand in traces, half in a cached entry, too; vectors are
drawn. lives: three lives of 26 weeks, by strings. unrecorded: one where half of the derivations do not name the facts behind them. lab: a
policy over a recorded life. million: a million facts with drawn vectors, memory and speed. --quick: a tenth or less of all that.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import psutil

from benchmarks._clock import timed
from benchmarks._options import options
from benchmarks._sections import measured
from core.memory import store as stores
from core.memory.facts import FactDraft
from core.memory.forgetting import forget
from core.memory.life import LifeRules, lived
from core.memory.policy import ADD_ALL, Policy, half_lives, tried
from core.memory.recorded import record_life
from core.memory.simulation import simulate
from core.memory.store import FactStore
from core.progress import drain
from core.store.batches import batches
from core.workbench import Workbench

FACTS, SINGLE, SENTINELS, MILLION, LIVES = 100_000, 2_000, 1_000, 1_000_000, 3
WRITERS, EACH = 4, 250
WRITER = """
import sys
from pathlib import Path
from core.memory.facts import FactDraft
from core.memory.store import FactStore
store, name = FactStore(Path(sys.argv[1]), encode=None), sys.argv[2]
for number in range(int(sys.argv[3])):
    store.write(FactDraft("", f"machine {name}-{number}", "firmware", f"v{number}"))
"""


class Measuring:
    """size: 1.0, or less of everything."""

    def __init__(self, size: float) -> None:
        self.size = size

    def of(self, number: int) -> int:
        return max(20, int(number * self.size))


def drafts(number: int, seed: int = 0) -> Iterator[FactDraft]:
    """Facts in the words of the simulated lives, of distinct subjects."""
    made = 0
    while made < number:
        life = lived(LifeRules(weeks=5, machines=1000, chatter=0), seed)
        for event in life.events:
            if made < number and event.kind in ("new", "change"):
                text = event.text.replace(event.subject, f"{event.subject}-{seed}")
                yield FactDraft(text, f"{event.subject}-{seed}", event.attribute, event.value, importance=event.importance)
                made += 1
        seed += 1


def milliseconds(work: Callable[[Any], Any], some: list[Any]) -> dict[str, float]:
    took = [1000 * timed(partial(work, each)) for each in some]
    return {"p50_ms": float(np.median(took)), "p99_ms": float(np.quantile(took, 0.99)), "largest_ms": max(took), "n": len(took)}


def drawn(texts: list[str], query: bool) -> np.ndarray:
    """A direction for each text, always the same: where what an encoder reads plays no part."""
    some = np.stack([np.random.default_rng(crc32(text.encode())).normal(size=384) for text in texts]).astype(np.float32)
    return some / np.linalg.norm(some, axis=1, keepdims=True)


def filled(home: Path, number: int, **more: Any) -> FactStore:
    store = FactStore(home, **more)
    drain(store.write_many(drafts(number)))
    return store


def speed(how: Measuring, home: Path) -> dict[str, Any]:
    began = time.perf_counter()
    store = filled(home, how.of(FACTS))
    fill_s = time.perf_counter() - began
    single, questions = list(drafts(how.of(SINGLE), seed=10_000)), []
    for draft in list(drafts(how.of(FACTS)))[:: max(1, how.of(FACTS) // how.of(SINGLE))]:
        questions.append(f"What is the {draft.attribute} of {draft.subject}?")
    store.read(questions[0])  # the codes are read, once a process
    written, asked = milliseconds(store.write, single), milliseconds(store.read, questions)
    vectors = dict(zip(questions, stores.bundled(questions, True), strict=True))
    alone = FactStore(home, encode=lambda texts, query: np.stack([vectors[text] for text in texts]))
    alone.read(questions[0])
    counts = store.counts()
    return {
        "facts": counts.facts,
        "a_second_filled": how.of(FACTS) / fill_s,
        "megabytes": counts.bytes / 1e6,
        "write": written,
        "read": asked,
        "read_without_encoder": milliseconds(alone.read, questions),
    }


def writers(how: Measuring, home: Path) -> dict[str, Any]:
    each = how.of(EACH)
    FactStore(home, encode=None).close()
    began = time.perf_counter()
    some = [subprocess.Popen([sys.executable, "-c", WRITER, str(home), str(number), str(each)]) for number in range(WRITERS)]
    ends = [process.wait() for process in some]
    took = time.perf_counter() - began
    there = FactStore(home, encode=None).counts().current
    return {
        "processes": WRITERS,
        "written": WRITERS * each,
        "lost": WRITERS * each - there,
        "failed": sum(map(bool, ends)),
        "took_s": took,
    }


def forgotten(how: Measuring, home: Path) -> dict[str, Any]:
    """Sentinels are sentences with a random number each; of half of them a trace and a cached entry tell, too."""
    bench = Workbench(home)
    store = filled(home, how.of(FACTS), encode=drawn)
    stores._of_home[bench.home.absolute()] = store
    draw, number = np.random.default_rng(0), how.of(SENTINELS)
    texts = [f"The sentinel {place} has the number {draw.integers(10**12):012}." for place in range(number)]
    written = store.write_all([FactDraft(text, f"sentinel {place}") for place, text in enumerate(texts)])
    about = {"trace": "t", "parent": None, "name": "x", "kind": "tool", "start_ns": 1, "end_ns": 2, "status": "ok", "message": ""}
    about |= {"events": [], "service": "x", "dropped": 0}
    spans = {f"t/{place}": {"span": str(place), "attributes": {"said": text}, **about} for place, text in enumerate(texts[::2])}
    batches(home).add("spans", spans, {})
    bench.store.query("SELECT count(*) FROM spans")
    cached = home / "cache" / "answers" / "one"
    cached.mkdir(parents=True)
    np.savez_compressed(cached / "texts.npz", texts=np.frombuffer("\n".join(texts[1::2]).encode(), np.uint8))
    began = time.perf_counter()
    made = drain(forget(bench, "the benchmark", "to see whether anything stays", [each.id for each in written]))
    took = time.perf_counter() - began
    left = sum(value for place, value in made.checks.items() if place != "control")
    return {
        "facts": how.of(FACTS),
        "sentinels": number,
        "met_before": made.before,
        "met_after": left,
        "proven": made.proven,
        "took_s": took,
        "files": made.files,
        "megabytes": made.bytes / 1e6,
        "cleaned": made.cleaned,
    }


def lives(how: Measuring, home: Path) -> dict[str, Any]:
    """Pooled over lives with the seeds 100, 101 …, which nothing was set by."""
    rules = LifeRules() if how.size == 1 else LifeRules(weeks=8, machines=10, chatter=10)
    rows = drain(simulate(Workbench(home), 100, LIVES if how.size == 1 else 1, rules))
    arms = {row["arm"]: {name: value for name, value in row.items() if name not in ("arm", "equivalence")} for row in rows}
    equivalence = next(row["equivalence"] for row in rows if row["equivalence"])
    arms = {name.replace("-", "_"): value for name, value in arms.items()}
    return {
        **arms,
        "equivalence": equivalence,
        "share": equivalence["share"],
        "no_loss": float(equivalence["verdict"] in ("equal", "higher")),
    }


def unrecorded(how: Measuring, home: Path) -> dict[str, Any]:
    """The first of these lives where half of the derivations were told without the facts behind them."""
    rules = LifeRules(recorded=0.5) if how.size == 1 else LifeRules(weeks=8, machines=10, chatter=10, recorded=0.5)
    rows = drain(simulate(Workbench(home), 100, 1, rules))
    [row] = [row for row in rows if row["arm"] == "selective"]
    return {name: row[name] for name in row if name.startswith(("cascade", "absence"))}


def lab(how: Measuring, home: Path) -> dict[str, Any]:
    life = drain(record_life(Workbench(home), 0))
    drawn = milliseconds(
        lambda policy: (tried(life, policy), tried(life, ADD_ALL)), [Policy(half_life_days=1.0 + n) for n in range(10)]
    )
    took = timed(lambda: half_lives(life, Policy(), (1.0, 3.0, 7.0, 14.0, 30.0, 90.0, 365.0)))
    return {"policy_and_add_all": drawn, "seven_half_lives_ms": 1000 * took}


def million(how: Measuring, home: Path) -> dict[str, Any]:
    number = how.of(MILLION)

    def said() -> Iterator[FactDraft]:
        yield from (FactDraft("", f"machine {place}", "firmware", f"v{place % 977}x{place}") for place in range(number))

    store = FactStore(home, drawn)
    began = time.perf_counter()
    drain(store.write_many(said(), number))
    took = time.perf_counter() - began
    store.read("firmware of machine 1")
    questions = [f"Which firmware runs on machine {place}?" for place in range(0, number, number // 200)]
    asked = milliseconds(store.read, questions)
    right = sum(store.read(question, 1)[0].fact.subject == question.split("on ")[1][:-1] for question in questions)
    memory = psutil.Process().memory_info().rss / 1e6
    return {
        "facts": number,
        "filled_s": took,
        "memory_mb": memory,
        "file_mb": store.counts().bytes / 1e6,
        "read": asked,
        "right": right / len(questions),
    }


SECTIONS: dict[str, Callable[[Measuring, Path], dict[str, Any]]] = {
    "speed": speed, "writers": writers, "forget": forgotten, "lives": lives, "unrecorded": unrecorded, "lab": lab, "million": million,
}  # fmt: skip


def main(only: str, quick: bool) -> dict[str, Any]:
    how = Measuring(0.02 if quick else 1.0)
    return measured("memory", {name: partial(section, how) for name, section in SECTIONS.items()}, only, quick)


if __name__ == "__main__":
    print(json.dumps(main(**vars(options(__doc__, "--quick", only="")))))
