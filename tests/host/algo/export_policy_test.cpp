// Tests for host/algo/policy_network.{h,cpp}, export_policy.{h,cpp}, host/io/onnx.{h,cpp} and
// host/io/npz.{h,cpp}. What is written is read and evaluated here by other code than wrote it.
#include "host/algo/export_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <random>

#include "base/error.h"
#include "host/algo/registry.h"
#include "host/io/npz.h"
#include "tests/support/configs.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// 2 observations, 3 and 2 hidden units, 2 actions within bounds of their own.
PolicyNetwork by_hand(bool scales, PolicyNetwork::Hidden hidden, PolicyNetwork::Squash squash) {
  PolicyNetwork network{
      .layers = {{2, 3, {0.5f, -1.0f, 0.25f, 2.0f, -0.75f, 0.125f}, {0.1f, -0.2f, 0.3f}},
                 {3, 2, {1.0f, 0.5f, -0.5f, -1.5f, 0.75f, 0.25f}, {-0.4f, 0.6f}},
                 {2, 2, {0.8f, -0.6f, 0.9f, 1.1f}, {0.05f, -0.15f}}},
      .hidden = hidden,
      .squash = squash,
      .low = {-2.0f, 0.1f},
      .high = {3.0f, 0.7f}};
  if (scales) {
    network.mean = {1000.0, -0.5};
    network.inv_std = {8.0, 0.25};
    network.limit = 10.0;
  }
  return network;
}

const std::vector<std::vector<float>> kObservations = {
    {1000.125f, 0.75f}, {999.875f, -3.0f}, {0.5f, -0.25f}, {0.0f, 0.0f}, {2000.0f, 1e6f}};

// ---- evaluation

TEST(PolicyNetworkTest, ActsByItsFormula) {
  // hidden units by hand: relu(0.5 - 2 + 0.1) = 0, relu(0.25 + 4 - 0.2) = 4.05, relu(-0.75 + 0.25 +
  // 0.3) = 0; then relu(2.025 - 0.4) = 1.625, relu(3.0375 + 0.6) = 3.6375
  const PolicyNetwork relu =
      by_hand(false, PolicyNetwork::Hidden::kRelu, PolicyNetwork::Squash::kTanh);
  const std::vector<float> action = relu.act(std::vector<float>{1.0f, 2.0f});
  const double first = std::tanh(0.8 * 1.625 - 0.6 * 3.6375 + 0.05),
               second = std::tanh(0.9 * 1.625 + 1.1 * 3.6375 - 0.15);
  EXPECT_NEAR(action[0], 0.5 + 2.5 * first, 1e-6);
  EXPECT_NEAR(action[1], 0.4 + 0.3 * second, 1e-6);
  // tanh units and a clip, of scaled observations: 8 (1000.125 - 1000) = 1, 0.25 (0.5 + 0.5) = 0.25
  const PolicyNetwork tanh =
      by_hand(true, PolicyNetwork::Hidden::kTanh, PolicyNetwork::Squash::kClip);
  const double h0 = std::tanh(0.5 - 0.25 + 0.1), h1 = std::tanh(0.25 + 0.5 - 0.2),
               h2 = std::tanh(-0.75 + 0.03125 + 0.3);
  const double g0 = std::tanh(h0 + 0.5 * h1 - 0.5 * h2 - 0.4),
               g1 = std::tanh(-1.5 * h0 + 0.75 * h1 + 0.25 * h2 + 0.6);
  const std::vector<float> clipped = tanh.act(std::vector<float>{1000.125f, 0.5f});
  EXPECT_NEAR(clipped[0], 0.5 + 2.5 * (0.8 * g0 - 0.6 * g1 + 0.05), 1e-6);
  EXPECT_NEAR(clipped[1], 0.4 + 0.3 * (0.9 * g0 + 1.1 * g1 - 0.15), 1e-6);
}

TEST(PolicyNetworkTest, EndsAreTheBoundsExactly) {
  const PolicyNetwork network =
      by_hand(false, PolicyNetwork::Hidden::kRelu, PolicyNetwork::Squash::kTanh);
  EXPECT_EQ(network.to_environment(1, 1.0f), 0.7f);
  EXPECT_EQ(network.to_environment(1, -1.0f), 0.1f);
  EXPECT_EQ(network.to_environment(0, 0.0f), 0.5f);
  EXPECT_FALSE(network.has_usual_bounds());
  PolicyNetwork usual = network;
  usual.low = {-1.0f, -1.0f};
  usual.high = {1.0f, 1.0f};
  EXPECT_TRUE(usual.has_usual_bounds());
  usual.high[1] = 2.0f;
  EXPECT_FALSE(usual.has_usual_bounds());
}

