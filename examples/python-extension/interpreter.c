/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The smallest Python: what /usr/bin/python3 of the device is, linked with the shared library. */
#include <Python.h>

int main(int argc, char **argv)
{
    return Py_BytesMain(argc, argv);
}
