#include "sleb/eval/tasks/question.h"

#include <algorithm>
#include <charconv>

#include "sleb/base/error.h"
#include "sleb/base/utf8.h"
#include "sleb/unicode/characters.h"

namespace sleb {
namespace {

template <typename... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <typename... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

std::vector<std::string> texts_of(const TextTemplates& templates, const TaskRow& row) {
  std::vector<std::string> texts;
  if (const auto* list = std::get_if<Template>(&templates)) {
    const Json values = list->value(row.fields, row.place);
    if (!values.is_array()) bad_input("{}: {} gives no list", row.place, list->label());
    for (const Json& value : values) {
      if (!value.is_string()) bad_input("{}: {} gives a list of what is not text", row.place, list->label());
      texts.push_back(value.get<std::string>());
    }
  } else {
    for (const Template& each : std::get<std::vector<Template>>(templates)) {
      texts.push_back(each.render(row.fields, row.place));
    }
  }
  return texts;
}

// At least two, none of them empty.
std::vector<std::string> choices_of(const TextTemplates& templates, const TaskRow& row) {
  std::vector<std::string> choices = texts_of(templates, row);
  if (choices.size() < 2) bad_input("{}: has {} choices; there must be two or more", row.place, choices.size());
  for (size_t i = 0; i < choices.size(); ++i) {
    if (choices[i].empty()) bad_input("{}: choice {} is empty", row.place, i);
  }
  return choices;
}

// A number, or digits, is the index of a choice; other text is the choice itself.
int64_t target_of(const Template& target, const TaskRow& row, const std::vector<std::string>& choices) {
  const std::string text = target.render(row.fields, row.place);
  int64_t index = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (error != std::errc() || end != text.data() + text.size()) {
    const auto found = std::ranges::find(choices, text);
    if (found == choices.end()) bad_input("{}: the answer {:?} is not among the choices", row.place, text);
    return found - choices.begin();
  }
  if (index < 0 || index >= static_cast<int64_t>(choices.size())) {
    bad_input("{}: the answer is {}, but there are choices 0 to {}", row.place, index, choices.size() - 1);
  }
  return index;
}

std::string continuation_of(const Template& continuation, const TaskRow& row) {
  std::string text = continuation.render(row.fields, row.place);
  if (text.empty()) bad_input("{}: the continuation is empty", row.place);
  return text;
}

// len(re.split(r"\s+", text)) in Python.
double count_words(std::string_view text) {
  size_t words = 1;
  bool within_blanks = false;
  for (size_t i = 0; i < text.size(); i += character_size(text[i])) {
    const bool blank = is_python_blank(first_character(text.substr(i)));
    if (blank && !within_blanks) ++words;
    within_blanks = blank;
  }
  return static_cast<double>(words);
}

// A row with its answer.
std::string example_text(const Task& task, const TaskRow& row) {
  const auto text = std::visit(Overloaded{[&](const MultipleChoice& form) {
                                            const auto choices = choices_of(form.choices, row);
                                            return form.prompt.render(row.fields, row.place) + task.target_delimiter +
                                                   choices[static_cast<size_t>(target_of(*task.target, row, choices))];
                                          },
                                          [&](const PartialScoring& form) {
                                            const auto prompts = choices_of(form.prompts, row);
                                            return prompts[static_cast<size_t>(target_of(*task.target, row, prompts))] +
                                                   task.target_delimiter + continuation_of(form.continuation, row);
                                          },
                                          [&](const SingleContinuation& form) {
                                            return form.prompt.render(row.fields, row.place) + task.target_delimiter +
                                                   continuation_of(form.continuation, row);
                                          },
                                          [](const WholeText&) { return std::string(); }},
                               task.form);
  return text + task.fewshot_delimiter;
}

void ask(const MultipleChoice& form, const Task& task, const TaskRow& row, const std::string& before, Question& to) {
  to.answer.choices = choices_of(form.choices, row);
  to.answer.target = target_of(*task.target, row, to.answer.choices);
  const std::string prompt = before + form.prompt.render(row.fields, row.place);
  for (const std::string& choice : to.answer.choices) to.requests.push_back({prompt, task.target_delimiter + choice});
}

void ask(const PartialScoring& form, const Task& task, const TaskRow& row, const std::string& before, Question& to) {
  to.answer.choices = choices_of(form.prompts, row);
  to.answer.target = target_of(*task.target, row, to.answer.choices);
  const std::string continuation = task.target_delimiter + continuation_of(form.continuation, row);
  for (const std::string& prompt : to.answer.choices) to.requests.push_back({before + prompt, continuation});
}

void ask(const SingleContinuation& form, const Task&, const TaskRow& row, const std::string& before, Question& to) {
  to.requests.push_back({before + form.prompt.render(row.fields, row.place), continuation_of(form.continuation, row)});
}

void ask(const WholeText& form, const Task&, const TaskRow& row, const std::string&, Question& to) {
  const std::string counted = form.counted.render(row.fields, row.place);
  if (counted.empty()) bad_input("{}: the text is empty", row.place);
  to.answer.words = count_words(counted);
  to.answer.bytes = static_cast<double>(counted.size());
  to.requests.push_back({"", form.text.render(row.fields, row.place)});
}

}  // namespace

Question make_question(const Task& task, const TaskRow& row, std::span<const TaskRow* const> examples) {
  Question question{.place = row.place};
  std::string before;
  if (task.description) before = task.description->render(row.fields, row.place);
  for (const TaskRow* example : examples) before += example_text(task, *example);
  std::visit([&](const auto& form) { ask(form, task, row, before, question); }, task.form);
  return question;
}

}  // namespace sleb
