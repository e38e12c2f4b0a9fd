// Ranges on the timeline of NVIDIA's profilers. Empty in a build without CUDA, and without cost
// where no profiler is attached.
#pragma once

#include <cstdint>

#if defined(MBRL_NVTX)
#include <nvtx3/nvToolsExt.h>
#endif

namespace mbrl {

/// The time from here to the end of the scope, under a stage's name. `name` is a literal; `step`
/// shows as the range's payload.
class StageRange {
#if defined(MBRL_NVTX)
 public:
  StageRange(const char* name, std::int64_t step) {
    nvtxEventAttributes_t event{};
    event.version = NVTX_VERSION;
    event.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
    event.messageType = NVTX_MESSAGE_TYPE_ASCII;
    event.message.ascii = name;
    event.payloadType = NVTX_PAYLOAD_TYPE_INT64;
    event.payload.llValue = step;
    nvtxDomainRangePushEx(domain(), &event);
  }
  ~StageRange() { nvtxDomainRangePop(domain()); }

 private:
  static nvtxDomainHandle_t domain() {
    static const nvtxDomainHandle_t handle = nvtxDomainCreateA("mbrl_gpu");
    return handle;
  }
#else
 public:
  StageRange(const char*, std::int64_t) {}
  ~StageRange() {}
#endif

 public:
  StageRange(const StageRange&) = delete;
  StageRange& operator=(const StageRange&) = delete;
};

}  // namespace mbrl
