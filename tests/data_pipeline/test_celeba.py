"""CelebA and CelebA-HQ in the layouts in which they are published."""

import concurrent.futures
import hashlib
import zipfile

import numpy as np
import pytest
from tiny import encoded

from data_pipeline import pixels, sources
from data_pipeline.datasets import celeba, elements

PARTITION = [0, 0, 1, 0, 2, 2, 0]
NAMES = [f"{number:06d}.jpg" for number in range(1, 8)]
SIGNS = np.random.default_rng(0).choice([-1, 1], (7, 40))
POINTS = np.random.default_rng(1).integers(1, 178, (7, 10))
EVAL, ATTR, LANDMARKS = (
    f"list_{part}.txt"
    for part in ("eval_partition", "attr_celeba", "landmarks_align_celeba")
)


def jpeg(value):
    return encoded((value, 0, 0), (178, 218), format="JPEG")


def table(header, rows, width):
    """As published: count, names with a trailing blank, columns padded with blanks."""
    lines = [str(len(rows)), " ".join(header) + " "]
    for name, row in zip(NAMES, rows):
        lines.append(name + " " + " ".join(f"{value:>{width}d}" for value in row))
    return "\n".join(lines) + "\n"


TEXTS = {
    EVAL: "".join(f"{name} {part}\n" for name, part in zip(NAMES, PARTITION)),
    ATTR: table(celeba.ATTRIBUTES, SIGNS, 2),
    LANDMARKS: table(celeba.LANDMARKS, POINTS, 3),
}


def write(root, *, zipped=False, folders=False, texts=TEXTS):
    """Writes the files below a folder, or in the folders of the official download."""
    for file, text in texts.items():
        path = root / (("Eval" if file == EVAL else "Anno") if folders else "") / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    images = root / ("Img" if folders else "") / "img_align_celeba"
    images.parent.mkdir(parents=True, exist_ok=True)
    if zipped:
        with zipfile.ZipFile(f"{images}.zip", "w") as archive:
            for number, name in enumerate(NAMES):
                archive.writestr(f"img_align_celeba/{name}", jpeg(30 * number))
    else:
        images.mkdir()
        for number, name in enumerate(NAMES):
            (images / name).write_bytes(jpeg(30 * number))
    return root


def load(data_dir, split, **options):
    return sources.load("celeb_a", split, data_dir=str(data_dir), **options)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("folders", [False, True])
def test_official_files_give_images_partition_and_annotations(
    tmp_path, zipped, folders
):
    write(tmp_path, zipped=zipped, folders=folders)
    for number, split in enumerate(("train", "validation", "test")):
        source = load(tmp_path, split)
        rows = [row for row, part in enumerate(PARTITION) if part == number]
        assert source.names == tuple(NAMES[row] for row in rows)
        assert source.fields == ("attributes", "landmarks")
        for row, element in zip(rows, source):
            assert element["name"] == NAMES[row]
            assert element["image"].shape == (218, 178, 3)
            assert abs(element["image"][..., 0].mean() - 30 * row) < 4
            assert element["attributes"].dtype == bool
            np.testing.assert_array_equal(element["attributes"], SIGNS[row] == 1)
            assert element["landmarks"].dtype == np.float32
            # Published from 1, here from 0.
            points = POINTS[row].reshape(5, 2) - 1
            np.testing.assert_array_equal(element["landmarks"], points)
    assert source.info.split_counts == {"train": 4, "validation": 1, "test": 2}
    assert source.info.attribute_names == celeba.ATTRIBUTES
    assert "published set 202,599" in source.info.notes
    (last,) = load(tmp_path, "train").skip(2).take(1)
    np.testing.assert_array_equal(last["attributes"], SIGNS[3] == 1)


def test_by_order_the_official_partition_is_left_out(tmp_path):
    options = {"data_dir": write(tmp_path), "split_by": "order"}
    assert load(split="train", **options).names == tuple(NAMES[:6])
    test = load(split="test", **options)
    assert test.names == tuple(NAMES[6:])
    np.testing.assert_array_equal(next(iter(test))["attributes"], SIGNS[6] > 0)
    with pytest.raises(ValueError, match="has the splits train, test"):
        load(split="validation", **options)


