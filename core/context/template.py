"""Prompts from templates: text with $variables, filled once. What is filled in is never read for variables again."""

import re
from collections.abc import Mapping
from string import Template

from core.config import TEMPLATES, check_template
from core.errors import WorkbenchError

BUILT_IN = {"template": "$instructions\n\n$passages\n\nQuestion: $question\n$reminder", "passage": "$mark $text"}
_QUESTION = re.compile(r"^.*\$\{?question\b", re.MULTILINE)


def before_question(text: str, words: str) -> str:
    """A template ("" is the built-in one) with these words, which hold no variables, before the line of its question."""
    template = text or BUILT_IN["template"]
    place = line.start() if (line := _QUESTION.search(template)) else len(template)
    return f"{template[:place]}{words.replace('$', '$$')}\n\n{template[place:]}"


def filled(kind: str, text: str, values: Mapping[str, str]) -> str:
    """kind: "template" or "passage", as the setting of the context is called; text: "" is the built-in one."""
    template = text or BUILT_IN[kind]
    try:
        check_template(template, *TEMPLATES[kind])
    except ValueError as error:
        raise WorkbenchError(
            f"The template cannot be read: {error}.",
            where=f"context.{kind}",
            todo="Mend it, or empty it: then the built-in is used.",
        ) from None
    return Template(template).substitute(values)
