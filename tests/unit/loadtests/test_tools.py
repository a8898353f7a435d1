"""The programs and the reference of the load tests: found or fetched, started, asked, ended."""

from __future__ import annotations

import gzip
import http.client
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from loadtests.nginx import Nginx, place
from loadtests.tools import Tool, ToolUnavailableError, find, missing
from loadtests.wrk import Volley, fire
from tests.support.packages import refuse

PATH = "/gent-traffic/log/0/0"
BODY = b'{"@id":"https://data.example.org/gent-traffic/log/0/0"}' * 50


def have(name: str) -> Tool:
    """Return a program, or skip the test for want of it."""
    try:
        return find(name)
    except ToolUnavailableError as error:
        refuse(str(error))


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Nginx]:
    """Serve one page."""
    have("nginx")
    place(tmp_path, PATH, BODY)
    with Nginx(tmp_path, cpu=0) as running:
        yield running


@pytest.mark.parametrize("name", ["nginx", "wrk", "mosquitto", "mosquitto_pub"])
def test_a_program_has_all_it_needs(name: str) -> None:
    """Installed or unpacked, the program is a file that can be run and lacks no library."""
    tool = have(name)
    assert os.access(tool.path, os.X_OK)
    assert missing(tool) == []


def test_a_program_that_nobody_knows_is_named(tmp_path: Path) -> None:
    """Without the program and without a package for it, the error says which one."""
    with pytest.raises(ToolUnavailableError, match="no-such-program is not installed"):
        find("no-such-program", cache=tmp_path)


def test_a_program_whose_package_cannot_be_fetched_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no apt, the error says what is missing and which package to install, and nothing counts as complete."""
    monkeypatch.setenv("PATH", str(tmp_path))
    if Path("/usr/sbin/nginx").exists():
        pytest.skip("nginx is installed where no PATH is asked for")
    with pytest.raises(ToolUnavailableError, match=r"install the package nginx\): apt-get"):
        find("nginx", cache=tmp_path / "cache")
    assert not (tmp_path / "cache" / "nginx" / "complete").exists()


def test_nginx_answers_the_bytes_it_was_given(nginx: Nginx) -> None:
    """Compressed for who takes gzip, as they are for who does not, and 304 for who has them."""
    connection = http.client.HTTPConnection(urlsplit(nginx.base).netloc, timeout=10)
    connection.request("GET", PATH, headers={"Accept-Encoding": "gzip"})
    squeezed = connection.getresponse()
    assert squeezed.getheader("Content-Encoding") == "gzip"
    assert gzip.decompress(squeezed.read()) == BODY
    connection.request("GET", PATH)
    assert connection.getresponse().read() == BODY
    condition = {"Accept-Encoding": "gzip", "If-None-Match": nginx.etag(PATH)}
    connection.request("GET", PATH, headers=condition)
    assert connection.getresponse().status == 304
    connection.close()


def test_nginx_runs_one_worker_where_it_was_put(nginx: Nginx) -> None:
    """There is one worker, on the given processor, whose time counts, and it ends with its context."""
    worker = psutil.Process(nginx.pid)
    assert worker.cpu_affinity() == [0]
    assert nginx.seconds() >= 0
    nginx.__exit__(None, None, None)
    assert not worker.is_running()


def test_a_page_that_nginx_does_not_have_is_named(nginx: Nginx) -> None:
    """Asking for the tag of an address that was not placed fails with the address and the status."""
    with pytest.raises(RuntimeError, match="/elsewhere with status 404"):
        nginx.etag("/elsewhere")


def test_a_volley_counts_answers_and_failures(nginx: Nginx) -> None:
    """What came back has the size of the page; answers of 404 count as failures; the server's time passes."""
    have("wrk")
    before = nginx.seconds()
    headers = {"Accept-Encoding": "gzip"}
    found = fire(Volley(url=nginx.base + PATH, headers=headers, connections=2, seconds=1))
    assert found.requests > 0
    assert found.failures == 0
    assert found.bytes / found.requests > len(gzip.compress(BODY, 6))
    assert 0 < found.p50 <= found.p99
    assert nginx.seconds() > before
    absent = fire(Volley(url=f"{nginx.base}/elsewhere", connections=1, seconds=1))
    assert absent.failures == absent.requests > 0


def test_a_volley_at_nobody_fails() -> None:
    """When nobody listens, the error holds what wrk said."""
    have("wrk")
    with pytest.raises(RuntimeError, match="unable to connect"):
        fire(Volley(url="http://127.0.0.1:9/", connections=1, seconds=1))
