"""How concurrent writes merge: pure, named functions that never change their arguments."""

from .channels import append_new, last, merge_results
from .usage import add_usage

__all__ = ["add_usage", "append_new", "last", "merge_results"]
