"""Greedy decoding of SmolLM2-135M: our generate() against transformers' generate(), float32, with a cache.

Both continue the same prompts in one process and take turns; the tokens must be the same. Printed are the
median speeds and the median ratio of neighbours, in processor time.

    python benchmarks/decoding.py [--rounds 5] [--tokens 32] [--threads 1]
"""

import argparse
import time
from statistics import median

import torch
from smollm2 import machine, twins

from course_lib.generation import generate

PROMPTS = [
    "The history of the printing press begins",
    "def quicksort(values):\n",
    "서울은 대한민국의 수도이며",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    ours, theirs, tokenizer = twins()
    print(machine())
    for B in (1, 8):
        speeds, ratios = ([], []), []
        for n in range(args.rounds + 1):
            ids = torch.tensor([tokenizer.encode(PROMPTS[n % len(PROMPTS)]).ids] * B)
            start = time.process_time()
            mine = generate(ours, ids, args.tokens, eos_id=[])
            middle = time.process_time()
            other = theirs.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=args.tokens,
                min_new_tokens=args.tokens,
                do_sample=False,
                pad_token_id=2,
            )
            end = time.process_time()
            assert torch.equal(mine, other) or n == 0
            if n:  # the first round warms up
                speeds[0].append(B * args.tokens / (middle - start))
                speeds[1].append(B * args.tokens / (end - middle))
                ratios.append((end - middle) / (middle - start))
        print(
            f"batch {B}: ours {median(speeds[0]):.1f}, transformers {median(speeds[1]):.1f} tokens/s; "
            f"ratio {median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
