import html.parser
import json
import pathlib

import pytest

from evaluation import claims
from experiments.core import book, results

ROOT = pathlib.Path(__file__).parents[2]


def made_set(crop="none", size=64, data="Faces", verdicts=None, labels=("a",)):
    """What the titles and claims of a page are made of."""
    config = {"crop": crop, "image_size": size}
    environment = {"data": {"set": data}, "config": config}
    return {
        "runs": [{"label": label, "environment": environment} for label in labels],
        "claims": [
            {"claim": name, "verdict": verdict, "evidence": f"{name} of {data}"}
            for name, verdict in (verdicts or {}).items()
        ],
    }


def test_titles_name_the_crop_and_the_size_where_sets_differ():
    assert book.set_titles([made_set("190")]) == ["Faces"]
    assert book.set_titles([made_set(data="A"), made_set(data="B")]) == ["A", "B"]
    crops = [made_set("none"), made_set("center"), made_set("190")]
    assert book.set_titles(crops) == [
        "Faces, not cropped",
        "Faces, cropped to the largest square",
        "Faces, cropped to the middle 190 px",
    ]
    sizes = [made_set(size=64), made_set(size=128)]
    assert book.set_titles(sizes) == ["Faces, 64×64 px", "Faces, 128×128 px"]
    both = [made_set("none", 64), made_set("190", 128)]
    (first, second) = book.set_titles(both)
    assert first == "Faces, not cropped, 64×64 px" and second.endswith("px, 128×128 px")


def test_a_claim_is_told_once_by_the_set_that_says_most():
    first = {
        "x": claims.UNKNOWN,
        "y": claims.CANNOT_TELL,
        "z": claims.CANNOT_TELL,
        "h": claims.HOLDS,
        "u": claims.UNKNOWN,
    }
    second = {
        "x": claims.CANNOT_TELL,
        "y": claims.CANNOT_TELL,
        "z": claims.FAILS,
        "h": claims.FAILS,
        "u": claims.UNKNOWN,
    }
    labels = ("a", "a, seed 1", "a, seed 2")
    sets = [made_set(verdicts=first), made_set(verdicts=second, labels=labels)]
    told = {claim["claim"]: claim for claim in book.told(sets, ["A", "B"])}
    assert len(told) == 5
    sets[0]["claims"][1]["seeds"] = 7  # counted by the claim itself
    assert book.told(sets[:1], ["A"])[1]["seeds"] == 7
    found = {name: (c["verdict"], c["where"], c["seeds"]) for name, c in told.items()}
    assert found == {
        "x": (claims.CANNOT_TELL, "B", 3),
        "y": (claims.CANNOT_TELL, "", 1),
        "z": (claims.FAILS, "B", 3),
        "h": (claims.HOLDS, "", 1),
        "u": (claims.UNKNOWN, "", None),
    }


class Page(html.parser.HTMLParser):
    """Texts of the page, each with the closed details and the elements around it."""

    VOID = ("meta", "link", "img", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.texts, self.tags = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs), [*self.open]))
        if tag not in self.VOID:
            self.open.append((tag, dict(attrs).get("class") or ""))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if data.strip():
            self.texts.append((data.strip(), [*self.open]))

    def inside(self, text, tag):
        """Of each place of a text, whether it is inside such an element."""
        paths = [path for said, path in self.texts if said == text]
        return [tag in [name for name, _ in path] for path in paths]


@pytest.fixture(scope="module")
def found():
    return {
        path.stem: json.loads(path.read_text())
        for path in sorted((ROOT / "results").glob("*.json"))
    }


@pytest.fixture(scope="module")
def page(found):
    files = {name: [] for name in found}
    files["cvae_dcgan"] = ["cvae_dcgan_2_rate-psnr-db.png", "cvae_dcgan.png"]
    files["cvae_dcgan"] += ["cvae_dcgan_rate-psnr-db.png", "cvae_dcgan_more-b.png"]
    return Page(book.book(found, files)["index.html"])


