"""Reports: three formats that say the same, load nothing, and escape every name."""

from __future__ import annotations

import html.parser
import json
import re

import numpy as np
import pytest

from data_pipeline import pixels
from evaluation import charts, tables
from evaluation.report import pictures, plots, report, write
from evaluation.report.report import Report

L1, PSNR = "hole/l1_percent", "hole/psnr_db"
ATTACK = "<script>alert(1)</script>"
HOSTILE = f'{ATTACK} "><img src=http://e.org/x> a|b `c` [d](http://e.org)\n#'


def entry(mean, spread=0.5, count=40):
    return {"mean": mean, "low": mean - spread, "high": mean + spread, "count": count}


def summary(first="ours", second="telea"):
    return {
        first: {L1: entry(8.314), PSNR: entry(21.0), "raw/ssim": entry(0.71, 0.01)},
        second: {L1: entry(16.2), PSNR: entry(13.4), "raw/ssim": entry(0.82, 0.01)},
    }


def rows(count, labels, name="face.jpg"):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, len(labels), 16, 16, 3), np.uint8)
    return [
        {"name": name, "note": "", "images": list(zip(labels, images[i]))}
        for i in range(count)
    ]


def full_report(tmp_path, text="plain"):
    """A report with everything, in which `text` stands wherever text can stand."""
    ours, other = text, f"{text} 2"
    path = tmp_path / "history.csv"
    path.write_text(
        "epoch,step,images_per_second,g_l2,g_adversarial,d_real,val_hole/l1_percent\n"
        "1,10,17.5,0.2,0.001,0.25,\n2,20,17.5,0.1,0.001,0.25,9.5\n"
    )
    grouped = {"count": 12, "summary": summary(ours, other)}
    bins = [
        {"low": a, "high": a + 0.1, "hole_ratio": a, "count": 20}
        | {"restorers": {r: entry(9.0) for r in (ours, other)}}
        for a in (0.1, 0.2)
    ]
    line = charts.Series(text, [0, 1], [1, 2])
    published = [[text, 1.1], [text, 1.06]]
    commits = {"commit": "0a", "evaluation commit": "0b"}
    return Report(
        title=text,
        summary=summary(ours, other),
        subtitle=text,
        citation=text,
        citation_url="https://example.org/paper?a=1&b=2",
        ours=[ours],
        statements=[text],
        claims=[{"claim": text, "verdict": "holds", "evidence": text}],
        published=[
            {"caption": text, "columns": ["", text], "rows": published}
            | {"note": text, "kinds": ["published", "ours"]}
        ],
        epochs=tables.Table(text, ["", "0"], [[text, None]], key="epochs"),
        data={"number": np.float32(0.5)},
        history=path,
        pictures={text: rows(2, ["Input", ours, other, "Original"], text)},
        pictures_note=text,
        groups={text: {"groups": {text: grouped}, "left_out": {text: 3}}},
        hole_size=bins,
        curves=[charts.Curve("extra", text, text, text, [line], {text: 1.5})],
        environment={**commits, text: text, "config": {text: text, "widths": [1, 2]}},
        departures=[text],
        notes=[text],
    )


class Page(html.parser.HTMLParser):
    """Collects a page's elements and checks that they close in order."""

    VOID = ("meta", "link", "img", "br", "hr")

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.text = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    @property
    def shown(self):
        return " ".join(" ".join(self.text).split())


def written_page(folder, *arguments, **fields):
    """The text of report.html."""
    return write.write_report(folder, Report(*arguments, **fields)).read_text()


def check_markdown_tables(text):
    """Every table has a separator, and rows as wide as its head."""
    lines, found, width = text.split("\n"), 0, None
    for before, line in zip(["", *lines], lines):
        if not line.startswith("|"):
            width = None
            continue
        cells = len(re.findall(r"(?<!\\)\|", line)) - 1
        if width is None:
            assert before == "", "a table must follow a blank line"
            width, found = cells, found + 1
        assert cells == width, line
    separators = re.findall(r"^\|(?: :?-{3,}:? \|)+$", text, re.MULTILINE)
    assert len(separators) == found
    return found


@pytest.fixture(scope="module", params=["plain", HOSTILE], ids=["plain", "hostile"])
def folder(request, tmp_path_factory):
    place = tmp_path_factory.mktemp("report")
    made = full_report(place, request.param)
    return write.write_report(place / "report", made).parent


