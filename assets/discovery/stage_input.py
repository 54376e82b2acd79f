"""What a handler reads of its work: its parameters, checked, and the text that it works on.

The handlers of one chain know each other's payloads only by these keys: `type` with `body`, or with `base64`
for what is no text, is a document; `text` is plain text. Not here: what is done with them (`handlers`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from assets.discovery.config_problems import problems_of
from assets.discovery.contract import Work
from assets.failures import PermanentFailure

TEXT_FIELDS: Final = ("text", "content", "description", "summary", "abstract")
"""Where the data of an item may have its text, the best first."""

Checked = TypeVar("Checked", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Document:
    """Something to read, as it was found."""

    type: str
    """The media type in lower case, without parameters; blank if nobody said it."""
    body: str


def checked_params(work: Work, model: type[Checked]) -> Checked:
    """The parameters of the stage. Other keys than those of the model belong to other stages of the job.

    Raises:
        PermanentFailure: some are wrong; one sentence names the stage and every such key with its rule.
    """
    try:
        return model.model_validate(dict(work.params))
    except ValidationError as error:
        found = (
            f"{'.'.join(map(str, problem.path))}: {problem.text}" for problem in problems_of(error, model)
        )
        raise PermanentFailure(
            f"the params of stage {work.stage} of job {work.job_id} are wrong: {'; '.join(found)}"
        ) from None


def document_of(work: Work) -> Document | None:
    """The document that a stage before has read; the first, if there are several.

    Raises:
        PermanentFailure: it is no text.
    """
    for stage, payload in work.inputs.items():
        kind = str(payload.get("type") or "")
        if isinstance(body := payload.get("body"), str):
            return Document(kind, body)
        if "base64" in payload:
            raise PermanentFailure(
                f"what stage {stage} read for {work.key} is {kind or 'of no known type'} and no text; "
                "give this job items whose documents are text or HTML"
            )
    return None


def text_of(work: Work) -> str | None:
    """The title of the item and its text below: that of the stages before, else that of its own data."""
    texts = [text for payload in work.inputs.values() if (text := own_text(payload, ("text",)))]
    parts = [work.title, *(texts or [own_text(work.data, TEXT_FIELDS)])]
    return "\n".join(part for part in parts if part) or None


def own_text(data: Mapping[str, Any], fields: tuple[str, ...]) -> str | None:
    """The first of the fields that says something; several texts in one stand one below the other."""
    for field in fields:
        value = data.get(field)
        values = value if isinstance(value, list | tuple) else [value]
        if text := "\n".join(part.strip() for part in values if isinstance(part, str) and part.strip()):
            return text
    return None
