"""A file a measure of answers."""

KINDS = {  # of parts in this folder -> what they are
    "measure": "Measures score an answer, question by question: against references, passages, citations, or by a judge."
}
