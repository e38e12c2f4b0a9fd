// Tests for host/io/safetensors.{h,cpp}.
#include "host/io/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "host/io/crc32c.h"
#include "tests/support/checkpoint_data.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(SafetensorsTest, ReadsBackWhatWasWritten) {
  const TemporaryDirectory folder;
  CheckpointData data;
  write_safetensors(folder.path() / "a.safetensors", data.weights(), {{"format", "pt"}});
  const SafetensorsFile file(folder.path() / "a.safetensors");
  CheckpointData other;
  other.weight.assign(other.weight.size(), 0.0f);
  other.flags.assign(3, 0);
  for (const TensorRef& t : other.weights()) file.read_into(t);
  EXPECT_EQ(other.weight, data.weight);
  EXPECT_EQ(other.flags, data.flags);
  EXPECT_EQ(file.shape("actor.0.weight"), (std::vector<std::int64_t>{256, 11}));
}

TEST(SafetensorsTest, HeaderIsTheDocumentedFormat) {
  const TemporaryDirectory folder;
  std::vector<float> x = {1.0f, 2.0f};
  write_safetensors(folder.path() / "a", {tensor_ref("x", x.data(), {2})});
  const std::string text = file_text(folder.path() / "a");
  std::uint64_t size = 0;
  std::copy_n(text.data(), 8, reinterpret_cast<char*>(&size));
  EXPECT_EQ(text.size(), 8 + size + 8);
  const auto header = nlohmann::json::parse(text.substr(8, size));
  EXPECT_EQ(header.at("x"),
            nlohmann::json::parse(R"({"dtype": "F32", "shape": [2], "data_offsets": [0, 8]})"));
}

TEST(SafetensorsTest, OtherShapeOrAbsentTensorIsNamed) {
  const TemporaryDirectory folder;
  CheckpointData data;
  write_safetensors(folder.path() / "weights.safetensors", data.weights());
  const SafetensorsFile file(folder.path() / "weights.safetensors");
  std::vector<float> larger(512 * 11);
  EXPECT_THAT(error_text<DataError>([&] {
                file.read_into(tensor_ref("actor.0.weight", larger.data(), {512, 11}));
              }),
              HasSubstr("actor.0.weight is [256, 11], this run expects [512, 11]"));
  EXPECT_THAT(
      error_text<DataError>([&] { file.read_into(tensor_ref("critic", larger.data(), {1})); }),
      HasSubstr("critic"));
}

TEST(SafetensorsTest, ATruncatedOrForeignFileSaysWhatWasExpected) {
  const TemporaryDirectory folder;
  CheckpointData data;
  const fs::path path = folder.path() / "a.safetensors";
  write_safetensors(path, data.weights());
  const auto size = fs::file_size(path);
  fs::resize_file(path, size - 1);
  EXPECT_THAT(error_text<DataError>([&] { SafetensorsFile file(path); }),
              HasSubstr("is truncated: expected " + std::to_string(size) + " bytes, found " +
                        std::to_string(size - 1)));
  write_text(path, "abc");
  EXPECT_THAT(error_text<DataError>([&] { SafetensorsFile file(path); }),
              HasSubstr("is truncated: expected 8 bytes, found 3"));
  write_text(path, std::string(8, '\0') + "x");
  EXPECT_THAT(error_text<DataError>([&] { SafetensorsFile file(path); }),
              HasSubstr("is not a safetensors file"));
  write_text(path, std::string(40, '\xff'));
  EXPECT_THAT(error_text<DataError>([&] { SafetensorsFile file(path); }),
              HasSubstr("expected a header of at most"));
  EXPECT_THAT(error_text<DataError>([&] { SafetensorsFile file(folder.path() / "absent"); }),
              HasSubstr("cannot be read: No such file or directory"));
}

// a file with this header and no data
std::string with_header(const std::string& header) {
  const std::uint64_t size = header.size();
  return std::string(reinterpret_cast<const char*>(&size), 8) + header;
}

TEST(SafetensorsTest, ForeignHeadersAreRefusedInShownText) {
  const TemporaryDirectory folder;
  const auto refused = [&](const std::string& header) {
    const std::string file = folder.write("a", with_header(header));
    return error_text<DataError>([&] { SafetensorsFile open(file); });
  };
  const std::string deep(100000, '['), closed(100000, ']');
  EXPECT_THAT(refused(R"({"a": )" + deep + closed + "}"), HasSubstr("levels deep"));
  EXPECT_THAT(refused("[1e999]"), HasSubstr("expected a JSON object as its header"));
  EXPECT_THAT(refused(R"({"\u001b[31m": 1})"), HasSubstr("of \\x1b[31m, found 1"));
  EXPECT_THAT(refused(R"({"a": {"dtype": "F32", "shape": [1e30], "data_offsets": [0, 4]}})"),
              HasSubstr("a has the shape [1e+30]"));
  EXPECT_THAT(refused(R"({"a": {"dtype": "F32", "shape": [0], "data_offsets": [-1, -1]}})"),
              HasSubstr("the offsets [-1,-1]"));
  EXPECT_THAT(refused(R"({"a": {"dtype": "F32", "shape": [4611686018427387904, 4],)"
                      R"( "data_offsets": [0, 0]}})"),
              HasSubstr("a has the shape"));
  // one behind the other, from the first byte on
  const auto pair = [&](const std::string& first, const std::string& second) {
    return refused(R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": )" + first +
                   R"(}, "b": {"dtype": "F32", "shape": [1], "data_offsets": )" + second + "}}");
  };
  EXPECT_THAT(pair("[0, 4]", "[0, 4]"),
              HasSubstr("expected a tensor at byte 4 of the data, found it at 0"));
  EXPECT_THAT(pair("[0, 4]", "[8, 12]"),
              HasSubstr("expected a tensor at byte 4 of the data, found it at 8"));
  EXPECT_THAT(pair("[4, 8]", "[8, 12]"),
              HasSubstr("expected a tensor at byte 0 of the data, found it at 4"));
}

TEST(SafetensorsTest, TheChecksumIsThatOfTheWholeFile) {
  const TemporaryDirectory folder;
  CheckpointData data;
  const fs::path path = folder.path() / "a";
  const std::uint32_t written = write_safetensors(path, data.contents().replay);
  EXPECT_EQ(written, crc32c(file_text(path)));
  EXPECT_EQ(SafetensorsFile(path).checksum(), written);
  std::string text = file_text(path);
  text[text.size() / 2] ^= 1;
  write_text(path, text);
  EXPECT_NE(SafetensorsFile(path).checksum(), written);
}

TEST(SafetensorsTest, AValueThatIsNotFiniteIsNamedWhereItMayNotBe) {
  const TemporaryDirectory folder;
  CheckpointData data;
  data.weight.back() = std::numeric_limits<float>::quiet_NaN();
  write_safetensors(folder.path() / "a", data.weights());
  const SafetensorsFile file(folder.path() / "a");
  file.read_into(data.weights()[0]);
  EXPECT_THAT(error_text<DataError>(
                  [&] { file.read_into(data.weights()[0], SafetensorsFile::Values::kFinite); }),
              HasSubstr("a: actor.0.weight holds nan; expected finite numbers alone"));
}

}  // namespace
}  // namespace mbrl
