// Tests of checkpoints across versions: those in tests/golden/checkpoints were written by a version
// that saved each network as one array with its padding. They are read, and written as tensors that
// others can use.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "host/algo/registry.h"
#include "host/io/archive.h"
#include "host/run/resume.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using Shape = std::vector<std::int64_t>;

fs::path former(const std::string& algorithm) {
  return fs::path(MBRL_SOURCE_DIR) / "tests/golden/checkpoints" / algorithm / "step-000000012";
}

std::map<std::string, std::string> arrays_of(Learner& learner) {
  StateWriter saved;
  learner.visit(saved);
  std::map<std::string, std::string> arrays;
  for (const auto* list : {&saved.weight_tensors, &saved.replay_tensors})
    for (const TensorRef& tensor : *list)
      arrays[tensor.name] = std::string(static_cast<const char*>(tensor.data), num_bytes(tensor));
  arrays["state"] = saved.state.dump();
  return arrays;
}

/// A learner and what it stands on.
struct Session {
  ThreadPool pool{1};
  Stream stream{pool};
  Config config;
  std::unique_ptr<Learner> learner;

  explicit Session(const fs::path& checkpoint)
      : config(checkpoint_config(checkpoint)), learner(make_learner(config, stream, {})) {}
};

class FormerCheckpointTest : public testing::TestWithParam<std::string> {};

TEST_P(FormerCheckpointTest, IsReadAsItWasWritten) {
  const fs::path path = former(GetParam());
  Session session(path);
  for (int i = 0; i < 15; ++i) session.learner->step();  // all that is loaded has to replace it
  load_checkpoint(path, *session.learner, session.config);
  EXPECT_EQ(session.learner->env_steps(), 12);
  const SafetensorsFile weights(path / "weights.safetensors");
  StateWriter saved;
  session.learner->visit(saved);
  EXPECT_EQ(saved.weight_tensors.size(), weights.names().size());
  for (const TensorRef& tensor : saved.weight_tensors) {
    std::vector<char> bytes(num_bytes(tensor));
    TensorRef whole = tensor;
    whole.parts.clear();
    whole.data = bytes.data();
    weights.read_into(whole);
    EXPECT_EQ(std::memcmp(bytes.data(), tensor.data, bytes.size()), 0) << tensor.name;
  }
}

TEST_P(FormerCheckpointTest, GoesOnThroughACheckpointOfTodayAsWithoutOne) {
  const fs::path path = former(GetParam());
  Session one(path), other(path);
  load_checkpoint(path, *one.learner, one.config);
  const TemporaryDirectory folder;
  save_checkpoint(folder.path(), *one.learner, one.config, {{"wall_time_s", 1.0}});
  for (int i = 0; i < 15; ++i) other.learner->step();
  load_checkpoint(*latest_checkpoint(folder.path()), *other.learner, other.config);
  EXPECT_EQ(arrays_of(*other.learner), arrays_of(*one.learner));
  for (int i = 0; i < 6; ++i) {
    one.learner->step();
    other.learner->step();
  }
  EXPECT_EQ(arrays_of(*other.learner), arrays_of(*one.learner));
}

INSTANTIATE_TEST_SUITE_P(, FormerCheckpointTest,
                         testing::Values("mbpo", "mbpo_newest", "sac", "ppo", "pets"),
                         [](const auto& one) { return one.param; });

