// Fuzz target for the cache of measured matrix products (host/run/gemm_cache.h): the input is the file.
#include "host/run/gemm_cache.h"

#include "tests/fuzz/harness.h"

using namespace mbrl;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::Folder folder;
  const auto file = folder.write("gemm.json", fuzz::text_of(data, size));
  // no file may end a run: what it does not tell is measured again
  GemmCache cache(file);
  cache.find("sac");
  cache.remember("ensemble", {{"provider", "plain"}});
  fuzz::require(GemmCache(file).find("ensemble") == GemmProvider::kPlain,
                "an answer is remembered");
  return 0;
}
