import os
import pathlib
import sys
import types

import numpy as np
import pytest
import tiny
from PIL import Image

from data_pipeline import fetch, pixels
from evaluation.metrics import lpips

PUBLISHED = os.environ.get("FACEMEND_DATA") and (
    pathlib.Path(os.environ["FACEMEND_DATA"]) / "lpips"
)
needs_published = pytest.mark.skipif(
    not (PUBLISHED and PUBLISHED.is_dir()),
    reason="FACEMEND_DATA names no folder with lpips/, the published LPIPS files",
)
PLACES = [place for place, _ in lpips.CONVOLUTIONS.values()]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny.lpips_weights(tmp_path_factory.mktemp("lpips") / "weights.npz")


@pytest.fixture(scope="module")
def weights(path):
    with np.load(path) as file:
        return dict(file)


@pytest.fixture(scope="module")
def metric(path):
    return lpips.load(path)


def state_dicts(weights):
    """The same weights as torchvision and LPIPS name and lay them out."""
    alexnet = {"classifier.1.weight": np.zeros([2, 2], "f")}
    heads = {}
    for layer, place in enumerate(PLACES, start=1):
        alexnet[f"features.{place}.weight"] = weights[f"conv{layer}_w"].transpose(
            3, 2, 0, 1
        )
        alexnet[f"features.{place}.bias"] = weights[f"conv{layer}_b"]
        head = weights[f"lin{layer}"].reshape(1, -1, 1, 1)
        heads[f"lin{layer - 1}.model.1.weight"] = head
    return {"alexnet.pth": alexnet, "alex.pth": heads}


def numpy_lpips(x, y, weights):
    """LPIPS of one [H, W, 3] pair by sliding windows, in float64."""

    def features(image):
        z = (2 * image - 1 - [-0.030, -0.088, -0.188]) / [0.458, 0.448, 0.450]
        for layer, (stride, pad) in enumerate(
            [(4, 2), (1, 2), (1, 1), (1, 1), (1, 1)], start=1
        ):
            if layer in (2, 3):
                z = windows(z, 3)[::2, ::2].max(axis=(3, 4))
            kernel = weights[f"conv{layer}_w"].astype("d")
            z = np.pad(z, [(pad, pad), (pad, pad), (0, 0)])
            z = windows(z, len(kernel))[::stride, ::stride]
            z = np.einsum("hwcij,ijcd->hwd", z, kernel, optimize=True)
            z = np.maximum(z + weights[f"conv{layer}_b"], 0)
            yield z / np.sqrt((z**2).sum(axis=-1, keepdims=True))

    def windows(z, size):
        return np.lib.stride_tricks.sliding_window_view(z, (size, size), (0, 1))

    return sum(
        (((a - b) ** 2) @ weights[f"lin{layer}"]).mean()
        for layer, (a, b) in enumerate(zip(features(x), features(y)), start=1)
    )


def images(*shape, seed=0):
    return np.random.default_rng(seed).uniform(0, 1, shape).astype("f")


@needs_published
def test_the_published_examples_have_the_published_distances():
    metric = lpips.load(PUBLISHED / "lpips_alex_hwio.npz")
    reference, *others = (
        np.asarray(Image.open(PUBLISHED / f"examples/ex_{n}.png").convert("RGB"))
        for n in ("ref", "p0", "p1")
    )
    restored = np.stack(others) / np.float32(255)
    target = np.stack([reference] * 2) / np.float32(255)
    np.testing.assert_array_equal(
        np.round(metric(target, restored), 3), np.float32([0.722, 0.138])
    )
    assert metric.sha256_prefix == "79eaf26c0cbb68e7"


@pytest.mark.parametrize("height, width", [(31, 31), (50, 39)])
def test_equals_a_float64_implementation(metric, weights, height, width):
    target, restored = images(2, height, width, 3), images(2, height, width, 3, seed=1)
    expected = [numpy_lpips(x, y, weights) for x, y in zip(target, restored)]
    assert min(expected) > 0.01
    np.testing.assert_allclose(metric(target, restored), expected, rtol=1e-4)


def test_is_zero_for_equal_images_symmetric_and_clips(metric, weights):
    target, restored = images(2, 40, 40, 3), images(2, 40, 40, 3, seed=1)
    np.testing.assert_array_equal(metric(target, target), [0, 0])
    np.testing.assert_allclose(
        metric(target, restored), metric(restored, target), rtol=1e-5
    )
    bright = restored * 3
    np.testing.assert_array_equal(
        metric(target, bright), metric(target, bright.clip(0, 1))
    )

    # Without any activation it is finite.
    silent = {k: np.minimum(v, 0) if "conv" in k else v for k, v in weights.items()}
    assert np.isfinite(lpips.LPIPS(silent, "")(target, restored)).all()


def test_images_too_small_or_of_two_shapes_are_an_error(metric):
    assert metric.minimum_size == 31
    with pytest.raises(ValueError, match="at least 31 px .* got 30×64"):
        metric(images(1, 30, 64, 3), images(1, 30, 64, 3))
    with pytest.raises(ValueError, match="two .* of one shape"):
        metric(images(1, 32, 32, 3), images(2, 32, 32, 3))


