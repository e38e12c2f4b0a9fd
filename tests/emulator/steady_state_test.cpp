// Tests for what a learner asks of the GPU's runtime once it runs, per env step, episode, fit, rollout
// and decision of a controller: exact numbers of launches, copies, waits and allocations, each of them
// one call of CUDA. And that all of it is waited for that has to be: the same bits come out when a GPU
// does its work as late as it may.
#include <gtest/gtest.h>

#include <fstream>
#include <optional>
#include <sstream>
#include <thread>

#include "cuda/device.h"
#include "cuda/emulator/runtime.h"
#include "host/algo/mbpo.h"
#include "host/algo/ppo.h"
#include "host/algo/registry.h"
#include "host/model/trainer.h"
#include "host/run/open_device.h"
#include "host/run/resume.h"
#include "host/tune/autombpo/controller.h"
#include "host/tune/autombpo/steering.h"
#include "kernels/stages/plan/plan_meeting.h"
#include "tests/support/configs.h"
#include "tests/support/error_text.h"
#include "tests/support/gpu.h"
#include "tests/support/planning.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

using emulator::Calls;

Calls& operator+=(Calls& sum, const Calls& more) {
  const Calls none{};
  sum = sum - (none - more);
  return sum;
}

/// MBPO whose replays are full when it starts to train: 80 training and 20 holdout rows, three batches
/// to an epoch, one epoch to a fit.
Config full_replays() {
  Config c = small_mbpo("cartpole");
  c.loop.num_exploration_steps = 120;
  c.loop.replay_capacity = 100;
  c.model.max_epochs = 1;
  c.rollout.schedule = {0, 2, 1, 1};
  return c;
}

/// What its parts cost.
constexpr Calls kEnvStep{.graph_launches = 1, .waits = 1};  // updates and the next action
constexpr Calls kRollout{.graph_launches = 1, .waits = 1};
constexpr Calls kEpisodeEnd{.copies = 1, .waits = 1};
constexpr Calls kRingWraps{.copies = 1};
// launches: split 4, scaler 4, shuffle 3, two holdout sweeps. Copies: the state before the fit 8, the
// plan, the losses, a snapshot of each member, back, what the loss learned. Waits: epoch, two sweeps,
// last copy.
constexpr Calls kFit{.launches = 13, .copies = 15, .graph_launches = 1, .waits = 4};
// the policy's change on the newest actions, and the controller
constexpr Calls kDecision{.launches = 2, .waits = 2};

class SteadyStateTest : public GpuTest {
 protected:
  void TearDown() override {
    emulator::set_late(false);
    emulator::refuse("");
  }

  /// Makes a learner of `config` that reports here.
  Hooks hooks() {
    return {.on_episode = [this](const EpisodeReport& e) { ended_ = e.length; },
            .log = [this](const std::string& text) { fitted_ |= text.starts_with("model fit"); }};
  }

  /// A step of the learner, preceded by `decide`; then compares what was called.
  template <typename Decide>
  void step(Mbpo& learner, bool rollout_due, bool decision_due, Decide&& decide) {
    ended_.reset();
    fitted_ = false;
    const Calls before = emulator::calls();
    decide();
    ASSERT_TRUE(learner.step());
    const Calls got = emulator::calls() - before;
    Calls wanted = kEnvStep;
    if (fitted_) wanted += kFit;
    if (rollout_due || (fitted_ && learner.config().rollout.interval == 0)) wanted += kRollout;
    if (decision_due) wanted += kDecision;
    num_fits_ += fitted_ ? 1 : 0;
    if (ended_) {
      const int capacity = learner.config().loop.replay_capacity;
      wanted += kEpisodeEnd;
      if (head_ + *ended_ > capacity) wanted += kRingWraps;
      head_ = (head_ + *ended_) % capacity;
      ++num_ends_;
    }
    EXPECT_EQ(got, wanted) << "train step " << learner.train_steps() << (fitted_ ? ", fit" : "")
                           << (ended_ ? ", end of an episode" : "");
  }
  /// Without looking.
  void warm_up(
      Mbpo& learner, int steps, const std::function<void()>& decide = [] {}) {
    while (learner.train_steps() < steps) {
      ended_.reset();
      decide();
      ASSERT_TRUE(learner.step());
      if (ended_) head_ = (head_ + *ended_) % learner.config().loop.replay_capacity;
    }
  }