def test_folded_rows_are_closed_and_the_others_open(found):
    paper = {"cvae_dcgan": found["cvae_dcgan"]}
    page = Page(book.book(paper, {"cvae_dcgan": []})["index.html"])
    for runs in found["cvae_dcgan"]["sets"]:
        folded = runs["together"]["folded"]
        assert folded
        assert all(all(page.inside(name, "details")) for name in folded)
        for name in runs["summary"]:
            inside = page.inside(name, "details")
            assert inside, name
            assert name in folded or not all(inside)
    said = [text for text, _ in page.texts if text.startswith("More rows of")]
    assert said == ["More rows of this table (61)", "More rows of this table (7)"]


def test_headings_of_a_paper_tell_its_sets_apart(page):
    said = [t for t, path in page.texts if path[-1][0] == "h3" and "measured here" in t]
    assert len(said) > 5
    assert sum("Labeled Faces in the Wild, not cropped, 2,647" in t for t in said) == 1
    assert sum("cropped to the middle 190 px, 2,647" in t for t in said) == 1
    assert sum("64×64 px, 1,324" in text for text in said) == 1


def test_claims_that_tell_nothing_are_closed_and_counted(page, found):
    for verdict, closed in zip(book.VERDICTS, (False, False, True, True)):
        badges = [
            "details" in [tag for tag, _ in path]
            for text, path in page.texts
            if text == verdict and path[-1][1].startswith("badge")
        ]
        assert badges and set(badges) == {closed}, verdict
    names = {c["claim"] for c in found["pyramid_cgan"]["sets"][1]["claims"]}
    names &= {c["claim"] for c in found["pyramid_cgan"]["sets"][0]["claims"]}
    assert names and all(len(page.inside(name, "ul")) == 1 for name in names)
    counts = [t for t, path in page.texts if path[-1][0] == "summary"]
    assert {"Cannot tell (17)", "Not measured (5)", "Cannot tell (27)"} <= set(counts)


def test_each_table_scrolls_in_a_box_of_its_own(page):
    around = [path[-1] for tag, _, path in page.tags if tag == "table"]
    assert len(around) > 10 and set(around) == {("div", "scroll")}


def test_each_number_of_the_overview_says_what_it_is_without_a_head(page):
    (row, *_) = [
        index
        for index, (tag, attrs, _) in enumerate(page.tags)
        if tag == "td" and attrs.get("data-label") == "Measured here"
    ]
    cells = [attrs["data-label"] for tag, attrs, _ in page.tags[row : row + 7]]
    assert cells == ["Measured here", "Best baseline", "Published", *book.VERDICTS]


def test_charts_stand_side_by_side_in_the_order_of_the_results(page):
    images = [(attrs["src"], path) for tag, attrs, path in page.tags if tag == "img"]
    charts = [
        pathlib.Path(file).name for file, path in images if ("div", "charts") in path
    ]
    assert charts == [
        "cvae_dcgan_rate-psnr-db.png",
        "cvae_dcgan_2_rate-psnr-db.png",
        "cvae_dcgan_more-b.png",
    ]
    assert images[-1][0].endswith("/cvae_dcgan.png")  # of faces
    (named,) = (a["alt"] for t, a, _ in page.tags if "more-b" in a.get("src", ""))
    assert named == "cvae_dcgan: cvae dcgan more b"


def test_charts_of_a_report_are_copied_all_or_none(tmp_path):
    plots = tmp_path / "run" / "report" / "plots"
    plots.mkdir(parents=True)
    (plots / "a.png").write_bytes(b"A")
    target = tmp_path / "pictures"
    results.copy_charts(tmp_path / "run", ("a", "b"), target, "paper_losses")
    assert not target.exists()
    (plots / "b.png").write_bytes(b"B")
    results.copy_charts(tmp_path / "run", ("a", "b"), target, "paper_losses")
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {
        "paper_losses_a.png": b"A",
        "paper_losses_b.png": b"B",
    }