class LearnedPolicyTest : public testing::TestWithParam<std::string> {};

TEST_P(LearnedPolicyTest, ActsAsItsLearnerDoes) {
  Config config = GetParam() == "ppo" ? small_ppo("pendulum") : small_mbpo("pendulum");
  config.algorithm = GetParam() == "ppo_unscaled" ? "ppo" : GetParam();
  if (GetParam() == "ppo_unscaled") {
    config.ppo = small_ppo("").ppo;
    config.ppo.normalize_observations = false;
  }
  ThreadPool pool(1);
  Stream stream(pool);
  const auto learner = make_learner(config, stream, {});
  while (learner->env_steps() < 90) learner->step();
  const std::optional<PolicyNetwork> network = learner->policy_network();
  ASSERT_TRUE(network.has_value());
  EXPECT_EQ(network->mean.size(), GetParam() == "ppo" ? 3u : 0u);
  EXPECT_THAT(network->low, ElementsAre(-2.0f));
  EXPECT_THAT(network->high, ElementsAre(2.0f));
  const auto own = learner->make_policy_copy(stream, 1);
  own->renew();
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (int i = 0; i < 20; ++i) {
    std::vector<float> observation{normal(random), normal(random), 5.0f * normal(random)};
    float action = 0.0f;
    own->act({observation.data(), 1, 3}, {&action, 1, 1});
    EXPECT_NEAR(network->act(observation)[0], 2.0f * action, 2e-5);
  }
}
INSTANTIATE_TEST_SUITE_P(, LearnedPolicyTest,
                         testing::Values("sac", "mbpo", "mbpo_newest", "ppo", "ppo_unscaled"),
                         [](const auto& one) { return one.param; });

TEST(PlannerPolicyTest, ThereIsNone) {
  Config config = tiny_mbpo("pendulum");
  config.algorithm = "pets";
  ThreadPool pool(1);
  Stream stream(pool);
  EXPECT_FALSE(make_learner(config, stream, {})->policy_network().has_value());
  for (const Algorithm& algorithm : list_algorithms())
    EXPECT_EQ(algorithm.has_policy, algorithm.name != "pets") << algorithm.name;
}

// ---- a reader of ONNX files

struct Field {
  int number, wire;
  std::uint64_t integer;
  std::string bytes;
};

// the fields of a message, in order
std::vector<Field> fields_of(const std::string& text) {
  std::vector<Field> fields;
  std::size_t at = 0;
  const auto varint = [&] {
    std::uint64_t value = 0;
    for (int shift = 0; at < text.size(); shift += 7) {
      const auto byte = static_cast<unsigned char>(text[at++]);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) break;
    }
    return value;
  };
  while (at < text.size()) {
    const std::uint64_t key = varint();
    Field field{static_cast<int>(key >> 3), static_cast<int>(key & 7), 0, ""};
    field.integer = varint();
    if (field.wire == 2) {
      EXPECT_LE(at + field.integer, text.size());
      field.bytes = text.substr(at, field.integer);
      at += field.integer;
    } else {
      EXPECT_EQ(field.wire, 0);
    }
    fields.push_back(field);
  }
  return fields;
}
std::vector<std::string> all_bytes(const std::string& message, int number) {
  std::vector<std::string> found;
  for (const Field& field : fields_of(message))
    if (field.number == number) found.push_back(field.bytes);
  return found;
}
std::string only_bytes(const std::string& message, int number) {
  const std::vector<std::string> found = all_bytes(message, number);
  EXPECT_EQ(found.size(), 1u) << "field " << number;
  return found.empty() ? "" : found.front();
}
std::vector<std::uint64_t> integers(const std::string& message, int number) {
  std::vector<std::uint64_t> found;
  for (const Field& field : fields_of(message))
    if (field.number == number) found.push_back(field.integer);
  return found;
}

struct Constant {
  std::vector<std::uint64_t> shape;
  std::vector<double> values;
};

