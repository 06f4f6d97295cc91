"""The family, one file each."""

from course_lib.models.bert import Bert, BertConfig

__all__ = ["Bert", "BertConfig"]
