"""Metrics, baselines, evaluation and reports; knows restorers only as callables."""
