// Fuzz target for the scan of MJCF files (host/config/input_files.h): the input is a robot's file and
// two that it may include as a.xml and b.xml.
#include <nlohmann/json.hpp>

#include "host/config/input_files.h"
#include "tests/fuzz/harness.h"

using namespace mbrl;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::Folder folder;
  const auto files = fuzz::files_of(fuzz::text_of(data, size), 3);
  folder.write("a.xml", files[1]);
  folder.write("b.xml", files[2]);
  Config config;
  config.env.mjcf.model = folder.write("robot.xml", files[0]);
  fuzz::read_or_refuse([&] {
    const std::vector<InputFile> found = input_files(config);
    content_hash(found, "mjcf.model");
    fuzz::require(input_files_from_json(to_json(found)) == found, "a list of files reads back");
  });
  return 0;
}
