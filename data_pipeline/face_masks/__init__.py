"""Face masks: found, read from files, or an ellipse around landmarks."""
