"""One training step of our BERT and GPT against transformers' twins, with the same weights and batches.

A step is forward, loss, backward and fused AdamW, in training mode with dropout 0.1 and default attention.
Both models live in one process and take turns. Printed are the median processor time of a step and the median
of the ratios of neighbours; one thread, so that other work on the machine matters little. The lessons' sizes
come first, then the published vocabularies.

    python benchmarks/train_step.py [--rounds 8] [--threads 1]
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from statistics import median

import torch
import transformers

from course_lib.models import GPT, Bert

STEP = Callable[[], torch.Tensor]


def trainer(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> STEP:
    """A function that makes one step and returns the loss before it."""
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=1e-4, fused=True)

    def step() -> torch.Tensor:
        loss = model(**batch).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def same_loss(theirs: STEP, ours: STEP, theirs_model: torch.nn.Module, ours_model: torch.nn.Module) -> None:
    """Both must do the same work before their times mean anything: compare the first loss without dropout."""
    first = [step() for model, step in ((theirs_model.eval(), theirs), (ours_model.eval(), ours))]
    torch.testing.assert_close(*first, rtol=1e-4, atol=1e-4)
    theirs_model.train(), ours_model.train()


def masked_language_model(vocab_size: int, width: int, layers: int, B: int, T: int) -> tuple[STEP, STEP]:
    """15 % of the tokens are scored, and rows differ in length, as in BERT's pre-training."""
    config = transformers.BertConfig(
        vocab_size=vocab_size,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        intermediate_size=4 * width,
    )
    theirs = transformers.BertForMaskedLM(config)
    ours = Bert.from_hf(theirs)
    ids = torch.randint(5, vocab_size, (B, T))
    lengths = torch.linspace(T // 2, T, B).long()
    ids[torch.arange(T) >= lengths[:, None]] = 0
    labels = ids.where((torch.rand(B, T) < 0.15) & (ids != 0), -100)
    steps = (
        trainer(theirs, {"input_ids": ids, "attention_mask": (ids != 0).long(), "labels": labels}),
        trainer(ours, {"ids": ids, "labels": labels}),
    )
    same_loss(*steps, theirs, ours)
    return steps


def next_token(vocab_size: int, width: int, layers: int, B: int, T: int) -> tuple[STEP, STEP]:
    """Every token is scored; no padding."""
    config = transformers.GPT2Config(
        vocab_size=vocab_size,
        n_positions=T,
        n_embd=width,
        n_layer=layers,
        n_head=width // 64,
        bos_token_id=None,
        eos_token_id=None,
    )
    theirs = transformers.GPT2LMHeadModel(config)
    ours = GPT.from_hf(theirs)
    ids = torch.randint(vocab_size, (B, T))
    steps = trainer(theirs, {"input_ids": ids, "labels": ids}), trainer(ours, {"ids": ids, "labels": ids})
    same_loss(*steps, theirs, ours)
    return steps


def seconds(step: STEP) -> float:
    start = time.process_time()
    step()
    return time.process_time() - start


def compare(name: str, steps: tuple[STEP, STEP], rounds: int) -> None:
    for step in steps:
        step()  # the first makes the optimiser's state
    pairs = [(seconds(steps[0]), seconds(steps[1])) for _ in range(rounds)]
    theirs, ours = (median(column) for column in zip(*pairs, strict=True))
    ratio = median(a / b for a, b in pairs)
    print(f"{name:32} theirs {theirs * 1e3:7.1f} ms   ours {ours * 1e3:7.1f} ms   {ratio:.2f} times as fast")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    transformers.utils.logging.set_verbosity_error()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads{load}")
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")
    compare("MLM, 4,096 words, 192 wide", masked_language_model(4_096, 192, 4, 16, 64), args.rounds)
    compare("MLM, 30,522 words, 256 wide", masked_language_model(30_522, 256, 4, 16, 64), args.rounds)
    compare("GPT, 96 characters, 128 wide", next_token(96, 128, 4, 32, 64), args.rounds)
    compare("GPT, 4,096 tokens, 192 wide", next_token(4_096, 192, 4, 16, 64), args.rounds)
    compare("GPT, 50,257 tokens, 256 wide", next_token(50_257, 256, 4, 2, 128), args.rounds)


if __name__ == "__main__":
    main()
