#include "sleb/text/chat/chat_template.h"

#include <gtest/gtest.h>

#include "sleb/base/error_message.h"

namespace sleb {
namespace {

const std::vector<ChatMessage> greeting = {{"system", "Be kind."}, {"user", "Hi"}};

std::string prompt(const OrderedJson& config) {
  return chat_template_of_config(config.dump(), "x.json")->prompt(greeting);
}

std::string refusal(const OrderedJson& config) {
  return error_message([&] { prompt(config); });
}

TEST(ChatTemplate, SeesMessagesAndSpecialTokens) {
  EXPECT_EQ(prompt({{"bos_token", {{"content", "<s>"}}},
                    {"eos_token", "</s>"},
                    {"pad_token", nullptr},
                    {"chat_template",
                     "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ eos_token }}{% endfor %}"
                     "{{ pad_token is defined }}{{ tools is none }}{% if add_generation_prompt %}[bot]{% endif %}"}}),
            "<s>[system]Be kind.</s>[user]Hi</s>FalseTrue[bot]");
}

TEST(ChatTemplate, OfSeveralTheDefaultCounts) {
  const OrderedJson named = {{{"name", "tool_use"}, {"template", "a"}}, {{"name", "default"}, {"template", "b"}}};
  EXPECT_EQ(prompt({{"chat_template", named}}), "b");
}

TEST(ChatTemplate, NoneIsNoError) {
  EXPECT_FALSE(chat_template_of_config("{}", "x.json"));
  EXPECT_FALSE(chat_template_of_config(R"({"chat_template": null})", "x.json"));
}

TEST(ChatTemplate, MalformedOnesAreRefused) {
  EXPECT_EQ(refusal({{"chat_template", "\n{% if %}"}}),
            "x.json: chat_template: line 2 of the template: expected an expression, not \"%}\"");
  EXPECT_EQ(refusal({{"chat_template", OrderedJson::array()}}),
            "x.json: chat_template: there are several chat templates, but none is named \"default\"");
  EXPECT_NE(refusal({{"chat_template", 5}}), "no error");
  EXPECT_NE(refusal({{"chat_template", {{{"name", "default"}}}}}), "no error");
  EXPECT_NE(refusal({{"chat_template", "a"}, {"bos_token", 5}}), "no error");
}

}  // namespace
}  // namespace sleb
