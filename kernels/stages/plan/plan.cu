// Planning on the GPU: a control step of all problems is one graph.
//
//   begin      per search: mean and variance to start from, whether there is an iteration
//   per iteration
//     sample   per candidate: its actions
//     rollout  per group of candidates (and member, where particles keep theirs): through the whole
//              horizon, on a tile of rows in shared memory
//     update   per search: costs, order, mean and variance; whether there is another iteration
//   finish     per search: the action, the mean of the next control step
//
// What a call decides lies in device memory, a SearchPlan for each search, addresses of the
// learners included: a recording is good for any population, horizon, elites and members, and for
// as many iterations as it has. Blocks without work return at once.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>

#include "cuda/graph.h"
#include "cuda/kernel.cuh"
#include "kernels/gpu/block_mlp.cuh"
#include "kernels/gpu/dispatch.cuh"
#include "kernels/gpu/parameter_step.cuh"
#include "kernels/gpu/reduce.cuh"
#include "kernels/stages/plan/plan.h"
#include "kernels/stages/plan/plan_search.h"

namespace mbrl::gpu {
namespace {

/// Rows of a block: as many as shared memory and registers hold. Of a HalfCheetah's 10,000, 80 make
/// one wave of blocks on 132 multiprocessors, and 48 two; in tf32 more would spill.
template <Precision kPrecision>
constexpr int kManyRows = kPrecision == Precision::kFp32   ? 32
                          : kPrecision == Precision::kTf32 ? 48
                                                           : 80;
constexpr int kSomeRows = 32, kFewRows = 16;

constexpr std::size_t tile_bytes(int rows, int pitch) {
  return 2 * static_cast<std::size_t>(rows) * static_cast<std::size_t>(pitch) * sizeof(float);
}

/// A search: what its call decides, and how far it is.
struct alignas(16) SearchPlan {
  PlanRule rule;
  ModelMaps maps;
  EnsembleLoss loss;
  std::uint64_t step;
  bool first_of_problem;
  // of the learner
  const float *member_value, *shared, *input_mean, *input_inv_std;
  void* member_rounded;  // as operands of the precision; null in fp32
  int member[kMaxPlanMembers];
  float* state_mean;
  float* state_elites;
  int* state_kept;
  int state_elements;  // of a kept plan
  ColorTable color;
  float observation[kMaxPlannedState];

  bool active;
  int iteration, drawn, kept;
  // results
  int iterations;
  float best_cost, mean_cost;
  float action[kMaxPlannedActions];

  MBRL_HD int pool() const { return drawn + kept; }
  MBRL_HD int imagined() const { return iteration == 0 ? pool() : drawn; }
  MBRL_HD std::uint64_t draw_step(int h = 0) const { return plan_draw_step(step, iteration, h); }
};

struct PlanArrays {
  SearchPlan* searches;
  MlpTable member;
  std::size_t member_size;
  // of each search: [elements] each, [candidates, elements], [candidates, particles],
  // [candidates] each, [kMaxKeptElites]
  float *mean, *variance, *deviation, *candidate, *particle_cost, *cost, *kept_cost;
  int* order;
  // of each particle of each search: [S], [S], [3, S], and who sits in its slot
  float *state, *target, *mixture;
  std::uint16_t* deal;
  int S, A, num_inputs, shared_pitch, pitch;
  int max_elements, max_candidates, max_particles;
};

/// One search's part of the arrays.
struct SearchArrays {
  const PlanArrays& a;
  std::size_t search;

