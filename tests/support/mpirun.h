// Starts ranks of the program, where there is an mpirun and the program knows MPI.
#pragma once

#include <cstdlib>
#include <string>

namespace mbrl {

/// Why ranks cannot be started here; "" if they can.
inline std::string no_ranks_reason() {
  if (std::system("command -v mpirun >/dev/null") != 0) return "there is no mpirun";
  if (std::system("'" MBRL_PROGRAM "' doctor | grep -q '^MPI  *none'") == 0)
    return "the program was built without MPI";
  return "";
}

/// Words of a shell that start so many ranks of what follows: on any number of cores, as root and as
/// others, without a network.
inline std::string mpirun(int num_ranks) {
  return "OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_btl=self,vader "
         "OMPI_MCA_plm_rsh_agent=false OMPI_MCA_odls_base_sigkill_timeout=1 "
         "mpirun --allow-run-as-root --oversubscribe --bind-to none -n " +
         std::to_string(num_ranks) + " ";
}

}  // namespace mbrl
