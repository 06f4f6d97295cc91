"""What can be graded: units, their exercises, points, and the section of the lesson each belongs to.

Plain data without torch, so that `course progress` answers at once. The checks themselves are in `unitNN.py`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Exercise:
    """One graded task. `section` is a heading of the unit's lesson."""

    id: str
    title: str
    points: int
    section: str


@dataclass(frozen=True)
class Unit:
    """One lesson with its exercise notebook: notebooks/NAME.ipynb and exercises/NAME.ipynb."""

    number: str
    name: str
    title: str
    exercises: tuple[Exercise, ...]

    @property
    def points(self) -> int:
        return sum(exercise.points for exercise in self.exercises)

    def lesson_link(self, exercise: Exercise) -> str:
        """From the exercise notebook to the section of the lesson, as JupyterLab names it."""
        return f"../notebooks/{self.name}.ipynb#{exercise.section.replace(' ', '-')}"


UNITS = (
    Unit(
        "01",
        "01_attention",
        "Attention",
        (
            Exercise("attention.scores", "Scaled dot-product attention with a mask", 5, "Masks"),
            Exercise("attention.masks", "Causal, padding and banded masks", 3, "Masks"),
            Exercise("attention.heads", "Several heads", 5, "Heads"),
            Exercise("attention.positions", "Sinusoidal positions", 3, "Positions"),
            Exercise("attention.block", "An encoder block", 4, "The encoder block"),
            Exercise("attention.parameters", "Count BERT's parameters", 4, "The encoder block"),
            Exercise("attention.bug", "Find three bugs", 3, "Masks"),
            Exercise("attention.predict", "Predict a head, then design one", 3, "Heads"),
        ),
    ),
    Unit(
        "02",
        "02_transfer_and_self_supervision",
        "Transfer and self-supervision",
        (
            Exercise("transfer.pairs", "Labels out of a text", 5, "Labels made from text"),
            Exercise("transfer.count", "Count what is trained", 3, "Three ways to transfer"),
            Exercise("transfer.freeze", "Freeze the body", 5, "Three ways to transfer"),
            Exercise("transfer.groups", "Two learning rates", 4, "Three ways to transfer"),
            Exercise("transfer.cosines", "Cosines", 4, "Before and after"),
            Exercise("transfer.contrast", "InfoNCE", 6, "Contrastive learning"),
            Exercise("transfer.bug", "Find three bugs", 3, "Contrastive learning"),
            Exercise("transfer.report", "An honest number", 4, "Is the comparison fair?"),
        ),
    ),
    Unit(
        "03",
        "03_contextual_embeddings_elmo",
        "Contextual embeddings",
        (
            Exercise("contextual.pairs", "The pairs of skip-gram", 4, "Skip-gram"),
            Exercise("contextual.sampling", "Noise, and the loss", 6, "Negative sampling"),
            Exercise("contextual.shift", "Labels for two directions", 4, "Two language models"),
            Exercise("contextual.reverse", "Turning padded sentences round", 3, "Two language models"),
            Exercise("contextual.mix", "The layer mix", 4, "The layer mix"),
            Exercise("contextual.probe", "Find three bugs in a probe", 3, "A probe"),
            Exercise("contextual.reduction", "Error reduction", 2, "The lecture's results"),
            Exercise(
                "contextual.predict",
                "Predict five probes, then design a language",
                4,
                "Second limit: two one-way models",
            ),
        ),
    ),
    Unit(
        "04",
        "04_bert_input",
        "BERT's input",
        (
            Exercise("input.score", "WordPiece's score", 4, "WordPiece by hand"),
            Exercise("input.merge", "One merge", 4, "Merge, count again, repeat"),
            Exercise("input.cut", "Greedy longest match", 5, "Cutting a word: greedy longest match"),
            Exercise("input.pair", "[CLS], [SEP], segments, padding", 5, "[CLS], [SEP], segments, padding"),
            Exercise("input.embed", "The sum of three embeddings", 5, "Three tables, one sum"),
            Exercise("input.bytes", "Bytes that are no character yet", 3, "Bytes: nothing is unknown"),
            Exercise("input.bug", "Find three bugs in BPE", 3, "Bytes: nothing is unknown"),
            Exercise(
                "input.trap", "Predict a tokenizer, then trap it", 3, "Cutting a word: greedy longest match"
            ),
        ),
    ),
    Unit(
        "05",
        "05_bert_pretraining",
        "BERT's pre-training",
        (
            Exercise("bert.masking", "15 %, then 80/10/10", 6, "Which tokens are hidden, and how"),
            Exercise("bert.loss", "The loss of the chosen tokens", 5, "The loss looks at the chosen only"),
            Exercise("bert.pairs", "Two sentences", 5, "Two sentences: does the second follow?"),
            Exercise("bert.reading", "Two ways to read", 4, "One network, two masks, two losses"),
            Exercise("bert.heads", "Two heads", 4, "New heads for old vectors"),
            Exercise("bert.bug", "Find three bugs in a measure", 3, "Has it understood?"),
            Exercise("bert.predict", "Predict the counts, then design an experiment", 3, "Count it"),
        ),
    ),
    Unit(
        "06",
        "06_gpt_causal_lm",
        "GPT: causal language models",
        (
            Exercise("gpt.loss", "The loss at the next token", 4, "The loss, and one step to the left"),
            Exercise("gpt.forward", "GPT-1 in three equations", 5, "Three equations"),
            Exercise("gpt.bits", "Bits per byte", 3, "A yardstick: bits per byte"),
            Exercise("gpt.sampling", "Temperature, top-k, a draw", 4, "Writing"),
            Exercise("gpt.nucleus", "The nucleus", 3, "Writing"),
            Exercise("gpt.cache", "One step with a memory", 5, "Remember keys and values"),
            Exercise(
                "gpt.inputs", "Four questions written as text", 4, "Fine-tuning: write the task as one text"
            ),
            Exercise("gpt.leak", "Find three bugs, then the leak", 4, "Prove it: change the future"),
        ),
    ),
    Unit(
        "07",
        "07_gpt2_zero_shot",
        "GPT-2",
        (
            Exercise("gpt2.block", "Where the norm stands", 4, "The norm moves to the front"),
            Exercise("gpt2.count", "Count GPT-2 and a modern decoder", 4, "How big is it?"),
            Exercise("gpt2.measures", "Three units for one surprise", 5, "Three measures, one sum"),
            Exercise("gpt2.words", "Ask without training", 5, "The last word"),
            Exercise(
                "gpt2.modern",
                "The parts of a modern decoder",
                5,
                "From GPT-2 to a modern decoder, in four small changes",
            ),
            Exercise("gpt2.masks", "Three more masks", 3, "Other readers, the same network"),
            Exercise("gpt2.bug", "Find three bugs in a block", 3, "3. SwiGLU"),
            Exercise(
                "gpt2.predict",
                "Predict four numbers, then design an experiment",
                3,
                "Does it matter when they learn?",
            ),
        ),
    ),
    Unit(
        "08",
        "08_in_context_learning",
        "GPT-3: in-context learning",
        (
            Exercise("gpt3.segments", "Sequences that repeat", 3, "Learning without back-propagation"),
            Exercise("gpt3.induction", "Two scores of a head", 4, "Find the heads"),
            Exercise("gpt3.prompt", "A prompt with examples", 4, "A real model reads examples"),
            Exercise("gpt3.labels", "How likely is a label?", 5, "A real model reads examples"),
            Exercise("gpt3.calibration", "Contextual calibration", 4, "A real model reads examples"),
            Exercise("gpt3.luck", "A better prompt, or luck?", 4, "A search for the prompt"),
            Exercise("gpt3.bug", "Find three bugs in the bill", 2, "The bill"),
            Exercise("gpt3.bias", "Measure, predict, design", 4, "The same four examples, in 24 orders"),
        ),
    ),
    Unit(
        "09",
        "09_bart_denoising",
        "BART: denoising",
        (
            Exercise("bart.shift", "What the decoder reads", 3, "What the decoder reads"),
            Exercise("bart.cross", "Cross-attention", 5, "Cross-attention"),
            Exercise("bart.infill", "Text infilling", 5, "3. Text infilling"),
            Exercise("bart.order", "Sentences in another order, a text turned", 4, "4. Sentence permutation"),
            Exercise(
                "bart.state", "The state that classifies", 3, "Understanding: the same text on both sides"
            ),
            Exercise("bart.rouge", "ROUGE-L by hand", 4, "The measures, by hand"),
            Exercise("bart.bug", "Find three bugs in a step of denoising", 3, "What the decoder reads"),
            Exercise(
                "bart.predict", "Predict six numbers, then design a noise", 5, "Five ways to damage a text"
            ),
        ),
    ),
    Unit(
        "10",
        "10_t5_text_to_text",
        "T5: text to text",
        (
            Exercise("t5.spans", "Spans behind sentinels", 4, "Write only what is missing"),
            Exercise("t5.restore", "Put the text together again", 4, "Write only what is missing"),
            Exercise("t5.buckets", "From distance to bucket", 5, "Positions as distances"),
            Exercise("t5.bias", "Attention with a bias", 3, "Positions as distances"),
            Exercise("t5.mix", "How often does each task come up?", 4, "Everything is text to text"),
            Exercise("t5.shares", "What would it rather write?", 5, "A score from each kind of model"),
            Exercise("t5.bug", "Find three bugs in a loss", 3, "T5 against BART, in the configuration"),
            Exercise("t5.predict", "Predict five numbers, then choose spans", 4, "What does writing cost?"),
        ),
    ),
)
EXERCISES = {exercise.id: (unit, exercise) for unit in UNITS for exercise in unit.exercises}

# On the start page, to see how a check answers: no exercise notebook, and its points count nowhere.
START = Unit(
    "00",
    "00_start_here",
    "Start here",
    (Exercise("start.softmax", "A first try: softmax", 3, "How an exercise works"),),
)
PRACTICE = {exercise.id: (START, exercise) for exercise in START.exercises}


def find_exercise(exercise_id: str) -> tuple[Unit, Exercise]:
    """A task and its unit, those for practice included.

    Raises:
        KeyError: no task has this id.
    """
    return EXERCISES.get(exercise_id) or PRACTICE[exercise_id]


def find_unit(name: str) -> Unit:
    """The unit called `name`: 01, 1, 01_attention or attention.

    Raises:
        LookupError: there is none; the message lists those there are.
    """
    wanted = str(name).strip().removesuffix(".ipynb").lower()
    for unit in UNITS:
        if wanted in (unit.number, unit.number.lstrip("0"), unit.name, unit.name.partition("_")[2]):
            return unit
    raise LookupError(f"no unit {name!r}: choose one of {', '.join(unit.name for unit in UNITS)}")
