// For tests: a GPU that is not there, so that a machine without one shows what would be asked of it. To the engine,
// what is not "cpu" is a GPU; libtorch's device "meta" computes shapes alone. Here it has streams, events and an
// allocator too.
#pragma once

#include <ATen/Context.h>
#include <ATen/core/CachingHostAllocator.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/DeviceType.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

namespace sleb {

// What was asked of all such devices since the last reset().
class StandInGpu {
 public:
  static constexpr const char* first = "meta:0";
  static constexpr const char* second = "meta:1";

  static StandInGpu& instance() {
    static auto* const gpu = new StandInGpu;  // libtorch keeps pointers to it until the end
    return *gpu;
  }

  // Work that reads what was allocated by then, queued in the stream of computations.
  void queue_work() {
    const std::scoped_lock lock(mutex_);
    ++queued_;
  }

  // From now on memory is short: nothing more is allocated.
  void fill() {
    const std::scoped_lock lock(mutex_);
    is_full_ = true;
  }

  // Bytes that CUDA's caching allocator would have had of the device: what was freed is used again in the same stream
  // alone.
  uint64_t reserved() const {
    const std::scoped_lock lock(mutex_);
    uint64_t all = 0;
    for (const auto& [stream, bytes] : most_in_use_) all += bytes;
    return all;
  }
  uint64_t allocations() const {
    const std::scoped_lock lock(mutex_);
    return allocations_;
  }
  // How many were taken from the pool, by device.
  std::map<c10::DeviceIndex, int64_t> streams_taken() const {
    const std::scoped_lock lock(mutex_);
    return streams_taken_;
  }
  // The streams of allocations.
  std::set<c10::StreamId> streams_in_use() const {
    const std::scoped_lock lock(mutex_);
    std::set<c10::StreamId> streams;
    for (const auto& [stream, bytes] : most_in_use_) streams.insert(stream);
    return streams;
  }
  // Of what was freed: the number of its allocation, and how much of the queued work was known to be done.
  struct Freed {
    uint64_t allocation;
    int64_t work_done;
  };
  std::vector<Freed> freed() const {
    const std::scoped_lock lock(mutex_);
    return freed_;
  }
  int64_t pinned_memory_given_back() const {
    const std::scoped_lock lock(mutex_);
    return pinned_memory_given_back_;
  }

  void reset() {
    const std::scoped_lock lock(mutex_);
    is_full_ = false;
    streams_taken_.clear();
    most_in_use_.clear();
    freed_.clear();
    allocations_ = 0;
    queued_ = work_done_ = pinned_memory_given_back_ = 0;
  }

 private:
  struct Allocation {
    uint64_t bytes, number;
    c10::StreamId stream;
  };
  struct Event {
    int64_t after_work;  // of what is queued; 0 in a stream of copies
  };

  class Guard final : public c10::impl::DeviceGuardImplInterface {
   public:
    c10::DeviceType type() const override { return c10::kMeta; }
    c10::Device exchangeDevice(c10::Device device) const override {
      return {c10::kMeta, std::exchange(index_, place(device))};
    }
    c10::Device getDevice() const override { return {c10::kMeta, index_}; }
    void setDevice(c10::Device device) const override { index_ = place(device); }
    void uncheckedSetDevice(c10::Device device) const noexcept override { index_ = place(device); }
    c10::DeviceIndex deviceCount() const noexcept override { return num_devices; }

    c10::Stream getStream(c10::Device device) const override { return stream(device, streams_[at(device)]); }
    c10::Stream getStreamFromGlobalPool(c10::Device device, bool) const override {
      return stream(device, instance().take_stream(place(device)));
    }
    c10::Stream exchangeStream(c10::Stream now) const override {
      return stream(now.device(), std::exchange(streams_[at(now.device())], now.id()));
    }
    void synchronizeStream(const c10::Stream&) const override {}

    void record(void** event, const c10::Stream& stream, c10::DeviceIndex, c10::EventFlag) const override {
      if (*event == nullptr) *event = new Event;
      static_cast<Event*>(*event)->after_work = stream.id() == computations ? instance().queued() : 0;
    }
    void block(void*, const c10::Stream&) const override {}
    bool queryEvent(void*) const override { return true; }
    void synchronizeEvent(void* event) const override { instance().wait_for(static_cast<Event*>(event)->after_work); }
    void destroyEvent(void* event, c10::DeviceIndex) const noexcept override { delete static_cast<Event*>(event); }

   private:
    static constexpr c10::DeviceIndex num_devices = 2;
    static c10::DeviceIndex place(c10::Device device) { return std::max<c10::DeviceIndex>(0, device.index()); }
    static size_t at(c10::Device device) { return static_cast<size_t>(place(device)); }
    static c10::Stream stream(c10::Device device, c10::StreamId id) {
      return c10::Stream(c10::Stream::UNSAFE, {c10::kMeta, place(device)}, id);
    }

