/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <zlib.h>

int main(void)
{
    unsigned long sum = crc32(0, (const Bytef *)"123456789", 9);

    printf("hello from Meson: crc32 %08lx\n", sum);
    return sum != 0xcbf43926;
}