  std::optional<int> ended_;
  bool fitted_ = false;
  int head_ = 0, num_fits_ = 0, num_ends_ = 0;
};

TEST_F(SteadyStateTest, AnEnvStepOfMbpoIsOneGraphAndOneWait) {
  TwinStreams streams;
  Mbpo learner(full_replays(), streams.gpu, hooks(), 0);
  warm_up(learner, 22);
  for (int i = 0; i < 40; ++i) step(learner, false, false, [] {});
  EXPECT_EQ(num_fits_, 4);
  EXPECT_GE(num_ends_, 1);

  // twelve launches for three updates, the batches, the next action, the losses' copy
  long nodes = 0;
  do {
    fitted_ = false;
    ended_.reset();
    const long before = emulator::num_issued();
    ASSERT_TRUE(learner.step());
    nodes = emulator::num_issued() - before;
  } while (fitted_ || ended_);
  EXPECT_EQ(nodes, 4 * 3 + 3);
}

TEST_F(SteadyStateTest, AControllerAddsToTheStepsOnWhichItDecidesAlone) {
  TwinStreams streams;
  const TemporaryDirectory folder;
  Config config = full_replays();
  config.controller.file = "a controller";
  config.controller.heads = config.controller.apply = {"real_ratio"};
  config.controller.interval = 4;
  config.controller.hidden_size = 16;
  config.rollout.interval = 5;
  config.loop.num_env_steps = 1000;
  Mbpo learner(config, streams.gpu, hooks(), 0);
  Steering steering(config,
                    std::make_unique<ControllerDecider>(
                        streams.gpu, std::make_shared<ControllerStack>(streams.gpu, config, 5),
                        RandomKey{5, purpose::kHyperAction, 0}));
  steering.open(folder.path(), -1);
  const auto decide = [&] { ASSERT_TRUE(steering.before_step(learner)); };
  warm_up(learner, 22, decide);
  for (int i = 0; i < 24; ++i) {
    const std::int64_t t = learner.train_steps();
    step(learner, t % config.loop.epoch_length % 5 == 0, t % 4 == 0, decide);
  }
  EXPECT_EQ(num_fits_, 2);
}

TEST_F(SteadyStateTest, AFitWaitsTwiceAnEpochAndTwiceMore) {
  TwinStreams streams;
  const TransitionLayout layout{3, 1};
  Config config = full_replays();
  config.model.max_epochs = 5;
  config.model.patience = 10;
  EnsembleState model(3, layout, 16, 2, Memory::kDevice);
  init_ensemble(model, 1, 0, 0.5f, -10.0f);
  Buffer<float> records(100 * static_cast<std::size_t>(layout.pitch()));
  for (std::size_t i = 0; i < records.size(); ++i) records[i] = std::sin(static_cast<float>(i));
  const Buffer<float> device = on_device(records);
  ModelTrainer trainer(streams.gpu, config.model, model, 1, 0);
  Calls calls;
  for (std::uint64_t fit = 0; fit < 3; ++fit) {
    const Calls before = emulator::calls();
    const FitReport report = trainer.fit(streams.gpu, config.model, model,
                                         {device.data(), layout, 100}, fit, [] { return false; });
    EXPECT_EQ(report.epochs, 5);
    calls = emulator::calls() - before;
  }
  EXPECT_EQ(calls.waits, 2 * 5 + 2);
  EXPECT_EQ(calls.graph_launches, 5);
  // a sweep and a shuffle for each epoch
  EXPECT_EQ(calls.launches, 4 + 4 + 5 * 4 + 1);
  EXPECT_EQ(calls.allocations, 0);
  EXPECT_EQ(calls.frees, 0);
}

