#include "host/tune/autombpo/steering_order.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "base/error.h"
#include "host/io/output_file.h"
#include "host/tune/autombpo/controller.h"
#include "host/tune/autombpo/decider.h"
#include "host/tune/autombpo/ror.h"
#include "host/tune/autombpo/steering.h"

namespace mbrl {
namespace {

// a file without a place on any disk, for what came as a message
class MemoryFile {
 public:
  explicit MemoryFile(const std::vector<std::uint8_t>& bytes)
      : fd_(::memfd_create("controller", MFD_CLOEXEC)) {
    if (fd_ < 0)
      throw DataError(
          fmt::format("memory for a controller cannot be had: {}.", std::strerror(errno)));
    OutputFile file(path(), OutputFile::Mode::kTruncate, bytes.size());
    file.write(bytes.data(), bytes.size());
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::filesystem::path path() const { return fmt::format("/proc/self/fd/{}", fd_); }

 private:
  int fd_;
};

}  // namespace

std::unique_ptr<Schedule> make_steering(const SteeringOrder& order, const Config& config,
                                        OpenDevice& device) {
  const auto seed = static_cast<std::uint32_t>(config.seed);
  const RandomKey key{seed, purpose::kHyperAction, order.index};
  std::unique_ptr<Decider> decider;
  if (config.autombpo.scheme == "ror") {
    decider = std::make_unique<RorDecider>(config, key);
  } else {
    auto stack = std::make_shared<ControllerStack>(device.stream, config, seed);
    stack->load(order.controller);
    decider = std::make_unique<ControllerDecider>(device.stream, std::move(stack), key,
                                                  order.exploring_group, order.epsilon);
  }
  return std::make_unique<Steering>(config, std::move(decider), order.baseline, order.group);
}

nlohmann::json steering_message(const SteeringOrder& order) {
  nlohmann::json message{{"group", order.group},       {"exploring_group", order.exploring_group},
                         {"epsilon", order.epsilon},   {"index", order.index},
                         {"baseline", order.baseline}, {"controller", nullptr}};
  if (!order.controller.empty()) {
    const std::string bytes = read_file(order.controller);
    message["controller"] =
        nlohmann::json::binary(std::vector<std::uint8_t>(bytes.begin(), bytes.end()));
  }
  return message;
}

std::unique_ptr<Schedule> make_steering(const nlohmann::json& message, const Config& config,
                                        OpenDevice& device) {
  SteeringOrder order{.group = message.at("group").get<int>(),
                      .exploring_group = message.at("exploring_group").get<int>(),
                      .epsilon = message.at("epsilon").get<float>(),
                      .index = message.at("index").get<std::uint32_t>(),
                      .baseline = message.at("baseline").get<std::vector<double>>()};
  if (message.at("controller").is_null()) return make_steering(order, config, device);
  const MemoryFile file(message.at("controller").get_binary());
  order.controller = file.path();
  return make_steering(order, config, device);
}

}  // namespace mbrl
