// CUDA source that is compiled on the machine that runs it: by NVRTC, which libtorch for CUDA brings along, and loaded
// by the driver. Neither is linked: a sleb that was built without CUDA's headers finds both where libtorch has a GPU.
#pragma once

#include <c10/core/Device.h>

#include <array>
#include <optional>
#include <span>
#include <string>

namespace sleb {

struct CudaCode {
  std::string bytes;  // for one architecture; none where the compiler refused
  std::string log;    // of the compiler that refused
};
// options as nvcc's: {"--gpu-architecture=sm_90"}. Nothing where there is no NVRTC.
std::optional<CudaCode> compile_cuda(const std::string& source, std::span<const std::string> options);

// Code loaded on a device, where it stays.
class CudaProgram {
 public:
  // Nothing where there is no code for its card, or no driver. libtorch must have used the device already.
  static std::optional<CudaProgram> load(const CudaCode& code, c10::Device device);

  struct Size {
    unsigned blocks, threads;
    unsigned blocks_y = 1;
    unsigned shared_bytes = 0;
  };

  class Function {
   public:
    // With parameters of the very types that the source declares, in order; queued behind what libtorch has queued.
    // Throws c10::Error where it can't be.
    template <typename... Parameters>
    void operator()(Size size, Parameters... parameters) const {
      std::array<void*, sizeof...(parameters)> pointers{const_cast<void*>(static_cast<const void*>(&parameters))...};
      launch_with(size, pointers.data());
    }

   private:
    friend CudaProgram;
    Function(void* function, c10::Device device) : function_(function), device_(device) {}
    void launch_with(Size size, void** parameters) const;

    void* function_;
    c10::Device device_;
  };

  // Declared extern "C" in the source. Throws c10::Error where there is none.
  Function function(const char* name) const;

 private:
  CudaProgram(void* module, c10::Device device) : module_(module), device_(device) {}

  void* module_;
  c10::Device device_;
};

}  // namespace sleb
