"""generation.py against transformers' generate() and logits processors, on small random models."""

import math

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from model_twins import random_weights
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from course_lib.generation import beam_search, filter_logits, generate, stream, stream_text
from course_lib.models import GPT, T5, Bart, Bert, BertConfig, GPTConfig, Llama

V = 37  # vocabulary of the small models
EOS = 2


def gpt2(seed: int = 0):
    config = transformers.GPT2Config(
        vocab_size=V, n_positions=40, n_embd=12, n_layer=2, n_head=3, bos_token_id=None, eos_token_id=None
    )
    theirs = random_weights(transformers.GPT2LMHeadModel(config), seed)
    return theirs, GPT.from_hf(theirs)


def llama(seed: int = 0):
    config = transformers.LlamaConfig(
        vocab_size=V,
        hidden_size=24,
        intermediate_size=31,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=40,
        bos_token_id=None,
        eos_token_id=None,
    )
    theirs = random_weights(transformers.LlamaForCausalLM(config), seed)
    return theirs, Llama.from_hf(theirs)


def bart(seed: int = 0):
    sides = {f"{side}_{part}": n for side in ("encoder", "decoder") for part, n in
             (("layers", 2), ("attention_heads", 3), ("ffn_dim", 17))}  # fmt: skip
    config = transformers.BartConfig(vocab_size=V, d_model=12, max_position_embeddings=40, **sides)
    theirs = random_weights(transformers.BartForConditionalGeneration(config), seed)
    theirs.generation_config.forced_eos_token_id = None  # a habit of the summarising BARTs, not of the search
    return theirs, Bart.from_hf(theirs)


def t5(seed: int = 0):
    config = transformers.T5Config(
        vocab_size=V,
        d_model=13,
        d_kv=5,
        d_ff=17,
        num_layers=2,
        num_heads=3,
        decoder_start_token_id=0,
        eos_token_id=EOS,
    )
    theirs = random_weights(transformers.T5ForConditionalGeneration(config), seed)
    return theirs, T5.from_hf(theirs)


DECODERS = {"gpt2": gpt2, "llama": llama}
FAMILY = {**DECODERS, "bart": bart, "t5": t5}


def prompts(name: str, seed: int = 0, lengths=(3, 7, 1, 5)) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.randint(4, V, (n,), generator=generator).tolist() for n in lengths]
    return rows if name in DECODERS else [[*row, EOS] for row in rows]


def their_batch(name: str, rows: list[list[int]], pad: int) -> dict[str, torch.Tensor]:
    T = max(map(len, rows))
    filled = [[pad] * (T - len(r)) + r if name in DECODERS else r + [pad] * (T - len(r)) for r in rows]
    real = [[0] * (T - len(r)) + [1] * len(r) if name in DECODERS else [1] * len(r) + [0] * (T - len(r))
            for r in rows]  # fmt: skip
    return {"input_ids": torch.tensor(filled), "attention_mask": torch.tensor(real)}


def pad_of(ours) -> int:
    return getattr(ours.config, "pad_id", None) or 0


# ---- greedy ----


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("penalty", [1.0, 1.7])
def test_greedy_writes_what_transformers_writes(name, penalty):
    for seed in range(3):
        theirs, ours = FAMILY[name](seed)
        for row in prompts(name, seed, lengths=(3, 7)):
            expected = theirs.generate(
                torch.tensor([row]), max_new_tokens=15, do_sample=False, repetition_penalty=penalty,
                eos_token_id=EOS, pad_token_id=pad_of(ours),
            )  # fmt: skip
            got = generate(ours, [row], 15, repetition_penalty=penalty, eos_id=EOS)
            assert got.tolist() == expected.tolist()


@pytest.mark.parametrize("name", FAMILY)
def test_a_batch_of_unequal_prompts_writes_what_each_writes_alone(name):
    for seed in range(4):
        _, ours = FAMILY[name](seed)
        rows, pad_id = prompts(name, seed), pad_of(ours)
        options = {"eos_id": EOS, "pad_id": pad_id, "repetition_penalty": 1.3}
        start = max(map(len, rows)) if name in DECODERS else 1
        together = generate(ours, rows, 12, **options)[:, start:].tolist()
        for row, got in zip(rows, together, strict=True):
            alone = generate(ours, [row], 12, **options)[0, len(row) if name in DECODERS else 1 :].tolist()
            assert got == alone + [pad_id] * (len(got) - len(alone))


