#include "sleb/engine/compute.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/AllocatorConfig.h>
#include <gtest/gtest.h>

#include "sleb/engine/plans/devices.h"

namespace sleb {
namespace {

// A CUDA of three devices, which libtorch believes in while it is on; none of them is there.
struct StandInCuda final : at::CUDAHooksInterface {
  explicit StandInCuda(at::CUDAHooksArgs) {}
  bool hasCUDA() const override { return is_on; }
  c10::DeviceIndex deviceCount() const override { return 3; }
  inline static bool is_on = false;
};

// Before anybody asks libtorch for CUDA, which it looks up once; not where its own is linked.
const bool stands_in = [] {
  auto& hooks = *at::CUDAHooksRegistry();
  if (hooks.Has("CUDAHooks")) return false;
  hooks.Register("CUDAHooks", [](at::CUDAHooksArgs arguments) -> std::unique_ptr<at::CUDAHooksInterface> {
    return std::make_unique<StandInCuda>(arguments);
  });
  return true;
}();

class ComputeOnGpus : public testing::Test {
 protected:
  void SetUp() override {
    if (!stands_in) GTEST_SKIP() << "for libtorch without CUDA";
    StandInCuda::is_on = true;
  }
  void TearDown() override { StandInCuda::is_on = false; }
};

TEST_F(ComputeOnGpus, TakesAllOfThemAndTheTypeOfTheFirst) {
  const Compute compute = decide_compute({});
  EXPECT_EQ(compute.device, "cuda:0");
  EXPECT_EQ(compute.more_devices, (std::vector<std::string>{"cuda:1", "cuda:2"}));
  EXPECT_EQ(compute.dtype, default_gpu_type(compute.capability));
  EXPECT_TRUE(decide_compute({.device = "cuda:1"}).more_devices.empty());
}

TEST_F(ComputeOnGpus, SumsInFloat32) {
  at::globalContext().setAllowTF32CuBLAS(true);
  decide_compute({});
  EXPECT_FALSE(at::globalContext().allowTF32CuBLAS());
  EXPECT_EQ(at::globalContext().allowBF16ReductionCuBLAS(),
            at::CuBLASReductionOption::DisallowReducedPrecisionAllowSplitK);
  EXPECT_EQ(at::globalContext().allowFP16ReductionCuBLAS(),
            at::CuBLASReductionOption::DisallowReducedPrecisionAllowSplitK);
}

TEST_F(ComputeOnGpus, LeavesNoHolesInTheirMemory) {
  decide_compute({});
  EXPECT_TRUE(c10::CachingAllocator::AcceleratorAllocatorConfig::use_expandable_segments());
}

TEST(Compute, NamesTheCardAndLibtorchWhereBitsDependOnThem) {
  EXPECT_EQ(arithmetic_of({"cpu", "float32", 1}), "");
  const std::string arithmetic = arithmetic_of({"cuda:0", "float32", 1});
  EXPECT_NE(arithmetic.find(", libtorch 2."), std::string::npos) << arithmetic;
  EXPECT_FALSE(arithmetic.starts_with(",")) << arithmetic;  // without a driver it is "a GPU"
}

}  // namespace
}  // namespace sleb
