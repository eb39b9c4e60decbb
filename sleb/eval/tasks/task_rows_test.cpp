#include "sleb/eval/tasks/task_rows.h"

#include "sleb/base/error_message.h"
#include "sleb/corpus/test_support.h"

namespace sleb {
namespace {

std::vector<std::string> names(const std::vector<TaskRow>& rows) {
  std::vector<std::string> result;
  for (const TaskRow& row : rows) result.push_back(row.fields.at("q"));
  return result;
}

TEST(TaskRows, FilesAreFoundByTheTasksName) {
  const ScratchFolder folder;
  const auto rows = folder.write("piqa.validation.jsonl", "{}");
  folder.write("piqa2.jsonl", "{}");
  folder.write("piqa.txt", "");
  folder.write("piqa..jsonl", "");
  folder.write("my_piqa.jsonl", "");
  const std::filesystem::path parent = rows.parent_path();
  EXPECT_EQ(find_task_files(parent, "piqa").rows, std::vector{rows});
  EXPECT_TRUE(find_task_files(parent, "piqa").examples.empty());
  const auto examples = folder.write("piqa.train.jsonl.gz", "");
  EXPECT_EQ(find_task_files(parent, "piqa").examples, std::vector{examples});
  EXPECT_EQ(find_task_files(parent, "piqa2").rows.at(0).filename(), "piqa2.jsonl");
  folder.write("piqa.jsonl.gz", "");
  EXPECT_EQ(error_message([&] { find_task_files(parent, "piqa"); }),
            parent.string() + ": both piqa.jsonl.gz and piqa.validation.jsonl could be the rows of piqa; keep one");
  EXPECT_EQ(error_message([&] { find_task_files(parent, "sciq"); }),
            parent.string() +
                ": has no rows of sciq: no file sciq.jsonl, sciq.validation.jsonl or the like, with or without .gz, "
                "nor .parquet, "
                ".arrow, .csv or .tsv");
  EXPECT_EQ(error_message([&] { find_task_files(parent / "none", "sciq"); }),
            (parent / "none").string() + ": can't be read as a folder: No such file or directory");
}

TEST(TaskRows, LinesOfBlanksAreNoRows) {
  const ScratchFolder folder;
  const std::string text = "{\"q\": \"a\"}\r\n\n  \n{\"q\": \"b\"}\n{\"q\": \"c\"}";
  for (const auto& file : {folder.write("x.jsonl", text), folder.write("x.jsonl.gz", gzip(text))}) {
    const TaskRows all = read_task_rows({file}, {});
    EXPECT_EQ(all.total, 3);
    EXPECT_EQ(names(all.rows), (std::vector<std::string>{"a", "b", "c"}));
    EXPECT_EQ(all.rows[1].place, file.string() + ", line 4");
    const TaskRows two = read_task_rows({file}, 2);
    EXPECT_EQ(two.total, 3);
    EXPECT_EQ(names(two.rows), (std::vector<std::string>{"a", "b"}));
  }
}

TEST(TaskRows, ElementsOfAnArrayAreRows) {
  const ScratchFolder folder;
  const auto file = folder.write("x.json", "\xef\xbb\xbf[{\"q\": \"a\"},\n\n {\"q\":\n\"b\"}]\n");
  const TaskRows all = read_task_rows({file}, {});
  EXPECT_EQ(all.total, 2);
  EXPECT_EQ(names(all.rows), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(all.rows[1].place, file.string() + "[1]");
  const TaskRows more = read_task_rows({file, folder.write("y.jsonl", "{\"q\": \"c\"}\n"), file}, 3);
  EXPECT_EQ(more.total, 5);
  EXPECT_EQ(names(more.rows), (std::vector<std::string>{"a", "b", "c"}));
  const auto error = [&](std::string_view text) {
    return error_message([&] { read_task_rows({folder.write("z.json", text)}, {}); });
  };
  EXPECT_TRUE(error("[{}, 1]").ends_with("z.json[1]: expected an object"));
  EXPECT_TRUE(error("[]").ends_with("z.json: has no rows"));
  EXPECT_NE(error("[{}").find("z.json: not valid JSON: "), std::string::npos);
}

TEST(TaskRows, RecordsOfATableAreRows) {
  const ScratchFolder folder;
  const auto file = folder.write("x.validation.csv", "q,n\na,1\n\n\"b, \"\"c\"\"\",2\n");
  EXPECT_EQ(find_task_files(file.parent_path(), "x").rows, std::vector{file});
  const TaskRows all = read_task_rows({file}, {});
  EXPECT_EQ(names(all.rows), (std::vector<std::string>{"a", "b, \"c\""}));
  EXPECT_EQ(all.rows[1].fields.at("n"), 2);
  EXPECT_EQ(all.rows[1].place, file.string() + ", row 2");
  const TaskRows one = read_task_rows({file}, 1);
  EXPECT_EQ(one.total, 2);
  EXPECT_EQ(names(one.rows), std::vector<std::string>{"a"});
  EXPECT_TRUE(
      error_message([&] { read_task_rows({folder.write("y.csv", "q\n")}, {}); }).ends_with("y.csv: has no rows"));
}

TEST(TaskRows, BadLinesAreRefusedByNumber) {
  const ScratchFolder folder;
  const auto error = [&](std::string_view text) {
    const auto file = folder.write("x.jsonl", text);
    const std::string message = error_message([&] { read_task_rows({file}, {}); });
    return message.starts_with(file.string()) ? message.substr(file.string().size()) : message;
  };
  EXPECT_EQ(error(""), ": has no rows");
  EXPECT_EQ(error("\n\n"), ": has no rows");
  EXPECT_EQ(error("{}\n[1]\n"), ", line 2: expected an object");
  EXPECT_TRUE(error("{}\n{\"q\": \"\n").starts_with(", line 2: not valid JSON: "));
  EXPECT_TRUE(error("{\"q\": \"\xff\"}\n").starts_with(", line 1: not valid JSON: "));
  EXPECT_TRUE(error("{\"q\": 1, \"q\": 2}\n").starts_with(", line 1: the key \"q\" stands twice"));
}

TEST(TaskRows, OfADataSetAreReadByTheFilesName) {
  for (const char* name : {"a.parquet", "a.jsonl", "a.json.gz", "b/a.csv"}) EXPECT_TRUE(reads_task_rows(name)) << name;
  for (const char* name : {"a.csv.gz", "a.jsonl.zst", "a.txt", "a.zip", "a"})
    EXPECT_FALSE(reads_task_rows(name)) << name;
}

}  // namespace
}  // namespace sleb
