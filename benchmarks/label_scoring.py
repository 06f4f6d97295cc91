"""Scoring two labels behind a shared 8-shot prefix: score_labels against re-encoding every text.

transformers reads each prompt + label from its start, several to a batch and with the logits of the label
only: the best one does without keeping keys and values. Both score the same texts in one process and take
turns; the scores must agree. Printed are the median processor times and the median ratio of neighbours.

    python benchmarks/label_scoring.py [--rounds 3] [--prompts 16] [--threads 1]
"""

import argparse
import time
from statistics import median

import torch
from smollm2 import machine, twins

from course_lib.prompting import few_shot_prompt, score_labels

EXAMPLES = [
    ("I loved every minute of it", "positive"),
    ("A dull and lifeless film", "negative"),
    ("Great acting and a moving story", "positive"),
    ("I want my money back", "negative"),
    ("The best comedy of the year", "positive"),
    ("Two hours of my life are gone", "negative"),
    ("Warm, clever and beautifully shot", "positive"),
    ("Loud, long and empty", "negative"),
]
LABELS = {"one token": [" positive", " negative"], "several tokens": [" very positive", " not so positive"]}


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
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    ours, theirs, tokenizer = twins()
    reviews = [f"The {n}th scene {how}" for n in range(4, 40) for how in ("made me laugh", "made me yawn")]
    prompts = [
        few_shot_prompt(EXAMPLES, review, template="Review: {input}\nSentiment: {output}")
        for review in reviews[: args.prompts]
    ]
    print(f"{machine()}; {len(prompts)} prompts of about {len(tokenizer.encode(prompts[0]).ids)} tokens")
    for name, labels in LABELS.items():
        times, ratios = ([], []), []
        for n in range(args.rounds + 1):
            start = time.process_time()
            mine = score_labels(ours, tokenizer, prompts, labels)
            middle = time.process_time()
            other = re_encode(theirs, tokenizer, prompts, labels)
            end = time.process_time()
            torch.testing.assert_close(mine, other, atol=1e-3, rtol=0)
            if n:  # the first round warms up
                times[0].append(middle - start)
                times[1].append(end - middle)
                ratios.append((end - middle) / (middle - start))
        print(
            f"labels of {name}: shared {median(times[0]):.2f} s, re-encoding {median(times[1]):.2f} s; "
            f"ratio {median(ratios):.1f} (from {min(ratios):.1f} to {max(ratios):.1f})"
        )


if __name__ == "__main__":
    main()
