"""Published curves of learned codecs, on the 24 photographs of Kodak.

They are other pictures, larger ones, than any that are measured here: such curves show
how far the codecs of the literature are apart, not how far ours is from them.

Source: CompressAI (Bégaint et al. 2020), results/image/kodak, the files
compressai-{bmshj2018-factorized,bmshj2018-hyperprior,mbt2018-mean}_mse_cuda.json. These
are means over images of bits per pixel, PSNR in dB and MS-SSIM, trained for the mean
squared error.
"""

from __future__ import annotations

import dataclasses

from evaluation.charts import Curve, Series
from evaluation.codecs import rate_distortion

# {codec: (bits per pixel, PSNR in dB, MS-SSIM)}
CURVES = {
    "factorized (Ballé 2018)": (
        (0.1226, 0.1885, 0.2878, 0.4404, 0.6481, 0.9670, 1.3512, 1.8333),
        (26.909, 28.218, 29.617, 31.277, 32.956, 35.381, 37.397, 39.621),
        (0.90999, 0.93605, 0.95547, 0.97036, 0.98064, 0.98788, 0.99220, 0.99510),
    ),
    "scale hyperprior (Ballé 2018)": (
        (0.1313, 0.2089, 0.3199, 0.4784, 0.6687, 0.9388, 1.2592, 1.6602),
        (27.582, 29.197, 30.972, 32.838, 34.526, 36.743, 38.584, 40.557),
        (0.91737, 0.94206, 0.96106, 0.97487, 0.98356, 0.98925, 0.99287, 0.99549),
    ),
    "mean and scale (Minnen 2018)": (
        (0.1239, 0.1980, 0.3072, 0.4606, 0.6617, 0.9144, 1.2342, 1.6191),
        (27.699, 29.359, 31.129, 32.951, 34.968, 36.911, 38.838, 40.633),
        (0.91784, 0.94306, 0.96148, 0.97520, 0.98358, 0.98925, 0.99305, 0.99535),
    ),
}


def chart(key: str) -> Curve | None:
    """A quality over bits per pixel on Kodak; None for one that is not published."""
    places = {"psnr_db": 1, "ms_ssim": 2}
    place = places.get(key.rpartition("/")[2])
    if place is None:
        return None
    series = []
    for name, curve in CURVES.items():
        line = rate_distortion.scaled(key, curve[place]).tolist()
        series.append(Series(name, list(curve[0]), line, line, line))
    drawn = rate_distortion.axes(key)
    return dataclasses.replace(
        drawn,
        slug=f"published-{drawn.slug}",
        title=f"Published, other pictures: {drawn.title}",
        series=series,
        note="Of 24 photographs of 768×512 (Kodak), as CompressAI measured its own "
        "trainings: other pictures than those above, so only the distances between "
        "these curves say something.",
        alt=f"{drawn.title} of {', '.join(CURVES)} on Kodak.",
    )
