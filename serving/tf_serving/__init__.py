"""Model folders, configuration and warm-up requests for TF Serving."""
