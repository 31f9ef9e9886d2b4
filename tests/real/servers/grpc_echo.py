"""A gRPC API that answers every call with what it was sent. Says where it listens on standard output,
and ends when standard input does."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc


class Echo(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method.endswith("/Stream"):
            return grpc.stream_stream_rpc_method_handler(lambda messages, _: messages)
        return grpc.unary_unary_rpc_method_handler(lambda message, _: message)


server = grpc.server(ThreadPoolExecutor(), handlers=[Echo()])
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(json.dumps({"http": port}), flush=True)
sys.stdin.read()
server.stop(None)
