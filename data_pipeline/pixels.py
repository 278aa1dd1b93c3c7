"""Decoding, color profiles, cropping, resizing, and the three ranges of pixels.

  bytes   uint8 [H, W, 3] in 0..255: files, sources, caches
  unit    float32 in [0, 1]: restorers, metrics, exported models
  signed  float32 in [-1, 1]: networks that end in tanh

No other module converts one range to another.
"""

from __future__ import annotations

import functools
import io
import os
import pathlib
import tempfile

import cv2
import numpy as np
import tensorflow as tf
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

IMAGE_SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".webp", ".avif", ".tif", ".tiff", ".gif", ".bmp",
)  # fmt: skip
CROPS = ("center", "none")
RESIZES = ("bicubic", "bilinear")

# A decompression bomb is an error, not a warning; 24-megapixel photographs pass.
MAX_PIXELS = 120_000_000
_MODES = ("RGB", "L", "CMYK")  # Pillow's modes that profiles are made for
# Profiles of sRGB differ by their authors' rounding, and must change nothing.
_ROUNDING = 2
_PROBED = 18  # levels per channel, 15 apart


class UnreadableImageError(ValueError):
    """An image that cannot be decoded; the message names it and says why."""


def decode(data: bytes, name: str) -> np.ndarray:
    """Decodes JPEG, PNG, WebP, AVIF, TIFF, BMP or a GIF's first frame.

    The EXIF orientation is applied; gray, palette, CMYK and 16-bit images become 8-bit
    RGB; colors of an embedded profile become sRGB's; transparency is laid over white.

    Args:
      data: The file's bytes.
      name: Of the image, for error messages.

    Returns:
      uint8 [H, W, 3].

    Raises:
      UnreadableImageError: If Pillow cannot decode it.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UnreadableImageError(
                    f"{name}: {image.width}x{image.height} is over the limit of "
                    f"{MAX_PIXELS // 1_000_000} megapixels; make it smaller first."
                )
            image.load()
            return np.asarray(_to_rgb(ImageOps.exif_transpose(image)))
    except UnreadableImageError:
        raise
    except UnidentifiedImageError as error:
        raise UnreadableImageError(
            f"{name}: not a readable image (damaged, or something else)."
        ) from error
    # Pillow's plugins raise many kinds of errors on damaged files; none of them may end
    # a run over thousands of images.
    except Exception as error:
        raise UnreadableImageError(
            f"{name}: not a readable image ({type(error).__name__}: {error})."
        ) from error


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow mode -> RGB. 16-bit gray is scaled; Pillow alone would clip it."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, np.float32)
        # "I" holds PNG's 16 bits in 32; "F" has no agreed range, so it is stretched.
        top = 65535.0 if image.mode.startswith("I") else max(float(values.max()), 1e-9)
        values = np.clip(np.rint(values / top * 255.0), 0, 255)
        image = Image.fromarray(values.astype(np.uint8), mode="L")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = to_srgb(image.convert("RGBA"), profile)
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image, profile = Image.alpha_composite(white, image), None
    if image.mode not in ("RGB", "L", "CMYK"):
        image = image.convert("RGB")
    return to_srgb(image, profile).convert("RGB")


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Converts colors from an embedded profile to sRGB.

    Args:
      image: RGB, RGBA, L or CMYK.
      profile: Embedded in the file, if any. One that is damaged or of another kind of
        picture is ignored, as is one of sRGB itself.

    Returns:
      RGB, or RGBA with the alpha of the image; the image itself if nothing changes.
    """
    if image.mode == "RGBA":
        colors = to_srgb(image.convert("RGB"), profile)
        colors.putalpha(image.getchannel("A"))
        return colors
    if not profile or image.mode not in _MODES:
        return image
    transform = _transform(profile, image.mode)
    return ImageCms.applyTransform(image, transform) if transform else image


@functools.lru_cache(maxsize=16)  # pictures of one camera share a profile
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The conversion of a mode to sRGB, or None if it must change nothing."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(source, target, mode, "RGB")
    # PyCMSError also stands for a profile of another mode; ImportError, for a Pillow
    # without LittleCMS.
    except (ImageCms.PyCMSError, ImportError, OSError, ValueError, TypeError):
        return None
    return None if _is_srgb(transform, mode) else transform


