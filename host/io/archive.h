// What a learner keeps between steps, named once: a part's visit(Archive&) is called to save it and
// to load it.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "cuda/buffer.h"
#include "host/io/safetensors.h"
#include "kernels/networks/mlp_layout.h"
#include "kernels/networks/parameters.h"

namespace mbrl {

/// The most that a run counts: steps, updates, episodes.
inline constexpr std::int64_t kMaxCount = 1'000'000'000'000;

/// The tensors that the layers of a network are in files, its first value at `offset`.
std::vector<TensorPart> layer_parts(const std::string& name, const MlpLayout& layout,
                                    std::size_t offset = 0);

/// "[3, 64, 1]": the widths of a network, its input first.
std::string widths_text(const MlpLayout& layout);

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
  /// Loading: a list keeps its length, a number fits its type.
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
    require_kind(name, json, value);
    json.get_to(value);
  }

  /// A length or an index: from `low` to `high`, in both directions.
  template <typename T>
  void value(const std::string& name, T& value, std::type_identity_t<T> low,
             std::type_identity_t<T> high) {
    T given = value;
    this->value(name, given);
    require(name, low <= given && given <= high, [&] {
      return "is " + std::to_string(given) + "; expected " + std::to_string(low) + " to " +
             std::to_string(high);
    });
    value = given;
  }

  /// A list whose values are from `low` to `high`, in both directions.
  template <typename List>
  void values(const std::string& name, List& list, typename List::value_type low,
              typename List::value_type high) {
    List given = list;
    value(name, given);
    for (const auto& item : given)
      require(name, low <= item && item <= high, [&] {
        return "holds " + std::to_string(item) + "; expected " + std::to_string(low) + " to " +
               std::to_string(high);
      });
    list = given;
  }

  /// At most `max_count` indices below `limit`, one at least.
  void indices(const std::string& name, std::vector<int>& values, int max_count, int limit);

  /// One that may be absent.
  template <typename T>
  void optional(const std::string& name, std::optional<T>& value) {
    if (loading()) value = has(name) ? std::optional<T>(T{}) : std::nullopt;
    if (value) this->value(name, *value);
  }

  template <typename T>
  void optional(const std::string& name, std::optional<T>& value, T low, T high) {
    if (loading()) value = has(name) ? std::optional<T>(low) : std::nullopt;
    if (value) this->value(name, *value, low, high);
  }

  /// Loading: whether the open section holds a value of this name.
  virtual bool has(const std::string& name) const = 0;

  virtual void tensor(File file, const TensorRef& tensor) = 0;
  void weights(const TensorRef& t) { tensor(File::kWeights, t); }
  void weights(const std::string& name, Buffer<float>& array) { weights(tensor_ref(name, array)); }
  /// Value and moments.
  void weights(const std::string& name, TrainedParameters& parameters);
  /// Those of a network. In files each layer is tensors of its own, without padding:
  /// name.0.weight [out, in], name.0.bias [out], and so on; moments have .adam_m and .adam_v after
  /// that.
  void weights(const std::string& name, TrainedParameters& parameters, const MlpLayout& layout);
  void weights(const std::string& name, Buffer<float>& parameters, const MlpLayout& layout);
  /// Those of `count` networks one after the other: name.<network>.0.weight and so on.
  void weights(const std::string& name, TrainedParameters& parameters, const MlpLayout& layout,
               int count);
  /// Value and moments of an array whose `parts` are tensors in files, for moments with .adam_m and
  /// .adam_v after their names.
  void weights(const std::string& name, TrainedParameters& parameters,
               const std::vector<TensorPart>& parts);
  void replay(const TensorRef& t) { tensor(File::kReplay, t); }
  /// Says in the file of weights what others need to know to use them; of no use to a loader.
  virtual void describe(const std::string&, const std::string&) {}
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

  /// The value of this name is not what it has to be: `what` follows its name in the error.
  [[noreturn]] virtual void refuse(const std::string& name, const std::string& what) const;

  std::vector<std::string> path_;  // of the sections that are open

 private:
  template <typename Text>
  void require(const std::string& name, bool holds, const Text& text) const {
    if (loading() && !holds) refuse(name, text());
  }

  // what the JSON library would convert without a word, or not at all
  template <typename T>
  void require_kind(const std::string& name, const nlohmann::json& json, const T& present) const {
    const auto expected = [&](const std::string& kind) {
      return [&json, kind] { return "is " + shown(json) + "; expected " + kind; };
    };
    if constexpr (std::is_same_v<T, bool>) {
      require(name, json.is_boolean(), expected("true or false"));
    } else if constexpr (std::is_integral_v<T>) {
      require(name, json.is_number_integer() && fits<T>(json), expected("an integer"));
    } else if constexpr (std::is_floating_point_v<T>) {
      require(name, json.is_number(), expected("a number"));
    } else if constexpr (requires {
                           present.size();
                           present.begin();
                         } &&
                         !std::is_same_v<T, std::string>) {
      require(name, json.is_array(), expected("a list"));
      require(name, json.size() == present.size(), [&] {
        return "has " + std::to_string(json.size()) + " values; expected " +
               std::to_string(present.size());
      });
      for (std::size_t i = 0; i < present.size(); ++i)
        require_kind(name, json[i], *present.begin());
    }
  }

  template <typename T>
  static bool fits(const nlohmann::json& json) {
    return json.is_number_unsigned() ? std::in_range<T>(json.get<std::uint64_t>())
                                     : std::in_range<T>(json.get<std::int64_t>());
  }
  static std::string shown(const nlohmann::json& json);
};

/// Collects the state. The tensors refer to the learner's own memory.
class StateWriter : public Archive {
 public:
  bool loading() const override { return false; }
  bool has(const std::string&) const override { return false; }
  void tensor(File file, const TensorRef& tensor) override {
    (file == File::kWeights ? weight_tensors : replay_tensors).push_back(tensor);
  }

  void describe(const std::string& name, const std::string& text) override {
    metadata[name] = text;
  }

  nlohmann::json state = nlohmann::json::object();
  std::vector<TensorRef> weight_tensors, replay_tensors;
  std::map<std::string, std::string> metadata;  // of the weights

 protected:
  void exchange(const std::string& name, nlohmann::json& json) override;
};

/// Puts a state in, which may come from anywhere.
///
/// Errors   of visits: nlohmann::json::exception where the state lacks a value, DataError naming
///          `origin` and the value where it is of another type or out of range; those of `read`.
class StateReader : public Archive {
 public:
  /// `read` fills a tensor by its name.
  StateReader(const nlohmann::json& state, std::function<void(File, const TensorRef&)> read,
              std::string origin = "state.json")
      : state_(state), read_(std::move(read)), origin_(std::move(origin)) {}
  bool loading() const override { return true; }
  bool has(const std::string& name) const override;
  void tensor(File file, const TensorRef& tensor) override { read_(file, tensor); }

 protected:
  void exchange(const std::string& name, nlohmann::json& json) override;
  [[noreturn]] void refuse(const std::string& name, const std::string& what) const override;

 private:
  const nlohmann::json& state_;
  std::function<void(File, const TensorRef&)> read_;
  std::string origin_;
};

}  // namespace mbrl