def test_by_first_as_many_are_validated_and_tested_as_were_published():
    """The first 180,000 names of CelebA, the next 10,000 and the next 10,000."""
    rows = elements.first_rows(202_599)
    ends = {part: (int(found[0]), int(found[-1])) for part, found in rows.items()}
    assert ends == {
        "train": (0, 179_999),
        "validation": (180_000, 189_999),
        "test": (190_000, 199_999),
    }
    assert [len(part) for part in elements.first_rows(45).values()] == [36, 2, 2]


def test_by_first_names_are_in_order_and_annotations_stay_with_them(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(
        elements,
        "first_rows",
        lambda count: {"train": np.arange(4), "validation": [4], "test": [5]},
    )
    options = {"data_dir": write(tmp_path), "split_by": "first"}
    assert load(split="train", **options).names == tuple(NAMES[:4])
    assert load(split="validation", **options).names == (NAMES[4],)
    (only,) = load(split="test", **options)
    assert only["name"] == NAMES[5]
    np.testing.assert_array_equal(only["attributes"], SIGNS[5] > 0)


def test_people_are_known_where_their_file_is(tmp_path):
    numbers = [2880, 17, 17, 5, 2880, 9, 5]
    lines = [f"{name} {number}\n" for name, number in zip(NAMES, numbers)]
    root = write(tmp_path, texts={**TEXTS, "identity_CelebA.txt": "".join(lines)})
    for number, split in enumerate(("train", "validation", "test")):
        source = load(root, split)
        assert source.fields == ("attributes", "landmarks", "identity")
        expected = [str(n) for n, p in zip(numbers, PARTITION) if p == number]
        assert [element["identity"] for element in source] == expected
    (root / "identity_CelebA.txt").write_text("".join(lines[:2]) + "000003.jpg Ana\n")
    with pytest.raises(ValueError, match="identity_CelebA.txt, line 3: expected"):
        load(root, "train")


def test_data_dir_may_be_the_images_themselves(tmp_path):
    loose = write(tmp_path / "loose") / "img_align_celeba"
    zipped = write(tmp_path / "zip", zipped=True, folders=True) / "Img"
    for data_dir in (loose, zipped / "img_align_celeba.zip"):
        assert load(data_dir, "test").names == (*NAMES[4:6],)


def test_without_attribute_files_elements_lack_them_and_notes_say_so(tmp_path):
    source = load(write(tmp_path, texts={EVAL: TEXTS[EVAL]}), "test")
    assert set(source[0]) == {"image", "name"}
    assert source.fields == source.info.attribute_names == ()
    assert f"no attributes, because {ATTR}" in source.info.notes
    assert f"no landmarks, because {LANDMARKS}" in source.info.notes


def test_half_a_download_is_an_error_that_says_what_is_missing(tmp_path):
    (write(tmp_path) / EVAL).unlink()
    with pytest.raises(FileNotFoundError, match=f"{EVAL} not"):
        load(tmp_path, "train")
    other = write(tmp_path / "other")
    (other / "img_align_celeba").rename(other / "faces")
    with pytest.raises(FileNotFoundError, match="the images not"):
        load(other, "train")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (ATTR, "Bald", "Bold", r"line 2: .*column 5 must be Bald, got Bold"),
        (ATTR, " Young", "", r"line 2: .*column 40 must be Young, got nothing"),
        (ATTR, "7\n", "8\n", r"announces 8 rows, 7 follow"),
        (ATTR, "7\n", "seven\n", r"line 1: expected the number of rows"),
        (
            ATTR,
            "7\n",
            "<!DOCTYPE html><title>Quota</title>\n",
            "not CelebA's list but a web page, 'Quota', that was saved",
        ),
        (EVAL, TEXTS[EVAL], "", r"line 1: expected .*0, 1 or 2, got 'an empty file'"),
        (ATTR, "000003.jpg", "000003.jpg 1", r"line 5: expected a file name and 40"),
        (ATTR, "000003.jpg -1", "000003.jpg  0", r"line 5: expected .* 1 or -1"),
        (ATTR, "000001.jpg", "000011.jpg", r"has no row for 000001.jpg"),
        (LANDMARKS, "000002.jpg ", "000002.jpg x", r"line 4: expected .*10 numbers"),
        (
            LANDMARKS,
            f"{POINTS[0, 0]:>3d} ",
            "nan ",
            r"line 3: expected .*10 numbers, got",
        ),
        (
            LANDMARKS,
            f"{POINTS[0, 0]:>3d} ",
            "inf ",
            r"line 3: expected .*10 numbers, got",
        ),
        (LANDMARKS, "000003.jpg", "000001.jpg", r"line 5: 000001.jpg is on line 3"),
        (EVAL, "000004.jpg 0", "000004.jpg 3", r"line 4: expected .*0, 1 or 2"),
        (EVAL, "000004.jpg 0", "000001.jpg 1", r"line 4: 000001 is on line 1 alr"),
        (EVAL, "000004.jpg 0", "000001.png 1", r"line 4: 000001 is on line 1 alr"),
        (EVAL, " 1\n", " 0\n", r"none of its 7 lines is of partition 1, validation"),
    ],
)
def test_malformed_annotation_names_file_and_line(tmp_path, file, old, new, message):
    text = TEXTS[file].replace("000003.jpg  1", "000003.jpg -1").replace(old, new, 1)
    assert text != TEXTS[file]
    write(tmp_path, texts={**TEXTS, file: text})
    with pytest.raises(ValueError, match=message) as caught:
        load(tmp_path, "train")
    assert str(tmp_path / file) in str(caught.value)


