// Fuzz target for tensor files (host/io/safetensors.h): the input is one.
#include "host/io/safetensors.h"

#include "tests/fuzz/harness.h"

using namespace mbrl;

namespace {

// one tensor into memory of exactly its size
template <typename T>
void read_as(const SafetensorsFile& file, const std::string& name) {
  std::uint64_t count = 1;
  for (const std::int64_t extent : file.shape(name)) count *= static_cast<std::uint64_t>(extent);
  // as a reader takes it: whoever knows the shape has the memory
  if (count > (1u << 20)) return;
  std::vector<T> values(count);
  file.read_into(tensor_ref(name, values.data(), file.shape(name)),
                 SafetensorsFile::Values::kFinite);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::Folder folder;
  const auto path = folder.write("weights.safetensors", fuzz::text_of(data, size));
  fuzz::read_or_refuse([&] {
    const SafetensorsFile file(path);
    file.checksum();
    for (const std::string& name : file.names()) {
      fuzz::read_or_refuse([&] { read_as<float>(file, name); });
      fuzz::read_or_refuse([&] { read_as<double>(file, name); });
      fuzz::read_or_refuse([&] { read_as<std::uint8_t>(file, name); });
      fuzz::read_or_refuse([&] { read_as<std::int64_t>(file, name); });
    }
  });
  return 0;
}