/// Runs the operators of a model on one row.
class OnnxRunner {
 public:
  explicit OnnxRunner(const std::string& model) : graph_(only_bytes(model, 7)) {
    for (const std::string& tensor : all_bytes(graph_, 5)) {
      Constant& constant = constants_[only_bytes(tensor, 8)];
      constant.shape = integers(tensor, 1);
      const std::uint64_t type = integers(tensor, 2).at(0);
      const std::string raw = only_bytes(tensor, 9);
      std::size_t count = 1;
      for (const std::uint64_t extent : constant.shape) count *= extent;
      EXPECT_EQ(raw.size(), count * (type == 1 ? 4 : 8));
      for (std::size_t i = 0; i < count; ++i) {
        float single = 0.0f;
        double value = 0.0;
        if (type == 1) {
          std::memcpy(&single, raw.data() + 4 * i, 4);
          value = single;
        } else {
          EXPECT_EQ(type, 11u);
          std::memcpy(&value, raw.data() + 8 * i, 8);
        }
        constant.values.push_back(value);
      }
    }
  }

  std::vector<double> run(const std::vector<float>& observation) {
    values_["observation"] = {observation.begin(), observation.end()};
    for (const std::string& node : all_bytes(graph_, 1)) apply(node);
    return values_.at("action");
  }

  const Constant& constant(const std::string& name) const { return constants_.at(name); }
  const std::string& graph() const { return graph_; }

 private:
  void apply(const std::string& node) {
    const std::vector<std::string> inputs = all_bytes(node, 1);
    const std::string op = only_bytes(node, 4);
    std::vector<double> x = values_.at(inputs.at(0)), y;
    const auto c = [&](std::size_t i) -> const Constant& { return constants_.at(inputs.at(i)); };
    const auto each = [&](auto f) {
      for (std::size_t i = 0; i < x.size(); ++i) y.push_back(f(x[i], i));
    };
    if (op == "Gemm") {
      const std::string attribute = only_bytes(node, 5);
      EXPECT_EQ(only_bytes(attribute, 1), "transB");
      EXPECT_THAT(integers(attribute, 3), ElementsAre(1u));
      EXPECT_THAT(integers(attribute, 20), ElementsAre(2u));
      const std::size_t out = c(1).shape.at(0), in = c(1).shape.at(1);
      EXPECT_EQ(in, x.size());
      EXPECT_THAT(c(2).shape, ElementsAre(out));
      for (std::size_t o = 0; o < out; ++o) {
        double sum = c(2).values[o];
        for (std::size_t i = 0; i < in; ++i) sum += c(1).values[o * in + i] * x[i];
        y.push_back(sum);
      }
    } else if (op == "Cast") {
      const std::uint64_t to = integers(only_bytes(node, 5), 3).at(0);
      each([&](double v, std::size_t) { return to == 1 ? static_cast<float>(v) : v; });
    } else if (op == "Relu") {
      each([](double v, std::size_t) { return v > 0 ? v : 0.0; });
    } else if (op == "Tanh") {
      each([](double v, std::size_t) { return std::tanh(v); });
    } else if (op == "Sub") {
      each([&](double v, std::size_t i) { return v - c(1).values.at(i); });
    } else if (op == "Add") {
      each([&](double v, std::size_t i) { return v + c(1).values.at(i); });
    } else if (op == "Mul") {
      each([&](double v, std::size_t i) { return v * c(1).values.at(i); });
    } else if (op == "Max") {
      each([&](double v, std::size_t i) { return std::max(v, c(1).values.at(i)); });
    } else if (op == "Min") {
      each([&](double v, std::size_t i) { return std::min(v, c(1).values.at(i)); });
    } else if (op == "Clip") {
      EXPECT_TRUE(c(1).shape.empty() && c(2).shape.empty()) << "the format wants single values";
      each([&](double v, std::size_t) {
        return std::min(std::max(v, c(1).values.at(0)), c(2).values.at(0));
      });
    } else {
      ADD_FAILURE() << "operator " << op;
    }
    values_[only_bytes(node, 2)] = y;
  }

  std::string graph_;
  std::map<std::string, Constant> constants_;
  std::map<std::string, std::vector<double>> values_;
};

