"""Generators, the prompt they read, and the citations of their answers."""

KINDS = {  # of parts in this folder -> what they are
    "generator": "Generators write the answer."
}

RECORDS = {  # kinds of records that hold many values by key -> what a row of their table is, and its columns
    "likelihoods": (
        "One row a text that a model did not write, and how likely it finds it: an answer over a passage, a document.",
        {
            "key": ("VARCHAR", "Identity of what decides it: text, prompt, model and code."),
            "logprob": ("DOUBLE", "Sum of its tokens' natural log-probabilities."),
            "tokens": ("INTEGER", "Tokens of it that were read."),
            "identity": ("VARCHAR", "Identity of the model's files and of the engine; NULL of old ones."),
        },
    ),
}  # fmt: skip
