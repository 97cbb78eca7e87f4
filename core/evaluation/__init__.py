"""Judged rankings, and the metrics that read them."""

KINDS = {  # of parts in this folder -> what they are
    "metric": "Metrics judge a ranking, question by question. All of them are computed for every trial."
}
