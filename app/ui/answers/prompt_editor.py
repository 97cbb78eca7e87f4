"""The prompt as a setting: its templates to be edited, what the model would then read, and what differs from other ones."""

from html import escape

import streamlit as st

from app import session
from app.ui import cards, evidence, forms, jobs
from core.config import TEMPLATES, ContextConfig, TrialConfig, check_template, valid
from core.context.template import BUILT_IN
from core.errors import WorkbenchError
from core.labs.answers import prompt as lab
from core.records import Corpus

KINDS = {"template": ("Prompt", 190), "passage": ("Each passage in it", 100)}
TITLE = "Prompt: the template, and what the model would read"
MEANINGS = {  # of the variables, by template
    "template": {
        "instructions": "to answer from the passages and cite them",
        "passages": "all of them, each as written beside",
        "question": "what is asked",
        "reminder": "the task, repeated after the question",
        "title": "of the first passage's document",
        "titles": "of all documents",
        "n": "how many passages there are",
        "mark": "how the first passage is cited, such as [1]",
        "unknown": "what to answer where the passages do not contain it",
    },
    "passage": {
        "mark": "how it is cited, such as [1]",
        "n": "its number",
        "text": "its words",
        "title": "of its document",
        "document": "its document's name in the corpus",
        "page": "of a PDF",
    },
}
OTHERS = {"built-in": "the built-in one", "recipe": "the recipe's", "baseline": "the baseline's"}


def draw(corpus: Corpus, config: TrialConfig) -> None:
    box = st.expander(TITLE, icon=":material/edit_note:", key="prompt_editor", on_change="rerun")
    if box.open:
        with box:
            _editor(corpus, config)


def _editor(corpus: Corpus, config: TrialConfig) -> None:
    _follow(config.context)
    for (kind, (label, height)), column in zip(KINDS.items(), st.columns([3, 2], gap="medium"), strict=True):
        with column:
            meanings = "\n".join(f"- \\${name}: {meaning}" for name, meaning in MEANINGS[kind].items())
            st.text_area(label, key=f"draft/{kind}", height=height, max_chars=4000, help=meanings)
            variables, needed = TEMPLATES[kind]
            names = [f"**${name}**" if name in needed else f"${name}" for name in variables]
            _problem(kind)
            st.caption(" ".join(names).replace("$", "\\$") + " · The bold ones are required; write a dollar as \\$\\$.")
    drafted = _drafted(config.context)
    _buttons(config.context, drafted)
    if drafted:
        _preview(corpus, config.model_copy(update={"context": drafted}))
    _difference(config.context)


def _follow(context: ContextConfig) -> None:
    """The draft begins as the recipe's templates, and again when those change elsewhere."""
    state = st.session_state
    moved = state.get("drafted_of") != (context.template, context.passage)
    state.drafted_of = context.template, context.passage
    for kind, text in lab.template_texts(context).items():
        if moved or f"draft/{kind}" not in state:
            state[f"draft/{kind}"] = text


def _problem(kind: str) -> None:
    """What is wrong with a draft, under it."""
    try:
        check_template(st.session_state[f"draft/{kind}"] or BUILT_IN[kind], *TEMPLATES[kind])
    except ValueError as error:
        words = str(error)
        st.error(cards.plain(f"{words[0].upper()}{words[1:]}."), icon=":material/error:")


def _drafted(context: ContextConfig) -> ContextConfig | None:
    """The context with the drafts in it; None where something is wrong with them."""
    texts = {kind: st.session_state[f"draft/{kind}"] for kind in KINDS}
    own = {kind: "" if text in ("", BUILT_IN[kind]) else text for kind, text in texts.items()}
    try:
        return valid(ContextConfig, {**context.model_dump(), **own})
    except WorkbenchError:
        return None


def _buttons(context: ContextConfig, drafted: ContextConfig | None) -> None:
    changed = drafted is not None and drafted != context
    usual = dict.fromkeys(KINDS, "")
    with st.container(horizontal=True):
        st.button(
            "Use in the recipe",
            type="primary",
            icon=":material/check:",
            disabled=not changed,
            on_click=_use,
            args=({kind: getattr(drafted, kind) for kind in KINDS} if changed else {},),
        )
        as_usual = lab.template_texts(context) == BUILT_IN and not changed and drafted is not None
        st.button("Back to the built-in", icon=":material/undo:", disabled=as_usual, on_click=_use, args=(usual,))


def _use(templates: dict[str, str]) -> None:
    st.session_state.pop("drafted_of", None)
    session.change({f"context.{kind}": text for kind, text in templates.items()})


def _preview(corpus: Corpus, config: TrialConfig) -> None:
    st.session_state.setdefault(
        "preview_question", st.session_state.get("question") or next((q.text for q in corpus.queries), "")
    )
    question = st.text_input("Preview with the question", key="preview_question")
    if not question.strip():
        return
    try:
        seen = jobs.drain(lab.preview(session.workbench(), config, question), "Making the prompt")
    except WorkbenchError as error:
        return cards.problem(error)
    window = "" if seen.window is None else f"of a window of {seen.window:,}, {seen.answer_tokens:,} kept for the answer"
    strip = [
        f"prompt {seen.prompt_tokens:,} tokens",
        f"{cards.count(len(seen.passages), 'passage')} {seen.passage_tokens:,} tokens",
        f"around them {seen.around_tokens:,} tokens",
        window,
    ]
    cards.status_strip(strip)
    for note in seen.notes:
        st.caption(f":material/content_cut: {cards.plain(note)}")
    st.code(seen.text, language=None, wrap_lines=True, height=300)


def _difference(context: ContextConfig) -> None:
    """The drafts against other templates, by words."""
    pinned = session.baseline()
    texts = {"built-in": BUILT_IN, "recipe": lab.template_texts(context)}
    texts |= {"baseline": lab.template_texts(pinned.context)} if pinned else {}
    other = forms.one_of("Differences from", {name: OTHERS[name] for name in texts}, "compared_with", "built-in")
    shown = [(KINDS[kind][0], lab.template_difference(texts[other][kind], st.session_state[f"draft/{kind}"])) for kind in KINDS]
    if all(piece.side == "both" for _, pieces in shown for piece in pieces):
        return st.caption(f"The same as {OTHERS[other]}.")
    st.caption(f"Struck out and blue: only in {OTHERS[other]}. Underlined and orange: only here.")
    for label, pieces in shown:
        evidence.show(f'<div class="gw gw-small">{escape(label)}</div>{evidence.difference_html(pieces)}')