/// The file of weights that a learner of a former checkpoint writes today.
class WrittenWeightsTest : public testing::Test {
 protected:
  const SafetensorsFile& write(const std::string& algorithm) {
    const fs::path path = former(algorithm);
    session_ = std::make_unique<Session>(path);
    load_checkpoint(path, *session_->learner, session_->config);
    save_checkpoint(folder_.path(), *session_->learner, session_->config, {});
    file_ = std::make_unique<SafetensorsFile>(*latest_checkpoint(folder_.path()) /
                                              "weights.safetensors");
    return *file_;
  }
  /// Names and shapes, but for optimizer moments, of which there are two to each.
  std::map<std::string, Shape> shapes() const {
    std::map<std::string, Shape> shapes;
    for (const std::string& name : file_->names())
      if (name.find(".adam_") == name.npos) {
        shapes[name] = file_->shape(name);
      } else {
        EXPECT_EQ(file_->shape(name), file_->shape(name.substr(0, name.size() - 7))) << name;
      }
    return shapes;
  }
  std::vector<float> values(const std::string& name) {
    std::size_t size = 1;
    for (const std::int64_t extent : file_->shape(name)) size *= static_cast<std::size_t>(extent);
    std::vector<float> values(size);
    file_->read_into(tensor_ref(name, values.data(), file_->shape(name)));
    return values;
  }
  /// Compares a network of the file with where the learner has it.
  void expect_layers(const std::string& name, const MlpLayout& layout, const float* parameters,
                     const std::string& suffix = "") {
    for (std::size_t k = 0; k < layout.layers.size(); ++k) {
      const LayerLayout& layer = layout.layers[k];
      const std::string prefix = name + "." + std::to_string(k);
      std::vector<float> weight, bias;
      for (int o = 0; o < layer.out; ++o) {
        for (int i = 0; i < layer.in; ++i)
          weight.push_back(parameters[layer.weight + static_cast<std::size_t>(o) * layer.in_pitch +
                                      static_cast<std::size_t>(i)]);
        bias.push_back(parameters[layer.bias + static_cast<std::size_t>(o)]);
      }
      EXPECT_EQ(values(prefix + ".weight" + suffix), weight);
      EXPECT_EQ(values(prefix + ".bias" + suffix), bias);
    }
  }
  Learner& learner() { return *session_->learner; }

 private:
  const TemporaryDirectory folder_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<SafetensorsFile> file_;
};

TEST_F(WrittenWeightsTest, OfSacAreLayersOfPolicyAndCritics) {
  write("sac");
  std::map<std::string, Shape> expected{{"actor.0.weight", {3, 3}},
                                        {"actor.0.bias", {3}},
                                        {"actor.1.weight", {2, 3}},
                                        {"actor.1.bias", {2}},
                                        {"log_alpha", {1}}};
  for (const std::string name : {"critic0", "critic1", "critic0_target", "critic1_target"}) {
    expected[name + ".0.weight"] = {3, 4};
    expected[name + ".0.bias"] = {3};
    expected[name + ".1.weight"] = {1, 3};
    expected[name + ".1.bias"] = {1};
  }
  EXPECT_EQ(shapes(), expected);
  const SacState& sac = *learner().soft_actor_critic();
  expect_layers("actor", sac.actor.layout, sac.actor.parameters.value.data());
  expect_layers("actor", sac.actor.layout, sac.actor.parameters.m.data(), ".adam_m");
  expect_layers("actor", sac.actor.layout, sac.actor.parameters.v.data(), ".adam_v");
  for (int i = 0; i < 2; ++i) {
    const std::string name = "critic" + std::to_string(i);
    expect_layers(name, sac.critics.layout, sac.critics.critic[i].value.data());
    expect_layers(name + "_target", sac.critics.layout, sac.critics.target[i].data());
  }
}

TEST_F(WrittenWeightsTest, OfMbpoAreLayersOfEachMember) {
  write("mbpo");
  const EnsembleState& model = *learner().model();
  for (int e = 0; e < 2; ++e)
    expect_layers("model." + std::to_string(e), model.layout, model.member(e));
  std::map<std::string, Shape> found = shapes();
  EXPECT_EQ(found.at("model.1.0.weight"), (Shape{3, 4}));
  EXPECT_EQ(found.at("model.1.1.weight"), (Shape{8, 3})) << "mean and log-variance of 4 targets";
  EXPECT_EQ(found.at("model.input_mean"), (Shape{4}));
  EXPECT_EQ(found.at("model.max_logvar"), (Shape{4}));
  EXPECT_EQ(values("model.max_logvar"),
            std::vector<float>(model.max_logvar(), model.max_logvar() + 4));
  EXPECT_EQ(values("model.min_logvar"),
            std::vector<float>(model.min_logvar(), model.min_logvar() + 4));
}

