"""Trained networks on their way out: SavedModels, and what runs them."""
