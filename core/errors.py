"""Errors meant for people: what is wrong, where, and what to do next. They are shown without a traceback."""


class WorkbenchError(Exception):
    """Something the user can act on.

    what:  the problem in one sentence.
    where: file and line, record or setting it was found in ("" if it has no place).
    todo:  the next step ("" if there is none).
    """

    def __init__(self, what: str, *, where: str = "", todo: str = "") -> None:
        self.what, self.where, self.todo = what, where, todo
        super().__init__(" ".join(filter(None, (what, where and f"[{where}]", todo))))
