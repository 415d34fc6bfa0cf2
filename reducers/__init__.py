"""How concurrent writes merge: pure, named functions that never change their arguments."""

from .channels import append_new, last, merge_results

__all__ = ["append_new", "last", "merge_results"]