// all weights and tables of a run that depend on the order of work
std::vector<float> outcome(Learner& learner) {
  std::vector<float> all = to_host(learner.soft_actor_critic()->actor.parameters.value);
  for (const auto* more :
       {&learner.soft_actor_critic()->critics.target[1], &learner.model()->members.value,
        &learner.model()->logvar_bounds.value}) {
    const std::vector<float> values = to_host(*more);
    all.insert(all.end(), values.begin(), values.end());
  }
  for (const double value : learner.take_metrics()) all.push_back(static_cast<float>(value));
  for (const double value : learner.evaluate(2).returns) all.push_back(static_cast<float>(value));
  for (float& value : all)
    if (std::isnan(value)) value = -1e30f;
  return all;
}

TEST_F(SteadyStateTest, WorkThatIsDoneLateEndsInTheSameBits) {
  TwinStreams streams;
  Config config = small_mbpo("cartpole");
  config.rollout.schedule = {0, 1, 1, 3};  // the model's replay grows
  for (const std::string insertion : {"episode", "step"}) {
    config.loop.pool_insertion = insertion;
    std::vector<float> of[2];
    for (const bool late : {false, true}) {
      emulator::set_late(late);
      const TemporaryDirectory folder;
      Mbpo first(config, streams.gpu, {}, 0);
      while (first.train_steps() < 23) ASSERT_TRUE(first.step());
      save_checkpoint(folder.path(), first, config, {});
      Mbpo second(config, streams.gpu, {}, 0);
      load_checkpoint(find_checkpoint(folder.path()), second, config);
      while (second.train_steps() < 43) ASSERT_TRUE(second.step());
      of[late] = outcome(second);
    }
    EXPECT_EQ(of[0], of[1]) << insertion;
  }
}

TEST_F(SteadyStateTest, PpoWhoseWorkIsDoneLateEndsInTheSameBits) {
  TwinStreams streams;
  std::vector<float> of[2];
  for (const bool late : {false, true}) {
    emulator::set_late(late);
    Ppo learner(small_ppo("cartpole"), streams.gpu, {}, 0);
    for (int i = 0; i < 30; ++i) ASSERT_TRUE(learner.step());
    of[late] = to_host(learner.policy().policy.value);
    for (const double value : learner.take_metrics())
      of[late].push_back(std::isnan(value) ? -1e30f : static_cast<float>(value));
  }
  EXPECT_EQ(of[0], of[1]);
}

// what the late order is for
TEST_F(SteadyStateTest, LateWorkShowsACopyThatNobodyWaitedFor) {
  TwinStreams streams;
  Buffer<float> device(1, 1.0f, Memory::kDevice);
  emulator::set_late(true);
  float host = 7.0f, back = 0.0f;
  copy(streams.gpu, device.data(), &host, 1);
  host = 8.0f;
  copy(streams.gpu, &back, device.data(), 1);
  EXPECT_EQ(back, 0.0f);
  streams.gpu.synchronize();
  EXPECT_EQ(back, 8.0f);
}

TEST_F(SteadyStateTest, ACopyComesAfterTheWorkOfItsOwnThread) {
  TwinStreams streams;
  Stream other(streams.pool, Stream::Kind::kGpu);
  Buffer<float> device(1, 1.0f, Memory::kDevice), more(1, 2.0f, Memory::kDevice);
  emulator::set_late(true);
  const float three = 3.0f, four = 4.0f;
  copy(streams.gpu, device.data(), &three, 1);
  copy(other, more.data(), &four, 1);
  EXPECT_EQ(to_host(device)[0], 3.0f);
  EXPECT_EQ(to_host(more)[0], 4.0f);

  // another thread's is not waited for
  const Calls before = emulator::calls();
  copy(other, more.data(), &three, 1);
  std::jthread([&] { EXPECT_EQ(to_host(more)[0], 4.0f); }).join();
  EXPECT_EQ(emulator::calls() - before, (Calls{.copies = 2, .waits = 1}));
  other.synchronize();
}