def test_other_weights_are_an_error(weights, tmp_path):
    path = tmp_path / "weights.npz"
    for changed, message in (
        ({"lin3": None}, r"weights\.npz: lin3 .* \(384,\); got nothing"),
        ({"conv1_w": np.zeros([64, 3, 11, 11])}, r"conv1_w .* got \(64, 3, 11, 11\)"),
    ):
        given = {**weights, **changed}
        np.savez(path, **{k: v for k, v in given.items() if v is not None})
        with pytest.raises(ValueError, match=message):
            lpips.load(path)


class TestConvert:
    @pytest.fixture
    def torch(self, weights, monkeypatch):
        """Stands in for PyTorch, whose `load` reads the weights by the file's name."""

        class Tensor(types.SimpleNamespace):
            def detach(self):
                return types.SimpleNamespace(numpy=lambda: self.array)

        def load(path, *, map_location, weights_only):
            assert map_location == "cpu" and weights_only is True
            found = state_dicts(weights)[path.name]
            return {name: Tensor(array=array) for name, array in found.items()}

        monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(load=load))

    def test_it_makes_the_weights_again(self, weights, tmp_path, torch):
        paths = [tmp_path / name for name in ("alexnet.pth", "alex.pth")]
        out = lpips.convert(*paths, tmp_path / "new" / "lpips.npz")
        assert [p.name for p in out.parent.iterdir()] == ["lpips.npz"]
        with np.load(out) as made:
            assert set(made) == set(weights)
            for key, value in weights.items():
                np.testing.assert_array_equal(made[key], value)
        with pytest.raises(ValueError, match=r"alex\.pth has no features\.0\.weight"):
            lpips.convert(paths[1], paths[0], tmp_path / "swapped.npz")
        assert not (tmp_path / "swapped.npz").exists()

    def test_download_fills_the_cache_with_checked_files_only(
        self, weights, tmp_path, monkeypatch, torch
    ):
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        sources = {}
        for name in state_dicts(weights):
            (tmp_path / name).write_text(name)
            checksum = fetch.checksum(tmp_path / name)
            sources[name] = ((tmp_path / name).as_uri(), checksum)
        monkeypatch.setattr(lpips, "ALEXNET", sources["alexnet.pth"])
        for address, error, message in (
            (sources["alex.pth"][0], ValueError, "damaged or not the published one"),
            (
                (tmp_path / "absent").as_uri(),
                OSError,
                r"could not be fetched .* --alexnet=FILE",
            ),
        ):
            monkeypatch.setattr(lpips, "HEADS", (address, "0" * 64))
            with pytest.raises(error, match=message):
                lpips.download()
        assert lpips.resolve("") is None

        monkeypatch.setattr(lpips, "HEADS", sources["alex.pth"])
        cached = lpips.download()
        assert lpips.resolve("") == cached
        assert [p.name for p in cached.parent.iterdir()] == ["lpips_alex.npz"]
        lpips.load(cached)

    def test_without_pytorch_the_extra_is_named(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "torch", None)
        monkeypatch.setenv("HOME", str(tmp_path))
        for make in (lpips.download, lambda: lpips.convert("a.pth", "b.pth", "c.npz")):
            with pytest.raises(ImportError, match=r"extra 'torch': pip install"):
                make()
        assert not list(tmp_path.iterdir())

    @needs_published
    def test_the_published_heads_are_the_pinned_file(self):
        pytest.importorskip("torch")
        path = PUBLISHED / "lpips_v0.1_alex_heads.pth"
        assert fetch.checksum(path) == lpips.HEADS[1]
        heads = lpips._read_checkpoint(path)
        with np.load(PUBLISHED / "lpips_alex_hwio.npz") as expected:
            for layer in range(1, 6):
                head = heads[f"lin{layer - 1}.model.1.weight"]
                np.testing.assert_array_equal(head.ravel(), expected[f"lin{layer}"])

    @pytest.mark.parametrize("zipped", [True, False])
    def test_code_in_a_file_is_refused_and_not_run(self, tmp_path, zipped):
        torch = pytest.importorskip("torch")

        class Harmful:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "harm"),)

        path = tmp_path / "x.pth"
        torch.save({"a": Harmful()}, path, _use_new_zipfile_serialization=zipped)
        with pytest.raises(ValueError, match=r"x\.pth cannot be read as a Py"):
            lpips._read_checkpoint(path)
        assert not (tmp_path / "harm").exists()
        weight = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3))
        torch.save({"a": weight}, path, _use_new_zipfile_serialization=zipped)
        (array,) = lpips._read_checkpoint(path).values()
        np.testing.assert_array_equal(array, np.arange(6).reshape(2, 3))


def test_resolve_takes_the_given_file_before_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"--lpips_weights=absent\.npz"):
        lpips.resolve("absent.npz")
    given, cached = tmp_path / "given.npz", tmp_path / ".cache/facemend/lpips_alex.npz"
    pixels.write_bytes(cached, b"")
    given.touch()
    assert (lpips.resolve(str(given)), lpips.resolve("")) == (given, cached)
