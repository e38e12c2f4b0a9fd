#include "host/run/run_log.h"

#include <fcntl.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "base/error.h"
#include "host/io/output_file.h"

namespace mbrl {

RunLog::RunLog(const std::filesystem::path& file, bool append, bool to_console) : file_(file) {
  std::shared_ptr<spdlog::sinks::basic_file_sink_mt> to_file;
  try {
    to_file =
        std::make_shared<spdlog::sinks::basic_file_sink_mt>(file.string(), /*truncate=*/!append);
  } catch (const spdlog::spdlog_ex& error) {
    throw DataError(std::string(error.what()) + ". Choose another place with " + folder_option() +
                    ".");
  }
  to_file->set_pattern("%Y-%m-%d %H:%M:%S %l %v");
  logger_ = std::make_shared<spdlog::logger>("mbrl", to_file);
  file_only_ = std::make_shared<spdlog::logger>("mbrl", to_file);
  if (to_console) {
    logger_->sinks().push_back(std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger_->sinks().back()->set_pattern("%H:%M:%S %v");
  }
  for (const auto& logger : {logger_, file_only_}) logger->flush_on(spdlog::level::info);
}

void RunLog::info(const std::string& text) { logger_->info(text); }
void RunLog::warn(const std::string& text) { logger_->warn("warning: " + text); }
void RunLog::note(const std::string& text) { file_only_->info(text); }
void RunLog::record_error(const std::string& text) { file_only_->error(text); }

void RunLog::sync() {
  const int fd = ::open(file_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace mbrl
