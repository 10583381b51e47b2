import Testing

@testable import HTTP

@Suite("Forms")
struct FormContentTests {
  private func value(_ form: String) -> String? {
    FormContent.value(of: "logout_token", in: Array(form.utf8)).map { String(decoding: $0, as: UTF8.self) }
  }

  @Test("the one value of a field, decoded")
  func value() {
    #expect(value("logout_token=a.b.c") == "a.b.c")
    #expect(value("x=1&logout_token=a%2eb%2Ec&y") == "a.b.c")
    #expect(value("&&logout_token=a+b=c&") == "a b=c")
    #expect(value("logout%5Ftoken=a") == "a")
  }

  @Test(
    "none, two, an empty one and a broken escape are nothing",
    arguments: [
      "", "logout_token", "logout_token=", "logout_tokens=a", "Logout_Token=a", "logout_token=a&logout_token=a",
      "logout_token=a&logout%5ftoken=b", "logout_token=a&logout_token", "logout_token=%", "logout_token=%2", "logout_token=%2g",
    ])
  func nothing(form: String) {
    #expect(value(form) == nil)
  }
}
