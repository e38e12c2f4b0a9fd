#include "host/tune/population_progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace mbrl {
namespace {

constexpr std::size_t kMembersShown = 2;  // what 80 columns hold

}  // namespace

class PopulationProgress::Sink : public ProgressSink {
 public:
  Sink(PopulationProgress& all, const std::string& label) : all_(all), entry_{label, "", {}} {
    const std::lock_guard<std::mutex> lock(all_.mutex_);
    all_.entries_.push_back(&entry_);
  }
  ~Sink() override {
    const std::lock_guard<std::mutex> lock(all_.mutex_);
    std::erase(all_.entries_, &entry_);
    ++all_.num_done_;
    all_.show(true);
  }
  void set_stage(std::string_view stage) override {
    const std::lock_guard<std::mutex> lock(all_.mutex_);
    entry_.stage = stage;
    all_.show(false);
  }
  void update(const ProgressState& state) override {
    const std::lock_guard<std::mutex> lock(all_.mutex_);
    entry_.state = state;
    all_.show(false);
  }

 private:
  PopulationProgress& all_;
  Entry entry_;
};

PopulationProgress::PopulationProgress(std::string title, int num_members)
    : title_(std::move(title)), num_members_(num_members), line_(0.2, 30.0) {}

PopulationProgress::PopulationProgress(std::string title, int num_members, int file_descriptor,
                                       bool terminal, double interval_s)
    : title_(std::move(title)),
      num_members_(num_members),
      line_(file_descriptor, terminal, interval_s) {}

PopulationProgress::~PopulationProgress() { line_.clear(); }

std::unique_ptr<ProgressSink> PopulationProgress::member(const std::string& label) {
  return std::make_unique<Sink>(*this, label);
}

std::string PopulationProgress::text() const {
  std::string line = fmt::format("{} {}/{}", title_, num_done_, num_members_);
  const auto percent = [](const ProgressState& state) {
    return state.total_steps > 0 ? 100.0 * static_cast<double>(state.env_steps) /
                                       static_cast<double>(state.total_steps)
                                 : 0.0;
  };
  if (entries_.size() <= kMembersShown) {
    for (const Entry* e : entries_)
      line += fmt::format(" | {} {} {:.0f} % {}", e->label, e->stage, percent(e->state),
                          return_text(e->state.last_return));
    return line;
  }
  double first = HUGE_VAL, last = 0.0, worst = HUGE_VAL, best = -HUGE_VAL;
  for (const Entry* e : entries_) {
    first = std::min(first, percent(e->state));
    last = std::max(last, percent(e->state));
    // no episode has ended yet: NaN, which these leave out
    worst = std::fmin(worst, e->state.last_return);
    best = std::fmax(best, e->state.last_return);
  }
  line += fmt::format(" | {} run at {:.0f} to {:.0f} %", entries_.size(), first, last);
  if (worst <= best) line += fmt::format(", returns {:.1f} to {:.1f}", worst, best);
  return line;
}

// with the lock held
void PopulationProgress::show(bool now) {
  if (now && line_.on_terminal()) return line_.show(text());
  line_.show_when_due([this] { return text(); });
}

}  // namespace mbrl
