#include "sleb/eval/tasks/template/template.h"

#include <gtest/gtest.h>

#include "sleb/base/error_message.h"

namespace sleb {
namespace {

const Json row = {{"goal", "  Öl the door\u3000"},
                  {"label", 1},
                  {"letter", " B"},
                  {"yes", true},
                  {"nothing", nullptr},
                  {"half", 0.5},
                  {"choices", {{"text", {"one [x]", "two", "three"}}, {"label", {"A", "B", "C"}}}},
                  {"text", "a b  c"}};

Json value(std::string_view text) {
  return Template(text, "t.json: q.prompt").value(row, "rows.jsonl, line 3");
}

std::string error_of(std::string_view text) {
  return error_message([&] { value(text); });
}

TEST(Template, TextAndFields) {
  EXPECT_EQ(value(""), "");
  EXPECT_EQ(value("no fields"), "no fields");
  EXPECT_EQ(value("Q: {{ text }}?\nA:{{label}}"), "Q: a b  c?\nA:1");
  EXPECT_EQ(value("{{label}}"), 1);
  EXPECT_EQ(value("{{label}}{{text}}"), "1a b  c");
  EXPECT_EQ(value("a } b { c }}"), "a } b { c }}");
  EXPECT_EQ(value("{{choices.text[-1]}} {{choices['label'][0]}}"), "three A");
}

TEST(Template, ListsAndSums) {
  EXPECT_EQ(value("{{[text, 'x' + \"y\", 2 + label - 1]}}"), (Json{"a b  c", "xy", 2}));
  EXPECT_EQ(value("{{choices.text[1:] + ['z']}}"), (Json{"two", "three", "z"}));
  EXPECT_EQ(value("{{choices.text[:-1]}}"), (Json{"one [x]", "two"}));
  EXPECT_EQ(value("{{choices.text[5:]}}"), Json::array());
  EXPECT_EQ(value("{{choices.text[-9:1]}}"), Json{"one [x]"}) << "as in Python";
  EXPECT_EQ(value("{{[]}}"), Json::array());
  EXPECT_EQ(value("{{(text + 'd').split(' ')|last}}"), "cd");
}

TEST(Template, MethodsAndFilters) {
  EXPECT_EQ(value("{{goal.strip()}}"), "Öl the door");
  EXPECT_EQ(value("{{goal|trim|lower}}"), "öl the door");
  EXPECT_EQ(value("{{goal.lstrip().capitalize()}}"), "Öl the door\u3000");
  EXPECT_EQ(value("{{goal.rstrip()}}"), "  Öl the door");
  EXPECT_EQ(value("{{text.split(' ')}}"), (Json{"a", "b", "", "c"}));
  EXPECT_EQ(value("{{text.split(' ')[:-1]|join(' ')}}"), "a b ");
  EXPECT_EQ(value("{{choices.label.index(letter.strip())}}"), 1);
  EXPECT_EQ(value("{{text|replace('  ', ' ')}}"), "a b c");
  EXPECT_EQ(value("{{choices.text|map('replace', 't', 'T')|list}}"), (Json{"one [x]", "Two", "Three"}));
  EXPECT_EQ(value("{{choices.text|map('regex_replace', '\\[.*?\\]', '')|first}}"), "one ");
  EXPECT_EQ(value("{{yes|int}}{{' 7 '|int}}{{label|int}}"), "171");
  EXPECT_EQ(value("{{choices.label|join}}"), "ABC");
}

TEST(Template, QuotesReadBackslashesAsPython) {
  EXPECT_EQ(value(R"({{'\[\\\' \" \n\s'}})"), "\\[\\' \" \n\\s");
  EXPECT_EQ(value(R"({{"it's }} here"}})"), "it's }} here");
  EXPECT_EQ(error_of(R"({{'\1'}})"),
            "t.json: q.prompt: \\1 in quotes is not supported (for one backslash write two) at \"'\\\\1'}}\"");
}

TEST(Template, RegexReplaceIsPythons) {
  EXPECT_EQ(value(R"({{'( a )( b)'|regex_replace('\(\s*([^\)]*?)\s*\)', '<\\1\\\\>')}})"), "<a\\><b\\>");
  EXPECT_EQ(value(R"({{'a\nb'|regex_replace('a$', 'x')}})"), "a\nb") << "$ is the text's end, not a line's";
  EXPECT_EQ(error_of("{{text|regex_replace('z*', '')}}"),
            "rows.jsonl, line 3: the pattern of regex_replace matches the empty text");
  EXPECT_EQ(error_of("{{text|regex_replace('(', '')}}"),
            "t.json: q.prompt: not a valid pattern: end pattern with unmatched parenthesis");
  EXPECT_EQ(error_of("{{text|regex_replace('a', '\\\\1')}}"), "t.json: q.prompt: the pattern has no group 1");
  EXPECT_EQ(
      error_of("{{text|regex_replace('a', '\\\\g')}}"),
      "t.json: q.prompt: a backslash in the replacement is followed by neither a group from 1 to 9 nor a backslash");
  EXPECT_EQ(error_of("{{text|regex_replace(goal, '')}}"), "t.json: q.prompt: regex_replace takes two texts in quotes");
}

TEST(Template, WhatCantBeReadIsRefused) {
  EXPECT_EQ(error_of("{{"), "t.json: q.prompt: expected a value at \"\"");
  EXPECT_EQ(error_of("{{text"), "t.json: q.prompt: expected \"}}\" at \"\"");
  EXPECT_EQ(error_of("{{text text}}"), "t.json: q.prompt: expected \"}}\" at \"text}}\"");
  EXPECT_EQ(error_of("{{'text}}"), "t.json: q.prompt: no end of the text at \"'text}}\"");
  EXPECT_EQ(error_of("{{[text}}"), "t.json: q.prompt: expected ',' at \"}}\"");
  EXPECT_EQ(error_of("{{text[a:]}}"), "t.json: q.prompt: expected ']' at \":]}}\"");
  EXPECT_EQ(error_of("{{99999999999999999999}}"),
            "t.json: q.prompt: expected an integer at \"99999999999999999999}}\"");
  EXPECT_EQ(error_of("{% if x %}"),
            "t.json: q.prompt: \"{%\" is not supported; templates consist of text and {{ expressions }}");
  EXPECT_EQ(error_of("{{text|shout}}"),
            "t.json: q.prompt: the filter \"shout\" is not known; known are capitalize, first, int, join, last, list, "
            "lower, map, regex_replace, replace, trim");
  EXPECT_EQ(error_of("{{text.trim()}}"),
            "t.json: q.prompt: the method \"trim\" is not known; known are capitalize, index, lower, lstrip, replace, "
            "rstrip, split, strip");
  EXPECT_EQ(error_of("{{text|replace('a')}}"), "t.json: q.prompt: the filter replace takes 2 arguments, here are 1");
  EXPECT_EQ(error_of("{{text|map(goal)}}"), "t.json: q.prompt: map needs a filter's name in quotes at \"}}\"");
  EXPECT_EQ(error_of("{{" + std::string(100, '(')),
            "t.json: q.prompt: nested too deep at \"" + std::string(36, '(') + "\"");
  std::string chain = "{{text";
  for (int i = 0; i < 2000; ++i) chain += "|trim";
  EXPECT_TRUE(error_of(chain + "}}").starts_with("t.json: q.prompt: too long at "));
}

TEST(Template, RowsThatDontFitAreRefusedByLine) {
  EXPECT_EQ(error_of("{{sol1}}"), "rows.jsonl, line 3: lacks the field \"sol1\"");
  EXPECT_EQ(error_of("{{choices.texts}}"), "rows.jsonl, line 3: lacks the field \"texts\"");
  EXPECT_EQ(error_of("{{text.label}}"), "rows.jsonl, line 3: lacks the field \"label\"");
  EXPECT_EQ(error_of("{{nothing}}!"), "rows.jsonl, line 3: expected text, found null");
  EXPECT_EQ(error_of("{{yes}}!"), "rows.jsonl, line 3: expected text, found true or false");
  EXPECT_EQ(error_of("{{half}}!"), "rows.jsonl, line 3: expected text, found a number");
  EXPECT_EQ(error_of("{{choices}}!"), "rows.jsonl, line 3: expected text, found an object");
  EXPECT_EQ(error_of("{{choices.text}}!"), "rows.jsonl, line 3: expected text, found a list");
  EXPECT_EQ(error_of("{{label|trim}}"), "rows.jsonl, line 3: expected text, found a number");
  EXPECT_EQ(error_of("{{text[0]}}"), "rows.jsonl, line 3: expected a list, found text");
  EXPECT_EQ(error_of("{{choices.text[3]}}"), "rows.jsonl, line 3: a list of 3 has no element 3");
  EXPECT_EQ(error_of("{{choices.text[-4]}}"), "rows.jsonl, line 3: a list of 3 has no element -4");
  EXPECT_EQ(error_of("{{choices.label.index('D')}}"), "rows.jsonl, line 3: \"D\" is not among [\"A\",\"B\",\"C\"]");
  EXPECT_EQ(error_of("{{text + 1}}"), "rows.jsonl, line 3: text and a number can't be added");
  EXPECT_EQ(error_of("{{9223372036854775807 + label}}"), "rows.jsonl, line 3: the sum is too large");
  EXPECT_EQ(error_of("{{0 - 9223372036854775807 - 2}}"), "rows.jsonl, line 3: the difference is too large");
  EXPECT_EQ(error_of("{{text|int}}"), "rows.jsonl, line 3: \"a b  c\" is not a number");
  EXPECT_EQ(error_of("{{[]|first}}"), "rows.jsonl, line 3: an empty list has no first element");
  EXPECT_EQ(error_of("{{text.split('')}}"), "rows.jsonl, line 3: the text to look for is empty");
}

}  // namespace
}  // namespace sleb
