"""Restoring photographs of any size: masks, face finding, alignment, blending."""
