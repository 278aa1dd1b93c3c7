"""The run: configuration, training, evaluation, export, run folder."""
