#include "host/tune/autombpo/launcher.h"

#include <fmt/format.h>

#include "envs/env.h"
#include "host/io/run_state.h"

namespace mbrl {

TrainingMemberOptions Launcher::learner(const std::string& label,
                                        const std::filesystem::path& folder, const Config& config,
                                        const std::optional<SteeringOrder>& steering) {
  std::function<std::unique_ptr<Schedule>(OpenDevice&)> make_schedule;
  std::function<nlohmann::json()> message;
  if (steering) {
    make_schedule = [order = *steering, config](OpenDevice& device) {
      return make_steering(order, config, device);
    };
    message = [order = *steering] { return steering_message(order); };
  }
  return {.label = label,
          .folder = folder,
          .config = config,
          .command = options_.command,
          .make_schedule = std::move(make_schedule),
          .schedule_message = std::move(message),
          .on_warning = [this, label](const std::string& text) { log_.warn(label + ": " + text); },
          .on_failure =
              [this, label, folder](const std::string& error) {
                log_.warn(fmt::format("{} failed and is left out: {}", label, error));
                // its own run has noted that, unless it ended before it began
                if (run_status(folder) != RunStatus::kDiverged)
                  write_run_state(folder, RunStatus::kDiverged, {{"error", error}});
              }};
}

bool Launcher::run(const std::vector<TrainingMemberOptions>& learners, const Config& config,
                   const std::string& title) {
  if (learners.empty()) return true;
  Config sized = config;
  sized.population = options_.config.population;
  const int concurrent =
      concurrent_learners(sized, make_env(config.env)->spec(), device_.device, num_threads_);
  std::vector<std::unique_ptr<Member>> members;
  for (const TrainingMemberOptions& learner : learners)
    members.push_back(std::make_unique<TrainingMember>(learner));
  return Population(std::move(members),
                    {.device = options_.device,
                     .precision = options_.config.device,
                     .concurrent = concurrent,
                     .num_threads = num_threads_,
                     .config = config},
                    title)
      .run();
}

}  // namespace mbrl
