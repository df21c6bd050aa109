/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <gnu/libc-version.h>
#include <stdio.h>
#include <time.h>

int main(void)
{
    time_t now = time(NULL);
    printf("hello from C: glibc %s, %d-bit pointers, the clock %s\n", gnu_get_libc_version(),
           (int)sizeof(void *) * 8, now > 0 ? "goes" : "stands still");
    return 0;
}
