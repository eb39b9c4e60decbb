#include "sleb/text/pipeline/post_processor.h"

#include <gtest/gtest.h>

#include "sleb/base/error_message.h"

namespace sleb {
namespace {

using Ids = std::vector<int64_t>;

constexpr std::string_view bos_and_eos = R"({"type": "TemplateProcessing",
  "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
             {"SpecialToken": {"id": "end", "type_id": 0}}],
  "pair": [],
  "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]},
                     "end": {"id": "end", "ids": [2, 3], "tokens": ["</s>", "x"]}}})";

PostProcessors from(std::string_view text) {
  const Json document = parse_json(text, "x.json");
  return PostProcessors(JsonView(document, "x.json"));
}

std::string error_of(std::string_view text) {
  return error_message([&] { from(text); });
}

std::string replaced(std::string_view what, std::string_view with) {
  std::string text(bos_and_eos);
  return text.replace(text.find(what), what.size(), with);
}

TEST(PostProcessors, TemplateAddsSpecialTokensIfWanted) {
  const PostProcessors steps = from(bos_and_eos);
  EXPECT_EQ(steps.apply({7, 8}, true), (Ids{1, 7, 8, 2, 3}));
  EXPECT_EQ(steps.apply({7, 8}, false), (Ids{7, 8}));
  EXPECT_EQ(steps.apply({}, true), (Ids{1, 2, 3}));
}

TEST(PostProcessors, SequenceAppliesOneAfterAnother) {
  const std::string both = R"({"type": "Sequence", "processors": [{"type": "ByteLevel", "trim_offsets": true}, )" +
                           std::string(bos_and_eos) + ", " + std::string(bos_and_eos) + "]}";
  EXPECT_EQ(from(both).apply({7}, true), (Ids{1, 1, 7, 2, 3, 2, 3}));
  EXPECT_EQ(PostProcessors().apply({7}, true), Ids{7});
}

TEST(PostProcessors, BertAndRobertaPutTokensAround) {
  for (const std::string type : {"BertProcessing", "RobertaProcessing"}) {
    const PostProcessors steps = from(R"({"type": ")" + type + R"(", "sep": ["</s>", 2], "cls": ["<s>", 0]})");
    EXPECT_EQ(steps.apply({7, 8}, true), (Ids{0, 7, 8, 2}));
    EXPECT_EQ(steps.apply({7, 8}, false), (Ids{7, 8}));
  }
}

TEST(PostProcessors, UnknownAndMalformedAreRefused) {
  EXPECT_EQ(error_of(R"({"type": "Around"})"), "x.json: the post-processor \"Around\" is not supported");
  EXPECT_EQ(error_of(R"({"type": "BertProcessing"})"), "x.json: lacks \"cls\"");
  EXPECT_EQ(error_of(R"({"type": "BertProcessing", "cls": ["a"], "sep": ["b", 1]})"),
            "x.json: cls: expected a token and its id");
  EXPECT_EQ(error_of(R"({"type": "BertProcessing", "cls": ["a", 1], "sep": ["b", -1]})"),
            "x.json: sep[1]: -1 is less than 0");
  EXPECT_EQ(error_of(replaced("[1]", "[-1]")), "x.json: special_tokens.<s>.ids[0]: -1 is less than 0");
  EXPECT_EQ(error_of(replaced("[1]", "[4294967296]")),
            "x.json: special_tokens.<s>.ids[0]: 4294967296 is more than 2147483647");
  EXPECT_EQ(error_of(replaced("\"end\"", "\"fin\"")), "x.json: special_tokens: lacks \"fin\"");
  EXPECT_EQ(error_of(replaced("\"A\"", "\"B\"")),
            "x.json: single[1].Sequence: the template of a single text names a second one");
  EXPECT_EQ(error_of(replaced("Sequence", "Text")), "x.json: single[1]: lacks \"SpecialToken\"");
}

TEST(PostProcessors, TemplatesThatMultiplyAreRefused) {
  std::string ids = "1";
  for (int i = 0; i < 600; ++i) ids += ", 1";
  EXPECT_EQ(from(replaced("[1]", "[" + ids + "]")).apply({7}, true).size(), 604u);
  EXPECT_EQ(error_of(replaced("[2, 3]", "[" + ids + ", " + ids + "]")),
            "x.json: single: adds more than 1024 special tokens");
  EXPECT_EQ(error_of(replaced(R"({"SpecialToken": {"id": "end", "type_id": 0}})", R"({"Sequence": {"id": "A"}})")),
            "x.json: single[2].Sequence: the template takes the text twice");
}

}  // namespace
}  // namespace sleb