TEST_F(WrittenWeightsTest, OfPpoHaveTheMomentsThatScaleObservations) {
  const SafetensorsFile& file = write("ppo");
  const std::map<std::string, Shape> expected{{"policy.0.weight", {3, 3}},
                                              {"policy.0.bias", {3}},
                                              {"policy.1.weight", {1, 3}},
                                              {"policy.1.bias", {1}},
                                              {"value.0.weight", {3, 3}},
                                              {"value.0.bias", {3}},
                                              {"value.1.weight", {1, 3}},
                                              {"value.1.bias", {1}},
                                              {"log_std", {1}},
                                              {"observation_moments.count", {1}},
                                              {"observation_moments.mean", {3}},
                                              {"observation_moments.sum_of_squares", {3}}};
  EXPECT_EQ(shapes(), expected);
  const auto read = [](const SafetensorsFile& from, const std::string& name, std::int64_t size) {
    std::vector<double> values(static_cast<std::size_t>(size));
    from.read_into(tensor_ref(name, values.data(), {size}));
    return values;
  };
  const SafetensorsFile old(former("ppo") / "weights.safetensors");
  const std::vector<double> whole = read(old, "observation_moments", 7);
  EXPECT_EQ(read(file, "observation_moments.count", 1), std::vector<double>{12});
  EXPECT_EQ(read(file, "observation_moments.mean", 3),
            (std::vector<double>{whole[1], whole[3], whole[5]}));
  EXPECT_EQ(read(file, "observation_moments.sum_of_squares", 3),
            (std::vector<double>{whole[2], whole[4], whole[6]}));
}

TEST_F(WrittenWeightsTest, SayWhatOthersNeedToUseThem) {
  const std::map<std::string, std::string> mbpo = write("mbpo").metadata();
  const auto is = [](const std::map<std::string, std::string>& metadata, const std::string& name) {
    const auto found = metadata.find(name);
    return found == metadata.end() ? "no " + name : found->second;
  };
  EXPECT_EQ(is(mbpo, "format"), "mbrl_gpu checkpoint 2");
  EXPECT_EQ(is(mbpo, "algorithm"), "mbpo");
  EXPECT_EQ(is(mbpo, "env"), "pendulum");
  EXPECT_EQ(is(mbpo, "env_steps"), "12");
  EXPECT_EQ(is(mbpo, "config_hash").size(), 8u);
  EXPECT_EQ(is(mbpo, "observation_size"), "3");
  EXPECT_EQ(is(mbpo, "action_size"), "1");
  EXPECT_EQ(is(mbpo, "action_low"), "[-2.0]");
  EXPECT_EQ(is(mbpo, "action_high"), "[2.0]");
  EXPECT_EQ(is(mbpo, "actor.sizes"), "[3, 3, 2]");
  EXPECT_EQ(is(mbpo, "actor.activation"), "relu");
  EXPECT_EQ(is(mbpo, "actor.scaler"), "none");
  EXPECT_EQ(is(mbpo, "actor.log_std_bounds"), "[-20, 2]");
  EXPECT_EQ(is(mbpo, "critic.sizes"), "[4, 3, 1]");
  EXPECT_EQ(is(mbpo, "model.sizes"), "[4, 3, 8]");
  EXPECT_EQ(is(mbpo, "model.activation"), "swish");
  EXPECT_EQ(is(mbpo, "model.members"), "2");
  EXPECT_EQ(is(mbpo, "model.elites"), "[" + std::to_string(learner().model()->elites[0]) + "]");
  EXPECT_EQ(is(mbpo, "model.loss"), "gaussian_nll");
  EXPECT_EQ(is(mbpo, "model.predicts"), "change");
  EXPECT_EQ(is(mbpo, "model.predicts_reward"), "true");
  EXPECT_EQ(is(mbpo, "model.predicts_end"), "false");
  EXPECT_EQ(is(mbpo, "model.reads"), "observation, action");
  const std::map<std::string, std::string> ppo = write("ppo").metadata();
  EXPECT_EQ(is(ppo, "policy.activation"), "tanh");
  EXPECT_THAT(is(ppo, "policy.scaler"), testing::HasSubstr("observation_moments.count + 1e-8"));
  EXPECT_EQ(is(ppo, "value.sizes"), "[3, 3, 1]");
}

}  // namespace
}  // namespace mbrl
