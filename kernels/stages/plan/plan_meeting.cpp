#include "kernels/stages/plan/plan_meeting.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <utility>

namespace mbrl {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks{50};  // for a stop, where others are late

// what members have in common whose problems one workspace takes
std::vector<int> shape_of(const Stream& stream, const EnsembleState& model) {
  std::vector<int> shape{
      stream.on_gpu(),     static_cast<int>(stream.precision()), stream.use_graphs(),
      model.ensemble_size, model.data.observation_size,          model.data.action_size};
  for (const LayerLayout& layer : model.layout.layers) {
    shape.push_back(layer.in);
    shape.push_back(layer.out);
  }
  return shape;
}

PlanLimits largest(const PlanLimits& a, const PlanLimits& b) {
  return {.observations = std::max(a.observations, b.observations),
          .population = std::max(a.population, b.population),
          .horizon = std::max(a.horizon, b.horizon),
          .particles = std::max(a.particles, b.particles)};
}

bool is_within(const PlanLimits& a, const PlanLimits& b) {
  return a.observations <= b.observations && a.population <= b.population &&
         a.horizon <= b.horizon && a.particles <= b.particles;
}

}  // namespace

// Members of one shape. Its stream is nobody's: a call comes after what each member's has been given,
// and has been waited for when they go on.
struct PlanMeeting::Table {
  explicit Table(Stream& like)
      : pool(like.on_gpu() ? 1 : like.pool().num_threads()), stream(pool, like) {}

  ThreadPool pool;
  Stream stream;
  std::unique_ptr<PlanWorkspace> workspace;
  std::vector<Seat*> seats;
  bool is_planning = false;
  std::condition_variable changed;
  // of the call that is being made
  std::vector<Seat*> called;
  std::vector<PlanProblem> problems;
  std::vector<PlanReport> reports;

  void make_room(const EnsembleState& model, const PlanLimits& limits) {
    const auto num_seats = static_cast<int>(seats.size());
    if (workspace != nullptr && num_seats <= workspace->num_problems() &&
        is_within(limits, workspace->limits()))
      return;
    const PlanLimits all = workspace == nullptr ? limits : largest(limits, workspace->limits());
    const int most =
        workspace == nullptr ? num_seats : std::max(num_seats, workspace->num_problems());
    workspace = std::make_unique<PlanWorkspace>(stream, model, all, most);
    called.reserve(seats.size());
    problems.reserve(seats.size());
    reports.reserve(seats.size());
  }

  bool all_are_here() const {
    return std::none_of(seats.begin(), seats.end(),
                        [](const Seat* s) { return s->state_ == Seat::State::kExpected; });
  }

  // plans for all who wait; the lock is open meanwhile
  void call(std::unique_lock<std::mutex>& lock) {
    is_planning = true;
    called.clear();
    problems.clear();
    for (Seat* seat : seats) {
      if (seat->state_ != Seat::State::kWaiting) continue;
      seat->state_ = Seat::State::kPlanning;
      called.push_back(seat);
      problems.push_back(*seat->problem_);
    }
    reports.assign(called.size(), {});
    lock.unlock();
    std::exception_ptr error;
    try {
      for (const Seat* seat : called) stream.order_after(seat->stream_);
      mbrl::plan(stream, problems, *workspace, reports);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    for (std::size_t i = 0; i < called.size(); ++i) {
      *called[i]->report_ = reports[i];
      called[i]->error_ = error;
      // who fails does not come again
      called[i]->state_ = error == nullptr ? Seat::State::kExpected : Seat::State::kAway;
    }
    is_planning = false;
    changed.notify_all();
  }
};

PlanMeeting::PlanMeeting() = default;
PlanMeeting::~PlanMeeting() = default;

std::unique_ptr<PlanMeeting::Seat> PlanMeeting::join(Stream& stream, const EnsembleState& model,
                                                     const PlanLimits& limits) {
  std::unique_ptr<Seat> seat(new Seat(*this, stream, limits));
  std::unique_lock<std::mutex> lock(mutex_);
  std::vector<int> shape = shape_of(stream, model);
  auto at = tables_.find(shape);
  if (at == tables_.end())
    at = tables_.emplace(std::move(shape), std::make_unique<Table>(stream)).first;
  Table* const table = seat->table_ = at->second.get();
  // the table stays while there is a seat at it
  table->seats.push_back(seat.get());
  table->changed.wait(lock, [&] { return !table->is_planning; });
  table->make_room(model, limits);
  return seat;
}

void PlanMeeting::leave(Seat& seat) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Table* const table = seat.table_;
  if (table == nullptr) return;
  std::erase(table->seats, &seat);
  table->changed.notify_all();
  // its memory goes with the last one
  if (table->seats.empty())
    std::erase_if(tables_, [&](const auto& entry) { return entry.second.get() == table; });
}

int PlanMeeting::num_waiting() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::ptrdiff_t num = 0;
  for (const auto& [shape, table] : tables_)
    num += std::count_if(table->seats.begin(), table->seats.end(),
                         [](const Seat* s) { return s->state_ == Seat::State::kWaiting; });
  return static_cast<int>(num);
}

std::int64_t PlanMeeting::num_calls() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return num_calls_;
}

void PlanMeeting::Seat::set(State state) {
  const std::lock_guard<std::mutex> lock(meeting_.mutex_);
  state_ = state;
  table_->changed.notify_all();
}
void PlanMeeting::Seat::expect() { set(State::kExpected); }
void PlanMeeting::Seat::pause() { set(State::kAway); }

void PlanMeeting::Seat::plan(const PlanProblem& problem, PlanReport& report,
                             const std::function<bool()>& stop_requested) {
  std::unique_lock<std::mutex> lock(meeting_.mutex_);
  Table& table = *table_;
  try {
    check_plan(problem.constants, limits_, static_cast<int>(problem.model.elites.size()));
    table.workspace->check(problem);
  } catch (...) {
    lock.unlock();
    pause();
    throw;
  }
  problem_ = &problem;
  report_ = &report;
  state_ = State::kWaiting;
  bool stops = false;
  while (state_ == State::kWaiting || state_ == State::kPlanning) {
    if (!table.is_planning && (stops || table.all_are_here())) {
      ++meeting_.num_calls_;
      table.call(lock);
      continue;
    }
    table.changed.wait_for(lock, kBetweenLooks);
    lock.unlock();
    stops = stops || stop_requested();
    lock.lock();
  }
  if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
}

}  // namespace mbrl
