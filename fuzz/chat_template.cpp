// A chat template, at work on a conversation with tools.
#include "sleb/text/chat/chat_template.h"

#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sleb;
  static const OrderedJson variables = OrderedJson::parse(R"({
    "bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": true, "tools": [{"type": "function", "function":
      {"name": "f", "parameters": {"type": "object", "properties": {"x": {"type": ["integer", "null"]}}}}}],
    "messages": [{"role": "system", "content": " Be kind. "}, {"role": "user", "content": "Hï <b>\n👍"},
      {"role": "assistant", "content": "<think>x</think> y", "tool_calls": [{"id": "abcdefghi", "function": {"name": "f",
        "arguments": {"x": 1.5}}}]}, {"role": "tool", "content": "7"}],
    "n": 7, "x": -2.5, "s": "abc déf", "words": ["b", "A", "c"], "d": {"b": 1, "a": [true, null]}, "pairs": [["k", 1]]})");
  fuzzing::accepts([&] { jinja::Template(fuzzing::text_of(data, size), "x", jinja::Dialect::chat).render(variables); });
  return 0;
}