    inline static thread_local c10::DeviceIndex index_ = 0;
    inline static thread_local std::array<c10::StreamId, num_devices> streams_ = {};
  };

  class Memory final : public c10::Allocator {
   public:
    c10::DataPtr allocate(size_t bytes) override {
      return {nullptr, instance().allocate(bytes), &free, c10::Device(c10::kMeta)};
    }
    c10::DeleterFnPtr raw_deleter() const override { return &free; }
    void copy_data(void*, const void*, size_t) const override {}

   private:
    static void free(void* allocation) { instance().free(static_cast<Allocation*>(allocation)); }
  };

  // Pinned memory is any memory.
  struct Hooks final : at::PrivateUse1HooksInterface {
    bool isBuilt() const override { return true; }
    bool isAvailable() const override { return true; }
    bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
    bool isPinnedPtr(const void*) const override { return false; }
    at::Allocator* getPinnedMemoryAllocator() const override { return c10::GetCPUAllocator(); }
  };

  class HostMemory final : public at::HostAllocator {
   public:
    c10::DataPtr allocate(size_t bytes) override { return c10::GetCPUAllocator()->allocate(bytes); }
    void copy_data(void*, const void*, size_t) const override {}
    bool record_event(void*, void*, c10::Stream) override { return true; }
    void empty_cache() override { instance().give_back_pinned_memory(); }
    at::HostStats get_stats() override { return {}; }
    void reset_accumulated_stats() override {}
    void reset_peak_stats() override {}
  };

  static constexpr c10::StreamId computations = 0;

  // libtorch's own, which would be lost to LeakSanitizer without a pointer to it.
  const c10::impl::DeviceGuardImplInterface* former_ = c10::impl::getDeviceGuardImpl(c10::kMeta);

  StandInGpu() {
    static const auto* const guard = new Guard;
    static auto* const memory = new Memory;
    static auto* const hooks = new Hooks;
    static auto* const host_memory = new HostMemory;
    const c10::impl::DeviceGuardImplRegistrar registrar(c10::kMeta, guard);
    c10::SetAllocator(c10::kMeta, memory);
    c10::register_privateuse1_backend("stand_in");
    at::RegisterPrivateUse1HooksInterface(hooks);
    at::setHostAllocator(c10::kCUDA, host_memory);
  }

  int64_t queued() {
    const std::scoped_lock lock(mutex_);
    return queued_;
  }
  void wait_for(int64_t work) {
    const std::scoped_lock lock(mutex_);
    work_done_ = std::max(work_done_, work);
  }
  void give_back_pinned_memory() {
    const std::scoped_lock lock(mutex_);
    ++pinned_memory_given_back_;
  }
  c10::StreamId take_stream(c10::DeviceIndex device) {
    const std::scoped_lock lock(mutex_);
    ++streams_taken_[device];
    return ++last_stream_;
  }
  Allocation* allocate(uint64_t bytes) {
    const std::scoped_lock lock(mutex_);
    TORCH_CHECK_WITH(OutOfMemoryError, !is_full_, "CUDA out of memory. Tried to allocate ", bytes, " bytes.");
    const c10::impl::DeviceGuardImplInterface& guard = *c10::impl::getDeviceGuardImpl(c10::kMeta);
    auto* const allocation = new Allocation{bytes, allocations_++, guard.getStream(guard.getDevice()).id()};
    uint64_t& in_use = in_use_[allocation->stream];
    in_use += bytes;
    uint64_t& most = most_in_use_[allocation->stream];
    most = std::max(most, in_use);
    return allocation;
  }
  void free(Allocation* allocation) {
    const std::scoped_lock lock(mutex_);
    in_use_[allocation->stream] -= allocation->bytes;
    freed_.push_back({allocation->number, work_done_});
    delete allocation;
  }

  mutable std::mutex mutex_;
  bool is_full_ = false;
  std::map<c10::DeviceIndex, int64_t> streams_taken_;
  std::map<c10::StreamId, uint64_t> in_use_, most_in_use_;  // bytes
  std::vector<Freed> freed_;
  uint64_t allocations_ = 0;
  c10::StreamId last_stream_ = computations;
  int64_t queued_ = 0, work_done_ = 0, pinned_memory_given_back_ = 0;
};

// Tests that need no GPU, and where there is one are left to it.
class OnAStandInGpu : public testing::Test {
 protected:
  void SetUp() override {
    if (at::hasCUDA()) GTEST_SKIP() << "for machines without a GPU";
    gpu().reset();
  }
  static StandInGpu& gpu() { return StandInGpu::instance(); }
};

}  // namespace sleb
