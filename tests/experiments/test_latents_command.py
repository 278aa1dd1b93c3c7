"""Walks between faces and along latents; files of latents."""

import re

import numpy as np
import pytest
import tiny
import tiny_latents
from PIL import Image
from tiny_latents import LATENTS, SIZE

from data_pipeline import pixels
from evaluation.latents import Usage
from experiments import latents as command
from experiments.cvae_dcgan import report
from models import cvae_dcgan
from serving import png
from serving.codec import quantizer
from serving.export import latents as latent_export


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_latents.export(tmp_path_factory.mktemp("run"))[0]


@pytest.fixture(scope="module")
def codec(model):
    return latent_export.load(model)


@pytest.fixture
def run(codec, monkeypatch):
    """Runs an action; by keyword its options."""
    monkeypatch.setattr(latent_export, "load", lambda folder, **_: codec)

    def run(action, **options):
        options = {k: v if isinstance(v, int) else str(v) for k, v in options.items()}
        getattr(command, action)(command.Options(**{"model": ".", **options}))

    return run


@pytest.fixture
def faces(tmp_path):
    """Two pictures of other sizes, and their paths."""
    images = tiny_latents.training_images()[:2]
    images = [pixels.resize(images[0], 40, 50), images[1]]
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for image, path in zip(images, paths):
        Image.fromarray(image).save(path)
    return images, paths


