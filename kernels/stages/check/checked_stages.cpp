#include "kernels/stages/check/checked_stages.h"

#include <algorithm>

#include "kernels/stages/check/host_twin.h"
#include "kernels/stages/check/twin_check.h"

namespace mbrl::checked {
namespace {

// actions of the CPU's policy for a request that a GPU has answered, and their densities
void check_actions(TwinCheck& check, const GaussianActor& policy, const ActRequest& request,
                   PolicyWorkspace& workspace, double allowed) {
  GaussianActor twin = host_twin(policy);
  take_over(twin, policy);
  std::vector<float> action(request.action.count());
  ActRequest again = request;
  again.action.data = action.data();
  again.log_prob = {};
  mbrl::policy_act(check.cpu(), twin, again, workspace);
  check.compare("policy", "action", {request.action.data, action.size()}, action, allowed);
  if (request.log_prob.data == nullptr) return;
  // of the GPU's actions: near an end of the range a density magnifies the action's last bit
  std::vector<float> log_prob(request.log_prob.count());
  mbrl::policy_log_prob(check.cpu(), twin, request.observation, request.action,
                        {log_prob.data(), request.log_prob.size()}, workspace);
  check.compare("policy", "log density", {request.log_prob.data, log_prob.size()}, log_prob,
                allowed);
}

class CheckedEnsemble : public EnsembleStage {
 public:
  CheckedEnsemble(Stream& stream, std::unique_ptr<EnsembleStage> gpu, const EnsembleState& state,
                  int batch_size)
      : check_(*stream.check()),
        gpu_(std::move(gpu)),
        twin_(host_twin(state)),
        workspace_(check_.cpu(), twin_, batch_size) {}

  EnsembleEpoch epoch(const EpochCall& c) override {
    const HostRecords records(c.data);
    const int E = c.rows.size(0), N = c.rows.size(1);
    const Buffer<std::uint32_t> rows = host_copy(c.rows.data, c.rows.count());
    const double allowed = rounding_allowed(c.stream.precision());
    EnsembleEpoch done;
    for (int begin = 0; begin < N; begin += c.batch_size) {
      if (c.should_stop()) {
        done.stopped = true;
        break;
      }
      // the rows of one step, for both
      const int count = std::min(c.batch_size, N - begin);
      Buffer<std::uint32_t> step_rows(static_cast<std::size_t>(E) * count);
      for (int e = 0; e < E; ++e)
        std::copy_n(rows.data() + static_cast<std::size_t>(e) * N + begin, count,
                    step_rows.data() + static_cast<std::size_t>(e) * count);
      Buffer<std::uint32_t> on_device(step_rows.size(), Memory::kDevice, "rows of a checked step");
      copy_memory(on_device.data(), step_rows.data(), step_rows.size() * sizeof(std::uint32_t));

      take_over(twin_, c.state);
      const std::function<bool()> go_on = [] { return false; };
      const EnsembleEpoch gpu = gpu_->epoch({c.stream,
                                             c.state,
                                             c.data,
                                             {on_device.data(), E, count},
                                             c.batch_size,
                                             c.constants,
                                             go_on});
      const EnsembleEpoch cpu =
          ensemble_epoch(check_.cpu(), twin_, records.view(), {step_rows.data(), E, count},
                         c.batch_size, c.constants, workspace_);
      check_.compare("ensemble step", "loss", {&gpu.loss, 1}, {&cpu.loss, 1}, allowed);
      compare_states(check_, "ensemble step", c.state, twin_, allowed);
      ++done.steps;
      done.loss = gpu.loss;
    }
    return done;
  }

  void holdout_mse(const HoldoutCall& c) override {
    gpu_->holdout_mse(c);
    const HostRecords records(c.data);
    const Buffer<std::uint32_t> indices = host_copy(c.indices.data, c.indices.count());
    take_over(twin_, c.state);
    std::vector<double> cpu(c.mse.size());
    std::vector<float> logit(c.end_logit.count());
    const Matrix<float> end_logit{logit.empty() ? nullptr : logit.data(), c.end_logit.size(0),
                                  c.end_logit.size(1)};
    ensemble_holdout_mse(check_.cpu(), twin_, records.view(), {indices.data(), c.indices.size()},
                         cpu, workspace_, end_logit);
    if (!logit.empty())
      check_.compare("ensemble holdout", "logit of the end", {c.end_logit.data, logit.size()},
                     logit, rounding_allowed(c.stream.precision()));
    const std::vector<float> a(c.mse.begin(), c.mse.end()), b(cpu.begin(), cpu.end());
    check_.compare("ensemble holdout", "error", a, b, rounding_allowed(c.stream.precision()));
  }

