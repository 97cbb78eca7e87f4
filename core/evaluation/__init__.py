"""Judged rankings, and the metrics that read them."""
