"""Images, what is missing from them, and the batches that networks take."""
