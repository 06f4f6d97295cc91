"""The explorer with a kernel behind it: with heads off it predicts what the ablation by hand predicts."""

import pytest
import torch

from course_lib.heads import heads_off, without_heads
from course_lib.models import GPT, Bert, BertConfig, GPTConfig
from course_lib.tokenization import WordPiece
from course_lib.viz import explore_live

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "dog", "sees", "a", "cat", "."]
TEXT = "the dog sees a cat"


def tokenizer():
    return WordPiece({word: i for i, word in enumerate(WORDS)})


def gpt():
    torch.manual_seed(0)
    return GPT(
        GPTConfig(len(WORDS), d_model=24, n_layers=3, n_heads=4, max_positions=140, dropout=0.0)
    ).eval()


def bert():
    torch.manual_seed(0)
    sizes = {"d_model": 24, "n_layers": 2, "n_heads": 3, "d_ff": 32, "max_positions": 20}
    return Bert(BertConfig(len(WORDS), **sizes, mlm=True)).eval()


def test_switching_heads_off_gives_the_logits_of_the_copy_without_them_and_leaves_no_trace():
    model, heads, ids = gpt(), [(0, 1), (2, 3), (0, 1)], torch.randint(5, 11, (2, 7))
    before = model(ids).logits
    with heads_off(model, heads):
        during = model(ids).logits
    torch.testing.assert_close(during, without_heads(model, heads)(ids).logits, rtol=0, atol=0)
    assert not torch.equal(during, before)
    torch.testing.assert_close(model(ids).logits, before, rtol=0, atol=0)


def test_heads_come_back_after_an_error_and_one_that_is_not_there_is_refused():
    model, ids = gpt(), torch.randint(5, 11, (1, 4))
    before = model(ids).logits
    with pytest.raises(KeyError), heads_off(model, [(1, 1)]):
        raise KeyError
    torch.testing.assert_close(model(ids).logits, before, rtol=0, atol=0)
    with pytest.raises(ValueError, match=r"no head \(0, 9\)"), heads_off(model, [(1, 1), (0, 9)]):
        pass
    torch.testing.assert_close(model(ids).logits, before, rtol=0, atol=0)


def silence(model, layer, head):
    """By hand, without course_lib.heads: what the head says is zeroed on its way to the output projection."""
    attention = model.blocks[layer].attention
    width = model.config.d_model // attention.n_heads

    def zeroed(_, inputs):
        said = inputs[0].clone()
        said.view(*said.shape[:-1], attention.n_heads, width)[..., head, :] = 0
        return (said,)

    return attention.output.register_forward_pre_hook(zeroed)


@pytest.mark.parametrize("make", [gpt, bert])
def test_the_logits_with_heads_off_are_those_of_the_ablation_by_hand(make):
    model, words, off = make(), tokenizer(), [[0, 2], [1, 0]]
    text = TEXT if make is gpt else "the dog sees [MASK] cat"
    live, seen = explore_live(model, words, text), []
    with model.register_forward_hook(lambda *call: seen.append(call[-1].logits)):
        live.off = off
    whole, during = seen
    ids = torch.tensor([words.encode(text)])
    hooks = [silence(model, *one) for one in off]
    with torch.no_grad():
        by_hand = model(ids).logits
    for hook in hooks:
        hook.remove()
    torch.testing.assert_close(during, by_hand, rtol=1e-5, atol=1e-6)
    assert (during - whole).abs().max() > 1e-3  # or the heads would do nothing, and any mistake pass
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, whole, rtol=1e-5, atol=1e-6)
    place = -1 if make is gpt else ids[0].tolist().index(words.mask_id)
    shares = by_hand[0, place].softmax(-1)
    for name, _, now in live.predictions["rows"]:
        assert now == pytest.approx(shares[WORDS.index(name)].item(), abs=1e-6)


