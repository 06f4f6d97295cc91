"""A living view in a sealed frame, with a picture where the frame may not live.

The frame is sandboxed, knows its scripts by their hashes and can fetch nothing: markup in a token cannot
run. JupyterLab strips frames and styles from notebooks it does not trust, and so does GitHub; what is left is
the picture alone.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Any

from course_lib.viz.assets import assets

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# In JupyterLab's dark theme the frame is inverted with its hues kept: white becomes the theme's grey, and
# a ramp from light to dark becomes one from dark to light. A sandboxed frame cannot ask for its host's theme.
_STYLE = """
.{id} .still{{display:none}}
.{id} iframe{{width:100%;height:{height}px;border:1px solid #d5dae1;border-radius:8px;background:#fff;
box-sizing:border-box;display:block}}
[data-jp-theme-light="false"] .{id} iframe,.vscode-dark .{id} iframe{{filter:invert(.87) hue-rotate(180deg)}}
@media print{{.{id} iframe{{display:none}}.{id} .still{{display:block}}}}
"""

_WIDGET = "application/vnd.jupyter.widget-view+json"
_ABOVE = """
.jp-OutputArea-child:has(.above-widget)+.jp-OutputArea-child:has(>.lm-Panel):not(:has(>.lm-Panel>*)){display:none}
"""

# Runs what was packed, in order. The policy knows each packed script by its hash, like any other.
_UNPACK = """
const packed = Uint8Array.from(atob(document.getElementById("packed").textContent), (c) => c.charCodeAt(0));
const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
new Response(unpacked).json().then(({ data, scripts }) => {
  document.getElementById("data").textContent = data;
  for (const text of scripts) {
    const script = document.createElement("script");
    script.textContent = text;
    document.body.append(script);
  }
});
"""


class View:
    """What a notebook shows: HTML that needs no network and no kernel, and a line of plain text."""

    def __init__(self, html: str, summary: str) -> None:
        self.html, self.summary = html, summary

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/html": self.html, "text/plain": self.summary}

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.summary


def frame(
    body: str,
    scripts: list[str],
    *,
    data: str | None = None,
    style: str = "",
    title: str,
    height: int,
    picture: bytes | None,
) -> str:
    """HTML of a frame that holds `body` and runs `scripts`, and of the picture that stands in for it.

    Args:
        body: markup, every text in it escaped already.
        scripts: JavaScript, run in order after the body.
        data: JSON that the scripts find in the element `data`. With it, both travel compressed, a third of
            their size: worth it for whole libraries.
        title: what a screen reader says of the frame and of the picture.
        height: of the frame, in CSS pixels.
        picture: PNG at two device pixels per CSS pixel.
    """
    scripts = [script_safe(script.replace("\r\n", "\n").replace("\r", "\n")) for script in scripts]
    hashes = " ".join(map(_hash, scripts))
    if data is not None:
        # Half a surrogate pair, which UTF-8 cannot hold, as JSON spells it.
        data = re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", data)
        pack = json.dumps({"data": data, "scripts": scripts}, ensure_ascii=False).encode("utf-8")
        body += '<script type="application/json" id="data"></script><script type="text/plain" id="packed">'
        body += f"{base64.b64encode(zlib.compress(pack, 9)).decode()}</script>"
        scripts = [_UNPACK]
        hashes += f" {_hash(_UNPACK)}"
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; base-uri 'none'; form-action "
        "'none'"
    )
    document = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><title>{html.escape(title)}</title>'
        f"<style>{style}</style><body>{body}{''.join(f'<script>{s}</script>' for s in scripts)}</body></html>"
    )
    # A name from the content: the same view gives the same bytes, and two views on a page do not meet.
    name = f"view-{hashlib.sha256(f'{document}{height}'.encode()).hexdigest()[:12]}"
    named = f'title="{html.escape(title)}"'
    return (
        f'<div class="{name}"><style>{_STYLE.format(id=name, height=height)}</style>'
        f'<iframe sandbox="allow-scripts" {named} srcdoc="{html.escape(document)}"></iframe>'
        f'<div class="still">{_image(picture, title)}</div></div>'
    )


def scripted(
    name: str,
    colors: tuple[str, ...],
    state: Any,
    *,
    summary: str,
    height: int,
    picture: bytes | None,
    host: str = "",
) -> View:
    """The view of a playground: `name`.js draws `state` into the element `view`, in the style of `name`.css.

    Args:
        name, colors: as `assets` takes them.
        state: what JSON can hold, every text in it made visible already; the script finds it in `data`.
        summary: the view in a line, for screen readers and for where no HTML is shown.
        height, picture: as `frame` takes them.
        host: JavaScript after the script, for one that has other hosts besides.
    """
    script, style = assets(name, *colors)
    return View(
        frame(
            '<div id="view"></div>',
            [script + host],
            data=json.dumps(state, ensure_ascii=False, separators=(",", ":")),
            style=style,
            title=summary,
            height=height,
            picture=picture,
        ),
        summary,
    )


def show_above_widget(view: View, widget: Any, style: str = "") -> None:
    """Display a view that lives by itself, and below it a widget that needs a kernel, as two outputs.

    Where the widget finds no kernel, JupyterLab leaves a bare line ("model not found", "Loading widget..."):
    it is hidden.

    Args:
        widget: of ipywidgets or anywidget.
        style: further CSS; the view's output has an element of class ``above-widget``.
    """
    from IPython.display import display

    display(View(f'<div class="above-widget"><style>{_ABOVE}{style}</style>{view.html}</div>', view.summary))
    data, _ = widget._repr_mimebundle_()
    # No text beside the widget: a page that cannot show it shall show nothing of it.
    display({_WIDGET: data[_WIDGET]}, raw=True)


def _hash(script: str) -> str:
    """How a content security policy names a script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def script_safe(script: str) -> str:
    """The same script, but nothing in its strings can end it or start a comment or another one."""
    return re.sub(r"<(?=/|!--|script)", r"\\x3c", script, flags=re.IGNORECASE)


def png(figure: Figure, dpi: float = 144, colors: int = 128, **options: Any) -> bytes:
    """The figure as a small PNG, the same bytes for the same figure; `options` go to `savefig`."""
    from PIL import Image

    raw = BytesIO()
    figure.savefig(raw, format="png", dpi=dpi, **options)
    small = BytesIO()
    with Image.open(raw) as image:
        # No dithering: it would triple the size.
        image.convert("RGB").quantize(colors, dither=Image.Dither.NONE).save(
            small, format="png", optimize=True
        )
    return small.getvalue()


def png_size(picture: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the PNG's header."""
    return int.from_bytes(picture[16:20], "big"), int.from_bytes(picture[20:24], "big")


def _image(picture: bytes | None, title: str) -> str:
    if picture is None:
        return f"<p>{html.escape(title)}: trust this notebook and run it to see the view.</p>"
    width = png_size(picture)[0] // 2
    data = base64.b64encode(picture).decode()
    return f'<img alt="{html.escape(title)}" width="{width}" src="data:image/png;base64,{data}">'
