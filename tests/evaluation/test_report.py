"""Reports: three formats that say the same, load nothing, and escape every name."""

from __future__ import annotations

import html.parser
import json
import re

import numpy as np
import pytest

from data_pipeline import pixels
from evaluation import charts, tables
from evaluation.report import history, pictures, plots, report, write

L1, PSNR = "hole/l1_percent", "hole/psnr_db"
HOSTILE = (
    '<script>alert(1)</script> "><img src=http://e.org/x> a|b `c` [d](http://e.org)\n#'
)


def entry(mean, spread=0.5, count=40):
    return {
        "mean": mean,
        "low": mean - spread,
        "high": mean + spread,
        "count": count,
    }


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
    restorers = {r: entry(9.0) for r in (ours, other)}
    bins = [
        {
            "low": a,
            "high": a + 0.1,
            "hole_ratio": a,
            "count": 20,
            "restorers": restorers,
        }
        for a in (0.1, 0.2)
    ]
    curve = charts.Curve(
        "extra", text, text, text, [charts.Series(text, [0, 1], [1, 2])], {text: 1.5}
    )
    return report.Report(
        title=text,
        summary=summary(ours, other),
        subtitle=text,
        citation=text,
        citation_url="https://example.org/paper?a=1&b=2",
        ours=[ours],
        statements=[text],
        claims=[{"claim": text, "verdict": "holds", "evidence": text}],
        published=[
            {
                "caption": text,
                "columns": ["", text],
                "rows": [[text, 1.1], [text, 1.06]],
            }
            | {"note": text, "kinds": ["published", "ours"]}
        ],
        epochs=tables.Table(text, ["", "0"], [[text, None]]),
        history=path,
        pictures={text: rows(2, ["Input", ours, other, "Original"], text)},
        pictures_note=text,
        groups={text: {"groups": {text: grouped}, "left_out": {text: 3}}},
        hole_size=bins,
        curves=[curve],
        environment={"Seed": 0, text: text, "config": {text: text, "widths": [1, 2]}},
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


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    path = write.write_report(folder / "report", full_report(folder))
    return path.parent


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    path = write.write_report(folder / "report", full_report(folder, HOSTILE))
    return path.parent


@pytest.mark.parametrize("which", ["written", "hostile"])
class TestPage:
    def test_it_loads_nothing(self, which, request):
        text = (request.getfixturevalue(which) / "report.html").read_text()
        page = Page(text)
        for tag, attributes in page.elements:
            assert tag not in ("script", "iframe", "object", "embed", "base", "form")
            assert not [name for name in attributes if name.startswith("on")]
            for name in ("src", "srcset", "data", "poster", "background"):
                if attributes.get(name):
                    assert attributes[name].startswith("data:"), (tag, name)
            for name in ("href", "xlink:href"):
                inside = ("#", "data:")
                if attributes.get(name) and tag != "a":
                    assert attributes[name].startswith(inside), (tag, attributes)
        links = [a["href"] for t, a in page.elements if t == "a"]
        outside = [link for link in links if not link.startswith("#")]
        assert outside == ["https://example.org/paper?a=1&b=2"]
        for style in re.findall(r"url\(([^)]*)\)", text):
            assert style.startswith("#")
        assert "@import" not in text

    def test_identifiers_are_unique_where_something_refers_to_them(
        self, which, request
    ):
        page = Page((request.getfixturevalue(which) / "report.html").read_text())
        names = [a["id"] for _, a in page.elements if "id" in a]
        links = [a["href"][1:] for t, a in page.elements if t == "a"]
        sections = [link for link in links if link in names]
        assert len(sections) >= 6
        assert all(names.count(section) == 1 for section in sections)

    def test_markdown_is_well_formed(self, which, request):
        folder = request.getfixturevalue(which)
        text = (folder / "report.md").read_text()
        assert check_markdown_tables(text) > 8
        files = re.findall(r"!\[(?:[^\]\\]|\\.)*\]\(([^)]*)\)", text)
        assert len(files) >= 12
        for file in files:
            assert re.fullmatch(r"(pictures|plots)/[a-z0-9-]+\.png", file)
            assert (folder / file).exists()

    def test_json_is_strict(self, which, request):
        def refuse(constant):
            raise AssertionError(constant)

        text = (request.getfixturevalue(which) / "results.json").read_text()
        results = json.loads(text, parse_constant=refuse)
        assert results["format"] == write.FORMAT
        first = next(iter(results["summary"].values()))
        assert first[L1] == {"mean": 8.314, "low": 7.814, "high": 8.814, "count": 40}
        assert results["history"]["val_hole/l1_percent"] == [None, 9.5]

    def test_nothing_temporary_stays(self, which, request):
        folder = request.getfixturevalue(which)
        files = [p for p in folder.rglob("*") if p.is_file()]
        assert {p.suffix for p in files} == {".html", ".md", ".json", ".png"}
        assert not [p for p in files if p.name.startswith(".")]


class TestHostileNames:
    def test_they_are_shown_as_text(self, hostile):
        shown = "".join(Page((hostile / "report.html").read_text()).text)
        assert shown.count("<script>alert(1)</script>") > 20

    def test_markdown_holds_no_markup(self, hostile):
        text = (hostile / "report.md").read_text()
        assert "<script" not in text and "<img" not in text
        assert not re.search(r"(?<!\\)\]\(http", text)

    def test_only_web_addresses_become_links(self, tmp_path):
        for address in ("javascript:alert(1)", "data:text/html,x", "file:///etc"):
            made = report.Report("T", summary(), citation="C", citation_url=address)
            path = write.write_report(tmp_path, made)
            assert address not in path.read_text()

    def test_no_name_leaves_the_folder(self, tmp_path):
        named = {"../../up": rows(1, ["../a", "/b", "c"], "../../etc")}
        write.write_report(
            tmp_path / "r", report.Report("T", summary(), pictures=named)
        )
        assert [p.name for p in tmp_path.iterdir()] == ["r"]
        assert len(list((tmp_path / "r" / "pictures").iterdir())) == 3


class TestContent:
    def test_headline_names_the_best_of_the_others(self, written):
        shown = " ".join(Page((written / "report.html").read_text()).text)
        assert "8.31" in shown and "better than plain 2, 16.20" in shown

    @pytest.mark.parametrize("raw", [8.3, 8.4])
    def test_whole_images_that_are_composites_have_one_table(self, tmp_path, raw):
        same = {"composite/ssim": entry(8.3), "raw/ssim": entry(raw)}
        given = {"ours": same, "telea": {**same, "raw/ssim": entry(9)}}
        path = write.write_report(tmp_path, report.Report("T", given, ours=["ours"]))
        assert ("### Raw" in path.with_suffix(".md").read_text()) == (raw != 8.3)

    def test_of_several_of_ours_the_best_is_named(self, tmp_path):
        given = {"a": {L1: entry(8.3)}, "b": {L1: entry(7.1)}, "telea": {L1: entry(9)}}
        path = write.write_report(tmp_path, report.Report("T", given, ours=["a", "b"]))
        cards = path.read_text().split('class="cards"')[1].split('class="what"')[1]
        assert re.findall(r'class="(?:value|rival)">([^<]*)<', cards) == [
            "7.10",
            "b",
            "better than telea, 9.00",
        ]

    @pytest.mark.parametrize(
        ("rival", "standing"),
        [
            (entry(16.0), "better than"),
            (entry(8.6), "about like"),
            (entry(1.0), "behind"),
            (entry(16.0, np.nan), "beside"),
        ],
    )
    def test_better_is_said_only_of_separate_intervals(self, tmp_path, rival, standing):
        given = {"ours": {L1: entry(8.3)}, "telea": {L1: rival}}
        given["ours, 8 bits"] = {L1: entry(0.5)}  # no rival, however good
        path = write.write_report(tmp_path, report.Report("T", given, ours=["ours"]))
        assert f"{standing} telea" in path.read_text()

    def test_pictures_on_disk_are_those_given(self, written, tmp_path):
        given = full_report(tmp_path).pictures["plain"]
        results = json.loads((written / "results.json").read_text())
        for row, shown in zip(given, results["pictures"]["plain"]):
            for label, image in row["images"]:
                stored = pixels.read(written / shown["files"][label])
                np.testing.assert_array_equal(stored, image)

    def test_the_strip_shows_typical_faces(self):
        sections = {
            "Best": rows(2, ["Input", "Ours", "Original"], "best.jpg"),
            "Median": rows(5, ["Input", "Telea", "Ours", "Original"], "median.jpg"),
        }
        strip = pictures.hero(sections, "Ours")
        assert [row["name"] for row in strip] == ["median.jpg"] * 3
        assert [label for label, _ in strip[0]["images"]] == [
            "Input",
            "Ours",
            "Original",
        ]

    @pytest.mark.parametrize(
        ("labels", "shown"),
        [
            (["ours", "bicubic 2×", "Original"], ["ours", "Original"]),
            (["Input", "Telea", "ours", "Original"], ["Input", "ours", "Original"]),
            (["Input", "Telea", "Original"], ["Input", "Telea", "Original"]),
        ],
    )
    def test_the_strip_marks_ours_wherever_it_stands(self, tmp_path, labels, shown):
        made = report.Report(
            "T", summary(), ours=["ours"], pictures={"Median": rows(1, labels)}
        )
        page = write.write_report(tmp_path, made).read_text()
        (strip,) = re.findall(r'class="labels">(.*)</figcaption>', page)
        assert re.findall(r">([^<]+)<", strip) == shown
        marked = re.findall(r'class="ours">([^<]+)<', strip)
        assert marked == ["ours"] * labels.count("ours")

    def test_a_strip_of_its_own_marks_what_is_called_ours(self, tmp_path):
        strip = rows(1, ["Original", "ours, λ = 0.01: 500 bytes", "JPEG 5: 512 bytes"])
        made = report.Report("T", summary("λ = 0.01"), ours=["λ = 0.01"], hero=strip)
        page = write.write_report(tmp_path, made).read_text()
        marked = re.findall(r'<span class="ours">([^<]+)<', page)
        assert marked == ["ours, λ = 0.01: 500 bytes"]

    def test_what_is_made_of_ours_has_its_color(self, tmp_path):
        given = {
            name: {L1: entry(8.3)} for name in ("ours", "ours, 8 bits", "ourselves")
        }
        made = report.Report("T", given, ours=["ours"])
        page = write.write_report(tmp_path, made).read_text()
        labels = re.findall(r"<text style=\"([^\"]*)\"[^>]*>(ours[^<]*)</text>", page)
        colored = {name: "var(--accent)" in style for style, name in labels}
        assert colored == {"ours": True, "ours, 8 bits": True, "ourselves": False}

    def test_large_pictures_are_reduced_in_the_page_only(self, tmp_path):
        large = np.zeros((300, 900, 3), np.uint8)
        shown = {"Best": [{"name": "a", "images": [("Input", large)]}]}
        write.write_report(tmp_path, report.Report("T", summary(), pictures=shown))
        (file,) = (tmp_path / "pictures").iterdir()
        assert pixels.read(file).shape == large.shape
        assert len(pictures.data_uri(large)) < file.stat().st_size * 2

    def test_fewer_images_are_told(self, tmp_path):
        given = summary()
        given["telea"][PSNR]["count"] = 37
        path = write.write_report(tmp_path, report.Report("T", given))
        shown = " ".join(Page(path.read_text()).text)
        assert "averaged over fewer: telea 37" in shown
        assert "[12.90, 13.90] 37 images" in shown
        assert "Hole PSNR (dB) ↑ (37 to 40 of 40 images)" in path.read_text()
        table = (tmp_path / "report.md").read_text()
        assert "| 13.40 [12.90, 13.90] (37 images) |" in table
        assert table.count(" images)") == table.count("(37 images)") + 1  # the chart

    def test_a_headline_from_a_few_images_says_so_and_claims_nothing(self, tmp_path):
        given = {"ours": {L1: entry(8.3)}, "telea": {L1: entry(16.2)}}
        for values in given.values():
            values["hole/ssim"] = entry(values[L1]["mean"], count=12)
        made = report.Report(
            "T", given, ours=["ours"], headline=[L1, "hole/ssim"],
            groups={"By size": {"groups": {}, "left_out": {}}}, group_key="hole/ssim",
        )  # fmt: skip
        shown = " ".join(Page(write.write_report(tmp_path, made).read_text()).text)
        assert "better than telea, 16.20" in shown
        assert "12 of 40 images beside telea, 16.200" in shown
        assert "All images 40 8.300 [7.800, 8.800] 12 images" in shown

    def test_both_commits_are_named(self, tmp_path):
        facts = {"commit": "0a", "evaluation commit": "0b"}
        made = report.Report("T", summary(), environment=facts)
        page = write.write_report(tmp_path, made).read_text()
        shown = " ".join(" ".join(Page(page).text).split())
        assert "trained at commit 0a evaluated at commit 0b" in shown
        stored = json.loads((tmp_path / "results.json").read_text())
        assert stored["environment"] == facts

    def test_a_second_report_replaces_the_first(self, tmp_path):
        write.write_report(tmp_path, report.Report("First", summary()))
        path = write.write_report(tmp_path, report.Report("Second", summary()))
        assert "Second" in path.read_text() and "First" not in path.read_text()


class TestLittleData:
    def test_title_and_summary_suffice(self, tmp_path):
        path = write.write_report(tmp_path, report.Report("T", summary()))
        page = Page(path.read_text())
        assert not {a.get("id") for _, a in page.elements} & {"training", "pictures"}
        assert check_markdown_tables((tmp_path / "report.md").read_text()) == 2

    def test_a_missing_history_is_no_error(self, tmp_path):
        made = report.Report("T", summary(), history=tmp_path / "none.csv")
        assert "Training" not in write.write_report(tmp_path, made).read_text()

    def test_one_image_without_intervals(self, tmp_path):
        one = {"mean": 8.0, "low": np.nan, "high": np.nan, "count": 1}
        nothing = {"mean": np.nan, "low": np.nan, "high": np.nan, "count": 0}
        made = report.Report(
            "T",
            {"ours": {L1: one, "hole/lpips": nothing}},
            ours=["ours"],
            pictures={"Best": rows(1, ["Input", "ours", "Original"]), "Worst": []},
        )
        page = Page(write.write_report(tmp_path, made).read_text())
        shown = " ".join(page.text[page.text.index("T") :])
        assert "8.00" in shown and "nan" not in shown.lower()
        assert json.loads((tmp_path / "results.json").read_text())["summary"] == {
            "ours": {
                L1: {"mean": 8.0, "low": None, "high": None, "count": 1},
                "hole/lpips": {"mean": None, "low": None, "high": None, "count": 0},
            }
        }

    def test_an_empty_summary_still_writes(self, tmp_path):
        assert write.write_report(tmp_path, report.Report("T", {})).exists()

    def test_ours_must_be_in_the_summary(self):
        with pytest.raises(ValueError, match=r"ours names mine.*ours, telea"):
            report.Report("T", summary(), ours=["mine"])


class TestTables:
    def test_best_is_bold_and_directions_have_arrows(self):
        table = tables.results_table(summary(), ["ours", "telea", "other"], [L1, PSNR])
        head, _, ours, telea, other = table.split("\n")
        assert head == "|  | L1 (%) ↓ | PSNR (dB) ↑ |"
        assert ours == "| ours | **8.31** [7.81, 8.81] | **21.00** [20.50, 21.50] |"
        assert "**" not in telea
        assert other == "| other | – | – |"

    def test_columns_of_several_regions_name_them(self):
        table = tables.results_table(summary(), ["telea"], [L1, "raw/ssim"])
        assert table.startswith("|  | Hole L1 (%) ↓ | Raw SSIM ↑ |")
        assert "**" not in table  # one row is not the best of anything

    def test_what_reads_the_same_shares_the_mark(self):
        given = {"a": {L1: entry(8.001)}, "b": {L1: entry(8.002)}, "c": {L1: entry(9)}}
        cells = tables.result_cells(given, list(given), [L1])
        assert [row[0].best for row in cells] == [True, True, False]

    def test_what_json_made_null_is_a_dash(self):
        given = {"a": {L1: {"mean": None, "low": None, "high": None, "count": 0}}}
        assert tables.result_cells(given, ["a"], [L1]) == [[tables.Cell("–")]]
        assert tables.results_table(given, ["a"], [L1]).endswith("| a | – |")

    def test_an_unknown_metric_is_shown_without_a_best(self):
        given = {r: {"raw/new": entry(m)} for r, m in (("a", 1.0), ("b", 2.0))}
        table = tables.results_table(given, ["a", "b"], ["raw/new"])
        assert table.startswith("|  | new |") and "**" not in table

    def test_numbers(self):
        assert tables.number(-1.005, 1) == "−1.0"
        assert tables.number(0.5, 2, signed=True) == "+0.50"
        assert tables.number(float("nan"), 2) == tables.number(None, 2) == "–"

    def test_one_is_singular(self):
        shown = [tables.counted(n, "image") for n in (0, 1, 2, 1000)]
        assert shown == ["0 images", "1 image", "2 images", "1,000 images"]

    def test_fewer_images_are_a_part_of_all(self):
        def fewer(*counts):
            return tables.fewer([{"count": count} for count in counts], 1000)

        assert fewer(1000, 1000) == fewer() == fewer(0, None) == ""
        assert fewer(12, 12) == "12 of 1,000 images"
        assert fewer(1000, 12) == "12 to 1,000 of 1,000 images"

    def test_floats_of_a_column_share_their_decimals(self):
        table = tables.markdown_table(
            ["", "x", "y"], [["a", 1.1, 3], ["b", 1.06, None]]
        )
        assert "| a | 1.10 | 3 |\n| b | 1.06 | – |" in table
        table = tables.markdown_table(["", "x"], [["a", 1.1]], digits=3)
        assert "1.100" in table

    def test_numbers_go_right_and_words_left(self):
        table = tables.markdown_table(
            ["", "value", "few", "version", "word"],
            [["a", "8.1 [7.9, 8.3]", "8.1 [7.9, 8.3] (12 images)", "2.14.1", "x"]],
        )
        assert table.split("\n")[1] == "| :--- | ---: | ---: | :--- | :--- |"

    def test_widths_are_checked(self):
        with pytest.raises(ValueError, match="2 columns but a row of 1"):
            tables.markdown_table(["a", "b"], [["x"]])
        with pytest.raises(ValueError, match="1 rows but 2 kinds"):
            tables.Table("T", ["a"], [["x"]], kinds=["ours", "ours"])


class TestCharts:
    def test_learning_curves_are_the_headline_then_losses_by_network(self, tmp_path):
        columns = history.read(full_report(tmp_path).history)
        for name in ("hole/mae", "raw/l1_percent", "hole/lpips"):
            columns[f"val_{name}"] = [0.2, 0.1]
        drawn = history.learning(columns, ["hole/lpips", L1, PSNR])
        assert [[series.label for series in chart.series] for chart in drawn] == [
            ["val_hole/lpips"],
            ["val_hole/l1_percent"],
            ["g_l2", "g_adversarial"],
            ["d_real"],
        ]
        assert drawn[0].title == "Validation hole LPIPS ↓"
        assert len({chart.slug for chart in drawn}) == len(drawn)

    def test_what_is_watched_is_no_loss(self):
        columns = {"epoch": [1, 2], "d_real": [0.7, 0.6], "watched_accuracy": [0.5, 1]}
        (alone,) = history.learning(columns)
        (several,) = history.overlaid({"a": columns, "b": columns})
        assert [line.label for line in alone.series] == ["d_real"]
        assert several.slug == "learning-d"

    def test_a_loss_of_its_own_is_named_in_words(self):
        columns = {"step": [1, 2], "c_real": [0.7, 0.6], "c_fake": [0.5, 0.4]}
        drawn = history.overlaid({"a": columns})
        assert [chart.title for chart in drawn] == [
            "Classifier loss on real images",
            "Classifier loss on restored images",
        ]

    def test_a_long_legend_leaves_the_lines_their_height(self):
        def height(count):
            lines = {f"{i}" + "n" * 40: {"step": [1], "d": [i]} for i in range(count)}
            (chart,) = history.overlaid(lines)
            return pixels.decode(plots.png(chart), "a chart").shape[0]

        assert height(2) == height(3)
        each = 0.15 * 160  # pixels of a line of text
        assert height(12) - height(8) > 4 * each

    @pytest.mark.parametrize("count", [2, 4, 9])
    @pytest.mark.parametrize("length", [3, 20, 40])
    def test_the_legend_lies_within_the_chart(self, count, length):
        lines = {f"{i}" + "n" * length: {"step": [1], "d": [i]} for i in range(count)}
        drawn = plots.svg(*history.overlaid(lines))
        width = float(re.search(r'viewBox="0 0 (\S+) ', drawn)[1])
        texts = re.findall(r'<text [^>]* x="([\d.]+)"[^>]*>(\dnn[^<]*)</text>', drawn)
        assert len(texts) == count
        for x, text in texts:
            assert float(x) + 0.55 * 8.5 * len(text) < width  # of an em, of 8.5 points

    @pytest.mark.parametrize("epochs", [1, 2, 3, 38])
    def test_no_tick_stands_between_two_epochs(self, epochs):
        x = list(range(epochs))
        columns = {"epoch": x, f"val_{L1}": [5 + 1 / (1 + i) for i in x]}
        (chart,) = history.learning(columns, [L1])
        ticks = re.findall(r">([\d.]+)</text>", plots.svg(chart).split("epoch")[0])
        assert ticks and not [tick for tick in ticks if "." in tick]

    def test_a_damaged_history_is_located(self, tmp_path):
        path = tmp_path / "history.csv"
        path.write_text("epoch,g_l2\n1,0.5\n2,x\n")
        with pytest.raises(ValueError, match=r"history\.csv, line 3: g_l2 is 'x'"):
            history.read(path)

    def test_the_better_restorer_is_on_top(self):
        error, quality = charts.headline(summary(), [L1, PSNR], {}, ["ours"])
        assert [label for label, _, _ in error.rows] == ["ours", "telea"]
        assert [label for label, _, _ in quality.rows] == ["ours", "telea"]
        assert "8.31 [7.81, 8.81]" in error.alt

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

    def test_no_line_crosses_the_label_of_a_reference(self):
        line = charts.Series("a", [1, 2], [0.0, 1.0])
        label = "0.5, guessing"
        drawn = plots.svg(charts.Curve("c", "T", "x", "y", [line], {label: 0.5}))
        text = re.search(r"translate\(([\d.]+) [\d.]+\)\">guessing<", drawn)
        width = float(re.search(r'viewBox="0 0 (\S+) ', drawn)[1])
        ends = [float(x) for x in re.findall(r"L ([\d.]+) [\d.]+", drawn)]
        assert float(text[1]) > max(end for end in ends if end < width)

    def test_charts_follow_the_page(self):
        chart = charts.Curve(
            "c", "$x$ <b>", "x", "y", [charts.Series("<i>&", [1, 2], [0.001, 1])] * 2
        )
        drawn = plots.svg(chart)
        assert drawn.startswith("<svg") and "var(--muted)" in drawn
        assert not re.findall(r"#[0-9a-f]{6}\b", drawn)
        assert ">$x$ &lt;b&gt;<" in drawn and "&lt;i&gt;&amp;" in drawn
        assert "mathdefault" not in drawn  # the logarithmic axis
        assert "<style" not in drawn and "<metadata" not in drawn

    def test_files_are_pictures_and_the_same_again(self):
        chart = charts.Dots("d", "T", [("a", entry(1.0), True)])
        data = plots.png(chart)
        assert pixels.decode(data, "d").shape[2] == 3
        assert data == plots.png(chart) and plots.svg(chart) == plots.svg(chart)

    def test_a_chart_may_have_gaps_or_nothing(self):
        gaps = [charts.Series("a", [1, 2, 3], [np.nan, 2.0, np.nan], ours=True)]
        assert plots.png(charts.Curve("c", "T", "x", "y", gaps))
        assert plots.png(charts.Curve("c", "T", "x", "y", []))


def test_strict_makes_plain_values():
    given = {"a": np.float32(0.1), "b": [np.inf, 1], 3: np.arange(2), "t": (None, True)}
    assert write.strict(given) == {
        "a": 0.1,
        "b": [None, 1],
        "3": [0, 1],
        "t": [None, True],
    }
