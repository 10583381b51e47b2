"""A headless Chromium that opens one page of the gateway's."""
import contextlib
import signal
import subprocess
import tempfile

from .waiting import eventually


@contextlib.contextmanager
def browser(program, url, *flags):
    """Runs it; gives a function that waits for `check()`, and fails with what the browser says when it ends before."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-browser-", ignore_cleanup_errors=True) as profile, open(f"{profile}/log", "wb") as log:
        process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
             "--no-proxy-server", "--ignore-certificate-errors", "--remote-debugging-port=0",
             # Whatever else a browser would like to know, it asks nobody.
             "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost", f"--user-data-dir={profile}/data", *flags, url],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)

        def wait(check, timeout=60):
            def said():
                with open(f"{profile}/log", errors="replace") as text:
                    return text.read()[-2000:]

            eventually(lambda: check() or process.poll() is not None, timeout, what="the page's report; the browser says: " + said())
            assert process.poll() is None, said()
            return check()

        try:
            yield wait
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
