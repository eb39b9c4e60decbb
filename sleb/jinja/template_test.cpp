#include "sleb/jinja/template.h"

#include <gtest/gtest.h>

#include "sleb/base/error_message.h"

namespace sleb::jinja {
namespace {

std::string rendered(const std::string& source, const OrderedJson& variables = OrderedJson::object()) {
  return Template(source, "x").render(variables);
}

std::string refusal(const std::string& source) {
  return error_message([&] { rendered(source); });
}

// tests/tokenizer/test_jinja.py compares with jinja2; this is one template of each part of the language.
TEST(Template, RendersAConversation) {
  const std::string source =
      "{{- bos }}\n"
      "{%- macro turn(role, text='') %}<{{ role }}>{{ text | trim }}{% endmacro %}\n"
      "{%- for m in messages if m.content is string %}\n"
      "  {%- set text = m['content'][:5] ~ ('...' if m.content | length > 5) %}\n"
      "  {{- turn(m.role, text=text) }}{{ '' if loop.last else '|' }}\n"
      "{%- endfor %}\n";
  const OrderedJson variables = {
      {"bos", "<s>"},
      {"messages",
       {{{"role", "user"}, {"content", " Hello world"}}, {{"role", "tool"}}, {{"role", "bot"}, {"content", "Hi"}}}}};
  EXPECT_EQ(rendered(source, variables), "<s><user>Hell...|<bot>Hi");
}

TEST(Template, MalformedOnesAreRefusedWithTheirLine) {
  EXPECT_EQ(refusal("\n{{ 1"), "x: line 2 of the template: a tag has no end");
  EXPECT_EQ(refusal("{# "), "x: line 1 of the template: a comment has no end");
  EXPECT_EQ(refusal("{{ 'a }}"), "x: line 1 of the template: a string has no end");
  EXPECT_EQ(refusal("{{ (1] }}"), "x: line 1 of the template: a \"]\" closes nothing");
  EXPECT_EQ(refusal("{% if 1 %}\n"), "x: line 1 of the template: the block has no \"endif\"");
  EXPECT_EQ(refusal("{{ '\\ud800' }}"), "x: line 1 of the template: the escape \\ud800 is no character");
  EXPECT_EQ(refusal("{{ 1 2 }}"), "x: line 1 of the template: expected \"}}\", not \"2\"");
  EXPECT_EQ(refusal("\xFF"), "x: the template is not valid UTF-8");
  EXPECT_EQ(refusal(std::string((size_t{1} << 20) + 1, ' ')), "x: the template of 1048577 bytes is too long");
}

TEST(Template, RunsHaveAnEnd) {
  const std::string message = "x: line 1 of the template: the template takes too long, or makes too much";
  EXPECT_EQ(refusal("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"), message);
  EXPECT_EQ(refusal("{{ 'x' * 10 ** 15 }}"), message);
  EXPECT_EQ(refusal("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"),
            "x: line 1 of the template: calls and blocks are nested deeper than 800 levels");
  EXPECT_EQ(refusal("{{ " + std::string(500, '(') + "1" + std::string(500, ')') + " }}"),
            "x: line 1 of the template: nested deeper than 120 levels");
}

// A namespace can hold itself, and a macro the scope it is in: neither may stay behind, which the leak checker tells.
TEST(Template, CirclesAreFreed) {
  EXPECT_EQ(rendered("{% set n = namespace() %}{% set n.n = n %}{% set n.list = [n] %}{{ n.n.n is defined }}"), "True");
  EXPECT_EQ(rendered("{% macro f() %}{% macro g() %}{{ f is defined }}{% endmacro %}{{ g() }}{% endmacro %}{{ f() }}"),
            "True");
}

}  // namespace
}  // namespace sleb::jinja
