"""Run a learner's code so that it can neither hang the notebook, nor flood it, nor change its settings.

A seat belt for one's own code, in one's own kernel: it stops accidents. It is no wall against an attack.
"""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import importlib
import random
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

CPU_SECONDS = 0.8  # what the answer itself may compute
WALL_SECONDS = 5.0  # and how long it may wait, for instance in sleep
TRIES = 20  # interrupts sent, 25 ms apart, before a thread is left behind
KEPT_OUTPUT = 2000  # characters

# torch's first backward pass with a given gradient loads 500 modules: now, not on the first answer's time.
torch.ones(2, requires_grad=True).exp().backward(torch.ones(2))


class TimeUp(BaseException):
    """Raised inside the answer when its time is over. Not an Exception: `except Exception` lets it
    through."""


@dataclass
class Watched:
    """How a run ended: "done", "stopped" (time limit) or "abandoned" (it swallows the interrupt)."""

    ended: str = "done"
    output: str = ""
    output_dropped: int = 0
    forbidden: list[str] = field(default_factory=list)


def run(work: Callable[[], None], forbidden: tuple[str, ...] = (), hidden: tuple[Any, ...] = ()) -> Watched:
    """Run `work` in a watched thread and wait for it.

    Args:
        work: is called once. What it raises is dropped; it leaves its results in what it closes over.
        forbidden: dotted names of functions and modules; a call of one is noted, however it was reached.
        hidden: further functions whose call is noted as "the check's own answer".

    Raises:
        KeyboardInterrupt: the user interrupted the cell; the thread has been stopped.
    """
    watched, lock, ready, done = Watched(), threading.Lock(), threading.Event(), threading.Event()
    clock: list[Callable[[], float]] = []
    spy = _Spy(forbidden, hidden, watched.forbidden)

    def thread_main() -> None:
        try:
            clock.append(_cpu_clock())
            ready.set()
            with spy:
                work()
        except BaseException:  # nothing of the answer may reach the notebook as a traceback
            pass
        finally:
            with contextlib.suppress(TimeUp):
                with lock:
                    done.set()
                for _ in range(1000):  # an interrupt that came too late arrives here
                    pass

    with _big_stacks():
        thread = threading.Thread(target=thread_main, daemon=True, name="answer")
        with _Muffler(thread, watched):
            thread.start()
            try:
                ready.wait()
                began, used = time.monotonic(), clock[0]
                while not done.wait(0.02) and thread.is_alive():
                    if used() > CPU_SECONDS or time.monotonic() - began > WALL_SECONDS:
                        watched.ended = _stop(thread, lock, done)
                        break
            except KeyboardInterrupt:
                _stop(thread, lock, done)
                raise
    return watched


def _stop(thread: threading.Thread, lock: threading.Lock, done: threading.Event) -> str:
    for _ in range(TRIES):
        with lock:
            if not done.is_set() and not _holds_import_lock(thread.ident):
                interrupt(thread.ident)
        if done.wait(0.025) or not thread.is_alive():
            return "stopped"
    return "abandoned"


def _holds_import_lock(ident: int) -> bool:
    """Whether the thread is inside Python's import machinery.

    An interrupt there may leave a lock locked, and every later import waits for ever.
    """
    frame = sys._current_frames().get(ident)
    return frame is not None and frame.f_code.co_filename == "<frozen importlib._bootstrap>"


