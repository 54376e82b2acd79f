"""Jobs that outlive whoever started them: constant shell scripts, the same on every host, and their answers.

A job is found by its folder. `job.json` has who it is: process id, start of that process in clock ticks
since boot (field 22 of `/proc/<pid>/stat`), the boot, the wall clock and the digest of the command.
`engine.log` collects stdout and stderr. `exit_code` has the status as a shell sees it, and the word `signal`
behind it if a signal ended the job: 137 alone is an engine that exited so.

The scripts are plain POSIX sh with `setsid` and `flock` of util-linux, on Linux. No value is ever part of
their text: all are arguments. The lock is the kernel's, so one whose holder died is free.

Not here: how a script gets to its host (`session`, and the variants).
"""

import hashlib
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from resources.compute_host.errors import HostError
from resources.compute_host.values import JobStatus

LOCK_SECONDS: Final = 20
START_SECONDS: Final = 10
KILL_SECONDS: Final = 10

_FUNCTIONS: Final = r"""
# Start of a process in ticks, of a dead one too until it is reaped. Field 22 is the 20th behind the name,
# which may hold blanks.
ticks() { sed -n 's/^.*) //p' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }
living_ticks() { sed -n 's/^.*) \([^ZXx] \)/\1/p' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }

value() { sed -n "s/.*\"$1\": \"\{0,1\}\([0-9a-f-]*\).*/\1/p" job.json; }

read_job() {
    [ -f job.json ] || return 1
    pid=$(value pid) start=$(value start_ticks) watcher=$(value watcher_pid) watching=$(value watcher_ticks)
    boot=$(value boot_id) began=$(value started_at) digest=$(value argv_sha256)
}

same_boot() { [ "$boot" = "$(cat /proc/sys/kernel/random/boot_id)" ]; }
engine_lives() { same_boot && [ "$(living_ticks "$pid")" = "$start" ]; }
watcher_lives() { same_boot && [ "$(living_ticks "$watcher")" = "$watching" ]; }

# A group keeps its number from being given away: with its first process gone, the others are still the job's.
group_lives() {
    same_boot || return 1
    leader=$(ticks "$pid")
    [ "${leader:-$start}" = "$start" ] || return 1
    cat /proc/[0-9]*/stat 2>/dev/null | grep -q ") [^ZXx] [0-9]* $pid $pid "
}

# Whether a condition comes to hold within so many tenths of a second.
within() {
    tenths=$1
    shift
    until "$@"; do
        [ "$tenths" -gt 0 ] || return 1
        tenths=$((tenths - 1))
        sleep 0.1
    done
}

group_is_gone() { ! group_lives; }

kill_group() {
    kill -s KILL -- "-$pid" 2>/dev/null
    within "$1" group_is_gone && return
    echo "processes of the group $pid outlive SIGKILL" >&2
    return 1
}

take_lock() {
    exec 9>.launch.lock
    flock -w "$1" 9 && return
    echo "another launch or stop holds $PWD/.launch.lock" >&2
    return 1
}

# Who watches writes exit_code before it ends, so exit_code is looked for once more at the end.
report() {
    if [ -f exit_code ]; then state=ended
    elif engine_lives || watcher_lives; then state=running
    elif [ -f exit_code ]; then state=ended
    else state=vanished
    fi
    # A job that ends just now is still running in this answer, so without a code.
    case $state in ended) ended_by=$(cat exit_code) ;; *) ended_by= ;; esac
    echo "$state $pid $began $digest $ended_by"
}
"""

_OBSERVE: Final = r"""
[ -d "$1" ] || { echo absent; exit 0; }
cd -- "$1" || exit 1
read_job || { echo absent; exit 0; }
report
"""

_LAUNCH: Final = r"""
watch=$1 run=$2 folder=$3 lock_seconds=$4 start_tenths=$5 kill_tenths=$6
shift 6
(umask 077; mkdir -p -- "$folder") && cd -- "$folder" || exit 1
take_lock "$lock_seconds" || exit 1
if read_job; then
    found=$(report)
    case $found in vanished*) ;; *) echo "$found"; exit 0 ;; esac
    group_is_gone || kill_group "$kill_tenths" || exit 1
fi
n=1
while [ -e "engine.log.$n" ] || [ -e "exit_code.$n" ] || [ -e "job.json.$n" ]; do n=$((n + 1)); done
for name in engine.log exit_code job.json; do
    [ ! -e "$name" ] || mv -- "$name" "$name.$n" || exit 1
done
# A full disk is told here, where somebody listens. Without room for a log no engine is started.
head -c 65536 /dev/zero >.room && rm -f .room || { rm -f .room; exit 1; }
setsid -f sh -c "$watch" sh "$run" "$@" </dev/null >/dev/null 2>launch.log 9>&- || exit 1
within "$start_tenths" read_job || { cat launch.log >&2; echo "the job did not start" >&2; exit 1; }
report
"""

