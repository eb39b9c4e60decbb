#include "sleb/engine/decoder/cuda_program.h"

#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include <vector>

#include "sleb/engine/decoder/dynamic_library.h"

namespace sleb {
namespace {

constexpr int success = 0;  // of nvrtc.h's and cuda.h's functions

// nvrtc.h, of which these have not changed since CUDA 11.1.
struct Nvrtc {
  using Program = void*;
  // libtorch's own library for it knows where its NVRTC is.
  DynamicLibrary library{"libcaffe2_nvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12"};
  int (*create)(Program*, const char* source, const char* name, int, const char* const*, const char* const*) =
      library.function<int(Program*, const char*, const char*, int, const char* const*, const char* const*)>(
          "nvrtcCreateProgram");
  int (*compile)(Program, int count, const char* const* options) =
      library.function<int(Program, int, const char* const*)>("nvrtcCompileProgram");
  int (*code_size)(Program, size_t*) = library.function<int(Program, size_t*)>("nvrtcGetCUBINSize");
  int (*code)(Program, char*) = library.function<int(Program, char*)>("nvrtcGetCUBIN");
  int (*log_size)(Program, size_t*) = library.function<int(Program, size_t*)>("nvrtcGetProgramLogSize");
  int (*log)(Program, char*) = library.function<int(Program, char*)>("nvrtcGetProgramLog");
  int (*destroy)(Program*) = library.function<int(Program*)>("nvrtcDestroyProgram");

  bool is_whole() const {
    return create != nullptr && compile != nullptr && code_size != nullptr && code != nullptr && log_size != nullptr &&
           log != nullptr && destroy != nullptr;
  }
};

const Nvrtc& nvrtc() {
  static const Nvrtc found;
  return found;
}

std::string text_of(void* program, int (*size_of)(void*, size_t*), int (*write)(void*, char*)) {
  size_t size = 0;
  if (size_of(program, &size) != success) return {};
  std::string text(size, '\0');
  return write(program, text.data()) == success ? text : std::string();
}

// cuda.h, whose interface does not change.
struct Driver {
  DynamicLibrary library{"libcuda.so.1"};
  int (*load)(void** module, const void* image) = library.function<int(void**, const void*)>("cuModuleLoadData");
  int (*function)(void** function, void* module,
                  const char* name) = library.function<int(void**, void*, const char*)>("cuModuleGetFunction");
  int (*launch)(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*, void**,
                void**) = library.function<int(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                                               unsigned, void*, void**, void**)>("cuLaunchKernel");

  bool is_whole() const { return load != nullptr && function != nullptr && launch != nullptr; }
};

const Driver& driver() {
  static const Driver found;
  return found;
}

}  // namespace

std::optional<CudaCode> compile_cuda(const std::string& source, std::span<const std::string> options) {
  if (!nvrtc().is_whole()) return {};
  void* program = nullptr;
  if (nvrtc().create(&program, source.c_str(), "sleb.cu", 0, nullptr, nullptr) != success) return {};
  std::vector<const char*> pointers;
  for (const std::string& option : options) pointers.push_back(option.c_str());
  CudaCode code;
  if (nvrtc().compile(program, static_cast<int>(pointers.size()), pointers.data()) == success) {
    code.bytes = text_of(program, nvrtc().code_size, nvrtc().code);
  } else {
    code.log = text_of(program, nvrtc().log_size, nvrtc().log);
  }
  nvrtc().destroy(&program);
  return code;
}

std::optional<CudaProgram> CudaProgram::load(const CudaCode& code, c10::Device device) {
  if (!driver().is_whole() || code.bytes.empty()) return {};
  const c10::DeviceGuard guard(device);
  void* module = nullptr;
  if (driver().load(&module, code.bytes.data()) != success) return {};
  return CudaProgram(module, device);
}

CudaProgram::Function CudaProgram::function(const char* name) const {
  const c10::DeviceGuard guard(device_);
  void* found = nullptr;
  TORCH_CHECK(driver().function(&found, module_, name) == success, "no CUDA function ", name);
  return {found, device_};
}

void CudaProgram::Function::launch_with(Size size, void** parameters) const {
  const c10::DeviceGuard guard(device_);
  const c10::impl::VirtualGuardImpl on_device(device_.type());
  void* const stream = on_device.getStreamNativeHandle(on_device.getStream(device_));
  const int status = driver().launch(function_, size.blocks, size.blocks_y, 1, size.threads, 1, 1, size.shared_bytes,
                                     stream, parameters, nullptr);
  TORCH_CHECK(status == success, "a CUDA kernel was not started (CUresult ", status, ")");
}

}  // namespace sleb