TEST(OnnxTest, AModelComputesThePolicy) {
  using Hidden = PolicyNetwork::Hidden;
  using Squash = PolicyNetwork::Squash;
  for (const bool scales : {false, true})
    for (const Hidden hidden : {Hidden::kRelu, Hidden::kTanh})
      for (const Squash squash : {Squash::kTanh, Squash::kClip})
        for (const bool usual : {false, true}) {
          PolicyNetwork network = by_hand(scales, hidden, squash);
          if (usual) {
            network.low = {-1.0f, -1.0f};
            network.high = {1.0f, 1.0f};
          }
          OnnxRunner model(onnx_model(policy_graph({network, {}, {}})));
          for (const std::vector<float>& observation : kObservations) {
            const std::vector<float> expected = network.act(observation);
            const std::vector<double> found = model.run(observation);
            ASSERT_EQ(found.size(), 2u);
            for (std::size_t i = 0; i < 2; ++i)
              EXPECT_NEAR(found[i], expected[i], 2e-6) << scales << usual << i;
          }
        }
}

TEST(OnnxTest, AModelSaysItsVersionsShapesAndWords) {
  const PolicyNetwork network =
      by_hand(true, PolicyNetwork::Hidden::kTanh, PolicyNetwork::Squash::kClip);
  const std::string model = onnx_model(policy_graph({network, {}, {}, {{"env", "pendulum"}}}));
  EXPECT_THAT(integers(model, 1), ElementsAre(7u)) << "ir_version";
  EXPECT_EQ(only_bytes(model, 2), "mbrl_gpu");
  EXPECT_THAT(integers(only_bytes(model, 8), 2), ElementsAre(13u)) << "opset";
  std::map<std::string, std::string> words;
  for (const std::string& pair : all_bytes(model, 14))
    words[only_bytes(pair, 1)] = only_bytes(pair, 2);
  EXPECT_EQ(words, (std::map<std::string, std::string>{{"env", "pendulum"},
                                                       {"format", "mbrl_gpu policy 1"},
                                                       {"activation", "tanh"},
                                                       {"squash", "clip"},
                                                       {"observation_limit", "10"},
                                                       {"sizes", "[2, 3, 2, 2]"}}));
  const OnnxRunner runner(model);
  EXPECT_THAT(runner.constant("policy.0.weight").shape, ElementsAre(3u, 2u));
  EXPECT_THAT(runner.constant("policy.1.bias").values, ElementsAre(-0.4f, 0.6f));
  for (const auto& [field, name] : {std::pair{11, "observation"}, std::pair{12, "action"}}) {
    const std::string value = only_bytes(runner.graph(), field);
    EXPECT_EQ(only_bytes(value, 1), name);
    const std::string tensor = only_bytes(only_bytes(value, 2), 1);
    EXPECT_THAT(integers(tensor, 1), ElementsAre(1u)) << "float";
    const std::vector<std::string> extents = all_bytes(only_bytes(tensor, 2), 1);
    ASSERT_EQ(extents.size(), 2u);
    EXPECT_EQ(only_bytes(extents[0], 2), "batch");
    EXPECT_THAT(integers(extents[1], 1), ElementsAre(2u));
  }
}

// ---- arrays

TEST(PolicyTensorsTest, HoldAllThatTheFormulaNeeds) {
  ExportedPolicy policy{by_hand(true, PolicyNetwork::Hidden::kTanh, PolicyNetwork::Squash::kClip),
                        {1.0f, 2.0f},
                        {0.5f, 0.25f}};
  std::map<std::string, std::vector<std::int64_t>> shapes;
  for (const TensorRef& tensor : policy_tensors(policy)) shapes[tensor.name] = tensor.shape;
  using Shape = std::vector<std::int64_t>;
  EXPECT_EQ(shapes, (std::map<std::string, Shape>{{"policy.0.weight", {3, 2}},
                                                  {"policy.0.bias", {3}},
                                                  {"policy.1.weight", {2, 3}},
                                                  {"policy.1.bias", {2}},
                                                  {"policy.2.weight", {2, 2}},
                                                  {"policy.2.bias", {2}},
                                                  {"observation.mean", {2}},
                                                  {"observation.inv_std", {2}},
                                                  {"action.low", {2}},
                                                  {"action.high", {2}},
                                                  {"test.observation", {1, 2}},
                                                  {"test.action", {1, 2}}}));
  EXPECT_EQ(policy_tensors(policy).back().data, policy.action.data());
  policy.network.mean.clear();
  EXPECT_EQ(policy_tensors(policy).size(), 10u);
  EXPECT_FALSE(policy_metadata(policy).contains("observation_limit"));
}