@pytest.mark.parametrize("name", DECODERS)
def test_the_cache_changes_nothing(name):
    for seed in range(4):
        _, ours = DECODERS[name](seed)
        ids = torch.tensor(prompts(name, seed, lengths=(5, 5)))
        slow = ids
        for _ in range(20):
            slow = torch.cat([slow, ours(slow).logits[:, -1:].argmax(-1)], dim=1)
        assert torch.equal(generate(ours, ids, 20), slow)


@pytest.mark.parametrize("name", ["bart", "t5"])
def test_the_cache_of_an_encoder_decoder_changes_nothing(name):
    _, ours = FAMILY[name](1)
    ids = torch.tensor(prompts(name, 1, lengths=(5, 5)))
    slow = torch.full((2, 1), ours.config.start_id)
    for _ in range(20):
        slow = torch.cat([slow, ours(ids, slow).logits[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(generate(ours, ids, 20, eos_id=[]), slow)


def test_a_row_stops_at_any_of_its_ends_and_is_filled_with_padding():
    _, ours = gpt2(3)
    free = generate(ours, [[5, 6, 7]], 12)[0, 3:].tolist()
    end = free[4]
    first = free.index(end)
    both = generate(ours, [[5, 6, 7], [8, 9, 10]], 12, eos_id=[end, V - 1], pad_id=0)
    assert both[0, 3 : 3 + first + 1].tolist() == free[: first + 1]
    assert not both[0, 3 + first + 1 :].any()
    assert generate(ours, [[5, 6, 7]], 12, eos_id=end).shape == (1, 3 + first + 1)


def test_no_temperature_is_greedy():
    _, ours = gpt2()
    assert torch.equal(generate(ours, [[5, 6]], 9, temperature=None), generate(ours, [[5, 6]], 9))


def test_streaming_gives_the_tokens_of_generate_one_step_at_a_time():
    _, ours = llama(1)
    steps = list(stream(ours, [[5, 6, 7], [8, 9]], 9, temperature=1.0, seed=3))
    assert [step.shape for step in steps] == [(2,)] * 9
    assert torch.equal(
        torch.stack(steps, 1), generate(ours, [[5, 6, 7], [8, 9]], 9, temperature=1.0, seed=3)[:, 3:]
    )


def test_dropout_is_off_while_writing_and_on_again_afterwards():
    _, ours = gpt2()
    calm = generate(ours, [[5, 6, 7]], 12)
    ours.train()
    ours.blocks[0].eval()  # somebody froze this one
    assert torch.equal(generate(ours, [[5, 6, 7]], 12), calm)
    assert ours.training and ours.blocks[1].training and not ours.blocks[0].training


# ---- drawing ----


@given(
    st.integers(0, 10_000),
    st.sampled_from([0.3, 1.0, 2.5]),
    st.sampled_from([None, 1, 3, 10, 99]),
    st.sampled_from([None, 0.05, 0.5, 0.9, 1.0]),
)
@settings(max_examples=60, deadline=None)
def test_filters_equal_the_logits_processors_of_transformers(seed, temperature, top_k, top_p):
    logits = torch.randn(3, 23, generator=torch.Generator().manual_seed(seed)) * 3
    theirs = LogitsProcessorList([TemperatureLogitsWarper(temperature)])
    if top_k is not None:
        theirs.append(TopKLogitsWarper(top_k))
    if top_p is not None:
        theirs.append(TopPLogitsWarper(top_p))
    torch.testing.assert_close(filter_logits(logits, temperature, top_k, top_p), theirs(None, logits.clone()))


def test_the_token_that_crosses_p_stays():
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    assert filter_logits(logits, top_p=0.6).isfinite().tolist() == [True, True, False, False]
    assert filter_logits(logits, top_p=0.01).isfinite().tolist() == [True, False, False, False]


def test_temperature_zero_leaves_the_likeliest_token_alone():
    probability = filter_logits(torch.tensor([[1.0, 3.0, 2.0]]), temperature=0).softmax(-1)
    assert probability.tolist() == [[0, 1, 0]]


@pytest.mark.parametrize(
    "options",
    [{}, {"temperature": 0.7}, {"top_k": 5}, {"top_p": 0.8}, {"temperature": 1.5, "top_k": 12, "top_p": 0.7}],
)
def test_tokens_are_drawn_as_often_as_the_filtered_distribution_says(options):
    """Chi-square test on 20,000 draws, with the probabilities computed in plain Python."""
    theirs, ours = gpt2(5)
    prompt = [5, 6, 7]
    logits = theirs(torch.tensor([prompt])).logits[0, -1].tolist()
    ranked = sorted(range(V), key=lambda i: -logits[i])
    weight = {
        i: math.exp(logits[i] / options.get("temperature", 1)) for i in ranked[: options.get("top_k", V)]
    }
    kept, total, whole = {}, 0.0, sum(weight.values())
    for i in weight:
        if total < options.get("top_p", 1.0) * whole:
            kept[i] = weight[i]
        total += weight[i]
    n = 20_000
    drawn = generate(ours, [prompt] * n, 1, seed=11, **{"temperature": 1.0, **options})[:, -1]
    counts = torch.bincount(drawn, minlength=V).tolist()
    assert all(counts[i] == 0 for i in range(V) if i not in kept)
    expected = {i: n * w / sum(kept.values()) for i, w in kept.items()}
    rare = [i for i in kept if expected[i] < 5]
    cells = [(counts[i], e) for i, e in expected.items() if i not in rare]
    if rare:
        cells.append((sum(counts[i] for i in rare), sum(expected[i] for i in rare)))
    statistic = sum((c - e) ** 2 / e for c, e in cells if e > 0)
    freedom = len(cells) - 1
    assert freedom > 1
    # Wilson & Hilferty 1931: the cube root of chi-square is nearly normal; 3.7 sigma is 1 in 10,000.
    limit = freedom * (1 - 2 / (9 * freedom) + 3.7 * math.sqrt(2 / (9 * freedom))) ** 3
    assert statistic < limit


def test_one_seed_draws_one_text_and_a_generator_goes_on():
    _, ours = gpt2()
    options = {"temperature": 1.0}
    one, two = (generate(ours, [[5, 6]], 20, seed=4, **options) for _ in range(2))
    assert torch.equal(one, two)
    generator = torch.Generator().manual_seed(4)
    assert torch.equal(generate(ours, [[5, 6]], 20, seed=generator, **options), one)
    assert not torch.equal(generate(ours, [[5, 6]], 20, seed=generator, **options), one)


# ---- beams ----


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize(
    ("num_beams", "length_penalty", "early_stopping", "penalty"),
    [
        (2, 1.0, False, 1.0),
        (3, 0.0, False, 1.0),
        (4, 2.0, True, 1.0),
        (5, -1.0, False, 1.0),
        (4, 0.6, True, 1.4),
    ],
)
def test_beams_and_scores_are_those_of_transformers(name, num_beams, length_penalty, early_stopping, penalty):
    ended_early = 0
    for seed in range(3):
        theirs, ours = FAMILY[name](seed)
        rows = prompts(name, seed)
        batch = their_batch(name, rows, pad_of(ours))
        ends = sorted({EOS, *generate(ours, rows, 5, eos_id=[])[:, -1].tolist()})  # some that are likely
        with torch.no_grad():
            expected = theirs.generate(
                **batch, max_new_tokens=10, do_sample=False,
                num_beams=num_beams, num_return_sequences=num_beams,
                length_penalty=length_penalty, early_stopping=early_stopping, repetition_penalty=penalty,
                eos_token_id=ends, pad_token_id=pad_of(ours),
                return_dict_in_generate=True, output_scores=True,
            )  # fmt: skip
        options = {"num_beams": num_beams, "length_penalty": length_penalty, "early_stopping": early_stopping}
        options |= {"repetition_penalty": penalty, "eos_id": ends}
        which = range(len(rows))
        if penalty != 1 and name in DECODERS:
            which = [1]  # the longest prompt: transformers would punish the padding of the others
        start = batch["input_ids"].shape[1] if name in DECODERS else 1
        for i, beams in zip(which, beam_search(ours, [rows[i] for i in which], 10, **options), strict=True):
            assert len(beams) == num_beams
            for k, beam in enumerate(beams, start=i * num_beams):
                new = expected.sequences[k, start:].tolist()
                length = next((t + 1 for t, token in enumerate(new) if token in ends), len(new))
                assert beam.ids == new[:length]
                assert beam.score == pytest.approx(float(expected.sequences_scores[k]), abs=1e-4)
                ended_early += length < 10
    assert ended_early > 4  # else this test would say nothing about ends


def test_generate_returns_the_best_beam():
    _, ours = bart(2)
    rows = prompts("bart", 2)
    best = [row[0].ids for row in beam_search(ours, rows, 10, num_beams=3)]
    got = generate(ours, rows, 10, num_beams=3)
    assert got[:, 0].tolist() == [ours.config.start_id] * len(rows)
    for row, ids in zip(got, best, strict=True):
        assert row[1 : 1 + len(ids)].tolist() == ids
        assert (row[1 + len(ids) :] == ours.config.pad_id).all()


def test_one_beam_is_greedy():
    _, ours = t5(1)
    beam = beam_search(ours, [[5, 6, 7, EOS]], 8, num_beams=1, eos_id=[])[0][0]
    assert beam.ids == generate(ours, [[5, 6, 7, EOS]], 8, eos_id=[])[0, 1:].tolist()


# ---- text ----


class Scripted(torch.nn.Module):
    """A decoder that writes a given text, to look at streaming alone."""

    def __init__(self, script: list[int], vocab_size: int) -> None:
        super().__init__()
        self.config, self.weight = GPTConfig(vocab_size=vocab_size), torch.nn.Parameter(torch.zeros(1))
        self.script = iter(script)

    def new_cache(self):
        return None

    def forward(self, ids, mask=None, *, cache, last_only):
        logits = torch.zeros(len(ids), 1, self.config.vocab_size)
        logits[..., next(self.script)] = 1
        return type("Output", (), {"logits": logits})


def byte_tokenizer() -> Tokenizer:
    """Every byte a token: Hangul syllables take three."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({char: i for i, char in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


@pytest.mark.parametrize("text", ["한국어 모델", "naïve 🙂 end", "plain"])
def test_streamed_text_never_shows_a_broken_character(text):
    tokenizer = byte_tokenizer()
    script = tokenizer.encode(text).ids
    pieces = list(stream_text(Scripted(script, 256), tokenizer, "x", len(script)))
    assert "".join(pieces) == text
    assert not any("\ufffd" in piece for piece in pieces)
    assert len(pieces) == len(text)  # and each comes as soon as it is whole


def test_streamed_text_that_ends_within_a_character_says_so():
    tokenizer = byte_tokenizer()
    script = tokenizer.encode("한국").ids[:-1]
    assert "".join(stream_text(Scripted(script, 256), tokenizer, "x", len(script))) == "한\ufffd"


# ---- what is refused ----


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": 1.0, "top_p": 1.5}, "top_p 1.5.*above 0 to 1"),
        ({"temperature": 1.0, "top_p": 0.0}, "top_p 0.0.*above 0 to 1"),
        ({"temperature": 1.0, "top_k": 0}, "top_k 0.*1 or more"),
        ({"temperature": -1.0}, "temperature -1.0.*0 .greedy. or above"),
        ({"top_k": 5}, "temperature=1.0 to draw"),
        ({"repetition_penalty": 0}, "repetition_penalty 0.*above 0"),
        ({"num_beams": 2, "temperature": 1.0}, "num_beams=1"),
        ({"num_beams": 0}, "num_beams 0"),
        ({"max_new_tokens": 0}, "max_new_tokens 0"),
        ({"max_new_tokens": 39}, "3 tokens and 39 new ones; this model was made for 40: ask for at most 38"),
        ({"ids": [[5] * 41]}, "shorten the prompt to 40"),
        ({"ids": [[]]}, "without tokens"),
        ({"ids": [[5], []]}, "without tokens"),
        (
            {"ids": torch.ones(1, 3, dtype=torch.long), "mask": torch.tensor([[True, True, False]])},
            "Pad on the left",
        ),
    ],
)
def test_a_refusal_names_the_value_the_limit_and_the_way_out(options, words):
    _, ours = gpt2()
    with pytest.raises(ValueError, match=words):
        generate(ours, **{"ids": [[5, 6, 7]], "max_new_tokens": 4, **options})


def test_the_last_position_can_be_used():
    _, ours = gpt2()
    assert generate(ours, [[5, 6, 7]], 38).shape == (1, 41)


def test_an_encoder_cannot_write():
    with pytest.raises(TypeError, match="Bert does not write: take a GPT"):
        generate(Bert(BertConfig(vocab_size=9, d_model=4, n_layers=1, n_heads=1, d_ff=4)), [[1]], 3)