class TestPage:
    def test_it_loads_nothing_and_its_sections_are_found(self, folder):
        text = (folder / "report.html").read_text()
        page = Page(text)
        shown = "".join(page.text)
        assert max(shown.count("plain"), shown.count(ATTACK)) > 20
        for tag, attributes in page.elements:
            assert tag not in ("script", "iframe", "object", "embed", "base", "form")
            assert not [name for name in attributes if name.startswith("on")]
            for name in ("src", "srcset", "data", "poster", "background"):
                assert attributes.get(name, "data:").startswith("data:"), (tag, name)
            for name in ("href", "xlink:href"):
                if attributes.get(name) and tag != "a":
                    assert attributes[name].startswith(("#", "data:")), attributes
        links = [a["href"] for t, a in page.elements if t == "a"]
        outside = [link for link in links if not link.startswith("#")]
        assert outside == ["https://example.org/paper?a=1&b=2"]
        assert "@import" not in text
        for style in re.findall(r"url\(([^)]*)\)", text):
            assert style.startswith("#")
        names = [a["id"] for _, a in page.elements if "id" in a]
        sections = [link[1:] for link in links if link[1:] in names]
        assert len(sections) >= 6
        assert all(names.count(section) == 1 for section in sections)

    def test_markdown_is_well_formed(self, folder):
        text = (folder / "report.md").read_text()
        assert check_markdown_tables(text) > 8
        assert "<script" not in text and "<img" not in text
        assert not re.search(r"(?<!\\)\]\(http", text)
        files = re.findall(r"!\[(?:[^\]\\]|\\.)*\]\(([^)]*)\)", text)
        assert len(files) >= 12
        for file in files:
            assert re.fullmatch(r"(pictures|plots)/[a-z0-9-]+\.png", file)
            assert (folder / file).exists()

    def test_json_is_strict_and_nothing_temporary_stays(self, folder):
        text = (folder / "results.json").read_text()
        results = json.loads(text, parse_constant=pytest.fail)
        assert results["format"] == write.FORMAT
        first = next(iter(results["summary"].values()))
        assert first[L1] == {"mean": 8.314, "low": 7.814, "high": 8.814, "count": 40}
        assert results["history"]["val_hole/l1_percent"] == [None, 9.5]
        assert results["data"] == {"number": 0.5}
        assert results["environment"]["evaluation commit"] == "0b"
        page = Page((folder / "report.html").read_text())
        assert "trained at commit 0a evaluated at commit 0b" in page.shown
        assert results["epochs"]["key"] == "epochs"
        files = [p for p in folder.rglob("*") if p.is_file()]
        assert {p.suffix for p in files} == {".html", ".md", ".json", ".png"}
        assert not [p for p in files if p.name.startswith(".")]


class TestHostileNames:
    @pytest.mark.parametrize(
        "address", ["javascript:alert(1)", "data:text/html,x", "file:///etc"]
    )
    def test_only_web_addresses_become_links(self, tmp_path, address):
        page = written_page(tmp_path, "T", {}, citation="C", citation_url=address)
        assert address not in page

    def test_no_name_leaves_the_folder(self, tmp_path):
        named = {"../../up": rows(1, ["../a", "/b", "c"], "../../etc")}
        written_page(tmp_path / "r", "T", {}, pictures=named)
        assert [p.name for p in tmp_path.iterdir()] == ["r"]
        assert len(list((tmp_path / "r" / "pictures").iterdir())) == 3


class TestHeadline:
    @pytest.mark.parametrize(
        ("rival", "verdict"),
        [
            (entry(16.0), "better than telea, 16.00"),
            (entry(8.6), "on a par with telea, 8.60"),
            (entry(1.0), "worse than telea, 1.00"),
            (entry(16.0, np.nan), "compared with telea, 16.00"),
            (entry(16.0, count=12), "compared with telea, 16.00"),
        ],
    )
    def test_better_is_said_only_of_separate_intervals(self, tmp_path, rival, verdict):
        given = {"worse": {L1: entry(8.4)}, "ours": {L1: entry(8.3)}}
        given |= {"telea": {L1: rival}, "ours, 8 bits": {L1: entry(0.5)}}  # no rival
        page = written_page(tmp_path, "T", given, ours=["worse", "ours"])
        cards = page.split('class="cards"')[1].split('class="what"')[1]
        shown = re.findall(r'class="(?:value|rival)">([^<]*)<', cards)
        assert shown == ["8.30", "ours", verdict]

    def test_fewer_images_are_told(self, tmp_path):
        given = summary()
        given["telea"][PSNR]["count"] = 37
        groups = {"By size": {"groups": {}, "left_out": {"few": 3}}}
        page = Page(written_page(tmp_path, "T", given, headline=[PSNR], groups=groups))
        whole = "All images 40 21.00 [20.50, 21.50] 13.40 [12.90, 13.90] 37"
        assert whole in page.shown
        assert "Left out, with fewer than 10 images: few (3)." in page.shown
        assert "averaged over fewer: telea 37" in page.shown
        assert "[12.90, 13.90] 37 images" in page.shown
        assert "Hole PSNR (dB) ↑ (37 to 40 of 40 images)" in page.shown
        table = (tmp_path / "report.md").read_text()
        assert "| 13.40 [12.90, 13.90] (37 images) |" in table
        assert table.count(" images)") == table.count("(37 images)") + 1  # the chart


