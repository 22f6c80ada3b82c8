"""The command line without a process of its own: the same entry point, its streams and its exit status, a second faster."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

from joulemark import cli


def joulemark(*args: object) -> subprocess.CompletedProcess[str]:
    """`joulemark ARGS` to its end. What tells a process from a call (a crash, what it loads, signals) is tested on real ones."""
    words = [str(arg) for arg in args]
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="\n", write_through=True) for _ in range(2))
    with mock.patch.object(sys, "argv", ["joulemark", *words]), redirect_stdout(out), redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as ended:
            status = ended.code
    assert isinstance(status, int)
    told, said = (stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]  # BytesIO, made above
    return subprocess.CompletedProcess(words, status, told, said)
