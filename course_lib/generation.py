"""Writing with a model: one token after the other, greedily, by chance, or along several beams.

Decoders (GPT, Llama) continue what they are given; encoder-decoders (Bart, T5) read it and write their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from course_lib.beams import Beam, beam_search, follow_beams
from course_lib.decoding import Ids, Text, check_penalty, penalise

__all__ = ["Beam", "beam_search", "encode", "filter_logits", "generate", "stream", "stream_text"]


def generate(
    model: Any,
    ids: Ids,
    max_new_tokens: int = 20,
    *,
    mask: Tensor | None = None,
    temperature: float | None = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    repetition_penalty: float = 1.0,
    num_beams: int = 1,
    length_penalty: float = 1.0,
    early_stopping: bool = False,
    eos_id: int | Sequence[int] | None = None,
    pad_id: int | None = None,
    seed: int | torch.Generator | None = None,
) -> Tensor:
    """Write up to `max_new_tokens` tokens.

    Args:
        ids: (B, T), a decoder's prompt, padded on the left, or what an encoder-decoder reads. Rows of unequal
            length may come as a list of lists, and are padded here.
        mask: (B, T), True where a decoder's prompt is real; all of it when not given.
        temperature: 0 or None takes the likeliest token each time (greedy). Above 0 the next token is drawn
            from softmax(logits / temperature): at 1 as the model says, below surer, above more varied.
        top_k, top_p: draw only from the likeliest tokens, see `filter_logits`; they need a temperature.
        repetition_penalty: above 1 makes tokens that stand in the text already less likely (Keskar et al.
            2019, section 4.1).
        num_beams: above 1 follows so many candidates; this, length_penalty and early_stopping are explained
            at `beam_search`.
        eos_id: stop a row after this token, or any of these; when not given, the config's, if it has one.
        pad_id: what fills a row after its end; the config's when not given, else the eos.
        seed: for drawing; a number, or a generator that goes on from call to call.

    Returns:
        (B, T + new) for a decoder, prompt included; (B, 1 + new) for an encoder-decoder, which begins with
        the config's `start_id`. `new` is the longest row's.
    """
    if num_beams == 1:
        text = Text(model, ids, mask, max_new_tokens, eos_id, pad_id)
        new = _write(text, temperature, top_k, top_p, repetition_penalty, seed)
        return torch.stack([*text.ids.unbind(1), *new], dim=1)
    if temperature or top_k is not None or top_p is not None:
        raise ValueError(
            f"num_beams {num_beams} with temperature {temperature}, top_k {top_k}, top_p {top_p}: beam "
            "search draws nothing; leave these out, or set num_beams=1"
        )
    text = Text(model, ids, mask, max_new_tokens, eos_id, pad_id)
    beams = follow_beams(text, num_beams, length_penalty, early_stopping, repetition_penalty)
    best = [row[0].ids for row in beams]
    longest = max(len(row) for row in best)
    new = text.ids.new_tensor([row + [text.pad_id] * (longest - len(row)) for row in best])
    return torch.cat([text.ids, new], dim=1)


def stream(
    model: Any,
    ids: Ids,
    max_new_tokens: int = 20,
    *,
    mask: Tensor | None = None,
    temperature: float | None = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    repetition_penalty: float = 1.0,
    eos_id: int | Sequence[int] | None = None,
    pad_id: int | None = None,
    seed: int | torch.Generator | None = None,
) -> Iterator[Tensor]:
    """`generate`, but each step's tokens (B,) come as soon as they are chosen."""
    text = Text(model, ids, mask, max_new_tokens, eos_id, pad_id)
    return _write(text, temperature, top_k, top_p, repetition_penalty, seed)


def stream_text(
    model: Any, tokenizer: Any, prompt: str, max_new_tokens: int = 100, **options: Any
) -> Iterator[str]:
    """The continuation of `prompt`, piece by piece as text; `options` as in `stream`.

    A character that is spread over several tokens (most of Hangul) comes when its last byte is there.
    """
    ids, shown = [], ""
    for token in stream(model, encode(tokenizer, prompt), max_new_tokens, **options):
        ids.append(int(token))
        text = tokenizer.decode(ids)
        # Bytes without the rest of their character become U+FFFD: hold these back.
        whole = text.rstrip("\N{REPLACEMENT CHARACTER}")
        if len(whole) > len(shown):
            yield whole[len(shown) :]
            shown = whole
    if ids and len(text) > len(shown):  # the end came in the middle of a character
        yield text[len(shown) :]