def test_line_endings_of_other_systems_are_read(tmp_path):
    texts = {name: text.replace("\n", "\r\n") for name, text in TEXTS.items()}
    first = load(write(tmp_path, texts=texts), "train")[0]
    np.testing.assert_array_equal(first["attributes"], SIGNS[0] == 1)


def test_damaged_member_of_a_zip_is_named_and_the_others_are_read(tmp_path):
    path = write(tmp_path, zipped=True) / "img_align_celeba.zip"
    data = bytearray(path.read_bytes())
    data[data.index(jpeg(30)) + 300] ^= 255  # 000002.jpg, the second of train
    path.write_bytes(data)
    first, second, *rest = load(tmp_path, "train").readers(range(4))
    with pytest.raises(pixels.UnreadableImageError, match=r"000002\.jpg in .*zip"):
        second()
    names = [reader()["name"] for reader in (first, *rest)]
    assert names == [NAMES[0], NAMES[3], NAMES[6]]


def test_one_zip_is_read_from_several_threads(tmp_path):
    source = load(write(tmp_path, zipped=True), "train")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        passes = list(pool.map(lambda _: [e["image"] for e in source], range(8)))
    for images in passes:
        np.testing.assert_array_equal(images, passes[0])


def test_incomplete_zip_is_an_error_that_names_it_and_its_checksum(tmp_path):
    path = write(tmp_path, zipped=True) / "img_align_celeba.zip"
    path.write_bytes(path.read_bytes()[:-50])
    message = r"img_align_celeba\.zip .* is damaged.*SHA-256 .*46fb89443c578308acf3"
    with pytest.raises(ValueError, match=message):
        load(tmp_path, "train")


def kaggle(root):
    """The files in Kaggle's layout, with those that are not needed."""
    write(root, texts={})
    images = (root / "img_align_celeba").rename(root / "images")
    (root / "img_align_celeba").mkdir()
    images.rename(root / "img_align_celeba" / "img_align_celeba")
    for stem, columns, rows in (
        ("list_eval_partition", ["partition"], [[part] for part in PARTITION]),
        ("list_attr_celeba", celeba.ATTRIBUTES, SIGNS),
        ("list_landmarks_align_celeba", celeba.LANDMARKS, POINTS),
        ("list_bbox_celeba", ["x_1", "y_1", "width", "height"], [[1, 2, 3, 4]] * 7),
    ):
        lines = [",".join(["image_id", *columns])]
        lines += [",".join([n, *map(str, row)]) for n, row in zip(NAMES, rows)]
        (root / f"{stem}.csv").write_text("\r\n".join(lines) + "\r\n")
    return root


