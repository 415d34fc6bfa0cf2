"""Named workflows: plans with parameters, kept as data files."""
