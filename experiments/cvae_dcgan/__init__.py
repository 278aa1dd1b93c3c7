r"""A face encoded as 512 numbers (Killingbeck, Kim, Nguyen & Vousden), Table 1.

  facemend train cvae_dcgan --preset=cvae --dataset=celeb_a --data_dir=DIR \
      --workdir=runs/cvae

Published: 1-SSIM 0.307 (CVAE), 0.417 (DCGAN).   Ours: results/cvae_dcgan.json.
"""
