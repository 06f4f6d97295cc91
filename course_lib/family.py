"""The family of Transformers as data: who came when, from whom, how large, and where the course builds it."""

from __future__ import annotations

from dataclasses import dataclass

BRANCHES = ("before", "encoder", "encoder-decoder", "decoder", "images")


@dataclass(frozen=True)
class Member:
    """One model.

    date: year and month of the paper or release. parents: whose idea it builds on. parameters: of the largest
    published size, None where no figure was published. lesson: number of the lesson that builds or uses it.
    """

    name: str
    date: str
    branch: str
    parents: tuple[str, ...] = ()
    parameters: float | None = None
    source: str = ""
    lesson: str | None = None

    @property
    def year(self) -> float:
        """The date as a number: 2018-10 is 2018.75."""
        year, month = self.date.split("-")
        return int(year) + (int(month) - 1) / 12


FAMILY = (
    Member("word2vec", "2013-01", "before", (), None, "Mikolov et al. 2013, arXiv:1301.3781", "03"),
    Member("ELMo", "2018-02", "before", ("word2vec",), 93.6e6, "Peters et al. 2018, arXiv:1802.05365", "03"),
    Member(
        "Transformer", "2017-06", "encoder-decoder", (), 213e6, "Vaswani et al. 2017, arXiv:1706.03762", "01"
    ),
    Member(
        "BERT",
        "2018-10",
        "encoder",
        ("Transformer", "ELMo"),
        340e6,
        "Devlin et al. 2019, arXiv:1810.04805",
        "05",
    ),
    Member("RoBERTa", "2019-07", "encoder", ("BERT",), 355e6, "Liu et al. 2019, arXiv:1907.11692", "05"),
    Member("MiniLM", "2020-02", "encoder", ("BERT",), 66e6, "Wang et al. 2020, arXiv:2002.10957", "01"),
    Member("UniLM", "2019-05", "encoder", ("BERT",), 340e6, "Dong et al. 2019, arXiv:1905.03197", "07"),
    Member("XLNet", "2019-06", "encoder", ("BERT",), 340e6, "Yang et al. 2019, arXiv:1906.08237", "07"),
    Member("GPT", "2018-06", "decoder", ("Transformer",), 117e6, "Radford et al. 2018", "06"),
    Member("GPT-2", "2019-02", "decoder", ("GPT",), 1.56e9, "Radford et al. 2019", "07"),
    Member("GPT-3", "2020-05", "decoder", ("GPT-2",), 175e9, "Brown et al. 2020, arXiv:2005.14165", "08"),
    Member(
        "InstructGPT", "2022-03", "decoder", ("GPT-3",), 175e9, "Ouyang et al. 2022, arXiv:2203.02155", "11"
    ),
    Member("ChatGPT", "2022-11", "decoder", ("InstructGPT",), None, "OpenAI 2022", "11"),
    Member("Llama", "2023-02", "decoder", ("GPT-3",), 65e9, "Touvron et al. 2023, arXiv:2302.13971", "07"),
    Member("GPT-4", "2023-03", "decoder", ("ChatGPT",), None, "OpenAI 2023, arXiv:2303.08774", "13"),
    Member("SmolLM2", "2025-02", "decoder", ("Llama",), 1.7e9, "Allal et al. 2025, arXiv:2502.02737", "08"),
    Member("GPT-5", "2025-08", "decoder", ("GPT-4",), None, "OpenAI 2025", "13"),
    Member(
        "BART",
        "2019-10",
        "encoder-decoder",
        ("BERT", "GPT"),
        406e6,
        "Lewis et al. 2019, arXiv:1910.13461",
        "09",
    ),
    Member(
        "T5",
        "2019-10",
        "encoder-decoder",
        ("Transformer",),
        11e9,
        "Raffel et al. 2020, arXiv:1910.10683",
        "10",
    ),
    Member(
        "ViT", "2020-10", "images", ("Transformer",), 632e6, "Dosovitskiy et al. 2020, arXiv:2010.11929", "13"
    ),
    Member("CLIP", "2021-02", "images", ("ViT",), None, "Radford et al. 2021, arXiv:2103.00020", "13"),
    Member(
        "Latent diffusion", "2021-12", "images", ("CLIP",), 1.45e9, "Rombach et al. 2021, arXiv:2112.10752"
    ),
)
