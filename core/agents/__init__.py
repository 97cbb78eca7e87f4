"""Agents: the tools that a model may call, and how a run of calls is bounded and recorded. The ways of answering that call them are
parts of `core/answering`."""

RECORDS = {
    "agent_effects": (
        "One row a note on a call that writes: before it, and after.",
        {
            "key": ("VARCHAR", "Of the call; with /after of what came of it, with /end of a run's end."),
            "run": ("VARCHAR", "Of the agent."),
            "what": ("VARCHAR", "run, begun, done, not done (a person says so), or end."),
            "step": ("INTEGER", "Of the run, from 1."),
            "tool": ("VARCHAR", "That was called."),
            "arguments": ("JSON", "Of the call."),
            "result": ("VARCHAR", "What it returned."),
            "failed": ("BOOLEAN", "It was refused."),
            "trusted": ("BOOLEAN", "Others wrote nothing of the result."),
        },
    ),
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
    ),
}
