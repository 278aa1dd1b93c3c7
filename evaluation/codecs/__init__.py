"""Rate-distortion measurement of image formats and codecs."""
