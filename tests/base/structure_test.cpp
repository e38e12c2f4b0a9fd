// Tests of the tree itself: includes go down the picture of the folders in README.md, nothing of the
// product includes a test, no two purposes of random draws share a number, and links of documents
// lead to files and headings that exist.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace mbrl {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = MBRL_SOURCE_DIR;

std::string text_of(const fs::path& file) {
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

bool is_source(const fs::path& file) {
  const std::string end = file.extension();
  return end == ".h" || end == ".cpp" || end == ".cu" || end == ".cuh";
}

// sources of the product, relative to the root
std::vector<fs::path> product_sources() {
  std::vector<fs::path> files;
  for (const char* folder : {"base", "cuda", "kernels", "envs", "host"})
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder))
      if (entry.is_regular_file() && is_source(entry.path()))
        files.push_back(fs::relative(entry.path(), kRoot));
  return files;
}

/// The picture: what is drawn, and in which row and room.
struct Place {
  int row;   // 0 at the top
  int room;  // folders joined by a plus sign share one
};
using Picture = std::map<std::string, Place>;

// the lines of README.md's block that begins with host/main.cpp; a line names folders (or files)
// before its description
Picture drawn() {
  std::istringstream readme(text_of(kRoot / "README.md"));
  Picture picture;
  bool inside = false;
  int row = 0, room = 0;
  for (std::string line; std::getline(readme, line);) {
    if (line.starts_with("host/main.cpp")) inside = true;
    if (!inside) continue;
    if (line.starts_with("```")) break;
    std::istringstream words(line);
    bool joined = false;
    for (std::string word; words >> word && (word == "+" || fs::exists(kRoot / word));) {
      if (word != "+") picture[word] = {row, joined ? room : ++room};
      joined = word == "+";
    }
    ++row;
  }
  return picture;
}

// what is drawn and holds the path: the longest that is its beginning; "" if nothing does
std::string drawn_folder(const Picture& picture, const std::string& path) {
  std::string best;
  for (const auto& [folder, place] : picture)
    if ((path == folder || path.starts_with(folder + "/")) && folder.size() > best.size())
      best = folder;
  return best;
}

// violations of the drawn order by one file
std::vector<std::string> wrong_includes(const Picture& picture, const std::string& path,
                                        const std::string& text) {
  static const std::regex kInclude("(^|\n)#include \"([^\"]+)\"");
  std::vector<std::string> wrong;
  const std::string from = drawn_folder(picture, path);
  for (std::sregex_iterator it(text.begin(), text.end(), kInclude), end; it != end; ++it) {
    const std::string included = (*it)[2];
    const std::string to = drawn_folder(picture, included);
    if (included.find('/') == std::string::npos) continue;  // made by the build
    const bool down =
        !from.empty() && !to.empty() &&
        (picture.at(from).room == picture.at(to).room || picture.at(from).row < picture.at(to).row);
    if (!down) wrong.push_back(path + " includes " + included);
  }
  return wrong;
}

TEST(StructureTest, EveryFolderOfTheProductIsDrawn) {
  const Picture picture = drawn();
  EXPECT_GT(picture.size(), 15u);
  std::set<std::string> absent;
  for (const fs::path& file : product_sources())
    if (drawn_folder(picture, file.string()).empty()) absent.insert(file.parent_path().string());
  EXPECT_THAT(absent, testing::IsEmpty());
}

TEST(StructureTest, IncludesGoDownThePicture) {
  const Picture picture = drawn();
  std::vector<std::string> wrong;
  for (const fs::path& file : product_sources())
    for (const std::string& text : wrong_includes(picture, file.string(), text_of(kRoot / file)))
      wrong.push_back(text);
  EXPECT_THAT(wrong, testing::IsEmpty());
}

TEST(StructureTest, AnIncludeThatGoesUpOrToATestIsReported) {
  const Picture picture = drawn();
  EXPECT_THAT(wrong_includes(picture, "base/rng.h", "#include \"base/hd.h\"\n"),
              testing::IsEmpty());
  EXPECT_THAT(
      wrong_includes(picture, "base/rng.h", "#include <vector>\n#include \"cuda/stream.h\"\n"),
      testing::ElementsAre("base/rng.h includes cuda/stream.h"));
  EXPECT_THAT(
      wrong_includes(picture, "host/run/run.cpp", "\n#include \"tests/support/matchers.h\"\n"),
      testing::ElementsAre("host/run/run.cpp includes tests/support/matchers.h"));
  EXPECT_THAT(wrong_includes(picture, "kernels/gpu/block_mlp.cuh",
                             "#include \"kernels/stages/sac/sac_update.h\"\n"),
              testing::SizeIs(1));
}

