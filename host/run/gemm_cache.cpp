#include "host/run/gemm_cache.h"

#include <system_error>
#include <utility>

#include "base/error.h"
#include "host/io/json_file.h"
#include "host/io/output_file.h"

namespace mbrl {

std::optional<GemmProvider> provider_named(std::string_view name) {
  for (const GemmProvider provider :
       {GemmProvider::kFused, GemmProvider::kPlain, GemmProvider::kCublasLt, GemmProvider::kCudnn})
    if (name == gpu::provider_name(provider)) return provider;
  return std::nullopt;
}

GemmCache::GemmCache(std::filesystem::path file) : file_(std::move(file)) {
  try {
    known_ = read_json(file_);
  } catch (const DataError&) {
    // as good as empty
  }
  if (!known_.is_object()) known_ = nlohmann::json::object();
}

std::optional<GemmProvider> GemmCache::find(const std::string& key) const {
  const auto answer = known_.find(key);
  if (answer == known_.end() || !answer->is_object()) return std::nullopt;
  const auto provider = answer->find("provider");
  if (provider == answer->end() || !provider->is_string()) return std::nullopt;
  return provider_named(provider->get_ref<const std::string&>());
}

void GemmCache::remember(const std::string& key, const nlohmann::json& answer) {
  known_[key] = answer;
  std::error_code ignored;
  std::filesystem::create_directories(file_.parent_path(), ignored);
  try {
    write_file_atomically(
        file_, known_.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  } catch (const DataError&) {
    // measured again by the next run
  }
}

}  // namespace mbrl
