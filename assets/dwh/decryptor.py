"""Where the picture of an image record lies: the port that decrypts it, and the open form of samples.

Key material never comes here: in production a function of that purpose is registered on the cluster.
"""

import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Protocol, Self

from assets.dwh.json_text import read_json

_FUNCTION: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*){0,2}")


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
        for name in _PLACES:
            if getattr(self, name) == "":
                object.__setattr__(self, name, None)

    @property
    def failed(self) -> bool:
        """Whether there is none of them: nothing could be decrypted."""
        return self.msp is self.mspid is self.mediaid is self.locationspec is None

    @classmethod
    def of_object(cls, content: Mapping[str, Any]) -> Self:
        """The values of the four keys that are text."""
        values = map(content.get, _PLACES)
        return cls(*[value if isinstance(value, str) else None for value in values])


_PLACES: Final = tuple(field.name for field in fields(Decrypted))

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


@dataclass(frozen=True, slots=True)
class SqlFunction:
    """`sql_function`: the engine decrypts, by a function that is registered on its cluster.

    It takes the three encrypted texts and returns a struct of the four decrypted ones, or null.

    Raises:
        ValueError: the name is no name of a function.
    """

    name: str

    def __post_init__(self) -> None:
        if _FUNCTION.fullmatch(self.name) is None:
            raise ValueError(
                f"{self.name!r} is no name of an SQL function; write one such as decrypt or keys.decrypt"
            )
