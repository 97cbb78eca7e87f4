"""Files of lines that others wrote: answers to judge, runs and judgements of TREC, examples and preferences to learn from."""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from tests.faults import homes
from tests.faults.harness import Case, Lab, attack, verb
from tests.faults.records import as_json, changed, odd_values

LIMIT_S = 200.0  # of the clock, on a machine that others use too
ROUNDING = 0.01
ANSWER = {
    **{"question": "Where is tea kept?", "passages": ["Tea is kept in a cool cellar.", {"text": "Salt is counted."}], "id": "1"},
    **{"answer": "Tea is kept in a cellar.", "reference": ["a cool cellar"], "label": 1, "spans": [[0, 3]], "group": "a"},
    **{"domain": "d", "answerable": True},
}


def judge_of(home: Path, rows: list[bytes]) -> Any:
    file = home.with_name("answers.jsonl")
    file.write_bytes(b"\n".join(rows))
    return verb(home, "judge", file, "--dataset", "towns", "--json", limit_s=LIMIT_S)


def by_line(out: str) -> dict[str, Any]:
    """Line -> what is said of it."""
    return {one["place"]: one for one in json.loads(out)["answers"]}


def alike(a: Any, b: Any) -> bool:
    """Whether both say the same. Numbers may differ by rounding: in bfloat16 other lines beside them make other sums on some processors."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(alike(value, b[key]) for key, value in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, abs_tol=ROUNDING)
    return a == b


@attack("lines", "`judge`: an odd value in a line; the others are judged as before")
def judge(lab: Lab) -> Iterator[Case]:
    whole = [as_json({**ANSWER, "id": str(number)}) for number in range(3)]
    before = by_line(judge_of(homes.copy(lab, homes.towns, lab.folder / "judge"), whole).well().out)

    def check(_: str, place: tuple[tuple, int], rng: Random) -> None:
        row, where = changed(ANSWER, *place)
        ran = judge_of(homes.copy(lab, homes.towns, Path.cwd() / "home"), [whole[0], as_json(row), whole[2]])
        assert not ran.calm().code, f"{where}: the others are not judged: {ran.said()}"
        after = by_line(ran.out)
        for line in ("answers.jsonl:1", "answers.jsonl:3"):
            assert alike(after[line], before[line]), f"{where}: {line} is judged otherwise"

    return lab.swept("judge", {"line": odd_values(ANSWER)}, check, LIMIT_S + 20, again=False)


@attack("lines", "`judge`: sentences times passages that grow; an end within its limits")
def judge_growth(lab: Lab) -> Iterator[Case]:
    def check(passages: int, sentences: int, rng: Random) -> None:
        home = homes.copy(lab, homes.towns, Path.cwd() / "home")
        text = " ".join(f"{chr(97 + rng.randrange(26))}{rng.choice('aeiou')}." for _ in range(sentences))
        ran = judge_of(home, [as_json({**ANSWER, "passages": [text] * passages, "answer": text})])
        assert not ran.calm().code or '"where": ' in ran.out, f"{passages} passages of {sentences} sentences: {ran.said()}"

    return lab.swept("judge_growth", dict.fromkeys((1, 30, 1000, 20_000), (1, 30, 1000)), check, LIMIT_S + 20)


ODD = ("0", "-1", "1" * 31, "1e400", "nan", "inf", "-inf", "", "\x00", "\x1b[31m", "x" * 100_000, "\ud800", "0x1f", "1_0", "１", "9" * 5000,
       "5 5", "\t", "../x", "\ufeff")  # fmt: skip
RUN = [f"q{question} Q0 d{rank} {rank} {1 / rank:.4f} name" for question in range(3) for rank in range(1, 6)]
QRELS = [f"q{question} 0 d{question + 1} 1" for question in range(3)]
OPTIONS = ("recall@1", "ndcg_linear@10", "mrr@5", "hit@3")


@attack("lines", "`runs`: an odd field in a line of a run or of judgements, or as depth")
def runs(lab: Lab) -> Iterator[Case]:
    def check(door: tuple[str, int], value: str, rng: Random) -> None:
        home = Path.cwd() / "home"
        home.mkdir()
        given, depth = {"run": list(RUN), "qrels": list(QRELS)}, "10"
        kind, field = door
        if kind == "depth":
            depth = value
        else:
            line = rng.randrange(len(given[kind]))
            fields = given[kind][line].split()
            given[kind][line] = " ".join([*fields[:field], value, *fields[field + 1 :]])
        for name, text in given.items():
            (Path.cwd() / f"a.{name}").write_bytes("\n".join(text).encode("utf-8", "surrogatepass"))
        words = ("runs", Path.cwd() / "a.run", "--qrels", Path.cwd() / "a.qrels", "--metric", f"recall@{depth}", "--json")
        ran = verb(home, *words)
        assert "Traceback (most" not in ran.err, f"{door} {value[:20]!a}: {ran.err.strip().splitlines()[-1][:200]}"
        assert ran.code in (0, 1, 2), f"{door} {value[:20]!a}: ended with {ran.code}"
        if not ran.code:
            for row in json.loads(ran.out)["runs"]:
                figures = [one for name, one in row.items() if "@" in name]
                assert all(math.isfinite(one) and 0 <= one <= 1 for one in figures if one is not None), (
                    f"{door} {value[:20]!a}: {row}"
                )

    doors = {("run", field): ODD for field in range(6)} | {("qrels", field): ODD for field in range(4)} | {("depth", 0): ODD}
    return lab.swept("runs", doors, check)


def readers() -> dict[str, tuple[dict, Callable[[Path], Any]]]:
    """What a training reads: a good line of its file, and who reads it."""
    from core.training.adapters.trl_files import read_examples
    from core.training.heads import examples

    message = {"role": "user", "content": "Where is tea?"}
    said = {"role": "assistant", "content": "In a cellar."}
    return {
        "messages": ({"messages": [message, said], "group": "a"}, read_examples),
        "prompts": ({"prompt": "Where is tea?", "completion": "In a cellar.", "document": "a"}, read_examples),
        "texts": ({"text": "tea", "label": "drink", "part": "train"}, examples.labelled),
        "tags": ({"tokens": ["tea", "is"], "tags": ["B-A", "O"]}, examples.tagged),
        "preferences": ({"prompt": "Where?", "chosen": "In a cellar.", "rejected": "Nowhere."}, examples.compared),
        "pairs of messages": ({"prompt": [message], "chosen": [said], "rejected": [said]}, examples.compared),
    }


@attack("lines", "what trainings read, examples and preferences: an odd value in a line, told with its line")
def examples(lab: Lab) -> Iterator[Case]:
    doors = readers()

    def check(door: str, place: tuple[tuple, int], rng: Random) -> None:
        from core.errors import WorkbenchError

        good, read = doors[door]
        row, where = changed(good, *place)
        file = Path.cwd() / "examples.jsonl"
        file.write_bytes(b"\n".join([as_json(good), as_json(row), as_json(good)]))
        try:
            read(file)
        except WorkbenchError as error:
            assert error.where and error.todo, f"{door}, {where}: no place or no remedy: {error.what}"

    return lab.swept("examples", {name: odd_values(good) for name, (good, _) in doors.items()}, check, again=False)
