"""The HTTP/2 clients that people use: h2load, nghttp, curl, httpx, and a browser."""
import asyncio
import json
import re
import ssl
import subprocess

import httpx
import pytest

from harness import configuration as conf
from harness.browser import browser
from harness.websocket import UpgradeBackend

from conftest import program


@pytest.fixture(scope="module", params=["http/1.1", "h2"])
def fetched(request, make_gateway, pki, tmp_path_factory):
    """A gateway before nginx, over either protocol."""
    from harness.nginx import Nginx
    with Nginx(tmp_path_factory.mktemp("nginx"), pki.backend, pki.mesh.certificate, http2=request.param == "h2") as nginx:
        yield make_gateway(backends=[conf.backend(pki, nginx.port, protocol=request.param)])


def run(*arguments, timeout=60, **more):
    return subprocess.run(arguments, capture_output=True, timeout=timeout, **more)


def test_h2load(fetched, token):
    out = run(program("h2load"), "-t1", "-c10", "-m20", "-n20000", "-H", f"authorization: Bearer {token}",
              f"{fetched.url}/orders/h2load").stdout.decode()
    assert "requests: 20000 total, 20000 started, 20000 done, 20000 succeeded, 0 failed, 0 errored, 0 timeout" in out
    assert re.search(r"status codes: 20000 2xx", out)
    assert "Application protocol: h2" in out


def test_nghttp(fetched, token):
    """nghttp sends priorities, pads frames and multiplexes what it is given on one connection."""
    urls = [f"{fetched.url}/orders/nghttp-{index}" for index in range(5)]
    out = run(program("nghttp"), "--no-verify-peer", "-v", "--padding=100", "-H", f"authorization: Bearer {token}", *urls).stdout.decode()
    # Bold and colours surround names and values.
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out)
    assert len(re.findall(r"recv \(stream_id=\d+\) :status: 200", plain)) == 5
    assert plain.count("served_by") == 5
    assert "The negotiated protocol: h2" in plain and "Some requests were not processed" not in plain


def test_curl(fetched, curl, pki, token):
    urls = [f"{fetched.url}/orders/curl-{index}" for index in range(4)]
    sinks = [part for _ in urls for part in ("-o", "/dev/null")]
    out = run(curl, "-sS", "--http2", "--parallel", "--cacert", str(pki.public.certificate), "-H", f"Authorization: Bearer {token}",
              "-w", "%{http_version} %{http_code}\n", *sinks, *urls)
    # Of several at once it reports progress on standard error, silent or not.
    assert out.returncode == 0 and out.stdout.decode().splitlines() == ["2 200"] * 4


@pytest.mark.parametrize("protocol", ["--http1.1", "--http2"])
def test_curl_hears_a_refusal_while_it_sends_8_mib(fetched, curl, pki, tmp_path, protocol):
    (tmp_path / "up").write_bytes(b"u" * (8 << 20))
    out = run(curl, "-sS", protocol, "--cacert", str(pki.public.certificate), "-w", "\n%{http_code}",
              "--data-binary", f"@{tmp_path}/up", f"{fetched.url}/orders/upload")
    body, status = out.stdout.decode().rsplit("\n", 1)
    assert status == "401" and json.loads(body)["code"] == "token_missing"


def test_httpx(fetched, pki, token):
    async def fetch():
        context = ssl.create_default_context(cafile=str(pki.public.certificate))
        limits = httpx.Limits(max_connections=1)
        async with httpx.AsyncClient(http1=False, http2=True, verify=context, limits=limits, trust_env=False,
                                     headers={"Authorization": f"Bearer {token}"}) as client:
            return await asyncio.gather(*(client.get(f"{fetched.url}/orders/httpx-{index}") for index in range(50)))

    answers = asyncio.run(fetch())
    assert {(answer.status_code, answer.http_version) for answer in answers} == {(200, "HTTP/2")}
    assert all(answer.json() == {"served_by": "nginx"} for answer in answers)


PAGE = """<!DOCTYPE html><title>Gatehouse</title><link rel="icon" href="data:,"><script>
const token = %s;
const socket = new Promise((resolve, reject) => {
  const socket = new WebSocket(`wss://${location.host}/sockets/echo`, ["bearer", token]);
  socket.onopen = () => socket.send("from a browser");
  socket.onmessage = event => { resolve([event.data, socket.protocol]); socket.close(); };
  socket.onerror = () => reject(new Error("the WebSocket failed"));
});
const ask = async path => {
  const answer = await fetch(path, { headers: { Authorization: `Bearer ${token}` } });
  return [answer.status, (await answer.json()).target];
};
const upload = async () => {
  const body = new Blob([new Uint8Array(1 << 20)]);
  const answer = await fetch("/orders/upload", { method: "POST", body, headers: { Authorization: `Bearer ${token}` } });
  return [answer.status, (await answer.json()).body_bytes];
};
(async () => {
  const result = {};
  try {
    result.answers = await Promise.all([ask("/orders/1"), ask("/orders/2"), ask("/orders/3")]);
    result.upload = await upload();
    result.refused = (await fetch("/orders/4")).status;
    result.socket = await socket;
    result.protocols = performance.getEntriesByType("resource").filter(entry => entry.name.includes("/orders/"))
      .map(entry => entry.nextHopProtocol);
  } catch (error) {
    result.error = String(error);
  }
  await fetch("/public/result", { method: "POST", body: JSON.stringify(result) });
})();
</script>"""


@pytest.fixture(scope="module")
def sockets(pki):
    backend = UpgradeBackend(pki.backend, pki.mesh.certificate)
    yield backend
    backend.stop()


def test_a_browser(make_gateway, backend, sockets, pki, idp, jwks, token):
    """Fetches side by side, an upload and a WebSocket, from a page that the gateway itself has delivered."""
    sources = [{"header": "Authorization", "scheme": "Bearer"}, {"websocket_protocol": "bearer"}]
    gateway = make_gateway(
        changes={"identity_providers": [conf.provider(idp, jwks, token_from=sources)]},
        backends=[conf.backend(pki, backend.port), conf.backend(pki, sockets.port, name="sockets")],
        routes=[conf.route("orders", "/orders/**"), conf.route("sockets", "/sockets/**", to="sockets"),
                conf.route("public", "/public/**", public=True)])
    backend.on("/public/page", lambda connection, request: connection.answer(
        200, (PAGE % json.dumps(token)).encode(), {"Content-Type": "text/html; charset=utf-8"}))

    with browser(program("chromium"), f"{gateway.url}/public/page") as wait:
        wait(lambda: backend.requests_to("/public/result"))
        request = backend.requests_to("/public/result")[0]
        wait(lambda: request.body)
    result = json.loads(request.body)
    assert set(result.pop("protocols")) == {"h2"}
    assert result == {
        "answers": [[200, "/orders/1"], [200, "/orders/2"], [200, "/orders/3"]], "upload": [200, 1 << 20], "refused": 401,
        "socket": ["from a browser", "bearer"]}
    assert sockets.handshakes[0].path == "/sockets/echo"
