"""Which buttons of the screens do work, read off their source: what a press leads to, function by function."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support.sources import SCREENS, name_of, nodes_of

BUTTONS = {"button", "form_submit_button", "press"}  # st.button, a placeholder's button, cards.press
WORK = {"drain", "Running", "spinner", "cancellable", "timed"}  # what a page runs a long verb by
Function = tuple[str, str]  # file, name


@cache
def imports(path: Path) -> dict[str, str]:
    """Name in this file -> the file of the screens that it stands for, and "#name" where it is a function of it."""
    files = {name_of(other).removesuffix(".py").replace("/", "."): name_of(other) for other in SCREENS}
    made = {}
    for node in nodes_of(path):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                name = alias.asname or alias.name
                if (module := f"{node.module}.{alias.name}") in files:
                    made[name] = files[module]
                elif node.module in files:
                    made[name] = f"{files[node.module]}#{alias.name}"
    return made


def called(path: Path, node: ast.expr) -> Function | None:
    """The function of the screens that an expression names."""
    there = imports(path)
    if isinstance(node, ast.Name):
        file, _, name = there.get(node.id, "").partition("#")
        return (file, name) if name else (name_of(path), node.id)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in there:
        return there[node.value.id], node.attr
    return None


def works(path: Path, nodes: list[ast.AST], seen: frozenset[Function] = frozenset()) -> bool:
    """Whether these statements run a long verb or start a job, by themselves or by what they call."""
    for call in (node for each in nodes for node in ast.walk(each) if isinstance(node, ast.Call)):
        name = ast.unparse(call.func)
        if name.rpartition(".")[2] in WORK or name.endswith("jobs.start"):
            return True
        if (target := called(path, call.func)) and target not in seen and leads_to_work(target, seen):
            return True
    return False


def leads_to_work(function: Function, seen: frozenset[Function] = frozenset()) -> bool:
    there = functions().get(function)
    return there is not None and works(there[0], there[1].body, seen | {function})


@cache
def functions() -> dict[Function, tuple[Path, ast.FunctionDef]]:
    return {
        (name_of(path), node.name): (path, node)
        for path in SCREENS
        for node in nodes_of(path)
        if isinstance(node, ast.FunctionDef)
    }


def after(function: ast.FunctionDef, button: ast.Call) -> Iterator[ast.AST]:
    """What a press runs by itself: the branch that asks for it, and what follows where the other branch leaves."""
    names = {
        target.id
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and any(each is button for each in ast.walk(node.value))
        for target in ast.walk(node.targets[0])
        if isinstance(target, ast.Name)
    }
    for branch in (node for node in ast.walk(function) if isinstance(node, ast.If)):
        inner = list(ast.walk(branch.test))
        if any(node is button or isinstance(node, ast.Name) and node.id in names for node in inner):
            yield from branch.body
            if isinstance(branch.body[-1], ast.Return) and isinstance(branch.test, ast.UnaryOp):
                yield from (node for node in function.body if node.lineno > branch.lineno)


def unpriced(orders: set[Function]) -> Iterator[tuple[str, str]]:
    """(file, label as it is written) of the buttons that do work and are no `jobs.press_button`. orders: callbacks that leave their work to
    the next run."""
    for (name, _), (path, function) in functions().items():
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            if not isinstance(call.func, ast.Attribute) or call.func.attr not in BUTTONS or name == "app/ui/jobs.py":
                continue
            hooks = [word.value for word in call.keywords if word.arg == "on_click"]
            hooks += call.args[3:4] if call.func.attr == "press" else []
            targets = [target for hook in hooks if (target := called(path, hook))]
            jobs_at_once = any(ast.unparse(hook).endswith("jobs.start") for hook in hooks)
            if (
                jobs_at_once
                or any(target in orders or leads_to_work(target) for target in targets)
                or works(path, list(after(function, call)))
            ):
                yield name, ast.unparse(call.args[0]) if call.args else ""
