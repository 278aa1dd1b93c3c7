"""The command lines: one a paper, and those that use what they trained."""