class TestContent:
    @pytest.mark.parametrize("raw", [8.3, 8.4])
    def test_whole_images_that_are_composites_have_one_table(self, tmp_path, raw):
        same = {"composite/ssim": entry(8.3), "raw/ssim": entry(raw)}
        given = {"ours": same, "telea": {**same, "raw/ssim": entry(9)}}
        written_page(tmp_path, "T", given, ours=["ours"])
        text = (tmp_path / "report.md").read_text()
        assert ("### Raw" in text) == (raw != 8.3)

    def test_main_metrics_stand_before_the_folded_ones(self, tmp_path):
        names = ("mae", "attribute_accuracy", "identity")
        given = {"ours": {f"composite/{name}": entry(87.68) for name in names}}
        written_page(tmp_path, "T", given)
        main, _, folded = (tmp_path / "report.md").read_text().partition("<details>")
        assert "| Attribute accuracy (%) ↑ | Identity similarity ↑ |" in main
        folded = folded.partition("</details>")[0]
        assert "MAE" in folded and "dentity" not in folded

    def test_pictures_on_disk_are_those_given_and_reduced_in_the_page(self, tmp_path):
        image = np.random.default_rng(0).integers(0, 256, (100, 900, 3), np.uint8)
        shown = {"Best": [{"name": "a", "images": [("Input", image)]}]}
        written_page(tmp_path, "T", {}, pictures=shown)
        (row,) = json.loads((tmp_path / "results.json").read_text())["pictures"]["Best"]
        file = tmp_path / row["files"]["Input"]
        np.testing.assert_array_equal(pixels.read(file), image)
        assert len(pictures.data_uri(image)) < file.stat().st_size / 2

    @pytest.mark.parametrize(
        ("labels", "shown"),
        [
            (["ours", "bicubic 2×", "Original"], ["ours", "Original"]),
            (["Input", "Telea", "ours", "Original"], ["Input", "ours", "Original"]),
            (["Input", "Telea", "Original"], ["Input", "Telea", "Original"]),
        ],
    )
    def test_the_strip_shows_typical_faces_and_marks_ours(
        self, tmp_path, labels, shown
    ):
        sections = {"Best": rows(2, labels, "best")}
        sections["Median"] = rows(5, labels, "median")
        strip = pictures.hero(sections, "ours")
        assert [row["name"] for row in strip] == ["median"] * 3
        page = written_page(tmp_path, "T", summary(), ours=["ours"], pictures=sections)
        strip = re.findall(r'class="labels">(.*)</figcaption>', page)[0]
        assert re.findall(r">([^<]+)<", strip) == shown
        marked = re.findall(r'class="ours">([^<]+)<', strip)
        assert marked == ["ours"] * labels.count("ours")

    def test_what_is_made_of_ours_has_its_color(self, tmp_path):
        strip = rows(1, ["Original", "ours, λ = 0.01: 500 bytes", "JPEG 5: 512 bytes"])
        names = ("λ = 0.01", "λ = 0.01, 8 bits", "λ = 0.012")
        given = {name: {L1: entry(8.3)} for name in names}
        page = written_page(tmp_path, "T", given, ours=["λ = 0.01"], hero=strip)
        marked = re.findall(r'<span class="ours">([^<]+)<', page)
        assert marked == ["ours, λ = 0.01: 500 bytes"]
        labels = re.findall(r"<text style=\"([^\"]*)\"[^>]*>(λ[^<]*)</text>", page)
        colored = [name for style, name in labels if "var(--accent)" in style]
        assert len(labels) == 3 and set(colored) == set(names[:2])


