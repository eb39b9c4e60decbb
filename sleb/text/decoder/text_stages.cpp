#include "sleb/text/decoder/text_stages.h"

#include <fmt/core.h>

#include <optional>
#include <utility>

#include "sleb/base/utf8.h"
#include "sleb/text/decoder/whole_token_stage.h"
#include "sleb/unicode/finder.h"
#include "sleb/unicode/replace.h"

namespace sleb {
namespace {

class MetaspaceStage : public DecoderStage {
 public:
  MetaspaceStage(Downstream next, std::string replacement, bool drop_in_first)
      : next_(next), replacement_(std::move(replacement)), drop_(drop_in_first) {}

  void text(std::string_view part) override { next_.text(replace_all(part, replacement_, drop_ ? "" : " ")); }
  void end_token() override {
    drop_ = false;
    next_.end_token();
  }
  void finish() override { next_.finish(); }

 private:
  Downstream next_;
  const std::string replacement_;
  bool drop_;
};

class FuseStage : public DecoderStage {
 public:
  explicit FuseStage(Downstream next) : next_(next) {}

  void text(std::string_view part) override { next_.text(part); }
  void end_token() override {}
  void finish() override {
    next_.end_token();
    next_.finish();
  }

 private:
  Downstream next_;
};

struct StripOptions {
  std::string character;
  int64_t at_start, at_end;  // most characters to take off
};

class StripStage : public DecoderStage {
 public:
  StripStage(Downstream next, StripOptions options)
      : next_(next), options_(std::move(options)), left_at_start_(options_.at_start) {}

  void text(std::string_view part) override {
    std::string kept;
    while (!part.empty()) {
      const std::string_view character = part.substr(0, character_size(part[0]));
      part.remove_prefix(character.size());
      if (character != options_.character) {
        left_at_start_ = 0;
        release(kept);
        kept += character;
      } else if (left_at_start_ > 0) {
        --left_at_start_;
      } else if (held_ < options_.at_end) {
        ++held_;
      } else {
        kept += character;  // in place of the first one held
      }
    }
    next_.text(kept);
  }
  void end_token() override {
    left_at_start_ = options_.at_start;
    held_ = 0;
    next_.end_token();
  }
  void finish() override { next_.finish(); }

 private:
  void release(std::string& kept) {
    for (; held_ > 0; --held_) kept += options_.character;
  }

  Downstream next_;
  const StripOptions options_;
  int64_t left_at_start_;
  int64_t held_ = 0;  // characters that are taken off if the token ends here
};

class ReplaceStage : public WholeTokenStage {
 public:
  ReplaceStage(Downstream next, Finder find, std::string content)
      : WholeTokenStage(next), find_(std::move(find)), content_(std::move(content)) {}

 private:
  void token(std::string whole) override {
    std::vector<Span> matches;
    find_(whole, matches);
    next_.check_room(matches.size() * content_.size());
    std::string text;
    size_t done = 0;
    for (const Span& match : matches) {
      text.append(whole, done, match.begin - done);
      text += content_;
      done = match.end;
    }
    text.append(whole, done);
    next_.token(text);
  }

  const Finder find_;
  const std::string content_;
};

// What both WordPiece and CTC call "cleanup", in their order.
std::string cleaned_up(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> rewritings[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : rewritings) text = replace_all(text, from, to);
  return text;
}

class WordPieceStage : public WholeTokenStage {
 public:
  WordPieceStage(Downstream next, std::string prefix, bool cleanup)
      : WholeTokenStage(next), prefix_(std::move(prefix)), cleanup_(cleanup) {}

 private:
  void token(std::string whole) override {
    if (!std::exchange(is_first_, false)) {
      if (whole.starts_with(prefix_)) {
        whole.erase(0, prefix_.size());
      } else {
        whole.insert(0, " ");
      }
    }
    next_.token(cleanup_ ? cleaned_up(std::move(whole)) : whole);
  }

