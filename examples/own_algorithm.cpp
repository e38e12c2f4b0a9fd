// mbrl_gpu with an algorithm of one's own, soft actor-critic that learns in bursts:
//   own_algorithm run sac_hopper algorithm=burst_sac env.name=pendulum
#include "host/algo/checks.h"
#include "host/algo/memory.h"
#include "host/algo/parts/collector.h"
#include "host/algo/parts/soft_actor_critic.h"
#include "host/algo/registry.h"
#include "host/cli/program.h"

class BurstSac : public mbrl::Learner {
 public:
  BurstSac(const mbrl::Config& config, mbrl::Stream& stream, mbrl::Hooks hooks, std::uint32_t index)
      : Learner(config, stream, std::move(hooks), index),
        sac_(context_, environments_),
        collector_(context_, environments_) {}

  // what step() keeps between calls belongs to its parts, which save it themselves
  bool step() override {
    collector_.step([this](auto observation, auto action) { sac_.act(observation, action); });
    if (!exploring() && env_steps() % 10 == 0)
      for (int i = 0; i < 10; ++i)
        sac_.update({collector_.replay().view(), {}, context_.config.sac.batch_size});
    return true;
  }
  std::int64_t num_updates() const override { return sac_.num_updates(); }
  const mbrl::SacState* soft_actor_critic() const override { return &sac_.state(); }

 protected:
  std::unique_ptr<mbrl::PolicyCopy> copy_policy(mbrl::Stream& stream, int num_rows) override {
    return sac_.copy_policy(stream, num_rows);
  }

 private:
  mbrl::SoftActorCritic sac_;
  mbrl::Collector collector_;
};

int main(int argc, char** argv) {
  mbrl::register_algorithm(
      {.name = "burst_sac",
       .text = "soft actor-critic that learns in bursts",
       .needs_model = false,
       .reads = {"sac", "loop", "-loop.model_train_interval", "-loop.real_ratio"},
       .make = mbrl::make_learner_of<BurstSac>,
       .check =
           [](const mbrl::Config& config, const mbrl::Require& require) {
             mbrl::check_soft_actor_critic(config, require);
             mbrl::check_replay(config, require);
           },
       .memory = mbrl::sac_bytes});
  return mbrl::run_program(argc, argv);
}
