"""A WebSocket API that sends back what it is sent. Says where it listens on standard output, and ends
when standard input does."""

import json
import sys
import threading

from websockets.sync.server import serve


def echo(socket):
    for message in socket:
        socket.send(message)


server = serve(echo, "127.0.0.1", 0)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({"http": server.socket.getsockname()[1]}), flush=True)
sys.stdin.read()
