// Jinja's filters, transformers' "tojson" and lm-evaluation-harness's "regex_replace".
#include <algorithm>
#include <charconv>

#include "sleb/jinja/library.h"
#include "sleb/jinja/operators.h"
#include "sleb/jinja/python_text.h"
#include "sleb/jinja/text_filters.h"

namespace sleb::jinja {
namespace {

using Kind = Value::Kind;

// "a.b.0": a member of a member, by names and places; none: the value itself. `otherwise` stands for every one that is
// not there.
Value member(Interpreter& interpreter, const Value& value, const std::optional<Value>& path,
             const std::optional<Value>& otherwise = {}) {
  if (!path || path->is_none()) return value;
  if (!path->is_text()) return interpreter.item(value, *path);
  Value found = value;
  for (const std::string& part : split(path->text(), ".", -1)) {
    int64_t place = 0;
    const char* const end = part.data() + part.size();
    const bool is_place =
        part.find_first_not_of("0123456789") == part.npos && std::from_chars(part.data(), end, place).ec == std::errc();
    found = interpreter.item(found, is_place ? Value(place) : Value(part));
    if (found.is_undefined() && otherwise && !otherwise->is_none()) found = *otherwise;
  }
  return found;
}

// What sorting looks at: without regard to case unless wanted.
Value sort_key(Interpreter& interpreter, const Value& value, bool case_sensitive) {
  interpreter.budget().spend(value.is_text() ? static_cast<int64_t>(value.text().size()) : 1);
  return value.is_text() && !case_sensitive ? Value(lower(value.text())) : value;
}

struct Keyed {
  Value key, value;
};

std::vector<Keyed> keyed(Interpreter& interpreter, const Value& input, bool case_sensitive,
                         const std::optional<Value>& path) {
  std::vector<Keyed> found;
  for (const Value& item : items_of(interpreter.budget(), input)) {
    found.push_back({sort_key(interpreter, member(interpreter, item, path), case_sensitive), item});
  }
  return found;
}

Value sorted(Interpreter& interpreter, std::vector<Keyed> items, bool reverse) {
  const auto before = [&](const Keyed& a, const Keyed& b) {
    return reverse ? less(interpreter.budget(), b.key, a.key) : less(interpreter.budget(), a.key, b.key);
  };
  std::ranges::stable_sort(items, before);
  Values values;
  for (Keyed& item : items) values.push_back(std::move(item.value));
  return make_list(interpreter.budget(), std::move(values));
}

Value filter_default(Interpreter&, const Value& input, const Call& call) {
  const auto arguments = bind("default", call, {"default_value", "boolean"}, 0);
  const bool is_missing = input.is_undefined() || (truth_argument(arguments[1], false) && !is_true(input));
  return is_missing ? arguments[0].value_or(Value(std::string())) : input;
}

Value filter_length(Interpreter&, const Value& input, const Call& call) {
  bind("length", call, {}, 0);
  return Value(size_of(input));
}

Value filter_first(Interpreter& interpreter, const Value& input, const Call& call) {
  bind("first", call, {}, 0);
  if (input.is(Kind::generator)) {
    Generator& generator = input.generator();
    return generator.given < generator.items.size() ? generator.items[generator.given++]
                                                    : undefined("there is no first item");
  }
  const Values items = items_of(interpreter.budget(), input);
  return items.empty() ? undefined("there is no first item") : items.front();
}

Value filter_last(Interpreter& interpreter, const Value& input, const Call& call) {
  bind("last", call, {}, 0);
  if (input.is(Kind::generator)) fault("a generator has no last item");
  const Values items = items_of(interpreter.budget(), input);
  return items.empty() ? undefined("there is no last item") : items.back();
}

Value filter_list(Interpreter& interpreter, const Value& input, const Call& call) {
  bind("list", call, {}, 0);
  return make_list(interpreter.budget(), items_of(interpreter.budget(), input));
}

Value filter_join(Interpreter& interpreter, const Value& input, const Call& call) {
  const auto arguments = bind("join", call, {"d", "attribute"}, 0);
  Budget& budget = interpreter.budget();
  const std::string between = arguments[0] ? to_text(budget, *arguments[0]) : "";
  std::string joined;
  bool first = true;
  for (const Value& item : items_of(budget, input)) {
    budget.spend(static_cast<int64_t>(between.size()));
    if (!std::exchange(first, false)) joined += between;
    joined += to_text(budget, member(interpreter, item, arguments[1]));
  }
  return Value(std::move(joined));
}

Value filter_reverse(Interpreter& interpreter, const Value& input, const Call& call) {
  bind("reverse", call, {}, 0);
  Values items = items_of(interpreter.budget(), input);
  std::ranges::reverse(items);
  if (!input.is_text()) return make_generator(interpreter.budget(), std::move(items));
  std::string text;
  for (const Value& item : items) text += item.text();
  return Value(std::move(text));
}

Value filter_items(Interpreter& interpreter, const Value& input, const Call& call) {
  bind("items", call, {}, 0);
  Values pairs;
  if (!input.is_undefined() && !input.is(Kind::dict)) fault("a {} has no items", type_name(input));
  if (input.is(Kind::dict)) {
    for (const auto& [key, value] : input.dict().members) {
      pairs.push_back(make_list(interpreter.budget(), {key, value}, Sequence::Type::tuple));
    }
  }
  return make_generator(interpreter.budget(), std::move(pairs));
}

Value filter_dictsort(Interpreter& interpreter, const Value& input, const Call& call) {
  const auto arguments = bind("dictsort", call, {"case_sensitive", "by", "reverse"}, 0);
  const std::string by = text_argument(arguments[1]).value_or("key");
  if (by != "key" && by != "value") fault("\"dictsort\" sorts by \"key\" or \"value\"");
  if (!input.is(Kind::dict)) fault("a {} can't be sorted as a dict", type_name(input));
  std::vector<Keyed> pairs;
  for (const auto& [key, value] : input.dict().members) {
    pairs.push_back({sort_key(interpreter, by == "key" ? key : value, truth_argument(arguments[0], false)),
                     make_list(interpreter.budget(), {key, value}, Sequence::Type::tuple)});
  }
  return sorted(interpreter, std::move(pairs), truth_argument(arguments[2], false));
}

Value filter_sort(Interpreter& interpreter, const Value& input, const Call& call) {
  const auto arguments = bind("sort", call, {"reverse", "case_sensitive", "attribute"}, 0);
  return sorted(interpreter, keyed(interpreter, input, truth_argument(arguments[1], false), arguments[2]),
                truth_argument(arguments[0], false));
}

Value filter_unique(Interpreter& interpreter, const Value& input, const Call& call) {
  const auto arguments = bind("unique", call, {"case_sensitive", "attribute"}, 0);
  std::vector<Keyed> kept;
  for (Keyed& item : keyed(interpreter, input, truth_argument(arguments[0], false), arguments[1])) {
    check_key(item.key);
    const bool is_known =
        std::ranges::any_of(kept, [&](const Keyed& known) { return equal(interpreter.budget(), known.key, item.key); });
    if (!is_known) kept.push_back(std::move(item));
  }
  Values values;
  for (Keyed& item : kept) values.push_back(std::move(item.value));
  return make_generator(interpreter.budget(), std::move(values));
}

template <bool largest>
Value filter_extreme(Interpreter& interpreter, const Value& input, const Call& call) {
  const auto arguments = bind("min", call, {"case_sensitive", "attribute"}, 0);
  const auto items = keyed(interpreter, input, truth_argument(arguments[0], false), arguments[1]);
  if (items.empty()) return undefined("nothing to choose from");
  const Keyed* best = items.data();
  for (const Keyed& item : items) {
    const bool better =
        largest ? less(interpreter.budget(), best->key, item.key) : less(interpreter.budget(), item.key, best->key);
    if (better) best = &item;
  }
  return best->value;
}

Value filter_sum(Interpreter& interpreter, const Value& input, const Call& call) {
  const auto arguments = bind("sum", call, {"attribute", "start"}, 0);
  Value sum = arguments[1].value_or(Value(int64_t{0}));
  for (const Value& item : items_of(interpreter.budget(), input)) {
    sum = arithmetic(interpreter.budget(), "+", sum, member(interpreter, item, arguments[0]));
  }
  return sum;
}

Value filter_batch(Interpreter& interpreter, const Value& input, const Call& call) {
  const auto arguments = bind("batch", call, {"linecount", "fill_with"}, 1);
  const int64_t count = integer_argument(arguments[0], 1);
  if (count < 1 || count > 100'000) fault("batches of {} items are not supported", count);
  Budget& budget = interpreter.budget();
  Values batches, batch;
  const auto end_batch = [&] {
    if (!batch.empty()) batches.push_back(make_list(budget, std::exchange(batch, {})));
  };
  for (const Value& item : items_of(budget, input)) {
    if (static_cast<int64_t>(batch.size()) == count) end_batch();
    batch.push_back(item);
  }
  if (!batch.empty() && arguments[1] && !arguments[1]->is_none()) {
    budget.spend_items(static_cast<size_t>(count));
    batch.resize(static_cast<size_t>(count), *arguments[1]);
  }
  end_batch();
  return make_generator(budget, std::move(batches));
}

// map(attribute=..., default=...) or map("filter", its arguments).
Value filter_map(Interpreter& interpreter, const Value& input, const Call& call) {
  interpreter.budget().spend_items(call.positional.size());
  Values made;
  const bool by_attribute = call.positional.empty() &&
                            std::ranges::any_of(call.keywords, [](const auto& k) { return k.first == "attribute"; });
  if (by_attribute) {
    const auto arguments = bind("map", call, {"attribute", "default"}, 1);
    for (const Value& item : items_of(interpreter.budget(), input)) {
      made.push_back(member(interpreter, item, arguments[0], arguments[1]));
    }
  } else {
    if (call.positional.empty() || !call.positional[0].is_text()) fault("\"map\" needs a filter or an attribute");
    const std::string& name = call.positional[0].text();
    const Call rest{.positional = Values(call.positional.begin() + 1, call.positional.end()),
                    .keywords = call.keywords};
    for (const Value& item : items_of(interpreter.budget(), input)) {
      made.push_back(apply_filter(interpreter, name, item, rest));
    }
  }
  return make_generator(interpreter.budget(), std::move(made));
}

// select, reject (of the items) and selectattr, rejectattr (of one of their attributes): those that pass a test, or are
// true where none is given.
template <bool by_attribute, bool wanted>
Value filter_select(Interpreter& interpreter, const Value& input, const Call& call) {
  std::optional<Value> path;
  size_t used = 0;
  if (by_attribute) {
    if (call.positional.empty()) fault("\"selectattr\" needs an attribute");
    path = call.positional[used++];
  }
  std::optional<std::string> test;
  if (used < call.positional.size()) test = text_argument(call.positional[used++]);
  const Call rest{
      .positional = Values(call.positional.begin() + static_cast<std::ptrdiff_t>(used), call.positional.end()),
      .keywords = call.keywords};
  Values kept;
  for (const Value& item : items_of(interpreter.budget(), input)) {
    interpreter.budget().spend(16);
    const Value tested = member(interpreter, item, path);
    const bool passes = test ? apply_test(interpreter, *test, tested, rest) : is_true(tested);
    if (passes == wanted) kept.push_back(item);
  }
  return make_generator(interpreter.budget(), std::move(kept));
}

struct Row {
  std::string_view name;
  Filter run;
  std::optional<Dialect> only = {};
};

constexpr Row rows[] = {
    {"abs", filter_abs},
    {"batch", filter_batch},
    {"capitalize", filter_capitalize},
    {"count", filter_length},
    {"d", filter_default},
    {"default", filter_default},
    {"dictsort", filter_dictsort},
    {"e", filter_escape},
    {"escape", filter_escape},
    {"first", filter_first},
    {"float", filter_float},
    {"indent", filter_indent},
    {"int", filter_int},
    {"items", filter_items},
    {"join", filter_join},
    {"last", filter_last},
    {"length", filter_length},
    {"list", filter_list},
    {"lower", filter_lower},
    {"map", filter_map},
    {"max", filter_extreme<true>},
    {"min", filter_extreme<false>},
    {"regex_replace", filter_regex_replace, Dialect::task},
    {"reject", filter_select<false, false>},
    {"rejectattr", filter_select<true, false>},
    {"replace", filter_replace},
    {"reverse", filter_reverse},
    {"round", filter_round},
    {"safe", filter_safe},
    {"select", filter_select<false, true>},
    {"selectattr", filter_select<true, true>},
    {"sort", filter_sort},
    {"string", filter_string},
    {"sum", filter_sum},
    {"title", filter_title},
    {"tojson", filter_tojson, Dialect::chat},  // Jinja's own escapes for HTML
    {"trim", filter_trim},
    {"unique", filter_unique},
    {"upper", filter_upper},
};

const Row* find_filter(std::string_view name, Dialect dialect) {
  const auto* const row = std::ranges::find(rows, name, &Row::name);
  return row == std::end(rows) || (row->only && *row->only != dialect) ? nullptr : row;
}

}  // namespace

bool is_filter(std::string_view name, Dialect dialect) {
  return find_filter(name, dialect) != nullptr;
}

Value apply_filter(Interpreter& interpreter, const std::string& name, const Value& input, const Call& call) {
  const Row* const row = find_filter(name, interpreter.dialect());
  if (row == nullptr) fault("the filter {:?} is not supported", name);
  const Interpreter::Level level(interpreter);  // map("map", ...) goes as deep as it likes
  return row->run(interpreter, input, call);
}

}  // namespace sleb::jinja
