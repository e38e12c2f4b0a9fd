// Tests for host/cli/report_page.{h,cpp}.
#include "host/cli/report_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "host/algo/keys_read.h"
#include "host/config/print.h"
#include "tests/support/error_text.h"
#include "tests/support/html.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kHeader =
    "env_steps,epoch,wall_time_s,eval_return_mean,eval_return_std,eval_broken,critic_loss,alpha,"
    "train_return,real_replay_size,num_updates,model_loss,model_validation_loss,rollout_length\n";

class ReportPageTest : public testing::Test {
 protected:
  // a run as the program leaves it, with `num_rows` evaluations
  fs::path add(const std::string& name, const Config& config = {}, int num_rows = 3,
               const std::string& summary = "done") {
    const fs::path run = folder_.path() / name;
    fs::create_directories(run);
    write_text(run / "config.json", config_json_text(config, keys_read(config)));
    write_text(run / "machine.json",
               R"({"host": "a<b>", "cpu": "C & D \"E\"", "memory": "8 GiB"})");
    write_text(run / "command.txt", "mbrl_gpu run 'a<b>.json' seed=1\n");
    std::string metrics = kHeader, evaluations = "env_steps,episode,return,length\n";
    for (int i = 1; i <= num_rows; ++i) {
      metrics += std::to_string(1000 * i) + ",1,2.5," + std::to_string(10 * i) +
                 ",1,0,0.5,,30,1000,20000,-1.5,0.25,1\n";
      for (int k = 0; k < 3; ++k)
        evaluations += std::to_string(1000 * i) + "," + std::to_string(k) + "," +
                       std::to_string(10 * i + k - 1) + ",5\n";
    }
    write_text(run / "metrics.csv", metrics);
    write_text(run / "evaluations.csv", evaluations);
    if (!summary.empty()) {
      nlohmann::ordered_json json{{"status", summary},
                                  {"env_steps", 1000 * num_rows},
                                  {"wall_time_s", 100.0},
                                  {"updates_per_s", 312.5},
                                  {"stage_seconds", {{"sac", 60.0}, {"model_fit", 30.0}}}};
      if (summary == "diverged" || summary == "failed")
        json["error"] = "env step 5: sac: loss is nan <&>. \"Lower\" it.";
      write_text(run / "summary.json", json.dump());
    }
    return run;
  }
  std::string page(const std::vector<std::string>& arguments) {
    testing::internal::CaptureStderr();
    const std::string html = report_page(arguments);
    testing::internal::GetCapturedStderr();
    EXPECT_THAT(html_problems(html), IsEmpty());
    return html;
  }
  std::string page() { return page({folder_.path().string()}); }

  TemporaryDirectory folder_;
};

TEST_F(ReportPageTest, ARunIsToldFromItsConfigToItsEpisodes) {
  Config config;
  config.sac.learning_rate = 1e-4f;
  add("seed-0", config);
  const std::string html = page({"my run=" + (folder_.path() / "seed-0").string()});
  EXPECT_THAT(html, HasSubstr("<title>mbrl_gpu: my run</title>"));
  EXPECT_THAT(html, HasSubstr("<code>sac.learning_rate</code></td><td><span>0.0003</span></td>"
                              "<td><strong>0.0001</strong></td>"));
  for (const char* title : {"Returns", "What differs from the defaults", "Policy", "Model",
                            "Schedules", "Episodes of evaluations", "Time by stage", "Machine"})
    EXPECT_THAT(html, HasSubstr(std::string("<h2>") + title + "</h2>"));
  // last, best, mean of the last five
  EXPECT_THAT(html, HasSubstr("<td class=\"number\">30.0</td><td class=\"number\">30.0</td>"
                              "<td class=\"number\">20.0</td>"));
  EXPECT_THAT(html, HasSubstr("worst to best: 29.0, 30.0, 31.0"));
  EXPECT_THAT(html, HasSubstr("<span>sac</span><div class=\"bar\" style=\"width:60.0%\"></div>"));
  EXPECT_THAT(html, HasSubstr("<span>other</span><div class=\"bar\" style=\"width:10.0%\"></div>"));
  EXPECT_THAT(html, HasSubstr("mean over the elites of their holdout error"));
  EXPECT_THAT(html, HasSubstr("C &amp; D &quot;E&quot;"));
  EXPECT_THAT(html, HasSubstr("<pre>mbrl_gpu run &#39;a&lt;b&gt;.json&#39; seed=1</pre>"));
  // returns 3, policy 1 (alpha was never measured), model 2, schedules 3, episodes 1
  std::size_t count = 0;
  for (std::size_t at = 0; (at = html.find("<figure>", at)) != std::string::npos; ++at) ++count;
  EXPECT_EQ(count, 10u);
}

