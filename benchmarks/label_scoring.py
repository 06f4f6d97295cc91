"""Scoring two labels behind eight examples: score_labels against re-encoding every text.

transformers reads each prompt + label from its start, several to a batch and with the logits of the label
only: the best one does without keeping keys and values. Both work in one process and take turns, round by
round: ours scores all prompts of a round, theirs a sample of them, whose time is scaled up to all; the scores
of the sample must agree. Ours reads the shared examples anew in every round. Printed are processor times and
the ratio in each round.

    python benchmarks/label_scoring.py [--prompts 1000] [--rounds 10] [--sample 10] [--labels one several]
"""

import argparse
import random
import time
from itertools import permutations
from statistics import median

import torch
from smollm2 import machine, twins

from course_lib.data import few_shot
from course_lib.prompting import few_shot_prompt, score_labels

TEMPLATE = "Review: {input}\nSentiment: {output}"
LABELS = {"one": [" positive", " negative"], "several": [" very positive", " not so positive"]}  # tokens each


def prompts(n: int) -> list[str]:
    """Eight examples and a review of one sentence or, beyond 134 of them, of two; in a fixed random order."""
    singles = [*few_shot.sentiment("search"), *few_shot.sentiment("test")]
    pairs = [(a, b) for a, b in permutations(singles, 2) if a.label == b.label]
    rng = random.Random(0)
    reviews = [one.text for one in singles] + [f"{a.text} {b.text}" for a, b in rng.sample(pairs, n)]
    reviews = reviews[:n]
    rng.shuffle(reviews)
    examples = [(one.text, one.label) for one in few_shot.sentiment("examples")[:8]]
    return [few_shot_prompt(examples, review, template=TEMPLATE) for review in reviews]


@torch.no_grad()
def re_encode(model, tokenizer, prompts: list[str], labels: list[str], batch_size: int = 8) -> torch.Tensor:
    """log p of each label, every text read from its start."""
    texts = [
        (len(tokenizer.encode(p).ids), tokenizer.encode(p + label).ids) for p in prompts for label in labels
    ]
    scores = []
    for start in range(0, len(texts), batch_size):
        rows = texts[start : start + batch_size]
        T = max(len(ids) for _, ids in rows)
        ids = torch.tensor([[2] * (T - len(ids)) + ids for _, ids in rows])
        real = torch.tensor([[0] * (T - len(ids)) + [1] * len(ids) for _, ids in rows])
        longest = max(len(ids) - begin for begin, ids in rows)
        logits = model(ids, attention_mask=real, logits_to_keep=longest + 1).logits[:, :-1]
        log_p = logits.log_softmax(-1).gather(2, ids[:, -longest:, None])[..., 0]
        for (begin, row), row_log_p in zip(rows, log_p, strict=True):
            scores.append(row_log_p[longest - (len(row) - begin) :].sum())
    return torch.stack(scores).view(len(prompts), len(labels))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--sample", type=int, default=10, help="prompts a round that transformers scores")
    parser.add_argument("--labels", nargs="+", choices=LABELS, default=list(LABELS))
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    n, left_over = divmod(args.prompts, args.rounds)
    if left_over or args.sample > n:
        parser.error(f"{args.prompts} prompts in {args.rounds} rounds: split them evenly, sample at most {n}")
    torch.set_num_threads(args.threads)
    ours, theirs, tokenizer = twins()
    asked = prompts(args.prompts)
    tokens = [len(tokenizer.encode(prompt).ids) for prompt in asked]
    print(f"{machine()}; {len(asked)} prompts of {min(tokens)} to {max(tokens)} tokens")
    for name in args.labels:
        labels = LABELS[name]
        score_labels(ours, tokenizer, asked[:2], labels)  # warm up
        re_encode(theirs, tokenizer, asked[:2], labels)
        mine_s, theirs_s, ratios = 0.0, 0.0, []
        for start in range(0, len(asked), n):
            begin = time.process_time()
            mine = score_labels(ours, tokenizer, asked[start : start + n], labels)
            middle = time.process_time()
            other = re_encode(theirs, tokenizer, asked[start : start + args.sample], labels)
            end = time.process_time()
            torch.testing.assert_close(mine[: args.sample], other, atol=1e-3, rtol=0)
            scaled = (end - middle) * n / args.sample
            mine_s, theirs_s = mine_s + middle - begin, theirs_s + scaled
            ratios.append(scaled / (middle - begin))
            print(f"  {n} prompts: shared {middle - begin:.1f} s, re-encoding {scaled:.1f} s", flush=True)
        print(
            f"labels of {name} token(s): shared {mine_s:.1f} s for {len(asked)} prompts; re-encoding "
            f"{theirs_s:.1f} s, scaled up from {args.rounds * args.sample}; ratio of the sums "
            f"{theirs_s / mine_s:.1f}, in a round {min(ratios):.1f} to {max(ratios):.1f}, median "
            f"{median(ratios):.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
