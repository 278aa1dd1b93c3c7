"""Model folders, configuration and warm-up requests of TF Serving."""