TEST_F(ReportPageTest, NamesAndErrorsAreText) {
  add("a <b> & \"c\", caf\xc3\xa9/seed-0", {}, 3, "diverged");
  const std::string html = page({"<x> & 'y'=" + folder_.path().string()});
  EXPECT_THAT(html, HasSubstr("<title>mbrl_gpu: &lt;x&gt; &amp; &#39;y&#39;</title>"));
  EXPECT_THAT(html, HasSubstr("loss is nan &lt;&amp;&gt;. &quot;Lower&quot; it."));
  EXPECT_THAT(html, HasSubstr("<span class=\"bad\">diverged</span>"));
  const std::string folder = (folder_.path() / "a <b> & \"c\", caf\xc3\xa9").string();
  EXPECT_THAT(page({folder}), HasSubstr("a &lt;b&gt; &amp; &quot;c&quot;, caf\xc3\xa9"));
}

TEST_F(ReportPageTest, RunsThatGoOnOrAreEmptyAreShownAsFarAsTheyAre) {
  add("seed-0", {}, 2, "");
  add("seed-1", {}, 0, "");
  EXPECT_THAT(page(), HasSubstr("going on, or killed"));
  const std::string empty = page({(folder_.path() / "seed-1").string()});
  EXPECT_THAT(empty, AllOf(HasSubstr("No evaluation yet."), Not(HasSubstr("<figure>"))));
}

TEST_F(ReportPageTest, ValuesThatAreNotFiniteAreGaps) {
  const fs::path run = add("seed-0");
  write_text(run / "metrics.csv",
             "env_steps,eval_return_mean,critic_loss,alpha\n1000,nan,1,\n2000,5,inf,\n3000,6,-nan,"
             "\n4000,7,2,");  // the last row is cut off
  write_text(run / "evaluations.csv",
             "env_steps,episode,return,length\n1000,0,nan,5\n2000,0,5,5\n2000,1,7\n30");
  const std::string html = page();
  EXPECT_THAT(html, AllOf(HasSubstr("worst to best: 5.0, 7.0"), Not(HasSubstr(">nan<")),
                          Not(HasSubstr("inf"))));
}

TEST_F(ReportPageTest, DamagedFilesAreNamedOnThePage) {
  const fs::path run = add("seed-0");
  write_text(run / "summary.json", "{\"status\": ");
  write_text(run / "machine.json", "[]");
  EXPECT_THAT(page(), AllOf(HasSubstr("summary.json"), HasSubstr("machine.json is no object"),
                            Not(HasSubstr("<h2>Machine</h2>"))));
  write_text(run / "metrics.csv", "env_steps,eval_return_mean\n2000,5\n1000,6\n");
  EXPECT_THAT(page(), HasSubstr("expected rising steps"));
}

TEST_F(ReportPageTest, ATableAloneIsAnArmWithoutAConfig) {
  write_text(folder_.path() / "seed-3.csv", "env_steps,eval_return_mean\n1000,5\n2000,6\n");
  const std::string html = page();
  EXPECT_THAT(html, AllOf(HasSubstr("seed-3.csv"), HasSubstr("no config.json tells"),
                          HasSubstr("<figure>")));
}

TEST_F(ReportPageTest, ArmsStandBesideEachOtherAndSeedsInTheirOrder) {
  Config slow, fast;
  slow.sac.learning_rate = 1e-4f;
  fast.sac.learning_rate = 1e-3f;
  add("slow/seed-10", slow);
  add("slow/seed-9", slow);
  add("fast/seed-0", fast);
  const auto at = [&](const char* name) { return "=" + (folder_.path() / name).string(); };
  const std::string html = page({"one" + at("slow"), "two" + at("fast")});
  EXPECT_THAT(html, HasSubstr("<tr><th>key</th><th>default</th><th>one</th><th>two</th></tr>"));
  EXPECT_THAT(html, HasSubstr("<strong>0.0001</strong></td><td><strong>0.001</strong>"));
  EXPECT_LT(html.find("<span class=\"word\">seed-9<"), html.find("<span class=\"word\">seed-10<"));
  EXPECT_THAT(html, HasSubstr("band from the lowest to the highest"));
  // one folder of two configs is two arms
  EXPECT_THAT(page(), HasSubstr("sac.learning_rate=0.001"));
}

