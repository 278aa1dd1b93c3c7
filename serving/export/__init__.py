"""SavedModels: how networks are exported and opened."""
