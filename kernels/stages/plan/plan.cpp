// Planning on the CPU.
//
// A task carries the particles of a few candidates through the whole horizon, on tiles of 32 rows
// that stay in cache. How many candidates: those whose particles fill the tiles of a member.
#include "kernels/stages/plan/plan.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/cpu/lane_draws.h"
#include "kernels/cpu/model_input.h"
#include "kernels/cpu/tile_mlp.h"
#include "kernels/stages/plan/plan_search.h"

namespace mbrl {
namespace {

constexpr int kSampledAtOnce = 8;  // candidates of a task that draws them
// tiles that go through a member together, where there are enough of them
constexpr int kTilesAtOnce = 4;

/// One observation's search.
struct Search {
  PlanRule rule;
  const PlanProblem* problem;
  int problem_index, row;  // of the observation within its problem
  std::uint64_t step;
  // its memory: [elements], [elements], [elements], [candidates, elements], [candidates,
  // particles], [candidates], [candidates]
  float *mean, *variance, *deviation, *candidate, *particle_cost, *cost;
  int* order;  // candidates, best first
  float kept_cost[kMaxKeptElites];
  ColorTable color;

  bool active;
  int iteration;
  int drawn, kept;  // candidates of the iteration: drawn, then kept ones
  int group;        // candidates of a task
  PlanReport report;

  const float* now() const { return problem->observation.row(row); }
  float* candidate_of(int i) const {
    return candidate + static_cast<std::size_t>(i) * static_cast<std::size_t>(rule.elements());
  }
  float* elite_of(int i) const {
    const PlanState& state = problem->state;
    return problem->state.elites.data() +
           (static_cast<std::size_t>(row) * kMaxKeptElites + static_cast<std::size_t>(i)) *
               static_cast<std::size_t>(state.horizon * state.action_size);
  }
  float* kept_mean() const {
    const PlanState& state = problem->state;
    return problem->state.mean.data() + static_cast<std::size_t>(row) *
                                            static_cast<std::size_t>(state.horizon) *
                                            static_cast<std::size_t>(state.action_size);
  }
  int pool() const { return drawn + kept; }
  /// Candidates whose costs are not known: kept ones of an earlier iteration are known.
  int imagined() const { return iteration == 0 ? pool() : drawn; }
  std::uint64_t draw_step(int h = 0) const { return plan_draw_step(step, iteration, h); }
};

/// What one thread works on.
struct Scratch {
  // particles' observations, tile by tile [S, 32], and targets where they are drawn anew, alike
  float *state, *target;
  float* gathered;  // [S, 32] of each tile at once, of particles that lie apart
  float* mixture;   // [3, S, 32] of each tile at once: mean, spread, variance
  float* noise;     // [S rounded up to 4, 32]
  float* cost;      // of each particle
  float *moment_mean, *moment_deviation;  // [candidates, S]
  float* frequencies;                     // [horizon + 2] of one action
  std::uint16_t* order;                   // [candidates, particles]: who sits in each slot
};

/// The particles of a tile, lane by lane; lanes from `count` on repeat the last one.
struct TileRows {
  int count;
  int place[kTileRows];            // among those of the task
  int candidate[kTileRows];        // of the task
  std::uint32_t row[kTileRows];    // of their draws
  const float* action[kTileRows];  // of the step
};

class PlanTiles final : public PlanStage {
 public:
  PlanTiles(const EnsembleState& model, const PlanLimits& limits, int num_problems, int num_threads,
            bool bf16);

  void run(const PlanCall& call) override;
  std::size_t bytes() const override {
    return sizeof(float) * (memory_.size() + scratch_memory_.size() + color_.size()) +
           sizeof(int) * order_.size() + sizeof(std::uint16_t) * deal_.size();
  }