TEST_F(ReportPageTest, AnAutoMbpoRunShowsItsStagesAndItsEvaluation) {
  Config config;
  config.algorithm = "autombpo";
  const fs::path run = add("search", config, 0, "stopped");
  fs::remove(run / "metrics.csv");
  add("search/episodes/0000");
  const std::string begun = page({run.string()});
  EXPECT_THAT(begun, AllOf(HasSubstr("No stage is complete yet"), HasSubstr("stopped"),
                           Not(HasSubstr("0000"))));
  write_text(
      run / "stages.csv",
      "group,stage,num_episodes,mean_return,final_return,baseline_return,real_ratio,entropy\n"
      "0,0,2,10,11,12,0.5,null\n0,1,2,13,14,15,0.25,0.5\n");
  const fs::path tested = add("search/evaluation/seed-1000");
  write_text(tested / "decisions.csv",
             "env_steps,samples,real_ratio,fit_model\n1000,0.1,0.5,1\n2000,0.2,0.25,0\n");
  const std::string html = page({"search=" + folder_.path().string()});
  EXPECT_THAT(html, AllOf(HasSubstr("<h2>Stages of search</h2>"), HasSubstr("baseline_return"),
                          HasSubstr(", evaluation"), HasSubstr("seed-1000"),
                          HasSubstr("share of real rows in a policy batch from here on"),
                          Not(HasSubstr(">0000<"))));
}

TEST_F(ReportPageTest, NothingThereIsAnError) {
  EXPECT_THAT(error_text<DataError>([&] { report_page({folder_.path().string()}); }),
              HasSubstr("holds no metrics.csv or seed-*.csv"));
}

// what a browser of this machine says of a page; "" where there is none
std::string chromium() {
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"})
    if (std::system((std::string("command -v ") + name + " >/dev/null 2>&1").c_str()) == 0)
      return name;
  return "";
}

TEST_F(ReportPageTest, ABrowserTakesItWithoutAWordAndWithoutScrollingSideways) {
  const std::string browser = chromium();
  if (browser.empty()) GTEST_SKIP() << "no chromium on this machine";
  Config config;
  config.sac.learning_rate = 1e-4f;
  add("run/seed-0", config);
  add("run/seed-1", config, 2, "failed");
  write_text(folder_.path() / "report.html", page({(folder_.path() / "run").string()}));
  // phones are narrower than the browser's smallest window: a frame
  for (const int width : {390, 1280}) {
    folder_.write(
        "frame.html",
        "<!DOCTYPE html><html><body style=\"margin:0\"><iframe id=\"f\" src=\"report.html\" "
        "style=\"border:0\" width=\"" +
            std::to_string(width) +
            "\" height=\"900\"></iframe><p id=\"p\"></p><script>"
            "document.getElementById('f').onload = (e) => {"
            "  const d = e.target.contentDocument.documentElement;"
            "  document.getElementById('p').textContent ="
            "      'beyond the edge: ' + (d.scrollWidth - d.clientWidth);"
            "};</script></body></html>");
    const std::string command =
        "cd '" + folder_.path().string() + "' && HOME=$PWD timeout 300 " + browser +
        " --headless=new --no-sandbox --disable-gpu --allow-file-access-from-files "
        "--enable-logging=stderr --virtual-time-budget=5000 --window-size=1400,1000 --dump-dom "
        "\"file://$PWD/frame.html\" > dom.txt 2> log.txt";
    ASSERT_EQ(std::system(command.c_str()), 0) << file_text(folder_.path() / "log.txt");
    EXPECT_THAT(file_text(folder_.path() / "dom.txt"), HasSubstr("beyond the edge: 0<")) << width;
    EXPECT_THAT(file_text(folder_.path() / "log.txt"), Not(HasSubstr("CONSOLE")));
  }
}

}  // namespace
}  // namespace mbrl
