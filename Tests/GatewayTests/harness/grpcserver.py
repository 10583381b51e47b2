"""A gRPC server on loopback that demands a client certificate. Messages are bytes: no generated code, no schema."""
import threading
from concurrent import futures
from pathlib import Path

import grpc


def same(message):
    return message


class Handlers(grpc.GenericRpcHandler):
    """`/test.Echo/METHOD`: the four kinds of call, and some that misbehave."""

    def __init__(self, server):
        self.server = server
        self.kinds = {
            "Unary": (grpc.unary_unary_rpc_method_handler, self.unary),
            "Split": (grpc.unary_stream_rpc_method_handler, lambda message, context: (bytes([byte]) for byte in message)),
            "Join": (grpc.stream_unary_rpc_method_handler, lambda messages, context: b"".join(messages)),
            "Chat": (grpc.stream_stream_rpc_method_handler, lambda messages, context: (message for message in messages)),
            "Fail": (grpc.unary_unary_rpc_method_handler, self.fail),
            "Hang": (grpc.unary_unary_rpc_method_handler, self.hang),
            "Drip": (grpc.unary_stream_rpc_method_handler, self.drip),
            "Seen": (grpc.unary_unary_rpc_method_handler, self.seen),
        }

    def service(self, details):
        self.server.calls += 1
        make, behaviour = self.kinds.get(details.method.rsplit("/", 1)[1], (None, None))
        return make and make(behaviour, same, same)

    def unary(self, message, context):
        context.set_trailing_metadata((("x-count", str(len(message))), ("x-raw-bin", b"\0\xff")))
        return message

    def fail(self, message, context):
        context.set_trailing_metadata((("grpc-status-details-bin", b"\x08\x05"),))
        context.abort(grpc.StatusCode.NOT_FOUND, "nothing here: ü %")

    def hang(self, message, context):
        self.server.hanging.set()
        context.add_callback(self.server.cancelled.set)
        self.server.cancelled.wait(20)
        return message

    def drip(self, message, context):
        """A message, and then no other until the client is gone."""
        context.add_callback(self.server.cancelled.set)
        yield message
        self.server.cancelled.wait(20)

    def seen(self, message, context):
        return "\n".join(f"{key}: {value}" for key, value in context.invocation_metadata()).encode()


class GRPCServer:
    def __init__(self, leaf, ca):
        self.calls = 0
        self.hanging, self.cancelled = threading.Event(), threading.Event()
        self.server = grpc.server(futures.ThreadPoolExecutor(16))
        self.server.add_generic_rpc_handlers((Handlers(self),))
        credentials = grpc.ssl_server_credentials(
            [(Path(leaf.key).read_bytes(), Path(leaf.certificate).read_bytes())], Path(ca).read_bytes(), True)
        self.port = self.server.add_secure_port("127.0.0.1:0", credentials)
        self.server.start()

    def reset(self):
        self.hanging.clear()
        self.cancelled.clear()

    def stop(self):
        self.cancelled.set()
        self.server.stop(0).wait(5)


class GRPCClient:
    """One channel to the gateway; `call(kind, method)` gives a callable."""

    def __init__(self, port, ca):
        self.channel = grpc.secure_channel(f"localhost:{port}", grpc.ssl_channel_credentials(Path(ca).read_bytes()),
                                           [("grpc.enable_retries", 0), ("grpc.max_receive_message_length", 32 << 20)])

    def __call__(self, kind, method):
        return getattr(self.channel, kind)(f"/test.Echo/{method}", same, same)

    def close(self):
        self.channel.close()
