"""The access log: one JSON object a line with the contract's fields, whatever the request holds, and never a secret."""
import json
import os
import re
import select
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import configuration as conf
from harness.answers import UUID7, seen
from harness.gateway import command
from harness.waiting import eventually

FIELDS = {"time", "request_id", "trace_id", "client_ip", "client_identity", "protocol", "tls", "method", "host", "path", "route",
          "status", "code", "issuer", "sub", "backend", "endpoint", "upstream_identity", "token", "bytes_in", "bytes_out",
          "duration_ms", "upstream_ms", "upstream_wait_ms"}


def test_the_fields_of_a_request_that_went_through(gateway, backend, idp):
    answer = gateway.ask("POST", "/orders/logged?secret=query", headers=idp.bearer(sub="log-me"), body=b"12345")
    request_id = seen(answer).get("X-Request-Id")
    line = gateway.logged(request_id=request_id)
    assert set(line) >= FIELDS
    assert {key: line[key] for key in ("client_ip", "method", "host", "path", "route", "status", "issuer", "sub", "backend",
                                       "endpoint", "token")} == {
        "client_ip": "127.0.0.1", "method": "POST", "host": "api.example.com", "path": "/orders/logged", "route": "orders",
        "status": 200, "issuer": idp.issuer, "sub": "log-me", "backend": "orders", "endpoint": f"127.0.0.1:{backend.port}",
        "token": "verified"}
    assert line["protocol"] == "HTTP/1.1" and "1.3" in line["tls"]
    assert not line["code"] and not line["client_identity"]
    assert UUID7.fullmatch(line["request_id"]) and re.fullmatch(r"[0-9a-f]{32}", line["trace_id"])
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["time"])
    assert line["bytes_in"] >= 5 and line["bytes_out"] >= len(answer.body)
    assert 0 <= line["upstream_ms"] <= line["duration_ms"] < 5000


def test_the_fields_of_a_refusal(gateway):
    gateway.ask("GET", "/orders/refused-for-the-log")
    line = gateway.logged(path="/orders/refused-for-the-log")
    assert (line["status"], line["code"], line["token"], line["route"]) == (401, "token_missing", "none", "orders")
    assert not line["sub"] and not line["upstream_identity"]


def test_how_long_it_took(gateway, backend):
    backend.on("/public/took", lambda connection, request: (time.sleep(0.5), connection.answer(200, b"ok")))
    gateway.ask("GET", "/public/took")
    line = gateway.logged(path="/public/took")
    assert 480 < line["upstream_ms"] <= line["duration_ms"] < 1500


HOSTILE = ['/public/"quoted"', "/public/<script>", "/public/{}", "/public/a'b", "/public/%22%0d%0ainjected", "/public/%1b[31m"]


@pytest.mark.parametrize("path", HOSTILE)
def test_one_request_is_one_line_whatever_its_path(gateway, path):
    before = len(gateway.log)
    gateway.ask("GET", path)
    eventually(lambda: len(gateway.log) == before + 1)
    text = gateway.output.read_bytes()
    assert b"\x1b" not in text and b"\r" not in text
    for line in text.decode().splitlines():
        json.loads(line)


@pytest.mark.parametrize("subject", ['a"b', "a\nb", "a\\b", "é\u2028😀", "\u0000\u001b", "x" * 3000], ids=ascii)
def test_one_request_is_one_line_whatever_its_subject(gateway, idp, subject):
    before = len(gateway.log)
    answer = gateway.ask("GET", "/orders/subject", headers=idp.bearer(sub=subject))
    eventually(lambda: len(gateway.log) == before + 1)
    line = gateway.log[-1]
    assert line["status"] == answer.status
    if answer.status == 200 and len(subject) < 100:
        assert line["sub"] == subject


