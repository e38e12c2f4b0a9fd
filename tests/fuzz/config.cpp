// Fuzz target for config files (host/config/load.h): the input is one, with comments as people write
// them. What is accepted goes through every check, and its saved form reads back as the same run.
#include "tests/fuzz/checked_config.h"
#include "tests/fuzz/harness.h"

using namespace mbrl;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::Folder folder;
  const auto file = folder.write("config.json", fuzz::text_of(data, size));
  fuzz::read_or_refuse([&] { fuzz::check_layers(load_layers(file)); });
  return 0;
}
