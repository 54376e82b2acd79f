"""A job as a backend starts it: a script with a command line, which reports as it is told to.

`--behaviour` is one of BEHAVIOURS; `--started FILE` gets a line for each start; `wait` ends when the file
`--until FILE` is there, or after a minute.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

from resources.compute.payload import Payload, open_payload, typed

ROWS = 12
MINUTE = 60
BEHAVIOURS = (
    "report",
    "report red",
    "silent",
    "no result",
    "break off",
    "fail",
    "be killed",
    "wait",
    "leave a child",
)


def main(argv: list[str]) -> int:
    options = dict(zip(argv[1::2], argv[2::2], strict=True))
    behaviour = options["--behaviour"]
    with Path(options["--started"]).open("a") as started:
        started.write(f"{os.getpid()}\n")
    sys.stdout.write('{"metrics": "a line of standard output"}\n')
    sys.stderr.write(f"the password is {os.environ.get('AIM_SERVICE_PASSWORD')}\n")
    if behaviour == "silent":
        return 0
    payload = open_payload(argv, os.environ)
    assert payload
    with payload:
        if behaviour == "no result":
            return 0
        report(payload, "ERROR" if behaviour == "report red" else "WARN")
        misbehave(behaviour, options)
    return 0


def report(payload: Payload, severity: Literal["WARN", "ERROR"]) -> None:
    payload.log.info("the job is at work")
    payload.materialised(
        {"dagster/row_count": ROWS, "picture": typed("md", "**12**"), "day": payload.partition_key},
        data_version="v1",
    )
    payload.checked("rows_are_positive", passed=False, severity=severity, metadata={"least": -1})
    payload.told({"records_read": 20, "compute": os.environ.get("QUINTET_COMPUTE")})


def misbehave(behaviour: str, options: dict[str, str]) -> None:
    match behaviour:
        case "break off":
            os._exit(0)
        case "fail":
            raise ValueError("the sixth row is a cat")
        case "be killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "leave a child":
            child = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({MINUTE})"])
            with Path(options["--started"]).open("a") as started:
                started.write(f"{child.pid}\n")
            wait(Path(options["--until"]))
        case "wait":
            wait(Path(options["--until"]))


def wait(file: Path) -> None:
    until = time.monotonic() + MINUTE
    while not file.exists() and time.monotonic() < until:
        time.sleep(0.05)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv))
