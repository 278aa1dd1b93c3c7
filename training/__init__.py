"""Trainers, losses and what accompanies a run. Data is handed in, never fetched."""