@pytest.mark.parametrize("make", [gpt, bert])
def test_the_predictions_are_those_of_the_ablation_by_hand(make):
    model, words = make(), tokenizer()
    text = TEXT if make is gpt else "the dog sees [MASK] cat"
    live = explore_live(model, words, text)
    assert all(before == now for _, before, now in live.predictions["rows"])
    live.off = [[0, 1], [1, 2]]
    ids = torch.tensor([words.encode(text)])
    place = -1 if make is gpt else ids[0].tolist().index(words.mask_id)
    with torch.no_grad():
        whole = model(ids).logits[0, place].softmax(-1)
        ablated = without_heads(model, [(0, 1), (1, 2)])(ids).logits[0, place].softmax(-1)
    assert [name for name, *_ in live.predictions["rows"]][:5] == [WORDS[i] for i in whole.topk(5).indices]
    for name, before, now in live.predictions["rows"]:
        assert before == pytest.approx(whole[WORDS.index(name)].item(), abs=1e-6)
        assert now == pytest.approx(ablated[WORDS.index(name)].item(), abs=1e-6)


def test_the_weights_on_show_are_those_with_the_heads_off_to_half_a_256th():
    model, words = gpt(), tokenizer()
    live = explore_live(model, words, TEXT)
    live.off = [[0, 0]]
    ids = torch.tensor([words.encode(TEXT)])
    with torch.no_grad():
        expected = torch.stack(without_heads(model, [(0, 0)])(ids, need_weights=True).attentions)[:, 0]
    shown = torch.frombuffer(bytearray(live.weights), dtype=torch.uint8).view(expected.shape) / 255
    torch.testing.assert_close(shown, expected, rtol=0, atol=0.5 / 255 + 1e-6)


def test_a_new_sentence_is_read_and_bad_ones_are_told_and_change_nothing():
    live = explore_live(gpt(), tokenizer(), TEXT)
    live.text = "a cat sees the dog ."
    tokens = live.examples[0]["tokens"]
    assert tokens[1:-1] == ["a", "cat", "sees", "the", "dog", "."] and live.message == ""
    for text, told in (("   ", "type a sentence"), ("a " * 135, "shorten the text"), ("a " * 500, "shorten")):
        live.text = text
        assert told in live.message
        assert live.examples[0]["tokens"] == tokens
    live.text = "the </script><img src=x onerror=alert(1)>"
    assert live.message == ""


def test_it_is_shown_as_a_still_living_view_and_a_widget_that_says_nothing_elsewhere(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda one, raw=False: shown.append((one, raw)))
    live = explore_live(gpt(), tokenizer(), TEXT)
    live._ipython_display_()
    (still, _), (widget, raw) = shown
    assert "<iframe" in still.html and "<img" in still.html
    assert list(widget) == ["application/vnd.jupyter.widget-view+json"] and raw
    assert widget["application/vnd.jupyter.widget-view+json"]["model_id"] == live.model_id


def test_a_page_of_the_site_and_a_built_lesson_keep_the_view_and_drop_the_widget():
    from nbformat.v4 import new_code_cell, new_notebook, new_output

    from course_lib.build import tidy
    from course_lib.site import _output

    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}
    saved = [new_output("display_data", data) for data in ({"text/html": "<b>view</b>"}, widget)]
    assert [_output(output, None) for output in saved] == ["<b>view</b>", ""]
    (cell,) = tidy(new_notebook(cells=[new_code_cell("", outputs=saved)])).cells
    assert [list(output.data) for output in cell.outputs] == [["text/html"]]


def test_a_model_without_an_output_says_how_far_its_vectors_moved():
    torch.manual_seed(0)
    model = Bert(BertConfig(len(WORDS), d_model=24, n_layers=2, n_heads=3, d_ff=32, max_positions=20)).eval()
    live = explore_live(model, tokenizer(), TEXT)
    live.off = [[0, 0], [0, 1], [0, 2]]
    ((name, before, now),) = live.predictions["rows"]
    assert name == "cosine" and before == 1 and 0 < now < 1 - 1e-6
