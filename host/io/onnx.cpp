#include "host/io/onnx.h"

#include <cstring>
#include <string_view>

namespace mbrl {
namespace {

constexpr std::int64_t kIrVersion = 7, kOpset = 13;

/// A message of protocol buffers as it grows.
class Message {
 public:
  Message& integer(int field, std::int64_t value) {
    varint(static_cast<std::uint64_t>(field) << 3);
    varint(static_cast<std::uint64_t>(value));
    return *this;
  }
  Message& bytes(int field, std::string_view value) {
    varint(static_cast<std::uint64_t>(field) << 3 | 2);
    varint(value.size());
    text_.append(value);
    return *this;
  }
  Message& message(int field, const Message& value) { return bytes(field, value.text_); }

  const std::string& text() const { return text_; }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) text_ += static_cast<char>(value | 0x80);
    text_ += static_cast<char>(value);
  }

  std::string text_;
};

template <typename T>
std::string_view raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// TensorProto: dims 1, data_type 2, name 8, raw_data 9
Message tensor_message(const OnnxTensor& tensor) {
  Message message;
  for (const std::int64_t extent : tensor.shape) message.integer(1, extent);
  message.integer(2, static_cast<std::int64_t>(tensor.type));
  message.bytes(8, tensor.name);
  return message.bytes(9,
                       tensor.type == OnnxType::kFloat ? raw(tensor.floats) : raw(tensor.doubles));
}

// NodeProto: input 1, output 2, name 3, op_type 4, attribute 5.
// AttributeProto: name 1, i 3, type 20, of which 2 is an integer
Message node_message(const OnnxNode& node) {
  Message message;
  for (const std::string& input : node.inputs) message.bytes(1, input);
  message.bytes(2, node.output).bytes(3, node.output).bytes(4, node.op);
  for (const auto& [name, value] : node.integers)
    message.message(5, Message().bytes(1, name).integer(3, value).integer(20, 2));
  return message;
}

// ValueInfoProto: name 1, type 2. TypeProto: tensor_type 1. Its elem_type 1, shape 2.
// TensorShapeProto: dim 1, of which dim_value is 1 and dim_param 2
Message value_message(const std::string& name, std::int64_t size) {
  const Message shape =
      Message().message(1, Message().bytes(2, "batch")).message(1, Message().integer(1, size));
  const Message tensor = Message().integer(1, static_cast<int>(OnnxType::kFloat)).message(2, shape);
  return Message().bytes(1, name).message(2, Message().message(1, tensor));
}

}  // namespace

// ModelProto: ir_version 1, producer_name 2, producer_version 3, graph 7, opset_import 8,
// metadata_props 14. GraphProto: node 1, name 2, initializer 5, input 11, output 12.
// OperatorSetIdProto: version 2. StringStringEntryProto: key 1, value 2
std::string onnx_model(const OnnxGraph& graph) {
  Message body;
  for (const OnnxNode& node : graph.nodes) body.message(1, node_message(node));
  body.bytes(2, graph.name);
  for (const OnnxTensor& constant : graph.constants) body.message(5, tensor_message(constant));
  body.message(11, value_message(graph.input, graph.input_size));
  body.message(12, value_message(graph.output, graph.output_size));
  Message model;
  model.integer(1, kIrVersion).bytes(2, "mbrl_gpu").bytes(3, graph.producer_version);
  model.message(7, body).message(8, Message().integer(2, kOpset));
  for (const auto& [key, value] : graph.metadata)
    model.message(14, Message().bytes(1, key).bytes(2, value));
  return model.text();
}

}  // namespace mbrl