  __device__ float* mean() const { return a.mean + search * a.max_elements; }
  __device__ float* variance() const { return a.variance + search * a.max_elements; }
  __device__ float* deviation() const { return a.deviation + search * a.max_elements; }
  __device__ float* candidate(int i, int elements) const {
    return a.candidate + search * a.max_candidates * a.max_elements +
           static_cast<std::size_t>(i) * elements;
  }
  __device__ float* cost() const { return a.cost + search * a.max_candidates; }
  __device__ float* kept_cost() const { return a.kept_cost + search * kMaxKeptElites; }
  __device__ int* order() const { return a.order + search * a.max_candidates; }
  /// Number of a search's first particle.
  __device__ std::size_t particles() const { return search * a.max_candidates * a.max_particles; }
  __device__ float* particle_cost() const { return a.particle_cost + particles(); }
};

__device__ int thread_of_block() { return static_cast<int>(threadIdx.x); }

// for every i of [0, count) that is this thread's
template <typename F>
__device__ __forceinline__ void for_each_of_thread(int count, F f) {
  for (int i = thread_of_block(); i < count; i += kBlockThreads) f(i);
}

// Whether there is an iteration, and what its candidates are. All threads of the block call it; the
// search's mean and variance are complete (barrier), what it leaves is when the kernel ends.
__device__ void begin_iteration(const SearchArrays& arrays, SearchPlan& s, int iteration) {
  const PlanRule& rule = s.rule;
  const int elements = rule.elements();
  const float *mean = arrays.mean(), *variance = arrays.variance();
  auto* scratch = reinterpret_cast<int*>(shared_floats());
  int large = 0;
  for_each_of_thread(elements, [&](int i) { large += !rule.is_small(variance[i]); });
  large = block_sum(large, scratch);
  const bool active = iteration < rule.num_iterations() && (!rule.stops_early() || large > 0);
  if (active)
    for_each_of_thread(
        elements, [&](int i) { arrays.deviation()[i] = rule.deviation(mean[i], variance[i]); });
  if (thread_of_block() != 0) return;
  s.active = active;
  s.iteration = iteration;
  if (!active) return;
  ++s.iterations;
  s.drawn = rule.num_drawn(iteration);
  const int kept = *s.state_kept;
  s.kept = rule.method != PlanMethod::kIcem ? 0 : kept < rule.keep ? kept : rule.keep;
}

__global__ void plan_begin_kernel(const __grid_constant__ PlanArrays a) {
  const SearchArrays arrays{a, blockIdx.x};
  SearchPlan& s = a.searches[blockIdx.x];
  if (!s.active) return;
  for_each_of_thread(s.rule.elements(), [&](int i) {
    arrays.mean()[i] = s.state_mean[i];
    arrays.variance()[i] = kPlanVariance;
  });
  sync_block();
  begin_iteration(arrays, s, 0);
}

template <Precision kPrecision>
__global__ void plan_round_kernel(const __grid_constant__ PlanArrays a, int members) {
  if (lacks_format<kPrecision>()) return;
  const SearchPlan& s = a.searches[blockIdx.y];
  if (!s.active || !s.first_of_problem) return;
  const std::size_t count = static_cast<std::size_t>(members) * a.member_size;
  for (std::size_t i = static_cast<std::size_t>(blockIdx.x) * kBlockThreads + threadIdx.x;
       i < count; i += static_cast<std::size_t>(gridDim.x) * kBlockThreads)
    static_cast<OperandOf<kPrecision>*>(s.member_rounded)[i] =
        to_operand<kPrecision>(s.member_value[i]);
}

// one candidate's actions
__global__ void plan_sample_kernel(const __grid_constant__ PlanArrays a) {
  const SearchPlan& s = a.searches[blockIdx.y];
  const auto i = static_cast<int>(blockIdx.x);
  if (!s.active || i >= s.pool()) return;
  const SearchArrays arrays{a, blockIdx.y};
  const PlanRule& rule = s.rule;
  const int elements = rule.elements(), H = rule.horizon, A = a.A;
  const float *mean = arrays.mean(), *deviation = arrays.deviation();
  float* candidate = arrays.candidate(i, elements);
  const std::uint64_t draw_step = s.draw_step();
  if (rule.method != PlanMethod::kIcem) {
    for_each_of_thread(
        elements, [&](int j) { candidate[j] = rule.draw(draw_step, i, j, mean[j], deviation[j]); });
    return;
  }
  if (i == 0 && s.iteration + 1 == rule.iterations) {
    for_each_of_thread(elements, [&](int j) { candidate[j] = mean[j]; });
    return;
  }
  const bool is_kept = i >= s.drawn;
  const float* elite =
      s.state_elites + static_cast<std::size_t>(is_kept ? i - s.drawn : 0) * s.state_elements;
  if (is_kept && s.iteration > 0) {
    for_each_of_thread(elements, [&](int j) { candidate[j] = elite[j]; });
    return;
  }
  float* frequencies = shared_floats();
  const int numbers = 2 * num_frequencies(H);
  for_each_of_thread(A * numbers, [&](int j) {
    frequencies[j] = plan_frequency(rule.key(purpose::kPlanCandidate), draw_step, i, j / numbers,
                                    j % numbers / 2, j % 2, H);
  });
  sync_block();
  for_each_of_thread(elements, [&](int j) {
    const int h = j / A;
    // of the last control step's elites the first action is past and the last one new
    candidate[j] = is_kept && h + 1 < H
                       ? elite[j + A]
                       : rule.colored(s.color.value(frequencies + j % A * numbers, h, H), mean[j],
                                      deviation[j]);
  });
}

/// The particles of a few candidates through the horizon, in one block.
template <Precision kPrecision, int kRows>
class PlanBlock {
 public:
  __device__ PlanBlock(const PlanArrays& a, const SearchPlan& s, std::size_t search)
      : a_(a),
        s_(s),
        arrays_{a, search},
        mlp_(shared_floats(), a.pitch),
        P_(s.rule.particles),
        k_(s.rule.deals() ? s.rule.per_member : s.rule.particles),
        splits_(s.rule.splits()),
        anew_(s.rule.propagation == Propagation::kTs1),
        group_(kRows / k_ > 1 ? kRows / k_ : 1) {}

