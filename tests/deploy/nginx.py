"""nginx with the block that the documentation ships, on a free port of this machine."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.anvil import skip_or_fail
from tests.docs.markdown import ROOT

BLOCK = ROOT / "docs" / "deploy" / "nginx.conf"
CERTIFICATE = ROOT / "tests" / "integration" / "certificates" / "localhost.pem"
_PATIENCE = 10.0
"""Seconds."""

_AROUND = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/zephyrus-exec.conf;
}}
"""


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


def trusting() -> ssl.SSLContext:
    """Return a context that trusts the certificate of these tests."""
    return ssl.create_default_context(cafile=str(CERTIFICATE))


def shipped(port: int, upstream: str, quiet: str) -> str:
    """Return the shipped block for this machine: port, certificate, server, time-out."""
    text = BLOCK.read_text(encoding="utf-8")
    for there, here in (
        ("    listen 443 ssl;\n", f"    listen 127.0.0.1:{port} ssl;\n"),
        ("    listen [::]:443 ssl;\n", ""),
        ("/etc/ssl/agents.example.org.pem", str(CERTIFICATE)),
        ("/etc/ssl/agents.example.org.key", str(CERTIFICATE)),
        ("http://127.0.0.1:8765", f"http://{upstream}"),
        ("_timeout 75s", f"_timeout {quiet}"),
    ):
        assert there in text, f"{there!r} is no part of {BLOCK.name} any more"
        text = text.replace(there, here)
    return text


@asynccontextmanager
async def nginx(folder: Path, upstream: str, *, quiet: str = "75s") -> AsyncIterator[str]:
    """Run nginx in front of a server until the block ends; give its `wss://` URL.

    Args:
        folder: For its files.
        upstream: HOST:PORT of the server.
        quiet: What the shipped time-outs are replaced by.
    """
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        skip_or_fail("nginx is missing: install it, for example with apt-get install nginx-light")
    port = free_port()
    block, around = folder / "zephyrus-exec.conf", folder / "nginx.conf"
    block.write_text(shipped(port, upstream, quiet), encoding="utf-8")
    around.write_text(_AROUND.format(folder=folder), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        program, "-p", str(folder), "-c", str(around), "-e", "stderr"
    )
    try:
        await _listening(process, port)
        yield f"wss://localhost:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _listening(process: asyncio.subprocess.Process, port: int) -> None:
    async with asyncio.timeout(_PATIENCE):
        while True:
            assert process.returncode is None, "nginx does not take the block"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                await writer.wait_closed()
                return
