// The device a command runs on.
#pragma once

#include <string>

#include "cuda/device.h"
#include "cuda/stream.h"
#include "host/config/config.h"
#include "kernels/gpu/product.h"

namespace mbrl {

class PlanMeeting;

/// A device made ready: its stream, in the precision and the way of launching that the config asks
/// for, waiting as suits `num_learners` at once.
///
/// Errors   those of select_device and select_precision.
struct OpenDevice {
  OpenDevice(const std::string& text, const DeviceConfig& config, ThreadPool& pool,
             int num_learners = 1);

  /// Has learners on this device plan in `meeting`, which outlives them, where device.plans asks for it:
  /// auto on a GPU with several learners. One launch then serves all, and the GPU is full where one
  /// learner's search leaves it half empty. On the CPU each plans by itself: its thread is busy then,
  /// and waiting for others would leave it idle.
  void meet(PlanMeeting& meeting);

  /// "cpu: AMD EPYC, AVX2 and AVX-512, 2 of 2 cores" or "cuda:0: NVIDIA H200, ..."; also why it is
  /// the CPU, where auto passed over a GPU.
  std::string description() const;

  Device device;
  Stream stream;
  GemmChoice gemm;               // whose matrix products the stages use; choose_gemm sets it
  PlanMeeting* plans = nullptr;  // where learners plan, if together

 private:
  bool plans_together_;
};

}  // namespace mbrl
