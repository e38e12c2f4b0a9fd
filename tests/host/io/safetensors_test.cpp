// Tests for host/io/safetensors.{h,cpp}.
#include "host/io/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
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

/// Two networks' worth of an array: a matrix with a pitch of 4, a vector, and a column of pairs.
struct PartedData {
  std::vector<float> array;
  PartedData() : array(20, 0.0f) {}
  TensorRef tensor() {
    TensorRef tensor = tensor_ref("net", array.data(), {20});
    tensor.parts = {{.name = "net.weight", .shape = {2, 3}, .offset = 1, .row_step = 4},
                    {.name = "net.bias", .shape = {2}, .offset = 9},
                    {.name = "net.pairs", .shape = {3}, .offset = 12, .step = 3}};
    return tensor;
  }
  void fill() {
    for (const std::size_t i : {1, 2, 3, 5, 6, 7, 9, 10, 12, 15, 18})
      array[i] = static_cast<float>(i);
  }
};

TEST(SafetensorsTest, PartsOfAnArrayAreTensorsWithoutWhatLiesBetweenThem) {
  const TemporaryDirectory folder;
  const fs::path path = folder.path() / "a";
  PartedData data;
  data.fill();
  std::vector<double> wide = {0.5, 0.25};
  const std::uint32_t written =
      write_safetensors(path, {data.tensor(), tensor_ref("wide", wide.data(), {2})});
  EXPECT_EQ(written, crc32c(file_text(path)));
  const SafetensorsFile file(path);
  EXPECT_EQ(file.names(),
            (std::vector<std::string>{"net.bias", "net.pairs", "net.weight", "wide"}));
  const auto values = [&](const std::string& name, std::vector<std::int64_t> shape,
                          std::size_t size) {
    std::vector<float> found(size);
    file.read_into(tensor_ref(name, found.data(), std::move(shape)));
    return found;
  };
  EXPECT_EQ(values("net.weight", {2, 3}, 6), (std::vector<float>{1, 2, 3, 5, 6, 7}));
  EXPECT_EQ(values("net.bias", {2}, 2), (std::vector<float>{9, 10}));
  EXPECT_EQ(values("net.pairs", {3}, 3), (std::vector<float>{12, 15, 18}));
  EXPECT_EQ(fs::file_size(path), file.header().size() + 2 * 8 + 11 * 4);

  PartedData other;
  other.array.assign(20, 7.0f);
  file.read_into(other.tensor());
  EXPECT_EQ(other.array, data.array) << "zero between the parts";
}

TEST(SafetensorsTest, AnArrayThatWasWrittenWholeIsReadWhole) {
  const TemporaryDirectory folder;
  PartedData data;
  data.array.assign(20, 3.0f);
  write_safetensors(folder.path() / "a", {tensor_ref("net", data.array.data(), {20})});
  PartedData other;
  SafetensorsFile(folder.path() / "a").read_into(other.tensor());
  EXPECT_EQ(other.array, data.array);
}

TEST(SafetensorsTest, WhatIsWrongWithAPartIsNamed) {
  const TemporaryDirectory folder;
  PartedData data;
  data.fill();
  data.array[6] = std::numeric_limits<float>::infinity();
  write_safetensors(folder.path() / "a", {data.tensor()});
  const SafetensorsFile file(folder.path() / "a");
  EXPECT_THAT(error_text<DataError>(
                  [&] { file.read_into(data.tensor(), SafetensorsFile::Values::kFinite); }),
              HasSubstr("a: net.weight holds inf; expected finite numbers alone"));
  TensorRef other = data.tensor();
  other.parts[1].shape = {3};
  EXPECT_THAT(error_text<DataError>([&] { file.read_into(other); }),
              HasSubstr("net.bias is [2], this run expects [3]"));
  other.parts[1].name = "net.bent";
  EXPECT_THAT(error_text<DataError>([&] { file.read_into(other); }),
              HasSubstr("has no tensor net.bent, which this run expects"));

  // a part that reaches beyond its array, by one value each
  const auto refused = [&](const TensorPart& part) {
    TensorRef tensor = data.tensor();
    tensor.parts[0] = part;
    return error_text<ShapeError>([&] { write_safetensors(folder.path() / "b", {tensor}); });
  };
  EXPECT_EQ(refused({.name = "x", .shape = {4, 5}, .row_step = 5}), "");
  EXPECT_THAT(refused({.name = "x", .shape = {4, 5}, .offset = 1, .row_step = 5}),
              HasSubstr("x [4, 5] does not lie within net [20]"));
  EXPECT_NE(refused({.name = "x", .shape = {21}}), "");
  EXPECT_NE(refused({.name = "x", .shape = {7}, .offset = 2, .step = 3}), "");
  EXPECT_NE(refused({.name = "x", .shape = {1, 1, 1}}), "");
  EXPECT_NE(refused({.name = "x", .shape = {0}}), "");
  EXPECT_NE(refused({.name = "x", .shape = {1}, .offset = -1}), "");
  EXPECT_THAT(refused({.name = "net.bias", .shape = {2}}),
              HasSubstr("the name net.bias is used twice"));
}

}  // namespace
}  // namespace mbrl
