"""No study yet: the way from stored answers to a first draft."""

from app import session
from app.ui import cards, jobs
from app.ui.studies.answering import answering
from app.ui.studies.choice import new_study
from core.annotation import draft, system_names
from core.annotation import stored_answers as answers

WHY = {"abstained": "found no passage that is similar enough", "empty": "returned an empty answer", "failed": "failed"}


def beginning() -> None:
    """No study yet: the way from stored answers to a first draft."""
    what, everywhere = "A study in which people judge stored answers", answers.candidates(session.workbench())
    candidates = draft.of_corpus(everywhere, draft.usual_corpus(everywhere, session.config().corpus.dataset))
    job = next((job for job in jobs.active() if job.arguments[0] == "answer-questions"), None)
    few = len(candidates) < draft.PILOT
    if job and few:
        cards.empty(
            what,
            f"Answers are being made. Once they are stored, a press on “Start a study” here makes a draft: a pilot of "
            f"{draft.PILOT}, two annotators, a rubric for faithfulness. You can leave this page meanwhile.",
        )
        return jobs.watch(job.id)
    if not candidates:
        cards.empty(
            what,
            f"There are no stored answers to judge yet. {lost(candidates)}Answer some questions of the corpus first; 40 are "
            f"enough for a pilot of {draft.PILOT}, with some to spare. You can leave this page meanwhile.",
        )
        return answering()
    systems = cards.count(len(system_names.systems(candidates)), "system")
    stored = f"{cards.count(len(candidates), 'answer')} of {systems} can be judged."
    cards.empty(
        what,
        f"{stored} {lost(candidates)}"
        + (
            f"A pilot needs {draft.PILOT}: answer more questions, or start with these."
            if few
            else f"“Start a study” makes a draft with everything filled in: a pilot of {draft.PILOT}, two annotators, a rubric for "
            "faithfulness. You can change all of it before it is frozen."
        ),
    )
    new_study(primary=not few)
    if job:
        jobs.watch(job.id)
    elif few:
        answering()


def lost(candidates: list) -> str:
    """How many questions gave nothing to judge, and why."""
    seen = answers.asked(session.workbench(), candidates)
    told = [f"{number:,} {WHY[why]}" for why, number in seen.why.items()]
    return f"Of {cards.count(seen.asked, 'question')} asked, {' and '.join(told)}. " if told else ""
