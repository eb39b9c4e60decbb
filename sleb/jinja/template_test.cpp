#include "sleb/jinja/template.h"

#include <gtest/gtest.h>

#include "sleb/base/error_message.h"

namespace sleb::jinja {
namespace {

std::string rendered(const std::string& source, const OrderedJson& variables = OrderedJson::object()) {
  return Template(source, "x", Dialect::chat).render(variables);
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

const Json row = {{"goal", "  Öl the door\u3000"},
                  {"label", 1},
                  {"letter", " B"},
                  {"yes", true},
                  {"nothing", nullptr},
                  {"choices", {{"text", {"one [x]", "two", "three"}}, {"label", {"A", "B", "C"}}}},
                  {"text", "a b  c"}};

Json value_in_task(std::string_view text) {
  return Template(text, "t.json: q.prompt", Dialect::task).value(row, "rows.jsonl, line 3");
}

std::string error_in_task(std::string_view text) {
  return error_message([&] { value_in_task(text); });
}

TEST(TaskTemplate, ASingleExpressionHasItsValue) {
  EXPECT_EQ(value_in_task("{{label}}"), 1);
  EXPECT_EQ(value_in_task("{{label}}{{text}}"), "1a b  c");
  EXPECT_EQ(value_in_task("{{[text, 'x' + \"y\", 2 + label - 1]}}"), (Json{"a b  c", "xy", 2}));
  EXPECT_EQ(value_in_task("{{choices.text[1:] + ['z']}}"), (Json{"two", "three", "z"}));
  EXPECT_EQ(value_in_task("{{choices.text|map('replace', 't', 'T')}}"), (Json{"one [x]", "Two", "Three"}))
      << "without |list too";
  EXPECT_EQ(value_in_task("{{choices.label.index(letter.strip())}}"), 1);
  EXPECT_EQ(value_in_task("{{yes}}!{{nothing}}"), "True!None") << "as the harness prints them";
  EXPECT_EQ(value_in_task("{{ (text, label) }}"), (Json{"a b  c", 1}));
}

TEST(TaskTemplate, BlanksAroundTagsAndTheLastLineEndStay) {
  EXPECT_EQ(value_in_task("a\n"), "a\n");
  EXPECT_EQ(value_in_task("  {% if yes %}\nb\n  {% endif %}\n"), "  \nb\n  \n");
  EXPECT_EQ(value_in_task("x {%- if yes -%} y {%- endif %}"), "xy");
}

TEST(TaskTemplate, RegexReplaceIsPythons) {
  EXPECT_EQ(value_in_task(R"({{'( a )( b)'|regex_replace('\(\s*([^\)]*?)\s*\)', '<\\1\\\\>')}})"), "<a\\><b\\>");
  EXPECT_EQ(value_in_task(R"({{'a\nb'|regex_replace('a$', 'x')}})"), "a\nb") << "$ is the text's end, not a line's";
  EXPECT_EQ(value_in_task("{{choices.text|map('regex_replace', '\\[.*?\\]', '')|first}}"), "one ");
  EXPECT_EQ(error_in_task("{{text|regex_replace('z*', '')}}"),
            "rows.jsonl, line 3: the pattern of regex_replace matches the empty text");
  EXPECT_EQ(error_in_task("{{text|regex_replace('(', '')}}"),
            "rows.jsonl, line 3: regex_replace: not a valid pattern: end pattern with unmatched parenthesis");
  EXPECT_EQ(error_in_task("{{text|regex_replace('a', '\\\\1')}}"), "rows.jsonl, line 3: the pattern has no group 1");
  EXPECT_EQ(error_in_task("{{text|regex_replace('a', '', 1)}}"),
            "rows.jsonl, line 3: \"regex_replace\" with a count is not supported");
}

TEST(TaskTemplate, WhatARowLacksIsAnErrorWhereItIsUsed) {
  const std::string lacks = "rows.jsonl, line 3: lacks the field \"sol1\"";
  for (const char* text : {"{{sol1}}", "x{{sol1}}", "{{sol1|trim}}", "{{sol1 + 'x'}}", "{{'x' ~ sol1}}", "{{not sol1}}",
                           "{% if sol1 %}{% endif %}", "{% for x in sol1 %}{% endfor %}", "{{sol1 == 1}}",
                           "{{[sol1]|join}}", "{{1 if sol1 else 2}}", "{{sol1.x}}", "{{[text, sol1]}}"}) {
    EXPECT_EQ(error_in_task(text), lacks) << text;
  }
  EXPECT_EQ(value_in_task("{{sol1|default('d')}}{% if sol1 is defined %}x{% endif %}"), "d");
  EXPECT_EQ(error_in_task("{{choices.texts}}"), "rows.jsonl, line 3: a dict has no \"texts\"");
}

TEST(TaskTemplate, WhatOnlyChatsHaveIsRefusedWhenItIsRead) {
  EXPECT_EQ(error_in_task("{{text|shout}}"),
            "t.json: q.prompt: line 1 of the template: the filter \"shout\" is not supported");
  EXPECT_EQ(error_in_task("{{text|tojson}}"),
            "t.json: q.prompt: line 1 of the template: the filter \"tojson\" is not supported");
  EXPECT_NE(error_in_task("{% generation %}{% endgeneration %}").find("the tag \"generation\" is not supported"),
            std::string::npos);
  EXPECT_EQ(error_in_task("{{raise_exception('x')}}"), "rows.jsonl, line 3: lacks the field \"raise_exception\"");
  EXPECT_NE(error_message([] {
              Template("{{x|regex_replace('a', 'b')}}", "t", Dialect::chat).render(OrderedJson{{"x", "a"}});
            }).find("the filter \"regex_replace\" is not supported"),
            std::string::npos);
}

}  // namespace
}  // namespace sleb::jinja
