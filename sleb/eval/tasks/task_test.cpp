#include "sleb/eval/tasks/task.h"

#include <gtest/gtest.h>

#include "sleb/base/error_message.h"
#include "sleb/base/file.h"
#include "sleb/eval/tasks/built_in.h"

namespace sleb {
namespace {

std::string error_in(std::string_view json) {
  TaskTable tasks;
  return error_message([&] { read_tasks(json, "my.json", tasks); });
}

TEST(Task, TheProgramHoldsTasksJson) {
  EXPECT_EQ(built_in_tasks_json, read_file(SLEB_SOURCE_DIR "/sleb/eval/tasks/tasks.json"));
  const TaskTable tasks = built_in_tasks();
  EXPECT_EQ(tasks.size(), 10U);
  EXPECT_EQ(tasks.at("piqa").metrics, (std::vector{Metric::acc, Metric::acc_norm}));
  EXPECT_TRUE(std::holds_alternative<PartialScoring>(tasks.at("winogrande").form));
  EXPECT_TRUE(std::holds_alternative<SingleContinuation>(tasks.at("lambada_openai").form));
  EXPECT_TRUE(std::holds_alternative<WholeText>(tasks.at("wikitext").form));
}

TEST(Task, UsersTasksAreAddedAndTakeTheOthersPlace) {
  TaskTable tasks = built_in_tasks();
  read_tasks(R"({"piqa": {"prompt": "{{q}}", "choices": ["a", "b"], "target": 1, "metrics": ["acc_bytes"], "data": "p"},
                 "mine": {"prompt": ["{{q", "}}"], "continuation": "!", "metrics": ["acc"], "split": "validation",
                          "target_delimiter": "", "description": "Complete."}})",
             "my.json", tasks);
  EXPECT_EQ(tasks.size(), 11U);
  EXPECT_EQ(tasks.at("piqa").data, "p");
  EXPECT_EQ(tasks.at("piqa").target->render(Json::object(), ""), "1");
  EXPECT_FALSE(tasks.at("piqa").harness_skips_own_row);
  EXPECT_EQ(tasks.at("mine").data, "mine");
  EXPECT_EQ(tasks.at("mine").target_delimiter, "");
  EXPECT_TRUE(tasks.at("mine").harness_skips_own_row);
}

TEST(Task, SelectionKeepsTheOrder) {
  const TaskTable tasks = built_in_tasks();
  const auto selected = select_tasks(tasks, "sciq, piqa");
  ASSERT_EQ(selected.size(), 2U);
  EXPECT_EQ(selected[0].name, "sciq");
  EXPECT_EQ(selected[1].name, "piqa");
  EXPECT_EQ(error_message([&] { select_tasks(tasks, "piqa,pica"); }),
            "there is no task \"pica\"; known are arc_challenge, arc_easy, boolq, hellaswag, lambada_openai, "
            "openbookqa, piqa, sciq, wikitext, winogrande");
  EXPECT_TRUE(error_message([&] { select_tasks(tasks, ""); }).starts_with("there is no task \"\"; "));
  EXPECT_EQ(error_message([&] { select_tasks(tasks, "piqa,piqa"); }), "the task piqa is named twice");
}

TEST(Task, MalformedFilesAreRefusedWithTheirPlace) {
  EXPECT_EQ(error_in("[]"), "my.json: expected an object of tasks");
  EXPECT_TRUE(error_in("{\"a\": ").starts_with("my.json: not valid JSON: "));
  EXPECT_EQ(error_in(R"({"a b": {}})"), "my.json: a b: a task's name consists of letters, digits, _ and -");
  EXPECT_EQ(error_in(R"({"a": 1})"), "my.json: a: expected an object");
  EXPECT_EQ(error_in(R"({"a": null})"), "my.json: \"a\" is null");
  EXPECT_EQ(error_in(R"({"a": {"prompt": "x", "choices": ["a", "b"], "metrics": ["acc"]}})"),
            "my.json: a: needs the keys prompt, choices and target, or prompts, continuation and target, or prompt and "
            "continuation, or text and counted");
  EXPECT_EQ(error_in(R"({"a": {"promt": "x"}})"), "my.json: a: the key \"promt\" is not known");
  EXPECT_EQ(error_in(R"({"a": {"prompt": "x", "continuation": "y"}})"), "my.json: a: lacks \"metrics\"");
  EXPECT_EQ(error_in(R"({"a": {"prompt": "x", "continuation": "y", "metrics": []}})"),
            "my.json: a.metrics: names no metric");
  EXPECT_EQ(error_in(R"({"a": {"prompt": "x", "continuation": "y", "metrics": ["acc", "acc"]}})"),
            "my.json: a.metrics[1]: stands twice");
  EXPECT_EQ(error_in(R"({"a": {"prompt": "x", "continuation": "y", "metrics": ["f1"]}})"),
            "my.json: a.metrics[0]: \"f1\" is no metric of such a task; its metrics are acc, perplexity");
  EXPECT_EQ(error_in(R"({"a": {"prompt": "{{q|shout}}", "continuation": "y", "metrics": ["acc"]}})"),
            "my.json: a.prompt: line 1 of the template: the filter \"shout\" is not supported");
  EXPECT_EQ(error_in(R"({"a": {"prompt": 1, "continuation": "y", "metrics": ["acc"]}})").substr(0, 18),
            "my.json: a.prompt:");
  EXPECT_EQ(error_in(R"({"a": {"prompt": "x", "continuation": "y", "metrics": ["acc"], "split": "train"}})"),
            "my.json: a.split: is neither \"test\" nor \"validation\"");
  EXPECT_EQ(error_in(R"({"a": {"prompt": "x", "continuation": "y", "metrics": ["acc"], "data": "../b"}})"),
            "my.json: a.data: consists of letters, digits, _ and -");
}

}  // namespace
}  // namespace sleb
