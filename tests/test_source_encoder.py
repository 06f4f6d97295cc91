"""BART with a new encoder in place of its token table: what it sees, what stays, what learns first."""

import pytest
import torch
from torch import nn

from course_lib.generation import generate
from course_lib.models import Bart, BartConfig
from course_lib.models.source_encoder import SourceEncoder, first_step_parameters, with_source_encoder

CONFIG = BartConfig(
    20,
    d_model=24,
    n_layers=2,
    n_heads=3,
    d_ff=32,
    max_positions=16,
    dropout=0.0,
    pad_id=0,
    eos_id=1,
    start_id=1,
)


@pytest.fixture
def bart():
    torch.manual_seed(0)
    return Bart(CONFIG).eval()


def test_with_the_old_table_as_the_new_encoder_it_is_bart(bart):
    changed = with_source_encoder(bart, 20)
    changed.encoder_embedding.token = nn.Embedding.from_pretrained(bart.encoder_embedding.token.weight)
    ids, labels = torch.randint(2, 20, (2, 7)), torch.randint(2, 20, (2, 5))
    torch.testing.assert_close(changed(ids, labels=labels).logits, bart(ids, labels=labels).logits)


def test_it_reads_another_vocabulary_and_writes_its_own(bart):
    changed = with_source_encoder(bart, 500).eval()
    ids = torch.randint(2, 500, (3, 9))
    assert changed(ids, labels=torch.randint(2, 20, (3, 4))).logits.shape == (12, 20)
    assert generate(changed, ids, 5).max() < 20
    with pytest.raises(ValueError, match="ids 0 to 499"):
        changed(torch.full((1, 3), 500), labels=torch.ones(1, 2, dtype=torch.long))


def test_the_bart_that_was_given_keeps_its_table_and_both_sides_share_it(bart):
    changed = with_source_encoder(bart, 500)
    assert bart.encoder_embedding.token is bart.decoder_embedding.token
    assert isinstance(changed.encoder_embedding.token, SourceEncoder)
    torch.testing.assert_close(changed.decoder_embedding.token.weight, bart.decoder_embedding.token.weight)
    before = bart.decoder_embedding.token.weight.clone()
    with torch.no_grad():
        changed.decoder_embedding.token.weight.zero_()
    torch.testing.assert_close(bart.decoder_embedding.token.weight, before)


def test_padding_of_the_source_changes_nothing(bart):
    changed = with_source_encoder(bart, 50).eval()
    ids, labels = torch.randint(2, 50, (1, 6)), torch.randint(2, 20, (1, 4))
    padded = torch.cat([ids, torch.zeros(1, 3, dtype=torch.long)], dim=1)
    torch.testing.assert_close(changed(padded, labels=labels).logits, changed(ids, labels=labels).logits)


def test_step_one_moves_the_new_encoder_positions_and_first_projections_and_nothing_else(bart):
    changed = with_source_encoder(bart, 50)
    first = {id(parameter) for parameter in first_step_parameters(changed)}
    names = {name for name, parameter in changed.named_parameters() if id(parameter) in first}
    assert {name for name in names if not name.startswith("encoder_embedding.token.")} == {
        "encoder_embedding.position.weight",
        "decoder_embedding.position.weight",
        *(
            f"encoder_blocks.0.attention.{part}.{kind}"
            for part in ("query", "key", "value")
            for kind in ("weight", "bias")
        ),
    }
    new = {name for name, _ in changed.named_parameters() if name.startswith("encoder_embedding.token.")}
    assert new and new <= names
