"""What is studied with recipes: a subject a folder."""

RECORDS = {  # kinds of records that hold many values by key -> what a row of their table is, and its columns
    "lab_results": (
        "One row a result that a job measured for a page, as it was.",
        {
            "key": ("VARCHAR", "Identity of what decides it."),
            "lab": ("VARCHAR", "What measured it: chains_of_thought, question_likelihoods or rag_latency."),
            "result": ("JSON", "The result."),
        },
    ),
    "lab_rows": (
        "One row a line of a table that a command measured, a table a record: settings and numbers, no text of a document.",
        {
            "key": ("VARCHAR", "Identity of the line."),
            "lab": ("VARCHAR", "What measured it: dpo-experiment, train-reward or serving-compare."),
            "cells": ("JSON", "The line, by the table's columns."),
        },
    ),
}  # fmt: skip
