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


def test_where_no_kernel_runs_the_still_living_view_stands_in():
    data, _ = explore_live(gpt(), tokenizer(), TEXT)._repr_mimebundle_()
    assert "<iframe" in data["text/html"] and "application/vnd.jupyter.widget-view+json" in data


def test_a_model_without_an_output_says_how_far_its_vectors_moved():
    torch.manual_seed(0)
    model = Bert(BertConfig(len(WORDS), d_model=24, n_layers=2, n_heads=3, d_ff=32, max_positions=20)).eval()
    live = explore_live(model, tokenizer(), TEXT)
    live.off = [[0, 0], [0, 1], [0, 2]]
    ((name, before, now),) = live.predictions["rows"]
    assert name == "cosine" and before == 1 and 0 < now < 1 - 1e-6