 private:
  void prepare(const PlanCall& call);
  bool begin_iteration(Search& s) const;
  void sample(const Search& s, int first, int count);
  template <typename Loss>
  void imagine(const Search& s, int first, int count, int first_member, int end_member);
  void read(const EnsembleState& model, const float* state, const TileRows& rows, float* x) const;
  void draw_noise(const Search& s, int h, const TileRows& rows, std::uint32_t first_block,
                  float* noise) const;
  template <typename Loss>
  void draw_targets(const Search& s, int h, const TileRows& rows, float* output,
                    float* noise) const;
  template <typename Loss>
  void add_member(const EnsembleState& model, const float* output, int count, float* mixture) const;
  void draw_mixtures(const Search& s, int h, const TileRows& rows, bool noisy, const float* mixture,
                     float* noise, float* target) const;
  void gather(const float* state, const TileRows& rows, float* tile) const;
  void scatter(const float* tile, const TileRows& rows, float* state) const;
  void find_moments(int count, int particles, const Scratch& w) const;
  void draw_anew(const Search& s, int h, const TileRows& rows, const Scratch& w,
                 float* target) const;
  void advance(const Search& s, const TileRows& rows, const float* target, float* state,
               float* cost) const;
  void update(Search& s) const;
  void refit(Search& s) const;
  void weigh(Search& s) const;
  void keep_elites(Search& s) const;
  void finish(Search& s) const;
  const float* member(const Search& s, int i) const {
    const EnsembleState& model = s.problem->model;
    return model.member(model.elites[static_cast<std::size_t>(i)]);
  }

  /// Calls f(search, task of it) for every task of every active search, count(search) of each.
  template <typename Count, typename F>
  void for_each_task(Stream& stream, Count count, F f) {
    const int n = static_cast<int>(searches_.size());
    first_task_[0] = 0;
    for (int i = 0; i < n; ++i)
      first_task_[i + 1] = first_task_[i] + (searches_[i].active ? count(searches_[i]) : 0);
    stream.pool().parallel_for(first_task_[n], [&](int task) {
      const auto i = std::upper_bound(first_task_.begin(), first_task_.begin() + n + 1, task) -
                     first_task_.begin() - 1;
      f(searches_[i], task - first_task_[i]);
    });
  }

