/* A congestion control of TCP: a struct of the kernel's whose functions are BPF programs. */
#define REGISTERED ".struct_ops.link"
#include "struct_ops.h"
