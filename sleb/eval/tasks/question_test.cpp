#include "sleb/eval/tasks/question.h"

#include <gtest/gtest.h>

#include "sleb/base/error_message.h"

namespace sleb {
namespace {

Task task(std::string_view json) {
  TaskTable tasks;
  read_tasks(fmt::format("{{\"t\": {}}}", json), "t.json", tasks);
  return tasks.at("t");
}

TaskRow row(std::string_view json) {
  return {Json::parse(json), "r.jsonl, line 1"};
}

std::string error_of(const Task& task, std::string_view json) {
  return error_message([&] { make_question(task, row(json), {}); });
}

const char* const choices = R"({"prompt": "{{q}}:", "choices": "{{c}}", "target": "{{a}}", "metrics": ["acc"]})";

TEST(Question, OfMultipleChoice) {
  const Question question = make_question(task(choices), row(R"({"q": "Q", "c": ["x", "y z"], "a": 1})"), {});
  ASSERT_EQ(question.requests.size(), 2U);
  EXPECT_EQ(question.requests[1].prompt, "Q:");
  EXPECT_EQ(question.requests[1].continuation, " y z");
  EXPECT_EQ(question.answer.choices[1], "y z");
  EXPECT_EQ(question.answer.target, 1);
  EXPECT_EQ(make_question(task(choices), row(R"({"q": "Q", "c": ["x", "y"], "a": "y"})"), {}).answer.target, 1);
  EXPECT_EQ(make_question(task(choices), row(R"({"q": "Q", "c": ["x", "y"], "a": "0"})"), {}).answer.target, 0);
}

TEST(Question, ExamplesStandInFront) {
  const TaskRow first = row(R"({"q": "A", "c": ["x", "y"], "a": 1})");
  const TaskRow second = row(R"({"q": "B", "c": ["v", "w"], "a": 0})");
  const TaskRow* const examples[] = {&first, &second};
  Task with_description = task(choices);
  with_description.description = Template("About {{q}}.\n", "d", jinja::Dialect::task);
  const Question question = make_question(with_description, row(R"({"q": "Q", "c": ["x", "y"], "a": 1})"), examples);
  EXPECT_EQ(question.requests[0].prompt, "About Q.\nA: y\n\nB: v\n\nQ:");
}

TEST(Question, PartialScoringComparesPrompts) {
  const Task partial =
      task(R"({"prompts": ["a {{x}}", "a {{y}}"], "continuation": "{{z}}", "target": 0, "metrics": ["acc"]})");
  const TaskRow own = row(R"({"x": "X", "y": "Y", "z": "end"})");
  const TaskRow* const examples[] = {&own};
  const Question question = make_question(partial, own, examples);
  ASSERT_EQ(question.requests.size(), 2U);
  EXPECT_EQ(question.requests[1].prompt, "a X end\n\na Y");
  EXPECT_EQ(question.requests[1].continuation, " end");
  EXPECT_EQ(error_of(partial, R"({"x": "X", "y": "Y", "z": ""})"), "r.jsonl, line 1: the continuation is empty");
}

TEST(Question, WholeTextsCountWordsAndBytesAsPythonSplits) {
  const Task text = task(R"({"text": "{{p|replace('b', 'BB')}}", "counted": "{{p}}", "metrics": ["word_perplexity"]})");
  const Question question = make_question(text, row("{\"p\": \" a b\\n\\u3000 \\u00e9 \"}"), {});
  EXPECT_EQ(question.requests[0].continuation, " a BB\n\u3000 é ");
  EXPECT_EQ(question.answer.words, 5) << "the empty pieces at both ends count";
  EXPECT_EQ(question.answer.bytes, 12);
  EXPECT_EQ(error_of(text, R"({"p": ""})"), "r.jsonl, line 1: the text is empty");
}

TEST(Question, RowsThatMakeNoQuestionAreRefused) {
  const Task asked = task(choices);
  EXPECT_EQ(error_of(asked, R"({"c": ["x", "y"], "a": 0})"), "r.jsonl, line 1: lacks the field \"q\"");
  EXPECT_EQ(error_of(asked, R"({"q": "", "c": ["x"], "a": 0})"),
            "r.jsonl, line 1: has 1 choices; there must be two or more");
  EXPECT_EQ(error_of(asked, R"({"q": "", "c": "xy", "a": 0})"), "r.jsonl, line 1: t.json: t.choices gives no list");
  EXPECT_EQ(error_of(asked, R"({"q": "", "c": ["x", ""], "a": 0})"), "r.jsonl, line 1: choice 1 is empty");
  EXPECT_EQ(error_of(asked, R"({"q": "", "c": ["x", 1], "a": 0})"),
            "r.jsonl, line 1: t.json: t.choices gives a list of what is not text");
  EXPECT_EQ(error_of(asked, R"({"q": "", "c": ["x", "y"], "a": 2})"),
            "r.jsonl, line 1: the answer is 2, but there are choices 0 to 1");
  EXPECT_EQ(error_of(asked, R"({"q": "", "c": ["x", "y"], "a": -1})"),
            "r.jsonl, line 1: the answer is -1, but there are choices 0 to 1");
  EXPECT_EQ(error_of(asked, R"({"q": "", "c": ["x", "y"], "a": ""})"),
            "r.jsonl, line 1: the answer \"\" is not among the choices");
  EXPECT_EQ(error_of(asked, R"({"q": "", "c": ["x", "y"], "a": 0.5})"),
            "r.jsonl, line 1: the answer \"0.5\" is not among the choices");
}

}  // namespace
}  // namespace sleb
