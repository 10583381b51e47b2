import CLinux
import Reactor
import Testing

struct SocketAddressTests {
  @Test(arguments: [
    ("127.0.0.1", AF_INET, "127.0.0.1:8443"), ("0.0.0.0", AF_INET, "0.0.0.0:8443"), ("::1", AF_INET6, "[::1]:8443"),
    ("::", AF_INET6, "[::]:8443"), ("2001:DB8::1", AF_INET6, "[2001:db8::1]:8443"),
  ])
  func `A literal is read and described`(literal: String, family: Int32, description: String) throws {
    let address = try #require(SocketAddress(literal: literal, port: 8_443))
    #expect(address.family == family)
    #expect(address.description == description)
    #expect(address.peer.port == 8_443)
  }

  @Test(arguments: ["", "localhost", "256.0.0.1", "1.2.3", "1.2.3.4:80", "[::1]", "::1%lo", "01.2.3.4", "fe80", ":::"])
  func `What is no literal is not read`(text: String) { #expect(SocketAddress(literal: text, port: 1) == nil) }

  @Test func `A unix-domain path is described as it is`() throws {
    let address = try SocketAddress(unixPath: "/run/gatehouse/admin.sock")
    #expect(address.family == AF_UNIX)
    #expect(address.description == "unix:/run/gatehouse/admin.sock")
    #expect(address.peer.isUnspecified)
  }

  @Test func `A path of 107 bytes fits and one of 108 does not`() throws {
    let longest = String(repeating: "x", count: 107)
    #expect(try SocketAddress(unixPath: longest).description == "unix:" + longest)
    #expect(throws: Errno(ENAMETOOLONG)) { try SocketAddress(unixPath: longest + "x") }
  }

  @Test func `What the kernel hands back is what was given`() throws {
    let address = try #require(SocketAddress(literal: "2001:db8::1", port: 443))
    let copy = address.withPointer { pointer, length in
      var storage = sockaddr_storage()
      memcpy(&storage, pointer, Int(length))
      return SocketAddress(storage: storage, length: length)
    }
    #expect(copy.description == address.description)
  }
}
