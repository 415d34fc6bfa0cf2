"""The data that flows through Fanwise, as typed models: plans, results, findings and errors."""
