// jinja_dump: renders many templates.
//
// Standard input holds one JSON object a line, {"template": ..., "variables": {...}}. Standard output gets a line for
// each: {"text": ...}, or {"error": ...}.

#include <iostream>
#include <string>

#include "sleb/base/error.h"
#include "sleb/base/json.h"
#include "sleb/jinja/template.h"

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const sleb::OrderedJson task = sleb::OrderedJson::parse(line);
    sleb::OrderedJson answer;
    try {
      const sleb::jinja::Template parsed(task.at("template").get<std::string>(), "chat_template",
                                         sleb::jinja::Dialect::chat);
      answer["text"] = parsed.render(task.at("variables"));
    } catch (const sleb::Error& error) {
      answer["error"] = error.what();
    }
    std::cout << answer.dump() << '\n';
  }
  return 0;
}
