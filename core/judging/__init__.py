"""What scores an answer: measures, and what they share."""

RECORDS = {  # kinds of records that hold many values by key -> what a row of their table is, and its columns
    "answer_scores": (
        "One row an answer and measure: what the measure says of it, kept by the content of both.",
        {
            "key": ("VARCHAR", "Identity of what decides it: measure with its settings and code, question, answer, passages, references."),
            "measure": ("VARCHAR", "The measure, as `list measure` names it."),
            "question": ("VARCHAR", "The question in words; NULL of old ones."),
            "answer": ("VARCHAR", "The answer; NULL of old ones."),
            "value": ("DOUBLE", "The score; NULL: unmeasured. avg() leaves it out."),
            "reason": ("VARCHAR", "Why it is unmeasured."),
            "claims": ("JSON", "Each claim of the answer: its characters, score, verdict and evidence."),
            "words": ("JSON", "Characters that the measure takes for wrong, with how sure it is."),
            "detail": ("JSON", "What the measure tells besides."),
            "judge": ("VARCHAR", "Engine and model that judged; NULL where none is asked."),
            "settings": ("JSON", "The measure's settings."),
        },
    ),
}  # fmt: skip
