"""The segments that the service's page offers: the options of its select named `segment`."""

from html.parser import HTMLParser


def segment_options(page: str) -> list[str]:
    """The option texts in order, without blank ones and those beginning `--`; none without such a select."""
    parser = _Options()
    parser.feed(page)
    parser.close()
    texts = [" ".join(text.split()) for text in parser.texts]
    return [text for text in texts if text and not text.startswith("--")]


class _Options(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._is_inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "select":
            self._is_inside = dict(attrs).get("name") == "segment"
        elif tag == "option" and self._is_inside:
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._is_inside = False

    def handle_data(self, data: str) -> None:
        if self._is_inside and self.texts:
            self.texts[-1] += data
