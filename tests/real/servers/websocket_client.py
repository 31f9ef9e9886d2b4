"""Opens WebSockets as a line of JSON on standard input says, and says on standard output what came of
each."""

import json
import sys

from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

settings = json.loads(sys.stdin.readline())


def call(authorization):
    headers = {"authorization": authorization} if authorization else {}
    try:
        with connect(settings["url"], additional_headers=headers, proxy=None) as socket:
            socket.send("first")
            first = socket.recv(timeout=20)
            socket.send(b"second")
            return {"status": 101, "reply": [first, socket.recv(timeout=20).decode()]}
    except InvalidStatus as refused:
        response = refused.response
        return {
            "status": response.status_code,
            "challenge": response.headers.get("www-authenticate"),
        }


print(json.dumps([call(one) for one in settings["authorizations"]]))
