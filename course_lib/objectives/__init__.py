"""What a model learns from: labels made from the text itself, one objective a file.

mlm          hide words, find them again (BERT)
nsp          does the second sentence follow the first? (BERT)
causal       predict the next token (GPT)
denoising    damage a text, write it as it was: five noises (BART)
spans        sentinels for what is missing, write just that (T5)
contrastive  which of these belongs to which? (InfoNCE)
skipgram     predict the neighbours of a word (word2vec)
"""

from course_lib.objectives.causal import causal_lm_loss
from course_lib.objectives.contrastive import info_nce
from course_lib.objectives.denoising import (
    document_rotation,
    sentence_permutation,
    text_infilling,
    token_deletion,
    token_masking,
)
from course_lib.objectives.mlm import mask_tokens
from course_lib.objectives.nsp import NextSentencePairs, nsp_pairs
from course_lib.objectives.spans import span_corruption

__all__ = [
    "NextSentencePairs",
    "causal_lm_loss",
    "document_rotation",
    "info_nce",
    "mask_tokens",
    "nsp_pairs",
    "sentence_permutation",
    "span_corruption",
    "text_infilling",
    "token_deletion",
    "token_masking",
]
