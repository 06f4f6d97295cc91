"""The family, one file each, and one way to call them all.

Ids are (B, T). Every call returns an `Output`: `.hidden` (B, T, d_model), `.logits`, `.loss`,
`.hidden_states`, and with ``need_weights=True`` `.attentions` and `.cross_attentions`.

Encoders
    Bert: ``model(ids, segments=None, mask=None, *, labels=None, need_weights=False)``

    Padding is told by ``config.pad_id``.

    ELMo: ``model(ids, *, labels=None)`` with ids of characters (B, T, C) or of whole words (B, T)

Decoders
    GPT, Llama: ``model(ids, mask=None, *, cache=None, labels=None, last_only=False, need_weights=False)``

    `mask` (B, T) is boolean, True where a token is real. Padding stands on the left and is told by the mask
    alone, since many decoders have no padding token. Positions count real tokens only. `labels` (B, T) are
    the ids themselves (-100: not scored); the shift by one happens inside.

Encoder-decoders
    Bart, T5: ``model(ids, decoder_ids=None, *, labels=None, need_weights=False)``, or in two steps
    ``memory = model.encode(ids).hidden`` and then
    ``model.decode(decoder_ids, memory, memory_mask, *, cache=None, last_only=False, need_weights=False)``

    with ``memory_mask = ids != config.pad_id`` (B, S). `labels` (B, T) are what the decoder shall say; its
    input is then ``model.shift_right(labels)``, which begins with ``config.start_id``.

Decoding step by step
    ``cache = model.new_cache()``. Pass it to each call together with *only the new* ids, and the mask of
    only these (none when all are real): the cache remembers the rest. ``cache.length`` counts positions,
    padding included; ``cache.select(rows)`` keeps these rows of the batch, in this order (beams that live
    on, one prefix for many).

Which logits
    ``last_only=True`` gives those of the last position, (B, 1, vocab_size). With `labels` they are computed
    where a label is and nowhere else, (N, vocab_size), row by row. ``model.head(hidden)`` turns any
    `.hidden` into logits.

Weights
    ``Model.from_hf(hf_model)``; ``Model.from_state(config, state)`` with a config.json as a dict and tensors
    under Hugging Face's names; ``Model.from_pretrained(name_or_path)``. ``model.num_parameters()`` counts
    what is learned, ``Model.count_parameters(config)`` the same without allocating it.
"""

from course_lib.models.bart import Bart, BartConfig
from course_lib.models.bert import Bert, BertConfig
from course_lib.models.common import ModelCache, Output
from course_lib.models.elmo import ELMo, ELMoConfig
from course_lib.models.gpt import GPT, GPTConfig
from course_lib.models.llama import Llama, LlamaConfig
from course_lib.models.t5 import T5, T5Config

__all__ = [
    "GPT",
    "T5",
    "Bart",
    "BartConfig",
    "Bert",
    "BertConfig",
    "ELMo",
    "ELMoConfig",
    "GPTConfig",
    "Llama",
    "LlamaConfig",
    "ModelCache",
    "Output",
    "T5Config",
]
