"""Makes gRPC calls as a line of JSON on standard input says, and says on standard output what came of
each."""

import json
import sys

import grpc

settings = json.loads(sys.stdin.readline())


def call(channel, method, authorization):
    metadata = [("authorization", authorization)] if authorization else []
    try:
        if method.endswith("/Stream"):
            rpc = channel.stream_stream(method)(iter([b"a", b"b"]), metadata=metadata, timeout=20)
            reply = b"".join(rpc)
        else:
            reply, rpc = channel.unary_unary(method).with_call(b"ab", metadata=metadata, timeout=20)
        return {"code": rpc.code().name, "reply": reply.decode()}
    except grpc.RpcError as error:
        return {
            "code": error.code().name,
            "details": error.details(),
            "trailing": {entry.key: entry.value for entry in error.trailing_metadata() or ()},
        }


with grpc.insecure_channel(settings["target"], [("grpc.enable_http_proxy", 0)]) as channel:
    calls = [call(channel, one["method"], one["authorization"]) for one in settings["calls"]]
print(json.dumps(calls))