  /// Groups of candidates, for each member where particles keep theirs.
  __device__ int num_tasks() const {
    return (s_.imagined() + group_ - 1) / group_ * (splits_ ? s_.rule.members : 1);
  }

  __device__ void imagine(int task) {
    const int parts = splits_ ? s_.rule.members : 1;
    first_ = task / parts * group_;
    count_ = s_.imagined() - first_ < group_ ? s_.imagined() - first_ : group_;
    first_member_ = splits_ ? task % parts : 0;
    const int end_member = splits_ ? first_member_ + 1 : s_.rule.members;
    const int S = a_.S, own = splits_ ? k_ : P_;
    for_each_of_thread(count_ * own, [&](int i) {
      const std::size_t at = particle(i / own, first_member_ * k_ * splits_ + i % own);
      a_.particle_cost[at] = 0.0f;
      for (int j = 0; j < S; ++j) a_.state[at * S + j] = s_.observation[j];
    });
    sync_block();
    const bool deals = s_.rule.deals();
    for (h_ = 0; h_ < s_.rule.horizon; ++h_) {
      if (anew_) {
        for_each_of_thread(count_, [&](int c) {
          std::uint16_t* order = a_.deal + particle(c, 0);
          for (int p = 0; p < P_; ++p) order[p] = static_cast<std::uint16_t>(p);
          deal_particles(s_.rule.key(purpose::kPlanParticle), s_.draw_step(h_), first_ + c, P_,
                         order);
        });
        sync_block();
      }
      // of each member its own rows, or of all of them all
      for (int e = first_member_; e < (deals ? end_member : first_member_ + 1); ++e)
        for (int row0 = 0; row0 < count_ * k_; row0 += kRows) {
          member_ = e;
          row0_ = row0;
          rows_ = count_ * k_ - row0 < kRows ? count_ * k_ - row0 : kRows;
          predict(deals);
        }
      if (s_.rule.propagation == Propagation::kMm) draw_anew();
    }
  }

 private:
  /// Number of a particle in the arrays.
  __device__ std::size_t particle(int c, int p) const {
    return arrays_.particles() + static_cast<std::size_t>((first_ + c) * P_ + p);
  }
  /// Candidate of the group, and particle of it, of a row of the tile.
  __device__ int candidate_of(int row) const { return (row0_ + row) / k_; }
  __device__ int particle_of(int row) const {
    const int i = (row0_ + row) % k_;
    if (!s_.rule.deals()) return i;
    const int slot = member_ * k_ + i;
    return anew_ ? a_.deal[particle(candidate_of(row), slot)] : slot;
  }
  __device__ std::size_t particle_of_row(int row) const {
    return particle(candidate_of(row), particle_of(row));
  }
  __device__ const float* action(int c) const {
    return arrays_.candidate(first_ + c, s_.rule.elements()) + h_ * a_.A;
  }
  __device__ float noise(int c, int p, std::uint32_t first_block, int i) const {
    const Philox4 bits = s_.rule.key(purpose::kPlanNoise)
                             .bits(s_.draw_step(h_), particle_row(s_.rule, first_ + c, p),
                                   first_block + static_cast<std::uint32_t>(i) / 4);
    return normal_of(bits, i);
  }