def cut(path):
    """A picture of pictures -> [rows, columns, S, S, 3]."""
    picture = pixels.read(path)
    step = SIZE + 2
    assert all((side + 2) % step == 0 for side in picture.shape[:2])
    picture = np.pad(picture, ((0, 2), (0, 2), (0, 0)))
    rows, columns = (side // step for side in picture.shape[:2])
    parts = picture.reshape(rows, step, columns, step, 3).swapaxes(1, 2)
    return parts[:, :, :SIZE, :SIZE]


def said(path):
    """What a picture says of itself."""
    with Image.open(path) as file:
        return file.text["Description"]


class TestDrawing:
    def test_interpolate_walks_from_one_face_to_the_other(
        self, run, codec, faces, tmp_path
    ):
        images, paths = faces
        target = tmp_path / "strip.png"
        run("interpolate", input=f"{paths[0]},{paths[1]}", output=target, steps=5)
        (row,) = cut(target)
        assert len(row) == 5 + 2
        assert said(target) == png.STRIP
        np.testing.assert_array_equal(row[0], codec.seen(images[0]))
        np.testing.assert_array_equal(row[-1], images[1])
        first, second = (codec.encode(image) for image in images)
        for number, share in enumerate((0, 0.25, 0.5, 0.75, 1)):
            between = codec.decode((1 - share) * first + share * second).astype(int)
            assert np.abs(row[1 + number] - between).max() <= 1
        assert np.abs(row[1].astype(int) - row[-2]).max() > 20

    def test_rows_of_traverse_are_the_latents_that_vary_most(
        self, run, codec, faces, tmp_path, capsys
    ):
        images, paths = faces
        target = tmp_path / "moved.png"
        run("traverse", input=paths[0], output=target, count=3)
        rows, latents = cut(target), codec.encode(images[0])
        deviations = codec.deviations()
        order = np.argsort(-deviations)[:3]
        assert rows.shape[:2] == (3, 7)
        assert said(target) == png.DRAWN
        out = capsys.readouterr().out
        for number, row in zip(order, rows):
            np.testing.assert_array_equal(row[3], codec.decode(latents))
            for column, amount in ((0, -3), (4, 1), (6, 3)):
                moved = latents.copy()
                moved[number] += amount * deviations[number]
                np.testing.assert_allclose(row[column], codec.decode(moved), atol=1)
            assert re.search(rf"row \d: latent {number}, σ = [\d.]+\n", out)
        # There are no more rows than latents.
        run("traverse", input=paths[0], output=target, count=100, overwrite=True)
        assert cut(target).shape[:2] == (LATENTS, 7)


class TestEncodeAndDecode:
    def test_latents_and_pictures_are_those_of_the_model(
        self, run, codec, tmp_path, capsys
    ):
        photos, images = tmp_path / "photos", tiny_latents.training_images()[:4]
        names = ("a.png", "b.png", "b.webp", "in/c.d.bmp")
        for name, image in zip(names, images):
            (photos / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(photos / name)
        (photos / "bad.png").write_bytes(b"no picture")
        with pytest.raises(ValueError, match="^1 picture could not be encoded"):
            run("encode", input=photos, output=tmp_path / "latents.npz")
        with np.load(tmp_path / "latents.npz") as file:
            found = dict(zip(file["names"], file["latents"]))
        stems = ["a", "b.png", "b.webp", "in/c.d"]
        assert sorted(found) == stems
        assert all(row.dtype == np.float32 for row in found.values())
        run("decode", input=tmp_path / "latents.npz", output=tmp_path / "drawn")
        for name, stem in zip(names, stems):
            latents = codec.encode(pixels.read(photos / name))
            np.testing.assert_array_equal(found[stem], latents)
            target = tmp_path / "drawn" / f"{stem}.png"
            assert said(target) == png.DECODED
            np.testing.assert_array_equal(pixels.read(target), codec.decode(latents))
        out, err = capsys.readouterr()
        assert f"4 pictures encoded, 1 skipped: {tmp_path / 'latents.npz'}\n" in out
        assert f"4 pictures decoded: {tmp_path / 'drawn'}\n" in out
        assert f"skipped {photos / 'bad.png'}: not a readable" in err

    def test_anybodys_latents_are_drawn(self, run, codec, tmp_path, capsys):
        latents = np.random.default_rng(0).normal(0, 0.1, [3, LATENTS])
        latents[1] = np.inf
        np.savez(tmp_path / "mine.npz", latents=latents)
        options = {"input": tmp_path / "mine.npz", "output": tmp_path / "drawn"}
        with pytest.raises(ValueError, match="^1 picture could not be decoded"):
            run("decode", **options)
        targets = [tmp_path / "drawn" / f"00000{number}.png" for number in range(3)]
        for number in (0, 2):
            expected = codec.decode(latents[number].astype("f"))
            np.testing.assert_array_equal(pixels.read(targets[number]), expected)
        with pytest.raises(ValueError, match="^1 picture could not be decoded"):
            run("decode", **options)
        assert "2 results already there" in capsys.readouterr().err
        latents[0] += 1
        np.savez(tmp_path / "mine.npz", latents=latents)
        with pytest.raises(ValueError, match=r"0000\.png \(another input\)\. Pass"):
            run("decode", **options)
        np.testing.assert_array_equal(pixels.read(targets[2]), expected)

    @pytest.mark.parametrize(
        "arrays, text",
        [
            ({"latents": np.zeros(3)}, r"must hold latents \[N, L\]; it has \[3\]"),
            ({"codes": np.zeros([2, 3])}, "holds no latents .*Pass what encode wrote"),
            ({"model": "00" * 8}, "model 0{16}; this one is .*that encoded them"),
            ({"model": ""}, "model ; this one is"),
            ({}, r"latents of 3 numbers; those of this model have 12\. Pass the model"),
            ({"names": ["a", "a"]}, "no two alike"),
            ({"names": ["a"]}, "each of its 2 latents"),
            ({"names": ["../a", "b"]}, "within a folder"),
            ({"names": ["/a", "b"]}, "within a folder"),
            (None, r"mine\.npz holds no latents"),
        ],
    )
    def test_other_files_are_refused(self, run, tmp_path, arrays, text):
        options = {"input": tmp_path / "mine.npz", "output": tmp_path / "drawn"}
        with pytest.raises(FileNotFoundError, match=r"mine\.npz"):
            run("decode", **options)
        if arrays is None:
            options["input"].write_bytes(b"PK no archive")
        else:
            length = LATENTS if "names" in arrays else 3
            latents = {} if "codes" in arrays else {"latents": np.zeros([2, length])}
            np.savez(options["input"], **{**latents, **arrays})
        with pytest.raises(ValueError, match=text):
            run("decode", **options)
        assert not (tmp_path / "drawn").exists()

    @pytest.mark.parametrize(
        "latents, more",
        [
            (np.zeros([2000, LATENTS]), {}),
            (np.zeros([9000, LATENTS], np.int8), {}),  # four times as much as float32
            (np.zeros([2, LATENTS]), {"others": np.zeros([20_000])}),
        ],
    )
    def test_a_small_file_that_becomes_large_is_not_read(
        self, run, tmp_path, monkeypatch, latents, more
    ):
        monkeypatch.setattr(command, "_MOST_BYTES", 150_000)
        options = {"input": tmp_path / "mine.npz", "output": tmp_path / "drawn"}
        np.savez_compressed(options["input"], latents=latents, **more)
        assert options["input"].stat().st_size < 2000
        monkeypatch.setattr(np.lib.npyio.NpzFile, "__getitem__", None)
        text = "mine.npz takes .* kB when it is read, more than 150 kB. Divide its lat"
        with pytest.raises(ValueError, match=text):
            run("decode", **options)


class TestMistakes:
    @pytest.mark.parametrize(
        "action, options, text",
        [
            ("interpolate", {"input": "a.png"}, "takes two pictures, such as a.png,b"),
            ("interpolate", {"input": "a,b,c"}, "takes two pictures, such as a.png,b"),
            ("interpolate", {"output": "x.jpg"}, r"must be a file that ends in \.png"),
            ("traverse", {"output": "x"}, r"must be a file that ends in \.png"),
            ("encode", {"output": "x.png"}, r"must be a file that ends in \.npz"),
            ("encode", {"steps": 1}, "--steps must be at least 2"),
            ("encode", {"count": 0}, "--count must be at least 1"),
            ("encode", {"input": ""}, "--input is required"),
        ],
    )
    def test_they_are_told_at_once(self, run, action, options, text):
        with pytest.raises(ValueError, match=text):
            run(action, **{"input": "a.png,b.png", "output": "a.png", **options})

    def test_what_is_there_is_replaced_when_told_only(self, run, faces, tmp_path):
        _, (first, second) = faces
        target, before = tmp_path / "strip.png", first.read_bytes()
        target.write_bytes(b"mine")
        options = {"input": first, "output": target, "count": 1}
        with pytest.raises(ValueError, match="is there already; --overwrite replaces"):
            run("traverse", **options)
        assert target.read_bytes() == b"mine"
        run("traverse", **options, overwrite=True)
        assert cut(target).shape[:2] == (1, 7)
        # An input never is.
        for action, given in (
            ("traverse", first),
            ("interpolate", f"{second},{first}"),
        ):
            with pytest.raises(ValueError, match=r"a\.png would replace an input"):
                run(action, input=given, output=first, overwrite=True)
        assert first.read_bytes() == before


class TestSectionsOfAReport:
    @pytest.fixture(scope="class")
    def network(self):
        return cvae_dcgan.build_autoencoder(*tiny_latents.halves())

    def sections(self, network, count):
        kl = np.arange(LATENTS, dtype=float) % 7
        usage = Usage(kl, np.linspace(0.5, 4, LATENTS), 50)
        split = tiny.split_of(tiny_latents.training_images()[:count])
        return report.sections(network, split, usage), usage

    def test_faces_are_the_first_and_latents_the_most_used(self, network):
        images = tiny_latents.training_images()[:9]
        found, usage = self.sections(network, 9)
        encoder, decoder = (network.get_layer(n) for n in ("encoder", "decoder"))
        means = quantizer.encode(encoder, images)["mean"]
        drawn = pixels.unit_to_bytes(decoder(means)).numpy()
        for number, row in zip((0, 2, 4), found["Between two faces"]):
            assert row["name"] == f"image_{number}, image_{number + 1}"
            shown = [image for _, image in row["images"]]
            expected = (images[number], *drawn[number : number + 2], images[number + 1])
            for one, other in zip((*shown[:2], *shown[-2:]), expected):
                np.testing.assert_allclose(one, other, atol=1)
        # Of equal divergence the first comes first.
        along, order = found["One latent moved"], [6, 5, 4, 11, 3, 10, 2, 9]
        assert [row["name"] for row in along] == [f"image_0, latent {n}" for n in order]
        moved = means[0] + 3 * np.sqrt(usage.variance[6]) * np.eye(LATENTS)[6]
        (middle, still), (last, image) = along[0]["images"][3], along[0]["images"][-1]
        assert (middle, last) == ("0 σ", "+3 σ")
        expected = pixels.unit_to_bytes(decoder(moved[None].astype("f")))[0]
        np.testing.assert_allclose(image, expected, atol=1)
        np.testing.assert_allclose(still, drawn[0], atol=1)

    @pytest.mark.parametrize("count, pairs", [(1, 0), (3, 1), (6, 3)])
    def test_rows_are_what_a_report_takes(self, network, count, pairs):
        found, _ = self.sections(network, count)
        assert [len(rows) for rows in found.values()] == [pairs, 8]
        for rows in found.values():
            for row in rows:
                # The page shows the labels of the first row, and files are named so.
                labels = [label for label, _ in row["images"]]
                assert labels == [label for label, _ in rows[0]["images"]]
                assert len(set(labels)) == len(labels)
