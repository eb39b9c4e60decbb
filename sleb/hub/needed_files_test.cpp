#include "sleb/hub/needed_files.h"

#include <gtest/gtest.h>

#include "tests/untrusted_file.h"

namespace sleb {
namespace {

using Names = std::vector<std::string>;

class ASnapshot : public testing::Test {
 protected:
  void put(const std::string& file, std::string_view content = "x") { scratch_.write("s/" + file, content); }
  void list(const std::string& file, uint64_t bytes = 1) {
    if (!snapshot_.listing) snapshot_.listing.emplace();
    snapshot_.listing->emplace(file, ListedFile{bytes});
  }
  NeededFiles needed(const std::string& name = "org/m", ModelParts parts = ModelParts::all) {
    return needed_files(*parse_model_name(name), parts, snapshot_);
  }
  std::string missing(const std::string& name = "org/m", ModelParts parts = ModelParts::all) {
    const NeededFiles files = needed(name, parts);
    return files.problem.empty() ? first_missing(files.files, snapshot_).value_or("") : files.problem;
  }

  testing_files::TemporaryFolder scratch_;
  Snapshot snapshot_{scratch_.path() / "s", std::string(40, 'a'), {}};
};

TEST_F(ASnapshot, WithoutAListingIsWholeWithConfigurationTokenizerAndWeights) {
  EXPECT_EQ(missing(), "config.json");
  put("config.json");
  EXPECT_EQ(missing(), "tokenizer.json");
  put("tokenizer.model");
  EXPECT_EQ(missing("org/m", ModelParts::tokenizer), "");
  EXPECT_EQ(missing(), "model.safetensors");
  put("model.safetensors");
  EXPECT_EQ(missing(), "");
}

TEST_F(ASnapshot, WithAnIndexIsWholeWithEveryShardThatItNames) {
  for (const char* file : {"config.json", "tokenizer.json", "a.safetensors"}) put(file);
  put("model.safetensors.index.json", R"({"weight_map": {"x": "a.safetensors", "y": "b.safetensors", "z": "../c"}})");
  EXPECT_EQ(missing(), "b.safetensors");
  put("b.safetensors");
  EXPECT_EQ(missing(), "");
  put("model.safetensors.index.json", "malformed");
  EXPECT_EQ(missing(), "") << "its reader says what is wrong";
}

TEST_F(ASnapshot, WithAListingIsWholeWithAllOfItThatAModelIsMadeOf) {
  for (const char* file : {"config.json", "tokenizer.json", "generation_config.json", "model.safetensors", "README.md",
                           "onnx/model.onnx", "additional_chat_templates/tools.jinja"}) {
    list(file);
  }
  for (const char* file : {"config.json", "tokenizer.json", "model.safetensors"}) put(file);
  EXPECT_EQ(missing(), "generation_config.json");
  put("generation_config.json");
  EXPECT_EQ(missing(), "additional_chat_templates/tools.jinja");
  put("additional_chat_templates/tools.jinja");
  EXPECT_EQ(missing(), "");
  put("model.safetensors", "longer than listed");
  EXPECT_EQ(missing(), "model.safetensors");
}

TEST_F(ASnapshot, OfAFamilyWithoutAClassIsWholeWithItsCode) {
  for (const char* file :
       {"config.json", "tokenizer.json", "model.safetensors", "modeling_exaone.py", "train/run.py"}) {
    list(file);
  }
  for (const char* file : {"tokenizer.json", "model.safetensors"}) put(file);
  put("config.json", R"({"model_type": "llama"})");
  snapshot_.listing->at("config.json").bytes = 23;
  EXPECT_EQ(missing(), "");
  put("config.json", R"({"model_type": "exaone"})");
  snapshot_.listing->at("config.json").bytes = 24;
  EXPECT_EQ(missing("org/m", ModelParts::tokenizer), "");
  EXPECT_EQ(missing(), "modeling_exaone.py");
  put("modeling_exaone.py");
  EXPECT_EQ(missing(), "");
}

TEST_F(ASnapshot, ThatListsNoReadableWeightsSaysWhy) {
  list("config.json");
  list("pytorch_model-00001-of-00002.bin");
  EXPECT_NE(missing().find("pytorch_model-00001-of-00002.bin"), std::string::npos) << missing();
  EXPECT_NE(missing().find("convert"), std::string::npos);
  list("m.Q8_0.gguf");
  EXPECT_EQ(needed().gguf, "m.Q8_0.gguf") << "the only model";
  list("m.Q4_0.gguf");
  EXPECT_NE(missing().find("org/m/m.Q4_0.gguf, org/m/m.Q8_0.gguf"), std::string::npos) << missing();
}

TEST_F(ASnapshot, HoldsTheGgufThatIsNamed) {
  list("m.Q4_0.gguf");
  list("big-Q8_0-00001-of-00002.gguf");
  list("big-Q8_0-00002-of-00002.gguf");
  EXPECT_EQ(needed("org/m:q8_0").files, (Names{"big-Q8_0-00001-of-00002.gguf", "big-Q8_0-00002-of-00002.gguf"}));
  EXPECT_EQ(needed("org/m/big-Q8_0-00002-of-00002.gguf").gguf, "big-Q8_0-00001-of-00002.gguf");
  EXPECT_EQ(needed("org/m/m.Q4_0.gguf").files, Names{"m.Q4_0.gguf"});
  EXPECT_EQ(missing("org/m:Q5_K_M"), "holds no GGUF of Q5_K_M; there are: big-Q8_0-00001-of-00002.gguf, m.Q4_0.gguf");
  EXPECT_EQ(missing("org/m/x.gguf"), "holds no x.gguf; there are: big-Q8_0-00001-of-00002.gguf, m.Q4_0.gguf");
}

TEST(ChooseGguf, TakesTheQuantisationAsItStandsBetweenPunctuation) {
  const Names names = {"M-IQ4_XS.gguf", "M-Q4_K_M.gguf",    "M-Q4_K_M_L.gguf", "UD/M-UD-Q4_K_M.gguf", "Q6_K/M.gguf",
                       "m.f16.gguf",    "mmproj-Q8_0.gguf", "x.imatrix.gguf",  "M-Q40.gguf"};
  EXPECT_EQ(choose_gguf(names, "q4_k_m"), Names{"M-Q4_K_M.gguf"});
  EXPECT_EQ(choose_gguf(names, "Q6_K"), Names{"Q6_K/M.gguf"});
  EXPECT_EQ(choose_gguf(names, "F16"), Names{"m.f16.gguf"});
  EXPECT_EQ(choose_gguf(names, "Q4_XS"), Names{});
  EXPECT_EQ(choose_gguf(names, "Q8_0"), Names{}) << "a projector is no model";
  EXPECT_EQ(choose_gguf(names, "Q4"), Names{});
  EXPECT_EQ(choose_gguf(names, ""), Names{}) << "several";
  EXPECT_EQ(choose_gguf({"a.gguf", "mmproj.gguf"}, ""), Names{"a.gguf"});
}

}  // namespace
}  // namespace sleb
