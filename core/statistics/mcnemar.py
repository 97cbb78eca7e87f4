"""McNemar's exact test."""

from scipy.special import bdtr


def exact_p(only_a: int, only_b: int) -> float:
    """Two-sided p from the discordant counts. H0: where they differ, either is as likely to be the right one.

    Binomial with probability 1/2, the smaller tail doubled, at most 1; 1 when there are no discordant questions.
    Source: McNemar 1947, "Note on the sampling error of the difference between correlated proportions"; exact form as
    in Fagerland, Lydersen and Laake 2013, "The McNemar test for binary matched-pairs data", equation 2.
    """
    discordant = only_a + only_b
    return min(1.0, 2 * float(bdtr(min(only_a, only_b), discordant, 0.5))) if discordant else 1.0
