// Tests for kernels/stages/plan/plan_meeting.{h,cpp} on every device: members that meet plan as each
// does alone, bit for bit, whoever comes first, leaves, fails or stops; and calls are as few as the
// members allow.
#include "kernels/stages/plan/plan_meeting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <numeric>
#include <optional>
#include <random>
#include <thread>

#include "base/error.h"
#include "tests/support/devices.h"
#include "tests/support/error_text.h"
#include "tests/support/planning.h"

namespace mbrl {
namespace {

using testing::HasSubstr;

constexpr auto kNeverStop = [] { return false; };

/// What a control step has come to.
struct Step {
  float action, best_cost, mean_cost;
  int iterations;
  std::vector<float> mean;  // kept for the next
  bool operator==(const Step&) const = default;
};

/// A member with a stream, a model and plans of its own.
class Member {
 public:
  Member(On on, const PlanLearner& learner)
      : learner_(learner),
        stream_(on, 2),
        model_(copy_to(stream_.memory(), learner_.model)),
        state_(stream_, limits(), PlanLearner::kA) {}

  PlanLimits limits() const {
    const PlanConstants& c = learner_.constants;
    return {1, c.population, c.horizon, c.particles};
  }
  void join(PlanMeeting& meeting) {
    seat = meeting.join(stream_, model_, limits());
    seat->expect();
  }
  /// The next control step, at its seat or else alone.
  void plan(const std::function<bool()>& stop = kNeverStop) {
    float action = -9.0f;
    const std::uint64_t step = learner_.step[0] + steps.size();
    const PlanProblem problem{model_,
                              TaskId::kPendulum,
                              learner_.constants,
                              state_,
                              {learner_.observation.data(), 1, PlanLearner::kS},
                              {&action, 1, PlanLearner::kA},
                              {&step, 1}};
    PlanReport report;
    if (seat != nullptr) {
      seat->plan(problem, report, stop);
    } else {
      if (!workspace_) workspace_.emplace(stream_, model_, limits());
      mbrl::plan(stream_, {&problem, 1}, *workspace_, {&report, 1});
    }
    steps.push_back(
        {action, report.best_cost, report.mean_cost, report.iterations, to_host(state_.mean)});
  }
  PlanLearner& learner() { return learner_; }
  Stream& stream() { return stream_; }
  EnsembleState& model() { return model_; }

  std::unique_ptr<PlanMeeting::Seat> seat;
  std::vector<Step> steps;

