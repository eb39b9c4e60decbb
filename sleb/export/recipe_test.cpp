#include "sleb/export/recipe.h"

#include <gtest/gtest.h>

#include "sleb/base/error.h"

namespace sleb {
namespace {

Recipe recipe_from(const Json& result, const std::string& model = "") {
  const ResultSets read(JsonView(result, "sleb.json"));
  return recipe_of(read, read.removal_list(), model);
}

Json result_of(const Json& removal_list) {
  return {{"model", "org/name@main"}, {"num_blocks", 6}, {"removal_list", removal_list}};
}

using Runs = std::vector<std::pair<int64_t, int64_t>>;

TEST(Recipe, KeepsRuns) {
  EXPECT_EQ(kept_runs(recipe_from(result_of({4, 1}))), (Runs{{0, 1}, {2, 4}, {5, 6}}));
  EXPECT_EQ(kept_runs(recipe_from(result_of({0, 1, 5}))), (Runs{{2, 5}}));
  EXPECT_EQ(kept_runs(recipe_from(result_of({0, 1, 2, 3, 4}))), (Runs{{5, 6}}));
}

TEST(Recipe, NamesWhatWasRead) {
  Json result = result_of({1});
  EXPECT_EQ(recipe_from(result).model, "org/name@main");
  result["commit"] = "abc";
  EXPECT_EQ(recipe_from(result).model, "org/name@abc");
  EXPECT_EQ(recipe_from(result, "folder").model, "folder");
  for (const char* gguf : {"org/name:Q4_K_M", "a/model.gguf"}) {
    result["model"] = gguf;
    EXPECT_EQ(recipe_from(result).model, gguf);
    EXPECT_EQ(text_of(recipe_from(result)).find("slices"), std::string::npos);
    EXPECT_NE(text_of(recipe_from(result)).find("--prune-layers 1 "), std::string::npos);
  }
  result["model"] = "/data/a:b/model";
  EXPECT_FALSE(recipe_from(result).is_gguf);
}

TEST(Recipe, StaysOneFileWhateverTheName) {
  for (const char* name : {"a\nslices: []\n\"b", "a\nslices: []\n.gguf"}) {
    EXPECT_EQ(text_of(recipe_from(result_of({1}), name)).find("\nslices: []"), std::string::npos);
  }
}

TEST(Recipe, IsKnownAgain) {
  EXPECT_TRUE(is_recipe(text_of(recipe_from(result_of({1})))));
  EXPECT_TRUE(is_recipe(text_of(recipe_from(result_of({1}), "a\n.gguf"))));
  for (const char* text : {"", "#", "# a\nmerge_method: passthrough, by sleb.\n", "slices: []"}) {
    EXPECT_FALSE(is_recipe(text)) << text;
  }
}

TEST(Recipe, RefusesWhatOthersCanNotDo) {
  Json repaired = result_of({1});
  repaired["repair"] = Json::object();
  for (const Json& result : {result_of({"1.mlp"}), result_of(Json::array()), result_of({6}), result_of({-1}),
                             result_of({0, 1, 2, 3, 4, 5}), result_of({1, 1}), result_of(1), repaired, Json(1),
                             Json::object(), Json{{"model", "a"}, {"removal_list", {1}}}}) {
    EXPECT_THROW(recipe_from(result), Error) << result;
  }
}

}  // namespace
}  // namespace sleb
