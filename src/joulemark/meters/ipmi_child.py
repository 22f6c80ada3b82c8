"""The child process that talks to one BMC: the only importer of pyghmi.

pyghmi blocks for up to half a minute when a BMC hangs, and a second session to the same BMC never returns. So one process
holds exactly one session, answers one JSON line for each JSON line it is asked, and is killed by its parent when it is late.
It first says `{"started": true}`; then it is sent where to log in, and after that `{"netfn", "command", "data"}`. It answers
`{"data": hex}`, or `{"error": text, "next_step": text, "fatal": bool}` and ends after a fatal one. At the end of its input it logs out.

The password comes on standard input, never as an argument or in the environment.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import IO, Any, Final

SESSION_LOST: Final = 0xFFFF
"""pyghmi's code for a request that was never answered; completion codes of a BMC are below 0x100."""

FIRST_RETRY_S: Final = 0.25
"""pyghmi misses its own wake-up when a reply comes before it starts to wait, and sees it at its first retry: half a second to a
second later by default, so ask for an earlier one. A BMC that is really slower is only asked twice."""


def answer(out: IO[str], **fields: Any) -> None:
    """Write one line to the parent."""
    out.write(json.dumps(fields) + "\n")
    out.flush()


def serve(requests: IO[str], out: IO[str]) -> int:
    """Log in with the first line of `requests`, then answer every further line. Returns the exit status."""
    try:
        from pyghmi.exceptions import PyghmiException
        from pyghmi.ipmi.command import Command
    except ImportError as error:
        answer(out, error=f"pyghmi cannot be imported: {error}", next_step="install it: pip install 'joulemark[ipmi]'", fatal=True)
        return 1
    answer(out, started=True)
    login = requests.readline()
    if not login:
        return 0
    log_in: Any = Command  # pyghmi has no types
    try:
        bmc = log_in(**json.loads(login))
    except OSError as error:
        answer(out, error=str(error), next_step="correct host and port of the [[meter]]", fatal=True)
        return 1
    except PyghmiException as error:
        answer(out, error=str(error) or type(error).__name__, fatal=True)
        return 1
    answer(out, data="")
    for line in requests:
        request: Mapping[str, Any] = json.loads(line)
        try:
            reply = bmc.xraw_command(netfn=request["netfn"], command=request["command"], data=tuple(request["data"]), timeout=FIRST_RETRY_S)
        except (PyghmiException, OSError) as error:
            code = getattr(error, "ipmicode", SESSION_LOST)
            fatal = not 0 < code < SESSION_LOST
            answer(out, error=str(error) or type(error).__name__, fatal=fatal)
            if fatal:
                return 1
        else:
            answer(out, data=bytes(reply["data"]).hex())
    bmc.ipmi_session.logout()
    return 0


def main() -> None:
    """Keep the pipe to the parent for answers alone: pyghmi prints, so standard output becomes standard error."""
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    status = serve(sys.stdin, pipe)
    os._exit(status)  # pyghmi leaves a thread that never ends


if __name__ == "__main__":
    main()