  const std::string prefix_;
  const bool cleanup_;
  bool is_first_ = true;
};

class EndOfWordStage : public WholeTokenStage {
 public:
  EndOfWordStage(Downstream next, std::string suffix) : WholeTokenStage(next), suffix_(std::move(suffix)) {}

  void finish() override {
    if (previous_) next_.token(replace_all(*previous_, suffix_, ""));
    next_.finish();
  }

 private:
  void token(std::string whole) override {
    if (previous_) next_.token(replace_all(*previous_, suffix_, " "));
    previous_ = std::move(whole);
  }

  const std::string suffix_;
  std::optional<std::string> previous_;
};

struct CtcOptions {
  std::string padding, word_delimiter;
  bool cleanup;
};

class CtcStage : public WholeTokenStage {
 public:
  CtcStage(Downstream next, CtcOptions options) : WholeTokenStage(next), options_(std::move(options)) {}

 private:
  void token(std::string whole) override {
    if (whole == previous_) return;
    std::string text = replace_all(whole, options_.padding, "");
    if (options_.cleanup) text = replace_all(cleaned_up(std::move(text)), options_.word_delimiter, " ");
    if (!text.empty()) next_.token(text);
    previous_ = std::move(whole);
  }

  const CtcOptions options_;
  std::optional<std::string> previous_;
};

class BlanksBetweenStage : public DecoderStage {
 public:
  explicit BlanksBetweenStage(Downstream next) : next_(next) {}

  void text(std::string_view part) override {
    begin_token();
    next_.text(part);
  }
  void end_token() override {
    begin_token();
    next_.end_token();
    in_token_ = false;
  }
  void finish() override { next_.finish(); }

 private:
  void begin_token() {
    if (in_token_) return;
    if (!std::exchange(is_first_, false)) next_.text(" ");
    in_token_ = true;
  }

  Downstream next_;
  bool is_first_ = true;
  bool in_token_ = false;
};

// What is put in comes again for every match.
constexpr size_t longest_content = 1024;  // bytes

}  // namespace

MakeStage metaspace_stage(const JsonView& component) {
  const std::string scheme = component.string_or("prepend_scheme", "always");
  const bool drop = scheme != "never" && component.boolean_or("add_prefix_space", true);
  return [replacement = one_character(component.at("replacement")), drop](Downstream next) {
    return std::make_unique<MetaspaceStage>(next, replacement, drop);
  };
}

MakeStage fuse_stage(const JsonView&) {
  return [](Downstream next) { return std::make_unique<FuseStage>(next); };
}

MakeStage strip_stage(const JsonView& component) {
  const StripOptions options = {.character = one_character(component.at("content")),
                                .at_start = component.at("start").integer(0),
                                .at_end = component.at("stop").integer(0)};
  return [options](Downstream next) { return std::make_unique<StripStage>(next, options); };
}

MakeStage replace_stage(const JsonView& component) {
  const std::string& content = component.at("content").string();
  if (content.size() > longest_content) {
    component.at("content").fail(fmt::format("{} bytes are too many to put into a text", content.size()));
  }
  return [find = pattern_finder(component.at("pattern")), content](Downstream next) {
    return std::make_unique<ReplaceStage>(next, find, content);
  };
}

MakeStage word_piece_stage(const JsonView& component) {
  return [prefix = component.at("prefix").string(), cleanup = component.at("cleanup").boolean()](Downstream next) {
    return std::make_unique<WordPieceStage>(next, prefix, cleanup);
  };
}

MakeStage end_of_word_stage(const JsonView& component) {
  return [suffix = component.at("suffix").string()](Downstream next) {
    return std::make_unique<EndOfWordStage>(next, suffix);
  };
}

MakeStage ctc_stage(const JsonView& component) {
  const CtcOptions options = {.padding = component.at("pad_token").string(),
                              .word_delimiter = component.at("word_delimiter_token").string(),
                              .cleanup = component.at("cleanup").boolean()};
  return [options](Downstream next) { return std::make_unique<CtcStage>(next, options); };
}

MakeStage blanks_between_stage() {
  return [](Downstream next) { return std::make_unique<BlanksBetweenStage>(next); };
}

}  // namespace sleb
