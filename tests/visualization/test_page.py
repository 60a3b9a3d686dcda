"""A page holds all that it shows."""

from html.parser import HTMLParser

from PIL import Image

from im2mesh.visualization.page import PageSection, write_page


class Reader(HTMLParser):
    """Collects texts, and the addresses that a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.addresses: list[str] = []
        self.cells = 0

    def handle_starttag(self, tag, attrs):
        self.cells += tag in ("td", "th")
        self.addresses += [v for k, v in attrs if k in ("src", "href", "srcset")]

    def handle_data(self, data):
        self.texts.append(data.strip())


def test_a_page_needs_no_other_file(tmp_path):
    Image.new("RGB", (4, 2), "red").save(tmp_path / "a.png")
    section = PageSection(
        "Numbers & <units>", "two\nlines", [["a", "b"], ["1", "<2>"]], {"one": tmp_path / "a.png"}
    )
    write_page(tmp_path / "index.html", "Title", [section], "made by code 1")
    reader = Reader()
    reader.feed((tmp_path / "index.html").read_text("utf-8"))
    assert {"Title", "Numbers & <units>", "two\nlines", "<2>", "one", "made by code 1"} <= {
        *reader.texts
    }
    assert reader.cells == 4
    assert len(reader.addresses) == 1 and reader.addresses[0].startswith("data:image/png;base64,")
