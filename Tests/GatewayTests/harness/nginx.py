"""Debian's nginx as an mTLS backend: answers at once and records each request as a JSON line."""
import base64
import hashlib
import json
import os
import shutil
import signal
import ssl
import subprocess
import urllib.parse
from pathlib import Path

from .waiting import accepts, eventually, free_port

PROGRAM = shutil.which("nginx") or next((path for path in ("/usr/sbin/nginx",) if os.path.exists(path)), None)

CONFIGURATION = """
{user}worker_processes 1; daemon off; pid {directory}/nginx.pid; error_log {directory}/nginx-error.log warn;
events {{ worker_connections 4096; }}
http {{
  client_body_temp_path {directory}/t1; proxy_temp_path {directory}/t2; fastcgi_temp_path {directory}/t3;
  uwsgi_temp_path {directory}/t4; scgi_temp_path {directory}/t5;
  log_format seen escape=json '{{"certificate":"$ssl_client_escaped_cert","verified":"$ssl_client_verify",'
    '"request":"$request","protocol":"$server_protocol","host":"$http_host","token":"$http_x_internal_token","authorization":"$http_authorization",'
    '"request_id":"$http_x_request_id","connection":$connection}}';
  access_log {log};
  keepalive_requests 100000000; keepalive_timeout 600s; client_max_body_size 0; large_client_header_buffers 8 32k;
  server {{
    listen 127.0.0.1:{port} ssl{http2} backlog=4096; server_name orders.internal;
    ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
    ssl_client_certificate {ca}; ssl_verify_client on;
    location / {{ default_type application/json; return 200 '{{"served_by":"nginx"}}\\n'; }}
    location /blob {{ root {directory}/www; }}
    {locations}
  }}
}}
"""


class Nginx:
    def __init__(self, directory, leaf, ca, *, port=None, record=True, http2=False, locations=""):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "www").mkdir(exist_ok=True)
        self.port = port or free_port()
        self.record = self.directory / "seen.log"
        # Run by root, nginx hands its workers to `nobody`, who may not read a test's directory.
        user = "user root; " if os.geteuid() == 0 else ""
        (self.directory / "nginx.conf").write_text(CONFIGURATION.format(
            user=user, directory=self.directory, log=f"{self.record} seen" if record else "off", port=self.port, http2=" http2" if http2 else "",
            certificate=leaf.certificate, key=leaf.key, ca=ca, locations=locations))
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(
            [PROGRAM, "-p", str(self.directory), "-c", str(self.directory / "nginx.conf")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.directory / "stderr.log", "wb"))
        eventually(lambda: accepts(self.port), what="nginx accepting: " + (self.directory / "stderr.log").read_text())
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()

    @property
    def seen(self):
        lines = [json.loads(line) for line in self.record.read_text().splitlines()]
        for line in lines:
            certificate = urllib.parse.unquote(line.pop("certificate"))
            der = ssl.PEM_cert_to_DER_cert(certificate) if certificate else b""
            line["thumbprint"] = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
        return lines