 private:
  PlanLearner learner_;
  DeviceStream stream_;
  EnsembleState model_;
  PlanState state_;
  std::optional<PlanWorkspace> workspace_;
};

/// Learners that differ in all that may differ at one table.
std::vector<PlanLearner> five_learners() {
  std::vector<PlanLearner> all;
  for (std::uint32_t i = 0; i < 5; ++i) {
    all.emplace_back(2, plan_form(EnsembleLoss::kGaussianNll));
    PlanLearner& l = all.back();
    init_ensemble(l.model, 30 + i, i, 1.0f, -3.0f);
    l.constants.learner = i;
    l.observation = {0.1f * static_cast<float>(i), -0.3f, 0.2f};
  }
  all[1].constants.method = PlanMethod::kIcem;
  all[1].constants.population = 31;
  all[1].constants.min_variance = 0.0f;
  all[2].constants.method = PlanMethod::kMppi;
  all[2].constants.horizon = 7;
  all[2].constants.propagation = Propagation::kDs;
  all[3].constants.method = PlanMethod::kRandom;
  all[3].constants.particles = 6;
  all[4].constants.iterations = 5;
  all[4].constants.propagation = Propagation::kTs1;
  return all;
}

class PlanMeetingTest : public DeviceTest<> {
 protected:
  std::unique_ptr<Member> member(const PlanLearner& learner) {
    return std::make_unique<Member>(on(), learner);
  }
  std::vector<std::unique_ptr<Member>> members(std::size_t count) {
    const std::vector<PlanLearner> all = five_learners();
    std::vector<std::unique_ptr<Member>> some;
    for (std::size_t i = 0; i < count; ++i) some.push_back(member(all[i]));
    return some;
  }
  /// Every member's control steps, each planned by itself.
  std::vector<std::vector<Step>> alone(std::size_t count, int num_steps) {
    std::vector<std::vector<Step>> all;
    for (const auto& m : members(count)) {
      for (int i = 0; i < num_steps; ++i) m->plan();
      all.push_back(m->steps);
    }
    return all;
  }
  static void wait_until(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!condition() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    ASSERT_TRUE(condition());
  }
};

TEST_P(PlanMeetingTest, MembersThatMeetPlanAsTheyDoAloneInWhateverOrderTheyCome) {
  constexpr int kSteps = 3;
  const std::vector<std::vector<Step>> wanted = alone(5, kSteps);
  EXPECT_NE(wanted[0][0].action, wanted[0][1].action);
  std::mt19937 random(3);
  for (const std::size_t count : {2u, 5u})
    for (int repeat = 0; repeat < 2; ++repeat) {
      PlanMeeting meeting;
      const auto all = members(count);
      for (const auto& m : all) m->join(meeting);
      for (int step = 0; step < kSteps; ++step) {
        std::vector<std::size_t> order(count);
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::shuffle(order.begin(), order.end(), random);
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < count; ++i) {
          threads.emplace_back([&, i] { all[order[i]]->plan(); });
          // the next one comes when this one waits; the last does not
          if (i + 1 < count)
            wait_until([&] { return meeting.num_waiting() == static_cast<int>(i) + 1; });
          if (HasFatalFailure()) return;
        }
      }
      for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(all[i]->steps, wanted[i]) << i;
      EXPECT_EQ(meeting.num_calls(), kSteps);
    }
}

TEST_P(PlanMeetingTest, MembersThatRunFreelyMeetAtEveryStep) {
  constexpr int kSteps = 4;
  const std::vector<std::vector<Step>> wanted = alone(3, kSteps);
  PlanMeeting meeting;
  const auto all = members(3);
  for (const auto& m : all) m->join(meeting);
  {
    std::vector<std::jthread> threads;
    for (const auto& m : all)
      threads.emplace_back([&meeting, &m = *m] {
        for (int i = 0; i < kSteps; ++i) m.plan();
        m.seat->pause();
      });
  }
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(all[i]->steps, wanted[i]) << i;
  EXPECT_EQ(meeting.num_calls(), kSteps);
}

TEST_P(PlanMeetingTest, WhoLeavesOrPausesIsNotWaitedFor) {
  const std::vector<std::vector<Step>> wanted = alone(3, 6);
  PlanMeeting meeting;
  const auto all = members(3);
  for (const auto& m : all) m->join(meeting);
  const auto steps = [&](std::size_t i, int count) {
    for (int step = 0; step < count; ++step) all[i]->plan();
  };
  {
    std::jthread first([&] { steps(0, 6); });
    std::jthread second([&] {
      steps(1, 2);
      all[1]->seat.reset();
    });
    std::jthread third([&] {
      steps(2, 3);
      all[2]->seat->pause();
    });
  }
  EXPECT_EQ(meeting.num_calls(), 6) << "2 of three, 1 of two, 3 of one";
  {
    // back at the table, while nobody else is
    all[0]->seat->pause();
    std::jthread third([&] { steps(2, 3); });
  }
  EXPECT_EQ(meeting.num_calls(), 9);
  EXPECT_EQ(all[0]->steps, wanted[0]);
  EXPECT_EQ(all[1]->steps, std::vector<Step>(wanted[1].begin(), wanted[1].begin() + 2));
  EXPECT_EQ(all[2]->steps, wanted[2]);
}

TEST_P(PlanMeetingTest, WhoWaitsGoesOnWhenTheOthersPauseOrLeaveOrFail) {
  for (const int how : {0, 1, 2}) {
    PlanMeeting meeting;
    const auto all = members(2);
    for (const auto& m : all) m->join(meeting);
    std::jthread waits([&] { all[0]->plan(); });
    wait_until([&] { return meeting.num_waiting() == 1; });
    if (how == 0) all[1]->seat->pause();
    if (how == 1) all[1]->seat.reset();
    if (how == 2) {
      // a fault of one member's problem is that member's alone
      all[1]->learner().observation[1] = std::numeric_limits<float>::quiet_NaN();
      EXPECT_THAT(error_text<ShapeError>([&] { all[1]->plan(); }),
                  HasSubstr("entry 1 of observation 0 is not finite"));
    }
    waits.join();
    EXPECT_EQ(all[0]->steps, alone(1, 1)[0]);
    EXPECT_EQ(meeting.num_calls(), 1);
  }
}

TEST_P(PlanMeetingTest, AStopWaitsForNobody) {
  PlanMeeting meeting;
  const auto all = members(2);
  for (const auto& m : all) m->join(meeting);
  std::atomic<bool> stop = false;
  std::jthread waits([&] { all[0]->plan([&] { return stop.load(); }); });
  wait_until([&] { return meeting.num_waiting() == 1; });
  stop = true;
  waits.join();
  EXPECT_EQ(all[0]->steps, alone(1, 1)[0]);
}

TEST_P(PlanMeetingTest, AnErrorOfTheCallReachesAllThatAreInItAndNobodyWaitsForThem) {
  PlanMeeting meeting;
  const auto all = members(3);
  for (const auto& m : all) m->join(meeting);
  all[2]->seat->pause();
  std::string text;
  std::jthread waits([&] { text = error_text<ShapeError>([&] { all[0]->plan(); }); });
  wait_until([&] { return meeting.num_waiting() == 1; });
  // after it was looked at
  all[0]->learner().observation[2] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(error_text<ShapeError>([&] { all[1]->plan(); }), HasSubstr("entry 2"));
  waits.join();
  EXPECT_THAT(text, HasSubstr("entry 2"));
  EXPECT_EQ(meeting.num_calls(), 1);

  all[2]->plan();
  EXPECT_EQ(all[2]->steps, (std::vector<Step>{alone(3, 1)[2][0]}));
  EXPECT_EQ(meeting.num_calls(), 2);
}

TEST_P(PlanMeetingTest, ModelsOfAnotherShapeSitAtAnotherTable) {
  PlanMeeting meeting;
  const auto all = members(2);
  const EnsembleForm form = plan_form(EnsembleLoss::kGaussianNll);
  for (const PlanLearner& other :
       {PlanLearner(2, form, 9), PlanLearner(2, form, 8, 2), PlanLearner(3, form),
        PlanLearner(2, plan_form(EnsembleLoss::kMse))}) {
    const auto different = member(other), reference = member(other);
    different->join(meeting);
    all[0]->join(meeting);
    different->plan();  // does not wait
    reference->plan();
    EXPECT_EQ(different->steps, reference->steps);
  }
  all[1]->join(meeting);
  std::jthread waits([&] { all[0]->plan(); });
  wait_until([&] { return meeting.num_waiting() == 1; });
  all[1]->plan();
}

TEST_P(PlanMeetingTest, WhoComesLaterMayAskForMore) {
  const std::vector<std::vector<Step>> wanted = alone(5, 3);
  PlanMeeting meeting;
  const auto all = members(5);
  all[0]->join(meeting);
  for (int step = 0; step < 3; ++step) all[0]->plan();
  EXPECT_EQ(all[0]->steps, wanted[0]);
  all[0]->seat->pause();
  for (std::size_t i = 1; i < 5; ++i) {
    all[i]->join(meeting);
    for (int step = 0; step < 3; ++step) all[i]->plan();
    all[i]->seat->pause();
    EXPECT_EQ(all[i]->steps, wanted[i]) << i;
  }
}

TEST_P(PlanMeetingTest, AMemberIsHeldToItsOwnLimits) {
  PlanMeeting meeting;
  const auto all = members(2);
  for (const auto& m : all) m->join(meeting);
  all[1]->seat->pause();
  all[0]->learner().constants.population = 25;  // the other's is 31
  EXPECT_THAT(error_text<ConfigError>([&] { all[0]->plan(); }),
              HasSubstr("this planner was made for up to 24 candidates"));
}

TEST_P(PlanMeetingTest, AModelThatCannotBePlannedWithIsRefusedAsAloneAndTheOthersStay) {
  PlanMeeting meeting;
  const auto all = members(1);
  all[0]->join(meeting);
  PlanLimits limits = all[0]->limits();
  limits.horizon = 5000;
  const std::string wanted =
      error_text<ConfigError>([&] { PlanWorkspace(all[0]->stream(), all[0]->model(), limits); });
  EXPECT_EQ(
      error_text<ConfigError>([&] { meeting.join(all[0]->stream(), all[0]->model(), limits); }),
      wanted);
  all[0]->plan();
  EXPECT_EQ(all[0]->steps, alone(1, 1)[0]);
}

INSTANTIATE_TEST_SUITE_P(Devices, PlanMeetingTest, testing::ValuesIn(available_devices()),
                         ParamName());

}  // namespace
}  // namespace mbrl
