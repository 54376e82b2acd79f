"""Whose answer is whose, in one batch.

Not here: whether an answer is any good (`journal.Judge`).
"""

from collections import defaultdict, deque
from collections.abc import Sequence

from resources.waves.values import Answer, Cam, failed_answer


def match_answers(cams: Sequence[Cam], answers: Sequence[Answer]) -> tuple[list[Answer], int]:
    """One answer for each CAM, in order, and how many answers were left over.

    As many answers as CAMs are matched by position. Any other number is matched by the Vehicle and Size that
    an answer echoes, exactly as they were sent, each answer once; a CAM without one gets `MISSING_RESULT`.
    """
    if len(answers) == len(cams):
        return list(answers), 0
    by_echo: defaultdict[tuple[object, object], deque[Answer]] = defaultdict(deque)
    for answer in answers:
        if isinstance(answer, dict) and _is_text(answer.get("Vehicle")) and _is_text(answer.get("Size")):
            by_echo[answer["Vehicle"], answer["Size"]].append(answer)
    matched = [_take(by_echo[cam.vehicle, cam.size]) for cam in cams]
    used = sum(answer is not None for answer in matched)
    found = [
        failed_answer(cam.vehicle, cam.size, "MISSING_RESULT") if answer is None else answer
        for cam, answer in zip(cams, matched, strict=True)
    ]
    return found, len(answers) - used


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _take(answers: deque[Answer]) -> Answer | None:
    return answers.popleft() if answers else None
