// What a learner keeps between steps, named once: a part's visit(Archive&) is called to save it and
// to load it.
#pragma once

#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "cuda/buffer.h"
#include "host/io/safetensors.h"
#include "kernels/networks/parameters.h"

namespace mbrl {

/// Small values go by as JSON, arrays as tensors. Whatever gives an array its size is visited
/// before it.
class Archive {
 public:
  /// The file of a checkpoint that a tensor is in.
  enum class File { kWeights, kReplay };

  virtual ~Archive() = default;

  /// Whether values come in; else they are read.
  virtual bool loading() const = 0;

  /// A small value under its name in the section that is open. JSON has no NaN: it is null there.
  template <typename T>
  void value(const std::string& name, T& value) {
    nlohmann::json json;
    if (!loading()) {
      json = value;
      if constexpr (std::is_floating_point_v<T>)
        if (value != value) json = nullptr;
    }
    exchange(name, json);
    if (!loading()) return;
    if constexpr (std::is_floating_point_v<T>) {
      if (json.is_null()) {
        value = std::numeric_limits<T>::quiet_NaN();
        return;
      }
    }
    json.get_to(value);
  }

  /// One that may be absent.
  template <typename T>
  void optional(const std::string& name, std::optional<T>& value) {
    if (loading()) value = has(name) ? std::optional<T>(T{}) : std::nullopt;
    if (value) this->value(name, *value);
  }

  /// Loading: whether the open section holds a value of this name.
  virtual bool has(const std::string& name) const = 0;

  virtual void tensor(File file, const TensorRef& tensor) = 0;
  void weights(const TensorRef& t) { tensor(File::kWeights, t); }
  void weights(const std::string& name, Buffer<float>& array) { weights(tensor_ref(name, array)); }
  /// Value and moments.
  void weights(const std::string& name, TrainedParameters& parameters);
  void replay(const TensorRef& t) { tensor(File::kReplay, t); }
  template <typename T>
  void replay(const std::string& name, Buffer<T>& array) {
    replay(tensor_ref(name, array));
  }
  template <typename T>
  void replay(const std::string& name, std::vector<T>& array) {
    replay(tensor_ref(name, array.data(), {static_cast<std::int64_t>(array.size())}));
  }

  /// Values under a name of their own, to the end of the scope.
  class Section {
   public:
    Section(Archive& archive, const std::string& name) : archive_(archive) {
      archive_.path_.push_back(name);
    }
    ~Section() { archive_.path_.pop_back(); }
    Section(const Section&) = delete;
    Section& operator=(const Section&) = delete;

   private:
    Archive& archive_;
  };

 protected:
  /// Takes `json` or fills it.
  virtual void exchange(const std::string& name, nlohmann::json& json) = 0;

  std::vector<std::string> path_;  // of the sections that are open
};

/// Collects the state. The tensors refer to the learner's own memory.
class StateWriter : public Archive {
 public:
  bool loading() const override { return false; }
  bool has(const std::string&) const override { return false; }
  void tensor(File file, const TensorRef& tensor) override {
    (file == File::kWeights ? weight_tensors : replay_tensors).push_back(tensor);
  }

  nlohmann::json state = nlohmann::json::object();
  std::vector<TensorRef> weight_tensors, replay_tensors;

 protected:
  void exchange(const std::string& name, nlohmann::json& json) override;
};

/// Puts a state in.
///
/// Errors   of visits: nlohmann::json::exception where the state lacks a value; those of `read`.
class StateReader : public Archive {
 public:
  /// `read` fills a tensor by its name.
  StateReader(const nlohmann::json& state, std::function<void(File, const TensorRef&)> read)
      : state_(state), read_(std::move(read)) {}
  bool loading() const override { return true; }
  bool has(const std::string& name) const override;
  void tensor(File file, const TensorRef& tensor) override { read_(file, tensor); }

 protected:
  void exchange(const std::string& name, nlohmann::json& json) override;

 private:
  const nlohmann::json& state_;
  std::function<void(File, const TensorRef&)> read_;
};

}  // namespace mbrl