TEST(StructureTest, TheReadingPathCountsItsScreensHonestly) {
  constexpr int kLinesOfAScreen = 50;
  static const std::regex kFile("`([a-z_/]+\\.(cpp|cu|h))`");
  std::istringstream readme(text_of(kRoot / "README.md"));
  int num_rows = 0;
  bool inside = false;
  for (std::string line; std::getline(readme, line);) {
    if (line.starts_with("| read | for | screens |")) inside = true;
    if (!inside) continue;
    if (line.empty()) break;
    long lines = 0;
    for (std::sregex_iterator it(line.begin(), line.end(), kFile), end; it != end; ++it) {
      const std::string text = text_of(kRoot / (*it)[1].str());
      EXPECT_FALSE(text.empty()) << (*it)[1];
      lines += std::count(text.begin(), text.end(), '\n');
    }
    if (lines == 0) continue;  // the head of the table
    ++num_rows;
    const std::size_t last = line.rfind('|'), before = line.rfind('|', last - 1);
    const int screens = std::stoi(line.substr(before + 1, last - before - 1));
    EXPECT_NEAR(screens, static_cast<double>(lines) / kLinesOfAScreen, 1.0) << line;
  }
  EXPECT_GT(num_rows, 4);
}

TEST(StructureTest, EveryPurposeOfRandomDrawsHasItsOwnNumber) {
  static const std::regex kPurpose("constexpr Purpose (k\\w+)\\{(\\d+)\\}");
  std::map<int, std::string> names;
  for (const fs::path& file : product_sources()) {
    const std::string text = text_of(kRoot / file);
    for (std::sregex_iterator it(text.begin(), text.end(), kPurpose), end; it != end; ++it) {
      const auto [at, is_new] = names.emplace(std::stoi((*it)[2]), (*it)[1]);
      EXPECT_TRUE(is_new) << at->second << " and " << (*it)[1] << " are both " << at->first;
    }
  }
  EXPECT_GT(names.size(), 15u);
}

// a wait for the whole device makes learners wait for each other, and breaks the graph that one of them
// records; a plain cudaMemcpy waits in a stream where nobody works
TEST(StructureTest, NothingWaitsForTheWholeDevice) {
  for (const fs::path& file : product_sources())
    EXPECT_FALSE(std::regex_search(
        text_of(kRoot / file),
        std::regex("cudaDeviceSynchronize|cuCtxSynchronize|cudaMemcpy\\(|cudaStreamLegacy")))
        << file;
}

// what a heading is called in a link: its words in lower case, joined by dashes
std::string anchor_of(const std::string& heading) {
  std::string anchor;
  for (const char c : heading) {
    if (c == ' ') anchor += '-';
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_')
      anchor += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return anchor;
}

std::set<std::string> anchors_of(const fs::path& page) {
  std::istringstream text(text_of(page));
  std::set<std::string> anchors;
  bool is_code = false;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("```")) is_code = !is_code;
    if (!is_code && line.starts_with('#'))
      anchors.insert(anchor_of(line.substr(line.find_first_not_of("# "))));
  }
  return anchors;
}

// links of a page that lead nowhere
std::vector<std::string> broken_links(const fs::path& page) {
  static const std::regex kLink("\\]\\(([^)\\s]+)\\)");
  const std::string text = text_of(page);
  std::vector<std::string> broken;
  for (std::sregex_iterator it(text.begin(), text.end(), kLink), end; it != end; ++it) {
    const std::string link = (*it)[1];
    if (link.find("://") != std::string::npos) continue;
    const std::size_t hash = link.find('#');
    const fs::path target = hash == 0 ? page : page.parent_path() / link.substr(0, hash);
    if (!fs::exists(target) ||
        (hash != std::string::npos && !anchors_of(target).contains(link.substr(hash + 1))))
      broken.push_back(page.lexically_relative(kRoot).string() + " -> " + link);
  }
  return broken;
}

TEST(StructureTest, LinksOfDocumentsLeadSomewhere) {
  EXPECT_EQ(anchor_of("AutoMBPO's experiments"), "autombpos-experiments");
  EXPECT_EQ(anchor_of("mbpo_newest"), "mbpo_newest");
  int num_pages = 0;
  std::vector<std::string> broken;
  for (fs::recursive_directory_iterator it(kRoot), end; it != end; ++it) {
    const std::string name = it->path().filename();
    if (it->is_directory() && (name.starts_with('.') || name == "build" || name == "runs"))
      it.disable_recursion_pending();
    if (it->path().extension() != ".md") continue;
    ++num_pages;
    for (std::string& link : broken_links(it->path())) broken.push_back(std::move(link));
  }
  EXPECT_THAT(broken, testing::IsEmpty());
  EXPECT_GT(num_pages, 15);
}

}  // namespace
}  // namespace mbrl
