#include "sleb/base/json.h"

#include <gtest/gtest.h>

#include "sleb/base/error_message.h"

namespace sleb {
namespace {

TEST(Json, ErrorNamesFileAndPlace) {
  const Json document = parse_json(R"({"a": {"b": [1, "x"]}, "big": 18446744073709551615, "n": null})", "config.json");
  const JsonView root(document, "config.json");
  EXPECT_EQ(root.at("a").at("b").at(0).integer(), 1);
  EXPECT_EQ(error_message([&] { root.at("a").at("b").at(1).integer(); }),
            "config.json: a.b[1]: expected a whole number");
  EXPECT_EQ(error_message([&] { root.at("c"); }), "config.json: lacks \"c\"");
  EXPECT_EQ(error_message([&] { root.at("big").integer(); }),
            "config.json: big: 18446744073709551615 is more than 9223372036854775807");
  EXPECT_EQ(error_message([&] { root.at("a").at("b").at(2); }), "config.json: a.b: has no element 2");
  EXPECT_EQ(error_message([&] { root.at("a").at("b").at("c"); }), "config.json: a.b: expected an object");
  EXPECT_FALSE(root.has("n"));
}

TEST(Json, MalformedTextIsOneLineWithoutInternals) {
  const std::string message = error_message([] { parse_json("{\"a\": ", "x.json"); });
  EXPECT_TRUE(message.starts_with("x.json: not valid JSON: parse error")) << message;
  EXPECT_EQ(message.find("json.exception"), std::string::npos) << message;
}

TEST(Json, DeepNestingIsRefusedNotRecursedInto) {
  const std::string deep = std::string(200000, '[') + std::string(200000, ']');
  EXPECT_EQ(error_message([&] { parse_json(deep, "x.json"); }), "x.json: nested deeper than 128 levels");
}

TEST(Json, AKeyTwiceInOneObjectIsRefused) {
  const auto refusal = [](std::string_view text) { return error_message([&] { parse_json(text, "x.json"); }); };
  EXPECT_EQ(refusal(R"({"a": 1, "a": 1})"), "x.json: the key \"a\" stands twice in one object");
  EXPECT_EQ(refusal(R"([{"a": 1}, {"b": {"c\n": [], "d": 0, "c\u000a": {}}}])"),
            "x.json: the key \"c\\n\" stands twice in one object");
  EXPECT_EQ(refusal(R"({"a": {"a": {"a": 1}}, "b": [{"a": 1}, {"a": 2}], "c": {}})"), "no error");
  EXPECT_EQ(refusal(std::string(128, '[') + R"({"a": 1, "a": 2})" + std::string(128, ']')),
            "x.json: nested deeper than 128 levels");
  EXPECT_EQ(error_message([] { parse_ordered_json(R"({"a": null, "b": 1, "a": null})", "x.json"); }),
            "x.json: the key \"a\" stands twice in one object");
}

TEST(Json, WideConfigurationsAreRefusedNotSearchedQuadratically) {
  std::string wide = "{\"model_type\": \"llama\"";
  for (int i = 0; i < 300000; ++i) wide += fmt::format(", \"key{:06}\": 0", i);
  wide += '}';
  EXPECT_EQ(error_message([&] { parse_json(wide, "x.json"); }), "no error");
  EXPECT_EQ(error_message([&] { parse_ordered_json(wide, "x.json"); }),
            fmt::format("x.json: {} bytes is too large for a configuration (at most 4194304)", wide.size()));
  const std::string shorter = wide.substr(0, wide.find(", \"key100000\"")) + "}";
  EXPECT_EQ(error_message([&] { parse_ordered_json(shorter, "x.json"); }),
            "x.json: an object of more than 5000 members");
}

TEST(Json, BytesThatAreNoUtf8AreShownAsNumbers) {
  const std::string message = error_message([] { parse_json("{\"a\": \"\xff\"}", "x.json"); });
  EXPECT_NE(message.find("\\xff"), std::string::npos) << message;
}

}  // namespace
}  // namespace sleb