  // the outputs of a member for the rows of the tile
  __device__ void forward(int member) {
    mlp_.fill(a_.member.layer[0].in_pitch, a_.num_inputs, nullptr, [&](int row, int column) {
      if (row >= rows_) return 0.0f;
      const std::size_t at = particle_of_row(row);
      return normalize(
          s_.maps.input_value(a_.state + at * a_.S, action(candidate_of(row)), a_.S, column),
          s_.input_mean[column], s_.input_inv_std[column]);
    });
    const std::size_t at = static_cast<std::size_t>(s_.member[member]) * a_.member_size;
    mlp_.forward(a_.member, parameters_at<kPrecision>(s_.member_value, s_.member_rounded, at),
                 Activation::kSwish, nullptr, 0);
  }
  // f(mean, standard deviation) of what a member has predicted of target `i` of a row; for losses
  // without noise 0
  __device__ __forceinline__ float deviation_of(const float* output, int i) const {
    if (s_.loss != EnsembleLoss::kGaussianNll) return 0.0f;
    const float outputs[2] = {output[i], output[a_.S + i]};
    const float shared[2] = {s_.shared[i], s_.shared[a_.shared_pitch + i]};
    return GaussianNllLoss::deviation(outputs, shared);
  }
  // entry `i` of the particle's next observation
  __device__ void set_state(std::size_t at, int i, float target) {
    float& entry = a_.state[at * a_.S + i];
    entry = s_.maps.state(i, entry, target);
  }
  // what the next observations of the tile, complete (barrier), cost
  __device__ void add_costs() {
    for_each_of_thread(rows_, [&](int row) {
      const std::size_t at = particle_of_row(row);
      a_.particle_cost[at] += planner_cost(s_.rule.task, s_.observation, a_.state + at * a_.S,
                                           action(candidate_of(row)));
    });
    sync_block();
  }

  // The rows of the tile through their own member, or through all; then draws of what is predicted,
  // of kMm of targets that are yet to be drawn anew. There is one place that calls forward(), which
  // is most of the kernel's code.
  __device__ void predict(bool own) {
    const int S = a_.S, first = own ? member_ : 0, end = own ? member_ + 1 : s_.rule.members;
    for (int e = first; e < end; ++e) {
      forward(e);
      for_each_of_thread(rows_ * S, [&](int n) {
        const int row = n / S, i = n % S, c = candidate_of(row), p = particle_of(row);
        const float* output = mlp_.tile() + row * mlp_.pitch();
        const float mean = output[i], deviation = deviation_of(output, i);
        if (own) {
          // without noise the deviation is 0
          const float drawn = deviation == 0.0f ? 0.0f : noise(c, p, 0, i);
          set_state(particle(c, p), i, fma_f(deviation, drawn, mean));
          return;
        }
        float* known = a_.mixture + particle(c, p) * 3 * S + i;
        Mixture mixture;
        if (e > 0) mixture = {known[0], known[S], known[2 * S]};
        mixture.add(mean, deviation, e + 1);
        known[0] = mixture.mean;
        known[S] = mixture.spread;
        known[2 * S] = mixture.variance;
      });
      sync_block();
    }
    if (!own) draw_mixtures();
    if (own || s_.rule.propagation != Propagation::kMm) add_costs();
  }

  __device__ void draw_mixtures() {
    const int M = s_.rule.members, S = a_.S;
    const bool noisy =
        s_.loss == EnsembleLoss::kGaussianNll && s_.rule.propagation != Propagation::kE;
    const bool anew = s_.rule.propagation == Propagation::kMm;
    for_each_of_thread(rows_ * S, [&](int n) {
      const int row = n / S, i = n % S;
      const std::size_t at = particle_of_row(row);
      const float* known = a_.mixture + at * 3 * S + i;
      const Mixture mixture{known[0], known[S], known[2 * S]};
      const float target =
          noisy ? fma_f(mixture.deviation(M), noise(candidate_of(row), particle_of(row), 0, i),
                        mixture.mean)
                : mixture.mean;
      if (anew)
        a_.target[at * S + i] = target;
      else
        set_state(at, i, target);
    });
    sync_block();
  }

