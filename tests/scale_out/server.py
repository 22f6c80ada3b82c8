"""One shard as a process: the real engine of ClickHouse (chDB) behind its HTTP interface, as far as clickhouse-connect uses it.

`python -m tests.scale_out.server FOLDER PORT` prints its port, 0 for any free one, and serves on 127.0.0.1 until it is killed.
"""

from __future__ import annotations

import re
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from chdb import session

TRANSPORT = {
    *("query", "database", "default_format", "session_id", "compress", "decompress", "client_protocol_version", "session_timeout"),
    *("query_id", "buffer_size", "wait_end_of_query", "send_progress_in_http_headers", "http_headers_progress_interval_ms"),
    *("enable_http_compression", "cancel_http_readonly_queries_on_client_close"),
}
"""Parameters of the interface that are no settings of a query."""
FORMAT = re.compile(r"\sFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)


class Engine:
    """One query at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._session = session.Session(str(folder / "data"))
        self._lock = threading.Lock()

    def answer(self, query: str, data: bytes, named: dict[str, str], form: str) -> tuple[bytes, str]:
        """The result of a query and its format; `data` is what an INSERT brings."""
        found = FORMAT.search(query)
        with self._lock:
            if database := named.get("database"):
                self._session.query(f"USE `{database}`")
            settings = {key: value for key, value in named.items() if key not in TRANSPORT and not key.startswith("param_")}
            for key, value in settings.items():
                self._session.query(f"SET {key} = '{value}'")
            try:
                if data:
                    return self._insert(query[: found.start()] if found else query, found[1] if found else "Native", data), form
                if found:
                    query, form = query[: found.start()], found[1]
                return self._session.query(query, form).bytes(), form
            finally:
                for key in settings:
                    self._session.query(f"SET {key} = DEFAULT")

    def _insert(self, query: str, form: str, data: bytes) -> bytes:
        with tempfile.NamedTemporaryFile(dir=self.folder) as file:
            file.write(data)
            file.flush()
            self._session.query(f"{query} FROM INFILE '{file.name}' FORMAT {form}")
        return b""


class Handler(BaseHTTPRequestHandler):
    """A query in the address, an insert's data in the body; or a query in the body."""

    engine: Engine
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer, or say why not with status 500."""
        named = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        body = self._body()
        query, data = named.get("query", ""), body
        if not query:
            head, _, rest = body.partition(b"\n")
            insert = head.lstrip()[:6].upper() == b"INSERT" and b" FORMAT " in head.upper()
            query, data = (head.decode(), rest) if insert else (body.decode(), b"")
        form = self.headers.get("X-ClickHouse-Format") or named.get("default_format") or "TabSeparated"
        try:
            answer, form = self.engine.answer(query, data, named, form)
        except RuntimeError as error:
            self._say(500, str(error).encode(), {"X-ClickHouse-Exception-Code": "1"})
            return
        self._say(200, answer, {"X-ClickHouse-Format": form, "X-ClickHouse-Summary": "{}", "X-ClickHouse-Timezone": "UTC"})

    do_GET = do_POST  # noqa: N815 - a name of http.server

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _say(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "X-ClickHouse-Query-Id": "q", "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Nothing: the harness reads the port only."""


def main() -> None:
    """Serve."""
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    Handler.engine = Engine(folder)
    Handler.engine.answer("CREATE DATABASE IF NOT EXISTS joulemark", b"", {}, "TabSeparated")
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
