// Stop signals: the first asks for a clean stop with a checkpoint, a second SIGINT ends at once.
#pragma once

namespace mbrl {

/// SIGINT and SIGTERM ask for a stop. SIGPIPE and SIGXFSZ are ignored, so that a reader that went
/// away or a size limit is an error code where it happens.
void install_signal_handlers();

bool stop_requested();
void request_stop();
void clear_stop();

}  // namespace mbrl
