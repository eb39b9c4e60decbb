// Whose environment a template is written for.
#pragma once

namespace sleb::jinja {

enum class Dialect {
  // transformers' chat templates (utils/chat_template_utils.py): trim_blocks and lstrip_blocks, a line end at the end
  // is
  // dropped, names that nobody set print as nothing; tags generation, break and continue, functions raise_exception and
  // strftime_now, its own tojson.
  chat,
  // lm-evaluation-harness's tasks (lm_eval/utils.py): none of these, and using a name that nobody set is an error
  // (StrictUndefined); the filter regex_replace.
  task
};

}  // namespace sleb::jinja