# It is in another group than the engine, so what ends that group leaves it to say how. Of an engine that was
# killed, `setsid -w` says so on its own stderr, and its status is the signal, plus 128 with a core dump.
_WATCH: Final = r"""
run=$1
shift
ending=$(setsid -f -w sh -c "$run" sh "$$" "$(ticks $$)" "$@" 2>&1 >/dev/null; echo "$?")
status=${ending##*
}
case $ending in
*"not started"*) echo "$ending" >&2; exit 1 ;;
*"did not exit normally"*) status="$((128 + status % 128)) signal" ;;
esac
! { read_job && engine_lives; } || exit 1
echo "$status" >exit_code.part && mv exit_code.part exit_code
"""

# The link is the claim: of two that come here at the same time, the second finds the name taken.
_RUN: Final = r"""
watcher=$1 watching=$2 argv_sha256=$3
shift 3
start=$(sed -n 's/^.*) //p' "/proc/$$/stat" | cut -d ' ' -f 20)
printf '{"pid": %d, "start_ticks": %d, "watcher_pid": %d, "watcher_ticks": %d, ' \
    $$ "$start" "$watcher" "$watching" >"job.json.$$" &&
    printf '"boot_id": "%s", "started_at": %d, "argv_sha256": "%s"}\n' \
        "$(cat /proc/sys/kernel/random/boot_id)" "$(date +%s)" "$argv_sha256" >>"job.json.$$" &&
    ln "job.json.$$" job.json
claimed=$?
rm -f "job.json.$$"
[ "$claimed" = 0 ] || { echo "not started" >&2; exit 1; }
exec "$@" >engine.log 2>&1
"""

_STOP: Final = r"""
folder=$1 lock_seconds=$2 grace_tenths=$3 kill_tenths=$4
[ -d "$folder" ] || { echo absent; exit 0; }
cd -- "$folder" || exit 1
take_lock "$lock_seconds" || exit 1
read_job || { echo absent; exit 0; }
if group_lives; then
    kill -s TERM -- "-$pid" 2>/dev/null
    within "$grace_tenths" group_is_gone || kill_group "$kill_tenths" || exit 1
fi
is_judged() { [ -f exit_code ] || ! watcher_lives; }
within "$kill_tenths" is_judged
report
"""


def observe_command(folder: PurePosixPath) -> tuple[str, ...]:
    """Tell how the job of a folder is."""
    return _script(_OBSERVE, str(folder))


def launch_command(folder: PurePosixPath, command: Sequence[str]) -> tuple[str, ...]:
    """Start a job unless the folder has one that runs or has ended; tell how it is.

    What an attempt that vanished left is ended, and its files get a number: `engine.log.1`.
    """
    scripts = (_FUNCTIONS + _WATCH, _RUN)
    limits = (str(LOCK_SECONDS), _tenths(START_SECONDS), _tenths(KILL_SECONDS))
    return _script(_LAUNCH, *scripts, str(folder), *limits, command_digest(command), *command)


def stop_command(folder: PurePosixPath, grace_s: float) -> tuple[str, ...]:
    """Send TERM to the group of the job, after the grace KILL; fails unless the whole group is gone.

    A job that ended is stopped too, if something that it started lives on.
    """
    return _script(_STOP, str(folder), str(LOCK_SECONDS), _tenths(grace_s), _tenths(KILL_SECONDS))


def command_digest(command: Sequence[str]) -> str:
    """SHA-256 over the arguments, each with a NUL behind it."""
    return hashlib.sha256(
        b"".join(argument.encode(errors="surrogateescape") + b"\0" for argument in command)
    ).hexdigest()


def read_status(answer: bytes) -> tuple[JobStatus, str | None]:
    """Read what a script wrote: the status, and the digest of the command that the job was started with.

    Only the last line counts; the login shell of a host may greet before it.

    Raises:
        HostError: the answer is none of ours.
    """
    words = answer.decode("ascii", errors="replace").rstrip("\n").rpartition("\n")[2].split()
    if words == ["absent"]:
        return JobStatus("absent"), None
    match words:
        case ["running" | "vanished" as state, pid, began, digest]:
            return JobStatus(state, pid=int(pid), started_at=float(began)), digest
        case ["ended", pid, began, digest, code]:
            return JobStatus("ended", int(code), None, int(pid), float(began)), digest
        case ["ended", pid, began, digest, code, "signal"]:
            return JobStatus("ended", None, int(code) - 128, int(pid), float(began)), digest
    raise HostError(
        "ssh_connect",
        f"The host says {answer[-200:]!r} of a job, which is no answer of ours; look at its login shell.",
    )


def _script(body: str, *arguments: str) -> tuple[str, ...]:
    return ("sh", "-c", _FUNCTIONS + body, "sh", *arguments)


def _tenths(seconds: float) -> str:
    return str(round(seconds * 10))
