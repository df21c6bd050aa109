/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client [HOST:PORT]: asks a server for / over TLS; without a name, only sets everything up. */
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

static int ask(SSL_CTX *context, const char *server)
{
    char answer[256];
    int count;
    BIO *connection = BIO_new_ssl_connect(context);

    BIO_set_conn_hostname(connection, server);
    if (BIO_do_connect(connection) <= 0)
        return 1;
    BIO_puts(connection, "GET / HTTP/1.0\r\n\r\n");
    count = BIO_read(connection, answer, sizeof answer - 1);
    if (count <= 0)
        return 1;
    answer[count] = '\0';
    puts(answer);
    BIO_free_all(connection);
    return 0;
}

int main(int argc, char **argv)
{
    static const char text[] = "the quick brown fox jumps over the lazy dog, again and again and again";
    unsigned char packed[256], digest[EVP_MAX_MD_SIZE], noise[16];
    unsigned int length = 0;
    uLongf size = sizeof packed;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    if (!context || RAND_bytes(noise, sizeof noise) != 1)
        return 1;
    if (!EVP_Digest(text, strlen(text), digest, &length, EVP_sha256(), NULL))
        return 1;
    if (compress(packed, &size, (const Bytef *)text, sizeof text) != Z_OK)
        return 1;
    printf("hello from %s: sha256 begins %02x%02x; zlib %s made %lu bytes of %lu\n",
           OpenSSL_version(OPENSSL_VERSION), digest[0], digest[1], zlibVersion(),
           (unsigned long)size, (unsigned long)sizeof text);
    if (argc > 1 && ask(context, argv[1]))
        return 1;
    SSL_CTX_free(context);
    return 0;
}
