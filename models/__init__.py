"""The networks: Keras functional models, one file a paper."""
