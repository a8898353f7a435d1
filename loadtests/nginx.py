"""The reference for pages: nginx on loopback, one worker on one processor, answering files that are compressed already."""

from __future__ import annotations

import gzip
import http.client
import os
import pwd
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from loadtests.processes import end, free_port
from loadtests.tools import find

_READY_WITHIN_SECONDS = 10.0

# What makes nginx fast with files: descriptors and sizes remembered, the kernel copies, head and body in one packet.
_SETTINGS = """
{user}daemon off;
worker_processes 1;
{pinned}pid {scratch}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  default_type application/ld+json;
  etag on;
  gzip_static on;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  keepalive_timeout 75s;
  keepalive_requests 1000000000;
  open_file_cache max=100000 inactive=1h;
  open_file_cache_valid 1h;
  client_body_temp_path {scratch}/body;
  proxy_temp_path {scratch}/proxy;
  fastcgi_temp_path {scratch}/fastcgi;
  uwsgi_temp_path {scratch}/uwsgi;
  scgi_temp_path {scratch}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    root {folder};
  }}
}}
"""


def place(folder: Path, path: str, body: bytes, *, squeezed: bytes | None = None) -> None:
    """Put what is answered at a path (`/s/log/0/0`) into the folder, also compressed; `squeezed` when it is at hand.

    A path below another one cannot be placed: files and folders do not share names.
    """
    file = folder / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
    file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(body, 6, mtime=0) if squeezed is None else squeezed)


class Nginx:
    """nginx over a folder of files and their `.gz`; a context manager that starts and ends it.

    `base` is its address without a slash at the end; `cpu` is the processor its worker may use, None for any.

    Raises:
        ToolUnavailableError: nginx cannot be had here (on entering).
        RuntimeError: it did not start; the message says what it said.

    """

    def __init__(self, folder: Path, *, cpu: int | None = None) -> None:
        self._folder = folder.resolve()
        self._cpu = cpu
        self._port = free_port()
        self._stack = ExitStack()
        self.base = f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        tool = find("nginx")
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nginx-")))
            (scratch / "nginx.conf").write_text(self._settings(scratch), "utf-8")
            self._errors = scratch / "stderr"
            with self._errors.open("wb") as errors:
                self._process = subprocess.Popen(
                    [str(tool.path), "-p", str(scratch), "-e", "stderr", "-c", str(scratch / "nginx.conf")],
                    env={**os.environ, **tool.environ},
                    stdin=subprocess.DEVNULL,
                    stdout=errors,
                    stderr=errors,
                )
            stack.callback(lambda: end(self._process))
            self._until_ready()
            (self._worker,) = psutil.Process(self._process.pid).children()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def pid(self) -> int:
        """The process id of the worker."""
        return int(self._worker.pid)

    def seconds(self) -> float:
        """Return the processor time that the worker took so far."""
        spent = self._worker.cpu_times()
        return float(spent.user + spent.system)

    def etag(self, path: str) -> str:
        """Return the tag that nginx gives to the compressed form of a path, for a conditional request."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_READY_WITHIN_SECONDS)
        try:
            connection.request("HEAD", path, headers={"Accept-Encoding": "gzip"})
            answer = connection.getresponse()
            tag = answer.getheader("ETag")
        finally:
            connection.close()
        if answer.status != 200 or tag is None or answer.getheader("Content-Encoding") != "gzip":
            raise RuntimeError(f"nginx answered {path} with status {answer.status} and no compressed file")
        return tag

    def _settings(self, scratch: Path) -> str:
        # Started by root the worker would become someone who may not read a private folder.
        user = f"user {pwd.getpwuid(0).pw_name};\n" if os.geteuid() == 0 else ""
        pinned = "" if self._cpu is None else f"worker_cpu_affinity {1 << self._cpu:b};\n"
        return _SETTINGS.format(user=user, pinned=pinned, scratch=scratch, port=self._port, folder=self._folder)

    def _until_ready(self) -> None:
        end = time.monotonic() + _READY_WITHIN_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0 and psutil.Process(self._process.pid).children():
                    return
            time.sleep(0.02)
        raise RuntimeError(f"nginx did not start: {self._errors.read_text('utf-8', 'replace')[-2000:]}")
