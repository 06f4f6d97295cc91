"""Asking a language model: prompts with examples, and how likely it finds each answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from course_lib.decoding import as_batch, reading
from course_lib.generation import encode
from course_lib.models.encoder_decoder import EncoderDecoder


def few_shot_prompt(
    examples: Sequence[tuple[str, str]],
    query: str,
    *,
    template: str = "Input: {input}\nOutput: {output}",
    instruction: str = "",
    separator: str = "\n\n",
) -> str:
    """Solved examples, then one to solve (Brown et al. 2020, figure 2.1); none makes it zero-shot.

    The prompt stops where the answer goes, without the space before it: answers to score begin with a space,
    as they do in running text.

    Args:
        examples: pairs of input and output.
        query: the input to solve.
        template: how a pair is written; "{input}" stands before "{output}".
        instruction: a text before all examples.
        separator: what stands between the parts.
    """
    before, has_output, after = template.partition("{output}")
    head, has_input, middle = before.partition("{input}")
    if not (has_input and has_output):
        raise ValueError(f"template {template!r}: it needs {{input}} and, behind it, {{output}}")
    solved = [f"{head}{given}{middle}{wanted}{after}" for given, wanted in examples]
    parts = [instruction, *solved, f"{head}{query}{middle}".rstrip(" ")]
    return separator.join(part for part in parts if part)


def chat_prompt(
    messages: str | Sequence[Mapping[str, str]],
    system: str | None = "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
) -> str:
    """Messages the way SmolLM2-Instruct was taught to read them (ChatML), ready for its answer.

    Args:
        messages: what the user says, or a list of {"role": …, "content": text}, where role is "user",
            "assistant" or "system".
        system: put first, unless the messages begin with one; None for nothing.
    """
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    if system is not None and (not messages or messages[0]["role"] != "system"):
        messages = [{"role": "system", "content": system}, *messages]
    said = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)
    return said + "<|im_start|>assistant\n"


@torch.no_grad()
def score_labels(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    labels: Sequence[str],
    *,
    prefix: str = "",
    per_token: bool = False,
    batch_size: int = 32,
) -> Tensor:
    """log p(label | prefix + prompt), in nats, for every prompt and label: (n_prompts, n_labels).

    Each text prefix + prompt + label is tokenized as a whole, so that a label joins its leading space, or the
    prompt's last one, as it would in running text. What all texts begin with (eight examples, say) is read
    once and its keys and values are kept; what the labels of one prompt share is read once a prompt; only
    then do the labels part. The numbers are those of reading each text from its start.

    Args:
        model: a decoder, GPT or Llama.
        labels: what may follow; usually each begins with a space.
        prefix: a text before every prompt. It makes no difference whether the prompts hold it themselves.
        per_token: the mean of a label's tokens in place of their sum, so that long labels stand a chance.
        batch_size: so many prompts are read at once.
    """
    if isinstance(model, EncoderDecoder) or not hasattr(model, "new_cache"):
        raise TypeError(f"{type(model).__name__} does not continue a prompt: take a GPT or Llama")
    for name, texts in (("prompts", prompts), ("labels", labels)):
        if isinstance(texts, str) or not texts:
            raise ValueError(f"{name} {texts!r}: give a list with at least one text")
    asked = [_Question(tokenizer, prefix + prompt, labels) for prompt in prompts]
    shared = asked[0].ids[
        : min(len(question.ids) for question in asked) - 1
    ]  # leave each something of its own
    for question in asked:
        shared = shared[: _common(shared, question.ids)]
    cache = model.new_cache()
    if shared:
        with reading(model):
            model(_row(model, shared), cache=cache, last_only=True)
    scores = []
    for start in range(0, len(asked), batch_size):
        batch = asked[start : start + batch_size]
        scores.append(_score_batch(model, cache, len(shared), batch))
    total = torch.cat(scores)
    if per_token:
        total = total / total.new_tensor([[len(label) for label in question.labels] for question in asked])
    return total


def calibrate(log_p: Tensor, content_free: Tensor) -> Tensor:
    """Divide out what a model prefers before it has read anything (Zhao et al. 2021, section 5).

    Args:
        log_p: (n_prompts, n_labels), from `score_labels`.
        content_free: (n_labels,) or (n, n_labels), the same for the prompt with nothing in it, such as "N/A"
            or an empty text; their probabilities are averaged.

    Returns:
        (n_prompts, n_labels), log-probabilities among the labels: W p with W = diag(p_content_free)⁻¹, and
        normalised.
    """
    if content_free.shape[-1] != log_p.shape[-1]:
        raise ValueError(
            f"{content_free.shape[-1]} labels without content, {log_p.shape[-1]} with: score the same labels"
        )
    bias = content_free.softmax(dim=-1).reshape(-1, log_p.shape[-1]).mean(dim=0).log()
    return (log_p - bias).log_softmax(dim=-1)


def few_shot_scores(
    model: Any,
    tokenizer: Any,
    queries: Sequence[str],
    labels: Sequence[str],
    examples: Sequence[tuple[str, str]] = (),
    *,
    content_free: Sequence[str] = (),
    template: str = "Input: {input}\nOutput: {output}",
    **wording: str,
) -> Tensor:
    """log p(label | query) behind the examples: `few_shot_prompt`, `score_labels` and `calibrate` in one.

    Args:
        labels: as the examples write them, without a space before.
        content_free: inputs that say nothing, such as "N/A", "" and "[MASK]"; when given, the scores are
            calibrated with them.
        template, wording: as in `few_shot_prompt`.

    Returns:
        (n_queries, n_labels), normalised over the labels; the model's answer is ``.argmax(dim=1)``.
    """
    gap = " " if template.partition("{output}")[0].endswith(" ") else ""
    prompts = [
        few_shot_prompt(examples, query, template=template, **wording) for query in [*queries, *content_free]
    ]
    log_p = score_labels(model, tokenizer, prompts, [gap + label for label in labels])
    log_p, nothing = log_p[: len(queries)], log_p[len(queries) :]
    return calibrate(log_p, nothing) if content_free else log_p.log_softmax(dim=-1)


@dataclass(frozen=True)
class Found:
    """A prompt that `search_prompts` tried: the share it got right, and the mean log p of the right label."""

    prompt: Mapping[str, Any]
    accuracy: float
    log_p: float


def search_prompts(
    model: Any,
    tokenizer: Any,
    candidates: Sequence[Mapping[str, Any]],
    held_out: Sequence[tuple[str, str]],
    labels: Sequence[str],
    *,
    content_free: Sequence[str] = (),
) -> list[Found]:
    """Try every candidate on held-out pairs; the best first. No gradient, no person.

    Accuracy decides, and between equals the mean log p of the right label. The winner's accuracy here is too
    high, the more so the more candidates there were: report it on pairs that were not searched on (Perez et
    al. 2021, "True few-shot learning").

    Args:
        candidates: each the arguments of one prompt, such as {"examples": […], "template": "…",
            "instruction": "…"}, as in `few_shot_scores`.
        held_out: pairs of input and right label.
    """
    if not candidates or not held_out:
        raise ValueError(f"{len(candidates)} candidates, {len(held_out)} held-out pairs: give one or more")
    unknown = {right for _, right in held_out} - set(labels)
    if unknown:
        raise ValueError(f"held-out labels {sorted(unknown)} are not among {list(labels)}: give all labels")
    queries = [query for query, _ in held_out]
    right = torch.tensor([labels.index(label) for _, label in held_out])
    found = []
    for candidate in candidates:
        scores = few_shot_scores(
            model, tokenizer, queries, labels, content_free=content_free, **candidate
        ).cpu()
        log_p = scores.gather(1, right[:, None]).mean().item()
        found.append(Found(candidate, (scores.argmax(dim=1) == right).float().mean().item(), log_p))
    return sorted(found, key=lambda one: (one.accuracy, one.log_p), reverse=True)


class _Question:
    """One prompt cut into what its labels share and what each has of its own.

    ids: the tokens all labels' texts begin with, none of them scored.
    rests: for each label, the tokens after these.
    labels: for each label, the tokens scored, the last ones of its rest.
    """

    def __init__(self, tokenizer: Any, prompt: str, labels: Sequence[str]) -> None:
        context = encode(tokenizer, prompt)
        texts = [encode(tokenizer, prompt + label) for label in labels]
        begins = [min(_common(context, text), len(text) - 1) for text in texts]
        shared = min(begins)  # up to here all texts are the prompt's own tokens
        if shared < 1:
            raise ValueError(
                f"prompt {prompt!r} leaves nothing before the label: begin it with a token, such as the one "
                "that begins a text"
            )
        self.ids = texts[0][:shared]
        self.rests = [text[shared:] for text in texts]
        self.labels = [text[begin:] for text, begin in zip(texts, begins, strict=True)]


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two texts begin with alike."""
    pairs = zip(a, b, strict=False)
    return next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))


