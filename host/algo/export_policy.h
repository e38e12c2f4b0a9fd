// A policy in the formats of others.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "host/algo/policy_network.h"
#include "host/io/onnx.h"
#include "host/io/safetensors.h"

namespace mbrl {

/// A policy to be exported: what it is, and an observation with the action that the learner's own
/// policy has there.
struct ExportedPolicy {
  PolicyNetwork network;
  std::vector<float> observation, action;         // [S], [A], in the environment's units
  std::map<std::string, std::string> about = {};  // algorithm, env, env_steps, config_hash
};

/// float "observation" [batch, S] -> float "action" [batch, A].
OnnxGraph policy_graph(const ExportedPolicy& policy);

/// A header for C99 and C++ without any library but math.h:
///   static void <name>_act(const float observation[S], float action[A]);
///   static float <name>_deviation(void);   of its action from the learner's, at one observation
/// `name` is made from the file's.
std::string policy_header(const ExportedPolicy& policy, const std::filesystem::path& file);

/// Names, shapes and values, which lie in `policy`:
///   policy.<layer>.weight [out, in], policy.<layer>.bias [out]
///   observation.mean [S], observation.inv_std [S] in double, where observations are scaled
///   action.low [A], action.high [A]
///   test.observation [1, S], test.action [1, A]
std::vector<TensorRef> policy_tensors(ExportedPolicy& policy);

/// `about`, and the formula in words: "activation", "squash", "observation_limit".
std::map<std::string, std::string> policy_metadata(const ExportedPolicy& policy);

}  // namespace mbrl
