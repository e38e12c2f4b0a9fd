#include "host/algo/export_policy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <type_traits>
#include <utility>

#include "host/config/version.h"

namespace mbrl {
namespace {

/// Operators of a graph, one after the other.
class Chain {
 public:
  explicit Chain(OnnxGraph& graph) : graph_(graph), last_(graph.input) {}

  /// The result of the last one goes through `op`, with constants beside it.
  void apply(const std::string& op, const std::vector<OnnxTensor>& constants = {},
             std::vector<std::pair<std::string, std::int64_t>> integers = {}) {
    OnnxNode node{.op = op,
                  .inputs = {last_},
                  .output = fmt::format("{}_{}", op, graph_.nodes.size()),
                  .integers = std::move(integers)};
    for (const OnnxTensor& constant : constants) {
      node.inputs.push_back(constant.name);
      graph_.constants.push_back(constant);
    }
    last_ = node.output;
    graph_.nodes.push_back(std::move(node));
  }
  void cast(OnnxType type) { apply("Cast", {}, {{"to", static_cast<std::int64_t>(type)}}); }
  void finish() { graph_.nodes.back().output = graph_.output; }

 private:
  OnnxGraph& graph_;
  std::string last_;
};

OnnxTensor doubles(const std::string& name, std::vector<double> values) {
  const auto size = static_cast<std::int64_t>(values.size());
  return {.name = name, .type = OnnxType::kDouble, .shape = {size}, .doubles = std::move(values)};
}
OnnxTensor single(const std::string& name, OnnxType type, double value) {
  OnnxTensor tensor{.name = name, .type = type, .shape = {}};
  if (type == OnnxType::kFloat) {
    tensor.floats = {static_cast<float>(value)};
  } else {
    tensor.doubles = {value};
  }
  return tensor;
}

// a number that reads back as it is, in C: 0.100000001f
std::string c_number(float x) {
  std::string text = fmt::format("{:.9g}", x);
  if (text.find_first_of(".e") == text.npos) text += ".0";
  return text + "f";
}
std::string c_number(double x) {
  std::string text = fmt::format("{:.17g}", x);
  if (text.find_first_of(".e") == text.npos) text += ".0";
  return text;
}

template <typename T>
std::string c_array(const std::string& name, const std::vector<T>& values) {
  std::string text =
      fmt::format("static const {} {}[{}] = {{", std::is_same_v<T, float> ? "float" : "double",
                  name, values.size());
  std::string line;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::string number = c_number(values[i]) + (i + 1 < values.size() ? "," : "");
    if (line.size() + number.size() > 96) {
      text += "\n   " + line;
      line.clear();
    }
    line += " " + number;
  }
  return text + "\n   " + line + "};\n";
}

// "walker policy.h" -> "walker_policy"
std::string c_name(const std::filesystem::path& file) {
  std::string name = file.stem().string();
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0])) != 0) name = "p" + name;
  return name;
}

}  // namespace

