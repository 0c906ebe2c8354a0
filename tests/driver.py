"""A stand-in for the libraries of the NVIDIA driver, which a C compiler makes of a few lines.

What it tells is read from the environment: STAND_IN_GPUS has a line for each GPU, `name;major;
minor;MiB`, STAND_IN_INIT the result of `cuInit` and STAND_IN_CUDA the version of CUDA.
"""

import shutil
import subprocess

import pytest

SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct { char name[64]; int major, minor; unsigned long long mib; } gpus[8];
static int count = -1;

static int number(const char *variable, int otherwise) {
  const char *text = getenv(variable);
  return text ? atoi(text) : otherwise;
}

int cuInit(unsigned flags) {
  const char *line = getenv("STAND_IN_GPUS");
  for (count = 0; line && *line && count < 8; count++) {
    sscanf(line, "%63[^;];%d;%d;%llu",
           gpus[count].name, &gpus[count].major, &gpus[count].minor, &gpus[count].mib);
    line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL;
  }
  return flags ? 1 : number("STAND_IN_INIT", 0);
}

int cuDriverGetVersion(int *version) { *version = number("STAND_IN_CUDA", 12080); return 0; }
int cuDeviceGetCount(int *found) { *found = count; return count < 0 ? 3 : 0; }
int cuDeviceGet(int *device, int ordinal) { *device = 100 + ordinal; return ordinal >= count; }

int cuDeviceGetName(char *name, int bytes, int device) {
  snprintf(name, bytes, "%s", gpus[device - 100].name);
  return 0;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
  *value = attribute == 75 ? gpus[device - 100].major : gpus[device - 100].minor;
  return attribute != 75 && attribute != 76;
}

int cuDeviceTotalMem_v2(size_t *bytes, int device) {
  *bytes = gpus[device - 100].mib << 20;
  return 0;
}

int cuGetErrorString(int code, const char **text) {
  *text = code == 802 ? "system not yet initialized" : NULL;
  return code == 802 ? 0 : 1;
}

int nvmlInit_v2(void) { return 0; }

int nvmlSystemGetDriverVersion(char *version, unsigned bytes) {
  snprintf(version, bytes, "570.86.16");
  return 0;
}
"""
NAMES = {
    "3.5": "Tesla K40m",
    "7.5": "Tesla T4",
    "8.9": "NVIDIA GeForce RTX 4090",
    "9.0": "NVIDIA H100 80GB HBM3",
    "12.0": "NVIDIA GeForce RTX 5090",
}
MIB = 24576


def make_driver(folder):
    """Compile the two libraries of the driver in a folder; skip the test without a compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    library = folder / "libcuda.so.1"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-x", "c", "-o", library, "-"],
        input=SOURCE.encode(),
        check=True,
    )
    shutil.copy(library, folder / "libnvidia-ml.so.1")
    return folder


def rows(*capabilities):
    """What STAND_IN_GPUS is for GPUs of these compute capabilities, such as 7.5."""
    return "\n".join(f"{NAMES[c]};{c.replace('.', ';')};{MIB}" for c in capabilities)