class TestLittleData:
    def test_title_and_summary_suffice(self, tmp_path):
        page = Page(written_page(tmp_path, "T", summary(), history=tmp_path / "none"))
        assert not {a.get("id") for _, a in page.elements} & {"training", "pictures"}
        assert check_markdown_tables((tmp_path / "report.md").read_text()) == 2

    def test_one_image_without_intervals(self, tmp_path):
        given = {L1: entry(8.0, np.nan, 1), "hole/lpips": entry(np.nan, count=0)}
        shown = {"Best": rows(1, ["Input", "ours", "Original"]), "Worst": []}
        options = {"ours": ["ours"], "pictures": shown}
        text = Page(written_page(tmp_path, "T", {"ours": given}, **options)).text
        shown = " ".join(text[text.index("T") :])
        assert "8.00" in shown and "nan" not in shown.lower()
        results = json.loads((tmp_path / "results.json").read_text())
        assert results["summary"]["ours"] == {
            L1: {"mean": 8.0, "low": None, "high": None, "count": 1},
            "hole/lpips": {"mean": None, "low": None, "high": None, "count": 0},
        }

    def test_ours_must_be_in_the_summary(self):
        with pytest.raises(ValueError, match=r"ours names mine.*ours, telea"):
            Report("T", summary(), ours=["mine"])


class TestReading:
    MASKS = "Masks: a hull. 1,002 of 2,000 test images have none and are left out of "

    @pytest.mark.parametrize("new", [True, False])
    def test_earlier_reports_get_the_keys_of_new_ones(self, tmp_path, new):
        """Captions and sentence are those from before there were keys."""
        captions = {
            "Attributes that a judge tells rightly, over 5 faces": "attributes",
            "Bytes a file at equal MS-SSIM": "bytes_at_equal_quality",
            "Files of 64×64 pixels, setting by setting": "codec_settings",
            "What the latents carry, over 9 images": "latents",
            "Table 1, measured and published": "table_1",
            "Another": "",
        }
        made = [tables.Table(caption, ["x"], [], key="mine") for caption in captions]
        said = f"{self.MASKS}the masked rows."
        written_page(tmp_path, "T", {}, tables=made, statements=[said], data={"a": 1})
        path = tmp_path / "results.json"
        if not new:
            old = json.loads(path.read_text())
            del old["data"]
            for table in old["tables"]:
                del table["key"]
            path.write_text(json.dumps(old))
        found = report.read(path)
        keys = [table["key"] for table in found["tables"]]
        assert keys == (["mine"] * 6 if new else list(captions.values()))
        masks = {"description": "a hull", "images": 2000, "without_face": 1002}
        assert found["data"] == ({"a": 1} if new else {"face_masks": masks})