OnnxGraph policy_graph(const ExportedPolicy& policy) {
  const PolicyNetwork& network = policy.network;
  OnnxGraph graph{.name = "policy",
                  .input = "observation",
                  .output = "action",
                  .input_size = network.observation_size(),
                  .output_size = network.action_size(),
                  .nodes = {},
                  .constants = {},
                  .metadata = policy_metadata(policy),
                  .producer_version = program_version()};
  Chain chain(graph);
  if (!network.mean.empty()) {
    // in double, as a mean may be large beside its deviation
    chain.cast(OnnxType::kDouble);
    chain.apply("Sub", {doubles("observation.mean", network.mean)});
    chain.apply("Mul", {doubles("observation.inv_std", network.inv_std)});
    chain.apply("Clip", {single("observation.least", OnnxType::kDouble, -network.limit),
                         single("observation.largest", OnnxType::kDouble, network.limit)});
    chain.cast(OnnxType::kFloat);
  }
  const std::string activation = network.hidden == PolicyNetwork::Hidden::kTanh ? "Tanh" : "Relu";
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const PolicyNetwork::Layer& layer = network.layers[i];
    const std::string name = fmt::format("policy.{}", i);
    chain.apply("Gemm",
                {{.name = name + ".weight", .shape = {layer.out, layer.in}, .floats = layer.weight},
                 {.name = name + ".bias", .shape = {layer.out}, .floats = layer.bias}},
                {{"transB", 1}});
    if (i + 1 < network.layers.size()) chain.apply(activation);
  }
  if (network.squash == PolicyNetwork::Squash::kTanh) {
    chain.apply("Tanh");
  } else {
    chain.apply("Clip", {single("least", OnnxType::kFloat, -1.0),
                         single("largest", OnnxType::kFloat, 1.0)});
  }
  if (!network.has_usual_bounds()) {
    const std::vector<double> low(network.low.begin(), network.low.end()),
        high(network.high.begin(), network.high.end());
    std::vector<double> half, middle;
    for (std::size_t i = 0; i < low.size(); ++i) {
      half.push_back(0.5 * (high[i] - low[i]));
      middle.push_back(0.5 * (low[i] + high[i]));
    }
    chain.cast(OnnxType::kDouble);
    chain.apply("Mul", {doubles("action.half", half)});
    chain.apply("Add", {doubles("action.middle", middle)});
    chain.apply("Max", {doubles("action.low", low)});
    chain.apply("Min", {doubles("action.high", high)});
    chain.cast(OnnxType::kFloat);
  }
  chain.finish();
  return graph;
}

std::string policy_header(const ExportedPolicy& policy, const std::filesystem::path& file) {
  const PolicyNetwork& network = policy.network;
  const std::string name = c_name(file);
  std::string guard = name + "_policy_h";
  for (char& c : guard) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  const int S = network.observation_size(), A = network.action_size();
  int widest = S;
  for (const PolicyNetwork::Layer& layer : network.layers) widest = std::max(widest, layer.out);

  std::string about;
  for (const auto& [key, value] : policy.about) about += fmt::format(" {} {}", key, value);
  std::replace(about.begin(), about.end(), '*', ' ');  // nothing ends the comment
  std::replace(about.begin(), about.end(), '\n', ' ');
  std::string text = fmt::format(
      "/* A policy that mbrl_gpu trained:{}.\n"
      " *\n"
      " *   {}_act(observation, action): the raw observation [{}] to the environment's action [{}]\n"
      " *   {}_deviation(): how far the action at one observation is from that of mbrl_gpu; about\n"
      " *     1e-6 of the action's range, from rounding\n"
      " *\n"
      " * For C99 and C++. Link with -lm. */\n"
      "#ifndef {}\n#define {}\n#include <math.h>\n\n",
      about, name, S, A, name, guard, guard);
  const bool scales = !network.mean.empty();
  if (scales) {
    text += c_array(name + "_mean", network.mean);
    text += c_array(name + "_inv_std", network.inv_std);
  }
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    text += c_array(fmt::format("{}_weight{}", name, i), network.layers[i].weight);
    text += c_array(fmt::format("{}_bias{}", name, i), network.layers[i].bias);
  }
  text += c_array(name + "_low", network.low) + c_array(name + "_high", network.high);
  text += c_array(name + "_test_observation", policy.observation);
  text += c_array(name + "_test_action", policy.action);

  text += fmt::format(
      "\nstatic inline void {}_layer(const float* weight, const float* bias, const float* x, int in,"
      "\n                            float* y, int out) {{\n"
      "  for (int o = 0; o < out; ++o) {{\n"
      "    float sum = bias[o];\n"
      "    for (int i = 0; i < in; ++i) sum += weight[o * in + i] * x[i];\n"
      "    y[o] = sum;\n"
      "  }}\n"
      "}}\n\n"
      "static inline void {}_act(const float observation[{}], float action[{}]) {{\n"
      "  float x[{}], y[{}];\n"
      "  for (int i = 0; i < {}; ++i) {{\n",
      name, name, S, A, widest, widest, S);
  if (scales) {
    text += fmt::format(
        "    const double scaled = (observation[i] - {}_mean[i]) * {}_inv_std[i];\n"
        "    x[i] = (float)(scaled < -{} ? -{} : scaled > {} ? {} : scaled);\n",
        name, name, c_number(network.limit), c_number(network.limit), c_number(network.limit),
        c_number(network.limit));
  } else {
    text += "    x[i] = observation[i];\n";
  }
  text += "  }\n";
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const PolicyNetwork::Layer& layer = network.layers[i];
    text += fmt::format("  {}_layer({}_weight{}, {}_bias{}, x, {}, y, {});\n", name, name, i, name,
                        i, layer.in, layer.out);
    if (i + 1 < network.layers.size())
      text +=
          fmt::format("  for (int i = 0; i < {}; ++i) x[i] = {};\n", layer.out,
                      network.hidden == PolicyNetwork::Hidden::kTanh ? "tanhf(y[i])"
                                                                     : "y[i] > 0.0f ? y[i] : 0.0f");
  }
  text += fmt::format(
      "  for (int i = 0; i < {}; ++i) {{\n"
      "    const double low = {}_low[i], high = {}_high[i];\n"
      "    const float squashed = {};\n"
      "    const double value = 0.5 * (low + high) + 0.5 * (high - low) * squashed;\n"
      "    action[i] = (float)(value < low ? low : value > high ? high : value);\n"
      "  }}\n"
      "}}\n\n"
      "static inline float {}_deviation(void) {{\n"
      "  float action[{}], largest = 0.0f;\n"
      "  {}_act({}_test_observation, action);\n"
      "  for (int i = 0; i < {}; ++i) {{\n"
      "    const float deviation = fabsf(action[i] - {}_test_action[i]);\n"
      "    if (!(deviation <= largest)) largest = deviation;\n"
      "  }}\n"
      "  return largest;\n"
      "}}\n\n#endif\n",
      A, name, name,
      network.squash == PolicyNetwork::Squash::kTanh
          ? "tanhf(y[i])"
          : "y[i] < -1.0f ? -1.0f : y[i] > 1.0f ? 1.0f : y[i]",
      name, A, name, name, A, name);
  return text;
}

