/// The files of `Routes/`, for a demo that runs outside a checkout. A test holds the two to be the same.
package enum ExampleRoutes {
  package static let files: [(name: String, text: String)] = [
    (
      "gateway.yaml",
      #"""
      # Where the gateway listens, and how it vouches for users to the backends.
      #
      # Every *.yaml in this directory is read and merged. Paths are relative to the file that holds them. `${NAME:-default}` is
      # taken from the environment, so that these same files serve `gatehouse demo`, docker compose and a first deployment.
      # After an edit: `gatehouse check --config Routes`, then send the running gateway SIGHUP.

      listeners:
        - name: public
          address: ${EDGE_ADDRESS:-127.0.0.1:8443}
          tls:
            certificates:                          # chosen by the name the client asks for; the first is the default
              - { certificate: ../Certs/edge.crt, key: ../Certs/edge.key }
          limits: { connections: 10000 }

      # For operators, never for the internet: health, metrics, the public keys of internal tokens.
      admin:
        address: ${ADMIN_ADDRESS:-127.0.0.1:9901}

      # The token that backends get instead of the client's. It lives a minute, names one backend, and is bound to the client
      # certificate that the gateway shows that backend.
      internal_token:
        issuer: https://gateway.internal
        ttl: 60s
        claims: [sub, scope, roles, tenant]        # copied from the access token when it has them
        signing_keys:
          - { kid: development, algorithm: ES256, key: ../Certs/internal-token.key, state: active }

      """#
    ),
    (
      "identity.yaml",
      #"""
      # Whose access tokens are believed, and what a token must say to be believed.

      identity_providers:
        - name: main
          issuer: ${IDP_ISSUER:-http://localhost:9000}   # the token's `iss`, compared byte for byte
          audiences: [api]                               # one of these must be in the token's `aud`
          algorithms: [ES256]
          jwks: { file: ../Certs/idp.jwks.json }
          leeway: 30s                                    # how far the two clocks may differ

      """#
    ),
    (
      "orders.yaml",
      #"""
      # The orders backend, and who may do what with it.

      backends:
        - name: orders
          endpoints: ["${ORDERS_ADDRESS:-127.0.0.1:9443}"]
          tls:                                     # mutual: each checks the other's certificate
            ca: ../Certs/mesh-ca.crt
            certificate: ../Certs/gateway.crt
            key: ../Certs/gateway.key
            server_name: orders.internal
            identities: ["spiffe://gatehouse.internal/orders"]

      routes:
        # Anyone with the scope may read. The most specific route wins, wherever it stands in these files.
        - name: orders-read
          match: { path: "/orders/**", methods: [GET, HEAD] }
          authenticate: [main]
          authorize: { scopes: ["orders:read"] }
          backend: orders

        # Writing takes the other scope, and a token that names a tenant.
        - name: orders-write
          match: { path: "/orders/**", methods: [POST, PUT, PATCH, DELETE] }
          authenticate: [main]
          authorize: { scopes: ["orders:write"], claims: { tenant: "*" } }
          backend: orders
          body: { maximum: 1MiB }

        # For everyone, token or none. No internal token is sent: there is no user to speak of.
        - name: orders-status
          match: { path: /orders/status, methods: [GET, HEAD] }
          authenticate: none
          backend: orders

      """#
    ),
    (
      "users.yaml",
      #"""
      # The users backend, and who may do what with it.

      backends:
        - name: users
          endpoints: ["${USERS_ADDRESS:-127.0.0.1:9444}"]
          tls:
            ca: ../Certs/mesh-ca.crt
            certificate: ../Certs/gateway.crt
            key: ../Certs/gateway.key
            server_name: users.internal
            identities: ["spiffe://gatehouse.internal/users"]

      routes:
        # Whoever the identity provider vouches for may see their own account.
        - name: users-me
          match: { path: /users/me, methods: [GET, HEAD] }
          authenticate: [main]
          authorize: authenticated
          backend: users

        # One segment, any name; administrators only.
        - name: users-one
          match: { path: "/users/{id}" }
          authenticate: [main]
          authorize: { roles: [admin] }
          backend: users
          timeout: 5s

        # Support may look into the accounts of one tenant. Without `/internal` in front, as the backend knows the path.
        - name: users-support
          match: { path: "/internal/users/**", methods: [GET] }
          authenticate: [main]
          authorize:
            any:
              - roles: [admin]
              - all:
                  - roles: [support]
                  - claims: { tenant: acme }
          backend: users
          rewrite: { strip_prefix: /internal }

      """#
    ),
  ]
}