class TestTables:
    def test_best_is_bold_and_directions_have_arrows(self):
        table = tables.results_table(summary(), ["ours", "telea", "other"], [L1, PSNR])
        head, _, ours, telea, other = table.split("\n")
        assert head == "|  | L1 (%) ↓ | PSNR (dB) ↑ |"
        assert ours == "| ours | **8.31** [7.81, 8.81] | **21.00** [20.50, 21.50] |"
        assert "**" not in telea
        assert other == "| other | – | – |"
        table = tables.results_table(summary(), ["telea"], [L1, "raw/ssim"])
        assert table.startswith("|  | Hole L1 (%) ↓ | Raw SSIM ↑ |")
        assert "**" not in table  # one row is not the best of anything

    @pytest.mark.parametrize(
        ("key", "means", "best"),
        [
            (L1, (8.001, 8.002, 9), [True, True, False]),  # they read the same
            (L1, (None, None, None), [False] * 3),  # what JSON made null
            ("raw/new", (1.0, 2.0, 3.0), [False] * 3),  # no known direction
        ],
    )
    def test_marks_are_of_what_is_shown(self, key, means, best):
        given = {str(i): {key: {"mean": mean}} for i, mean in enumerate(means)}
        cells = [row[0] for row in tables.result_cells(given, list(given), [key])]
        assert [cell.best for cell in cells] == best
        assert [cell.mean == "–" for cell in cells] == [mean is None for mean in means]

    def test_numbers(self):
        assert tables.number(-1.005, 1) == "−1.0"
        assert tables.number(0.5, 2, signed=True) == "+0.50"
        assert tables.number(float("nan"), 2) == tables.number(None, 2) == "–"
        shown = [tables.counted(n, "image") for n in (0, 1, 1000)]
        assert shown == ["0 images", "1 image", "1,000 images"]

    def test_fewer_images_are_a_part_of_all(self):
        def fewer(*counts):
            return tables.fewer([{"count": count} for count in counts], 1000)

        assert fewer(1000, 1000) == fewer() == fewer(0, None) == ""
        assert fewer(12, 12) == "12 of 1,000 images"
        assert fewer(1000, 12) == "12 to 1,000 of 1,000 images"

    def test_columns_are_aligned(self):
        head = ["", "x", "few", "version", "word"]
        rows = [["a", 1.1, "8.1 [7.9, 8.3] (12 images)", "2.14.1", "x"]]
        table = tables.markdown_table(head, [*rows, ["b", 1.06, None, None, None]])
        _, separator, first, second = table.split("\n")
        assert separator == "| :--- | ---: | ---: | :--- | :--- |"
        assert first.startswith("| a | 1.10 | 8.1") and "| b | 1.06 | – |" in second
        assert "1.100" in tables.markdown_table(["", "x"], [["a", 1.1]], digits=3)

    def test_widths_are_checked(self):
        with pytest.raises(ValueError, match="2 columns but a row of 1"):
            tables.markdown_table(["a", "b"], [["x"]])
        with pytest.raises(ValueError, match="1 rows but 2 kinds"):
            tables.Table("T", ["a"], [["x"]], kinds=["ours", "ours"])

    def test_tables_of_one_key_are_joined_ours_first(self):
        def one(name, key="files", column="x", kinds=("ours", "baseline")):
            rows = [[name, 1.0], ["JPEG", 2.0]]
            made = tables.Table(f"of {name}", ["", column], rows, kinds=kinds, key=key)
            return write.strict(made)

        given = [one("a"), one("b"), one("c", column="y"), one("d", "other", kinds=())]
        joined = tables.joined(given)
        assert [(t.caption, t.key) for t in joined] == [
            ("of a", "files"), ("of c", "files"), ("of d", "other"),
        ]  # fmt: skip
        assert joined[0].rows == [["a", 1.0], ["b", 1.0], ["JPEG", 2.0]]
        assert joined[0].kinds == ["ours", "ours", "baseline"]
        assert joined[2].kinds == []


