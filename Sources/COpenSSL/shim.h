// OpenSSL 3.0. Many of its functions are macros over SSL_ctrl and friends, which Swift cannot see: one inline function each.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

static inline int gh_SSL_CTX_set_min_proto_version(SSL_CTX *context, int version) { return (int)SSL_CTX_set_min_proto_version(context, version); }
static inline long gh_SSL_CTX_set_mode(SSL_CTX *context, long mode) { return SSL_CTX_set_mode(context, mode); }
static inline void gh_SSL_CTX_set_read_ahead(SSL_CTX *context, int on) { SSL_CTX_set_read_ahead(context, on); }
static inline long gh_SSL_set_tlsext_host_name(SSL *ssl, const char *name) { return SSL_set_tlsext_host_name(ssl, name); }

// TLS. The SSL_OP_* bits are built by a function-like macro.
static const uint64_t gh_SSL_OP_NO_RENEGOTIATION = SSL_OP_NO_RENEGOTIATION;
static const uint64_t gh_SSL_OP_NO_COMPRESSION = SSL_OP_NO_COMPRESSION;
static const uint64_t gh_SSL_OP_NO_TICKET = SSL_OP_NO_TICKET;
static const uint64_t gh_SSL_OP_CIPHER_SERVER_PREFERENCE = SSL_OP_CIPHER_SERVER_PREFERENCE;
static const uint64_t gh_SSL_OP_PRIORITIZE_CHACHA = SSL_OP_PRIORITIZE_CHACHA;
static inline long gh_SSL_CTX_set_session_cache_mode(SSL_CTX *context, long mode) { return SSL_CTX_set_session_cache_mode(context, mode); }
static inline long gh_SSL_CTX_set1_groups_list(SSL_CTX *context, const char *groups) { return SSL_CTX_set1_groups_list(context, groups); }
static inline void gh_SSL_CTX_set_servername_callback(SSL_CTX *context, int (*callback)(SSL *, int *, void *), void *argument) {
  SSL_CTX_set_tlsext_servername_callback(context, callback);
  SSL_CTX_set_tlsext_servername_arg(context, argument);
}

// A file to be read, of `most` bytes at most; NULL with errno, ESPIPE for what is no regular file, EFBIG for one that is too large. Opening
// waits for nobody: a named pipe would keep its reader for ever, and a device might never end.
static inline BIO *gh_BIO_new_regular_file(const char *path, long long most) {
  int descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) return NULL;
  struct stat status;
  int fault = fstat(descriptor, &status) != 0 ? errno : !S_ISREG(status.st_mode) ? ESPIPE : status.st_size > most ? EFBIG : 0;
  FILE *file = fault == 0 ? fdopen(descriptor, "r") : NULL;
  if (file == NULL) {
    if (fault == 0) fault = errno;
    close(descriptor);
    errno = fault;
    return NULL;
  }
  BIO *bio = BIO_new_fp(file, BIO_CLOSE);
  if (bio == NULL) {
    fclose(file);
    errno = ENOMEM;
  }
  return bio;
}
