#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""A small HTTP server for tests/unit/download_test.cpp: range_server.py FOLDER LOG

Serves the files of FOLDER on a free port of 127.0.0.1, prints the port, and appends `PATH RANGE` to LOG for each request
(RANGE is - where none is asked for). The first part of the path says how:
    /whole/FILE      with ranges, as servers do
    /cut-N/FILE      likewise, but closes the connection after N bytes of each answer
    /ignore/FILE     always the whole file
"""
import http.server
import pathlib
import socketserver
import sys

FOLDER, LOG = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        _, how, name = (self.path.split("/", 2) + ["", ""])[:3]
        asked = self.headers.get("Range")
        with LOG.open("a") as log:
            print(self.path, asked or "-", file=log)
        file = FOLDER / pathlib.Path(name).name
        if not name or not file.is_file():
            self.send_error(404)
            return
        body = file.read_bytes()
        size, first = len(body), 0
        if asked and how != "ignore":
            first = int(asked.removeprefix("bytes=").split("-")[0])
            if first >= size:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{size}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(size - first))
        self.end_headers()
        if how.startswith("cut-"):
            self.wfile.write(body[first:first + int(how[4:])])
            self.close_connection = True
        else:
            self.wfile.write(body[first:])

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def server_bind(self):
        """Without the base's question for a name, which a machine that has no resolver waits for."""
        socketserver.TCPServer.server_bind(self)


with Server(("127.0.0.1", 0), Handler) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
