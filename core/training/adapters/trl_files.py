"""Examples as JSON lines in the forms of TRL's SFTTrainer, in and out; pairs in that of its DPOTrainer and RewardTrainer, out
(`core.training.heads.examples.compared` reads them).

`{"messages": [...]}`: a conversation whose last message is the assistant's, which is learnt. `{"prompt", "completion"}`: texts or
messages; a prompt that is a text is the user's turn. `group` (or `document`) may name what an example belongs to.
Source: TRL's documentation, "Dataset formats and types".
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from core import files
from core.config import fingerprint
from core.errors import WorkbenchError
from core.files import read_json, read_text
from core.models.identity import file_hash
from core.training.adapters.examples import PARTS, AdapterData, Message, PreferencePair, TrainingExample

Form = Literal["messages", "prompt-completion", "preference", "reward"]
OF_PAIRS = ("preference", "reward")
ROLES = ("system", "user", "assistant")
TODO = (
    'A line is {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}, '
    'or {"prompt": "…", "completion": "…"}.'
)


def read_examples(path: Path) -> tuple[list[TrainingExample], str]:
    """(the examples, what they are: name and checksum). path: a file, or a folder of such files."""
    examples, told = [], []
    for file in files_of(path):
        lines = read_text(file, "The file of examples", todo=TODO).split("\n")
        told.append(f"{file.name} {file_hash(file)[:20]}")
        examples += [_example(line, f"{file}:{number}", number) for number, line in enumerate(lines, 1) if line.strip()]
    if not examples:
        raise WorkbenchError("The file has no examples.", where=str(path), todo=TODO)
    return examples, ", ".join(told)


def files_of(path: Path) -> list[Path]:
    """The files of JSON lines in a folder, or the file itself."""
    listed = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not listed:
        raise WorkbenchError("The folder has no files of JSON lines (.jsonl).", where=str(path), todo=TODO)
    return listed


def _example(line: str, where: str, number: int) -> TrainingExample:
    try:
        row = read_json(line, "The line", of=dict, where=where, todo=TODO)
        messages = _messages(row)
        if len(messages) < 2 or messages[-1]["role"] != "assistant":
            raise ValueError("it does not end with the assistant's answer to something")
        answer = messages[-1]["content"].strip()
        if not answer:
            raise ValueError("its answer is empty")
        if (part := row.get("part") or "") not in ("", *PARTS):
            raise ValueError(f"its part {part!r} is none of {', '.join(PARTS)}")
    except ValueError as error:
        raise WorkbenchError(f"The line is no example: {error}.", where=where, todo=TODO) from None
    prompt = tuple(messages[:-1])
    named = (row[name] for name in ("group", "document") if row.get(name) not in (None, ""))
    group = str(next(named, fingerprint(list(prompt))))
    references = row.get("references")
    held = tuple(str(each) for each in references) if isinstance(references, list) and references else (answer,)
    return TrainingExample(str(row.get("id", number)), prompt, answer, held, group, (prompt[-1]["content"],), part)


def _messages(row: dict[str, Any]) -> list[Message]:
    if "messages" in row:
        return _checked(row["messages"])
    if "prompt" not in row or "completion" not in row:
        raise ValueError(f"it has neither messages nor prompt and completion, but {', '.join(map(str, row)) or 'nothing'}")
    turns = []
    for name, role in (("prompt", "user"), ("completion", "assistant")):
        value = row[name]
        turns += [{"role": role, "content": value}] if isinstance(value, str) else _checked(value)
    return turns


def _checked(messages: Any) -> list[Message]:
    if not isinstance(messages, list):
        raise ValueError("its messages are no list")
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in ROLES or not isinstance(message.get("content"), str):
            raise ValueError(f"a message needs a role ({', '.join(ROLES)}) and a content that is text")
    return [{"role": message["role"], "content": message["content"]} for message in messages]


def write_data(folder: Path, data: AdapterData, form: Form) -> None:
    """A file a part."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        write_examples(folder / f"{part}.jsonl", getattr(data, part), form, part)


def write_examples(
    path: Path, examples: Sequence[TrainingExample | PreferencePair], form: Form = "messages", part: str = ""
) -> None:
    files.write_whole(path, lines(examples, form, part), "The examples")


def lines(examples: Sequence[TrainingExample | PreferencePair], form: Form = "messages", part: str = "") -> str:
    """`references`, `group`, `part` and `id` stand beside what TRL reads, which ignores them."""
    rows = []
    for example in examples:
        told = _pair(example, form) if form in OF_PAIRS else _taught(example, form)
        about = {"id": example.id, "group": example.group} | ({"part": part} if part else {})
        rows.append({**told, **about})
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _taught(example: TrainingExample, form: Form) -> dict[str, Any]:
    answer, references = {"role": "assistant", "content": example.answer}, {"references": list(example.references)}
    if form == "messages":
        return {"messages": [*example.messages, answer], **references}
    return {"prompt": list(example.messages), "completion": [answer], **references}


def _pair(pair: PreferencePair, form: Form) -> dict[str, Any]:
    """reward: texts, and the question as the prompt's first paragraph, which is what a reward model takes for it."""
    if form == "reward":
        prompt = "\n\n".join(filter(None, (pair.question, pair.passages)))
        return {"prompt": prompt, "chosen": pair.chosen, "rejected": pair.rejected}
    answers = {name: [{"role": "assistant", "content": getattr(pair, name)}] for name in ("chosen", "rejected")}
    return {"prompt": list(pair.messages), **answers}
