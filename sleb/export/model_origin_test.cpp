#include "sleb/export/model_origin.h"

#include <gtest/gtest.h>

namespace sleb {
namespace {

TEST(ModelOrigin, OfAPathIsNotKnown) {
  OrderedJson json = {{"model", "folder"}};
  add_origin(json, {});
  EXPECT_EQ(json.size(), 1U);
  EXPECT_EQ(card_origin({}), "");
  EXPECT_EQ(card_front_matter({}).find("base_model"), std::string::npos);
  EXPECT_TRUE(card_front_matter({}).starts_with("---\nlibrary_name: transformers\n"));
}

TEST(ModelOrigin, IsTheNameUnlessAnotherWasGiven) {
  OrderedJson json;
  add_origin(json, {"org/name", "abc", ""});
  EXPECT_EQ(json, (OrderedJson{{"base_model", "org/name"}, {"commit", "abc"}}));
  EXPECT_TRUE(card_front_matter({"org/name", "abc", ""}).starts_with("---\nbase_model: org/name\n"));
  EXPECT_TRUE(card_front_matter({"org/name", "abc", "a/b"}).starts_with("---\nbase_model: a/b\n"));
  EXPECT_TRUE(
      card_front_matter({"a/b", "", ""}, {"o/d"}).starts_with("---\nbase_model: a/b\ndatasets:\n- o/d\nlibrary"));
  EXPECT_TRUE(card_front_matter({"", "", "a/b"}).starts_with("---\nbase_model: a/b\n"));
  EXPECT_EQ(card_origin({"org/name", "abc", "a/b"}), "Original model: org/name, commit abc.\n\n");
}

}  // namespace
}  // namespace sleb
