"""The command lines: one a paper, and those that use what they trained."""

import os

# TensorFlow reports on missing GPUs at every start; real errors still come as Python
# exceptions. Set before it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
