"""The child process that holds one VISA resource: the only importer of pyvisa.

It first says `{"started": true}`; then it is sent `{"resource", "timeout_s"}` and says `{"opened": true}`; after that it is sent
`{"tell": command}` and says `{"told": true}`, or `{"ask": question}` and says `{"answer": text}`. In place of each it may say
`{"error", "next_step", "fatal": true}` and ends: after an error the answers would no longer belong to the questions.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import IO, Any, Final

BACKEND: Final = "@py"
"""pyvisa-py: pure Python, without a vendor's VISA."""


def say(out: IO[str], **fields: Any) -> None:
    """Write one line to the parent."""
    out.write(json.dumps(fields) + "\n")
    out.flush()


def serve(requests: IO[str], out: IO[str]) -> int:
    """Open the resource that the first line of `requests` names, then answer every further line. Returns the exit status."""
    try:
        import pyvisa
        import pyvisa_py.protocols.rpc as rpc
        import pyvisa_py.protocols.vxi11 as vxi11
    except ImportError as error:
        say(out, error=f"pyvisa cannot be imported: {error}", next_step="install it: pip install 'joulemark[visa]'", fatal=True)
        return 1
    failures = (pyvisa.errors.Error, OSError, ValueError, rpc.RPCError, vxi11.Vxi11Error, EOFError)
    say(out, started=True)
    if not (hello := requests.readline()):
        return 0
    wanted = json.loads(hello)
    timeout_ms = round(wanted["timeout_s"] * 1000)
    try:
        instrument: Any = pyvisa.ResourceManager(BACKEND).open_resource(
            wanted["resource"], open_timeout=timeout_ms, timeout=timeout_ms, read_termination="\n", write_termination="\n"
        )
        if not wanted["resource"].upper().endswith("::SOCKET"):
            instrument.clear()  # an answer to somebody who left may still wait in the instrument
    except failures as error:
        say(out, error=f"cannot be opened: {error or type(error).__name__}", next_step="", fatal=True)
        return 1
    say(out, opened=True)
    for line in requests:
        try:
            say(out, **exchanged(instrument, json.loads(line)))
        except failures as error:
            say(out, error=str(error) or type(error).__name__, next_step="", fatal=True)
            return 1
    instrument.close()
    return 0


def exchanged(instrument: Any, request: dict[str, str]) -> dict[str, Any]:
    """What the instrument says to one request."""
    if "tell" in request:
        instrument.write(request["tell"])
        return {"told": True}
    return {"answer": instrument.query(request["ask"]).strip("\r\n ")}


def main() -> None:
    """Keep the pipe to the parent for answers alone; what the library logs is told by its errors too."""
    logging.disable(logging.CRITICAL)
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.exit(serve(sys.stdin, pipe))


if __name__ == "__main__":
    main()
