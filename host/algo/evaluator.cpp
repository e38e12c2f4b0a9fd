#include "host/algo/evaluator.h"

#include <cmath>
#include <numeric>

#include "profiling/nvtx.h"

namespace mbrl {

double Evaluation::mean_return() const {
  return std::accumulate(returns.begin(), returns.end(), 0.0) / static_cast<double>(returns.size());
}

double Evaluation::std_return() const {
  const double mean = mean_return();
  double sum = 0.0;
  for (const double r : returns) sum += (r - mean) * (r - mean);
  return std::sqrt(sum / static_cast<double>(returns.size()));
}

double Evaluation::mean_length() const {
  return std::accumulate(lengths.begin(), lengths.end(), 0.0) / static_cast<double>(lengths.size());
}

Evaluator::Evaluator(const EnvOptions& options, std::uint32_t seed, int num_episodes,
                     const Stream& stream, ThreadPool& pool, const MakeCopy& make_copy)
    : stream_(pool, stream),
      envs_(options, num_episodes, seed, pool),
      policy_(make_copy(stream_, num_episodes)) {}

Evaluation Evaluator::run(std::int64_t number) {
  const StageRange range("eval", number);
  const auto N = static_cast<std::size_t>(num_episodes());
  Evaluation result{std::vector<double>(N, 0.0), std::vector<int>(N, 0)};
  std::vector<std::uint8_t> active(N, 1);
  const int A = envs_.spec().action_size;
  std::vector<float> actions(N * static_cast<std::size_t>(A));
  const Matrix<float> action(actions.data(), num_episodes(), A);

  // start states depend on the number of the evaluation alone, so a resumed run repeats them
  envs_.reset(static_cast<std::uint64_t>(number));
  for (int left = num_episodes(); left > 0;) {
    policy_->act(envs_.observation(), action);
    const PoolStep step = envs_.step(action, active);
    for (std::size_t i = 0; i < N; ++i) {
      if (!active[i]) continue;
      if (step.broken[i]) {
        ++result.num_broken;
      } else {
        result.returns[i] += step.reward[i];
        ++result.lengths[i];
      }
      if (step.terminated[i] || step.truncated[i]) {
        active[i] = 0;
        --left;
      }
    }
  }
  return result;
}

}  // namespace mbrl
