"""The lessons, in order: one list for the start page, the README and the tests."""

from __future__ import annotations

from dataclasses import dataclass

from course_lib.paths import course_root


@dataclass(frozen=True)
class Lesson:
    """One notebook. `name` is its file in notebooks/, without the ending."""

    name: str
    title: str
    what: str

    @property
    def number(self) -> str:
        return self.name[:2]

    def is_there(self) -> bool:
        """Whether this version of the course has it."""
        return (course_root() / "notebooks" / f"{self.name}.ipynb").is_file()


LESSONS = (
    Lesson("00_start_here", "Start here", "how to work, this machine, the family, your progress"),
    Lesson("01_attention", "Attention", "from a dot product to the heads of a real model"),
    Lesson("02_transfer_and_self_supervision", "Transfer and self-supervision", "labels for free, and reuse"),
    Lesson("03_contextual_embeddings_elmo", "Contextual embeddings", "skip-gram against ELMo"),
    Lesson("04_bert_input", "BERT's input", "WordPiece, and three embeddings added up"),
    Lesson("05_bert_pretraining", "BERT's pre-training", "masked words, next sentences, fine-tuning"),
    Lesson("06_gpt_causal_lm", "GPT: causal language models", "predict the next token, sample, compress"),
    Lesson("07_gpt2_zero_shot", "GPT-2: zero-shot", "pre-LN, task tokens, and a modern decoder"),
    Lesson("08_in_context_learning", "GPT-3: in-context learning", "induction heads, few-shot, its biases"),
    Lesson("09_bart_denoising", "BART: denoising", "five noises, and a translator of your own"),
    Lesson("10_t5_text_to_text", "T5: text to text", "one model and one loss for every task"),
    Lesson("11_instruct_and_rlhf", "InstructGPT and ChatGPT", "fine-tuning, a reward model, PPO"),
    Lesson("12_bigger_and_smaller", "Bigger and smaller", "counting, rooflines, quantisation"),
    Lesson("13_beyond_text", "GPT-4 and after", "images as tokens, reasoning in steps"),
    Lesson("14_family_map", "The family map", "everything side by side"),
)
