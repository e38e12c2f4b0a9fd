// Tests for host/run/gemm_cache.{h,cpp}: what is remembered is found, and no file ends a run.
#include "host/run/gemm_cache.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

TEST(GemmCacheTest, AnAnswerIsRemembered) {
  const TemporaryDirectory folder;
  const auto file = folder.path() / "deep" / "gemm.json";
  GemmCache cache(file);
  EXPECT_EQ(cache.find("sac of S 11"), std::nullopt);
  cache.remember("sac of S 11", {{"provider", "cublaslt"}, {"refused", "\xff is no UTF-8"}});
  EXPECT_EQ(cache.find("sac of S 11"), GemmProvider::kCublasLt);
  EXPECT_EQ(GemmCache(file).find("sac of S 11"), GemmProvider::kCublasLt);
  EXPECT_EQ(GemmCache(file).find("ensemble of S 11"), std::nullopt);
}

TEST(GemmCacheTest, AFileOfAnotherKindIsAsGoodAsNone) {
  const TemporaryDirectory folder;
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[1, 2]"), std::string("{\"sac\": 3}"),
        std::string("{\"sac\": {\"provider\": 3}}"),
        std::string("{\"sac\": {\"provider\": \"abacus\"}}"), std::string(200000, '['),
        std::string("{\"sac\": 1e999}")}) {
    const std::string file = folder.write("gemm.json", text);
    GemmCache cache(file);
    EXPECT_EQ(cache.find("sac"), std::nullopt) << text.substr(0, 60);
    cache.remember("sac", {{"provider", "hand"}});
    EXPECT_EQ(GemmCache(file).find("sac"), GemmProvider::kFused) << text.substr(0, 60);
  }
}

TEST(GemmCacheTest, AFileThatCannotBeWrittenCostsTheNextRunsMeasurementAlone) {
  const TemporaryDirectory folder;
  const std::string no_folder = folder.write("file", "x");
  GemmCache cache(std::filesystem::path(no_folder) / "gemm.json");
  cache.remember("sac", {{"provider", "hand"}});
  EXPECT_EQ(cache.find("sac"), GemmProvider::kFused);
}

}  // namespace
}  // namespace mbrl
