"""Compressed files: container, range coder, quantizers, codecs."""
