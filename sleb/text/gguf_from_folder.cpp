#include "sleb/text/gguf_from_folder.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/json.h"
#include "sleb/text/chat/chat_template_text.h"
#include "sleb/text/gguf_pre_tokenizers.h"
#include "sleb/text/gguf_tokens.h"
#include "sleb/text/sources/folder_tokenizer.h"
#include "sleb/text/sources/json_tokenizer.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

// What ways to split texts differ in: blanks and lines, contractions, numbers, scripts, marks, signs and code.
constexpr const char* samples[] = {
    "The quick brown fox can't jump, we'VE said; THEY'LL see what I'd do.",
    "  two blanks  and   three\t\ttabs \n\n\nand lines\r\n\r\n   indented\n \n",
    "1 22 333 4444 55555 666666 7777777 88888888, 3.14159 and 1,234,567.89 or 0x1F",
    "Zürich, naïve café, Straße; ÀÉÎ x\xCC\x81 e\xCC\x81",
    "Привет, мир! Ελληνικά κείμενα. שלום עולם مرحبا بالعالم",
    "我想在東京吃寿司，然後１２３４５去。ひらがなとカタカナ 한국어 문장입니다.",
    "कखग ไทยภาษา ខ្មែរ မြန်မာ",
    "🚀 emoji 👩‍👩‍👧‍👦 and ✅✅ signs ≠ ∑ € £ ©",
    "def f(x, y=1):\n    return x**2 + y_1 != [a[\"k\"], {'b': -3}]  # ====== ------",
    "<html><body class='x'>&amp;</body></html> http://example.org/a?b=c&d=%20e user@host.example",
    "!!!??? ...``` '''\"\"\" `a` 'tis (Rock'n'roll) $5 #1 @you ~/.x \\n |pipe| ^caret^",
    "x = 12\n    y = 100\n|   2048|\n\t\t7  8   9    10     a  (3   4)\n  5\r\n   6.5 \u00a0 7",
    "12 345  6789   01234    567890 1a 23b 456c 7890d a1 b22 c333 d4444 e55555 (12)[345]{6789}<01234>",
    "camelCaseAndPascalCase SNAKE_CASE kebab-case MixedUP123abc456DEF",
    "a",
    " ",
    "\n",
    ""};

// A folder's tokenizer: what the document says, and what it does.
class FolderVocabulary {
 public:
  FolderVocabulary(const fs::path& folder, int64_t size)
      : folder_(folder),
        label_((folder / "tokenizer.json").string()),
        document_(read(folder)),
        tokenizer_(tokenizer_of_folder(folder)) {
    vocabulary_.label = label_;
    read_tokens(size);
    read_special_tokens();
    vocabulary_.chat_template = chat_template_text_of_folder(folder);
  }

  GgufVocabulary run() {
    const JsonView model = JsonView(document_, label_).at("model");
    const std::string type = model.string_or("type", "BPE");
    if (type != "BPE") {
      bad_input("{}: a {} vocabulary; known for a GGUF are those of BPE", label_, type);
    }
    if (model.boolean_or("byte_fallback", false)) return pieces();
    return bytes(model);
  }

 private:
  static Json read(const fs::path& folder) {
    std::error_code ignored;
    if (!fs::exists(folder / "tokenizer.json", ignored)) {
      bad_input(
          "{}: holds no tokenizer.json, of which a GGUF's vocabulary is made; save the tokenizer with transformers",
          folder.string());
    }
    return tokenizer_document_of_json_folder(folder);
  }

  // Ids of added tokens too, and those that only other files name.
  void read_tokens(int64_t size) {
    const JsonView file(document_, label_);
    std::map<int64_t, std::string> by_id;
    for (const auto& [token, id] : file.at("model").at("vocab").raw().items()) {
      if (!id.is_number_integer()) bad_input("{}: vocab[{:?}] is not an id", label_, token);
      by_id.emplace(id.get<int64_t>(), token);
    }
    std::map<int64_t, GgufTokenType> added;
    const auto list = file.find("added_tokens");
    for (size_t i = 0; list && i < list->size(); ++i) {
      const std::string content = list->at(i).at("content").string();
      const auto ids = tokenizer_.encode(content, false);
      const int64_t id = ids.size() == 1 ? ids[0] : list->at(i).at("id").integer();
      by_id[id] = content;
      const bool special = list->at(i).boolean_or("special", false);
      added[id] = special ? GgufTokenType::control : GgufTokenType::user_defined;
    }
    for (int64_t id = 0; id < size; ++id) {
      const auto token = by_id.find(id);
      const auto type = added.find(id);
      const bool is_there = token != by_id.end();
      vocabulary_.tokens.push_back(is_there ? token->second : fmt::format("[PAD{}]", id));
      const auto usual = is_there ? GgufTokenType::normal : GgufTokenType::unused;
      vocabulary_.token_types.push_back(static_cast<int64_t>(type == added.end() ? usual : type->second));
      ids_.emplace(vocabulary_.tokens.back(), id);
    }
  }

