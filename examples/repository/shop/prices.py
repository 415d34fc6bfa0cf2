"""Prices, in cents."""


def discounted(cents: int, percent: int) -> int:
    """Return a price less a discount, which is rounded down to whole cents."""
    return cents - cents * percent // 100
