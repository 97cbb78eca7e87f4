"""Articles: evidence is gathered, sentences are written on it, a gate sends them back or lets them out, and a person may decide."""

RECORDS = {
    "article_steps": (
        "One row a step of an article, from its topic to its publication.",
        {
            "key": ("VARCHAR", "The article's id and the step's number."),
            "article": ("VARCHAR", "Id of the article: of its topic, recipe and seed."),
            "number": ("INTEGER", "Which step, from 0."),
            "step": ("VARCHAR", "begun, evidence, draft, gate, decision or publication."),
            "value": ("JSON", "What came of it."),
        },
    ),
    "article_gates": (
        "One row a measurement of the gate against people.",
        {
            "key": ("VARCHAR", "Of the file, the recipe's judge and the code."),
            "file": ("VARCHAR", "Name of the file with people's judgements."),
            "value": ("JSON", "Correlation, bias, wrong decisions and the curve over thresholds."),
        },
    ),
}
