"""The words under a figure of a paper: what is shown, on what, how its intervals were made, and the command behind it."""

import io
import re
import unicodedata
import zipfile
from collections.abc import Mapping
from typing import Any

# what LaTeX gives a meaning, and signs that its usual fonts lack
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "−": "$-$", "·": r"$\cdot$",
    "×": r"$\times$", "≥": r"$\geq$", "≤": r"$\leq$", "→": r"$\rightarrow$", "…": r"\dots{}", "–": "--", "±": r"$\pm$",
    '"': r"\textquotedbl{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "≈": r"$\approx$", "Δ": r"$\Delta$", "α": r"$\alpha$",
    "β": r"$\beta$", "κ": r"$\kappa$",
}  # fmt: skip
HALVES = {"all": "all questions", "dev": "the dev half of its questions", "test": "the test half of its questions"}
BEHIND = " Computed by: "  # between a caption and its command
MOST_PRINTED = 50  # characters of a command in print: with the words before it a line of a column
_QUOTES = "‘’‚“”„†‡•€™"
_NOT_IN_T1 = "\u00adĦħĸĿŀŉŦŧ"


def caption(
    title: str,
    shown: str = "",
    method: str = "",
    config: Any = None,
    command: str = "",
    figure: Mapping | None = None,
    judged: str = "",
) -> str:
    """One paragraph. shown: what the chart says of itself on the page (n, level of the intervals); method: how its intervals
    were made; config: the recipe, for corpus and depth; judged: how, where it is not at the
    recipe's depth alone; figure: says whether there is a ring to explain."""
    parts = [title, shown, _measured_on(config, judged), method, _ring(figure or {})]
    said = " ".join(part.strip().rstrip(".") + "." for part in parts if part.strip())
    return f"{said}{BEHIND}{command}" if command else said


def corpus_words(dataset: str, half: str) -> str:
    return f"{dataset}, {HALVES.get(half, half)}"


def without_command(text: str) -> str:
    return text.partition(BEHIND)[0]


def printed(text: str) -> tuple[str, list[str]]:
    """(a caption as LaTeX prints it, lines of comment before it): a command that is longer than a line is not for print."""
    words, said, command = text.partition(BEHIND)
    if len(command) > MOST_PRINTED:
        return escape(words), [f"  %{BEHIND}{' '.join(command.split())}"]
    return escape(words) + rf"{BEHIND}\texttt{{{_breakable(escape(command))}}}" * bool(said), []


def interval_method(config: Any) -> str:
    """How the intervals of a metric's mean were made, in a sentence."""
    rules = config.evaluation
    return (
        f"Intervals of {100 * rules.confidence:g}%: percentile bootstrap over questions ({rules.resamples:,} resamples, "
        f"seed {config.seed}); Wilson's score interval where the values are only 0 and 1, or nearly all of them at one end "
        "of the range"
    )


def latex(name: str, width_mm: float, text: str) -> str:
    """A figure environment for the file name.pdf."""
    told, behind = printed(text)
    comment = "".join(f"{line}\n" for line in behind)
    place = "figure" if width_mm < 100 else "figure*"  # over both columns
    return (
        f"% \\usepackage[T1]{{fontenc}} and \\usepackage{{graphicx}} in the preamble\n"
        f"\\begin{{{place}}}\n  \\centering\n{comment}  \\includegraphics[width={width_mm:g}mm]{{{name}.pdf}}\n"
        f"  \\caption{{{told}}}\n  \\label{{fig:{name}}}\n\\end{{{place}}}\n"
    )


def escape(text: str) -> str:
    """As LaTeX prints it; hyphens beside each other stay as many. Any text is one paragraph, and a sign that pdflatex has no letter
    for is told by its number: none stops it."""
    words = " ".join(unicodedata.normalize("NFC", text).replace("\x00", "").split())
    return "".join(map(_printable, re.sub("-(?=-)", "-\x00", words))).replace("\x00", "{}")


def _printable(sign: str) -> str:
    if sign in _LATEX or sign == "\x00" or " " <= sign <= "~":
        return _LATEX.get(sign, sign)
    if sign in _QUOTES or ("¡" <= sign <= "ž" and sign not in _NOT_IN_T1):
        return sign
    return "" if unicodedata.category(sign)[0] == "C" else f"[U+{ord(sign):04X}]"


def _breakable(command: str) -> str:
    """Lines may end after a comma: a grid of values is one long word."""
    return command.replace(",", r",\allowbreak{}")


def bundle(files: Mapping[str, bytes | str]) -> bytes:
    """The files as one zip."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def _measured_on(config: Any, judged: str) -> str:
    if not hasattr(config, "corpus"):
        return ""
    corpus = corpus_words(config.corpus.dataset, config.corpus.questions)
    return f"Corpus: {corpus}; {judged or f'judged at depth k = {config.evaluation.k}'}"


def _ring(figure: Mapping) -> str:
    return "Ring: the current setting" if any(trace.get("meta") == "ring" for trace in figure.get("data", ())) else ""
