"""Agents: the tools that a model may call, and how a run of calls is bounded and recorded. The ways of answering that call them are
parts of `core/answering`."""

RECORDS = {
    "agent_replays": (
        "One row an agent's run that was replayed from an edited step.",
        {
            "key": ("VARCHAR", "Identity of the run that was replayed, of the step and of its edit."),
            "answer": ("VARCHAR", "Id of the answer whose run was replayed."),
            "step": ("INTEGER", "The step whose result was edited, from 1."),
            "result": ("VARCHAR", "What stood in its result's place."),
            "text": ("VARCHAR", "The answer that came of it."),
            "ended": ("VARCHAR", "How the run ended."),
            "steps": ("JSON", "All steps: those before from the record, the rest run again."),
        },
    )
}
