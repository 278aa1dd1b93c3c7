"""Data sets: where their files lie, their terms, checksums and annotations."""
