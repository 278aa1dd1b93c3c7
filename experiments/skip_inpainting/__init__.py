r"""End-to-end facial inpainting with skip connections (Jiang & Zhang), Tables 1 and 2.

  facemend train skip_inpainting --preset=model3 --dataset=celeb_a \
      --data_dir=DIR --workdir=runs/model3

Published: 10 x LPIPS 1.04 after 38 epochs.   Ours: results/skip_inpainting.json.
"""