class TestCharts:
    def test_learning_curves_are_the_headline_then_losses_by_network(self, tmp_path):
        columns = charts.read_history(full_report(tmp_path).history)
        for name in ("hole/mae", "raw/l1_percent", "hole/lpips"):
            columns[f"val_{name}"] = [0.2, 0.1]
        columns["watched_accuracy"] = [0.5, 1]
        drawn = charts.learning(columns, ["hole/lpips", L1, PSNR])
        assert [[series.label for series in chart.series] for chart in drawn] == [
            ["val_hole/lpips"],
            ["val_hole/l1_percent"],
            ["g_l2", "g_adversarial"],
            ["d_real"],
        ]
        assert drawn[0].title == "Validation hole LPIPS ↓"
        drawn += charts.headline(summary("a", "z"), [L1, PSNR], {}, ["a"])
        for chart in drawn[4:]:  # the better one is on top
            assert [label for label, *_ in chart.rows] == ["a", "z"]
        assert "8.31 [7.81, 8.81]" in drawn[4].alt
        assert len({chart.slug for chart in drawn}) == len(drawn)

    def test_losses_of_several_runs_are_summed_or_named(self):
        columns = {"step": [1, 2], "d_real": [0.7, 0.6], "d_fake": [0.1, 0.2]}
        columns |= {"c_fake": [0.5, 0.4], "watched_accuracy": [0.5, 1]}
        d, c = charts.overlaid({"a": columns, "b": columns})
        assert d.slug == "learning-d"
        assert [line.label for line in d.series] == ["a", "b"]
        assert d.series[0].y == pytest.approx([0.8, 0.8])
        assert c.title == "Classifier loss on restored images"

    def test_a_damaged_history_is_located(self, tmp_path):
        path = tmp_path / "history.csv"
        path.write_text("epoch,g_l2\n1,0.5\n2,x\n")
        with pytest.raises(ValueError, match=r"history\.csv, line 3: g_l2 is 'x'"):
            charts.read_history(path)
        for data, said in (
            (bytes(99), "no header|no text"),
            (bytes(1 << 18), "no text"),
            (b"epoch,g_l2\n\xff", "no text"),
            (b"epocj,g_l2\n1,0.5\n", "no header"),
        ):
            path.write_bytes(data)
            text = f"{re.escape(str(path))} is damaged: it (has|is) ({said}).*rebuilds"
            with pytest.raises(ValueError, match=text):
                charts.read_history(path)

    @pytest.mark.parametrize("count, length", [(2, 40), (4, 20), (9, 3), (9, 40)])
    def test_the_legend_lies_within_the_chart(self, count, length):
        names = [f"{i}" + "n" * length for i in range(count)]
        lines = {name: {"step": [1], "d": [i]} for i, name in enumerate(names)}
        drawn = plots.svg(*charts.overlaid(lines))
        width = float(re.search(r'viewBox="0 0 (\S+) ', drawn)[1])
        texts = re.findall(r'<text [^>]* x="([\d.]+)"[^>]*>(\dnn[^<]*)</text>', drawn)
        assert len(texts) == count
        for x, text in texts:
            assert float(x) + 0.55 * 8.5 * len(text) < width  # of an em, of 8.5 points

    def test_a_long_name_is_wrapped_in_the_legend(self):
        name = (
            "DCGAN, learning rate 0.0002, discriminator learning rate 0.0001, 3 epochs"
        )
        lines = {n: {"step": [1], "d": [1]} for n in (name, f"{name}, smoothed")}
        drawn = plots.svg(*charts.overlaid(lines))
        texts = [text.strip() for text in re.findall(r">([^<>]+)</text>", drawn)]
        legend = texts[next(i for i, t in enumerate(texts) if t.startswith("DCGAN")) :]
        assert " ".join(legend) == f"{name} {name}, smoothed"
        assert max(map(len, legend)) <= 48

    @pytest.mark.parametrize("epochs", [1, 2, 38])
    def test_no_tick_stands_between_two_epochs(self, epochs):
        x = list(range(epochs))
        columns = {"epoch": x, f"val_{L1}": [5 + 1 / (1 + i) for i in x]}
        (chart,) = charts.learning(columns, [L1])
        ticks = re.findall(r">([\d.]+)</text>", plots.svg(chart).split("epoch")[0])
        assert ticks and not [tick for tick in ticks if "." in tick]

    def test_long_labels_keep_their_ends(self):
        label = "CVAE, 140 epochs, masked loss"
        longer = "(d) pyramid, dilation, local discriminator, losses as printed"
        names = [label, f"{label}, 8 bits", f"{label}, 4 bits", longer]
        drawn = charts.Dots("d", "T", [(name, entry(1.0), True) for name in names])
        texts = re.findall(r">([^<>]+)</text>", plots.svg(drawn))
        assert texts.count("CVAE, 140 epochs, masked") == 3
        assert {"loss", "loss, 8 bits", "loss, 4 bits"} <= set(texts)
        (end,) = [text for text in texts if text.endswith("losses as printed")]
        assert end.startswith("…") and len(end) == 28

    def test_charts_follow_the_page(self):
        lines = [charts.Series("<i>&", [1, 2], [0.001, 1])] * 2
        chart = charts.Curve("c", "$x$ <b>", "x", "y", lines)
        drawn = plots.svg(chart)
        assert drawn.startswith("<svg") and "var(--muted)" in drawn
        assert not re.findall(r"#[0-9a-f]{6}\b", drawn)
        assert ">$x$ &lt;b&gt;<" in drawn and "&lt;i&gt;&amp;" in drawn
        assert "mathdefault" not in drawn  # the logarithmic axis
        assert "<style" not in drawn and "<metadata" not in drawn

    @pytest.mark.parametrize(
        "chart",
        [
            charts.Dots("d", "T", [("a", entry(1.0), True)]),
            *(
                charts.Curve("c", "T", "x", "y", lines)
                for lines in ([], [charts.Series("a", [1, 2], [np.nan, 2.0])])
            ),
        ],
        ids=["dots", "nothing", "gaps"],
    )
    def test_files_are_pictures_and_the_same_again(self, chart):
        data = plots.png(chart)
        assert pixels.decode(data, "d").shape[2] == 3
        assert data == plots.png(chart) and plots.svg(chart) == plots.svg(chart)


def test_strict_makes_plain_values():
    given = {"a": np.float32(0.1), "b": [np.inf, 1], 3: np.arange(2), "t": (None, True)}
    assert write.strict(given) == {
        "a": 0.1, "b": [None, 1], "3": [0, 1], "t": [None, True],
    }  # fmt: skip
