"""The throwaway OpenID issuer: a process that serves discovery documents and keys over TLS on loopback.

    python -m ringfence.sandbox.issuer FOLDER PORT

FOLDER holds `tls.crt`, `tls.key` and `www/`; the files below `www/` are served as they are, at their paths. It makes
no tokens: whoever has the signing key of the state folder does (`tokens.Signer`).
"""

from __future__ import annotations

import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def serve(folder: Path, port: int) -> None:
    """Serve until killed."""
    www = folder / "www"
    documents = {f"/{f.relative_to(www).as_posix()}": f.read_bytes() for f in www.rglob("*") if f.is_file()}

    class Handler(BaseHTTPRequestHandler):
        """GET of one of the documents, nothing else."""

        def do_GET(self) -> None:
            found = documents.get(self.path)
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(found or b"")))
            self.end_headers()
            self.wfile.write(found or b"")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