  // targets of each candidate's particles from the normal distribution that has their mean and
  // variance
  __device__ void draw_anew() {
    const int S = a_.S;
    for_each_of_thread(count_ * S, [&](int n) {
      const int c = n / S, i = n % S;
      const float* target = a_.target + particle(c, 0) * S + i;
      float mean = 0.0f, spread = 0.0f;
      for (int p = 0; p < P_; ++p) mean += target[p * S];
      mean = mean / static_cast<float>(P_);
      for (int p = 0; p < P_; ++p) {
        const float difference = target[p * S] - mean;
        spread = fma_f(difference, difference, spread);
      }
      float* moment = a_.mixture + particle(c, 0) * 3 * S + i;
      moment[0] = mean;
      moment[S] = square_root(spread / static_cast<float>(P_));
    });
    sync_block();
    for (row0_ = 0; row0_ < count_ * P_; row0_ += kRows) {
      rows_ = count_ * P_ - row0_ < kRows ? count_ * P_ - row0_ : kRows;
      for_each_of_thread(rows_ * S, [&](int n) {
        const int row = n / S, i = n % S, c = candidate_of(row), p = particle_of(row);
        const float* moment = a_.mixture + particle(c, 0) * 3 * S + i;
        set_state(particle(c, p), i, fma_f(moment[S], noise(c, p, kMomentBlock, i), moment[0]));
      });
      sync_block();
      add_costs();
    }
  }

  const PlanArrays& a_;
  const SearchPlan& s_;
  SearchArrays arrays_;
  BlockMlp<kPrecision, kRows> mlp_;
  int P_, k_;  // particles of a candidate, and how many of them a tile has
  bool splits_, anew_;
  int group_;  // candidates of a task
  // of the running task, step and tile
  int first_ = 0, count_ = 0, first_member_ = 0, h_ = 0, member_ = 0, row0_ = 0, rows_ = 0;
};

template <Precision kPrecision, int kRows>
__global__ void __launch_bounds__(kBlockThreads, 1)
    plan_rollout_kernel(const __grid_constant__ PlanArrays a) {
  if (lacks_format<kPrecision>()) return;
  const SearchPlan& s = a.searches[blockIdx.y];
  if (!s.active) return;
  PlanBlock<kPrecision, kRows> block(a, s, blockIdx.y);
  const int tasks = block.num_tasks();
  for (int task = static_cast<int>(blockIdx.x); task < tasks; task += static_cast<int>(gridDim.x))
    block.imagine(task);
}

// mean and variance of the elites, smoothed
__device__ void refit(const SearchArrays& arrays, const PlanRule& rule) {
  const int K = rule.num_elites, elements = rule.elements();
  const int* order = arrays.order();
  const float* candidates = arrays.candidate(0, elements);
  for_each_of_thread(elements, [&](int i) {
    float mean = 0.0f, spread = 0.0f;
    for (int e = 0; e < K; ++e)
      mean += candidates[static_cast<std::size_t>(order[e]) * elements + i];
    mean = mean / static_cast<float>(K);
    for (int e = 0; e < K; ++e) {
      const float difference = candidates[static_cast<std::size_t>(order[e]) * elements + i] - mean;
      spread = fma_f(difference, difference, spread);
    }
    float &known = arrays.mean()[i], &variance = arrays.variance()[i];
    known = rule.smoothed(known, mean);
    variance = rule.smoothed_variance(variance, spread / static_cast<float>(K));
  });
}

// the mean of all candidates, weighted by what they cost
__device__ void weigh(const SearchArrays& arrays, const PlanRule& rule, int drawn) {
  const int elements = rule.elements();
  float *mean = arrays.mean(), *cost = arrays.cost();
  float* scratch = shared_floats();
  float least = std::numeric_limits<float>::infinity();
  for_each_of_thread(drawn, [&](int c) {
    const float* candidate = arrays.candidate(c, elements);
    float perturbation = 0.0f;
    for (int i = 0; i < elements; ++i) perturbation += rule.perturbation(mean[i], candidate[i]);
    cost[c] = counted_cost(cost[c] + perturbation);
    least = min_f(least, cost[c]);
  });
  scratch[thread_of_block()] = least;
  sync_block();
  for (int i = 0; i < kBlockThreads; ++i) least = min_f(least, scratch[i]);
  float total = 0.0f;
  for_each_of_thread(drawn, [&](int c) {
    cost[c] = exp_f((least - cost[c]) / rule.temperature);
    total += cost[c];
  });
  total = block_sum(total, scratch);
  for_each_of_thread(elements, [&](int i) {
    float change = 0.0f;
    const float before = mean[i];
    for (int c = 0; c < drawn; ++c)
      change = fma_f(cost[c], arrays.candidate(c, elements)[i] - before, change);
    mean[i] = before + change / total;
  });
}

// costs -> the order of the candidates -> mean and variance of the next iteration
__global__ void plan_update_kernel(const __grid_constant__ PlanArrays a) {
  SearchPlan& s = a.searches[blockIdx.x];
  if (!s.active) return;
  const SearchArrays arrays{a, blockIdx.x};
  const PlanRule& rule = s.rule;
  const int pool = s.pool(), imagined = s.imagined(), P = rule.particles, drawn = s.drawn;
  const int iteration = s.iteration;
  float* cost = arrays.cost();
  float total = 0.0f;
  for_each_of_thread(pool, [&](int c) {
    if (c < imagined) {
      const float* particle = arrays.particle_cost() + static_cast<std::size_t>(c) * P;
      float sum = 0.0f;
      for (int p = 0; p < P; ++p) sum += counted_cost(particle[p]);
      cost[c] = counted_cost(sum / static_cast<float>(P));
    } else {
      cost[c] = arrays.kept_cost()[c - drawn];
    }
    total += cost[c];
  });
  total = block_sum(total, shared_floats());
  // a candidate's place is the number of better ones
  int* order = arrays.order();
  for_each_of_thread(pool, [&](int c) {
    const float own = cost[c];
    int place = 0;
    for (int other = 0; other < pool; ++other) place += is_better(cost[other], other, own, c);
    order[place] = c;
  });
  sync_block();
  if (thread_of_block() == 0) {
    s.mean_cost = total / static_cast<float>(pool);
    s.best_cost = min_f(s.best_cost, cost[order[0]]);
  }
  sync_block();
  if (rule.stops_early()) refit(arrays, rule);
  if (rule.method == PlanMethod::kMppi) weigh(arrays, rule, drawn);
  if (rule.method == PlanMethod::kIcem) {
    const int elements = rule.elements();
    const int keep = rule.keep < rule.num_elites ? rule.keep : rule.num_elites;
    for_each_of_thread(keep * elements, [&](int i) {
      const int e = i / elements;
      s.state_elites[static_cast<std::size_t>(e) * s.state_elements + i % elements] =
          arrays.candidate(order[e], elements)[i % elements];
    });
    for_each_of_thread(keep, [&](int e) { arrays.kept_cost()[e] = cost[order[e]]; });
    if (thread_of_block() == 0) *s.state_kept = keep;
  }
  sync_block();
  begin_iteration(arrays, s, iteration + 1);
}

// the action, and the mean of the next control step
__global__ void plan_finish_kernel(const __grid_constant__ PlanArrays a) {
  SearchPlan& s = a.searches[blockIdx.x];
  if (s.state_mean == nullptr) return;  // no search of this call
  const SearchArrays arrays{a, blockIdx.x};
  const PlanRule& rule = s.rule;
  const int elements = rule.elements(), A = a.A;
  const bool best = rule.method == PlanMethod::kRandom || rule.method == PlanMethod::kIcem;
  const float* mean = arrays.mean();
  const float* plan =
      best && s.iterations > 0 ? arrays.candidate(arrays.order()[0], elements) : mean;
  for_each_of_thread(A, [&](int i) { s.action[i] = plan[i]; });
  for_each_of_thread(s.state_elements, [&](int i) {
    float next = 0.0f;
    if (rule.method != PlanMethod::kRandom && i < elements) {
      if (i + A < elements) {
        next = mean[i + A];
      } else if (rule.method == PlanMethod::kIcem) {
        next = mean[i];
      }
    }
    s.state_mean[i] = next;
  });
}

/// Device arrays of the stage, and the graph of a control step.
class PlanBuffers final : public PlanStage {
 public:
  PlanBuffers(const Stream& stream, const EnsembleState& model, const PlanLimits& limits,
              int num_problems);

