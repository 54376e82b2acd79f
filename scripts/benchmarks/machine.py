"""What a benchmark runs on, as the table says it: nothing that names the machine or whose it is."""

import os
import platform
from pathlib import Path

import psutil


def machine_facts() -> dict[str, str]:
    """The facts that a reader needs to compare numbers with his own, by name."""
    before = " / ".join(f"{load:.1f}" for load in os.getloadavg())
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": _processor(),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GB",
        "Python": platform.python_version(),
        "load average before, 1 / 5 / 15 min": before,
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
