"""Thirty strings that a token may be and that a page could take for more than text."""

HOSTILE = {
    # What opens or closes something in HTML, or carries a script.
    "script end": "</script><img src=x onerror=alert(1)>",
    "script": "<script>alert(1)</script>",
    "comment": "<!--<script>",
    "comment end": "--><svg onload=alert(1)>",
    "style end": "</style><style>*{display:none}",
    "title end": "</title></textarea><iframe src=//192.0.2.9>",
    "double quote": '"onmouseover="alert(1)',
    "both quotes": "'\"><svg/onload=alert(1)>",
    "back quote": "`onfocus=alert(1)//`",
    "escaped twice": "&quot;&gt;&lt;img src=x onerror=alert(1)&gt;",
    "entities": "&amp;&lt;&#60;b",
    "cdata": "]]><![CDATA[",
    "address": "javascript:alert(1)",
    # What JSON, a template, Markdown, a formula or an object of JavaScript would read.
    "json": '\\u003cimg src=x onerror=alert(1)\\u003e\\"}',
    "template": "${alert(1)}{{alert(1)}}<%=1%>",
    "markdown": "![x](http://192.0.2.9/x.png)",
    "formula": "$\\frac{1$",
    "prototype": "__proto__",
    # What turns the text around it, hides, or is no character.
    "bidi override": "safe\u202egpj.exe\u202c",
    "bidi isolate": "\u2067x\u2069\u200f",
    "zero width": "\u200bzero\u200cwidth\u2060\ufeff",
    "hidden marks": "co\u00adop\u034fa\ufe0f\U000e0041",
    "control": "\x00\x1b[31m\x07\r\u2028",
    "high surrogate": "\ud83d",
    "low surrogate": "\udc00\ud800x",
    # What is more than one character a sign.
    "emoji": "👩\u200d👩\u200d👧\u200d👦🙂\u200d↔\ufe0f",
    "emoji flags": "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f🇰🇷👍🏽1\ufe0f\u20e3",
    "hangul": "ㅎㅏㄴ\u3164한",
    "combining": "\u0301Z\u0351\u036b\u0343",
    # Length.
    "long": "W" * 10_000,
}
assert len(HOSTILE) == 30
TOKENS = tuple(HOSTILE.values())
