"""Two recipes that train in seconds, and the mistakes that can be planted in them.

make("gpt", seed=0)                      a Trainer of a small GPT on Tiny Town
make("bert", seed=0, fault="too slow")   the same for a masked BERT, with a mistake
"""

from __future__ import annotations

from functools import cache

import torch

from course_lib.data import tiny_town
from course_lib.data.batching import Batches, Blocks
from course_lib.models import GPT, Bert, BertConfig, GPTConfig
from course_lib.objectives import mask_tokens
from course_lib.tokenization import train_wordpiece
from course_lib.training import Trainer

LENGTH, ROWS = 20, 32
STEPS = {"gpt": 150, "bert": 200}
RATE = {"gpt": 5e-3, "bert": 1e-2}
SIZES = {"d_model": 32, "n_layers": 2, "n_heads": 4, "d_ff": 64, "max_positions": LENGTH, "dropout": 0.0}
FAULTS = {  # name: verdict
    "slow": "too slow",
    "hot": "learning rate too high",
    "frozen": "not learning",
    "shuffled": "not learning",
    "unshifted": "labels shifted",
    "shifted twice": "labels shifted",
    "shifted back": "labels shifted",
    "few": "overfitting",
}


@cache
def texts(split):
    return [" ".join(tagged.words) for tagged in tiny_town.tags(split)]


@cache
def tokenizer():
    return train_wordpiece(texts("train"), 600)


@cache
def padded(split):
    """A sentence a row: (N, LENGTH) at most."""
    return tokenizer().batch(texts(split), max_length=LENGTH)[0]


@cache
def tokens(split):
    """All sentences one after the other, with [SEP] between: (N,)."""
    return torch.tensor([i for text in texts(split) for i in tokenizer().encode(text)[1:]])


def gpt_loss(model, batch, fault):
    ids = batch["ids"]
    labels = {"unshifted": ids.roll(1, 1), "shifted twice": ids.roll(-1, 1), "shifted back": ids.roll(2, 1)}
    wanted = labels.get(fault, ids)
    if fault == "shuffled":
        wanted = wanted[torch.randperm(len(ids))]
    return model(ids, labels=wanted).loss


def bert_loss(model, batch, fault):
    ids = batch["ids"]
    inputs, labels = mask_tokens(ids, tokenizer())
    if fault == "unshifted":  # the whole text is asked for, and nothing is hidden
        inputs, labels = ids, ids
    elif fault == "shifted twice":  # the shift of a causal loss, in a model that needs none
        labels = labels.roll(-1, 1)
    elif fault == "shifted back":  # the neighbour of what was hidden
        labels = torch.where(labels != -100, ids.roll(-1, 1), -100)
    elif fault == "shuffled":
        labels = labels.flatten()
        there = (labels != -100).nonzero()[:, 0]
        labels[there] = labels[there[torch.randperm(len(there))]]
        labels = labels.view_as(ids)
    return model(inputs, labels=labels).loss


def make(kind, seed, fault=None, rate=1.0):
    torch.manual_seed(seed)
    vocab_size = len(tokenizer())
    if kind == "gpt":
        model, loss = GPT(GPTConfig(vocab_size=vocab_size, **SIZES)), gpt_loss
    else:
        model, loss = Bert(BertConfig(vocab_size=vocab_size, mlm=True, pooler=False, **SIZES)), bert_loss

    def data(split, rows, seed, limit=None):
        if kind == "gpt":
            return Blocks(tokens(split)[: limit and limit * LENGTH], LENGTH, rows, seed=seed)
        return Batches({"ids": padded(split)[:limit]}, rows, seed=seed)

    validation = data("validation", 64, 1)
    held_out = [next(validation) for _ in range(2)]

    def evaluate(model):
        torch.manual_seed(0)
        return {"validation_loss": sum(float(loss(model, b, fault)) for b in held_out) / len(held_out)}

    trainer = Trainer(
        model,
        lambda model, batch: loss(model, batch, fault),
        data("train", ROWS, seed, 12 if fault == "few" else None),
        learning_rate=RATE[kind] * rate * {"slow": 1 / 30, "hot": 100}.get(fault, 1),
        warmup=20,
        weight_decay=0.01,
        seed=seed,
        evaluate=evaluate,
        eval_every=STEPS[kind] // 10,
        device="cpu",
    )
    if fault == "frozen":  # the optimizer of another model takes the step
        trainer.optimizers[0].step = lambda: None
    return trainer
