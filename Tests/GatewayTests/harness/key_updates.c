// Changes its keys so many times, all of it made before any of it is sent, asks behind that for a page, and prints what comes.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int count, char **words) {
  if (count != 3) return 2;
  int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(descriptor, (struct sockaddr *)&address, sizeof address)) return 3;
  SSL *ssl = SSL_new(SSL_CTX_new(TLS_client_method()));
  SSL_set_tlsext_host_name(ssl, "api.example.com");
  SSL_set_fd(ssl, descriptor);
  if (SSL_connect(ssl) != 1) return 4;
  BIO *memory = BIO_new(BIO_s_mem());
  SSL_set0_wbio(ssl, memory);
  for (int index = 0; index < atoi(words[2]); index++)
    if (SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1 || SSL_do_handshake(ssl) != 1) return 5;
  static const char request[] = "GET /public/updated HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n";
  if (SSL_write(ssl, request, sizeof request - 1) <= 0) return 6;
  char *start;
  long rest = BIO_get_mem_data(memory, &start);
  while (rest > 0) {
    ssize_t sent = send(descriptor, start, rest, MSG_NOSIGNAL);
    if (sent <= 0) return 0;
    start += sent;
    rest -= sent;
  }
  char answer[4096];
  for (int size; (size = SSL_read(ssl, answer, sizeof answer)) > 0;) fwrite(answer, 1, size, stdout);
  return 0;
}
