#include "sleb/datasets/data_files.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "sleb/base/error.h"
#include "sleb/base/progress.h"
#include "sleb/datasets/glob.h"
#include "sleb/hub/repository_name.h"

namespace sleb {
namespace {

using Names = std::vector<std::string>;

// data_files.py, FILES_TO_IGNORE.
constexpr std::array ignored_files = {"README.md",          "config.json",    "dataset_info.json",
                                      "dataset_infos.json", "dummy_data.zip", "dataset_dict.json"};

// Endings and the loader that datasets reads them with (packaged_modules/__init__.py). Those without one hold no rows
// of text that are read here; pictures, sounds and films are named by the most usual of theirs.
struct Loader {
  std::string_view ending, name;
};
constexpr Loader loaders[] = {
    {".csv", "csv"},     {".tsv", "csv"},     {".json", "json"},
    {".jsonl", "json"},  {".ndjson", "json"}, {".parquet", "parquet"},
    {".arrow", "arrow"}, {".txt", "text"},    {".zip", ""},
    {".tar", ""},        {".conll", ""},      {".conllu", ""},
    {".xml", ""},        {".hdf5", ""},       {".h5", ""},
    {".lance", ""},      {".vortex", ""},     {".geoparquet", ""},
    {".gpq", ""},        {".jpg", ""},        {".jpeg", ""},
    {".png", ""},        {".webp", ""},       {".gif", ""},
    {".tif", ""},        {".tiff", ""},       {".bmp", ""},
    {".wav", ""},        {".mp3", ""},        {".flac", ""},
    {".ogg", ""},        {".opus", ""},       {".mp4", ""},
    {".avi", ""},        {".mkv", ""},        {".mov", ""},
    {".pdf", ""},        {".fasta", ""},      {".pdb", ""},
    {".nii", ""},
};
// Where as many files have one ending as have another, the first of these counts (load.py).
constexpr std::array favourites = {".parquet", ".arrow", ".jsonl", ".json", ".csv"};

struct Keywords {
  std::string_view split;
  std::array<std::string_view, 4> words;
};
constexpr Keywords keywords[] = {
    {"train", {"train", "training"}},
    {"validation", {"validation", "valid", "dev", "val"}},
    {"test", {"test", "testing", "eval", "evaluation"}},
};
constexpr std::string_view separators = "[-._ 0-9]";
constexpr std::string_view five_digits = "[0-9][0-9][0-9][0-9][0-9]";

std::string_view base_of(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

// Of folders and file, or of the folders alone, those that begin with `sign` and are more than dots.
size_t special_parts(std::string_view path, std::string_view sign, bool folders_only) {
  size_t count = 0;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t slash = path.find('/', begin);
    const bool file = slash == path.npos;
    const std::string_view part = path.substr(begin, file ? path.npos : slash - begin);
    const bool more = part.find_first_not_of('.') != part.npos;
    if (part.starts_with(sign) && more && !(file && folders_only)) ++count;
    if (file) break;
    begin = slash + 1;
  }
  return count;
}

// ".json" and ".gz" of "a.json.gz".
Names endings_of(std::string_view path) {
  Names endings;
  std::string_view name = base_of(path);
  for (size_t dot = name.find('.'); dot != name.npos; dot = name.find('.')) {
    name.remove_prefix(dot + 1);
    endings.push_back("." + std::string(name.substr(0, name.find('.'))));
  }
  return endings;
}

const Loader* loader_of(std::string_view ending) {
  const auto found = std::ranges::find(loaders, ending, &Loader::ending);
  return found == std::end(loaders) ? nullptr : &*found;
}

bool is_data_file(std::string_view path) {
  return std::ranges::any_of(endings_of(path), [](const std::string& ending) { return loader_of(ending) != nullptr; });
}

// The loader of most files.
const Loader* common_loader(const Names& files) {
  std::map<std::string, size_t> counts;
  for (const std::string& file : files) {
    for (const std::string& ending : endings_of(file)) ++counts[ending];
  }
  const auto rank = [](std::string_view ending) { return std::ranges::find(favourites, ending) - favourites.begin(); };
  const Loader* best = nullptr;
  size_t most = 0;
  for (const auto& [ending, count] : counts) {
    const Loader* loader = loader_of(ending);
    if (loader == nullptr || count < most) continue;
    if (count == most && best != nullptr && rank(ending) > rank(best->ending)) continue;
    best = loader;
    most = count;
  }
  return best;
}

bool is_of(std::string_view path, std::string_view loader) {
  return std::ranges::any_of(endings_of(path), [&](const std::string& ending) {
    const Loader* own = loader_of(ending);
    return own != nullptr && own->name == loader;
  });
}

// Those that the loader of most of them reads.
void keep_one_format(SplitFiles& split, const std::string& label) {
  const Loader* loader = common_loader(split.files);
  if (loader == nullptr) return;
  if (loader->name.empty()) {
    bad_input("{}: the split {} is made of {} files, and rows are read from Parquet, Arrow, JSON, CSV and text", label,
              split.split, loader->ending);
  }
  std::erase_if(split.files, [&](const std::string& file) { return !is_of(file, loader->name); });
}

SplitPatterns in_folders(const Keywords& given) {
  SplitPatterns patterns{std::string(given.split), {}};
  for (const std::string_view word : given.words) {
    if (word.empty()) continue;
    for (const auto& pattern :
         {fmt::format("**/{}/**", word), fmt::format("**/{}{}*/**", word, separators),
          fmt::format("**/*{}{}/**", separators, word), fmt::format("**/*{}{}{}*/**", separators, word, separators)}) {
      patterns.patterns.push_back(pattern);
    }
  }
  return patterns;
}

SplitPatterns in_file_names(const Keywords& given) {
  SplitPatterns patterns{std::string(given.split), {}};
  for (const std::string_view word : given.words) {
    if (word.empty()) continue;
    patterns.patterns.push_back(fmt::format("**/{}{}*", word, separators));
    patterns.patterns.push_back(fmt::format("**/*{}{}{}*", separators, word, separators));
  }
  return patterns;
}

// "train-00000-of-00003.parquet": "train", 3 and ".parquet".
struct Numbered {
  std::string name, rest;
  size_t total;

