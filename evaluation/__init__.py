"""Metrics, baselines, evaluation and reports. A restorer is any callable."""

import os

import data_pipeline  # noqa: F401  which prepares Matplotlib

# As in `experiments`: TensorFlow does not report missing GPUs.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
