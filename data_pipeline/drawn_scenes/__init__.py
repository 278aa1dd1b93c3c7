"""Drawn scenes without faces."""
