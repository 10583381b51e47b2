import Development
import Foundation
import Testing

@Suite("Demo")
struct DemoTests {
  @Test("a port that is taken is named with the option that changes it, and so is one given twice")
  func takenPorts() throws {
    let directory = try TemporaryDirectory()
    _ = try DevelopmentPKI(directory: directory.path).make()
    let backend = try EchoBackend(EchoBackend.Settings(name: "orders", host: "127.0.0.1", port: 0, directory: directory.path))
    var ports = DemoPorts()
    ports.edge = backend.port
    ports.users = ports.orders
    let error = #expect(throws: DevelopmentError.self) { try ports.check() }
    let text = error?.description ?? ""
    #expect(text.contains("port \(backend.port) for the gateway is taken") && text.contains("choose another with --port"))
    #expect(text.contains("cannot both have port 9443: change --users-port"))
  }

  @Test("a new directory is filled with routes and keys, and found as it is the next time")
  func workspace() throws {
    let directory = try TemporaryDirectory()
    let first = try DemoWorkspace(directory: directory.path + "/demo")
    let key = try Data(contentsOf: URL(fileURLWithPath: first.certificates + "/edge.key"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: first.routes).count == ExampleRoutes.files.count)
    try Data("# mine\n".utf8).write(to: URL(fileURLWithPath: first.routes + "/users.yaml"))
    let second = try DemoWorkspace(directory: directory.path + "/demo")
    second.remove()
    #expect(try Data(contentsOf: URL(fileURLWithPath: second.certificates + "/edge.key")) == key)
    #expect(try String(contentsOfFile: second.routes + "/users.yaml", encoding: .utf8) == "# mine\n")
  }
}