def filter_logits(
    logits: Tensor, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Tensor:
    """Logits to draw from: divided by `temperature`, and -inf where a token is ruled out.

    Args:
        logits: (…, vocab_size).
        temperature: 0 leaves only the likeliest token.
        top_k: keep the k likeliest tokens, and those that tie with the k-th (Fan et al. 2018).
        top_p: keep the likeliest tokens until their probabilities, after the above, add up to p; the one that
            crosses p stays (nucleus sampling, Holtzman et al. 2020, equation 2).
    """
    if temperature < 0:
        raise ValueError(f"temperature {temperature}: it divides the logits; choose 0 (greedy) or above")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k {top_k}: at least one token must remain; choose 1 or more, or None for all")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(
            f"top_p {top_p}: it is a share of probability; choose from above 0 to 1, or None for all"
        )
    if temperature == 0:
        best = logits.argmax(dim=-1, keepdim=True)
        return torch.full_like(logits, -torch.inf).scatter(-1, best, logits.gather(-1, best))
    logits = logits / temperature
    if top_k is not None and top_k < logits.shape[-1]:
        kth = logits.topk(top_k, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < kth, -torch.inf)
    if top_p is not None and top_p < 1:
        ordered, order = logits.sort(dim=-1, descending=True, stable=True)
        probability = ordered.softmax(dim=-1)
        before = probability.cumsum(dim=-1) - probability  # what the likelier tokens add up to
        before[..., 0] = 0
        out = torch.empty_like(before, dtype=torch.bool).scatter(-1, order, before >= top_p)
        logits = logits.masked_fill(out, -torch.inf)
    return logits


def encode(tokenizer: Any, text: str) -> list[int]:
    """Token ids of a text, from a tokenizer of this course, of `tokenizers` or of `transformers`."""
    encoded = tokenizer.encode(text)
    return encoded.ids if hasattr(encoded, "ids") else list(encoded)


def _write(
    text: Text,
    temperature: float | None,
    top_k: int | None,
    top_p: float | None,
    repetition_penalty: float,
    seed: int | torch.Generator | None,
) -> Iterator[Tensor]:
    temperature = temperature or 0.0
    if temperature == 0 and (top_k is not None or top_p is not None):
        raise ValueError(
            f"top_k {top_k}, top_p {top_p} with temperature 0, which always takes the likeliest token: set "
            "temperature=1.0 to draw"
        )
    filter_logits(torch.zeros(1), temperature, top_k, top_p)  # refuses bad values now, not at the first step
    check_penalty(repetition_penalty)
    return _steps(text, temperature, top_k, top_p, repetition_penalty, seed)


def _steps(
    text: Text,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    repetition_penalty: float,
    seed: int | torch.Generator | None,
) -> Iterator[Tensor]:
    device = text.ids.device
    generator = torch.Generator(device).manual_seed(seed) if isinstance(seed, int) else seed
    eos_ids = torch.tensor(text.eos_ids, dtype=torch.long, device=device)
    done = torch.zeros(len(text.ids), dtype=torch.bool, device=device)
    seen = None
    logits = text.read(text.ids, text.mask)
    for step in range(text.max_new_tokens):
        if repetition_penalty != 1:
            seen = text.seen(logits.shape[-1]) if seen is None else seen
            logits = penalise(logits, seen, repetition_penalty)
        if temperature == 0:
            new = logits.argmax(dim=-1)
        else:
            probability = filter_logits(logits, temperature, top_k, top_p).softmax(dim=-1)
            new = torch.multinomial(probability, 1, generator=generator)[:, 0]
        if text.eos_ids:
            new = new.masked_fill(done, text.pad_id)
            done = done | torch.isin(new, eos_ids)
        yield new
        if step == text.max_new_tokens - 1 or done.all():
            return
        if seen is not None:
            seen[torch.arange(len(new), device=device), new] = True
        logits = text.read(new[:, None])
