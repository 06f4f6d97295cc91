"""Limits on the process that runs a submission, and a watch on what its code reaches for.

Two layers. The system's own limits (address space, file size, processor time, a network of its own where
that is allowed) hold whatever the code does. Python's audit hook (PEP 578), which cannot be taken off again,
refuses and notes what no answer needs: other processes, sockets, foreign memory, files elsewhere, and the
frames and objects of whoever called.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from pathlib import Path
from types import FrameType

MEMORY = 3 * 2**30  # bytes on top of what torch has taken already
FILE_SIZE = 32 * 2**20
CPU_SECONDS = 300

REFUSED = {
    "os.fork": "starts a process",
    "os.forkpty": "starts a process",
    "os.posix_spawn": "starts a process",
    "os.exec": "starts a process",
    "os.system": "starts a process",
    "os.startfile": "starts a process",
    "pty.spawn": "starts a process",
    "subprocess.Popen": "starts a process",
    "_posixsubprocess.fork_exec": "starts a process",
    "socket.__new__": "opens a network connection",
    "socket.connect": "opens a network connection",
    "socket.getaddrinfo": "opens a network connection",
    "ctypes.dlopen": "loads foreign code",
    "ctypes.dlsym": "loads foreign code",
    "os.killpg": "sends a signal",
    "gc.get_objects": "searches the grader's memory",
    "gc.get_referrers": "searches the grader's memory",
    "gc.get_referents": "searches the grader's memory",
    "sys.settrace": "looks into the grader's frames",
    "sys._current_exceptions": "looks into the grader's frames",
    "setopencodehook": "changes the interpreter",
    "sys.monitoring.register_callback": "looks into the grader's frames",
}
WRITES = {
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod",
    "os.chown", "os.utime", "shutil.rmtree", "shutil.move", "shutil.copyfile", "os.chdir", "os.setxattr",
}  # fmt: skip
FRAMES = {
    "tb_frame", "gi_frame", "cr_frame", "ag_frame", "f_back", "__globals__", "__closure__", "__code__",
}  # fmt: skip
LOOKS = {"open", "os.listdir", "os.scandir"}


class Refused(PermissionError):
    """Raised inside a submission that reaches for what no answer needs."""


class Guard:
    """The audit hook; it sleeps but for `with guard.awake()`. `seen` holds what was refused.

    Args:
        home: the one folder in which files may be written.
        secrets: folders and files that may not be read: solutions, checks, other submissions.
        cells: how the file names of a submission's code begin; what these call directly is their own doing.
    """

    def __init__(self, home: Path, secrets: list[Path], cells: str) -> None:
        self.home = os.path.realpath(home) + os.sep
        self.secrets = tuple(os.path.realpath(path) for path in secrets)
        self.cells = cells
        self.watching, self.seen = False, []
        self._thread = threading.local()
        sys.addaudithook(self._hear)

    def note(self, what: str) -> None:
        if what not in self.seen and len(self.seen) < 20:
            self.seen.append(what)

    @contextlib.contextmanager
    def awake(self):
        self.watching = True
        try:
            yield
        finally:
            self.watching = False

    def _hear(self, event: str, arguments: tuple) -> None:
        if not self.watching or getattr(self._thread, "busy", False):
            return
        self._thread.busy = True  # looking at a frame is an event, too
        try:
            self._consider(event, arguments, sys._getframe(1))
        finally:
            self._thread.busy = False

    def _consider(self, event: str, arguments: tuple, frame: FrameType) -> None:
        if event in REFUSED:
            self._refuse(f"{REFUSED[event]} ({event})")
        elif event == "os.kill":
            if arguments[0] != os.getpid():
                self._refuse("sends a signal (os.kill)")
        elif event == "sys._current_frames":  # the sandbox asks, too: in the main thread, where it waits
            if threading.current_thread() is not threading.main_thread() or self._is_theirs(frame, deep=True):
                self._refuse(f"looks into the grader's frames ({event})")
        elif event in ("sys._getframe", "sys.setprofile"):
            if self._is_theirs(frame):
                self._refuse(f"looks into the grader's frames ({event})")
        elif event == "object.__getattr__":
            if arguments[1] in FRAMES and self._is_theirs(frame):
                self._refuse(f"looks into the grader's frames ({arguments[1]})")
        elif event in LOOKS:
            self._opened(*arguments[:3]) if event == "open" else self._read(arguments[0])
        elif event in WRITES:
            for path in arguments[:2]:
                if isinstance(path, str | bytes | os.PathLike) and not self._is_home(path):
                    self._refuse(f"changes files elsewhere ({event})")
        elif event == "import":
            checks = str(arguments[0]).startswith(("course_lib.grading.unit", "solutions"))
            if checks and self._is_theirs(frame, deep=True):
                self._refuse("imports the checks")

    def _is_theirs(self, frame: FrameType | None, deep: bool = False) -> bool:
        """Whether code of a submission's cell stands in this frame, or, `deep`, in any below it."""
        while frame is not None:
            if frame.f_code.co_filename.startswith(self.cells):
                return True
            if not deep:
                return False
            frame = frame.f_back
        return False

    def _refuse(self, what: str) -> None:
        self.note(what)
        raise Refused(f"an answer may not do this here: {what}")

    def _is_home(self, path: str | bytes | os.PathLike) -> bool:
        name = os.path.realpath(os.fsdecode(path))
        return (name + os.sep).startswith(self.home)

    def _read(self, path: object) -> None:
        if isinstance(path, str | bytes | os.PathLike):
            name = os.path.realpath(os.fsdecode(path))
            if any(name == secret or name.startswith(secret + os.sep) for secret in self.secrets):
                self._refuse("reads the solutions, the checks or another submission")

    def _opened(self, path: object, mode: object, flags: object) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return
        writing = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        if writing and not self._is_home(path) and os.fsdecode(path) != os.devnull:
            self._refuse("writes files elsewhere (open)")
        self._read(path)


def limit() -> None:
    """The system's own limits, for the rest of this process's life. What a system lacks is left out."""
    with contextlib.suppress(ImportError):
        import resource

        def at_most(name: str, value: int) -> None:
            kind = getattr(resource, name, None)
            if kind is None:
                return
            with contextlib.suppress(ValueError, OSError):
                _, hard = resource.getrlimit(kind)
                value = value if hard == resource.RLIM_INFINITY else min(value, hard)
                resource.setrlimit(kind, (value, value))

        at_most("RLIMIT_FSIZE", FILE_SIZE)
        at_most("RLIMIT_CPU", CPU_SECONDS)
        at_most("RLIMIT_CORE", 0)
        if used := _address_space():
            at_most("RLIMIT_AS", used + MEMORY)
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file too large is an error, not the end
    _leave_network()


def _address_space() -> int:
    """Bytes this process has mapped; 0 where that cannot be told."""
    try:
        text = Path("/proc/self/statm").read_text()
        return int(text.split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def _leave_network() -> bool:
    """Move into a network of our own that has no connections (Linux, where the user may)."""
    new_user, new_network = 0x10000000, 0x40000000
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        return libc.unshare(new_network) == 0 or libc.unshare(new_user | new_network) == 0
    except (OSError, AttributeError):
        return False
