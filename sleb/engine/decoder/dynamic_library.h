// A library that is there on machines with a GPU only, found when it is asked for.
#pragma once

#include <dlfcn.h>

#include <initializer_list>

namespace sleb {

class DynamicLibrary {
 public:
  // The first of the names that is found. It stays loaded.
  DynamicLibrary(std::initializer_list<const char*> names) {
    for (const char* name : names) {
      if (handle_ == nullptr) handle_ = ::dlopen(name, RTLD_LAZY | RTLD_LOCAL);
    }
  }

  // Of it or of what it needs itself; null where it has none of that name, or is not there.
  template <typename Function>
  Function* function(const char* name) const {
    return handle_ == nullptr ? nullptr : reinterpret_cast<Function*>(::dlsym(handle_, name));
  }

 private:
  void* handle_ = nullptr;
};

}  // namespace sleb
