"""Drawn faces with true attributes, landmarks and face masks."""