TEST_F(SteadyStateTest, WaitsAreAsleepWhereSpinningWouldTakeMoreThanHalfOfTheCores) {
  EXPECT_FALSE(should_wait_asleep(1, 2));
  EXPECT_TRUE(should_wait_asleep(1, 1));
  EXPECT_FALSE(should_wait_asleep(8, 16));
  EXPECT_TRUE(should_wait_asleep(9, 16));

  ThreadPool pool(1);
  EXPECT_TRUE(OpenDevice("cuda", {}, pool, available_cores()).stream.waits_asleep());
  EXPECT_FALSE(OpenDevice("cpu", {}, pool, available_cores()).stream.waits_asleep());
  TwinStreams streams;
  EXPECT_FALSE(streams.gpu.waits_asleep());
  streams.gpu.set_waits_asleep(true);
  Buffer<float> device(1, Memory::kDevice);
  from_host(device, {5.0f});
  EXPECT_EQ(to_host(device)[0], 5.0f);
  streams.gpu.set_waits_asleep(false);
  EXPECT_FALSE(streams.gpu.waits_asleep());
}

TEST_F(SteadyStateTest, AutoSaysWhyItPassesOverAGpu) {
  EXPECT_EQ(select_device("auto").why_cpu, "");
  emulator::refuse("Tesla K80 has compute capability 3.7; this program was built for 75 80 90.");
  const Device device = select_device("auto");
  EXPECT_EQ(device_name(device), "cpu");
  EXPECT_EQ(device.why_cpu,
            "Tesla K80 has compute capability 3.7; this program was built for 75 80 90.");
  ThreadPool pool(1);
  EXPECT_TRUE(OpenDevice("auto", {}, pool)
                  .description()
                  .ends_with(" (auto takes the CPU: " + device.why_cpu + ")"));
  EXPECT_FALSE(OpenDevice("cpu", {}, pool).description().ends_with(")"));
}

TEST_F(SteadyStateTest, AControlStepOfAPlannerIsOneGraphAndOneWait) {
  PlanLearner l(2, plan_form(EnsembleLoss::kGaussianNll));
  PlanBench bench(On::kGpu, {&l}, {1, 24, 4, 4});
  for (int i = 0; i < 2; ++i) bench.plan_step();  // issued, recorded
  // sizes change, and the recording stays
  for (int i = 0; i < 3; ++i) {
    l.constants.population -= 2;
    l.constants.horizon = 4 - i;
    l.constants.iterations = 3 - i;
    const Calls before = emulator::calls();
    bench.plan_step();
    EXPECT_EQ(emulator::calls() - before, (Calls{.graph_launches = 1, .waits = 1}));
  }
}

TEST_F(SteadyStateTest, APlannerWaitsForAllThatItReads) {
  PlanLearner l(2, plan_form(EnsembleLoss::kGaussianNll));
  l.constants.method = PlanMethod::kIcem;
  std::vector<std::vector<float>> actions;
  for (const bool late : {false, true}) {
    emulator::set_late(late);
    PlanBench bench(On::kGpu, {&l}, {1, 24, 4, 4});
    actions.emplace_back();
    for (int i = 0; i < 4; ++i) actions.back().push_back(bench.plan_step()[0].action[0]);
    bench.state().reset(bench.stream(), 0);
    actions.back().push_back(bench.plan_step()[0].action[0]);
  }
  EXPECT_EQ(actions[0], actions[1]);
}

// ---- members of a population ----

TEST_F(SteadyStateTest, SeveralLearnersOnOneGpuMeetToPlan) {
  ThreadPool pool(1);
  PlanMeeting meeting;
  const auto meets = [&](const char* device, const char* plans, int num_learners) {
    DeviceConfig config;
    config.plans = plans;
    OpenDevice open(device, config, pool, num_learners);
    open.meet(meeting);
    return open.plans == &meeting;
  };
  EXPECT_TRUE(meets("cuda", "auto", 2));
  EXPECT_FALSE(meets("cuda", "auto", 1));
  EXPECT_FALSE(meets("cuda", "alone", 2));
  EXPECT_FALSE(meets("cpu", "auto", 2));
  EXPECT_TRUE(meets("cpu", "together", 2));
}

/// A member whose model's weights may be on their way while it plans.
struct MeetingMember {
  explicit MeetingMember(std::uint32_t number)
      : learner(2, plan_form(EnsembleLoss::kGaussianNll)),
        model(copy_to(Memory::kDevice, learner.model)),
        state(stream, limits(), PlanLearner::kA) {
    learner.constants.learner = number;
  }
  PlanLimits limits() const { return {1, 24, 4, 4}; }
  void plan() {
    const PlanProblem problem{model,
                              TaskId::kPendulum,
                              learner.constants,
                              state,
                              {learner.observation.data(), 1, PlanLearner::kS},
                              {&action, 1, PlanLearner::kA},
                              learner.step};
    PlanReport report;
    seat->plan(problem, report, [] { return false; });
  }

