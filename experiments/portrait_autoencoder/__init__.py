r"""A convolutional auto-encoder for portraits (Tan), and the codec that it asks for.

  python -m experiments.portrait_autoencoder --preset=n192 --dataset=celeb_a \
      --data_dir=DIR --workdir=runs/n192

Published: mean squared error 2.1e-4 after 3 epochs, of one training image.
Ours: results/portrait_autoencoder.json.

The presets lambda_* make a codec, whose export `experiments.compress` takes.
"""
