// Tests for host/model/saved_ensemble.{h,cpp}.
#include "host/model/saved_ensemble.h"

#include <gtest/gtest.h>

#include <vector>

#include "kernels/networks/initialize.h"

namespace mbrl {
namespace {

// a model whose every number is its own
EnsembleState model_of(float number) {
  EnsembleState model(3, {2, 1}, /*hidden_size=*/4, /*num_hidden_layers=*/1);
  init_ensemble(model, static_cast<std::uint32_t>(number), 0, 0.5f, -10.0f);
  for (auto* values : {&model.members.value, &model.members.m, &model.members.v,
                       &model.logvar_bounds.value, &model.logvar_bounds.m, &model.logvar_bounds.v})
    for (std::size_t i = 0; i < values->size(); ++i) (*values)[i] = number + static_cast<float>(i);
  for (int i = 0; i < model.num_inputs(); ++i) {
    model.input_mean[i] = number + 0.25f * static_cast<float>(i);
    model.input_inv_std[i] = number + 0.5f * static_cast<float>(i);
  }
  model.num_steps = static_cast<std::int64_t>(number);
  model.elites = {static_cast<int>(number) % 3};
  model.end_threshold = number / 8.0f;
  return model;
}

template <typename Values>
std::vector<float> numbers(const Values& values) {
  return {values.data(), values.data() + values.size()};
}

void expect_equal(const EnsembleState& a, const EnsembleState& b) {
  EXPECT_EQ(numbers(a.members.value), numbers(b.members.value));
  EXPECT_EQ(numbers(a.members.m), numbers(b.members.m));
  EXPECT_EQ(numbers(a.members.v), numbers(b.members.v));
  EXPECT_EQ(numbers(a.logvar_bounds.value), numbers(b.logvar_bounds.value));
  EXPECT_EQ(numbers(a.logvar_bounds.m), numbers(b.logvar_bounds.m));
  EXPECT_EQ(numbers(a.logvar_bounds.v), numbers(b.logvar_bounds.v));
  EXPECT_EQ(numbers(a.input_mean), numbers(b.input_mean));
  EXPECT_EQ(numbers(a.input_inv_std), numbers(b.input_inv_std));
  EXPECT_EQ(a.num_steps, b.num_steps);
  EXPECT_EQ(a.elites, b.elites);
  EXPECT_EQ(a.end_threshold, b.end_threshold);
}

TEST(SavedEnsembleTest, PutsBackEverythingThatItSaved) {
  ThreadPool pool(1);
  Stream stream(pool);
  EnsembleState model = model_of(3.0f);
  SavedEnsemble saved(stream, model);
  saved.save(stream, model);
  model = model_of(5.0f);
  saved.put_back(stream, model);
  stream.synchronize();
  expect_equal(model, model_of(3.0f));

  // what it saves replaces what it had
  model = model_of(7.0f);
  saved.save(stream, model);
  stream.synchronize();
  expect_equal(saved.state(), model_of(7.0f));
}

}  // namespace
}  // namespace mbrl
