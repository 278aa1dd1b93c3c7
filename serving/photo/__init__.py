"""Restores photographs of any size: finds and aligns faces, and blends results."""
