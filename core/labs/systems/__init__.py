"""Other systems: asked the questions of a corpus once, recorded, and compared with recipes."""

RECORDS = {  # kinds of records that hold many values by key -> what a row of their table is, and its columns
    "system_answers": (
        "One row a question put to another system, and what it said.",
        {
            "key": ("VARCHAR", "Identity of system, corpus, question and take."),
            "system": ("VARCHAR", "What people call the system."),
            "dataset": ("VARCHAR", "Corpus whose question it is."),
            "take": ("INTEGER", "How often it was asked, this time included; the latest take counts."),
            "question": ("VARCHAR", "The question in words."),
            "answer": ("VARCHAR", "The answer; NULL of a retriever, which gives none."),
            "passages": ("JSON", "Its passages, best first: text, document, start and end as it tells them; NULL: it tells none."),
            "seconds": ("DOUBLE", "From asking to the whole reply."),
            "how": ("JSON", "How it is asked: address, body and places of the reply, or python; never a key."),
        },
    ),
}  # fmt: skip
