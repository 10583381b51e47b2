"""Ordinary clients work: curl, requests, httpx and wrk, with tokens in their own way."""
import concurrent.futures
import json
import re
import ssl
import subprocess

import httpx
import pytest
import requests

from harness.waiting import patience


@pytest.fixture
def authority(pki):
    return str(pki.public.certificate)


def run_curl(curl, authority, *arguments, data=None):
    result = subprocess.run([curl, "-sS", "--max-time", "20", "--cacert", authority, *arguments],
                            capture_output=True, input=data)
    assert result.returncode == 0, result
    return result.stdout


class TestCurl:
    def test_get(self, gateway, curl, authority, token):
        body = run_curl(curl, authority, "-H", f"Authorization: Bearer {token}", f"{gateway.url}/orders/curl")
        assert json.loads(body)["target"] == "/orders/curl"

    def test_a_refusal(self, gateway, curl, authority):
        body = run_curl(curl, authority, f"{gateway.url}/orders/curl")
        assert json.loads(body)["code"] == "token_missing"

    @pytest.mark.parametrize("options", [["--http1.1"], ["--http1.0", "--no-alpn"], ["--tlsv1.2", "--tls-max", "1.2"], ["--tlsv1.3"], ["--http2"]], ids=" ".join)
    def test_versions(self, gateway, curl, authority, options):
        assert json.loads(run_curl(curl, authority, *options, f"{gateway.url}/public/1"))["target"] == "/public/1"

    def test_an_upload_that_expects_100_continue(self, gateway, curl, authority, tmp_path):
        (tmp_path / "upload").write_bytes(b"x" * 3_000_000)
        body = run_curl(curl, authority, "-H", "Expect: 100-continue", "-T", str(tmp_path / "upload"), f"{gateway.url}/public/up")
        assert json.loads(body)["body_bytes"] == 3_000_000

    def test_an_upload_from_a_pipe(self, gateway, curl, authority):
        body = run_curl(curl, authority, "-T", "-", f"{gateway.url}/public/up", data=b"y" * 300_000)
        assert json.loads(body)["body_bytes"] == 300_000

    def test_several_requests_on_one_connection(self, gateway, curl, authority):
        out = run_curl(curl, authority, "-w", "%{num_connects}\n", *[f"{gateway.url}/public/{n}" for n in range(3)], "-o", "/dev/null",
                       "-o", "/dev/null", "-o", "/dev/null")
        assert out.decode().split() == ["1", "0", "0"]


class TestRequests:
    def test_a_session(self, gateway, authority, bearer):
        with requests.Session() as session:
            session.verify = authority
            for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
                answer = session.request(method, f"{gateway.url}/orders/r", headers=bearer, json={"a": 1}, timeout=10)
                assert answer.status_code == 200 and answer.json()["method"] == method
            assert session.head(f"{gateway.url}/orders/r", headers=bearer, timeout=10).status_code == 200

    def test_a_chunked_upload_and_a_streamed_answer(self, gateway, authority, backend):
        answer = requests.post(f"{gateway.url}/public/chunks", data=(b"z" * 1000 for _ in range(100)), verify=authority, timeout=10)
        assert answer.json()["body_bytes"] == 100_000

    def test_many_threads(self, gateway, authority, bearer):
        with requests.Session() as session, concurrent.futures.ThreadPoolExecutor(10) as pool:
            session.verify = authority
            answers = pool.map(lambda n: session.get(f"{gateway.url}/orders/{n}", headers=bearer, timeout=patience(10)).json()["target"], range(100))
            assert list(answers) == [f"/orders/{n}" for n in range(100)]


class TestHTTPX:
    def test_a_client(self, gateway, authority, bearer):
        with httpx.Client(verify=ssl.create_default_context(cafile=authority)) as client:
            for number in range(20):
                answer = client.get(f"{gateway.url}/orders/{number}", headers=bearer)
                assert answer.status_code == 200 and answer.json()["target"] == f"/orders/{number}"
            assert client.get(f"{gateway.url}/orders/1").json()["code"] == "token_missing"

    def test_a_stream(self, gateway, authority, backend):
        backend.on("/public/stream", lambda connection, request: connection.answer(200, b"q" * 2_000_000))
        with httpx.Client(verify=ssl.create_default_context(cafile=authority)) as client:
            with client.stream("GET", f"{gateway.url}/public/stream") as answer:
                assert sum(len(block) for block in answer.iter_bytes()) == 2_000_000


@pytest.mark.load
def test_wrk(make_gateway, nginx, wrk, token):
    gateway = make_gateway(nginx.port)
    output = subprocess.run(
        [wrk, "-t1", "-c16", "-d2s", "-H", f"Authorization: Bearer {token}", f"https://127.0.0.1:{gateway.port}/orders/wrk"],
        capture_output=True, text=True, timeout=30).stdout
    assert "Non-2xx" not in output and "Socket errors" not in output, output
    assert int(re.search(r"(\d+) requests in", output).group(1)) > 500, output
