"""Trained models by name."""

from serving.zoo.zoo import names, resolve

__all__ = ["names", "resolve"]