def _row(model: Any, ids: Sequence[int]) -> Tensor:
    return torch.tensor([ids], device=next(model.parameters()).device)


def _score_batch(model: Any, prefix: Any, n_shared: int, batch: Sequence[_Question]) -> Tensor:
    """(len(batch), n_labels), after the tokens that the cache `prefix` holds."""
    device = next(model.parameters()).device
    cache = _expand(model, prefix, len(batch))
    ids, mask = as_batch([question.ids[n_shared:] for question in batch], None, 0, left=True)
    with reading(model):
        mask = None if mask is None else mask.to(device)
        last = model(ids.to(device), mask, cache=cache, last_only=True).logits[:, -1]
    first_log_p = last.float().log_softmax(dim=-1)  # (N, vocab_size), of each rest's first token

    n_labels = len(batch[0].rests)
    rests = [rest for question in batch for rest in question.rests]
    scored = torch.tensor([len(label) for question in batch for label in question.labels], device=device)
    lengths = torch.tensor([len(rest) for rest in rests], device=device)
    targets, _ = as_batch(rests, None, 0, left=False)
    targets = targets.to(device)  # (N · L, R)
    first_log_p = first_log_p.repeat_interleave(n_labels, dim=0)
    log_p = first_log_p.gather(1, targets[:, :1])  # (N · L, 1)
    R = targets.shape[1]
    if R > 1:
        cache.select(torch.arange(len(batch), device=device).repeat_interleave(n_labels))
        with reading(model):
            logits = model(targets[:, :-1], cache=cache).logits
        log_p = torch.cat(
            [log_p, logits.float().log_softmax(dim=-1).gather(2, targets[:, 1:, None])[..., 0]], 1
        )
    place = torch.arange(R, device=device)
    counts = (place >= (lengths - scored)[:, None]) & (place < lengths[:, None])
    return (log_p * counts).sum(dim=1).view(len(batch), n_labels)


def _expand(model: Any, prefix: Any, n: int) -> Any:
    """A cache of n rows, each beginning with the one row of `prefix`."""
    cache = copy(prefix)
    cache.own = [copy(layer) for layer in prefix.own]
    if prefix.length:
        cache.select(torch.zeros(n, dtype=torch.long, device=next(model.parameters()).device))
    return cache
