"""A way to a server that can be laid anew while it is in use."""
import contextlib
import socket
import threading
import time


class Relay:
    """A TCP address behind which another server can be put; connections made from then on wait a while."""

    def __init__(self, port):
        self.port_behind, self.wait, self.sockets = port, 0, []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._relay, args=(sock, self.port_behind, self.wait), daemon=True).start()

    def _relay(self, sock, port, wait):
        time.sleep(wait)
        behind = socket.create_connection(("127.0.0.1", port))
        self.sockets += [sock, behind]

        def copy(source, target):
            try:
                while data := source.recv(65536):
                    target.sendall(data)
            except OSError:
                pass
            for end in (source, target):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        threading.Thread(target=copy, args=(sock, behind), daemon=True).start()
        copy(behind, sock)

    def move(self, port, wait):
        self.port_behind, self.wait = port, wait
        for sock in self.sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.move(0, 0)
