"""A recipe that answers others: over HTTP, under load, watched."""

RECORDS = {  # kinds of records that hold many values by key -> what a row of their table is, and its columns
    "published_recipes": (
        "One row a publication: a recipe that was let through its gate, and what it then found.",
        {
            "key": ("VARCHAR", "Name and time of the publication."),
            "name": ("VARCHAR", "Under which it is served."),
            "trial": ("VARCHAR", "The trial it was measured in; empty: none."),
            "recipe": ("VARCHAR", "Fingerprint of the recipe."),
            "config": ("JSON", "The recipe."),
            "gate": ("JSON", "Measure, least value, mean with its interval, and why it passed all the same."),
            "stages": ("JSON", "Key of each stage, by which a change is traced to it."),
            "canaries": ("JSON", "Questions with their gold evidence, and whether it was among the first k."),
            "k": ("BIGINT", "How many passages count."),
            "created": ("VARCHAR", "When, in UTC."),
        },
    ),
    "canary_answers": (
        "One row a question that was asked of a service again, to see whether it still finds what it found.",
        {
            "key": ("VARCHAR", "Time and place in that order."),
            "publication": ("VARCHAR", "Key of the publication."),
            "deployment": ("VARCHAR", "Fingerprint of the stages of the service that answered."),
            "stages": ("JSON", "Their keys."),
            "question": ("VARCHAR", "Its words."),
            "before": ("BOOLEAN", "Found at publication."),
            "now": ("BOOLEAN", "Found now."),
            "ms": ("DOUBLE", "From the request to the reply."),
            "asked": ("VARCHAR", "When, in UTC."),
        },
    ),
}  # fmt: skip
