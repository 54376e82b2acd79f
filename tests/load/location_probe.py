"""Run in a fresh interpreter: load the code location and print as JSON what that did.

An audit hook sees every attempt, also those whose exception a library swallows.
"""

import json
import os
import sys

# Before the hook: what Dagster does while it is imported is Dagster's.
import dagster  # noqa: F401

NETWORK = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate"}
PROCESSES = {"subprocess.Popen", "os.fork", "os.posix_spawn", "os.system"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def main(root: str) -> None:
    connections: list[str] = []
    changes: list[str] = []
    processes: list[str] = []
    databases: list[str] = []

    def watch(event: str, arguments: tuple) -> None:
        writes = event == "open" and arguments[2] & WRITING and arguments[0] != os.devnull
        if event in NETWORK:
            connections.append(f"{event} {arguments[1:]!r}")
        elif event == "sqlite3.connect":
            databases.append(str(arguments[0]))
        elif event in PROCESSES:
            processes.append(f"{event} {arguments!r}")
        elif event in CHANGES or writes:
            changes.append(f"{event} {arguments!r}")

    sys.path.insert(0, root)
    sys.addaudithook(watch)
    import definitions

    repository = definitions.defs.get_repository_def()
    repository.load_all_definitions()
    result = {
        "assets": len(repository.asset_graph.get_all_asset_keys()),
        "connections": connections,
        "changes": changes,
        "processes": processes,
        "databases": databases,
        "modules": sorted(sys.modules),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1])
