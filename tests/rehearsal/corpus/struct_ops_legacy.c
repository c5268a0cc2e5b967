/* A congestion control as it was registered before there were links for that: not to be read by the loader. */
#define REGISTERED ".struct_ops"
#include "struct_ops.h"
