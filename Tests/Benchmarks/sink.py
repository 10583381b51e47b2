"""An mTLS backend that reads what is posted to it to the end, and then answers. (nginx answers before it has read.)

usage: sink.py PORT CERTIFICATE KEY CA
"""

import re
import socket
import ssl
import sys
import threading


def serve(connection, context):
    try:
        client = context.wrap_socket(connection, server_side=True)
        data, block = b"", bytearray(1 << 18)
        while True:
            while b"\r\n\r\n" not in data:
                more = client.recv(65_536)
                if not more:
                    return
                data += more
            head, _, rest = data.partition(b"\r\n\r\n")
            left = int(re.search(rb"(?i)content-length: *(\d+)", head).group(1)) - len(rest)
            while left > 0:
                left -= client.recv_into(block)
            data = b""
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    except OSError:
        pass


def main():
    port, certificate, key, ca = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", int(port)), backlog=128)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(connection, context), daemon=True).start()


if __name__ == "__main__":
    main()