  PlanLearner learner;
  DeviceStream stream{On::kGpu, 1};
  EnsembleState model;
  PlanState state;
  std::unique_ptr<PlanMeeting::Seat> seat;
  float action = 0.0f;
};

TEST_F(SteadyStateTest, AControlStepOfAllMembersIsOneGraphAndOneWait) {
  PlanMeeting meeting;
  std::vector<std::unique_ptr<MeetingMember>> members;
  for (std::uint32_t i = 0; i < 3; ++i) {
    members.push_back(std::make_unique<MeetingMember>(i));
    members[i]->seat = meeting.join(members[i]->stream, members[i]->model, members[i]->limits());
    members[i]->seat->expect();
  }
  const auto step = [&] {
    std::vector<std::jthread> threads;
    for (const auto& member : members) threads.emplace_back([&m = *member] { m.plan(); });
  };
  for (int i = 0; i < 2; ++i) step();  // issued, recorded
  for (int i = 0; i < 3; ++i) {
    members[1]->learner.constants.population -= 2;
    members[2]->learner.constants.horizon = 4 - i;
    const Calls before = emulator::calls();
    step();
    EXPECT_EQ(emulator::calls() - before, (Calls{.graph_launches = 1, .waits = 1, .orders = 3}));
  }
  // one that fits costs the others nothing
  members[0]->seat->pause();
  std::swap(members[0], members[2]);
  members.pop_back();
  const Calls before = emulator::calls();
  const long issued = emulator::num_issued();
  step();
  EXPECT_EQ(emulator::calls() - before,
            (Calls{.graph_launches = 1, .waits = 1, .frees = 0, .orders = 2}));
  // begin, three iterations of three kernels, finish, and three copies
  EXPECT_EQ(emulator::num_issued() - issued, 1 + 3 * 3 + 1 + 3);
}

TEST_F(SteadyStateTest, ACallOfAMeetingComesAfterTheWorkOfItsMembersStreams) {
  std::vector<float> actions;
  for (const bool late : {false, true}) {
    emulator::set_late(late);
    PlanMeeting meeting;
    MeetingMember member(0);
    member.seat = meeting.join(member.stream, member.model, member.limits());
    for (int i = 0; i < 3; ++i) {
      // weights that nobody waits for, as after a fit
      init_ensemble(member.learner.model, 50 + static_cast<std::uint32_t>(i), 0, 10.0f, -30.0f);
      const Buffer<float>& weights = member.learner.model.members.value;
      copy<float>(member.stream, member.model.members.value.data(), weights.data(), weights.size());
      member.plan();
      actions.push_back(member.action);
    }
  }
  EXPECT_NE(actions[0], actions[1]);
  EXPECT_EQ(std::vector<float>(actions.begin(), actions.begin() + 3),
            std::vector<float>(actions.begin() + 3, actions.end()));
}

TEST_F(SteadyStateTest, ADeviceThatFailsInAMeetingFailsForAllMembersInIt) {
  PlanMeeting meeting;
  MeetingMember a(0), b(1);
  for (MeetingMember* m : {&a, &b}) {
    m->seat = meeting.join(m->stream, m->model, m->limits());
    m->seat->expect();
  }
  std::string texts[2];
  {
    std::jthread other([&] { texts[0] = error_text<DeviceError>([&] { a.plan(); }); });
    while (meeting.num_waiting() < 1) std::this_thread::yield();
    emulator::fail_after(3);  // both streams put before the call's, and a copy
    texts[1] = error_text<DeviceError>([&] { b.plan(); });
  }
  EXPECT_EQ(texts[0], texts[1]);
  EXPECT_TRUE(texts[0].find("unspecified launch failure") != std::string::npos) << texts[0];
  EXPECT_EQ(meeting.num_calls(), 1);
}

}  // namespace
}  // namespace mbrl