def interrupt(ident: int) -> None:
    """Make a thread raise TimeUp at its next bytecode."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(TimeUp))


def _cpu_clock() -> Callable[[], float]:
    """Seconds of processor time the calling thread has used, readable from other threads."""
    if hasattr(time, "pthread_getcpuclockid"):
        clock = time.pthread_getcpuclockid(threading.get_ident())
        began = time.clock_gettime(clock)

        def used() -> float:
            try:
                return time.clock_gettime(clock) - began
            except OSError:  # the thread has just ended
                return 0.0

        return used
    began = time.process_time()  # macOS, Windows: the whole process, which waits meanwhile
    return lambda: time.process_time() - began


@contextlib.contextmanager
def _big_stacks() -> Iterator[None]:
    """An endless recursion must end in RecursionError: macOS gives threads too small a stack for that."""
    before = threading.stack_size(16 * 2**20)
    try:
        yield
    finally:
        threading.stack_size(before)


@contextlib.contextmanager
def usual_settings() -> Iterator[None]:
    """Torch's usual settings inside; afterwards random states and settings are as they were before.

    Memory that nobody wrote to holds NaN, not leftovers that happen to be right: `torch.empty` is no `zeros`.
    """
    numpy = sys.modules.get("numpy")
    state = torch.get_rng_state(), random.getstate(), numpy and numpy.random.get_state()
    dtype, threads, limit = torch.get_default_dtype(), torch.get_num_threads(), sys.getrecursionlimit()
    debug = torch.get_deterministic_debug_mode()
    torch.set_default_dtype(torch.float32)
    torch.set_deterministic_debug_mode("warn")
    try:
        with torch.inference_mode(False), torch.enable_grad(), torch.device("cpu"):
            yield
    finally:
        torch.set_rng_state(state[0])
        random.setstate(state[1])
        if numpy:
            numpy.random.set_state(state[2])
        torch.set_default_dtype(dtype)
        torch.set_deterministic_debug_mode(debug)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        sys.setrecursionlimit(limit)


class _Muffler:
    """Keep the first of what one thread prints; let other threads print as ever. input() is refused."""

    def __init__(self, thread: threading.Thread, watched: Watched) -> None:
        self.thread, self.watched = thread, watched

    def __enter__(self) -> None:
        self.before = sys.stdout, sys.stderr, builtins.input, warnings.showwarning
        sys.stdout, sys.stderr = _Stream(self, sys.stdout), _Stream(self, sys.stderr)
        builtins.input, warnings.showwarning = self._input, self._warning

    def __exit__(self, *_: object) -> None:
        sys.stdout, sys.stderr, builtins.input, warnings.showwarning = self.before

    def mine(self) -> bool:
        return threading.get_ident() == self.thread.ident

    def keep(self, text: str) -> None:
        room = KEPT_OUTPUT - len(self.watched.output)
        self.watched.output += text[:room]
        self.watched.output_dropped += max(0, len(text) - room)

    def _warning(self, message: Any, category: type, *where: Any) -> None:
        if not self.mine():
            return self.before[3](message, category, *where)
        text = f"{category.__name__}: {str(message).partition(' (Triggered internally')[0]}\n"
        if text not in self.watched.output:
            self.keep(text)

    def _input(self, *prompt: object) -> str:
        if self.mine():
            raise RuntimeError("input() waits for a person; an answer gets all it needs as arguments")
        return self.before[2](*prompt)


class _Stream:
    """Stands for sys.stdout or sys.stderr while an answer runs."""

    def __init__(self, muffler: _Muffler, real: Any) -> None:
        self._muffler, self._real = muffler, real

    def write(self, text: str) -> int:
        if not self._muffler.mine():
            return self._real.write(text)
        self._muffler.keep(str(text))
        return len(text)

    def flush(self) -> None:
        if not self._muffler.mine():
            self._real.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class _Spy(TorchFunctionMode):
    """Notes calls of forbidden functions in this thread.

    Python functions are known by their code object, through the profiler's hook; torch's built-in ones are
    seen by torch itself, also when called through partial, map or torch.ops.
    """

    def __init__(self, forbidden: tuple[str, ...], hidden: tuple[Any, ...], seen: list[str]) -> None:
        super().__init__()
        self.seen, self.codes, self.builtins = seen, {}, {}
        for name in forbidden:
            self._add(_resolve(name), name)
        for function in hidden:
            self._add(function, "the check's own answer")

    def _add(self, thing: Any, name: str) -> None:
        if isinstance(thing, type):
            thing = thing.__dict__.get("forward")
        code = getattr(thing, "__code__", None)
        if code is not None:
            self.codes[id(code)] = name
        elif hasattr(thing, "__name__"):
            self.builtins[thing.__name__] = name

    def _note(self, name: str) -> None:
        if name not in self.seen:
            self.seen.append(name)

    def _profile(self, frame: Any, event: str, _: Any) -> None:
        if event == "call" and id(frame.f_code) in self.codes:
            self._note(self.codes[id(frame.f_code)])

    def __torch_function__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        name = getattr(function, "__name__", "").partition(".")[0]
        if name in self.builtins:
            self._note(self.builtins[name])
        return function(*args, **(kwargs or {}))

    def __enter__(self) -> _Spy:
        super().__enter__()
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *error: Any) -> None:
        sys.setprofile(None)
        super().__exit__(*error)


def _resolve(dotted: str) -> Any:
    """The thing a dotted name stands for: the longest importable module, then attributes."""
    parts = dotted.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            thing = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            thing = getattr(thing, part)
        return thing
    raise LookupError(f"{dotted}: no such function")
