"""Screenshots of a whole notebook as JupyterLab shows it.

    python tests/browser/look.py notebooks/01_attention.ipynb /tmp/01 --run
    python tests/browser/look.py notebooks/01_attention.ipynb /tmp/01-dark --dark --width 900

Saves PREFIX-01.png, PREFIX-02.png, … and prints failed cells, console errors and requests that tried to leave
the machine. The notebook on disk is never changed: a copy beside it is opened and removed.
"""

import argparse
import secrets
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from lab import Browser, Server


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebook", type=Path)
    parser.add_argument("prefix", help="pictures are saved as PREFIX-01.png, PREFIX-02.png, …")
    parser.add_argument("--run", action="store_true", help="run all cells first")
    parser.add_argument("--dark", action="store_true", help="JupyterLab's dark theme")
    parser.add_argument(
        "--system-dark", action="store_true", help="let the system prefer dark, whatever the theme"
    )
    parser.add_argument("--width", type=int, default=1200, help="of the window, in CSS pixels")
    parser.add_argument("--slice", type=int, default=1800, help="height of one picture, in CSS pixels")
    parser.add_argument(
        "--scale", type=float, default=1, help="device pixels per CSS pixel (2: as on a retina screen)"
    )
    parser.add_argument("--timeout", type=float, default=900, help="seconds that running may take")
    args = parser.parse_args()
    if not args.notebook.is_file():
        parser.error(f"no notebook at {args.notebook}")
    Path(args.prefix).resolve().parent.mkdir(parents=True, exist_ok=True)

    folder = args.notebook.resolve().parent
    copy = folder / f".look-{secrets.token_hex(4)}.ipynb"
    if not args.run:  # JupyterLab shows a stranger's outputs only as far as its sanitiser lets it
        print("opened as it is: outputs show as in an untrusted notebook; --run shows the living views")
    begin, failed = time.monotonic(), []
    shutil.copy(args.notebook, copy)
    try:
        with (
            Server(folder, dark=args.dark) as server,
            Browser(args.width, 1000, args.system_dark, args.scale) as browser,
        ):
            notebook = browser.open(server, copy.name)
            if args.run:
                try:
                    notebook.run_all(args.timeout)
                except AssertionError as error:
                    failed = [str(error)]
            pictures = notebook.screenshots(args.prefix, args.slice)
            notebook.close()
    finally:
        copy.unlink(missing_ok=True)
    print(*pictures, sep="\n")
    for name, found in (
        ("failed", failed),
        ("console error", browser.errors),
        ("outside request", browser.outside),
    ):
        for line in found:
            print(f"{name}: {line}")
    print(f"{len(pictures)} pictures, {time.monotonic() - begin:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
