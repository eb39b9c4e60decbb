// Functions that every template sees: those of Jinja's sandbox, and what transformers adds for chat templates.
#include <algorithm>
#include <ctime>

#include "sleb/base/utf8.h"
#include "sleb/jinja/library.h"
#include "sleb/jinja/python_text.h"

namespace sleb::jinja {
namespace {

constexpr int64_t longest_range = 100'000;  // as the sandbox has it

Value range(Interpreter& interpreter, const Call& call) {
  if (!call.keywords.empty() || call.positional.empty() || call.positional.size() > 3) {
    fault("\"range\" takes one to three numbers");
  }
  Values given = call.positional;
  if (given.size() == 1) given.insert(given.begin(), Value(int64_t{0}));
  const int64_t begin = integer_argument(given[0], 0), end = integer_argument(given[1], 0);
  const int64_t step = given.size() == 3 ? integer_argument(given[2], 1) : 1;
  if (step == 0) fault("the step of \"range\" is zero");
  Values items;
  for (int64_t i = begin; step > 0 ? i < end : i > end;) {
    if (static_cast<int64_t>(items.size()) == longest_range) fault("\"range\" of more than {} numbers", longest_range);
    interpreter.budget().spend_items(1);
    items.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return make_list(interpreter.budget(), std::move(items));
}

// Members of a dict, or of pairs, and the keywords.
std::vector<std::pair<Value, Value>> members_of(Interpreter& interpreter, const Call& call) {
  if (call.positional.size() > 1) fault("one dict was expected, not {}", call.positional.size());
  std::vector<std::pair<Value, Value>> members;
  for (const Value& value : call.positional) {
    if (value.is(Value::Kind::dict)) {
      members = value.dict().members;
      continue;
    }
    for (const Value& pair : items_of(interpreter.budget(), value)) {
      Values parts = items_of(interpreter.budget(), pair);
      if (parts.size() != 2) fault("a dict is made of pairs");
      members.emplace_back(std::move(parts[0]), std::move(parts[1]));
    }
  }
  for (const auto& [name, value] : call.keywords) members.emplace_back(Value(name), value);
  return members;
}

Value dict(Interpreter& interpreter, const Call& call) {
  return make_dict(interpreter.budget(), members_of(interpreter, call));
}

Value name_space(Interpreter& interpreter, const Call& call) {
  std::vector<std::pair<std::string, Value>> members;
  for (auto& [name, value] : members_of(interpreter, call)) {
    if (!name.is_text()) fault("a {} can't name an attribute", type_name(name));
    members.emplace_back(name.text(), std::move(value));
  }
  return interpreter.make_namespace(std::move(members));
}

Value raise_exception(Interpreter& interpreter, const Call& call) {
  const auto arguments = bind("raise_exception", call, {"message"}, 1);
  fault("the template says: {}", to_text(interpreter.budget(), *arguments[0]));
}

Value strftime_now(Interpreter&, const Call& call) {
  const auto arguments = bind("strftime_now", call, {"format"}, 1);
  const std::string format = text_argument(arguments[0]).value_or("");
  constexpr size_t longest = 4096;
  if (format.size() > 256) fault("the format of a date of {} bytes is too long", format.size());
  const std::time_t now = std::time(nullptr);
  std::tm local = {};
  localtime_r(&now, &local);
  char text[longest];
  return Value(replace_invalid_utf8(std::string_view(text, std::strftime(text, longest, format.c_str(), &local))));
}

constexpr Builtin functions[] = {
    {"range", range},
    {"dict", dict},
    {"namespace", name_space},
};
constexpr Builtin functions_of_chats[] = {
    {"raise_exception", raise_exception},
    {"strftime_now", strftime_now},
};
constexpr std::string_view not_supported[] = {"lipsum", "cycler", "joiner", "varargs", "kwargs", "self", "super"};

}  // namespace

std::optional<Value> builtin_function(std::string_view name, Dialect dialect) {
  const auto* known = std::ranges::find(functions, name, &Builtin::name);
  if (known != std::end(functions)) return Value(known);
  known = std::ranges::find(functions_of_chats, name, &Builtin::name);
  if (known != std::end(functions_of_chats) && dialect == Dialect::chat) return Value(known);
  if (std::ranges::find(not_supported, name) != std::end(not_supported)) fault("{:?} is not supported", name);
  return {};
}

}  // namespace sleb::jinja
