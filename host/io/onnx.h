// Networks as ONNX files, which most runtimes of other projects load: the few parts of the format
// that a chain of operators needs, written without its library.
//
// Source   github.com/onnx/onnx, onnx/onnx.proto: field numbers and types. Protocol buffers:
//          varints, and lengths before bytes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace mbrl {

enum class OnnxType { kFloat = 1, kDouble = 11 };

/// A constant array. Its values are `floats` or `doubles`, whichever `type` says.
struct OnnxTensor {
  std::string name;
  OnnxType type = OnnxType::kFloat;
  std::vector<std::int64_t> shape;  // [] for a single value
  std::vector<float> floats = {};
  std::vector<double> doubles = {};
};

/// One operator.
struct OnnxNode {
  std::string op;  // "Gemm"
  std::vector<std::string> inputs;
  std::string output;
  std::vector<std::pair<std::string, std::int64_t>> integers = {};  // attributes
};

/// Operators in the order in which they run. Input and output are float [batch, size] of any batch.
struct OnnxGraph {
  std::string name;
  std::string input, output;
  std::int64_t input_size = 0, output_size = 0;
  std::vector<OnnxNode> nodes;
  std::vector<OnnxTensor> constants;
  std::map<std::string, std::string> metadata;  // words about it
  std::string producer_version = {};
};

/// The bytes of a model of opset 13, which onnxruntime has known since 1.6.
std::string onnx_model(const OnnxGraph& graph);

}  // namespace mbrl