  int S_, A_, max_candidates_, max_elements_, max_particles_;
  TileMlp mlp_;                    // kTilesAtOnce per thread
  std::vector<Bf16Weights> bf16_;  // one per problem and member; or none
  Buffer<float> memory_, color_;   // of the searches; tables of each problem
  Buffer<int> order_;
  Buffer<float> scratch_memory_;
  Buffer<std::uint16_t> deal_;
  std::vector<Scratch> scratch_;  // per thread
  std::vector<Search> searches_;
  std::vector<int> first_task_;
  int ensemble_size_;
  std::size_t color_size_ = 0;  // of a problem's tables
};

// candidates of a task: as many as fill tiles of one member's particles, or of all; of so many tiles
// that they go through a member together, unless then some threads had nothing to do
int candidates_of_task(const PlanRule& rule, int num_threads) {
  const int rows = rule.deals() ? rule.per_member : rule.particles;
  const int least = kTileRows / std::gcd(rows, kTileRows), tiles = least * rows / kTileRows;
  const int parts = rule.splits() ? rule.members : 1;
  int candidates = least * std::max(1, kTilesAtOnce / tiles);
  while (candidates > least && rule.population / candidates * parts < 4 * num_threads)
    candidates /= 2;
  return candidates;
}

PlanTiles::PlanTiles(const EnsembleState& model, const PlanLimits& limits, int num_problems,
                     int num_threads, bool bf16)
    : S_(model.data.observation_size),
      A_(model.data.action_size),
      max_candidates_(limits.population + kMaxKeptElites),
      max_elements_(limits.horizon * A_),
      max_particles_(std::max(1, limits.particles)),
      mlp_(model.layout, Activation::kSwish, num_threads * kTilesAtOnce, false, nullptr, bf16),
      bf16_(make_bf16_weights(bf16, model.layout, num_problems * model.ensemble_size)),
      ensemble_size_(model.ensemble_size) {
  const auto num_searches = static_cast<std::size_t>(num_problems * limits.observations);
  const auto elements = static_cast<std::size_t>(max_elements_);
  const auto candidates = static_cast<std::size_t>(max_candidates_);
  const auto particles = static_cast<std::size_t>(max_particles_);
  searches_.reserve(num_searches);
  first_task_.resize(num_searches + 1);
  memory_ = Buffer<float>(num_searches * (3 * elements + candidates * (elements + particles + 1)));
  order_ = Buffer<int>(num_searches * candidates);
  color_size_ = 3 * static_cast<std::size_t>(limits.horizon) + 2;
  color_ = Buffer<float>(static_cast<std::size_t>(num_problems) * color_size_);

  constexpr std::size_t kMost = kTileRows * kTilesAtOnce;  // candidates of a task
  const std::size_t rows = kMost * particles, S = static_cast<std::size_t>(S_);
  const std::size_t tile = S * kTileRows;
  const std::size_t sizes[] = {rows * S,
                               rows * S,
                               kTilesAtOnce * tile,
                               kTilesAtOnce * 3 * tile,
                               (S + 3) / 4 * 4 * kTileRows,
                               rows,
                               kMost * S,
                               kMost * S,
                               static_cast<std::size_t>(limits.horizon) + 2};
  std::size_t size = 0;
  for (const std::size_t part : sizes) size += (part + kPad - 1) / kPad * kPad;
  scratch_memory_ = Buffer<float>(size * static_cast<std::size_t>(num_threads));
  deal_ = Buffer<std::uint16_t>(rows * static_cast<std::size_t>(num_threads));
  float* at = scratch_memory_.data();
  const auto take = [&](std::size_t count) {
    float* part = at;
    at += (count + kPad - 1) / kPad * kPad;
    return part;
  };
  for (int thread = 0; thread < num_threads; ++thread) {
    Scratch w;
    w.state = take(sizes[0]);
    w.target = take(sizes[1]);
    w.gathered = take(sizes[2]);
    w.mixture = take(sizes[3]);
    w.noise = take(sizes[4]);
    w.cost = take(sizes[5]);
    w.moment_mean = take(sizes[6]);
    w.moment_deviation = take(sizes[7]);
    w.frequencies = take(sizes[8]);
    w.order = deal_.data() + static_cast<std::size_t>(thread) * rows;
    scratch_.push_back(w);
  }
}

void PlanTiles::run(const PlanCall& call) {
  prepare(call);
  const auto active = [&] {
    bool any = false;
    for (Search& s : searches_) any = begin_iteration(s) || any;
    return any;
  };
  while (active()) {
    for_each_task(
        call.stream,
        [](const Search& s) { return (s.pool() + kSampledAtOnce - 1) / kSampledAtOnce; },
        [&](const Search& s, int task) {
          const int first = task * kSampledAtOnce;
          sample(s, first, std::min(kSampledAtOnce, s.pool() - first));
        });
    for_each_task(
        call.stream,
        [](const Search& s) {
          return (s.imagined() + s.group - 1) / s.group * (s.rule.splits() ? s.rule.members : 1);
        },
        [&](const Search& s, int task) {
          const int parts = s.rule.splits() ? s.rule.members : 1;
          const int first = task / parts * s.group, part = task % parts;
          const int count = std::min(s.group, s.imagined() - first);
          with_loss(s.problem->model.loss, [&]<typename Loss>() {
            imagine<Loss>(s, first, count, parts > 1 ? part : 0,
                          parts > 1 ? part + 1 : s.rule.members);
          });
        });
    for_each_task(
        call.stream, [](const Search&) { return 1; }, [&](Search& s, int) { update(s); });
  }
  for (Search& s : searches_) finish(s);
  std::fill(call.reports.begin(), call.reports.end(), PlanReport{});
  for (const Search& s : searches_)
    if (s.row == 0 && s.problem_index < static_cast<int>(call.reports.size()))
      call.reports[static_cast<std::size_t>(s.problem_index)] = s.report;
}

// the searches of a call, each from its kept mean; bf16 copies of the networks that they ask
void PlanTiles::prepare(const PlanCall& call) {
  searches_.clear();
  float* memory = memory_.data();
  int* order = order_.data();
  for (std::size_t p = 0; p < call.problems.size(); ++p) {
    const PlanProblem& problem = call.problems[p];
    const PlanRule rule = make_plan_rule(problem);
    const auto H = static_cast<std::size_t>(rule.horizon);
    float* color = color_.data() + p * color_size_;
    const ColorTable table{color + 2 * H, color, color + H};
    if (rule.method == PlanMethod::kIcem)
      make_color_table(rule.horizon, problem.constants.color, color + 2 * H, color, color + H);
    for (int n = 0; n < problem.observation.size(0); ++n) {
      Search s{};
      s.rule = rule;
      s.problem = &problem;
      s.problem_index = static_cast<int>(p);
      s.row = n;
      s.step = problem.step[static_cast<std::size_t>(n)];
      const auto take = [&](int count) {
        float* part = memory;
        memory += count;
        return part;
      };
      s.mean = take(max_elements_);
      s.variance = take(max_elements_);
      s.deviation = take(max_elements_);
      s.candidate = memory;
      memory += static_cast<std::size_t>(max_candidates_) * static_cast<std::size_t>(max_elements_);
      s.particle_cost = take(max_candidates_ * max_particles_);
      s.cost = take(max_candidates_);
      s.order = order;
      order += max_candidates_;
      s.color = table;
      s.active = true;
      s.iteration = -1;
      s.group = candidates_of_task(rule, call.stream.pool().num_threads());
      s.report.best_cost = std::numeric_limits<float>::infinity();
      std::copy_n(s.kept_mean(), rule.elements(), s.mean);
      std::fill_n(s.variance, rule.elements(), kPlanVariance);
      searches_.push_back(s);
    }
  }
  if (bf16_.empty()) return;
  const int E = ensemble_size_;
  call.stream.pool().parallel_for(static_cast<int>(call.problems.size()) * E, [&](int i) {
    const EnsembleState& model = call.problems[static_cast<std::size_t>(i / E)].model;
    bf16_[static_cast<std::size_t>(i)].refresh(model.member(i % E));
  });
}

// whether there is another iteration, and what its candidates are
bool PlanTiles::begin_iteration(Search& s) const {
  if (!s.active) return false;
  ++s.iteration;
  const int elements = s.rule.elements();
  s.active = s.iteration < s.rule.num_iterations();
  if (s.active && s.rule.stops_early())
    s.active = !std::all_of(s.variance, s.variance + elements,
                            [&](float variance) { return s.rule.is_small(variance); });
  if (!s.active) return false;
  s.drawn = s.rule.num_drawn(s.iteration);
  s.kept = s.rule.method == PlanMethod::kIcem
               ? std::min(s.rule.keep, s.problem->state.num_kept[static_cast<std::size_t>(s.row)])
               : 0;
  for (int i = 0; i < elements; ++i) s.deviation[i] = s.rule.deviation(s.mean[i], s.variance[i]);
  ++s.report.iterations;
  return true;
}

void PlanTiles::sample(const Search& s, int first, int count) {
  const PlanRule& rule = s.rule;
  const int H = rule.horizon, A = A_, elements = rule.elements();
  for (int i = first; i < first + count; ++i) {
    float* candidate = s.candidate_of(i);
    if (rule.method != PlanMethod::kIcem) {
      for (int j = 0; j < elements; ++j)
        candidate[j] = rule.draw(s.draw_step(), i, j, s.mean[j], s.deviation[j]);
      continue;
    }
    if (i == 0 && s.iteration + 1 == rule.iterations) {
      std::copy_n(s.mean, elements, candidate);
      continue;
    }
    const bool is_kept = i >= s.drawn;
    if (is_kept && s.iteration > 0) {
      std::copy_n(s.elite_of(i - s.drawn), elements, candidate);
      continue;
    }
    // of the last control step's elites the first action is past and the last one new
    if (is_kept) std::copy_n(s.elite_of(i - s.drawn) + A, elements - A, candidate);
    float* frequencies = scratch_[static_cast<std::size_t>(ThreadPool::thread_index())].frequencies;
    for (int a = 0; a < A; ++a) {
      for (int k = 0; k < num_frequencies(H); ++k)
        for (int part = 0; part < 2; ++part)
          frequencies[2 * k + part] =
              plan_frequency(rule.key(purpose::kPlanCandidate), s.draw_step(), i, a, k, part, H);
      for (int h = is_kept ? H - 1 : 0; h < H; ++h) {
        const int j = h * A + a;
        candidate[j] = rule.colored(s.color.value(frequencies, h, H), s.mean[j], s.deviation[j]);
      }
    }
  }
}

// the particles of a few candidates through the horizon, as the given members predict them
template <typename Loss>
void PlanTiles::imagine(const Search& s, int first, int count, int first_member, int end_member) {
  const PlanRule& rule = s.rule;
  const EnsembleState& model = s.problem->model;
  const int thread = ThreadPool::thread_index();
  const Scratch& w = scratch_[static_cast<std::size_t>(thread)];
  const int P = rule.particles, M = rule.members, k = rule.per_member, S = S_;
  // particles of a candidate in this task
  const int own = rule.splits() ? k : P, num_rows = count * own;
  const bool anew = rule.propagation == Propagation::kTs1;

  const float* now = s.now();
  for (int tile = 0; tile < num_tiles(num_rows); ++tile)
    for (int i = 0; i < S; ++i)
      std::fill_n(w.state + (tile * S + i) * kTileRows, kTileRows, now[i]);
  std::fill_n(w.cost, num_tiles(num_rows) * kTileRows, 0.0f);

  const int first_tile = thread * kTilesAtOnce;
  const auto forward = [&](int e, int tiles) {
    const auto id = static_cast<std::size_t>(s.problem_index * ensemble_size_ +
                                             model.elites[static_cast<std::size_t>(e)]);
    mlp_.forward_tiles({member(s, e), bf16_.empty() ? nullptr : &bf16_[id]}, first_tile, tiles);
  };
  // Rows of the step's tiles from row0 on, at the most kTilesAtOnce, of those of `members` particles
  // of each candidate, of which the i-th one of candidate c is particle(c, i). How many tiles.
  TileRows tiles[kTilesAtOnce];
  const auto take_rows = [&](int h, int row0, int members, const auto& particle) {
    int num = 0;
    for (; num < kTilesAtOnce && row0 < count * members; ++num, row0 += kTileRows) {
      TileRows& rows = tiles[num];
      rows.count = std::min(kTileRows, count * members - row0);
      for (int lane = 0; lane < kTileRows; ++lane) {
        const int row = row0 + std::min(lane, rows.count - 1), c = row / members;
        const int p = particle(c, row % members);
        rows.candidate[lane] = c;
        rows.row[lane] = particle_row(rule, first + c, p);
        rows.place[lane] = rule.splits() ? row : c * P + p;
        rows.action[lane] = s.candidate_of(first + c) + h * A_;
      }
    }
    return num;
  };
  constexpr int kRowsAtOnce = kTilesAtOnce * kTileRows;
  const int tile_size = S * kTileRows;

  for (int h = 0; h < rule.horizon; ++h) {
    if (anew)
      for (int c = 0; c < count; ++c) {
        std::uint16_t* order = w.order + c * P;
        std::iota(order, order + P, std::uint16_t{0});
        deal_particles(rule.key(purpose::kPlanParticle), s.draw_step(h), first + c, P, order);
      }
    if (rule.deals()) {
      for (int e = first_member; e < end_member; ++e)
        for (int row0 = 0; row0 < count * k; row0 += kRowsAtOnce) {
          const int num = take_rows(h, row0, k, [&](int c, int i) {
            return anew ? static_cast<int>(w.order[c * P + e * k + i]) : e * k + i;
          });
          float* state = anew ? w.gathered : w.state + row0 * S;
          for (int t = 0; t < num; ++t) {
            if (anew) gather(w.state, tiles[t], state + t * tile_size);
            read(model, state + t * tile_size, tiles[t], mlp_.x(0, first_tile + t));
          }
          forward(e, num);
          for (int t = 0; t < num; ++t) {
            float* output = mlp_.output(first_tile + t);
            draw_targets<Loss>(s, h, tiles[t], output, w.noise);
            advance(s, tiles[t], output, state + t * tile_size, w.cost);
            if (anew) scatter(state + t * tile_size, tiles[t], w.state);
          }
        }
      continue;
    }

    // every particle through all members
    const bool moments = rule.propagation == Propagation::kMm;
    const auto all = [](int, int i) { return i; };
    for (int row0 = 0; row0 < num_rows; row0 += kRowsAtOnce) {
      const int num = take_rows(h, row0, P, all);
      float* state = w.state + row0 * S;
      for (int t = 0; t < num; ++t)
        read(model, state + t * tile_size, tiles[t], mlp_.x(0, first_tile + t));
      std::fill_n(w.mixture, num * 3 * tile_size, 0.0f);
      for (int e = 0; e < M; ++e) {
        forward(e, num);
        for (int t = 0; t < num; ++t)
          add_member<Loss>(model, mlp_.output(first_tile + t), e + 1,
                           w.mixture + t * 3 * tile_size);
      }
      for (int t = 0; t < num; ++t) {
        const float* mixture = w.mixture + t * 3 * tile_size;
        float* target =
            moments ? w.target + row0 * S + t * tile_size : w.mixture + t * 3 * tile_size;
        draw_mixtures(s, h, tiles[t], Loss::kNoise, mixture, w.noise, target);
        if (!moments) advance(s, tiles[t], target, state + t * tile_size, w.cost);
      }
    }
    if (!moments) continue;
    find_moments(count, P, w);
    for (int row0 = 0; row0 < num_rows; row0 += kRowsAtOnce) {
      const int num = take_rows(h, row0, P, all);
      for (int t = 0; t < num; ++t) {
        const int at = row0 * S + t * tile_size;
        draw_anew(s, h, tiles[t], w, w.target + at);
        advance(s, tiles[t], w.target + at, w.state + at, w.cost);
      }
    }
  }

  for (int c = 0; c < count; ++c)
    std::copy_n(w.cost + c * own, own,
                s.particle_cost +
                    static_cast<std::size_t>(first + c) * static_cast<std::size_t>(P) +
                    (rule.splits() ? first_member * k : 0));
}

// the particles of a tile from and to where they lie
void PlanTiles::gather(const float* state, const TileRows& rows, float* tile) const {
  for (int lane = 0; lane < kTileRows; ++lane) {
    const float* from =
        state + (rows.place[lane] / kTileRows) * S_ * kTileRows + rows.place[lane] % kTileRows;
    for (int i = 0; i < S_; ++i) tile[i * kTileRows + lane] = from[i * kTileRows];
  }
}
void PlanTiles::scatter(const float* tile, const TileRows& rows, float* state) const {
  for (int lane = 0; lane < rows.count; ++lane) {
    float* to =
        state + (rows.place[lane] / kTileRows) * S_ * kTileRows + rows.place[lane] % kTileRows;
    for (int i = 0; i < S_; ++i) to[i * kTileRows] = tile[i * kTileRows + lane];
  }
}

// inputs of a member from a tile of observations and the actions of the step
void PlanTiles::read(const EnsembleState& model, const float* state, const TileRows& rows,
                     float* x) const {
  const int entries = model.num_inputs() - A_;
  read_observations(model.maps, S_, state, model.input_mean.data(), model.input_inv_std.data(), x);
  for (int a = 0; a < A_; ++a) {
    const int i = entries + a;
    for (int lane = 0; lane < kTileRows; ++lane)
      x[i * kTileRows + lane] =
          normalize(rows.action[lane][a], model.input_mean[i], model.input_inv_std[i]);
  }
}

// a standard normal for each number of a tile [S, 32]
void PlanTiles::draw_noise(const Search& s, int h, const TileRows& rows, std::uint32_t first_block,
                           float* noise) const {
  const RandomKey key = s.rule.key(purpose::kPlanNoise);
  for (int i = 0; i < S_; i += 4)
    lane_normals(key, s.draw_step(h), rows.row, first_block + static_cast<std::uint32_t>(i) / 4,
                 noise + i * kTileRows);
}

// draws of the predicted targets, in place of the predictions
template <typename Loss>
void PlanTiles::draw_targets(const Search& s, int h, const TileRows& rows, float* output,
                             float* noise) const {
  constexpr int kShared = Loss::kShared > 0 ? Loss::kShared : 1;  // no array is empty
  if constexpr (Loss::kNoise) draw_noise(s, h, rows, 0, noise);
  for (int i = 0; i < S_; ++i) {
    float shared[kShared] = {};
    for (int which = 0; which < Loss::kShared; ++which)
      shared[which] = s.problem->model.shared(which)[i];
    for (int lane = 0; lane < kTileRows; ++lane) {
      const int at = i * kTileRows + lane;
      float outputs[Loss::kOutputs];
      for (int j = 0; j < Loss::kOutputs; ++j) outputs[j] = output[j * S_ * kTileRows + at];
      output[at] = Loss::sample(outputs, shared, Loss::kNoise ? noise[at] : 0.0f);
    }
  }
}

// takes a member's prediction into the mixtures of a tile [3, S, 32]
template <typename Loss>
void PlanTiles::add_member(const EnsembleState& model, const float* output, int count,
                           float* mixture) const {
  constexpr int kShared = Loss::kShared > 0 ? Loss::kShared : 1;
  const int size = S_ * kTileRows;
  for (int i = 0; i < S_; ++i) {
    float shared[kShared] = {};
    for (int which = 0; which < Loss::kShared; ++which) shared[which] = model.shared(which)[i];
    for (int lane = 0; lane < kTileRows; ++lane) {
      const int at = i * kTileRows + lane;
      float outputs[Loss::kOutputs];
      for (int j = 0; j < Loss::kOutputs; ++j) outputs[j] = output[j * size + at];
      Mixture m{mixture[at], mixture[size + at], mixture[2 * size + at]};
      m.add(outputs[0], Loss::deviation(outputs, shared), count);
      mixture[at] = m.mean;
      mixture[size + at] = m.spread;
      mixture[2 * size + at] = m.variance;
    }
  }
}

// draws of the mixtures of a tile, of kE their means; `target` may be the mixtures' memory
void PlanTiles::draw_mixtures(const Search& s, int h, const TileRows& rows, bool noisy,
                              const float* mixture, float* noise, float* target) const {
  const int size = S_ * kTileRows, M = s.rule.members;
  if (!noisy || s.rule.propagation == Propagation::kE) {
    if (target != mixture) std::copy_n(mixture, size, target);
    return;
  }
  draw_noise(s, h, rows, 0, noise);
  for (int i = 0; i < size; ++i) {
    const Mixture m{mixture[i], mixture[size + i], mixture[2 * size + i]};
    target[i] = fma_f(m.deviation(M), noise[i], m.mean);
  }
}

// mean and standard deviation of the targets of each candidate's particles
void PlanTiles::find_moments(int count, int particles, const Scratch& w) const {
  const int P = particles, S = S_;
  const auto target = [&](int c, int p, int i) {
    const int place = c * P + p;
    return w.target[(place / kTileRows * S + i) * kTileRows + place % kTileRows];
  };
  for (int c = 0; c < count; ++c)
    for (int i = 0; i < S; ++i) {
      float mean = 0.0f, spread = 0.0f;
      for (int p = 0; p < P; ++p) mean += target(c, p, i);
      mean = mean / static_cast<float>(P);
      for (int p = 0; p < P; ++p) {
        const float difference = target(c, p, i) - mean;
        spread = fma_f(difference, difference, spread);
      }
      w.moment_mean[c * S + i] = mean;
      w.moment_deviation[c * S + i] = square_root(spread / static_cast<float>(P));
    }
}

// targets of a tile from the moments of their candidates
void PlanTiles::draw_anew(const Search& s, int h, const TileRows& rows, const Scratch& w,
                          float* target) const {
  draw_noise(s, h, rows, kMomentBlock, w.noise);
  for (int i = 0; i < S_; ++i)
    for (int lane = 0; lane < kTileRows; ++lane) {
      const int of = rows.candidate[lane] * S_ + i, at = i * kTileRows + lane;
      target[at] = fma_f(w.moment_deviation[of], w.noise[at], w.moment_mean[of]);
    }
}

// the next observations of a tile, and what they cost
void PlanTiles::advance(const Search& s, const TileRows& rows, const float* target, float* state,
                        float* cost) const {
  const ModelMaps& maps = s.problem->model.maps;
  const float* now = s.now();
  float next[kTileRows][kMaxPlannedState];
  for (int i = 0; i < S_; ++i)
    for (int lane = 0; lane < kTileRows; ++lane) {
      const int at = i * kTileRows + lane;
      state[at] = maps.state(i, state[at], target[at]);
      next[lane][i] = state[at];
    }
  for (int lane = 0; lane < rows.count; ++lane)
    cost[rows.place[lane]] += planner_cost(s.rule.task, now, next[lane], rows.action[lane]);
}

// costs -> the order of the candidates -> mean and variance of the next iteration
void PlanTiles::update(Search& s) const {
  const PlanRule& rule = s.rule;
  const int pool = s.pool(), imagined = s.imagined(), P = rule.particles;
  float total = 0.0f;
  for (int i = 0; i < pool; ++i) {
    if (i < imagined) {
      const float* particle = s.particle_cost + static_cast<std::size_t>(i) * P;
      float sum = 0.0f;
      for (int p = 0; p < P; ++p) sum += counted_cost(particle[p]);
      s.cost[i] = counted_cost(sum / static_cast<float>(P));
    } else {
      s.cost[i] = s.kept_cost[i - s.drawn];
    }
    total += s.cost[i];
  }
  std::iota(s.order, s.order + pool, 0);
  // the elites, or the best one where there are none
  const int sorted = rule.stops_early() ? rule.num_elites : 1;
  std::partial_sort(s.order, s.order + sorted, s.order + pool,
                    [&](int i, int j) { return is_better(s.cost[i], i, s.cost[j], j); });
  s.report.mean_cost = total / static_cast<float>(pool);
  s.report.best_cost = min_f(s.report.best_cost, s.cost[s.order[0]]);
  if (rule.stops_early()) refit(s);
  if (rule.method == PlanMethod::kMppi) weigh(s);
  if (rule.method == PlanMethod::kIcem) keep_elites(s);
}

// mean and variance of the elites, smoothed
void PlanTiles::refit(Search& s) const {
  const PlanRule& rule = s.rule;
  const int K = rule.num_elites;
  for (int i = 0; i < rule.elements(); ++i) {
    float mean = 0.0f, spread = 0.0f;
    for (int e = 0; e < K; ++e) mean += s.candidate_of(s.order[e])[i];
    mean = mean / static_cast<float>(K);
    for (int e = 0; e < K; ++e) {
      const float difference = s.candidate_of(s.order[e])[i] - mean;
      spread = fma_f(difference, difference, spread);
    }
    s.mean[i] = rule.smoothed(s.mean[i], mean);
    s.variance[i] = rule.smoothed_variance(s.variance[i], spread / static_cast<float>(K));
  }
}

// the mean of all candidates, weighted by what they cost
void PlanTiles::weigh(Search& s) const {
  const PlanRule& rule = s.rule;
  const int elements = rule.elements();
  float least = std::numeric_limits<float>::infinity();
  for (int c = 0; c < s.drawn; ++c) {
    const float* candidate = s.candidate_of(c);
    float perturbation = 0.0f;
    for (int i = 0; i < elements; ++i) perturbation += rule.perturbation(s.mean[i], candidate[i]);
    s.cost[c] = counted_cost(s.cost[c] + perturbation);
    least = min_f(least, s.cost[c]);
  }
  float total = 0.0f;
  float* change = s.deviation;  // which the next iteration makes anew
  std::fill_n(change, elements, 0.0f);
  for (int c = 0; c < s.drawn; ++c) {
    const float* candidate = s.candidate_of(c);
    const float weight = exp_f((least - s.cost[c]) / rule.temperature);
    total += weight;
    for (int i = 0; i < elements; ++i)
      change[i] = fma_f(weight, candidate[i] - s.mean[i], change[i]);
  }
  for (int i = 0; i < elements; ++i) s.mean[i] += change[i] / total;
}

void PlanTiles::keep_elites(Search& s) const {
  const int keep = std::min(s.rule.keep, s.rule.num_elites);
  for (int i = 0; i < keep; ++i) {
    std::copy_n(s.candidate_of(s.order[i]), s.rule.elements(), s.elite_of(i));
    s.kept_cost[i] = s.cost[s.order[i]];
  }
  s.problem->state.num_kept[static_cast<std::size_t>(s.row)] = keep;
}

// the action, and the mean of the next control step
void PlanTiles::finish(Search& s) const {
  const PlanRule& rule = s.rule;
  const int elements = rule.elements();
  const bool best = rule.method == PlanMethod::kRandom || rule.method == PlanMethod::kIcem;
  const float* plan = best && s.report.iterations > 0 ? s.candidate_of(s.order[0]) : s.mean;
  std::copy_n(plan, A_, s.problem->action.row(s.row));

  float* kept = s.kept_mean();
  const PlanState& state = s.problem->state;
  std::fill_n(kept, state.horizon * state.action_size, 0.0f);
  if (rule.method == PlanMethod::kRandom) return;
  std::copy_n(s.mean + A_, elements - A_, kept);
  if (rule.method == PlanMethod::kIcem)
    std::copy_n(s.mean + elements - A_, A_, kept + elements - A_);
}

}  // namespace

std::unique_ptr<PlanStage> make_plan_tiles(Stream& stream, const EnsembleState& model,
                                           const PlanLimits& limits, int num_problems) {
  return std::make_unique<PlanTiles>(model, limits, num_problems, stream.pool().num_threads(),
                                     multiplies_bf16(stream));
}

}  // namespace mbrl
