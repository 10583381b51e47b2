import JSON
import Testing

@testable import Routing

@Suite("Authorization rules")
struct AuthorizationRuleTests {
  private func claims(_ members: (String, JSONValue)...) -> JSONValue {
    .object(members.map { JSONMember($0.0, $0.1) })
  }

  @Test("scopes are read from a string with single spaces or an array of strings, and all must be there")
  func scopes() {
    let rule = AuthorizationRule.scopes(["orders:read", "orders:write"])
    let both: JSONValue = .array(["orders:write", "orders:read"])
    for name in ["scope", "scp"] {
      #expect(rule.evaluate(claims((name, "x orders:write orders:read"))) == .allowed)
      #expect(rule.evaluate(claims((name, both))) == .allowed)
      #expect(rule.evaluate(claims((name, "orders:read"))) == .scopeMissing)
      #expect(rule.evaluate(claims((name, "orders:read\torders:write"))) == .scopeMissing)
      #expect(rule.evaluate(claims((name, "orders:readx orders:write"))) == .scopeMissing)
      #expect(rule.evaluate(claims((name, .array(["orders:write", "orders:read", .integer(1)])))) == .scopeMissing)
      #expect(rule.evaluate(claims((name, .array(["orders:write orders:read"])))) == .scopeMissing)
      #expect(rule.evaluate(claims((name, .integer(5)))) == .scopeMissing)
    }
    #expect(rule.evaluate(claims()) == .scopeMissing)
    #expect(rule.evaluate(claims(("scope", "a"), ("scp", both))) == .scopeMissing)
  }

  @Test("roles are an array of strings at a path")
  func roles() {
    let roles: JSONValue = .array(["admin", "user"])
    #expect(AuthorizationRule.roles(["admin", "user"]).evaluate(claims(("roles", roles))) == .allowed)
    #expect(AuthorizationRule.roles(["admin", "boss"]).evaluate(claims(("roles", roles))) == .claimDenied)
    let nested = claims(("realm_access", claims(("roles", roles))), ("https://e.com/roles", roles))
    #expect(AuthorizationRule.roles(["admin"], from: "realm_access.roles").evaluate(nested) == .allowed)
    #expect(AuthorizationRule.roles(["admin"], from: "https://e.com/roles").evaluate(nested) == .allowed)
    #expect(AuthorizationRule.roles(["admin"]).evaluate(nested) == .claimDenied)
    #expect(AuthorizationRule.roles(["admin"]).evaluate(claims(("roles", "admin"))) == .claimDenied)
  }

  @Test(
    "a claim is compared as JSON: strings, integers and booleans with the text, arrays by what they hold",
    arguments: [
      (JSONValue.string(Array("5".utf8)), "5", true), (.integer(5), "5", true), (.integer(5), "05", false),
      (.integer(-5), "-5", true), (.boolean(true), "true", true), (.boolean(true), "yes", false), (.null, "null", false),
      (.array([.integer(1), .integer(5)]), "5", true), (.array([]), "5", false), (.number(5), "5", false),
      (.object([]), "5", false), (.array([.array([.integer(5)])]), "5", false),
      (.array([.object([]), .integer(5)]), "5", true),
    ])
  func claimValues(_ value: JSONValue, _ text: String, _ holds: Bool) {
    let verdict = AuthorizationRule.claim("c", [text, "other"]).evaluate(claims(("c", value)))
    #expect(verdict == (holds ? .allowed : .claimDenied))
  }

  @Test("presence asks for a claim that is not null")
  func presence() {
    let rule = AuthorizationRule.claim("tenant", ["*"])
    #expect(rule.evaluate(claims(("tenant", "a"))) == .allowed)
    #expect(rule.evaluate(claims(("tenant", .object([])))) == .allowed)
    #expect(rule.evaluate(claims(("tenant", .null))) == .claimDenied)
    #expect(rule.evaluate(claims()) == .claimDenied)
  }

  @Test("a type that does not fit denies under `not` as well")
  func misfitUnderNot() {
    let notBlocked = AuthorizationRule.not(.claim("account.blocked", ["true"]))
    #expect(notBlocked.evaluate(claims()) == .allowed)
    #expect(notBlocked.evaluate(claims(("account", claims(("blocked", .boolean(false)))))) == .allowed)
    #expect(notBlocked.evaluate(claims(("account", claims(("blocked", .boolean(true)))))) == .claimDenied)
    #expect(notBlocked.evaluate(claims(("account", "blocked"))) == .claimDenied)
    #expect(notBlocked.evaluate(claims(("account", claims(("blocked", .object([])))))) == .claimDenied)
    #expect(notBlocked.evaluate(.array([])) == .claimDenied)
    #expect(AuthorizationRule.not(.roles(["banned"])).evaluate(claims(("roles", "banned"))) == .claimDenied)
    #expect(AuthorizationRule.not(.scopes(["bad"])).evaluate(claims(("scope", .integer(1)))) == .scopeMissing)
    #expect(AuthorizationRule.not(.not(.scopes(["bad"]))).evaluate(claims(("scope", .integer(1)))) == .scopeMissing)
  }

  @Test("unknown is decided only by what it could not change")
  func unknown() {
    let misfit = AuthorizationRule.roles(["a"])
    let yes = AuthorizationRule.scopes(["s"])
    let no = AuthorizationRule.scopes(["t"])
    let token = claims(("roles", .integer(1)), ("scope", "s"))
    #expect(AuthorizationRule.any([misfit, yes]).evaluate(token) == .allowed)
    #expect(AuthorizationRule.all([yes, misfit]).evaluate(token) == .claimDenied)
    #expect(AuthorizationRule.not(.any([misfit, no])).evaluate(token) == .claimDenied)
    #expect(AuthorizationRule.not(.all([misfit, yes])).evaluate(token) == .claimDenied)
    #expect(AuthorizationRule.not(.all([misfit, no])).evaluate(token) == .allowed)
  }

  @Test("`any` of nothing denies, and the denial says scope only when a scope would help in every branch")
  func combinations() {
    #expect(AuthorizationRule.any([]).evaluate(claims()) == .claimDenied)
    #expect(AuthorizationRule.everyone.evaluate(claims()) == .allowed)
    #expect(AuthorizationRule.any([.scopes(["a"]), .scopes(["b"])]).evaluate(claims()) == .scopeMissing)
    #expect(AuthorizationRule.any([.scopes(["a"]), .roles(["b"])]).evaluate(claims()) == .claimDenied)
    #expect(AuthorizationRule.all([.scopes(["a"]), .roles(["b"])]).evaluate(claims()) == .scopeMissing)
  }

  @Test("claims are compared byte for byte, not by what looks the same")
  func bytes() {
    #expect(AuthorizationRule.claim("n", ["\u{e9}"]).evaluate(claims(("n", "e\u{301}"))) == .claimDenied)
  }
}
