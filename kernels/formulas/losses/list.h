// The losses that model.loss can name.
#pragma once

#include <string>
#include <vector>

#include "kernels/formulas/losses/gaussian_nll.h"
#include "kernels/formulas/losses/mse.h"

namespace mbrl {

/// One line per loss: X(Name) for struct NameLoss. The order is that of the enumeration.
#define MBRL_ENSEMBLE_LOSSES(X) \
  X(GaussianNll)                \
  X(Mse)

enum class EnsembleLoss {
#define MBRL_LOSS(Name) k##Name,
  MBRL_ENSEMBLE_LOSSES(MBRL_LOSS)
#undef MBRL_LOSS
};

/// Calls f.template operator()<Loss>() with the struct of `loss`: chosen once, outside of loops.
template <typename F>
decltype(auto) with_loss(EnsembleLoss loss, F&& f) {
  switch (loss) {
#define MBRL_LOSS(Name)       \
  case EnsembleLoss::k##Name: \
    return f.template operator()<Name##Loss>();
    MBRL_ENSEMBLE_LOSSES(MBRL_LOSS)
#undef MBRL_LOSS
  }
  __builtin_unreachable();
}

/// What the host needs to know of a loss.
struct LossShape {
  std::string name;
  int num_outputs;                        // per target
  std::vector<std::string> shared_names;  // of the learned parameters that all members share
};
inline LossShape loss_shape(EnsembleLoss loss) {
  return with_loss(loss, []<typename Loss>() {
    LossShape shape{Loss::kName, Loss::kOutputs, {}};
    for (int i = 0; i < Loss::kShared; ++i) shape.shared_names.push_back(Loss::shared_name(i));
    return shape;
  });
}

/// The values of model.loss, in the order of the enumeration.
inline std::vector<std::string> ensemble_loss_names() {
  std::vector<std::string> names;
#define MBRL_LOSS(Name) names.push_back(Name##Loss::kName);
  MBRL_ENSEMBLE_LOSSES(MBRL_LOSS)
#undef MBRL_LOSS
  return names;
}

/// The loss of a name out of ensemble_loss_names().
inline EnsembleLoss find_ensemble_loss(const std::string& name) {
  const std::vector<std::string> names = ensemble_loss_names();
  std::size_t i = 0;
  while (i + 1 < names.size() && names[i] != name) ++i;
  return static_cast<EnsembleLoss>(i);
}

}  // namespace mbrl
