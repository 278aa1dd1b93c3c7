"""Writes a photograph that is free to show: demo_photo.py FOLDER.

Grace Hopper by James S. Davis, United States Navy, in the public domain; it comes with
Matplotlib.
"""

import pathlib
import shutil
import sys

from matplotlib import cbook

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
photo = cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
shutil.copyfile(photo, folder / "grace_hopper.jpg")
