// Where members of a population that share a device plan in one call.
//
//   member 1, acting  --> plan() --.
//   member 2, acting  --> plan() --+--> one call for all --> each goes on with its own action
//   member 3, fitting                   nobody waits for it
//
// What a member's plan comes to does not depend on who else is there (plan.h), so that the order of
// arrivals, and who is late, change times alone.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "cuda/stream.h"
#include "kernels/networks/ensemble.h"
#include "kernels/stages/plan/plan.h"

namespace mbrl {

/// One for the members of a process; each has a seat. Those whose ensembles have one shape share a
/// workspace, as large as all of them and the largest limits need. It grows when a member joins; then
/// nothing is allocated.
class PlanMeeting {
 public:
  class Seat;

  PlanMeeting();
  ~PlanMeeting();
  PlanMeeting(const PlanMeeting&) = delete;
  PlanMeeting& operator=(const PlanMeeting&) = delete;

  /// A place for the member that works on `stream`, which outlives it, with a model of the shape of
  /// `model`. To be left before the meeting ends.
  ///
  /// Errors   those of PlanWorkspace; the others stay as they are.
  /// Cost     waits for the call that is being made, if one is.
  std::unique_ptr<Seat> join(Stream& stream, const EnsembleState& model, const PlanLimits& limits);

  /// Members that wait for others now, and calls that have been made: for tests and measurements.
  int num_waiting() const;
  std::int64_t num_calls() const;

 private:
  struct Table;

  void leave(Seat& seat);

  mutable std::mutex mutex_;
  std::map<std::vector<int>, std::unique_ptr<Table>> tables_;  // by shape
  std::int64_t num_calls_ = 0;
};

/// A member's place. Its calls are made in the thread that works on its stream.
class PlanMeeting::Seat {
 public:
  ~Seat() { meeting_.leave(*this); }
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;

  /// As plan() for this problem alone, with the same bits. It waits for every member that is
  /// expected, and is expected again from then on. After a stop is asked for it waits for no one.
  ///
  /// Errors   those of plan(): of a problem its own member's alone, of the device every member's whose
  ///          problem is in the call.
  /// Cost     the call's, which is one for all that have come. No allocation. On a GPU one graph
  ///          launch and one wait for all, and the streams of the members put before it by events.
  void plan(const PlanProblem& problem, PlanReport& report,
            const std::function<bool()>& stop_requested);

  /// Others wait for it from now on: it is about to plan.
  void expect();
  /// Nobody waits for it until it plans or is expected again: it fits, saves or ends.
  void pause();

 private:
  friend class PlanMeeting;
  // waiting and planning are its own thread's, in plan()
  enum class State { kAway, kExpected, kWaiting, kPlanning };

  void set(State state);

  Seat(PlanMeeting& meeting, Stream& stream, const PlanLimits& limits)
      : meeting_(meeting), stream_(stream), limits_(limits) {}

  PlanMeeting& meeting_;
  Stream& stream_;
  const PlanLimits limits_;
  Table* table_ = nullptr;
  State state_ = State::kAway;
  const PlanProblem* problem_ = nullptr;  // while it waits or plans
  PlanReport* report_ = nullptr;
  std::exception_ptr error_;
};

}  // namespace mbrl