def test_requests_that_cannot_be_read_are_logged_too(gateway):
    before = len(gateway.log)
    with gateway.client() as client:
        client.send(b'GET /pub"\x01lic\xff HTTP/1.1\r\nHost: a"b\r\nUser-Agent: "\r\n\r\n')
        assert client.response().status == 400
    eventually(lambda: len(gateway.log) == before + 1)
    assert gateway.log[-1]["status"] == 400 and gateway.log[-1]["code"]


def test_no_token_cookie_or_query_value_is_ever_logged(make_gateway, backend, idp, jwks):
    sources = [{"header": "Authorization", "scheme": "Bearer"}, {"cookie": "access_token"}]
    gateway = make_gateway(backend.port, {"process": {"log_level": "trace"},
                                          "identity_providers": [conf.provider(idp, jwks, token_from=sources)]})
    good, bad = idp.token(sub="quiet"), idp.token(exp=1000)
    answers = [
        gateway.ask("GET", "/orders/1?password=hunter2", headers={"Authorization": f"Bearer {good}", "Cookie": "session=s3cr3t"}),
        gateway.ask("GET", "/orders/1", headers={"Cookie": f"access_token={good}"}),
        gateway.ask("GET", f"/orders/1?access_token={good}", headers={"Authorization": f"Bearer {bad}"}),
        gateway.ask("GET", "/nowhere?password=hunter2", headers={"Authorization": "Basic aHVudGVyMg=="}),
        gateway.ask("GET", "/public//?password=hunter2", headers={"X-Api-Key": "s3cr3t"}),
    ]
    internal = seen(answers[0]).get("X-Internal-Token")
    eventually(lambda: len(gateway.log) == len(answers))
    everything = gateway.output.read_text() + gateway.error_text + gateway.admin("/metrics").text
    for secret in (good, bad, internal, *good.split("."), *internal.split(".")[1:], "hunter2", "s3cr3t", "aHVudGVyMg"):
        assert secret not in everything, secret


def test_off_logs_nothing(make_gateway, backend):
    gateway = make_gateway(backend.port, {"access_log": {"path": "off"}})
    assert gateway.ask("GET", "/public/1").status == 200
    time.sleep(0.5)
    assert gateway.log == []


def test_lines_of_many_clients_do_not_mix(make_gateway, nginx, tmp_path):
    """Two workers and one file: every line is whole."""
    log = tmp_path / "access.log"
    gateway = make_gateway(nginx.port, {"access_log": {"path": str(log)}}, workers=2)

    def many(number):
        with gateway.client() as client:
            for turn in range(25):
                assert client.exchange("GET", f"/public/{number}/{turn}/{'x' * 500}").status == 200

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(many, range(8)))
    lines = eventually(lambda: (lambda found: found if len(found) == 200 else None)(log.read_text().splitlines()))
    assert {tuple(json.loads(line)["path"].split("/")[2:4]) for line in lines} == {
        (str(number), str(turn)) for number in range(8) for turn in range(25)}


def test_a_flood_costs_others_neither_answers_nor_memory_when_the_log_stalls(make_gateway, backend, tmp_path):
    """What there is no room for is counted, and said when the reader goes on; lines are dropped whole."""
    fifo = tmp_path / "log.fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    gateway = make_gateway(backend.port, {"access_log": {"path": str(fifo)}})
    dropped = "gatehouse_access_log_dropped_total"
    try:
        assert gateway.metric(dropped) == 0
        sent, before = 0, gateway.resident
        with gateway.client(source="127.0.0.2") as flood, gateway.client(source="127.0.0.3") as good:
            while gateway.metric(dropped) < 100:
                for _ in range(50):
                    assert flood.exchange("GET", f"/public/flood/{'x' * 4000}").status == 200
                    sent += 1
                assert sent < 10_000 and good.exchange("GET", "/public/good").status == 200
            # The lines that are dropped are those of the flood.
            for number in range(100):
                assert good.exchange("GET", f"/public/quiet/{number}").status == 200
        # 1 MiB, and as much again while a queue grows.
        assert gateway.resident - before < 40
        lost = gateway.metric(dropped)
        lines = bytearray()

        def read():
            try:
                while data := os.read(reader, 65536):
                    lines.extend(data)
            except BlockingIOError:
                pass
            return f"{int(lost)} lines were dropped" in gateway.error_text

        # A request makes the worker look whether the reader goes on; its own line finds room by then.
        eventually(lambda: read() or gateway.ask("GET", "/public/goes-on").status == 200 and read(), what="word of what was dropped")
        eventually(lambda: read() and b"/public/goes-on" in lines and lines.endswith(b"\n"))
        paths = [json.loads(line)["path"] for line in lines.splitlines()]
        assert sum("/flood/" in path for path in paths) + sum(path == "/public/good" for path in paths) + lost == sent + sent // 50
        assert [path for path in paths if "quiet" in path] == [f"/public/quiet/{number}" for number in range(100)]
        assert gateway.metric(dropped) == lost
    finally:
        os.close(reader)


