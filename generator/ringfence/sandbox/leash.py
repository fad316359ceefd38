"""Runs a command that dies with the process that started it, and makes files that only their owner reads.

    python -I -S leash.py PARENT-PID /path/to/command arguments...

Linux alone can tie the two lives together (prctl(2), PR_SET_PDEATHSIG); elsewhere the next `sandbox up` or `down`
ends what a killed supervisor left. It is called by its path and imports next to nothing, so that it costs little.
"""

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Become `command`."""
    os.umask(0o077)
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before we were tied to it
            os._exit(1)
    os.execv(command[0], command)  # noqa: S606 # without a shell is what is wanted


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