 private:
  TwinCheck& check_;
  std::unique_ptr<EnsembleStage> gpu_;
  EnsembleState twin_;
  EnsembleWorkspace workspace_;
};

class CheckedPlan : public PlanStage {
 public:
  CheckedPlan(Stream& stream, std::unique_ptr<PlanStage> gpu, const EnsembleState& model,
              const PlanLimits& limits, int num_problems)
      : check_(*stream.check()),
        gpu_(std::move(gpu)),
        workspace_(check_.cpu(), host_twin(model), limits, num_problems) {}

  std::size_t bytes() const override { return gpu_->bytes(); }

  void run(const PlanCall& c) override {
    // costs of one step of the first candidates: later iterations are others' once rounding decides
    // who is among the elites, and a long way through a model makes much of a last bit
    const std::size_t count = c.problems.size();
    std::vector<Part> parts;
    parts.reserve(count);
    std::vector<PlanProblem> of_gpu, of_cpu;
    for (const PlanProblem& p : c.problems) {
      Part& part = parts.emplace_back(c.stream, check_.cpu(), p);
      const Matrix<float> action{part.action.data(), p.action.size(0), p.action.size(1)};
      of_gpu.push_back({p.model, p.task, part.constants, part.gpu, p.observation, action, p.step});
      of_cpu.push_back(
          {part.twin, p.task, part.constants, part.cpu, p.observation, action, p.step});
    }
    std::vector<PlanReport> gpu(count), cpu(count);
    gpu_->run({c.stream, of_gpu, gpu});
    plan(check_.cpu(), of_cpu, workspace_, cpu);
    for (std::size_t i = 0; i < count; ++i) {
      const float on_gpu[] = {gpu[i].mean_cost, gpu[i].best_cost};
      const float on_cpu[] = {cpu[i].mean_cost, cpu[i].best_cost};
      check_.compare("plan", "costs of the first step", on_gpu, on_cpu,
                     rounding_allowed(c.stream.precision()));
    }
    gpu_->run(c);
  }

 private:
  // a problem's first step on both devices, which leaves its plans alone
  struct Part {
    PlanConstants constants;
    EnsembleState twin;
    PlanState gpu, cpu;
    std::vector<float> action;

    Part(Stream& stream, Stream& host, const PlanProblem& p)
        : constants(p.constants),
          twin(host_twin(p.model)),
          gpu(stream, {.observations = p.state.observations, .horizon = p.state.horizon},
              p.state.action_size),
          cpu(host, {.observations = p.state.observations, .horizon = p.state.horizon},
              p.state.action_size),
          action(p.action.count()) {
      constants.iterations = constants.horizon = 1;
      take_over(twin, p.model);
      copy_memory(cpu.mean.data(), p.state.mean.data(), p.state.mean.size() * sizeof(float));
      copy_memory(gpu.mean.data(), p.state.mean.data(), p.state.mean.size() * sizeof(float));
    }
  };

  TwinCheck& check_;
  std::unique_ptr<PlanStage> gpu_;
  PlanWorkspace workspace_;
};

class CheckedRollout : public RolloutStage {
 public:
  CheckedRollout(Stream& stream, std::unique_ptr<RolloutStage> gpu, const GaussianActor& policy,
                 const EnsembleState& model, int max_rows, int num_elites)
      : check_(*stream.check()),
        gpu_(std::move(gpu)),
        policy_(host_twin(policy)),
        model_(host_twin(model)),
        workspace_(check_.cpu(), policy_, model_, max_rows, num_elites) {}

  RolloutResult run(const RolloutCall& c) override {
    take_over(policy_, c.policy);
    take_over(model_, c.model);
    const HostRecords real(c.real);
    const auto pitch = static_cast<std::size_t>(c.model.data.pitch());
    Buffer<float> records(c.ring.capacity * pitch, 0.0f);
    const RolloutResult gpu = gpu_->run(c);
    const RolloutResult cpu =
        rollout(check_.cpu(), policy_, model_, real.view(),
                {records.data(), c.ring.capacity, c.ring.head}, c.constants, workspace_);

    // of the first step every row; later ones are other rows once an episode ends on one device alone
    const Buffer<float> written = host_copy(c.ring.records, c.ring.capacity * pitch);
    std::vector<float> first_gpu, first_cpu;
    for (std::size_t row = 0; row < static_cast<std::size_t>(c.constants.num_rows); ++row) {
      const std::size_t at = (c.ring.head + row) % c.ring.capacity * pitch;
      first_gpu.insert(first_gpu.end(), written.data() + at, written.data() + at + pitch);
      first_cpu.insert(first_cpu.end(), records.data() + at, records.data() + at + pitch);
    }
    const double allowed = rounding_allowed(c.stream.precision());
    check_.compare("rollout", "first step", first_gpu, first_cpu, allowed);
    const float counts_gpu[] = {static_cast<float>(gpu.num_written),
                                static_cast<float>(gpu.num_terminated)};
    const float counts_cpu[] = {static_cast<float>(cpu.num_written),
                                static_cast<float>(cpu.num_terminated)};
    // few rows lie so near to an end that rounding decides
    check_.compare("rollout", "rows written, ended", counts_gpu, counts_cpu,
                   std::max(allowed, 1e-3));
    return gpu;
  }