@pytest.mark.parametrize("where", ["standard output", "a named pipe"])
def test_whoever_reads_the_log_slowly_holds_up_nobody(make_gateway, backend, tmp_path, where):
    """Standard output is a pipe in a container; its reader may stall, and may go."""
    if where == "standard output":
        reader, writer = os.pipe()
        gateway = make_gateway(backend.port, start=False)
        gateway.output_descriptor = writer
    else:
        fifo = tmp_path / "log.fifo"
        os.mkfifo(fifo)
        reader, writer = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK), None
        gateway = make_gateway(backend.port, {"access_log": {"path": str(fifo)}}, start=False)
    gateway.start()
    if writer is not None:
        os.close(writer)
    try:
        with gateway.client(timeout=5) as client:
            for number in range(400):
                assert client.exchange("GET", f"/public/{number}/{'x' * 500}").status == 200
    finally:
        os.close(reader)
    assert gateway.ask("GET", "/public/after-the-reader-is-gone").status == 200


def broken_paths(directory):
    (directory / "file").write_text("")
    (directory / "taken").mkdir()
    return {"no directory": (directory / "missing" / "access.log", f"there is no directory {directory}/missing"),
            "a directory": (directory / "taken", "it is a directory"),
            "below a file": (directory / "file" / "access.log", f"{directory}/file is no directory")}


@pytest.mark.parametrize("name", ["no directory", "a directory", "below a file"])
def test_a_path_that_cannot_be_opened_is_refused_with_its_place(make_gateway, backend, tmp_path, name):
    """By `check`, at a start, and at a reload, which changes nothing else either."""
    path, reason = broken_paths(tmp_path)[name]
    good = {"access_log": {"path": str(tmp_path / "access.log")}}
    gateway = make_gateway(backend.port, good)
    before = gateway.configuration
    gateway.write(conf.merged(before, {"access_log": {"path": str(path)}, "process": {"drain": "9s"}}))
    expected = re.compile(
        rf"{re.escape(str(gateway.file))}:\d+:\d+: the access log {re.escape(str(path))} cannot be opened: {re.escape(reason)}\. Write a file")
    checked = command("check", "--config", gateway.routes)
    assert checked.returncode == 2 and expected.search(checked.stderr), checked.stderr
    started = command("run", "--config", gateway.routes)
    assert started.returncode == 2 and expected.search(started.stderr), started.stderr
    assert expected.search(gateway.reload_rejected())
    assert gateway.ask("GET", "/public/still").status == 200
    eventually(lambda: "/public/still" in (tmp_path / "access.log").read_text())
    gateway.write(before)


