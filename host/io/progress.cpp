#include "host/io/progress.h"

#include <fmt/format.h>

#include <cmath>

namespace mbrl {

std::string duration_text(double seconds) {
  const auto s = static_cast<std::int64_t>(seconds + 0.5);
  if (s < 3600) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

std::string return_text(double episode_return) {
  return std::isnan(episode_return) ? "-" : fmt::format("{:.1f}", episode_return);
}

Progress::Progress(double plain_interval_s) : line_(0.1, plain_interval_s) {}

Progress::Progress(int file_descriptor, bool terminal, double interval_s)
    : line_(file_descriptor, terminal, interval_s) {}

void Progress::set_stage(std::string_view stage) {
  if (stage_ != stage) {
    stage_ = stage;
    detail_.clear();
  }
  if (is_live()) line_.show_when_due([this] { return text(); });
}

void Progress::set_detail(std::string_view detail) {
  detail_ = detail;
  if (is_live()) line_.show_when_due([this] { return text(); });
}

void Progress::update(const ProgressState& state) {
  if (state.exploring != state_.exploring) samples_.clear();
  state_ = state;
  started_ = true;
  remember(Clock::now());
  if (is_live()) line_.show_when_due([this] { return text(); });
}

// at most one sample a second, none older than two minutes but the oldest
void Progress::remember(Clock::time_point now) {
  constexpr auto kBetween = std::chrono::seconds(1), kWindow = std::chrono::seconds(120);
  if (!samples_.empty() && now - samples_.back().time < kBetween) return;
  samples_.push_back({now, state_.env_steps});
  while (samples_.size() > 2 && now - samples_[1].time > kWindow) samples_.pop_front();
}

std::string fitting_fields(const std::vector<std::string>& fields, std::size_t width) {
  std::string line;
  for (const std::string& field : fields) {
    if (!line.empty() && line.size() + 2 + field.size() > width) break;
    line += (line.empty() ? "" : "  ") + field;
  }
  return line;
}

std::string Progress::text() const {
  const Sample& first = samples_.front();
  const double seconds = std::chrono::duration<double>(Clock::now() - first.time).count();
  const double steps = static_cast<double>(state_.env_steps - first.env_steps);
  const double share = state_.total_steps > 0 ? 100.0 * static_cast<double>(state_.env_steps) /
                                                    static_cast<double>(state_.total_steps)
                                              : 0.0;
  const bool evaluated = !std::isnan(state_.evaluation);
  return fitting_fields(
      {fmt::format("{:3.0f} %", std::floor(share)),
       fmt::format("ETA {}",
                   std::isnan(state_.seconds_left) ? "-" : duration_text(state_.seconds_left)),
       detail_.empty() ? fmt::format("{:<9}", stage_) : stage_ + " " + detail_,
       fmt::format("{:.1f} steps/s", seconds > 0 ? steps / seconds : 0.0),
       fmt::format("{} {}", evaluated ? "eval" : "episode",
                   return_text(evaluated ? state_.evaluation : state_.last_return)),
       fmt::format("{} of {} env steps", state_.env_steps, state_.total_steps)},
      line_.width());
}

void Progress::clear() { line_.clear(); }

void Progress::finish() {
  if (is_live()) line_.show(text());
  finished_ = true;
  line_.keep();
}

}  // namespace mbrl