  auto operator<=>(const Numbered&) const = default;
};

std::optional<Numbered> numbered(std::string_view file) {
  constexpr size_t digits = 5;
  const auto are_digits = [&](size_t at) {
    const std::string_view text = file.substr(at, digits);
    return text.size() == digits && text.find_first_not_of("0123456789") == text.npos;
  };
  for (size_t of = file.rfind("-of-"); of != file.npos && of > digits + 1; of = file.rfind("-of-", of - 1)) {
    if (file[of - digits - 1] != '-' || !are_digits(of - digits) || !are_digits(of + 4)) continue;
    return Numbered{std::string(file.substr(0, of - digits - 1)), std::string(file.substr(of + 4 + digits)),
                    std::stoul(std::string(file.substr(of + 4, digits)))};
  }
  return {};
}

// data/SPLIT-00000-of-00001.parquet, as push_to_hub writes them: the splits, those with usual names first.
std::vector<SplitPatterns> sharded(const Names& names) {
  const std::string tail = fmt::format("-{}-of-{}*.*", five_digits, five_digits);
  std::set<std::string> found;
  for (const std::string& file : matching_files("data/*" + tail, names)) {
    if (const auto parts = numbered(base_of(file))) found.insert(parts->name);
  }
  Names splits;
  for (const Keywords& usual : keywords) {
    if (found.erase(std::string(usual.split)) > 0) splits.emplace_back(usual.split);
  }
  splits.insert(splits.end(), found.begin(), found.end());
  std::vector<SplitPatterns> patterns;
  for (const std::string& split : splits) patterns.push_back({split, {fmt::format("data/{}{}", split, tail)}});
  return patterns;
}

bool matches_any(const SplitPatterns& split, const Names& names) {
  return std::ranges::any_of(split.patterns,
                             [&](const std::string& pattern) { return !matching_files(pattern, names).empty(); });
}

// By folders, else by files' names, else all files are "train".
std::vector<SplitPatterns> patterns_by_names(const Names& names) {
  if (auto patterns = sharded(names); !patterns.empty()) return patterns;
  for (const auto make : {in_folders, in_file_names}) {
    std::vector<SplitPatterns> patterns;
    for (const Keywords& given : keywords) {
      if (SplitPatterns split = make(given); matches_any(split, names)) patterns.push_back(std::move(split));
    }
    if (!patterns.empty()) return patterns;
  }
  return {{"train", {"**"}}};
}

// Names inside a folder "a/b/", without it.
Names inside(const std::string& folder, const Names& names) {
  Names found;
  for (const std::string& name : names) {
    if (name.starts_with(folder)) found.push_back(name.substr(folder.size()));
  }
  return found;
}

std::string inner_pattern(std::string_view pattern, const std::string& label) {
  if (pattern.starts_with("./")) pattern.remove_prefix(2);
  if (!is_inner_path(pattern) || pattern.find("::") != pattern.npos) {
    bad_input("{}: its card names {}, which is not in the repository; only files of the repository are read", label,
              pattern);
  }
  return std::string(pattern);
}

SplitFiles files_of(const SplitPatterns& given, const Names& names, const std::string& label) {
  SplitFiles split{given.split, {}};
  for (const std::string& pattern : given.patterns) {
    const std::string own = inner_pattern(pattern, label);
    const Names matched = matching_files(own, names);
    split.by_glob = split.by_glob || is_glob(own);
    if (matched.empty() && !is_glob(own)) bad_input("{}: holds no {}, which its card names", label, own);
    std::ranges::copy_if(matched, std::back_inserter(split.files), is_data_file);
  }
  keep_one_format(split, label);
  return split;
}

}  // namespace

Names matching_files(const std::string& pattern, const Names& names) {
  check_interrupt();
  const Glob glob(pattern);
  Names found;
  for (const std::string& name : names) {
    const std::string_view base = base_of(name);
    if (!glob.matches(name)) continue;
    if (base != base_of(pattern) && std::ranges::find(ignored_files, base) != ignored_files.end()) continue;
    if (special_parts(name, "__", true) != special_parts(pattern, "__", true)) continue;
    if (special_parts(name, ".", false) != special_parts(pattern, ".", false)) continue;
    found.push_back(name);
  }
  std::ranges::sort(found);
  return found;
}

std::vector<SplitFiles> splits_of(const DatasetConfig& config, const Names& names, const std::string& label) {
  std::string folder = config.data_dir;
  while (folder.ends_with('/')) folder.pop_back();
  if (!folder.empty()) folder = inner_pattern(folder, label) + "/";
  const Names own = inside(folder, names);
  std::vector<SplitFiles> splits;
  for (const SplitPatterns& patterns : config.patterns ? *config.patterns : patterns_by_names(own)) {
    SplitFiles split = files_of(patterns, own, label);
    for (std::string& file : split.files) file.insert(0, folder);
    if (!split.files.empty()) splits.push_back(std::move(split));
  }
  return splits;
}

bool is_whole_by_numbers(const Names& files) {
  std::map<Numbered, size_t> counts;
  for (const std::string& file : files) {
    const auto parts = numbered(file);
    if (!parts) return false;
    ++counts[*parts];
  }
  return std::ranges::all_of(counts, [](const auto& entry) { return entry.first.total == entry.second; });
}

std::vector<ConvertedConfig> converted_configs(const Names& names) {
  std::vector<ConvertedConfig> configs;
  const auto find_or_add = [](auto& list, const std::string& name, auto member) -> auto& {
    const auto found = std::ranges::find(list, name, member);
    if (found != list.end()) return *found;
    list.emplace_back();
    list.back().*member = name;
    return list.back();
  };
  Names sorted = names;
  std::ranges::sort(sorted);
  for (const std::string& file : sorted) {
    const size_t first = file.find('/');
    const size_t second = first == file.npos ? file.npos : file.find('/', first + 1);
    if (second == file.npos || file.find('/', second + 1) != file.npos || !file.ends_with(".parquet")) continue;
    ConvertedConfig& config = find_or_add(configs, file.substr(0, first), &ConvertedConfig::name);
    SplitFiles& split = find_or_add(config.splits, file.substr(first + 1, second - first - 1), &SplitFiles::split);
    split.files.push_back(file);
    split.by_glob = true;
  }
  return configs;
}

}  // namespace sleb
