"""A call log that lives on VoIPBIN's events: the sample application of `devhook demo`.

Standard library alone; start it with a port. It has a bug that only some calls show.
"""

import json
import sys
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def talk_seconds(call):
    answered = datetime.fromisoformat(call["tm_progressing"])
    return (datetime.fromisoformat(call["tm_hangup"]) - answered).total_seconds()


def handle(event):
    if event["type"] == "call_hangup":
        return {"talked": talk_seconds(event["data"])}
    return {"noted": event["type"]}


class Webhooks(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave in one piece

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            status, answer = 200, handle(json.loads(body))
        except Exception as exc:
            status, answer = 500, {"error": repr(exc)}
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Webhooks)
    print(server.server_address[1], flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
