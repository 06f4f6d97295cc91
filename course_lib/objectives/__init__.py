"""What a model learns from: labels made from the text itself, one objective a file.

mlm          hide words, find them again (BERT)
nsp          does the second sentence follow the first? (BERT)
causal       predict the next token (GPT)
contrastive  which of these belongs to which? (InfoNCE)
skipgram     predict the neighbours of a word (word2vec)
"""

from course_lib.objectives.causal import causal_lm_loss
from course_lib.objectives.contrastive import info_nce
from course_lib.objectives.mlm import mask_tokens
from course_lib.objectives.nsp import NextSentencePairs, nsp_pairs

__all__ = ["NextSentencePairs", "causal_lm_loss", "info_nce", "mask_tokens", "nsp_pairs"]
