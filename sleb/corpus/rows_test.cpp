#include "sleb/base/error_message.h"
#include "sleb/corpus/corpus.h"
#include "sleb/corpus/test_support.h"

namespace sleb {
namespace {
namespace fs = std::filesystem;

using Rows = std::vector<std::string>;

class RowsTest : public testing::Test {
 protected:
  Rows rows(std::string_view name, std::string_view content) { return read_rows(scratch_.write(name, content)).rows; }

  // The message without the folder's name.
  std::string error(std::string_view name, std::string_view content) {
    const fs::path path = scratch_.write(name, content);
    const std::string message = error_message([&] { read_rows(path); });
    const std::string folder = path.parent_path().string() + "/";
    return message.starts_with(folder) ? message.substr(folder.size()) : message;
  }

  ScratchFolder scratch_;
};

TEST_F(RowsTest, LinesOfATextFileKeepTheirNewlines) {
  const TextRows text = read_rows(scratch_.write("a.raw", " \n = Title = \n \n Body .\n"));
  EXPECT_EQ(text.name, "a.raw");
  EXPECT_EQ(text.rules, RowRules::wikitext2);
  EXPECT_EQ(text.rows, (Rows{"", " = Title = \n", "", " Body .\n"}));
  EXPECT_EQ(rows("a.txt", "one\ntwo"), (Rows{"one\n", "two"}));
  EXPECT_EQ(rows("a.txt", "\n\n"), (Rows{"", ""}));
  EXPECT_EQ(rows("a.txt", ""), Rows{});
}

TEST_F(RowsTest, LinesEndAsInPythonsTextMode) {
  EXPECT_EQ(rows("a.txt", "one\r\n\r\ntwo\rthree\r\n"), (Rows{"one\n", "", "two\n", "three\n"}));
  EXPECT_EQ(rows("a.txt", "a\r\r\nb\r"), (Rows{"a\n", "", "b\n"}));
  EXPECT_EQ(rows("a.txt", "a\xe2\x80\xa8z\x0c\n"), (Rows{"a\xe2\x80\xa8z\x0c\n"}));
}

TEST_F(RowsTest, BlanksAreThoseOfPython) {
  EXPECT_EQ(rows("a.txt", "\t\v\f\x1c\x1f\xc2\x85\xc2\xa0\xe1\x9a\x80\xe2\x80\x8a\xe2\x81\x9f\xe3\x80\x80\n"),
            Rows{""});
  EXPECT_EQ(rows("a.txt", "\xe2\x80\x8b\n"), Rows{"\xe2\x80\x8b\n"}) << "a zero-width space is none";
}

TEST_F(RowsTest, BytesThatAreNoUtf8AreRefusedByPosition) {
  const std::string rest = " is not UTF-8 (0xff); convert the text, for example with iconv -t UTF-8";
  EXPECT_EQ(error("a.txt", "a\xff"), "a.txt: byte 1" + rest);
  EXPECT_EQ(error("a.raw", "caf\xc3\xa9\r\n\nx\xff\xfe\n"), "a.raw: byte 9" + rest);
  EXPECT_TRUE(error("a.txt", "ok\n\xe2\x80\n").starts_with("a.txt: byte 3 is not UTF-8 (0xe2)"));
  EXPECT_TRUE(error("a.txt", "\xed\xa0\x80").starts_with("a.txt: byte 0 is not UTF-8 (0xed)")) << "a surrogate";
  EXPECT_EQ(rows("a.txt", std::string("a\0b\n", 4)), Rows{std::string("a\0b\n", 4)});
}

TEST_F(RowsTest, JsonLinesGiveTheirTexts) {
  const std::string lines =
      "{\"text\": \"one\\ntwo\", \"url\": \"u\"}\r\n\n  \n{\"n\": 1, \"text\": \"\\u00e9\"}\n{\"text\": \"\"}";
  const Rows expected{"one\ntwo", "\xc3\xa9", ""};
  const TextRows text = read_rows(scratch_.write("a.jsonl", lines));
  EXPECT_EQ(text.rules, RowRules::c4);
  EXPECT_EQ(text.rows, expected);
  EXPECT_EQ(rows("a.jsonl.gz", gzip(lines)), expected);
  EXPECT_EQ(rows("c4-train.00000-of-01024.json.gz", gzip(lines.substr(0, 20)) + gzip(lines.substr(20))), expected);
}

TEST_F(RowsTest, LinesLargerThanAPieceOfTheGzipStreamAreWhole) {
  const std::string large(3 << 20, 'x');
  EXPECT_EQ(rows("a.jsonl.gz", gzip("{\"text\": \"" + large + "\"}\n{\"text\": \"end\"}\n")), (Rows{large, "end"}));
}

TEST_F(RowsTest, ErrorsNameFileAndLine) {
  EXPECT_EQ(error("a.jsonl", "{\"text\": \"one\"}\n\n{\"texts\": \"two\"}\n"), "a.jsonl, line 3: lacks \"text\"");
  EXPECT_EQ(error("a.jsonl", "{\"text\": 5}\n"), "a.jsonl, line 1: text: expected a string");
  EXPECT_EQ(error("a.jsonl", "{\"text\": null}\n"), "a.jsonl, line 1: lacks \"text\"");
  EXPECT_EQ(error("a.jsonl", "[\"text\"]\n"), "a.jsonl, line 1: expected an object");
  EXPECT_TRUE(error("a.jsonl", "{\"text\": \"one\"}\nplain text\n").starts_with("a.jsonl, line 2: not valid JSON"));
  EXPECT_TRUE(error("a.jsonl", "{\"text\": \"one\n{}\n").starts_with("a.jsonl, line 1: not valid JSON"));
  EXPECT_NE(error("a.jsonl", "{\"text\": \"one\n{}\n").find("missing closing quote"), std::string::npos);
  EXPECT_TRUE(error("a.jsonl", "{\"text\": \"\xff\"}").starts_with("a.jsonl, line 1: not valid JSON"));
  EXPECT_TRUE(error("a.jsonl.gz", gzip("{}\n")).starts_with("a.jsonl.gz, line 1: lacks"));
}

TEST_F(RowsTest, ErrorsOfGzipNameTheFile) {
  const std::string whole = gzip("{\"text\": \"one\"}\n");
  EXPECT_TRUE(error("a.json.gz", whole.substr(0, whole.size() - 4)).starts_with("a.json.gz: gzip stream is cut off"));
  EXPECT_TRUE(error("a.json.gz", whole + "x").starts_with("a.json.gz: other bytes follow the gzip stream"));
  EXPECT_TRUE(error("a.json.gz", "").starts_with("a.json.gz: gzip stream is cut off"));
  EXPECT_TRUE(error("a.json.gz", "{\"text\": \"one\"}\n").starts_with("a.json.gz: broken gzip stream"));
}

TEST_F(RowsTest, RefusesOtherSuffixesAndMissingFiles) {
  EXPECT_EQ(error("a.md", "x"),
            "a.md: not a text file by its name; rows are read from .txt, .raw, .jsonl, .jsonl.gz, .json.gz, .parquet, "
            ".arrow, .csv and .tsv");
  EXPECT_TRUE(error("a.csv.gz", "x").starts_with("a.csv.gz: a packed table; unpack it"));
  EXPECT_TRUE(error("a.txt.gz", "x").starts_with("a.txt.gz: a packed text; unpack it"));
  EXPECT_TRUE(error("ids.npy", "x").ends_with("give ready ids with --tokens"));
  EXPECT_NE(error_message([] { read_rows(std::filesystem::path("/")); }).find("/: is a folder; give one file of it"),
            std::string::npos);
  EXPECT_TRUE(error("a.gz", "x").starts_with("a.gz: not a text file"));
  EXPECT_NE(error_message([] { read_rows(std::filesystem::path("/none/a.txt")); }).find("/none/a.txt"),
            std::string::npos);
}

TEST_F(RowsTest, TablesGiveTheirColumnOfText) {
  EXPECT_EQ(rows("a.csv", "id,text\n1,\"one\ntwo\"\n2,\n3,NA\n"), (Rows{"one\ntwo", "", "NA"}));
  EXPECT_EQ(rows("a.tsv", "text\tid\na, b\t1\n"), Rows{"a, b"});
  const TextRows other = read_rows(scratch_.write("a.csv", "story\nOnce\n"));
  EXPECT_EQ(other.column, "story");
  EXPECT_EQ(other.rows, Rows{"Once"});
  EXPECT_EQ(error("a.csv", "id,story\n1,Once\n"),
            "a.csv: has no column \"text\", but \"id\", \"story\"; rename one of them");
  EXPECT_EQ(error("a.csv", "id,text\n1,a\n2\n"), "a.csv, line 3: lacks \"text\"");
  EXPECT_EQ(error("a.csv", "text\na,b\n"), "a.csv, line 2: has 2 fields, and there are 1 columns");
  EXPECT_EQ(error("a.csv", "text\n\na\n\"b\n"), "a.csv, line 4: a quoted field has no end");
  EXPECT_EQ(error("a.csv", "text,text\na,b\n"), "a.csv: two columns are named \"text\"");
  EXPECT_EQ(error("a.csv", "\n \n"), "a.csv: has no columns");
  EXPECT_TRUE(error("a.csv", "text\na\xff\n").starts_with("a.csv: byte 6 is not UTF-8 (0xff)"));
}

TextSource of_dataset(const fs::path& file) {
  TextSource source(file);
  source.origin = DatasetOrigin{"org/name", "main", "", "default", "train", "", {}};
  return source;
}

TEST_F(RowsTest, OfADataSetAnArrayOfStringsIsRowsOfText) {
  const auto rows_of = [&](std::string_view content) {
    return read_rows(of_dataset(scratch_.write("a.json", content))).rows;
  };
  EXPECT_EQ(rows_of("[\"a\",\n \"b\"]"), (Rows{"a", "b"}));
  EXPECT_EQ(rows_of("\xef\xbb\xbf[{\"text\": \"a\"}]"), Rows{"a"});
  EXPECT_EQ(rows_of("\xef\xbb\xbf{\"text\": \"a\"}\n"), Rows{"a"});
}

TEST_F(RowsTest, OfADataSetTheFirstRowSaysWhichFieldIsItsText) {
  std::string lines = "{\"story\": \"a\", \"n\": 1}\n";
  for (int i = 0; i < 9; ++i) lines += "{\"story\": \"b\", \"n\": \"2\"}\n";
  const TextSource source = of_dataset(scratch_.write("a.jsonl", lines));
  for (uint64_t seed = 0; seed < 5; ++seed) EXPECT_EQ(read_sample(source, seed, 1).column, "story") << seed;
}

TEST_F(RowsTest, TablesOfLinesFollowWikitext2) {
  const auto rules = [&](std::string_view content) { return read_rows(scratch_.write("a.csv", content)).rules; };
  EXPECT_EQ(rules("id,text\n1,\n2,\" = Title = \n\"\n"), RowRules::wikitext2);
  EXPECT_EQ(rules("id,text\n1,\n2,\" = Title = \n\"\n3,end\n"), RowRules::c4);
  EXPECT_EQ(rules("id,text\n1,\"one\ntwo\n\"\n"), RowRules::c4);
}

TEST_F(RowsTest, OfATableTheFirstRowsOrASampleAreRead) {
  const auto path = scratch_.write("a.csv", "text\na\nb\nc\nd\ne\nf\ng\nh\ni\nj\n");
  EXPECT_EQ(read_first_rows(path, 2).rows, (Rows{"a", "b"}));
  EXPECT_EQ(read_sample(path, 0, 3).rows, (Rows{"e", "g", "c"})) << "numpy's permutation begins with 4, 6, 2";
  EXPECT_EQ(read_sample(path, 0, 99).rows.size(), 10);
  EXPECT_EQ(read_sample(scratch_.write("a.csv", "text\n"), 0, 3).rows, Rows{});
}

TEST(SampleRows, IsTheBeginOfNumpysPermutation) {
  TextRows text{"a.txt", RowRules::wikitext2, {}};
  for (int i = 0; i < 10; ++i) text.rows.push_back(std::to_string(i));
  EXPECT_EQ(sample_rows(text, 0, 3), (Rows{"4", "6", "2"}));
  EXPECT_EQ(sample_rows(text, 1, 99), (Rows{"8", "4", "7", "0", "1", "2", "5", "9", "6", "3"}));
  EXPECT_EQ(sample_rows(text, 1, 0), Rows{});
  EXPECT_EQ(sample_rows(TextRows{"a.txt", RowRules::wikitext2, {}}, 0, 5), Rows{});
}

TEST(JoinRows, SeparatesByTheRules) {
  const Rows rows{"", "a\n", "b"};
  EXPECT_EQ(join_rows(rows, RowRules::wikitext2), "\n\na\n\n\nb");
  EXPECT_EQ(join_rows(rows, RowRules::c4), " a\n b");
  EXPECT_EQ(join_rows({}, RowRules::c4), "");
  EXPECT_EQ(join_rows({"one"}, RowRules::c4), "one");
}

}  // namespace
}  // namespace sleb