def _is_srgb(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether the conversion changes numbers by rounding only."""
    if mode == "CMYK":
        return False
    levels = np.rint(np.linspace(0, 255, _PROBED)).astype(np.uint8)
    channels = Image.getmodebands(mode)
    before = np.stack(np.meshgrid(*[levels] * channels), axis=-1)
    before = before.reshape(_PROBED, -1, channels)
    given = Image.fromarray(before[..., 0] if mode == "L" else before)
    after = np.asarray(ImageCms.applyTransform(given, transform)).astype(int)
    return np.abs(after - before).max() <= _ROUNDING


def read(path: str | os.PathLike) -> np.ndarray:
    """Reads an image file; see `decode`."""
    try:
        data = pathlib.Path(path).read_bytes()
    except OSError as error:
        raise UnreadableImageError(f"{path}: {error.strerror or error}.") from error
    return decode(data, str(path))


def encode_png(image: np.ndarray) -> bytes:
    """uint8 [H, W, 3] or [H, W] -> the bytes of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Writes a file under a temporary name and renames it: it is whole or absent."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes files private
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def crop_box(height: int, width: int, crop: str) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of a crop.

    Args:
      height: Of the image, pixels.
      width: Of the image, pixels.
      crop: "center", the largest centered square; "none", everything; or the side
        of a centered square in pixels, such as "178" for aligned CelebA.

    Raises:
      ValueError: If `crop` is none of these.
    """
    if crop == "none":
        return 0, 0, width, height
    if crop == "center":
        side = min(height, width)
    elif crop.isdigit() and int(crop) > 0:
        side = min(int(crop), height, width)
    else:
        raise ValueError(
            f"--crop must be one of {', '.join(CROPS)} or the side of a centered "
            f"square in pixels, such as 178; got {crop!r}."
        )
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def fit(element: dict, *, size: int, crop: str, filter: str = "bicubic") -> dict:
    """Crops and resizes an element of a source with its landmarks and face mask.

    The resize is to size x size whatever the shape, so that `crop="none"` distorts an
    image that is not square, as published pipelines do.

    Args:
      element: See `data_pipeline.datasets.elements`.
      size: Side of the result in pixels.
      crop: See `crop_box`.
      filter: Of the image, see `resize`; a face mask is always antialiased.
    """
    image = element["image"]
    box = crop_box(image.shape[0], image.shape[1], crop)
    fitted = dict(element, image=resize(image, size, size, box=box, filter=filter))
    if "landmarks" in element:
        # Pixel centers lie at half integers; the resize maps edges to edges.
        scale = np.array([size / (box[2] - box[0]), size / (box[3] - box[1])])
        points = (element["landmarks"] + 0.5 - np.array(box[:2])) * scale - 0.5
        fitted["landmarks"] = points.astype(np.float32)
    if "face_mask" in element:
        mask = element["face_mask"][..., 0] * np.uint8(255)
        mask = resize(mask, size, size, box=box) >= 128
        fitted["face_mask"] = mask.astype(np.uint8)[..., None]
    return fitted


def resize(
    image: np.ndarray,
    height: int,
    width: int,
    *,
    box: tuple[int, int, int, int] | None = None,
    filter: str = "bicubic",
) -> np.ndarray:
    """Resizes uint8 [H, W, 3] or [H, W], optionally a box of it.

    "bicubic" is antialiased. "bilinear" is not: it mixes the four nearest pixels
    however small the result, as `tf.image.resize` and Keras's
    `image_dataset_from_directory` do by default, and rounds to whole levels.
    """
    box = box or (0, 0, image.shape[1], image.shape[0])
    if (height, width) == (box[3] - box[1], box[2] - box[0]):
        return np.ascontiguousarray(image[box[1] : box[3], box[0] : box[2]])
    if filter == "bilinear":
        part = image[box[1] : box[3], box[0] : box[2]].astype(np.float32)
        mixed = cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.rint(mixed).astype(np.uint8)
    resized = Image.fromarray(image).resize(
        (width, height), Image.Resampling.BICUBIC, box=box
    )
    return np.asarray(resized)


def bytes_to_unit(image: tf.Tensor | np.ndarray) -> tf.Tensor:
    """uint8 -> float32 in [0, 1]."""
    return tf.cast(image, tf.float32) / 255.0


def bytes_to_signed(image: tf.Tensor | np.ndarray) -> tf.Tensor:
    """uint8 -> float32 in [-1, 1]."""
    return unit_to_signed(bytes_to_unit(image))


def unit_to_signed(image: tf.Tensor) -> tf.Tensor:
    """[0, 1] -> [-1, 1]."""
    return image * 2.0 - 1.0


def signed_to_unit(image: tf.Tensor) -> tf.Tensor:
    """[-1, 1] -> [0, 1], clipped."""
    return tf.clip_by_value((image + 1.0) * 0.5, 0.0, 1.0)


def unit_to_bytes(image: tf.Tensor) -> tf.Tensor:
    """[0, 1] -> uint8, clipped and rounded; the inverse of `bytes_to_unit`."""
    image = tf.clip_by_value(image, 0.0, 1.0)
    return tf.cast(tf.round(image * 255.0), tf.uint8)


def tile(rows: list[np.ndarray], *, gap: int = 2) -> np.ndarray:
    """One picture, uint8 [H, W, 3], of rows of pictures.

    Args:
      rows: Each uint8 [N, S, S, 3].
      gap: White pixels between pictures.
    """
    padding = ((0, 0), (0, gap), (0, gap), (0, 0))
    rows = [np.pad(row, padding, constant_values=255) for row in rows]
    tiled = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
    return tiled[:-gap, :-gap]