  void run(const PlanCall& call) override;
  std::size_t bytes() const override {
    return sizeof(float) * (floats_.size() + color_.size()) + sizeof(int) * order_.size() +
           sizeof(std::uint16_t) * deal_.size() + rounded_.size() +
           sizeof(SearchPlan) * on_device_.size();
  }

 private:
  void write_plans(const PlanCall& call);
  template <Precision kPrecision, int kRows>
  void issue(Stream& stream);
  void record(Stream& stream);

  int num_searches_, num_problems_, ensemble_size_, color_size_;
  PlanArrays arrays_{};
  Buffer<float> floats_;
  Buffer<int> order_;
  Buffer<std::uint16_t> deal_;
  Buffer<std::byte> rounded_;
  Buffer<SearchPlan> on_host_, on_device_;
  Buffer<float> color_on_host_, color_;  // tables of each problem
  Graph graph_;
  int recorded_iterations_ = 0;
};

PlanBuffers::PlanBuffers(const Stream& stream, const EnsembleState& model, const PlanLimits& limits,
                         int num_problems)
    : num_searches_(num_problems * limits.observations),
      num_problems_(num_problems),
      ensemble_size_(model.ensemble_size),
      color_size_(3 * limits.horizon + 2) {
  PlanArrays& a = arrays_;
  a.member = make_table(model.layout);
  a.member_size = model.layout.size;
  a.S = model.data.observation_size;
  a.A = model.data.action_size;
  a.num_inputs = model.num_inputs();
  a.shared_pitch = padded(a.S);
  a.pitch = shared_pitch(widest(a.member));
  a.max_elements = limits.horizon * a.A;
  a.max_candidates = limits.population + kMaxKeptElites;
  a.max_particles = std::max(1, limits.particles);

  const char* name = "planner";
  const auto searches = static_cast<std::size_t>(num_searches_);
  const auto elements = static_cast<std::size_t>(a.max_elements);
  const auto candidates = static_cast<std::size_t>(a.max_candidates);
  const std::size_t particles = candidates * static_cast<std::size_t>(a.max_particles);
  const auto S = static_cast<std::size_t>(a.S);
  const struct {
    float** array;
    std::size_t size;  // of a search
  } parts[] = {{&a.mean, elements},
               {&a.variance, elements},
               {&a.deviation, elements},
               {&a.candidate, candidates * elements},
               {&a.particle_cost, particles},
               {&a.cost, candidates},
               {&a.kept_cost, kMaxKeptElites},
               {&a.state, particles * S},
               {&a.target, particles * S},
               {&a.mixture, particles * 3 * S}};
  std::size_t size = 0;
  for (const auto& part : parts) size += searches * part.size;
  floats_ = Buffer<float>(size, Memory::kDevice, name);
  float* at = floats_.data();
  for (const auto& part : parts) {
    *part.array = at;
    at += searches * part.size;
  }
  order_ = Buffer<int>(searches * candidates, Memory::kDevice, name);
  deal_ = Buffer<std::uint16_t>(searches * particles, Memory::kDevice, name);
  rounded_ = rounded_buffer(stream,
                            static_cast<std::size_t>(num_problems) *
                                static_cast<std::size_t>(ensemble_size_) * a.member_size,
                            "rounded planning weights");
  on_host_ = Buffer<SearchPlan>(searches, Memory::kPinned, name);
  on_device_ = Buffer<SearchPlan>(searches, Memory::kDevice, name);
  const auto colors = static_cast<std::size_t>(num_problems * color_size_);
  color_on_host_ = Buffer<float>(colors, 0.0f, Memory::kPinned, name);
  color_ = Buffer<float>(colors, Memory::kDevice, name);
  a.searches = on_device_.data();
  a.order = order_.data();
  a.deal = deal_.data();
}

void PlanBuffers::write_plans(const PlanCall& call) {
  const std::size_t rounded_bytes_of_problem = rounded_.size() / num_problems_;
  int search = 0;
  for (std::size_t p = 0; p < call.problems.size(); ++p) {
    const PlanProblem& problem = call.problems[p];
    const EnsembleState& model = problem.model;
    PlanState& state = problem.state;
    const int H = problem.constants.horizon;
    float* tables = color_on_host_.data() + p * static_cast<std::size_t>(color_size_);
    const float* color = color_.data() + p * static_cast<std::size_t>(color_size_);
    if (problem.constants.method == PlanMethod::kIcem)
      make_color_table(H, problem.constants.color, tables + 2 * H, tables, tables + H);
    for (int n = 0; n < problem.observation.size(0); ++n) {
      SearchPlan& s = on_host_[static_cast<std::size_t>(search++)];
      s = {};
      s.rule = make_plan_rule(problem);
      s.maps = model.maps;
      s.loss = model.loss;
      s.step = problem.step[static_cast<std::size_t>(n)];
      s.first_of_problem = n == 0;
      s.member_value = model.members.value.data();
      s.shared = model.logvar_bounds.value.data();
      s.input_mean = model.input_mean.data();
      s.input_inv_std = model.input_inv_std.data();
      s.member_rounded =
          rounded_.size() == 0 ? nullptr : rounded_.data() + p * rounded_bytes_of_problem;
      std::copy(model.elites.begin(), model.elites.end(), s.member);
      const auto row = static_cast<std::size_t>(n);
      s.state_elements = state.horizon * state.action_size;
      const auto elements = static_cast<std::size_t>(s.state_elements);
      s.state_mean = state.mean.data() + row * elements;
      s.state_elites = state.elites.data() + row * kMaxKeptElites * elements;
      s.state_kept = state.num_kept.data() + row;
      s.color = {color + 2 * H, color, color + H};
      std::copy_n(problem.observation.row(n), arrays_.S, s.observation);
      s.active = true;
      s.best_cost = std::numeric_limits<float>::infinity();
    }
  }
  for (; search < num_searches_; ++search) on_host_[static_cast<std::size_t>(search)] = {};
}

template <Precision kPrecision, int kRows>
void PlanBuffers::issue(Stream& stream) {
  const PlanArrays& a = arrays_;
  const auto grid = [](int x, int y) {
    return dim3{static_cast<unsigned>(x), static_cast<unsigned>(y), 1};
  };
  copy_async(on_device_.data(), on_host_.data(), on_device_.size() * sizeof(SearchPlan),
             stream.handle());
  copy_async(color_.data(), color_on_host_.data(), color_.size() * sizeof(float), stream.handle());
  const LaunchShape per_search{grid(num_searches_, 1), kBlockThreads,
                               kBlockThreads * sizeof(float)};
  launch(stream, "plan_begin", plan_begin_kernel, per_search, a);
  if constexpr (kPrecision != Precision::kFp32)
    launch(stream, "plan_round", plan_round_kernel<kPrecision>,
           {grid(64, num_searches_), kBlockThreads, 0}, a, ensemble_size_);
  const std::size_t frequencies =
      static_cast<std::size_t>(a.max_elements + 2 * a.A) * sizeof(float);
  const int tiles = (a.max_candidates * a.max_particles + kRows - 1) / kRows + kMaxPlanMembers;
  for (int iteration = 0; iteration < recorded_iterations_; ++iteration) {
    launch(stream, "plan_sample", plan_sample_kernel,
           {grid(a.max_candidates, num_searches_), kBlockThreads, frequencies}, a);
    launch(stream, "plan_rollout", plan_rollout_kernel<kPrecision, kRows>,
           {grid(tiles, num_searches_), kBlockThreads, tile_bytes(kRows, a.pitch)}, a);
    launch(stream, "plan_update", plan_update_kernel, per_search, a);
  }
  launch(stream, "plan_finish", plan_finish_kernel, per_search, a);
  copy_async(on_host_.data(), on_device_.data(), on_device_.size() * sizeof(SearchPlan),
             stream.handle());
}

// the kernels of a call, with as many rows to a block as fit into shared memory
void PlanBuffers::record(Stream& stream) {
  with_precision(stream, [&]<Precision kPrecision>() {
    const std::size_t limit = shared_memory_limit();
    if (tile_bytes(kManyRows<kPrecision>, arrays_.pitch) <= limit) {
      issue<kPrecision, kManyRows<kPrecision>>(stream);
    } else if (tile_bytes(kSomeRows, arrays_.pitch) <= limit) {
      issue<kPrecision, kSomeRows>(stream);
    } else {
      issue<kPrecision, kFewRows>(stream);
    }
  });
}

void PlanBuffers::run(const PlanCall& call) {
  write_plans(call);
  int iterations = 1;
  for (const PlanProblem& problem : call.problems)
    iterations = std::max(iterations, make_plan_rule(problem).num_iterations());
  if (iterations > recorded_iterations_) {
    graph_ = Graph();
    recorded_iterations_ = iterations;
  }
  graph_.run(call.stream, [&] { record(call.stream); });
  call.stream.synchronize();

  std::size_t search = 0;
  for (std::size_t p = 0; p < call.problems.size(); ++p) {
    const PlanProblem& problem = call.problems[p];
    if (p < call.reports.size()) {
      call.reports[p] = {};
      if (problem.observation.size(0) > 0)
        call.reports[p] = {on_host_[search].best_cost, on_host_[search].mean_cost,
                           on_host_[search].iterations};
    }
    for (int n = 0; n < problem.observation.size(0); ++n)
      std::copy_n(on_host_[search++].action, arrays_.A, problem.action.row(n));
  }
}

}  // namespace

std::unique_ptr<PlanStage> make_plan_stage(Stream& stream, const EnsembleState& model,
                                           const PlanLimits& limits, int num_problems) {
  return std::make_unique<PlanBuffers>(stream, model, limits, num_problems);
}

}  // namespace mbrl::gpu
