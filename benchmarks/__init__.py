"""Measurements of speed: ratios, each from one run."""
