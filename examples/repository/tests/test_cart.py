"""The cart's total."""

from shop.cart import Line, total


def test_lines_add_up() -> None:
    assert total([Line(250), Line(5, quantity=3)]) == 265


def test_a_cart_may_be_empty() -> None:
    assert total([], discount=10) == 0


def test_the_discount_is_rounded_once_for_the_whole_cart() -> None:
    assert total([Line(5), Line(5), Line(5)], discount=10) == 14
