"""Agreement among annotators: one coefficient a file, each a sum over items and a function of that sum.

Ratings are float64 [items, annotators] with NaN for a label that was not given; the values are category codes 0..q-1 or,
for interval and ratio measures, numbers.
"""
