#include "sleb/checkpoint/refused_families.h"

#include <algorithm>
#include <span>

namespace sleb {
namespace {

constexpr std::string_view state_space[] = {"mamba", "mamba2", "falcon_mamba", "rwkv", "xlstm"};
constexpr std::string_view hybrid[] = {
    "bamba",    "bailing_hybrid", "falcon_h1",  "granitemoehybrid", "jamba",       "kimi_linear",  "lfm2",
    "lfm2_moe", "lfm3",           "minimax",    "nemotron_h",       "olmo_hybrid", "qwen3_5",      "qwen3_5_moe",
    "zaya",     "zamba",          "qwen3_next", "recurrent_gemma",  "zamba2",      "qwen3_5_text", "hunyuan_vl"};
constexpr std::string_view encoders[] = {
    "albert",   "bert",       "camembert",  "convbert", "deberta",    "deberta-v2", "distilbert", "electra",    "ernie",
    "eurobert", "longformer", "modernbert", "mpnet",    "nomic_bert", "rembert",    "roberta",    "xlm-roberta"};
constexpr std::string_view encoder_decoders[] = {
    "bart",       "blenderbot",          "led", "longt5",  "m2m_100", "marian", "mbart",  "mt5", "pegasus",
    "prophetnet", "switch_transformers", "t5",  "t5gemma", "udop",    "umt5",   "whisper"};
constexpr std::string_view mixtures[] = {"afmoe",        "arctic",        "cohere2_moe",      "dbrx",
                                         "ernie4_5_moe", "granitemoe",    "granitemoeshared", "hunyuan_v1_moe",
                                         "jetmoe",       "longcat_flash", "minimax_m2",       "phimoe"};
constexpr std::string_view shared_caches[] = {"gemma3n", "gemma3n_text", "gemma4", "gemma4_text"};
constexpr std::string_view own_code[] = {"baichuan", "chatglm", "internlm", "phi-msft", "phi3small", "qwen", "xverse"};

struct Reason {
  std::span<const std::string_view> types;
  std::string_view text;
};
constexpr Reason reasons[] = {
    {state_space, "is a state-space model: it has no attention and no blocks of attention and MLP to remove"},
    {hybrid,
     "is a hybrid: some of its blocks have a recurrent state or a convolution in place of attention, which sleb "
     "does not compute"},
    {encoders, "is an encoder: it sees later tokens too, so it has no perplexity to search by"},
    {encoder_decoders, "is an encoder and a decoder; sleb removes blocks from decoders alone"},
    {mixtures, "is a mixture of experts, which sleb does not compute yet"},
    {shared_caches,
     "has blocks that use other blocks' keys and values, or several hidden states side by side, which sleb "
     "does not compute"},
    {own_code, "is computed by Python code of the model's own, which sleb does not run and transformers does not have"},
};

}  // namespace

std::string_view reason_of_refusal(std::string_view model_type) {
  const auto* const found = std::ranges::find_if(
      reasons, [&](const Reason& reason) { return std::ranges::find(reason.types, model_type) != reason.types.end(); });
  return found == std::end(reasons) ? std::string_view() : found->text;
}

}  // namespace sleb
