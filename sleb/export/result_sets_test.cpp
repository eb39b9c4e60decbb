#include "sleb/export/result_sets.h"

#include <gtest/gtest.h>

#include "sleb/base/error.h"

namespace sleb {
namespace {

ResultSets read(const Json& json) {
  return ResultSets(JsonView(json, "sleb.json"));
}

Json result_of(const Json& removal_list) {
  return {{"model", "a"}, {"num_blocks", 6}, {"removal_list", removal_list}};
}

using Sizes = std::vector<double>;

std::string set_leaving(const Json& result, double blocks) {
  return text_of(read(result).set_leaving(blocks));
}

TEST(ResultSets, HasEachBeginningOfGreedysOrder) {
  Json result = result_of({4, 1});
  EXPECT_EQ(read(result).sizes(), Sizes{4});
  result["steps"] = {{{"removed", 4}}, {{"removed", 1}}, {{"removed", 3}}};
  EXPECT_EQ(read(result).sizes(), (Sizes{5, 4, 3}));
  EXPECT_EQ(set_leaving(result, 5), "4");
  EXPECT_EQ(set_leaving(result, 4), "4,1");
  EXPECT_EQ(set_leaving(result, 3), "4,1,3");
}

TEST(ResultSets, HasBetterSetsThatNeedNotBeNested) {
  Json result = result_of({1, 2});
  result["steps"] = {{{"removed", 4}}, {{"removed", 1}}};
  result["best_sets"] = {{{"blocks", 1}, {"removal_list", {3}}}, {{"blocks", 2}, {"removal_list", {1, 2}}}};
  EXPECT_EQ(set_leaving(result, 5), "3");
  EXPECT_EQ(set_leaving(result, 4), "1,2");
}

TEST(ResultSets, HasTheSetThatWasTooMuch) {
  Json result = result_of({4, 1});
  result["steps"] = {{{"removed", 4}}, {{"removed", 1}}};
  result["sizes"]["sets"] = {{{"removal_list", {4}}}, {{"removal_list", {4, 1}}}, {{"removal_list", {4, 1, 3}}}};
  EXPECT_EQ(read(result).sizes(), (Sizes{5, 4, 3}));
  EXPECT_EQ(set_leaving(result, 3), "4,1,3");
}

TEST(ResultSets, CountsHalvesAsHalfABlock) {
  Json result = result_of({4, "1.mlp"});
  result["steps"] = {{{"removed", "4.mlp"}}, {{"removed", "1.mlp"}}, {{"removed", "4.attention"}}};
  EXPECT_EQ(read(result).sizes(), (Sizes{5.5, 5, 4.5}));
  EXPECT_EQ(set_leaving(result, 5), "4.mlp,1.mlp");
  EXPECT_EQ(set_leaving(result, 4.5), "4,1.mlp");
}

TEST(ResultSets, NamesTheSizesThatItHas) {
  Json result = result_of({4, 1});
  result["steps"] = {{{"removed", 4}}, {{"removed", 1}}};
  for (const double size : {0.0, 3.0, 4.5, 6.0, 7.0}) {
    try {
      set_leaving(result, size);
      FAIL() << size;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("sets that leave 5, 4"), std::string::npos) << error.what();
    }
  }
  EXPECT_TRUE(read(result_of(Json::array())).sizes().empty());
  EXPECT_THROW(read(result_of(Json::array())).set_leaving(6), Error);
}

TEST(ResultSets, RefusesWhatIsNone) {
  const auto with = [](const char* member, const Json& value) {
    Json result = result_of({1});
    result[member] = value;
    return result;
  };
  for (const Json& result : {Json(1),
                             Json::object(),
                             Json{{"model", "a"}, {"removal_list", {1}}},
                             result_of({6}),
                             result_of({-1}),
                             result_of({1.5}),
                             result_of({1, 1}),
                             result_of({1, "1.mlp"}),
                             result_of({"1,2"}),
                             result_of({"1.head"}),
                             result_of({"6.mlp"}),
                             result_of(1),
                             result_of({0, 1, 2, 3, 4, 5}),
                             with("num_blocks", 0),
                             with("num_blocks", int64_t{1} << 40),
                             with("steps", 1),
                             with("steps", {1}),
                             with("steps", {Json::object()}),
                             with("steps", {{{"removed", 1}}, {{"removed", 1}}}),
                             with("best_sets", {{{"removal_list", {7}}}}),
                             with("best_sets", {1}),
                             with("sizes", Json::object()),
                             with("sizes", {{"sets", {{{"removal_list", {9}}}}}})}) {
    EXPECT_THROW(read(result), Error) << result;
  }
}

}  // namespace
}  // namespace sleb
