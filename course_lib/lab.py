"""`course lab`: JupyterLab on the course, on this machine only, with nothing fetched from outside."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import threading
import time
import urllib.request

from course_lib.paths import course_root

FIRST = "notebooks/00_start_here.ipynb"
PORTS = range(8888, 8988)


def is_free(port: int) -> bool:
    """Whether a server can listen on 127.0.0.1:port."""
    with socket.socket() as probe:
        if os.name != "nt":  # there the option would let two servers share a port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def has_display() -> bool:
    """Whether a browser window can open here (without one, a text browser would take the terminal)."""
    return not sys.platform.startswith("linux") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME")
    )


def trust_lessons() -> None:
    """Sign the lessons as cloned, so that their stored pictures and views show before a cell is run.

    The lessons are code of the course like any other file here. What a learner is sent stays untrusted.
    """
    from nbformat import read
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary()
    for path in sorted((course_root() / "notebooks").glob("*.ipynb")):
        notebook = read(path, as_version=4)
        if not notary.check_signature(notebook):
            notary.sign(notebook)


def announce(port: int, url: str, browser: bool) -> None:
    """Print the address once the server answers."""
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=2).close()
        except OSError:
            time.sleep(0.2)
            continue
        where = "The course is open in your browser. Its address:" if browser else "Open the course at"
        print(f"{where}\n\n    {url}\n\nCtrl-C, twice, in this window stops it.", flush=True)
        return


def open_lab(port: int | None = None, browser: bool = True, notebook: str = FIRST) -> int:
    """Run JupyterLab on the course until it is stopped; return the exit code.

    Without a port, the first free one from 8888 on is taken. Only a browser with the printed token gets in.
    """
    free = next((p for p in PORTS if is_free(p)), None)
    if port is None:
        port = free
    if port is None or not is_free(port):
        choice = f"choose another, for instance `--port {free}`" if free else "choose one with `--port`"
        print(
            f"Port {port or PORTS[0]} of this machine is taken by another program: {choice}.", file=sys.stderr
        )
        return 1

    root = course_root()
    page = f"/lab/tree/{notebook}" if (root / notebook).is_file() else "/lab"
    token = os.environ.setdefault("JUPYTER_TOKEN", secrets.token_hex(24))  # argv would show it to every user
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    browser = browser and has_display()
    trust_lessons()
    url = f"http://127.0.0.1:{port}{page}?token={token}"
    threading.Thread(target=announce, args=(port, url, browser), daemon=True).start()

    import zmq
    from jupyterlab.labapp import main

    arguments = [
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={root}",
        f"--ServerApp.open_browser={browser}",
        f"--LabApp.default_url={page}",
        "--LabApp.extension_manager=readonly",
        "--Application.log_level=WARN",
        # Jupyter Server's own default is longer than Tornado allows, which warns at every kernel.
        "--ServerApp.tornado_settings={'ws_ping_timeout': 30000}",
    ]
    if zmq.has("curve"):  # else other users of this machine could read what kernels send
        arguments.append("--KernelManager.transport_encryption=auto")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.append("--allow-root")
    sys.argv[0] = "jupyter-lab"
    return main(arguments) or 0
