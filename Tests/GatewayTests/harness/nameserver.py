"""A name server on loopback, over UDP and TCP: well, silent, refusing, lying, or talking nonsense, for each name by itself."""
import ipaddress
import socket
import struct
import threading

A, AAAA = 1, 28
# Sent in place of an answer, behind the question's own identifier.
GARBAGE = [b"", b"\x81", b"\x81\x80\xff\xff\xff\xff\x00\x00\x00\x00", b"\xc0" * 500, b"\xff" * 512,
           b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01"]


class NameServer:
    """`names` maps a name to its addresses, or to what is done instead:

    "hang": nothing is said; "refuse": REFUSED; "fail": SERVFAIL; "garbage": another kind with each question; "empty": a datagram of no
    bytes; "lie": addresses, but for another name and by another number; "circle": a CNAME that leads to itself; "huge": four thousand
    addresses, for which a client has to come again by TCP. A name that is not there does not exist.
    """

    def __init__(self, names=()):
        self.names = dict(names)
        self.questions = []
        self.ending = False
        self.count = 0
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.port = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.threads = [threading.Thread(target=target, daemon=True) for target in (self._datagrams, self._streams)]
        for thread in self.threads:
            thread.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def asked(self, name):
        """How often the name was asked for, by either type of address."""
        return sum(1 for asked, _ in list(self.questions) if asked == name)

    def _datagrams(self):
        while not self.ending:
            try:
                question, client = self.udp.recvfrom(4096)
            except OSError:
                return
            for answer in self._answers(question, 512):
                self.udp.sendto(answer, client)

    def _streams(self):
        while not self.ending:
            try:
                client, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._stream, args=(client,), daemon=True).start()

    def _stream(self, client):
        with client:
            client.settimeout(10)
            try:
                while True:
                    head = client.recv(2, socket.MSG_WAITALL)
                    if len(head) < 2:
                        return
                    question = client.recv(struct.unpack(">H", head)[0], socket.MSG_WAITALL)
                    for answer in self._answers(question, 65_535):
                        client.sendall(struct.pack(">H", len(answer)) + answer)
            except OSError:
                pass

    def _answers(self, question, room):
        if len(question) < 12:
            return []
        labels, at = [], 12
        while at < len(question) and question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode("latin-1").lower())
            at += question[at] + 1
        name, kind = ".".join(labels), struct.unpack(">H", question[at + 1:at + 3])[0]
        self.questions.append((name, kind))
        self.count += 1
        asked, what = question[12:at + 5], self.names.get(name)

        def head(flags, answers, number=question[:2]):
            return number + struct.pack(">HHHHH", flags, 1, answers, 0, 0)

        def records(addresses):
            wanted = [ipaddress.ip_address(address) for address in addresses]
            packed = [address.packed for address in wanted if (address.version == 4) == (kind == A)]
            return [b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 30, len(data)) + data for data in packed]

        if what is None:
            return [head(0x8183, 0) + asked]
        if what == "hang":
            return []
        if what == "refuse":
            return [head(0x8185, 0) + asked]
        if what == "fail":
            return [head(0x8182, 0) + asked]
        if what == "garbage":
            return [question[:2] + GARBAGE[self.count % len(GARBAGE)]]
        if what == "empty":
            return [b""]
        if what == "lie":
            other = b"\x04evil" + asked[asked.index(b"\0"):]
            lies = records(["192.0.2.66", "2001:db8::66"])
            return [head(0x8180, len(lies)) + other + b"".join(lies),
                    head(0x8180, len(lies), bytes(byte ^ 0x55 for byte in question[:2])) + asked + b"".join(lies)]
        if what == "circle":
            return [head(0x8180, 1) + asked + b"\xc0\x0c" + struct.pack(">HHIH", 5, 1, 30, 2) + b"\xc0\x0c"]
        if what == "huge":
            what = [f"127.1.{number >> 8}.{number & 255}" for number in range(4000)]
        found = records(what)
        whole = head(0x8180, len(found)) + asked + b"".join(found)
        return [whole if len(whole) <= room else head(0x8380, 0) + asked]

    def stop(self):
        self.ending = True
        for server in (self.udp, self.tcp):
            try:
                server.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            server.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
