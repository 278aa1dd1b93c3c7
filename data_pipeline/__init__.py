"""Images, what is missing from them, and the batches that networks take."""

from data_pipeline import machine

machine.prepare_matplotlib()
