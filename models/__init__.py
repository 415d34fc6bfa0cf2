"""Chat models: which ones a run has, what goes wrong on the wire to them, structured answers, prices."""
