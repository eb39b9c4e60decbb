// chat_dump MODEL: the prompts of many conversations, by the model's chat template.
//
// Standard input holds one conversation a line, [{"role": ..., "content": ...}, ...]. Standard output gets a line for
// each: {"text": ..., "ids": ...}, or {"error": ...}. Exit code 2 if the model has no usable template.

#include <cstdio>
#include <iostream>
#include <string>

#include "sleb/base/error.h"
#include "sleb/checkpoint/checkpoint.h"
#include "sleb/text/chat/chat_template.h"

namespace {

void run(const std::string& folder) {
  const auto chat = sleb::chat_template_of_folder(folder);
  if (!chat) sleb::bad_input("{}: has no chat template", folder);
  const sleb::Tokenizer tokenizer = sleb::load_tokenizer(folder);
  for (std::string line; std::getline(std::cin, line);) {
    std::vector<sleb::ChatMessage> messages;
    for (const auto& message : sleb::Json::parse(line)) {
      messages.push_back({message.at("role").get<std::string>(), message.at("content").get<std::string>()});
    }
    sleb::OrderedJson answer;
    try {
      answer["text"] = chat->prompt(messages);
      answer["ids"] = tokenizer.encode(answer["text"].get<std::string>(), false);
    } catch (const sleb::Error& error) {
      answer = {{"error", error.what()}};
    }
    std::cout << answer.dump() << '\n';
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: chat_dump MODEL\n", stderr);
    return 2;
  }
  try {
    run(argv[1]);
  } catch (const sleb::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