std::vector<TensorRef> policy_tensors(ExportedPolicy& policy) {
  PolicyNetwork& network = policy.network;
  std::vector<TensorRef> tensors;
  const std::int64_t S = network.observation_size(), A = network.action_size();
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    PolicyNetwork::Layer& layer = network.layers[i];
    const std::string name = fmt::format("policy.{}", i);
    tensors.push_back(tensor_ref(name + ".weight", layer.weight.data(), {layer.out, layer.in}));
    tensors.push_back(tensor_ref(name + ".bias", layer.bias.data(), {layer.out}));
  }
  if (!network.mean.empty()) {
    tensors.push_back(tensor_ref("observation.mean", network.mean.data(), {S}));
    tensors.push_back(tensor_ref("observation.inv_std", network.inv_std.data(), {S}));
  }
  tensors.push_back(tensor_ref("action.low", network.low.data(), {A}));
  tensors.push_back(tensor_ref("action.high", network.high.data(), {A}));
  tensors.push_back(tensor_ref("test.observation", policy.observation.data(), {1, S}));
  tensors.push_back(tensor_ref("test.action", policy.action.data(), {1, A}));
  return tensors;
}

std::map<std::string, std::string> policy_metadata(const ExportedPolicy& policy) {
  const PolicyNetwork& network = policy.network;
  std::map<std::string, std::string> words = policy.about;
  words["format"] = "mbrl_gpu policy 1";
  words["activation"] = network.hidden == PolicyNetwork::Hidden::kTanh ? "tanh" : "relu";
  words["squash"] = network.squash == PolicyNetwork::Squash::kTanh ? "tanh" : "clip";
  if (!network.mean.empty()) words["observation_limit"] = fmt::format("{}", network.limit);
  std::vector<int> sizes{network.observation_size()};
  for (const PolicyNetwork::Layer& layer : network.layers) sizes.push_back(layer.out);
  words["sizes"] = fmt::format("[{}]", fmt::join(sizes, ", "));
  return words;
}

}  // namespace mbrl