def test_a_path_that_only_an_attempt_finds_wrong(make_gateway, backend, tmp_path):
    """A pipe that nobody reads, which may have its reader by the time of the start: `check` does not open it."""
    fifo = tmp_path / "log.fifo"
    os.mkfifo(fifo)
    gateway = make_gateway(backend.port)
    before = gateway.configuration
    gateway.write(conf.merged(before, {"access_log": {"path": str(fifo)}}))
    assert command("check", "--config", gateway.routes).returncode == 0
    said = rf"{re.escape(str(gateway.file))}:\d+:\d+: the access log {re.escape(str(fifo))} cannot be opened: it is a pipe that nobody reads"
    started = command("run", "--config", gateway.routes)
    assert started.returncode == 2 and re.search(said, started.stderr), started.stderr
    assert re.search(said, gateway.reload_rejected())
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        gateway.reload()
        gateway.ask("GET", "/public/piped")
        eventually(lambda: select.select([reader], [], [], 0)[0] and b"/public/piped" in os.read(reader, 65536))
    finally:
        gateway.reload(before)
        os.close(reader)


def test_a_file_that_cannot_be_opened_again(make_gateway, backend, tmp_path):
    """SIGUSR1 when its directory has gone: the log says so, and lines go on where they went."""
    directory = tmp_path / "logs"
    directory.mkdir()
    gateway = make_gateway(backend.port, {"access_log": {"path": str(directory / "access.log")}})
    moved = directory.rename(tmp_path / "moved")
    gateway.signal(signal.SIGUSR1)
    eventually(lambda: re.search(r"error .*gateway\.yaml:\d+:\d+: the access log \S+ cannot be opened: .*; lines go on to the old file",
                                 gateway.error_text))
    gateway.ask("GET", "/public/after")
    eventually(lambda: "/public/after" in (moved / "access.log").read_text())


def test_a_reload_that_does_not_touch_the_log_needs_not_open_it(make_gateway, backend, tmp_path):
    """The directory has gone: a change of something else takes effect, with a warning, and so does going back to a log that can be had."""
    directory = tmp_path / "logs"
    directory.mkdir()
    gateway = make_gateway(backend.port, {"access_log": {"path": str(directory / "access.log")}})
    before = gateway.configuration
    moved = directory.rename(tmp_path / "moved")
    gateway.reload(conf.merged(before, {"routes": [*before["routes"], conf.route("new", "/new/**", public=True)]}))
    assert gateway.ask("GET", "/new/1").status == 200
    eventually(lambda: "/new/1" in (moved / "access.log").read_text())
    eventually(lambda: re.search(r"warning .*gateway\.yaml:\d+:\d+: .*the access log \S+ cannot be opened: there is no directory .*"
                                 r"Lines go on to the file that is open", gateway.error_text))
    # Another that cannot be opened is refused as before, and the one in force is no longer asked for when another takes its place.
    gateway.write(conf.merged(before, {"access_log": {"path": str(directory / "other.log")}}))
    assert "cannot be opened" in gateway.reload_rejected()
    gateway.reload(conf.merged(before, {"access_log": {"path": "off"}}))
    gateway.write(before)
    assert "cannot be opened" in gateway.reload_rejected()


def test_a_socket_is_no_file_to_log_to(make_gateway, backend, tmp_path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(path))
        gateway = make_gateway(backend.port, {"access_log": {"path": str(path)}}, start=False)
        started = command("run", "--config", gateway.routes)
    assert started.returncode == 2 and "cannot be opened: it is a socket" in started.stderr, started.stderr


def test_lines_that_cannot_be_written_are_counted_and_told(make_gateway, backend):
    """A disk that is full: the number of lines is in the metric, and in the process's log at most once in ten seconds, with the reason."""
    gateway = make_gateway(backend.port, {"access_log": {"path": "/dev/full"}})
    with gateway.client() as client:
        for number in range(50):
            assert client.exchange("GET", f"/public/{number}").status == 200
    eventually(lambda: gateway.metric("gatehouse_access_log_dropped_total") == 50)
    told = re.compile(r"warning the access log cannot be written: No space left on device; (\d+) lines? (?:was|were) dropped")
    eventually(lambda: told.search(gateway.error_text))
    assert gateway.stop() == 0
    # What had not been said when the process ended is said then.
    assert sum(map(int, told.findall(gateway.error_text))) == 50
