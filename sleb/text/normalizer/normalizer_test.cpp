#include "sleb/text/normalizer/normalizer.h"

#include <gtest/gtest.h>

#include "sleb/base/error.h"

namespace sleb {
namespace {

Normalizers from(std::string_view text) {
  const Json document = parse_json(text, "x.json");
  return Normalizers(JsonView(document, "x.json"));
}

std::string applied(const Normalizers& steps, const std::string& text) {
  Section section{.text = text};
  steps.apply(section);
  return section.text;
}

std::string error_of(std::string_view text) {
  try {
    from(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Normalizers, RunInOrder) {
  const Normalizers steps = from(R"({"type": "Sequence", "normalizers": [{"type": "NFKC"},
                                     {"type": "Sequence", "normalizers": [{"type": "Lowercase"}]}]})");
  EXPECT_EQ(applied(steps, "\u212B \uFB01"), "\u00E5 fi");
  EXPECT_EQ(applied(from(R"({"type": "NFD"})"), "\u00E9"), "e\u0301");
  EXPECT_TRUE(Normalizers().empty());
  EXPECT_TRUE(from(R"({"type": "Sequence", "normalizers": []})").empty());
}

TEST(Normalizers, UnknownAndMalformedAreRefused) {
  EXPECT_EQ(error_of(R"({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Cyrillic"}]})"),
            "x.json: normalizers[1]: the normalizer \"Cyrillic\" is not supported");
  EXPECT_EQ(error_of(R"({"type": "Sequence"})"), "x.json: lacks \"normalizers\"");
  EXPECT_EQ(error_of(R"({"kind": "NFC"})"), "x.json: lacks \"type\"");
  EXPECT_EQ(error_of(R"(["NFC"])"), "x.json: expected an object");
}

}  // namespace
}  // namespace sleb
