"""Pages as a reader finds them: parsed, and asked for their texts and tables."""

from lxml import html
from lxml.html import HtmlElement


class Page:
    """A parsed page."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.root: HtmlElement = html.document_fromstring(text)
        (self.body,) = self.root.iterchildren("body")

    @property
    def title(self) -> str:
        return words(self.root.find(".//title"))

    @property
    def words(self) -> str:
        """Everything that can be read."""
        return words(self.body)

    def table(self, caption: str) -> list[list[str]]:
        """The rows of the body of a table."""
        (table,) = [
            table
            for table in self.root.iter("table")
            for found in table.iterchildren("caption")
            if words(found).startswith(caption)
        ]
        return [[words(cell) for cell in row] for row in table.iterfind("tbody/tr")]

    def captions(self) -> list[str]:
        """Of the pictures."""
        return [words(caption) for caption in self.root.iter("figcaption")]

    def classes(self) -> set[str]:
        """Every class that is used outside of the style sheet."""
        return {name for element in self.body.iter() for name in str(element.get("class", "")).split()}

    def addresses(self) -> list[str]:
        """What the page takes or points to from elsewhere."""
        return [
            value
            for element, attribute, value, _ in self.root.iterlinks()
            if attribute and element.tag != "style" and not value.startswith(("#", "data:image/png;base64,"))
        ]


def words(element: HtmlElement | None) -> str:
    """The text of an element, with single blanks."""
    assert element is not None
    return " ".join(element.text_content().split())
