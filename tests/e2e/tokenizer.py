"""Writes a small local tokenizer for AIPerf, trained on this repository's own texts: `python tokenizer.py OUTDIR TEXT...`.

AIPerf wants one, and nothing may be downloaded. Runs in AIPerf's environment, which brings `tokenizers` and `transformers`.
"""

import sys

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast


def main() -> None:
    """Train a byte-level BPE and save it in the layout that transformers loads from a folder."""
    output, *texts = sys.argv[1:]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2000,
        special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train(texts, trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>").save_pretrained(output)


if __name__ == "__main__":
    main()