 private:
  TwinCheck& check_;
  std::unique_ptr<RolloutStage> gpu_;
  GaussianActor policy_;
  EnsembleState model_;
  RolloutWorkspace workspace_;
};

}  // namespace

Stream* cpu_of(Stream& stream) {
  if (!stream.on_gpu()) return &stream;
  return stream.check() != nullptr ? &stream.check()->cpu() : nullptr;
}

void policy_act(Stream& stream, const GaussianActor& policy, const ActRequest& request,
                PolicyWorkspace& workspace) {
  gpu::policy_act(stream, policy, request, workspace.buffers());
  check_actions(*stream.check(), policy, request, workspace, rounding_allowed(stream.precision()));
}

void policy_log_prob(Stream& stream, const GaussianActor& policy, Matrix<const float> observation,
                     Matrix<const float> action, Vector<float> log_prob,
                     PolicyWorkspace& workspace) {
  TwinCheck& check = *stream.check();
  gpu::policy_log_prob(stream, policy, observation, action, log_prob, workspace.buffers());
  GaussianActor twin = host_twin(policy);
  take_over(twin, policy);
  std::vector<float> cpu(log_prob.count());
  mbrl::policy_log_prob(check.cpu(), twin, observation, action, {cpu.data(), log_prob.size()},
                        workspace);
  check.compare("policy", "log density", {log_prob.data, cpu.size()}, cpu,
                rounding_allowed(stream.precision()));
}

void sac_update(Stream& stream, const SacCall& call, SacWorkspace& workspace) {
  TwinCheck& check = *stream.check();
  const double allowed = rounding_allowed(stream.precision());
  const HostRecords real(call.source.real), imagined(call.source.imagined);
  const MixedSource source{real.view(), imagined.view(), call.source.num_real};
  SacState twin = host_twin(call.state);
  for (std::size_t i = 0; i < call.losses.size(); ++i) {
    const bool last = i + 1 == call.losses.size();
    take_over(twin, call.state);
    gpu::sac_update(stream,
                    {call.losses.subspan(i, 1), call.state, call.source, call.constants,
                     last ? call.then_act : nullptr},
                    workspace.buffers());
    const SacLosses cpu = mbrl::sac_update(check.cpu(), twin, source, call.constants, workspace);
    const SacLosses& gpu = call.losses[i];
    check.compare("sac", "losses",
                  std::vector<float>{gpu.critic_loss[0], gpu.critic_loss[1], gpu.actor_loss,
                                     gpu.alpha, gpu.entropy, gpu.mean_q},
                  std::vector<float>{cpu.critic_loss[0], cpu.critic_loss[1], cpu.actor_loss,
                                     cpu.alpha, cpu.entropy, cpu.mean_q},
                  allowed);
    compare_states(check, "sac", call.state, twin, allowed);
  }
  if (call.then_act != nullptr && !call.losses.empty())
    check_actions(check, call.state.actor, *call.then_act,
                  workspace.acting(check.cpu(), twin.actor, call.then_act->observation.size(0)),
                  allowed);
}

void ppo_act(Stream& stream, const PpoState& state, const PpoActRequest& request,
             PpoWorkspace& workspace) {
  TwinCheck& check = *stream.check();
  gpu::ppo_act(stream, state, request, workspace.buffers());
  PpoState twin = host_twin(state);
  take_over(twin, state);
  std::vector<float> action(request.action.count()), log_prob(request.log_prob.count()),
      value(request.value.count());
  PpoActRequest again = request;
  again.action.data = action.data();
  if (request.log_prob.data != nullptr) again.log_prob.data = log_prob.data();
  if (request.value.data != nullptr) again.value.data = value.data();
  mbrl::ppo_act(check.cpu(), twin, again, workspace);
  const double allowed = rounding_allowed(stream.precision());
  check.compare("ppo policy", "action", {request.action.data, action.size()}, action, allowed);
  if (request.log_prob.data != nullptr)
    check.compare("ppo policy", "log density", {request.log_prob.data, log_prob.size()}, log_prob,
                  allowed);
  if (request.value.data != nullptr)
    check.compare("ppo policy", "value", {request.value.data, value.size()}, value, allowed);
}

void ppo_update(Stream& stream, const PpoCall& call, PpoWorkspace& workspace) {
  TwinCheck& check = *stream.check();
  const double allowed = rounding_allowed(stream.precision());
  const PpoBatch& b = call.batch;
  const auto copy = [](auto view) { return host_copy(view.data, view.count()); };
  const Buffer<float> observation = copy(b.observation), action = copy(b.action),
                      log_prob = copy(b.log_prob), advantage = copy(b.advantage),
                      target = copy(b.value_target);
  const Buffer<std::uint32_t> rows = copy(call.rows);
  PpoBatch batch = b;
  batch.observation.data = observation.data();
  batch.action.data = action.data();
  batch.log_prob.data = log_prob.data();
  batch.advantage.data = advantage.data();
  batch.value_target.data = target.data();
  PpoState twin = host_twin(call.state);
  const int size = call.rows.size(1);
  for (std::size_t i = 0; i < call.losses.size(); ++i) {
    const std::size_t first = i * static_cast<std::size_t>(size);
    take_over(twin, call.state);
    gpu::ppo_update(stream,
                    {call.losses.subspan(i, 1),
                     call.state,
                     b,
                     {call.rows.data + first, 1, size},
                     call.constants},
                    workspace.buffers());
    PpoLosses cpu;
    mbrl::ppo_update(check.cpu(), {&cpu, 1}, twin, batch, {rows.data() + first, 1, size},
                     call.constants, workspace);
    const PpoLosses& gpu = call.losses[i];
    check.compare("ppo", "losses",
                  std::vector<float>{gpu.policy_loss, gpu.value_loss, gpu.entropy, gpu.approx_kl},
                  std::vector<float>{cpu.policy_loss, cpu.value_loss, cpu.entropy, cpu.approx_kl},
                  allowed);
    compare_states(check, "ppo", call.state, twin, allowed);
  }
}

void gae(Stream& stream, Matrix<float> advantage, Matrix<float> value_target, const GaeIn& in,
         float discount, float lambda) {
  TwinCheck& check = *stream.check();
  const auto copy = [](Matrix<const float> view) { return host_copy(view.data, view.count()); };
  // before the call: its outputs may be its inputs
  const Buffer<float> reward = copy(in.reward), value = copy(in.value),
                      next_value = copy(in.next_value), terminated = copy(in.terminated),
                      truncated = copy(in.truncated);
  gpu::gae(stream, advantage, value_target, in, discount, lambda);
  stream.synchronize();
  const int T = advantage.size(0), N = advantage.size(1);
  Buffer<float> of_advantage(advantage.count()), of_target(advantage.count());
  mbrl::gae(check.cpu(), {of_advantage.data(), T, N}, {of_target.data(), T, N},
            {{reward.data(), T, N},
             {value.data(), T, N},
             {next_value.data(), T, N},
             {terminated.data(), T, N},
             {truncated.data(), T, N}},
            discount, lambda);
  const Buffer<float> a = copy(advantage), t = copy(value_target);
  check.compare("gae", "advantage", a, of_advantage, 0.0);
  check.compare("gae", "value target", t, of_target, 0.0);
}

std::unique_ptr<EnsembleStage> ensemble_stage(Stream& stream, std::unique_ptr<EnsembleStage> gpu,
                                              const EnsembleState& state, int batch_size) {
  return std::make_unique<CheckedEnsemble>(stream, std::move(gpu), state, batch_size);
}

std::unique_ptr<RolloutStage> rollout_stage(Stream& stream, std::unique_ptr<RolloutStage> gpu,
                                            const GaussianActor& policy, const EnsembleState& model,
                                            int max_rows, int num_elites) {
  return std::make_unique<CheckedRollout>(stream, std::move(gpu), policy, model, max_rows,
                                          num_elites);
}

std::unique_ptr<PlanStage> plan_stage(Stream& stream, std::unique_ptr<PlanStage> gpu,
                                      const EnsembleState& model, const PlanLimits& limits,
                                      int num_problems) {
  return std::make_unique<CheckedPlan>(stream, std::move(gpu), model, limits, num_problems);
}

}  // namespace mbrl::checked
