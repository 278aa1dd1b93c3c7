r"""A convolutional auto-encoder for portraits (Tan), and codecs built from it.

  facemend train portrait_autoencoder --preset=n192 --dataset=celeb_a \
      --data_dir=DIR --workdir=runs/n192

Published: mean squared error 2.1e-4 after 3 epochs, of one training image.
Ours: results/portrait_autoencoder.json.

Its comparison of learning rates, after one epoch over 1,000 images, is
--preset=learning_rates, or --first_epoch_seeds=5 with any evaluation of such a network.

The presets lambda_* make a codec, whose export `facemend compress` takes.
"""
