"""Examples as JSON lines in the forms of TRL's SFTTrainer, in and out.

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
from core.models.identity import file_hash
from core.training.adapters.examples import Message, TrainingExample

ROLES = ("system", "user", "assistant")
TODO = (
    'A line is {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}, '
    'or {"prompt": "…", "completion": "…"}.'
)


def read_examples(path: Path) -> tuple[list[TrainingExample], str]:
    """(the examples, what the file is: its name and checksum)."""
    try:
        lines = path.read_text("utf-8").split("\n")
        source = f"{path.name} {file_hash(path)[:20]}"
    except (OSError, UnicodeDecodeError) as error:
        raise WorkbenchError(
            f"The examples cannot be read: {error}", where=str(path), todo="Give a file of JSON lines."
        ) from None
    examples = [_example(line, f"{path}:{number}", number) for number, line in enumerate(lines, 1) if line.strip()]
    if not examples:
        raise WorkbenchError("The file has no examples.", where=str(path), todo=TODO)
    return examples, source


def _example(line: str, where: str, number: int) -> TrainingExample:
    try:
        row = json.loads(line)
        if not isinstance(row, dict):
            raise ValueError("it is no object")
        messages = _messages(row)
        if len(messages) < 2 or messages[-1]["role"] != "assistant":
            raise ValueError("it does not end with the assistant's answer to something")
        answer = messages[-1]["content"].strip()
        if not answer:
            raise ValueError("its answer is empty")
    except (ValueError, RecursionError) as error:
        raise WorkbenchError(f"The line is no example: {error}.", where=where, todo=TODO) from None
    prompt = tuple(messages[:-1])
    group = str(row.get("group") or row.get("document") or fingerprint(list(prompt)))
    references = row.get("references")
    held = tuple(str(each) for each in references) if isinstance(references, list) and references else (answer,)
    return TrainingExample(str(row.get("id", number)), prompt, answer, held, group, (prompt[-1]["content"],))


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


def write_examples(
    path: Path, examples: Sequence[TrainingExample], form: Literal["messages", "prompt-completion"] = "messages"
) -> None:
    """`references`, `group` and `id` stand beside what TRL reads, which ignores them."""
    rows = []
    for example in examples:
        answer = {"role": "assistant", "content": example.answer}
        told = {"messages": [*example.messages, answer]}
        if form == "prompt-completion":
            told = {"prompt": list(example.messages), "completion": [answer]}
        rows.append({**told, "id": example.id, "group": example.group, "references": list(example.references)})
    files.write_whole(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "The examples")
