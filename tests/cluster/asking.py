"""How tests ask a control plane: by kubectl, that of this Python's environment or the one on PATH, or by one plain request."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PATH = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))


def asked(kubeconfig: str | Path, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """What came of a command; `given` is its standard input."""
    line = ["kubectl", "--kubeconfig", str(kubeconfig), *words]
    env = {**os.environ, "PATH": PATH}
    return subprocess.run(line, input=given, env=env, capture_output=True, text=True, check=False, timeout=60)


def kubectl(kubeconfig: str | Path, *words: str) -> str:
    """What a command that must succeed says."""
    done = asked(kubeconfig, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(
    server: str, ca: str, path: str, body: Any = None, *, client: tuple[Path, Path] | None = None, token: str = ""
) -> tuple[int, Any]:
    """One request: status and JSON (or text) of the answer."""
    context = ssl.create_default_context(cafile=ca)
    if client:
        context.load_cert_chain(*client)
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    connection = http.client.HTTPSConnection(urlsplit(server).netloc, context=context, timeout=10)
    try:
        connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    try:
        return answer.status, json.loads(text)
    except ValueError:
        return answer.status, text
