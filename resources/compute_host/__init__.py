"""The `compute_host` resource: the machine that engines run on, and what can be done there.

    base            ComputeHost: its name, its work folder, `connect`
    local           LocalHost: this machine
    ssh             SshHost: a machine behind OpenSSH, imported where it is chosen (paramiko: 0.2 s)
    session         HostSession: commands, files and jobs, the same for every host
    values          what they answer: CommandResult, JobStatus, HostFile
    errors          HostError and its codes, HostMisconfigured
    jobs            how a job is started once, found again and stopped, as constant shell scripts
    transfer        how a file arrives whole or not at all
    paths           which paths and commands are refused before anything is asked
    connection      what a variant gives: a command, a file
    ssh_client      host keys, our key, and paramiko's errors; ssh_connection, commands and SFTP behind it

What belongs here: connections, host keys, processes, files. What does not: engines and what their logs mean,
GPUs and leases, names of cases (assets.beams).
"""

from resources.compute_host.base import ComputeHost
from resources.compute_host.errors import CODES, HostError, HostMisconfigured
from resources.compute_host.local import LocalHost
from resources.compute_host.session import HostSession
from resources.compute_host.values import CommandResult, HostFile, JobStatus

__all__ = [
    "CODES",
    "CommandResult",
    "ComputeHost",
    "HostError",
    "HostFile",
    "HostMisconfigured",
    "HostSession",
    "JobStatus",
    "LocalHost",
]