std::uint64_t number_at(const std::string& text, std::size_t at, int bytes) {
  std::uint64_t value = 0;
  for (int i = 0; i < bytes; ++i)
    value |= static_cast<std::uint64_t>(static_cast<unsigned char>(text.at(at + i))) << 8 * i;
  return value;
}
// bit by bit, as the standard has it
std::uint64_t slow_crc32(const std::string& text) {
  std::uint32_t sum = 0xFFFFFFFFu;
  for (const char c : text)
    for (int bit = 0; bit < 8; ++bit) {
      const bool one =
          ((sum ^ static_cast<std::uint32_t>(static_cast<unsigned char>(c)) >> bit) & 1u) != 0;
      sum = sum >> 1 ^ (one ? 0xEDB88320u : 0u);
    }
  return sum ^ 0xFFFFFFFFu;
}

TEST(NpzTest, IsAnArchiveOfArrays) {
  const TemporaryDirectory folder;
  std::vector<float> matrix = {1.5f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f};
  std::vector<double> vector = {0.1, -0.2};
  std::vector<std::uint8_t> bytes = {7};
  write_npz(folder.path() / "a.npz",
            {tensor_ref("net.weight", matrix.data(), {2, 3}),
             tensor_ref("mean", vector.data(), {2}), tensor_ref("one", bytes.data(), {1})});
  const std::string text = file_text(folder.path() / "a.npz");
  const std::size_t end = text.size() - 22;
  ASSERT_EQ(number_at(text, end, 4), 0x06054b50u);
  EXPECT_EQ(number_at(text, end + 8, 2), 3u);
  EXPECT_EQ(number_at(text, end + 10, 2), 3u);
  const std::size_t directory = number_at(text, end + 16, 4);
  EXPECT_EQ(directory + number_at(text, end + 12, 4), end);
  const std::string kExpected[][3] = {{"net.weight.npy", "'descr': '<f4'", "(2, 3, )"},
                                      {"mean.npy", "'descr': '<f8'", "(2, )"},
                                      {"one.npy", "'descr': '|u1'", "(1, )"}};
  const std::string kData[] = {std::string(reinterpret_cast<const char*>(matrix.data()), 24),
                               std::string(reinterpret_cast<const char*>(vector.data()), 16), "\7"};
  std::size_t at = directory;
  for (int i = 0; i < 3; ++i) {
    const auto& [name, descr, shape] = kExpected[i];
    ASSERT_EQ(number_at(text, at, 4), 0x02014b50u);
    EXPECT_EQ(number_at(text, at + 10, 2), 0u) << "stored";
    const std::size_t size = number_at(text, at + 24, 4), length = number_at(text, at + 28, 2);
    EXPECT_EQ(number_at(text, at + 20, 4), size);
    EXPECT_EQ(text.substr(at + 46, length), name);
    const std::size_t local = number_at(text, at + 42, 4);
    ASSERT_EQ(number_at(text, local, 4), 0x04034b50u);
    EXPECT_EQ(text.substr(local + 4, 26), text.substr(at + 6, 26)) << "both headers agree";
    EXPECT_EQ(text.substr(local + 30, length), name);
    const std::string npy = text.substr(local + 30 + length, size);
    EXPECT_EQ(number_at(text, at + 16, 4), slow_crc32(npy));
    EXPECT_EQ(npy.substr(0, 8), std::string("\x93NUMPY\x01\0", 8));
    const std::size_t header = number_at(npy, 8, 2);
    EXPECT_EQ((10 + header) % 64, 0u);
    const std::string words = npy.substr(10, header);
    EXPECT_EQ(words.back(), '\n');
    EXPECT_THAT(words, HasSubstr(descr));
    EXPECT_THAT(words, HasSubstr("'fortran_order': False"));
    EXPECT_THAT(words, HasSubstr("'shape': " + shape));
    EXPECT_EQ(npy.substr(10 + header), kData[i]);
    at += 46 + length;
  }
  EXPECT_EQ(at, end);
}

}  // namespace
}  // namespace mbrl
