r"""A conditional GAN with a dilated feature pyramid (Chen, Ji & Zhang), Figs. 3 and 4.

  facemend train pyramid_cgan --preset=d --data_dir=DIR --workdir=runs/d

Published: pictures and loss curves, no table.   Ours: results/pyramid_cgan.json.
"""