@pytest.mark.parametrize("inside", ["", "img_align_celeba/img_align_celeba"])
def test_kaggles_layout_gives_the_same(tmp_path, inside):
    official = write(tmp_path / "official")
    folder = kaggle(tmp_path / "kaggle") / inside
    for split in ("train", "validation", "test"):
        ours, theirs = load(official, split), load(folder, split)
        assert ours.names == theirs.names and ours.fields == theirs.fields
        for one, other in zip(ours, theirs):
            for key in one:
                np.testing.assert_array_equal(one[key], other[key])


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("list_attr_celeba", "Bald", "Bold", "line 1: .*column 6 must be Bald, got Bo"),
        (
            "list_eval_partition",
            "image_id,partition\r\n",
            "",
            "line 1: the header must",
        ),
        ("list_eval_partition", "000002.jpg,0", "000002.jpg,7", "line 3: .*0, 1 or 2"),
        (
            "list_attr_celeba",
            "000003.jpg,",
            "000003.jpg,9,",
            "line 4: .* and 40 values",
        ),
    ],
)
def test_malformed_csv_names_file_and_line(tmp_path, file, old, new, message):
    path = kaggle(tmp_path) / f"{file}.csv"
    path.write_bytes(path.read_bytes().replace(old.encode(), new.encode(), 1))
    with pytest.raises(ValueError, match=message) as caught:
        load(tmp_path, "train")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("page", "title"),
    [
        (
            b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title>",
            "",
        ),
        (
            b"\xef\xbb\xbf \n<HTML><title lang=en>Sorry &amp;\n bye</title>",
            "Sorry & bye",
        ),
        (b"<html><body>No</body>", "without a title"),
    ],
)
def test_a_web_page_saved_as_the_archive_is_called_so(tmp_path, page, title):
    path = write(tmp_path, zipped=True) / "img_align_celeba.zip"
    path.write_bytes(page)
    title = title or "Google Drive - Quota exceeded"
    message = f"zip is not the archive but a web page, '{title}', that was saved"
    with pytest.raises(ValueError, match=message):
        load(tmp_path, "train")


def test_an_archive_that_is_not_the_published_one_is_used_with_a_warning(
    tmp_path, monkeypatch, caplog
):
    path = write(tmp_path, zipped=True) / "img_align_celeba.zip"
    assert len(load(tmp_path, "train")) == 4
    (warning,) = (r.getMessage() for r in caplog.records if "published f" in r.msg)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert f"its SHA-256 is {digest} instead of 46fb89443c57" in warning
    caplog.clear()
    monkeypatch.setitem(celeba.CHECKSUMS, path.name, digest)
    celeba._open_zip.cache_clear()
    load(tmp_path, "train")
    assert "published file" not in caplog.text


def test_celeb_a_hq_is_a_folder_split_80_20(tmp_path):
    (tmp_path / "celeba_hq").mkdir()
    for number in range(10):
        (tmp_path / "celeba_hq" / f"{number:05d}.jpg").write_bytes(jpeg(number * 20))
    parts = [
        sources.load("celeb_a_hq", split, data_dir=str(tmp_path), seed=2)
        for split in sources.splits("celeb_a_hq")
    ]
    assert [len(part) for part in parts] == [8, 2]
    assert len({name for part in parts for name in part.names}) == 10
    assert "published set 30,000" in parts[0].info.notes


def test_first_rows_of_the_published_files(tmp_path, outside_data):
    folder, values = outside_data / "celeba", {}
    for file, read in (
        (ATTR, celeba.read_attributes),
        (LANDMARKS, celeba.read_landmarks),
    ):
        whole = folder / file.replace(".txt", ".head.txt")
        with pytest.raises(ValueError, match="announces 202,599 rows"):
            read(whole)
        lines = whole.read_text().splitlines()
        (tmp_path / file).write_text("\n".join([str(len(lines) - 2), *lines[1:]]))
        names, values[file] = read(tmp_path / file)
        assert names[0] == "000001.jpg"
    smiling = values[ATTR][:, celeba.ATTRIBUTES.index("Smiling")]
    assert smiling.tolist() == [True, True, False, False, False, False]
    np.testing.assert_array_equal(
        values[LANDMARKS][0],
        [[68, 108], [105, 112], [76, 141], [72, 151], [107, 153]],
    )
    parts = celeba.read_partition(folder / "list_eval_partition.sample.txt")
    assert parts["train"][-1] == "162770.jpg"  # the published sizes follow from these
    assert (parts["validation"][0], parts["test"][0]) == ("162771.jpg", "182638.jpg")
