"""A redis-server of the test's own, and a connection to it."""
import shutil
import signal
import socket
import subprocess

from .waiting import eventually, free_port

PROGRAM = shutil.which("redis-server")


class Redis:
    """Started, killed and started again at will, on one port; keeps its set over a restart if `persistent`."""

    def __init__(self, directory, *arguments, persistent=False):
        self.directory = directory
        self.port = free_port()
        self.arguments = [PROGRAM, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(directory), "--save", "",
                          "--appendonly", "yes" if persistent else "no", "--appendfsync", "always", *arguments]
        self.process = None
        self.connection = None

    def start(self):
        self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        eventually(self._answers, 15, what="redis-server")
        return self

    def _answers(self):
        assert self.process.poll() is None, "redis-server has ended"
        try:
            return self.run("PING") in (b"PONG",)
        except (OSError, RuntimeError):
            self.connection = None
            return False

    def kill(self):
        """As kill -9 does it."""
        if self.connection:
            self.connection.close()
            self.connection = None
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)

    def suspend(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.resume()
        self.kill()

    def run(self, *words):
        """A command's answer: bytes, a number, a list of them, or None."""
        if self.connection is None:
            self.connection = socket.create_connection(("127.0.0.1", self.port), 10)
            self.reader = self.connection.makefile("rb")
        encoded = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.connection.sendall(b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded))
        return self._reply()

    def _reply(self):
        line = self.reader.readline()
        if not line.endswith(b"\r\n"):
            raise OSError("the server has closed the connection")
        kind, text = line[:1], line[1:-2]
        if kind == b"+":
            return text
        if kind == b"-":
            raise RuntimeError(text.decode())
        if kind == b":":
            return int(text)
        if kind == b"$":
            return None if text == b"-1" else self.reader.read(int(text) + 2)[:-2]
        return [self._reply() for _ in range(int(text))]

    def add(self, entry, until=4_000_000_000, key="gatehouse:revoked"):
        """Writes an entry into the set; nobody is told."""
        self.run("ZADD", key, until, entry)

    def deny(self, entry, until=4_000_000_000):
        """Writes an entry into the set, then publishes it."""
        self.add(entry, until)
        self.run("PUBLISH", "gatehouse:revoked", entry)
