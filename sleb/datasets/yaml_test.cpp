#include "sleb/datasets/yaml.h"

#include <gtest/gtest.h>

#include "tests/untrusted_file.h"

namespace sleb {
namespace {

TEST(Yaml, IsJson) {
  EXPECT_EQ(parse_yaml("", "c"), Json());
  EXPECT_EQ(parse_yaml("- a\n- 'b c'\n- [1, 2.5]\n- {x: y}\n", "c"),
            Json::parse(R"(["a", "b c", ["1", "2.5"], {"x": "y"}])"));
  EXPECT_EQ(parse_yaml("a: true\nb: 'true'\nc: No\nd: ~\ne:\nf: 'null'\n", "c"),
            Json::parse(R"({"a": true, "b": "true", "c": false, "d": null, "e": null, "f": "null"})"));
  EXPECT_EQ(parse_yaml("a: 1\na: 2\n", "c"), Json::parse(R"({"a": "2"})")) << "as PyYAML";
  EXPECT_EQ(parse_yaml("a: &x [1]\nb: *x\n", "c"), Json::parse(R"({"a": ["1"], "b": ["1"]})"));
}

TEST(Yaml, ThatIsMalformedIsRefusedByItsLine) {
  const auto message = [](const std::string& text) { return error_message([&] { parse_yaml(text, "README.md"); }); };
  EXPECT_EQ(message("a: 1\nb: [1,\n"), "README.md, line 3: is no YAML: did not find expected node content");
  EXPECT_EQ(message("a: *nowhere\n"), "README.md, line 1: is no YAML: found undefined alias");
  EXPECT_EQ(message("? [a]\n: b\n"), "README.md, line 1: a key is a list or a mapping");
  EXPECT_EQ(message("a: \xff\n"), "README.md: is not UTF-8");
  EXPECT_EQ(message("a: &x [*x]\n"), "README.md, line 1: is nested deeper than 64 levels");
  EXPECT_EQ(message(std::string(1'000'000, '[')), "README.md, line 1: is nested deeper than 64 levels");
}

TEST(Yaml, AnchorsAndAliasesHaveABound) {
  std::string anchors = "a:\n";
  for (int i = 0; i <= 10'000; ++i) anchors += fmt::format("- &x{} y\n", i);
  EXPECT_EQ(error_message([&] { parse_yaml(anchors, "README.md"); }),
            "README.md, line 10002: has more than 10000 anchors and aliases");
}

TEST(Yaml, AliasesCantMultiplyWithoutEnd) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    bomb +=
        fmt::format("a{0}: &a{0} [*a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}]\n", i, i - 1);
  }
  const std::string message = error_message([&] { parse_yaml(bomb, "README.md"); });
  EXPECT_NE(message.find("stands for more than 1000000 values"), std::string::npos) << message;
}

}  // namespace
}  // namespace sleb
