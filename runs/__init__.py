"""A run as those see it who have it done: what it works with, where it is kept, what it asks."""
