"""The cart."""

from dataclasses import dataclass

from .prices import discounted


@dataclass(frozen=True)
class Line:
    """An article and how often it is bought."""

    price: int
    quantity: int = 1


def total(lines: list[Line], discount: int = 0) -> int:
    """Return what the cart costs, in cents, less a discount in percent on the whole cart."""
    return sum(discounted(line.price * line.quantity, discount) for line in lines)
