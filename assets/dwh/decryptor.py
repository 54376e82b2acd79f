"""Where the picture of an image record lies: the port that decrypts it, and the open form of samples.

Key material never comes here: in production a function of that purpose is registered on the cluster.
"""

import binascii
from dataclasses import dataclass, fields
from typing import Any, Final, Protocol, Self

from assets.dwh.json_text import read_json


@dataclass(frozen=True, slots=True)
class Decrypted:
    """The decrypted fields; empty text becomes None, whoever decrypted it."""

    msp: str | None = None
    """The media storage provider."""
    mspid: str | None = None
    """The id of the picture there."""
    mediaid: str | None = None
    """The media id, by which rows are deduplicated."""
    locationspec: str | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) == "":
                object.__setattr__(self, field.name, None)

    @property
    def failed(self) -> bool:
        """Whether there is none of them: nothing could be decrypted."""
        return self == NOTHING

    @classmethod
    def of_object(cls, content: dict[str, Any]) -> Self:
        """The values of the four keys that are text."""
        texts = {field.name: content.get(field.name) for field in fields(cls)}
        return cls(**{name: text if isinstance(text, str) else None for name, text in texts.items()})


NOTHING: Final = Decrypted()
"""What comes of a record that cannot be decrypted."""


class Decryptor(Protocol):
    """Decrypts one image record. It is sent to other processes, so it can be pickled."""

    def decrypt(self, image_view: str | None, image_id: str | None, image_data: str | None) -> Decrypted:
        """Return the decrypted fields, `NOTHING` if that is impossible; never raise."""
        ...


@dataclass(frozen=True, slots=True)
class Base64Json:
    """`base64_json`: the data are a JSON object with the four keys, in base64 with padding: no secret."""

    def decrypt(self, image_view: str | None, image_id: str | None, image_data: str | None) -> Decrypted:
        """Return the fields that the data hold as text; the other two arguments say nothing."""
        if image_data is None:
            return NOTHING
        try:
            content = read_json(binascii.a2b_base64(image_data, strict_mode=True))
        except ValueError:
            return NOTHING
        return Decrypted.of_object(content) if isinstance(content, dict) else NOTHING
