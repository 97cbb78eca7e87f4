"""An experiment as YAML with a word on each line, for people who write their first."""

TEXT = """\
# An experiment: `python -m core experiment run FILE.yaml` runs it, and goes on where it was when it was stopped.
id: chunks-and-fusion            # its name in addresses and trials; made from the title where it is left out
title: Chunks and fusion
question: Which chunking and which fusion find the evidence best?

base:                            # the recipe that is varied, as far as it differs from the defaults
  corpus: {dataset: python-reference}
  chunking: {part: recursive, size_tokens: 128, overlap_tokens: 16}

# against: {fusion.part: sparse_only}  # a recipe that all are compared with instead of the base; it is measured once

factors:                         # what is varied; `python -m core list settings` names every setting
  - setting: chunking            # a stage compares its parts, each as it is by default or with settings
    values: [recursive, sentence, {part: sliding_window, size_tokens: 96, overlap_tokens: 32}]
  - setting: fusion.part
    values: [sparse_only, dense_only, rrf, convex]
  - setting: fusion.weight       # only rrf and convex have it: it is varied with them, and left alone with the others
    values: [0.3, 0.5, 0.7]
  - setting: retrieval.candidates
    values: [50, 200]
    when: {fusion.part: [rrf]}   # varied where this holds, else as in the base
  # a range instead of values, for designs that draw:
  # - {setting: sparse.k1, low: 0.5, high: 2.5}

design:
  kind: grid                     # grid, one_at_a_time, random, latin, tpe, nsga2, halving
  # trials: 40                   # of those that draw
  # seed: 0

metrics: [ndcg_linear, recall]   # the first is optimised; all are compared. With a measure of answers, such as f1 or faithfulness,
# answers: 30                    # … so many questions are answered at each point, and prompts, samplers and adapters can be varied
repeats: 1                       # times that each point is measured, each with the next seed
choose_on: dev                   # half of the questions on which points are compared …
report_on: test                  # … and the half on which the winner and the base are measured at the end
budget: {seconds: 3600, usd: 0}  # 0 is no limit
"""
