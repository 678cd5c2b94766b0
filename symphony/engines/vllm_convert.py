"""From a GGUF file to the folder that vLLM serves: weights, configuration, tokenizer.

    …/python -P …/symphony/engines/vllm_convert.py MODEL.gguf FOLDER

Run as a file by the interpreter of vLLM's own environment, which has the packages `gguf`,
`safetensors`, `torch` and `transformers`; it imports nothing of Symphony. Every tensor is
unpacked by `gguf` to 32-bit floats, renamed, and written as bfloat16, one after the other, so
that memory holds the unpacked form of one tensor at most. Nothing is guessed: an architecture or
a tensor that is not in the tables below is an error.

Two families are known. `llama` keeps the rows of its query and key matrices in the order of
llama.cpp's rotary embedding, and they are put back into the order of the original; `qwen2`
keeps them as they were.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

import gguf
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer

FAMILIES: Final = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM"}
TOP: Final = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
LAYER: Final = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_BLOCK: Final = re.compile(r"blk\.(\d+)\.(\w+)\.(weight|bias)")
_ROPE_ONLY: Final = "rope_freqs.weight"


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: vllm_convert.py MODEL.gguf FOLDER")
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    reader = gguf.GGUFReader(source)
    config = configuration(reader)
    tensors = weights(reader, config)
    config["tie_word_embeddings"] = "lm_head.weight" not in tensors
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    tokenizer.save_pretrained(folder)
    config |= {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def configuration(reader: Any) -> dict[str, Any]:
    """What the metadata of the file says about the shape of the model."""
    family = reader.fields["general.architecture"].contents()
    if family not in FAMILIES:
        sys.exit(f"the architecture {family} is not known; known: {', '.join(FAMILIES)}")

    def said(name: str) -> Any:
        return reader.fields[f"{family}.{name}"].contents()

    return {
        "architectures": [FAMILIES[family]],
        "model_type": family,
        "hidden_act": "silu",
        "torch_dtype": "bfloat16",
        "hidden_size": said("embedding_length"),
        "intermediate_size": said("feed_forward_length"),
        "num_hidden_layers": said("block_count"),
        "num_attention_heads": said("attention.head_count"),
        "num_key_value_heads": said("attention.head_count_kv"),
        "max_position_embeddings": said("context_length"),
        "rms_norm_eps": said("attention.layer_norm_rms_epsilon"),
        "rope_theta": said("rope.freq_base"),
        "vocab_size": len(reader.fields["tokenizer.ggml.tokens"].data),
    }


def weights(reader: Any, config: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Every tensor under its original name, in bfloat16."""
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    found: dict[str, torch.Tensor] = {}
    for tensor in reader.tensors:
        if tensor.name == _ROPE_ONLY:
            continue
        values = torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type).copy())
        block = _BLOCK.fullmatch(tensor.name)
        if block is None:
            place, _, part = tensor.name.rpartition(".")
            name = f"{TOP[place]}.{part}"
        else:
            name = f"model.layers.{block[1]}.{LAYER[block[2]]}.{block[3]}"
            if config["model_type"] == "llama" and block[2] in heads:
                values = original_order(values, heads[block[2]])
        found[name] = values.to(torch.bfloat16).contiguous()
    return found


def original_order(values: torch.Tensor, heads: int) -> torch.Tensor:
    """Undo the pairing of rows that llama.cpp's rotary embedding wants, head by head."""
    rows, *rest = values.shape
    paired = values.reshape(heads, rows // heads // 2, 2, *rest)
    return paired.swapaxes(1, 2).reshape(values.shape)


if __name__ == "__main__":
    main()
