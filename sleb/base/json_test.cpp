#include "sleb/base/json.h"

#include <gtest/gtest.h>

#include "sleb/base/error.h"

namespace sleb {
namespace {

std::string error_of(const auto& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Json, ErrorNamesFileAndPlace) {
  const Json document = parse_json(R"({"a": {"b": [1, "x"]}, "big": 18446744073709551615, "n": null})", "config.json");
  const JsonView root(document, "config.json");
  EXPECT_EQ(root.at("a").at("b").at(0).integer(), 1);
  EXPECT_EQ(error_of([&] { root.at("a").at("b").at(1).integer(); }), "config.json: a.b[1]: expected a whole number");
  EXPECT_EQ(error_of([&] { root.at("c"); }), "config.json: lacks \"c\"");
  EXPECT_EQ(error_of([&] { root.at("big").integer(); }),
            "config.json: big: 18446744073709551615 is more than 9223372036854775807");
  EXPECT_EQ(error_of([&] { root.at("a").at("b").at(2); }), "config.json: a.b: has no element 2");
  EXPECT_EQ(error_of([&] { root.at("a").at("b").at("c"); }), "config.json: a.b: expected an object");
  EXPECT_FALSE(root.has("n"));
}

TEST(Json, MalformedTextIsOneLineWithoutInternals) {
  const std::string message = error_of([] { parse_json("{\"a\": ", "x.json"); });
  EXPECT_TRUE(message.starts_with("x.json: not valid JSON: parse error")) << message;
  EXPECT_EQ(message.find("json.exception"), std::string::npos) << message;
}

TEST(Json, DeepNestingIsRefusedNotRecursedInto) {
  const std::string deep = std::string(200000, '[') + std::string(200000, ']');
  EXPECT_EQ(error_of([&] { parse_json(deep, "x.json"); }), "x.json: nested deeper than 128 levels");
}

}  // namespace
}  // namespace sleb
