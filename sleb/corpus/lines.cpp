#include "sleb/corpus/lines.h"

#include <string>

#include "sleb/base/file.h"
#include "sleb/corpus/gzip.h"

namespace sleb {
namespace {

// Cuts text that arrives in pieces into lines, each with its newline where it has one.
class LineCutter {
 public:
  explicit LineCutter(const std::function<void(std::string_view line)>& take) : take_(take) {}

  void add(std::string_view piece) {
    for (size_t end = piece.find('\n'); end != piece.npos; end = piece.find('\n')) {
      if (begun_.empty()) {
        take_(piece.substr(0, end + 1));
      } else {
        begun_.append(piece.substr(0, end + 1));
        take_(begun_);
        begun_.clear();
      }
      piece.remove_prefix(end + 1);
    }
    begun_.append(piece);
  }

  // The last line may lack its newline.
  void finish() {
    if (!begun_.empty()) take_(begun_);
  }

 private:
  const std::function<void(std::string_view line)>& take_;
  std::string begun_;  // the line whose end has not come yet
};

}  // namespace

void for_each_line(const std::filesystem::path& path, Packing packing,
                   const std::function<void(std::string_view line)>& take) {
  const MappedFile file(path);
  LineCutter lines(take);
  const auto add = [&](std::string_view piece) { lines.add(piece); };
  if (packing == Packing::gzip) {
    read_gzip(file.bytes(), path.string(), gzip_limit, add);
  } else {
    add(file.text());
  }
  lines.finish();
}

}  // namespace sleb
