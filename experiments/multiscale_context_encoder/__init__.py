r"""A multi-scale context encoder for facial images (Do et al.), Tables IV and V.

  facemend train multiscale_context_encoder --preset=lfw_add --data_dir=DIR \
      --workdir=runs/lfw_add

Published: LFW, L1 4.78%, MS-SSIM 80.35%; context encoder 4.65%, 77.18%.
Ours: results/multiscale_context_encoder.json.
"""
