"""ELMo against its equations written out one step, one word, one character at a time."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from course_lib.models import ELMo, ELMoConfig

SMALL = {"vocab_size": 23, "d_model": 5, "d_cell": 7, "dropout": 0.0}
CHARACTERS = {**SMALL, "n_chars": 19, "d_char": 3, "filters": ((1, 2), (2, 3), (4, 4))}


def make(seed: int = 0, **config) -> ELMo:
    torch.manual_seed(seed)
    model = ELMo(ELMoConfig(**config)).eval()
    with torch.no_grad():
        model.mix.weights.copy_(torch.randn(len(model.mix.weights)))
        model.mix.scale.fill_(1.7)
    return model


def lstm_by_hand(lstm: torch.nn.LSTM, words: list[Tensor]) -> list[Tensor]:
    """The cell of Hochreiter & Schmidhuber 1997 with forget gate and projection, word after word."""
    h, c = torch.zeros(lstm.proj_size or lstm.hidden_size), torch.zeros(lstm.hidden_size)
    states = []
    for x in words:
        gates = lstm.weight_ih_l0 @ x + lstm.bias_ih_l0 + lstm.weight_hh_l0 @ h + lstm.bias_hh_l0
        i, f, g, o = gates.chunk(4)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        if lstm.proj_size:
            h = lstm.weight_hr_l0 @ h
        states.append(h)
    return states


def direction_by_hand(lstms: torch.nn.ModuleList, words: list[Tensor]) -> list[list[Tensor]]:
    layers = [words]
    for number, lstm in enumerate(lstms):
        states = lstm_by_hand(lstm, layers[-1])
        if number > 0:
            states = [h + below for h, below in zip(states, layers[-1], strict=True)]
        layers.append(states)
    return layers


def sentence_by_hand(model: ELMo, words: list[Tensor]) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
    onward = direction_by_hand(model.forward_lstms, words)
    back = direction_by_hand(model.backward_lstms, words[::-1])
    return onward, [layer[::-1] for layer in back]


def spell_by_hand(model: ELMo, chars: list[int]) -> Tensor:
    """One word: every window that starts on one of its characters, zeros behind its end."""
    encoder = model.encoder
    table = [encoder.character.weight[c] for c in chars] + [torch.zeros(3)] * 9
    features = []
    for convolution in encoder.convolutions:
        width = convolution.kernel_size[0]
        for kernel, bias in zip(convolution.weight, convolution.bias, strict=True):
            windows = [
                bias + sum(kernel[:, k] @ table[start + k] for k in range(width))
                for start in range(len(chars))
            ]
            features.append(max(0.0, *(float(w) for w in windows)))
    x = torch.tensor(features)
    for highway in encoder.highways:
        gate = torch.sigmoid(highway.gate.weight @ x + highway.gate.bias)
        x = gate * torch.relu(highway.transform.weight @ x + highway.transform.bias) + (1 - gate) * x
    return encoder.projection.weight @ x + encoder.projection.bias


def nll(model: ELMo, state: Tensor, word: int) -> float:
    scores = (model.output.weight @ state + model.output.bias).tolist()
    return math.log(sum(math.exp(s) for s in scores)) - scores[word]


@pytest.mark.parametrize("d_cell", [5, 7])  # without and with a projection
@pytest.mark.parametrize("n_layers", [1, 2, 3])
@torch.no_grad()
def test_states_mix_and_loss_equal_the_equations(n_layers, d_cell):
    model = make(n_chars=None, n_layers=n_layers, **{**SMALL, "d_cell": d_cell})
    rows = [[3, 1, 4, 1, 5], [9, 2, 6]]
    ids = torch.tensor([rows[0], rows[1] + [0, 0]])
    out = model(ids, labels=ids)
    forward_losses, backward_losses = [], []
    s = model.mix.weights.tolist()
    shares = [math.exp(a) / sum(math.exp(b) for b in s) for a in s]
    for b, row in enumerate(rows):
        onward, back = sentence_by_hand(model, [model.encoder.weight[w] for w in row])
        for t in range(len(row)):
            layers = [torch.cat([f[t], r[t]]) for f, r in zip(onward, back, strict=True)]
            for j, layer in enumerate(layers):
                torch.testing.assert_close(out.hidden_states[j][b, t], layer)
            mix = 1.7 * sum(share * layer for share, layer in zip(shares, layers, strict=True))
            torch.testing.assert_close(out.hidden[b, t], mix)
            if t + 1 < len(row):
                forward_losses.append(nll(model, onward[-1][t], row[t + 1]))
            if t > 0:
                backward_losses.append(nll(model, back[-1][t], row[t - 1]))
    expected = (sum(forward_losses) / len(forward_losses) + sum(backward_losses) / len(backward_losses)) / 2
    assert float(out.loss) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("room", [6, 9])
@torch.no_grad()
def test_a_word_equals_its_convolutions_by_hand_however_far_it_is_padded(room):
    model = make(**CHARACTERS)
    words = [[7, 2, 9, 4, 18, 1], [5], [11, 3]]
    chars = torch.tensor([[word + [0] * (room - len(word)) for word in words]])
    vectors = model(chars).hidden_states[0][0, :, :5]
    for vector, word in zip(vectors, words, strict=True):
        torch.testing.assert_close(vector, spell_by_hand(model, word))


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 9), st.data())
@torch.no_grad()
def test_the_forward_half_never_sees_the_future_nor_the_backward_half_the_past(T, data):
    t = data.draw(st.integers(0, T - 1))
    model = make(n_chars=None, **SMALL)
    ids = torch.randint(1, 23, (2, T))
    other = ids.clone()
    other[:, t] = ids[:, t] % 22 + 1
    for before, after in zip(model(ids).hidden_states, model(other).hidden_states, strict=True):
        torch.testing.assert_close(before[:, :t, :5], after[:, :t, :5], rtol=0, atol=0)
        torch.testing.assert_close(before[:, t + 1 :, 5:], after[:, t + 1 :, 5:], rtol=0, atol=0)
    assert (before != after)[:, t:, :5].any(dim=(0, 2)).all()
    assert (before != after)[:, : t + 1, 5:].any(dim=(0, 2)).all()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 7), min_size=1, max_size=4), st.integers(0, 4), st.booleans())
@torch.no_grad()
def test_padding_changes_no_state(lengths, extra, by_character):
    model = make(**CHARACTERS) if by_character else make(n_chars=None, **SMALL)
    T = max(lengths) + extra
    shape = (len(lengths), T, 6) if by_character else (len(lengths), T)
    ids = torch.randint(1, 19, shape)
    for b, length in enumerate(lengths):
        ids[b, length:] = 0
    together = model(ids)
    for b, length in enumerate(lengths):
        alone = model(ids[b : b + 1, :length])
        for padded, single in zip(together.hidden_states, alone.hidden_states, strict=True):
            torch.testing.assert_close(padded[b, :length], single[0], atol=1e-6, rtol=1e-5)
    assert not together.hidden.isnan().any()


def test_both_directions_and_the_mix_learn():
    model = make(**CHARACTERS)
    out = model(torch.randint(1, 19, (2, 5, 6)), labels=torch.randint(1, 23, (2, 5)))
    (out.loss + out.hidden.square().mean()).backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


def test_the_published_size_comes_out():
    """93.6 M (allennlp.org/elmo, "Original"), by hand from section 3.4 of the paper.

    Left out there: the softmax and the mix. PyTorch's LSTM has a second bias a gate, which adds nothing.
    """
    characters = 262 * 16
    convolutions = sum(16 * w * n + n for w, n in ELMoConfig().filters)
    highway = 2 * 2 * (2048 * 2048 + 2048)
    projection = 2048 * 512 + 512
    lstm = (512 + 512 + 1) * 4 * 4096 + 4096 * 512
    published = characters + convolutions + highway + projection + 4 * lstm
    assert round(published / 1e6, 1) == 93.6
    softmax, mix, second_biases = 793_471 * 513, 4, 4 * 4 * 4096
    assert ELMo.count_parameters(ELMoConfig()) == published + softmax + mix + second_biases


def test_input_of_the_wrong_kind_is_named():
    with pytest.raises(ValueError, match=r"characters \(B, T, C\)"):
        make(**CHARACTERS)(torch.ones(2, 3, dtype=torch.long))
    with pytest.raises(ValueError, match=r"words \(B, T\)"):
        make(n_chars=None, **SMALL)(torch.ones(2, 3, 4, dtype=torch.long))
    with pytest.raises(ValueError, match="d_cell"):
        ELMoConfig(d_model=8, d_cell=4)
    with pytest.raises(ValueError, match="no twin"):
        ELMo.from_state({"model_type": "elmo"}, {})