  std::optional<int64_t> id_of(const std::string& token) const {
    const auto found = ids_.find(token);
    return found == ids_.end() ? std::nullopt : std::optional(found->second);
  }

  void read_special_tokens() {
    const auto roles = special_tokens_of_folder(folder_);
    const auto id = [&](const char* role) {
      const auto found = roles.find(role);
      return found == roles.end() ? std::nullopt : id_of(found->second);
    };
    vocabulary_.bos = id("bos_token");
    vocabulary_.eos = id("eos_token");
    vocabulary_.unknown = id("unk_token");
    vocabulary_.padding = id("pad_token");
    const auto [before, behind] = tokenizer_.around_text();
    vocabulary_.add_bos = is_there(before, vocabulary_.bos, "before");
    vocabulary_.add_eos = is_there(behind, vocabulary_.eos, "behind");
  }

  bool is_there(const std::vector<int64_t>& around, const std::optional<int64_t>& token, std::string_view where) const {
    if (around.empty()) return false;
    if (around.size() == 1 && token == around[0]) return true;
    bad_input("{}: what stands {} every text is not its {} alone, which a GGUF can't express", label_, where,
              where == "before" ? "BOS" : "EOS");
  }

  std::vector<std::string> merges(const JsonView& model) const {
    std::vector<std::string> texts;
    const JsonView list = model.at("merges");
    for (size_t i = 0; i < list.size(); ++i) {
      const JsonView merge = list.at(i);
      texts.push_back(merge.is_string() ? merge.string() : merge.at(0).string() + " " + merge.at(1).string());
    }
    return texts;
  }

  // Whether the vocabulary, as llama.cpp and sleb read it, gives texts the folder's ids.
  bool gives_same_ids(const GgufVocabulary& vocabulary) const {
    const Tokenizer read = Tokenizer::from_json(tokenizer_files(vocabulary).tokenizer_json, label_);
    return std::ranges::all_of(samples, [&](const char* text) { return read.encode(text) == tokenizer_.encode(text); });
  }

  GgufVocabulary bytes(const JsonView& model) {
    vocabulary_.model = "gpt2";
    vocabulary_.merges = merges(model);
    std::vector<std::string_view> names = gguf_pre_tokenizer_names();
    std::erase_if(names, [&](std::string_view name) { return !gguf_pre_tokenizer(name, label_).byte_level; });
    // Those that say what tokenizer.json says come first: else all of them might have to be tried.
    const std::string own = document_.value("pre_tokenizer", Json()).dump();
    std::stable_partition(names.begin(), names.end(), [&](std::string_view name) {
      return Json::parse(gguf_pre_tokenizer(name, label_).pre_tokenizer.dump()).dump() == own;
    });
    for (const std::string_view name : names) {
      vocabulary_.pre = name;
      if (gives_same_ids(vocabulary_)) return std::move(vocabulary_);
    }
    bad_input(
        "{}: no way to split texts that GGUFs have a name for (tokenizer.ggml.pre) gives sample texts this tokenizer's "
        "ids",
        label_);
  }

  // SentencePiece merges by the score of the piece that is made: the earlier a merge makes it, the higher.
  GgufVocabulary pieces() {
    vocabulary_.model = "llama";
    vocabulary_.pre = "default";
    const std::vector<std::string> all = merges(JsonView(document_, label_).at("model"));
    vocabulary_.scores.assign(vocabulary_.tokens.size(), -static_cast<double>(all.size()) - 1);
    for (size_t i = all.size(); i > 0; --i) {
      std::string piece = all[i - 1];
      piece.erase(piece.find(' ', 1), 1);
      if (const auto id = id_of(piece)) vocabulary_.scores[static_cast<size_t>(*id)] = -static_cast<double>(i - 1);
    }
    for (size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
      const std::string& token = vocabulary_.tokens[id];
      int64_t& type = vocabulary_.token_types[id];
      const bool is_byte = token.size() == 6 && token.starts_with("<0x") && token.ends_with('>');
      if (is_byte) type = static_cast<int64_t>(GgufTokenType::byte);
      if (static_cast<int64_t>(id) == vocabulary_.unknown) type = static_cast<int64_t>(GgufTokenType::unknown);
    }
    for (const bool prefix : {true, false}) {
      vocabulary_.add_space_prefix = prefix;
      if (gives_same_ids(vocabulary_)) return std::move(vocabulary_);
    }
    bad_input("{}: read as a GGUF's vocabulary, it gives sample texts other ids: not one of SentencePiece's BPE",
              label_);
  }

  fs::path folder_;
  std::string label_;
  Json document_;
  Tokenizer tokenizer_;
  GgufVocabulary vocabulary_;
  std::map<std::string, int64_t> ids_;
};

}  // namespace

GgufVocabulary gguf_vocabulary_of_folder(const fs::path& folder, int64_t size) {
  return FolderVocabulary(folder, size).run();
}

}  // namespace sleb
